//! RNTuples: header, footer, page lists and pages, sealed again after they were changed.

use std::sync::OnceLock;

use hep_io::rntuple::Ntuple;
use hep_io::root::codec::Decompressor;
use twox_hash::XxHash3_64;

use super::codec::{CODECS, compress, framed};
use super::{builder, reading};

/// Two RNTuples with the same fields, `plain` and `split`: made by `seeds.py`.
static NTUPLES: &[u8] = include_bytes!("../templates/ntuples.root");

/// Where header and footer lie in an anchor: six bytes of count and version, four numbers of 16 bits.
const LINKS: usize = 14;

/// An RNTuple taken apart.
struct Parts {
    name: &'static str,
    /// Where its anchor lies, and how long it is.
    anchor: usize,
    length: usize,
    /// Payloads, without the 8 bytes before and behind that make an envelope of them.
    header: Vec<u8>,
    footer: Vec<u8>,
    lists: Vec<List>,
}

struct List {
    payload: Vec<u8>,
    /// Where in the footer it is linked.
    link: usize,
    pages: Vec<Page>,
}

struct Page {
    /// Where in the page list its place is.
    place: usize,
    /// Its bytes in the file, and how many it has once decompressed.
    bytes: Vec<u8>,
    length: usize,
    checked: bool,
}

/// What of an RNTuple is replaced.
#[derive(Clone, Copy)]
enum Piece {
    Header,
    Footer,
    List(usize),
    Page(usize, usize),
}

/// `data` is a row of pieces: which in two bytes, how in one, the number of bytes in two, and as many
/// bytes, the last of them maybe fewer.
pub fn run(data: &[u8]) -> usize {
    let pieces = pieces();
    let mut file = NTUPLES.to_vec();
    let mut changed: [Vec<(Piece, u8, &[u8])>; 2] = [Vec::new(), Vec::new()];
    let mut rest = data;
    for _ in 0..4 {
        let Some(([which @ .., how, high, low], behind)) = rest.split_first_chunk::<5>() else { break };
        let (ntuple, piece) = pieces[usize::from(u16::from_be_bytes(*which)) % pieces.len()];
        let length = usize::from(*high) << 8 | usize::from(*low);
        let (content, next) = behind.split_at(length.min(behind.len()));
        changed[ntuple].push((piece, *how, content));
        rest = next;
    }
    for (parts, changed) in parts().iter().zip(&changed).filter(|(_, changed)| !changed.is_empty()) {
        parts.rebuild(changed, &mut file);
    }
    let end = file.len();
    builder::point(&mut file, builder::END, end);
    let file = builder::open(file).unwrap();
    let mut answers = 0;
    for (parts, changed) in parts().iter().zip(&changed).filter(|(_, changed)| !changed.is_empty()) {
        let Ok(ntuple) = Ntuple::open(&file, parts.name) else { continue };
        let _ = (ntuple.version(), ntuple.description(), ntuple.writer(), changed);
        answers += reading::columns(&ntuple, &**file.source(), reading::Alike::Values, |_| true);
    }
    answers
}

