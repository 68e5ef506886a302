//! From the nested arrays that the `parquet` crate makes to a column's own: no nulls, 32-bit offsets
//! from 0, strings as bytes.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float16Type;
use arrow_array::{Array, ArrayRef, BinaryArray, FixedSizeListArray, Float32Array, ListArray, UInt32Array};
use arrow_buffer::OffsetBuffer;
use arrow_schema::DataType;

use super::schema::{Step, item};

/// The column behind `steps` in `array`.
///
/// # Errors
/// With the reason: a null, or an array that is not what the schema says.
pub(super) fn column(array: &ArrayRef, steps: &[Step]) -> Result<ArrayRef, String> {
    let nulls = array.logical_null_count();
    if nulls > 0 {
        let n = array.len();
        return Err(format!(
            "{nulls} of {n} values are null, and nulls cannot be read: fill them when the file is written \
             (`ak.fill_none`, `fillna`)"
        ));
    }
    let Some((step, rest)) = steps.split_first() else { return value(array) };
    let wrong = || format!("an array of {} is not what the schema says", array.data_type());
    match step {
        Step::Member(name) => {
            let members = array.as_struct_opt().ok_or_else(wrong)?;
            column(members.column_by_name(name).ok_or_else(wrong)?, rest)
        }
        Step::Items => {
            let (offsets, items) = list(array).ok_or_else(wrong)?;
            let items = column(&items, rest)?;
            let list = ListArray::try_new(item(items.data_type().clone()), offsets, items, None);
            Ok(Arc::new(list.map_err(|error| error.to_string())?))
        }
        Step::Fixed(n) => {
            let (offsets, items) = list(array).ok_or_else(wrong)?;
            if let Some(other) = offsets.windows(2).map(|ends| ends[1] - ends[0]).find(|length| length != n) {
                return Err(format!("a list has {other} items where every list has {n}"));
            }
            let items = column(&items, rest)?;
            let list = FixedSizeListArray::try_new(item(items.data_type().clone()), *n, items, None);
            Ok(Arc::new(list.map_err(|error| error.to_string())?))
        }
        Step::Count => {
            let (offsets, _) = list(array).ok_or_else(wrong)?;
            let counts = offsets.windows(2).map(|ends| (ends[1] - ends[0]).unsigned_abs());
            Ok(Arc::new(UInt32Array::from_iter_values(counts)))
        }
    }
}

/// A list's offsets, from 0, and its items.
fn list(array: &ArrayRef) -> Option<(OffsetBuffer<i32>, ArrayRef)> {
    let list = array.as_list_opt::<i32>()?;
    let offsets = list.offsets();
    let (first, last) = (offsets.first(), offsets.last());
    if first == 0 && last as usize == list.values().len() {
        return Some((offsets.clone(), list.values().clone()));
    }
    let lengths = offsets.windows(2).map(|ends| (ends[1] - ends[0]) as usize);
    Some((OffsetBuffer::from_lengths(lengths), list.values().slice(first as usize, (last - first) as usize)))
}

/// What is under all lists.
fn value(array: &ArrayRef) -> Result<ArrayRef, String> {
    let mut array = array.clone();
    // A validity buffer without a null in it says nothing.
    if array.nulls().is_some() {
        let data = array.to_data().into_builder().nulls(None).build();
        array = arrow_array::make_array(data.map_err(|error| error.to_string())?);
    }
    Ok(match array.data_type() {
        DataType::Utf8 => Arc::new(BinaryArray::from(array.as_string::<i32>().clone())),
        DataType::Float16 => {
            let halves = array.as_primitive::<Float16Type>();
            Arc::new(Float32Array::from_iter_values(halves.values().iter().map(|half| half.to_f32())))
        }
        _ => array,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Int32Array, StringArray};

    fn lists(values: &[Option<&[i32]>]) -> ArrayRef {
        let lists =
            values.iter().map(|list| list.map(|items| items.iter().copied().map(Some).collect::<Vec<_>>()));
        Arc::new(ListArray::from_iter_primitive::<arrow_array::types::Int32Type, _, _>(lists))
    }

    #[test]
    fn a_slice_of_lists_starts_at_zero() {
        let sliced = lists(&[Some(&[1, 2]), Some(&[3]), Some(&[]), Some(&[4, 5])]).slice(1, 3);
        let column = column(&sliced, &[Step::Items]).unwrap();
        assert_eq!(**column.as_list::<i32>().offsets(), [0, 1, 1, 3]);
        assert_eq!(
            column.as_list::<i32>().values().as_primitive::<arrow_array::types::Int32Type>().values(),
            &[3, 4, 5]
        );
    }

    #[test]
    fn nulls_are_refused_on_every_level_and_their_absence_forgotten() {
        let error = column(&lists(&[Some(&[1]), None]), &[Step::Items]).unwrap_err();
        assert!(error.starts_with("1 of 2 values are null"), "{error}");
        let optional: ArrayRef = Arc::new(Int32Array::new(vec![1, 2].into(), Some(vec![true, true].into())));
        assert!(column(&optional, &[]).unwrap().nulls().is_none());
    }

    #[test]
    fn strings_are_bytes_and_lists_of_another_length_are_refused() {
        let strings: ArrayRef = Arc::new(StringArray::from(vec!["a", "é"]));
        assert_eq!(column(&strings, &[]).unwrap().as_binary::<i32>().value(1), "é".as_bytes());
        let error = column(&lists(&[Some(&[1, 2]), Some(&[3])]), &[Step::Fixed(2)]).unwrap_err();
        assert_eq!(error, "a list has 1 items where every list has 2");
    }
}
