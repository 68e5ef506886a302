//! What the record of a tree says of the leaves of a branch more than once, compared: one damaged byte
//! would turn integers into floats or let another branch count.

use super::index::{Index, Node};
use super::interpretation::ClassEvidence;
use super::leaf::Leaf;
use crate::root::{Buffer, Parse};

/// Compares the leaves of a plain branch with its title, `x[n]/F:y/I`, if that is a list of leaves.
fn with_title(title: &[u8], leaves: &[Leaf<'_>]) -> Result<(), String> {
    let title = String::from_utf8_lossy(title);
    for (leaf, part) in leaves.iter().zip(title.split(':')) {
        let own = String::from_utf8_lossy(leaf.title);
        // Whatever else a title is, it is not about the leaf.
        let Some(code) = part.strip_prefix(&*own).and_then(|rest| rest.strip_prefix('/')) else { continue };
        let Some(classes) = classes(code) else { continue };
        let class = String::from_utf8_lossy(leaf.class);
        if !classes.contains(&&*class) {
            return Err(format!("it is damaged: it is `{part}` by its title, and its leaf is a {class}"));
        }
        let has_sign = "BSILGbsilg".contains(code);
        if has_sign && leaf.unsigned != code.chars().all(char::is_lowercase) {
            let sign = if leaf.unsigned { "unsigned" } else { "signed" };
            return Err(format!("it is damaged: it is `{part}` by its title, and its leaf is {sign}"));
        }
    }
    Ok(())
}

/// The classes of leaves for a letter of a list of leaves (the constructor of `TBranch`).
fn classes(code: &str) -> Option<&'static [&'static str]> {
    Some(match code {
        "C" => &["TLeafC"],
        "B" | "b" => &["TLeafB"],
        "S" | "s" => &["TLeafS"],
        "I" | "i" => &["TLeafI"],
        "F" => &["TLeafF"],
        "f" => &["TLeafF16"],
        "D" => &["TLeafD"],
        "d" => &["TLeafD32"],
        "L" | "l" | "G" | "g" => &["TLeafL", "TLeafG"],
        "O" => &["TLeafO"],
        _ => return None,
    })
}

/// Compares the type of a member's leaf with that of its branch.
fn with_member(class: &ClassEvidence<'_>, leaves: &[Leaf<'_>]) -> Result<(), String> {
    match (class.member_code(), leaves) {
        (Some(code), [Leaf { code: Some(own), .. }]) if *own != code => {
            Err(format!("it is damaged: its branch is of type {code}, and its leaf of type {own}"))
        }
        _ => Ok(()),
    }
}

/// The checksum of the class of a vector or a map is that of its name alone (`TClass::GetCheckSum`: it has no members; the
/// other collections have some).
fn checksum_of(name: &[u8]) -> u32 {
    name.iter().fold(0_u32, |sum, &byte| sum.wrapping_mul(3).wrapping_add(byte.into()))
}

/// Compares the class of a branch with its checksum, if that is one of a collection of numbers: a damaged name of a type
/// would be taken for that of an enumeration, and floats for integers.
fn with_checksum(class: &ClassEvidence<'_>) -> Result<(), String> {
    const NUMBERS: [&[u8]; 15] = [
        b"bool",
        b"char",
        b"signed char",
        b"unsigned char",
        b"short",
        b"unsigned short",
        b"int",
        b"unsigned int",
        b"long",
        b"unsigned long",
        b"Long64_t",
        b"ULong64_t",
        b"float",
        b"double",
        b"string",
    ];
    let (name, checksum) = class.named();
    if checksum == 0 || !name.contains(&b'<') || checksum_of(name) == checksum {
        return Ok(());
    }
    let ends: Vec<usize> = (0..name.len()).filter(|&at| b"<>,".contains(&name[at])).collect();
    // What stands between two of them may be a damaged type, and one in the middle a damaged byte of it.
    let places = ends
        .iter()
        .enumerate()
        .flat_map(|(at, &start)| ends[at + 1..].iter().take(2).map(move |&end| start + 1..end));
    for place in places {
        for number in NUMBERS {
            let meant = [&name[..place.start], number, &name[place.end..]].concat();
            if checksum_of(&meant) == checksum {
                let [name, meant] = [name, &meant[..]].map(String::from_utf8_lossy);
                return Err(format!(
                    "it is damaged: it is of class `{name}`, and its checksum that of `{meant}`"
                ));
            }
        }
    }
    Ok(())
}