impl Parts {
    fn rebuild(&self, changed: &[(Piece, u8, &[u8])], file: &mut Vec<u8>) {
        let (mut header, mut footer) = (self.header.clone(), self.footer.clone());
        let mut lists: Vec<Vec<u8>> = self.lists.iter().map(|list| list.payload.clone()).collect();
        for (piece, _, content) in changed {
            match piece {
                Piece::Header => header = content.to_vec(),
                Piece::Footer => footer = content.to_vec(),
                Piece::List(list) => lists[*list] = content.to_vec(),
                Piece::Page(..) => {}
            }
        }
        for (piece, how, content) in changed {
            if let Piece::Page(list, page) = *piece {
                let described = &self.lists[list].pages[page];
                let stored = described.stored(*how, content);
                let size = (stored.len() as u32).to_le_bytes();
                let place = [&size[..], &(file.len() as u64).to_le_bytes()].concat();
                let was = &self.lists[list].payload[described.place..][..12];
                replace(&mut lists[list], described.place, was, &place);
                let seal = XxHash3_64::oneshot(&stored).to_le_bytes();
                file.extend(stored);
                file.extend(if described.checked { &seal[..] } else { &[] });
            }
        }
        let header = envelope(1, &header);
        let sum = header[header.len() - 8..].to_vec();
        for (mut payload, list) in lists.into_iter().zip(&self.lists) {
            seal(&mut payload, 0, &sum);
            let bytes = envelope(3, &payload);
            let length = bytes.len() as u64;
            let size = (length as u32).to_le_bytes();
            let link = [&length.to_le_bytes()[..], &size, &(file.len() as u64).to_le_bytes()].concat();
            replace(&mut footer, list.link, &self.footer[list.link..][..20], &link);
            file.extend(bytes);
        }
        seal(&mut footer, 8, &sum);
        let mut at = self.anchor + LINKS;
        for bytes in [header, envelope(2, &footer)] {
            for word in [file.len(), bytes.len(), bytes.len()] {
                file[at..at + 8].copy_from_slice(&(word as u64).to_be_bytes());
                at += 8;
            }
            file.extend(bytes);
        }
        let end = self.anchor + self.length - 8;
        let sum = XxHash3_64::oneshot(&file[self.anchor + 6..end]).to_be_bytes();
        file[end..end + 8].copy_from_slice(&sum);
    }
}

impl Page {
    /// Its bytes in the file. The lowest two bits of `how`: `content` as it is; as its values; as its
    /// values, which get compressed; or in place of compressed values. Then the codec.
    fn stored(&self, how: u8, content: &[u8]) -> Vec<u8> {
        let codec = CODECS[usize::from(how >> 2) % CODECS.len()];
        let mut values = content.to_vec();
        values.resize(self.length, 0);
        match how & 3 {
            0 => content.to_vec(),
            1 => values,
            2 => framed(codec, &compress(codec, &values), values.len()),
            _ => framed(codec, content, self.length),
        }
    }
}

/// An envelope around `payload`.
fn envelope(kind: u64, payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u64 + 16;
    let mut bytes = (kind | length << 16).to_le_bytes().to_vec();
    bytes.extend(payload);
    let sum = XxHash3_64::oneshot(&bytes).to_le_bytes();
    bytes.extend(sum);
    bytes
}

/// Writes the header's checksum at `at`.
fn seal(payload: &mut [u8], at: usize, sum: &[u8]) {
    if let Some(there) = payload.get_mut(at..at + 8) {
        there.copy_from_slice(sum);
    }
}

/// Writes `new` at `at` where `old` is there still.
fn replace(payload: &mut [u8], at: usize, old: &[u8], new: &[u8]) {
    if let Some(there) = payload.get_mut(at..at + new.len())
        && there == old
    {
        there.copy_from_slice(new);
    }
}

/// A cursor over sound metadata.
struct Cursor<'a> {
    data: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn int(&mut self, size: usize) -> i64 {
        let mut word = [0; 8];
        word[..size].copy_from_slice(&self.data[self.at..self.at + size]);
        self.at += size;
        // The upper half of 32 bits is their sign.
        let value = i64::from_le_bytes(word);
        if size == 4 { value << 32 >> 32 } else { value }
    }

    /// The end of the frame that begins here; behind its size.
    fn frame(&mut self) -> usize {
        let start = self.at;
        start + self.int(8).unsigned_abs() as usize
    }

    /// The items of a list frame, and the end.
    fn list(&mut self) -> (i64, usize) {
        let end = self.frame();
        (self.int(4), end)
    }
}

fn parts() -> &'static [Parts; 2] {
    static PARTS: OnceLock<[Parts; 2]> = OnceLock::new();
    PARTS.get_or_init(|| ["plain", "split"].map(take_apart))
}

