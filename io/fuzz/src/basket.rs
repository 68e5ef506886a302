//! Baskets of branches of every kind: their heads, their compression and their values.

use std::ops::Range;
use std::sync::OnceLock;

use hep_io::EntryReader;
use hep_io::ttree::Tree;

use super::codec::{CODECS, compress, framed};
use super::{builder, reading};

/// The trees of `kinds.root`.
const TREES: [&str; 5] = ["flat", "counted", "vectors", "objects", "members"];

/// A basket of `kinds.root`.
struct Basket {
    tree: &'static str,
    column: String,
    /// Where it lies, and where the tree's record says so.
    place: Range<usize>,
    seek_at: usize,
    length_at: usize,
    /// How many bytes of it are its key.
    key_length: usize,
}

/// `data` is a row of parts, each of which replaces a basket: which one, how (see [`record`]), the
/// number of bytes in two bytes, and as many bytes; the last part may be shorter.
pub fn run(data: &[u8]) -> usize {
    let baskets = baskets();
    let mut file = builder::KINDS.to_vec();
    let mut touched: Vec<&Basket> = Vec::new();
    let mut rest = data;
    while let Some(([which, how, high, low], behind)) = rest.split_first_chunk()
        && touched.len() < 4
    {
        let basket = &baskets[usize::from(*which) % baskets.len()];
        let length = usize::from(*high) << 8 | usize::from(*low);
        let (content, next) = behind.split_at(length.min(behind.len()));
        rest = next;
        let mut record = record(basket, *how, content);
        let seek = file.len() as u64;
        // fSeekKey: any other place would be refused before anything else is looked at.
        if let Some(own) = record.get_mut(18..22) {
            own.copy_from_slice(&(seek as u32).to_be_bytes());
        }
        file[basket.seek_at..basket.seek_at + 8].copy_from_slice(&seek.to_be_bytes());
        builder::point(&mut file, basket.length_at, record.len());
        file.extend(record);
        touched.push(basket);
    }
    let end = file.len();
    builder::point(&mut file, builder::END, end);
    let file = builder::open(file).unwrap();
    let mut answers = 0;
    for tree in TREES {
        let columns: Vec<&str> =
            touched.iter().filter(|basket| basket.tree == tree).map(|basket| &*basket.column).collect();
        // Where counts changed, all that they count did.
        let all = tree == "counted" && !columns.is_empty();
        let tree = Tree::open(&file, tree).unwrap();
        answers += reading::columns(&tree, &**file.source(), reading::Alike::Values, |name| {
            all || columns.contains(&name)
        });
    }
    answers
}

/// The bytes of a basket with its key. The lowest two bits of `how`: `content` is all of it; it is
/// its values; or its values, which get compressed; or what stands in place of compressed values.
/// Then two bits that choose the codec.
fn record(basket: &Basket, how: u8, content: &[u8]) -> Vec<u8> {
    let key = &builder::KINDS[basket.place.start..basket.place.start + basket.key_length];
    let headed = |stored: &[u8], values: usize| {
        let mut record = key.to_vec();
        let length = (basket.key_length + stored.len()) as u32;
        record[..4].copy_from_slice(&length.to_be_bytes());
        record[6..10].copy_from_slice(&(values as u32).to_be_bytes());
        // fLast is behind the key's strings and followed by a flag of one byte.
        let last = (basket.key_length + values) as u32;
        let at = basket.key_length - 5;
        record[at..at + 4].copy_from_slice(&last.to_be_bytes());
        record.extend(stored);
        record
    };
    let codec = CODECS[usize::from(how >> 2) % CODECS.len()];
    match how & 3 {
        0 => content.to_vec(),
        1 => headed(content, content.len()),
        2 => {
            // Enough of them that compression pays: a basket that does not shrink is stored as it is.
            let values = content.repeat(1 + usize::from(how >> 5) * 64);
            headed(&framed(codec, &compress(codec, &values), values.len()), values.len())
        }
        _ => {
            let Some(([high, low], block)) = content.split_first_chunk() else { return content.to_vec() };
            let length = usize::from(*high) << 8 | usize::from(*low);
            headed(&framed(codec, block, length), length)
        }
    }
}

/// All baskets of all branches of `kinds.root` that can be read.
fn baskets() -> &'static [Basket] {
    static BASKETS: OnceLock<Vec<Basket>> = OnceLock::new();
    BASKETS.get_or_init(|| {
        let mut baskets = Vec::new();
        for name in TREES {
            let tree = Tree::open(&builder::kinds(), name).unwrap();
            for column in tree.column_names() {
                // The counter's baskets are those of its own column.
                let Ok(plan) = tree.plan(std::slice::from_ref(&column), 0..tree.entries()) else { continue };
                let own = plan.ranges.iter().map(|range| range.start as usize..range.end as usize);
                let named = own.filter(|place| is_of(place, &column));
                baskets.extend(named.map(|place| found(name, &column, place)));
            }
        }
        assert!(baskets.len() > 60, "{}", baskets.len());
        baskets
    })
}

/// Whether the key of the basket at `place` has the name of the branch.
fn is_of(place: &Range<usize>, column: &str) -> bool {
    let name = column.rsplit('/').next().unwrap();
    let label = [b"\x07TBasket", &[name.len() as u8][..], name.as_bytes()].concat();
    builder::KINDS[place.clone()].windows(label.len()).any(|window| window == label)
}

/// Finds where the tree's record says where the basket lies.
fn found(tree: &'static str, column: &str, place: Range<usize>) -> Basket {
    let kinds = builder::KINDS;
    let seek = (place.start as u64).to_be_bytes();
    let length = (place.len() as u32).to_be_bytes();
    let seeks = kinds.windows(8).enumerate().filter(|(_, window)| *window == seek).map(|(at, _)| at);
    // Three arrays of `slots` items with a byte before each: lengths, first entries, positions.
    let length_at = |seek_at: usize| {
        let indices = (2..100).flat_map(|slots| (0..slots).map(move |at| (slots, at)));
        indices
            .filter_map(|(slots, at)| {
                let first_seek = seek_at.checked_sub(8 * at)?;
                let first_length = first_seek.checked_sub(2 + 12 * slots)?;
                let marks = [first_seek, first_seek - 1 - 8 * slots, first_length];
                let marked = marks.iter().all(|mark| mark.checked_sub(1).is_some_and(|at| kinds[at] == 1));
                let there = first_length + 4 * at;
                (marked && kinds[there..there + 4] == length).then_some((seek_at, there))
            })
            .next()
    };
    let places: Vec<_> = seeks.filter_map(length_at).collect();
    let [(seek_at, length_at)] = places[..] else { panic!("baskets of {column} lie at {places:?}") };
    let key_length = usize::from(u16::from_be_bytes([kinds[place.start + 14], kinds[place.start + 15]]));
    Basket { tree, column: column.to_owned(), place, seek_at, length_at, key_length }
}

/// Inputs from which the fuzzer may begin: every basket as it is, in every way to write it.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (which, basket) in baskets().iter().enumerate() {
        let record = &builder::KINDS[basket.place.clone()];
        let values = &record[basket.key_length..];
        for (how, content) in [(0, record), (1, values), (2 | 1 << 2, values), (2 | 2 << 2 | 1 << 5, values)]
        {
            let length = content.len() as u16;
            let head = [which as u8, how, (length >> 8) as u8, length as u8];
            seeds.push([&head[..], content].concat());
        }
    }
    seeds
}
