//! The one place where a panic of the `parquet` crate ends: on malformed bytes it slices and adds
//! without checks here and there.

use std::panic::{AssertUnwindSafe, catch_unwind};

use parquet::errors::ParquetError;

/// What `task` returns, or the reason why not: its error, or that it panicked. Whatever it was
/// changing is to be dropped then.
pub(super) fn guarded<T>(task: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(task)) {
        Ok(result) => result.map_err(|error| match error {
            ParquetError::General(reason) | ParquetError::EOF(reason) | ParquetError::ArrowError(reason) => {
                reason
            }
            other => other.to_string(),
        }),
        Err(payload) => {
            let text = payload
                .downcast_ref::<&str>()
                .copied()
                .or(payload.downcast_ref::<String>().map(String::as_str));
            Err(format!("it makes the decoder panic: {}", text.unwrap_or("no message")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_and_an_error_are_reasons() {
        let nothing: &[u8] = &[];
        let at = std::hint::black_box(3);
        let error = guarded(|| Ok(nothing[at])).unwrap_err();
        assert!(error.contains("panic: index out of bounds"), "{error}");
        assert_eq!(guarded::<()>(|| Err(ParquetError::EOF("early".into()))), Err("early".to_owned()));
    }
}