fn take_apart(name: &'static str) -> Parts {
    let file = builder::open(NTUPLES.to_vec()).unwrap();
    let key = file.find(name).unwrap();
    let anchor = (key.seek + u64::from(key.key_length)) as usize;
    let word = |n: usize| {
        let at = anchor + LINKS + n * 8;
        u64::from_be_bytes(NTUPLES[at..at + 8].try_into().unwrap()) as usize
    };
    let header = payload(word(0), word(1), word(2));
    let footer = payload(word(3), word(4), word(5));
    let mut at = Cursor { data: &footer, at: 16 };
    at.at = at.frame(); // the schema's extension
    let (groups, _) = at.list();
    let mut lists = Vec::new();
    for _ in 0..groups {
        let end = at.frame();
        at.at += 20;
        let link = at.at;
        let (length, size, seek) = (at.int(8), at.int(4), at.int(8));
        lists.push(list(payload(seek as usize, size as usize, length as usize), link));
        at.at = end;
    }
    let length = key.object_length as usize;
    Parts { name, anchor, length, header, footer: footer.clone(), lists }
}

fn list(payload: Vec<u8>, link: usize) -> List {
    let mut pages = Vec::new();
    let mut at = Cursor { data: &payload, at: 8 };
    at.at = at.frame(); // the summaries of the clusters
    let (clusters, _) = at.list();
    for _ in 0..clusters {
        let (columns, _) = at.list();
        for _ in 0..columns {
            let (count, end) = at.list();
            for _ in 0..count {
                let checked = at.int(4) < 0;
                let place = at.at;
                let (size, seek) = (at.int(4) as usize, at.int(8) as usize);
                let bytes = NTUPLES[seek..seek + size].to_vec();
                // A compressed page says how long it is.
                let length = match bytes[..] {
                    [b'Z', b'S', _, _, _, _, a, b, c, ..] => u32::from_le_bytes([a, b, c, 0]) as usize,
                    _ => size,
                };
                pages.push(Page { place, bytes, length, checked });
            }
            at.at = end;
        }
    }
    List { payload: payload.clone(), link, pages }
}

/// What is in the envelope that lies at `seek`.
fn payload(seek: usize, size: usize, length: usize) -> Vec<u8> {
    let bytes = decompressed(&NTUPLES[seek..seek + size], length);
    bytes[8..length - 8].to_vec()
}

fn decompressed(stored: &[u8], length: usize) -> Vec<u8> {
    let mut bytes = stored.to_vec();
    if stored.len() != length {
        Decompressor::default().decompress_into(stored, &mut bytes, length).unwrap();
    }
    bytes
}

/// All pieces, each with the number of its RNTuple.
fn pieces() -> &'static [(usize, Piece)] {
    static PIECES: OnceLock<Vec<(usize, Piece)>> = OnceLock::new();
    PIECES.get_or_init(|| {
        let mut pieces = Vec::new();
        for (at, parts) in parts().iter().enumerate() {
            pieces.extend([(at, Piece::Header), (at, Piece::Footer)]);
            for (number, list) in parts.lists.iter().enumerate() {
                pieces.push((at, Piece::List(number)));
                pieces.extend((0..list.pages.len()).map(|page| (at, Piece::Page(number, page))));
            }
        }
        assert!(pieces.len() > 200, "{}", pieces.len());
        pieces
    })
}

/// Inputs from which the fuzzer may begin: every piece as it is.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (which, (ntuple, piece)) in pieces().iter().enumerate() {
        let parts = &parts()[*ntuple];
        let (how, content) = match *piece {
            Piece::Header => (0, parts.header.clone()),
            Piece::Footer => (0, parts.footer.clone()),
            Piece::List(list) => (0, parts.lists[list].payload.clone()),
            Piece::Page(list, page) => {
                let page = &parts.lists[list].pages[page];
                (1, decompressed(&page.bytes, page.length))
            }
        };
        let [.., a, b] = (which as u32).to_be_bytes();
        let [.., c, d] = (content.len() as u32).to_be_bytes();
        seeds.push([&[a, b, how, c, d][..], &content].concat());
    }
    seeds
}
