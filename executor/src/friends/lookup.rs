use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use hep_columns::Batch;
use hep_io::Scratch;
use hep_io::source::coalesce;

use super::Chain;
use crate::error::RunResult;
use crate::range::{OpenTree, group};

/// A friend with more entries is not indexed: a gibibyte for its keys, 32 bytes each.
pub(crate) const MOST_KEYS: u64 = 1 << 25;
/// Entries whose keys are read at once.
const AT_ONCE: u64 = 1 << 20;

/// The values of the index branches; 0 in place of those that are not there.
pub(crate) type Key = [i64; 3];

/// From the values of the index branches to an entry of the friend's chain.
#[derive(Debug)]
pub(crate) struct Lookup {
    /// Sorted.
    keys: Vec<(Key, u64)>,
}

impl Lookup {
    /// The lookup of a chain by the keys of each of its files, in the file's order.
    ///
    /// # Errors
    /// With the reason: two entries have the same key.
    pub(crate) fn new(chain: &Chain, files: Vec<Vec<Key>>) -> Result<Self, String> {
        let mut keys = Vec::with_capacity(files.iter().map(Vec::len).sum());
        for (file, found) in files.into_iter().enumerate() {
            let start = chain.start(file);
            keys.extend(found.into_iter().zip(start..));
        }
        keys.sort_unstable();
        if let Some([(key, a), (_, b)]) = keys.array_windows().find(|[(a, _), (b, _)]| a == b) {
            return Err(format!(
                "two of its entries have {}: {} and {}",
                values(chain.index(), key),
                chain.describe(*a),
                chain.describe(*b)
            ));
        }
        Ok(Self { keys })
    }

    /// The entry with this key.
    pub(crate) fn find(&self, key: &Key) -> Option<u64> {
        self.keys.binary_search_by(|(known, _)| known.cmp(key)).ok().map(|at| self.keys[at].1)
    }
}

/// The keys of all entries of a file.
pub(crate) fn keys_of(file: &OpenTree, index: &[String]) -> RunResult<Vec<Key>> {
    let entries = file.reader.entries();
    let mut found = Vec::new();
    let mut scratch = Scratch::default();
    for range in group(&file.reader.boundaries(index)?, &[], AT_ONCE) {
        let plan = file.reader.plan(index, range)?;
        let bytes = coalesce::read(&*file.source, &plan.ranges)?;
        let mut batches = file.reader.decode(&plan, &bytes, &mut scratch)?;
        while let Some(batch) = batches.next(1 << 16)? {
            found.extend(keys(&batch, index, file.source.name())?);
        }
    }
    debug_assert_eq!(found.len() as u64, entries);
    Ok(found)
}

/// The keys of a batch's entries.
///
/// # Errors
/// Where a branch does not hold whole numbers, or one that takes more than 63 bits.
pub(crate) fn keys(batch: &Batch, index: &[String], path: &str) -> RunResult<Vec<Key>> {
    let mut keys = vec![Key::default(); batch.len()];
    for (place, name) in index.iter().enumerate() {
        let wrong = |reason: String| hep_io::Error::Unsupported {
            path: path.to_owned(),
            what: format!("the index branch `{name}`"),
            reason,
        };
        let array = batch.column(name).map_err(|error| wrong(error.to_string()))?;
        let numbers = whole_numbers(array).map_err(wrong)?;
        keys.iter_mut().zip(numbers).for_each(|(key, number)| key[place] = number);
    }
    Ok(keys)
}

fn whole_numbers(array: &ArrayRef) -> Result<Vec<i64>, String> {
    fn of<T: ArrowPrimitiveType<Native: TryInto<i64>>>(array: &ArrayRef) -> Result<Vec<i64>, String> {
        let values = array.as_primitive::<T>().values().iter();
        let whole = values.map(|&value| value.try_into().ok());
        whole.collect::<Option<_>>().ok_or_else(|| "it holds numbers of more than 63 bits".to_owned())
    }
    match array.data_type() {
        DataType::Int8 => of::<Int8Type>(array),
        DataType::Int16 => of::<Int16Type>(array),
        DataType::Int32 => of::<Int32Type>(array),
        DataType::Int64 => of::<Int64Type>(array),
        DataType::UInt8 => of::<UInt8Type>(array),
        DataType::UInt16 => of::<UInt16Type>(array),
        DataType::UInt32 => of::<UInt32Type>(array),
        DataType::UInt64 => of::<UInt64Type>(array),
        other => Err(format!("it holds {other}, not whole numbers")),
    }
}

/// `run = 1, event = 7`.
pub(crate) fn values(index: &[String], key: &Key) -> String {
    let pairs = index.iter().zip(key).map(|(name, value)| format!("{name} = {value}"));
    pairs.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Float32Array, UInt64Array};

    use super::*;

    #[test]
    fn whole_numbers_of_all_widths_are_keys_and_others_are_not() {
        let large: ArrayRef = Arc::new(UInt64Array::from(vec![7, i64::MAX as u64]));
        assert_eq!(whole_numbers(&large), Ok(vec![7, i64::MAX]));
        let larger: ArrayRef = Arc::new(UInt64Array::from(vec![1 << 63]));
        assert!(whole_numbers(&larger).unwrap_err().contains("63 bits"));
        let floats: ArrayRef = Arc::new(Float32Array::from(vec![1.0]));
        assert_eq!(whole_numbers(&floats).unwrap_err(), "it holds Float32, not whole numbers");
    }
}