/// Compares the size that a leaf of a plain branch gives with that of its class.
fn with_class(leaf: &Leaf<'_>) -> Result<(), String> {
    let size = match leaf.class {
        b"TLeafO" | b"TLeafB" | b"TLeafC" => 1,
        b"TLeafS" => 2,
        b"TLeafI" | b"TLeafF" | b"TLeafF16" => 4,
        b"TLeafL" | b"TLeafG" | b"TLeafD" | b"TLeafD32" => 8,
        _ => return Ok(()),
    };
    if leaf.size == size {
        return Ok(());
    }
    let class = String::from_utf8_lossy(leaf.class);
    Err(format!("it is damaged: its leaf is a {class} of {size} bytes, and says {}", leaf.size))
}

/// Compares the leaf that counts the values of `leaf` with what its title, `x[n]`, calls it. Leaves can be renamed
/// after the title was made: so only if `n` is another one of the tree.
fn with_counter(index: &Index, record: Buffer<'_>, leaf: &Leaf<'_>) -> Result<(), String> {
    let Some((node, _)) = leaf.counter.and_then(|place| index.of_leaf(place)) else { return Ok(()) };
    let title = String::from_utf8_lossy(leaf.title);
    let dims = title.split('[').skip(1).filter_map(|part| part.split(']').next());
    let Some(name) = dims.into_iter().find(|dim| dim.parse::<u64>().is_err()) else { return Ok(()) };
    let counter = leaf.counter.and_then(|place| name_at(record, place).ok()).unwrap_or_default();
    match index.find(name) {
        Some(other) if other != node && counter != name.as_bytes() => {
            let by = &index.nodes[node].path;
            Err(format!("it is damaged: `{name}` counts its values by its title, and `{by}` by its leaf"))
        }
        _ => Ok(()),
    }
}

fn name_at(record: Buffer<'_>, place: usize) -> Parse<Vec<u8>> {
    let leaf = Leaf::read(&mut record.at(place))?;
    Ok(leaf.map(|leaf| leaf.name.to_vec()).unwrap_or_default())
}

/// All of these for a branch of a class.
pub(super) fn of_class(class: &ClassEvidence<'_>, leaves: &[Leaf<'_>]) -> Result<(), String> {
    with_member(class, leaves)?;
    with_checksum(class)
}

/// All of these for a plain branch. `record` is that of the tree.
pub(super) fn of_leaves(
    index: &Index,
    node: &Node,
    record: Buffer<'_>,
    leaves: &[Leaf<'_>],
) -> Result<(), String> {
    let title = record.at(node.named).tnamed().map_or(&[][..], |(_, title)| title);
    with_title(title, leaves)?;
    for leaf in leaves {
        with_class(leaf)?;
        with_counter(index, record, leaf)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As ROOT 6.40 wrote them: io/tests/data/headers, and `TClass::GetCheckSum` in Python.
    #[test]
    fn the_checksum_of_a_vector_is_that_of_its_name() {
        assert_eq!(checksum_of(b"vector<float>"), 0x055a_169b);
        for (name, checksum) in [
            ("vector<int>", 0x0098_3b88),
            ("vector<vector<float> >", 0x8165_d920),
            ("map<int,float>", 0x0f02_90db),
            ("vector<string>", 0x100e_72bc),
            ("vector<unsigned long>", 0x2b72_34c4),
        ] {
            assert_eq!(checksum_of(name.as_bytes()), checksum, "{name}");
        }
    }
}
