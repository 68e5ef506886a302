//! Where the header fields of a file lie: found by parsing a sound one.

use hep_io::root::{Buffer, Object, Parse};

/// One field.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    /// What it belongs to and what it is called, `branch fEntries`.
    pub(crate) name: String,
    pub(crate) at: usize,
    pub(crate) length: usize,
}

/// Names and lengths of the fields of the file's header and its top directory.
const HEADER: [(&str, usize); 12] = [
    ("fVersion", 4),
    ("fBEGIN", 4),
    ("fEND", 4),
    ("fSeekFree", 4),
    ("fNbytesFree", 4),
    ("nfree", 4),
    ("fNbytesName", 4),
    ("fUnits", 1),
    ("fCompress", 4),
    ("fSeekInfo", 4),
    ("fNbytesInfo", 4),
    ("fUUID", 18),
];
const DIRECTORY: [(&str, usize); 8] = [
    ("fVersion", 2),
    ("fDatimeC", 4),
    ("fDatimeM", 4),
    ("fNbytesKeys", 4),
    ("fNbytesName", 4),
    ("fSeekDir", 4),
    ("fSeekParent", 4),
    ("fSeekKeys", 4),
];
const KEY: [(&str, usize); 8] = [
    ("fNbytes", 4),
    ("fVersion", 2),
    ("fObjlen", 4),
    ("fDatime", 4),
    ("fKeylen", 2),
    ("fCycle", 2),
    ("fSeekKey", 4),
    ("fSeekPdir", 4),
];
const BASKET: [(&str, usize); 6] =
    [("fVersion", 2), ("fBufferSize", 4), ("fNevBufSize", 4), ("fNevBuf", 4), ("fLast", 4), ("flag", 1)];
const BLOCK: [(&str, usize); 4] = [("codec", 2), ("method", 1), ("compressed size", 3), ("size", 3)];
const TREE: [(&str, usize); 17] = [
    ("fEntries", 8),
    ("fTotBytes", 8),
    ("fZipBytes", 8),
    ("fSavedBytes", 8),
    ("fFlushedBytes", 8),
    ("fWeight", 8),
    ("fTimerInterval", 4),
    ("fScanField", 4),
    ("fUpdate", 4),
    ("fDefaultEntryOffsetLen", 4),
    ("fNClusterRange", 4),
    ("fMaxEntries", 8),
    ("fMaxEntryLoop", 8),
    ("fMaxVirtualSize", 8),
    ("fAutoSave", 8),
    ("fAutoFlush", 8),
    ("fEstimate", 8),
];
const BRANCH: [(&str, usize); 5] =
    [("fCompress", 4), ("fBasketSize", 4), ("fEntryOffsetLen", 4), ("fWriteBasket", 4), ("fEntryNumber", 8)];
const BRANCH_MORE: [(&str, usize); 7] = [
    ("fOffset", 4),
    ("fMaxBaskets", 4),
    ("fSplitLevel", 4),
    ("fEntries", 8),
    ("fFirstEntry", 8),
    ("fTotBytes", 8),
    ("fZipBytes", 8),
];
const ELEMENT: [(&str, usize); 6] =
    [("fCheckSum", 4), ("fClassVersion", 2), ("fID", 4), ("fType", 4), ("fStreamerType", 4), ("fMaximum", 4)];
const LEAF: [(&str, usize); 6] =
    [("fLen", 4), ("fLenType", 4), ("fOffset", 4), ("fIsRange", 1), ("fIsUnsigned", 1), ("fLeafCount", 4)];

/// All fields of the file, as ROOT 6 writes a small one. What is compressed has only those of its blocks.
pub(crate) fn of_file(bytes: &[u8]) -> Vec<Field> {
    let mut fields = Fields { found: Vec::new(), bytes };
    fields.add("header", 4, &HEADER);
    let word = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let (begin, end) = (word(8), word(12));
    let directory = begin + word(28);
    fields.add("directory", directory, &DIRECTORY);
    let keys = directory + 26;
    let list = word(keys);
    let mut at = begin;
    while at < end {
        let nbytes = i32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        if nbytes > 0 {
            fields.record(at, at == list);
        }
        at += nbytes.unsigned_abs() as usize;
    }
    // Records that a test has put behind the end of the file.
    while at < bytes.len() {
        fields.record(at, false);
        at += word(at);
    }
    fields.found
}

struct Fields<'a> {
    found: Vec<Field>,
    bytes: &'a [u8],
}

