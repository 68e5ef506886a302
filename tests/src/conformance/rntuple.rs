//! What uproot makes of the columns of an RNTuple, where that is not what their types in C++ say.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float16Type, Float32Type, Float64Type, UInt32Type, UInt64Type};
use arrow_array::{ArrayRef, ArrowPrimitiveType, Float16Array, Float32Array, Int64Array};
use arrow_schema::DataType;
use serde_json::Value;

use super::reference::Reference;

type Half = <Float16Type as ArrowPrimitiveType>::Native;

/// The type as which uproot gives a column that we read as `ours`: it has sizes of collections as signed
/// numbers of 64 bits, and floats stored with half precision as such.
pub(super) fn data_type(reference: Option<Reference<'_>>, ours: &DataType) -> DataType {
    let Some(Reference { value, .. }) = reference else { return ours.clone() };
    match (value["leaves"][0]["dtype"].as_str(), ours) {
        (Some("i8"), DataType::UInt32 | DataType::UInt64) if is_size(value) => DataType::Int64,
        (Some("f2"), DataType::Float32) => DataType::Float16,
        // `Double32_t` is stored as a float.
        (Some("f4"), DataType::Float64) if type_name(value) == "double" => DataType::Float32,
        _ => ours.clone(),
    }
}

/// The column as `data_type`, which [`data_type`] gave.
pub(super) fn convert(ours: &ArrayRef, data_type: &DataType) -> ArrayRef {
    match (ours.data_type(), data_type) {
        (DataType::UInt32, DataType::Int64) => {
            Arc::new(Int64Array::from_unary(ours.as_primitive::<UInt32Type>(), i64::from))
        }
        (DataType::UInt64, DataType::Int64) => {
            Arc::new(Int64Array::from_unary(ours.as_primitive::<UInt64Type>(), |size| size as i64))
        }
        (DataType::Float32, DataType::Float16) => {
            Arc::new(Float16Array::from_unary(ours.as_primitive::<Float32Type>(), Half::from_f32))
        }
        (DataType::Float64, DataType::Float32) => {
            Arc::new(Float32Array::from_unary(ours.as_primitive::<Float64Type>(), |value| value as f32))
        }
        _ => ours.clone(),
    }
}

fn type_name(reference: &Value) -> &str {
    reference["typename"].as_str().unwrap_or_default()
}

fn is_size(reference: &Value) -> bool {
    type_name(reference).starts_with("ROOT::RNTupleCardinality<")
}

/// Whether the reference is of a field of an RNTuple that may be or have a `char`.
pub(super) fn may_hold_chars(reference: &Value) -> bool {
    // Only branches have a kind.
    reference["kind"].is_null() && !type_name(reference).contains("uint8_t")
}
