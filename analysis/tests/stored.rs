//! Histograms that come from files and other processes are checked before they are believed.
use hep_analysis::hist::{Axis, Count2, Hist, HistN};
use serde_json::{Value, json};

fn stored() -> Value {
    serde_json::to_value(Hist::new(Axis::regular(3, 0.0, 1.0))).unwrap()
}

fn refused<T: serde::de::DeserializeOwned>(value: Value) {
    assert!(serde_json::from_value::<T>(value.clone()).is_err(), "{value}");
}

#[test]
fn cells_must_fit_the_axes() {
    serde_json::from_value::<Hist>(stored()).unwrap();
    for cells in [json!([]), json!([[0.0, 0.0]]), json!([[0.0], [0.0], [0.0], [0.0], [0.0]]), json!(null)] {
        let mut hist = stored();
        hist["cells"] = cells;
        refused::<Hist>(hist);
    }
}

#[test]
fn axes_must_make_sense() {
    let axis = stored()["axes"][0].clone();
    for bins in [
        json!({"regular": {"bins": 0, "low": 0.0, "high": 1.0}}),
        json!({"regular": {"bins": 3, "low": 1.0, "high": 1.0}}),
        json!({"regular": {"bins": u64::MAX, "low": 0.0, "high": 1.0}}),
        json!({"regular": {"bins": u64::MAX - 1, "low": 0.0, "high": 1.0}}),
        json!({"variable": {"edges": [0.0, 1.0, 1.0, 2.0]}}),
        json!({"variable": {"edges": []}}),
        json!({"integer": {"low": 3, "high": 0}}),
        json!({"integer": {"low": i32::MIN, "high": i32::MAX}}),
        json!({"category": {"names": ["a", "a", "b"], "grows": true}}),
        json!({"category": {"names": [], "grows": false}}),
        json!({"spiral": {}}),
    ] {
        let mut hist = stored();
        let mut axis = axis.clone();
        axis["bins"] = bins;
        hist["axes"] = json!([axis]);
        refused::<Hist>(hist.clone());
        // Two axes whose product is beyond all memory.
        hist["axes"] = json!([axis, axis]);
        refused::<Count2>(hist.clone());
        refused::<HistN>(hist);
    }
}

#[test]
fn another_number_of_axes_is_refused_and_any_number_is_not() {
    refused::<Count2>(stored());
    let any: HistN = serde_json::from_value(stored()).unwrap();
    assert_eq!(any.axes().len(), 1);
}