impl Fields<'_> {
    fn one(&mut self, name: String, at: usize, length: usize) {
        if length > 0 {
            self.found.push(Field { name, at, length });
        }
    }

    fn add(&mut self, what: &str, mut at: usize, fields: &[(&str, usize)]) -> usize {
        for (name, length) in fields {
            self.one(format!("{what} {name}"), at, *length);
            at += length;
        }
        at
    }

    /// A key; answers where it ends.
    fn key(&mut self, what: &str, at: usize) -> usize {
        let mut at = self.add(what, at, &KEY);
        for name in ["class", "name", "title"] {
            let length = 1 + usize::from(self.bytes[at]);
            self.one(format!("{what} {name}"), at, length);
            at += length;
        }
        at
    }

    fn record(&mut self, at: usize, list: bool) {
        let bytes = self.bytes;
        let word = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let (nbytes, objlen) = (word(at), word(at + 6));
        let keylen = usize::from(u16::from_be_bytes([bytes[at + 14], bytes[at + 15]]));
        let class = String::from_utf8_lossy(&bytes[at + 27..at + 27 + usize::from(bytes[at + 26])]);
        let what = if list { "key list's key".to_owned() } else { format!("{class} key") };
        let behind = self.key(&what, at);
        if class == "TBasket" {
            self.add("basket", behind, &BASKET);
        }
        let mut block = at + keylen;
        if list {
            self.one("key list fNkeys".to_owned(), block, 4);
            let mut next = block + 4;
            for _ in 0..word(block) {
                next = self.key("listed key", next);
            }
        } else if objlen + keylen != nbytes {
            while block < at + nbytes {
                self.add(&format!("{class} block"), block, &BLOCK);
                let length = &bytes[block + 3..block + 6];
                block += 9
                    + usize::from(length[0])
                    + (usize::from(length[1]) << 8)
                    + (usize::from(length[2]) << 16);
            }
        } else if class == "TTree" {
            let record = Buffer::new(&bytes[at + keylen..at + nbytes], keylen);
            self.tree(record, at + keylen).expect("a sound tree");
        }
    }

    fn named(&mut self, what: &str, buffer: &mut Buffer<'_>, base: usize) -> Parse<()> {
        let version = buffer.version()?;
        buffer.tobject()?;
        for name in ["name", "title"] {
            let start = buffer.position();
            buffer.tstring_bytes()?;
            self.one(format!("{what} {name}"), base + start, buffer.position() - start);
        }
        buffer.skip_to(version.end.unwrap())
    }

    fn numbers(
        &mut self,
        what: &str,
        buffer: &mut Buffer<'_>,
        base: usize,
        fields: &[(&str, usize)],
    ) -> Parse<()> {
        let end = self.add(what, base + buffer.position(), fields);
        buffer.skip_to(end - base)
    }

    fn tree(&mut self, mut buffer: Buffer<'_>, base: usize) -> Parse<()> {
        buffer.version()?;
        self.named("tree", &mut buffer, base)?;
        (0..3).try_for_each(|_| buffer.skip_object())?;
        self.numbers("tree", &mut buffer, base, &TREE)?;
        buffer.skip(2)?; // no cluster ranges
        buffer.skip_object()?;
        self.branches(&mut buffer, base)?;
        for at in (0..buffer.data().len()).step_by(3) {
            self.one("any byte of the tree".to_owned(), base + at, 1);
        }
        Ok(())
    }

    fn branches(&mut self, buffer: &mut Buffer<'_>, base: usize) -> Parse<()> {
        let (slots, array) = buffer.tobjarray()?;
        for _ in 0..slots {
            let Object::Here { class, end, .. } = buffer.object()? else { continue };
            let element = class == b"TBranchElement";
            if element {
                buffer.version()?;
            }
            let version = buffer.version()?;
            self.named("branch", buffer, base)?;
            buffer.skip_object()?;
            self.numbers("branch", buffer, base, &BRANCH)?;
            buffer.skip_object()?;
            let slots = buffer.at(buffer.position() + 4).i32()? as usize;
            self.numbers("branch", buffer, base, &BRANCH_MORE)?;
            self.branches(buffer, base)?;
            self.leaves(buffer, base)?;
            let (_, baskets) = buffer.tobjarray()?;
            buffer.skip_to(baskets.unwrap())?;
            for (name, size) in [("fBasketBytes", 4), ("fBasketEntry", 8), ("fBasketSeek", 8)] {
                buffer.skip(1)?;
                for at in 0..slots {
                    self.one(format!("branch {name}"), base + buffer.position() + at * size, size);
                }
                buffer.skip(slots * size)?;
            }
            self.one("branch fFileName".to_owned(), base + buffer.position(), 1);
            buffer.skip_to(version.end.unwrap())?;
            if element {
                for name in ["fClassName", "fParentName", "fClonesName"] {
                    let start = buffer.position();
                    buffer.tstring_bytes()?;
                    self.one(format!("element {name}"), base + start, buffer.position() - start);
                }
                self.numbers("element", buffer, base, &ELEMENT)?;
            }
            buffer.skip_to(end.unwrap())?;
        }
        buffer.skip_to(array.unwrap())
    }

    fn leaves(&mut self, buffer: &mut Buffer<'_>, base: usize) -> Parse<()> {
        let (slots, array) = buffer.tobjarray()?;
        for _ in 0..slots {
            let Object::Here { place, class, start, end } = buffer.object()? else { continue };
            self.one("leaf class".to_owned(), base + place + 4, start - place - 4);
            buffer.version()?;
            let version = buffer.version()?;
            self.named("leaf", buffer, base)?;
            self.numbers("leaf", buffer, base, &LEAF)?;
            buffer.skip_to(version.end.unwrap())?;
            let rest: &[(&str, usize)] = match class == b"TLeafElement" {
                true => &[("fID", 4), ("fType", 4)],
                false => &[("fMinimum", 1)],
            };
            self.numbers("leaf", buffer, base, rest)?;
            buffer.skip_to(end.unwrap())?;
        }
        buffer.skip_to(array.unwrap())
    }
}
