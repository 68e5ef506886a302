//! Branches that hold fewer entries than their tree, filled up with zeros and empty lists where that was asked for.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, ListArray, make_array};
use arrow_buffer::{Buffer, MutableBuffer, OffsetBuffer};
use arrow_data::ArrayData;
use arrow_data::transform::MutableArrayData;
use arrow_schema::DataType;

/// No file vouches for the values that fill a batch up: not more than that of each column.
const MOST: usize = 1 << 24;

/// `present` with defaults behind, up to `n` entries. If they are counted, `offsets` are those of all `n`, and the defaults have
/// as many values as they say.
pub(super) fn filled(
    present: &ArrayRef,
    n: usize,
    offsets: Option<&OffsetBuffer<i32>>,
) -> Result<ArrayRef, String> {
    let missing = n - present.len();
    let data_type = present.data_type();
    let behind = match (offsets, data_type) {
        (Some(offsets), DataType::List(item)) => {
            let (first, last) = (offsets[present.len()], offsets[n]);
            let ends: Vec<i32> = offsets[present.len()..=n].iter().map(|end| end - first).collect();
            let values = defaults(item.data_type(), (last - first) as usize)?;
            built(data_type, missing, vec![Buffer::from_vec(ends)], vec![values])?
        }
        _ => defaults(data_type, missing)?,
    };
    let before = present.to_data();
    let mut all = MutableArrayData::new(vec![&before, &behind], false, n);
    all.try_extend(0, 0, present.len()).map_err(|error| error.to_string())?;
    all.try_extend(1, 0, missing).map_err(|error| error.to_string())?;
    let all = make_array(all.freeze());
    match (offsets, data_type) {
        // The very offsets of the counter, so that its columns are seen to belong together.
        (Some(offsets), DataType::List(item)) => {
            let values = all.to_data().child_data().first().map(|values| make_array(values.clone()));
            let values = values.ok_or("a list has no values")?;
            let list = ListArray::try_new(item.clone(), offsets.clone(), values, None);
            Ok(Arc::new(list.map_err(|error| error.to_string())?))
        }
        _ => Ok(all),
    }
}

/// So many zeros, empty lists or empty texts.
fn defaults(data_type: &DataType, n: usize) -> Result<ArrayData, String> {
    if n > MOST {
        return Err(format!(
            "a batch of {n} values that are not there is too large: ask for fewer entries at once"
        ));
    }
    let zeros = |bytes: usize| Buffer::from(MutableBuffer::from_len_zeroed(bytes));
    match data_type {
        DataType::Boolean => built(data_type, n, vec![zeros(n.div_ceil(8))], Vec::new()),
        DataType::List(item) => {
            let values = ArrayData::new_empty(item.data_type());
            built(data_type, n, vec![zeros((n + 1) * size_of::<i32>())], vec![values])
        }
        DataType::Utf8 | DataType::Binary => {
            built(data_type, n, vec![zeros((n + 1) * size_of::<i32>()), zeros(0)], Vec::new())
        }
        DataType::FixedSizeList(item, size) => {
            let values = usize::try_from(*size).ok().and_then(|size| n.checked_mul(size));
            let values = values.ok_or_else(|| format!("{n} arrays of {size} values are too large"))?;
            built(data_type, n, Vec::new(), vec![defaults(item.data_type(), values)?])
        }
        DataType::Struct(fields) => {
            let members = fields.iter().map(|field| defaults(field.data_type(), n));
            built(data_type, n, Vec::new(), members.collect::<Result<_, _>>()?)
        }
        other => match other.primitive_width() {
            Some(width) => built(data_type, n, vec![zeros(n * width)], Vec::new()),
            None => Err(format!("there is no default of {other}")),
        },
    }
}

fn built(
    data_type: &DataType,
    n: usize,
    buffers: Vec<Buffer>,
    children: Vec<ArrayData>,
) -> Result<ArrayData, String> {
    let array = ArrayData::builder(data_type.clone()).len(n).buffers(buffers).child_data(children);
    array.build().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Float32Type, Int32Type};
    use arrow_array::{BooleanArray, FixedSizeListArray, Int32Array, StringArray, StructArray};
    use arrow_schema::{Field, Fields};

    use super::*;

    fn item(data_type: DataType) -> Arc<Field> {
        Arc::new(Field::new("item", data_type, false))
    }

    #[test]
    fn what_is_missing_is_zero_or_empty_whatever_the_type() {
        let numbers: ArrayRef = Arc::new(Int32Array::from(vec![7, 8]));
        let flags: ArrayRef = Arc::new(BooleanArray::from(vec![true, true]));
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["a", "bc"]));
        let fixed: ArrayRef =
            Arc::new(FixedSizeListArray::new(item(DataType::Int32), 1, numbers.clone(), None));
        let fields = Fields::from(vec![
            Field::new("n", DataType::Int32, false),
            Field::new("s", DataType::Utf8, false),
        ]);
        let records: ArrayRef =
            Arc::new(StructArray::new(fields, vec![numbers.clone(), texts.clone()], None));
        let lists: ArrayRef = Arc::new(ListArray::new(
            item(DataType::Utf8),
            OffsetBuffer::from_lengths([2, 0]),
            texts.clone(),
            None,
        ));
        for present in [&numbers, &flags, &texts, &fixed, &records, &lists] {
            let all = filled(present, 20, None).unwrap();
            assert_eq!((all.len(), all.null_count()), (20, 0));
            assert_eq!(&all.slice(0, 2), present);
            assert_eq!(all.slice(2, 9).to_data(), all.slice(11, 9).to_data());
        }
        assert_eq!(filled(&numbers, 4, None).unwrap().as_primitive::<Int32Type>().values(), &[7, 8, 0, 0]);
        assert!(!filled(&flags, 4, None).unwrap().as_boolean().value(3));
        assert_eq!(filled(&texts, 3, None).unwrap().as_string::<i32>().value(2), "");
        assert_eq!(filled(&lists, 3, None).unwrap().as_list::<i32>().value_length(2), 0);
        // None of it is there.
        assert_eq!(
            filled(&numbers.slice(0, 0), 2, None).unwrap().as_primitive::<Int32Type>().values(),
            &[0, 0]
        );
    }

    #[test]
    fn counted_values_that_are_missing_are_zeros_in_lists_as_long_as_counted() {
        let values = Arc::new(arrow_array::Float32Array::from(vec![1.5, 2.5]));
        let present: ArrayRef =
            Arc::new(ListArray::new(item(DataType::Float32), OffsetBuffer::from_lengths([2]), values, None));
        let offsets = OffsetBuffer::from_lengths([2, 0, 3]);
        let all = filled(&present, 3, Some(&offsets)).unwrap();
        let all = all.as_list::<i32>();
        assert!(all.offsets().inner().ptr_eq(offsets.inner()));
        assert_eq!(all.values().as_primitive::<Float32Type>().values(), &[1.5, 2.5, 0.0, 0.0, 0.0]);
        let absurd = OffsetBuffer::from_lengths([2, 0, 2_000_000_000]);
        assert!(filled(&present, 3, Some(&absurd)).unwrap_err().contains("ask for fewer entries"));
    }
}
