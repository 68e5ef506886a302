//! Reads the files that `make.py` wrote.
#![allow(dead_code, reason = "each test binary uses a part")]
use serde_json::Value;

/// One golden file.
pub(crate) fn read(name: &str) -> Value {
    let path = format!("{}/tests/golden/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A double written as the hex digits of its bits.
pub(crate) fn double(value: &Value) -> f64 {
    let bits = value.as_str().and_then(|hex| u64::from_str_radix(hex, 16).ok());
    f64::from_bits(bits.unwrap_or_else(|| panic!("{value} is not a double in hex")))
}

/// A list of them.
pub(crate) fn doubles(value: &Value) -> Vec<f64> {
    list(value).iter().map(double).collect()
}

/// A list.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("{value} is not a list"))
}

/// A whole number.
pub(crate) fn whole(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| panic!("{value} is not a whole number"))
}

/// A whole number that counts or numbers something.
pub(crate) fn index(value: &Value) -> usize {
    usize::try_from(whole(value)).unwrap()
}

/// A text.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a text"))
}

/// How many doubles lie between two, NaN being next to NaN only; `0.0` and `-0.0` are the same.
pub(crate) fn ulps(a: f64, b: f64) -> u64 {
    let line = |x: f64| {
        let bits = x.to_bits() as i64;
        if bits < 0 { i64::MIN.wrapping_sub(bits) } else { bits }
    };
    match (a.is_nan(), b.is_nan()) {
        (true, true) => 0,
        (false, false) => line(a).abs_diff(line(b)),
        _ => u64::MAX,
    }
}

/// Whether two doubles are the same number, or both NaN.
pub(crate) fn same(a: f64, b: f64) -> bool {
    ulps(a, b) == 0
}

/// What does not tell how many there are: `fill_all` takes it in blocks, however few they be.
pub(crate) fn of_unknown_length<T>(values: impl IntoIterator<Item = T>) -> impl Iterator<Item = T> {
    let mut values = values.into_iter();
    std::iter::from_fn(move || values.next())
}
