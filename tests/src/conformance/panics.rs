//! Panics as outcomes: a column that makes a reader panic is counted, and the others go on.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};

thread_local! {
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Keeps where a panic happened instead of printing it: for a program, which owns its panics. Without
/// it [`catch`] says what happened but not where.
pub fn record() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string);
        PLACE.with(|kept| *kept.borrow_mut() = place);
    }));
}

/// What `work` returns, or what it panicked with.
pub(super) fn catch<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    panic::catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("?");
        let place = PLACE.with(|kept| kept.borrow_mut().take()).unwrap_or_default();
        format!("PANIC {place} {text}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message() {
        assert_eq!(catch(|| 3), Ok(3));
        let message = catch(|| [0][std::hint::black_box(1)]).unwrap_err();
        assert!(message.starts_with("PANIC") && message.contains("out of bounds"), "{message}");
    }
}
