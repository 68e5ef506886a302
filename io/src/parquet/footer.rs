//! The footer: where it lies, and whether its claims are in proportion to its size.

use std::ops::Range;

use super::thrift::{Compact, Kind};
use crate::root::{Malformed, Parse};

/// What a file begins and ends with.
pub(super) const MAGIC: &[u8; 4] = b"PAR1";
/// The same with an encrypted footer.
pub(super) const ENCRYPTED: &[u8; 4] = b"PARE";
/// The length of the footer, and the magic.
pub(super) const TAIL: u64 = 8;

/// No real schema is nested deeper; the `parquet` crate walks it by recursion.
const MAX_DEPTH: usize = 64;
/// The `parquet` crate keeps the whole path of each leaf. A name of a megabyte over a thousand leaves
/// is a gigabyte; honest paths take less than the footer itself.
const PATHS: usize = 8;

/// Where the footer lies in a file of `size` bytes, by the file's last 8 bytes.
pub(super) fn place(tail: &[u8], size: u64) -> Result<Range<u64>, String> {
    let Some((length, magic)) = tail.split_first_chunk::<4>().filter(|(_, magic)| magic.len() == 4) else {
        return Err(format!("it has only {size} bytes"));
    };
    if magic == ENCRYPTED {
        return Err("it is encrypted".to_owned());
    }
    if magic != MAGIC {
        return Err("it does not end with `PAR1`: it is truncated, or was never closed".to_owned());
    }
    let length = u64::from(u32::from_le_bytes(*length));
    let end = size.saturating_sub(TAIL);
    match end.checked_sub(length) {
        Some(start) if start >= MAGIC.len() as u64 && length > 0 => Ok(start..end),
        _ => Err(format!("a footer of {length} bytes does not fit in its {size} bytes")),
    }
}

/// Makes sure that what the footer says can be held in memory in proportion to its size: `FileMetaData`
/// of `parquet.thrift`, with `schema` as field 2 and `row_groups` as field 4.
pub(super) fn check(footer: &[u8]) -> Parse<()> {
    let mut leaves = None;
    Compact::new(footer).fields(|at, field, _| {
        match field {
            2 => leaves = Some(schema(at, footer.len())?),
            4 => {
                let Some(leaves) = leaves else {
                    return Err(Malformed::new(at.position(), "the row groups come before the schema"));
                };
                row_groups(at, leaves)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    })
}

/// The number of leaves. Elements come in depth-first order; `name` is field 4, `num_children` field 5.
fn schema(at: &mut Compact<'_>, footer: usize) -> Parse<usize> {
    let elements = structs(at)?;
    // The children still to come of each open group, and the length of its path.
    let mut open: Vec<(i64, usize)> = Vec::new();
    let (mut leaves, mut paths) = (0, 0_usize);
    for element in 0..elements {
        let (mut children, mut name) = (0, 0);
        at.fields(|at, field, _| {
            match field {
                4 => name = at.binary()?.len(),
                5 => children = at.int()?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        // The `parquet` crate gives memory to that many.
        if usize::try_from(children).is_ok_and(|children| children >= elements - element) || children < 0 {
            let reason = format!("element {element} of {elements} of its schema has {children} children");
            return Err(Malformed::new(at.position(), reason));
        }
        let path = match open.last_mut() {
            Some((left, path)) => {
                *left -= 1;
                *path + name + 1
            }
            None if element == 0 => 0,
            None => return Err(Malformed::new(at.position(), "the schema has more than one root")),
        };
        if children > 0 {
            open.push((children, path));
        } else {
            leaves += 1;
            paths = paths.saturating_add(path);
        }
        if open.len() > MAX_DEPTH {
            let reason = format!("its schema is nested more than {MAX_DEPTH} levels deep");
            return Err(Malformed::new(at.position(), reason));
        }
        while open.last().is_some_and(|(left, _)| *left == 0) {
            open.pop();
        }
    }
    if !open.is_empty() {
        return Err(Malformed::new(at.position(), "its schema ends too early"));
    }
    if paths / PATHS > footer + (64 << 10) {
        return Err(Malformed::new(at.position(), "the names of its columns are absurdly long"));
    }
    Ok(leaves)
}

/// Each row group has a chunk of every column: `columns` is field 1.
fn row_groups(at: &mut Compact<'_>, leaves: usize) -> Parse<()> {
    let groups = structs(at)?;
    for group in 0..groups {
        let mut chunks = None;
        at.fields(|at, field, _| {
            if field != 1 {
                return Ok(false);
            }
            let length = structs(at)?;
            for _ in 0..length {
                at.fields(|_, _, _| Ok(false))?;
            }
            chunks = Some(length);
            Ok(true)
        })?;
        if chunks != Some(leaves) {
            let chunks = chunks.unwrap_or(0);
            let reason = format!("row group {group} has {chunks} columns and the schema has {leaves}");
            return Err(Malformed::new(at.position(), reason));
        }
    }
    Ok(())
}

/// The head of a list of structures: how many.
fn structs(at: &mut Compact<'_>) -> Parse<usize> {
    match at.list()? {
        (length, Kind::STRUCT) => Ok(length),
        (0, _) => Ok(0),
        _ => Err(Malformed::new(at.position(), "a list holds something else than structures")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_footer_lies_before_the_last_eight_bytes() {
        assert_eq!(place(b"\x0A\0\0\0PAR1", 100), Ok(82..92));
        for (tail, size) in
            [(&b"\x0A\0\0\0PAR1"[..], 20), (b"\0\0\0\0PAR1", 100), (b"\xFF\xFF\xFF\xFFPAR1", 100)]
        {
            assert!(place(tail, size).unwrap_err().contains("does not fit"));
        }
        assert!(place(b"\x0A\0\0\0PAR2", 100).unwrap_err().contains("does not end with `PAR1`"));
    }

    /// A schema of `depth` nested groups with one leaf, as `FileMetaData`.
    fn nested(depth: usize) -> Vec<u8> {
        let mut bytes = vec![0x29];
        bytes.extend([0xFC, ((depth + 1) & 0x7F) as u8 | 0x80, ((depth + 1) >> 7) as u8]);
        for _ in 0..depth {
            bytes.extend([0x48, 1, b'a', 0x15, 2, 0]); // name "a", 1 child
        }
        bytes.extend([0x48, 1, b'x', 0, 0]);
        bytes
    }

    #[test]
    fn deep_schemas_are_refused_before_anyone_recurses() {
        assert_eq!(check(&nested(60)), Ok(()));
        let error = check(&nested(10_000)).unwrap_err();
        assert_eq!(error.reason, "its schema is nested more than 64 levels deep");
    }

    /// The children of a schema's element, as a varint.
    #[test]
    fn children_are_no_more_than_elements() {
        let schema = |children: &[u8]| {
            [&[0x29, 0x2C, 0x48, 1, b'a', 0x15][..], children, &[0, 0x48, 1, b'x', 0, 0]].concat()
        };
        assert_eq!(check(&schema(&[2])), Ok(()));
        for (children, number) in
            [(&[4][..], "2"), (&[0xFE, 0xFF, 0xFF, 0xFF, 15], "2147483647"), (&[1], "-1")]
        {
            let error = check(&schema(children)).unwrap_err();
            assert_eq!(error.reason, format!("element 0 of 2 of its schema has {number} children"));
        }
        // 2 to the 33rd and 1: cut to 32 bits it is 1.
        let error = check(&schema(&[0x82, 0x80, 0x80, 0x80, 0x40])).unwrap_err();
        assert_eq!(error.reason, "8589934593 does not fit in 32 bits");
    }
}
