//! What the linker calls a program by its content: the note `NT_GNU_BUILD_ID` of an ELF file.
//!
//! Format: "Executable and Linking Format", gABI 4.1, of 64 bits and little-endian; the note is that of GNU ld's
//! `--build-id`, a hash of what it has linked.

use crate::job::hex;

/// How much of a file holds its headers and, as linkers lay them out, the note.
pub(crate) const HEAD: usize = 64 << 10;

const PT_NOTE: u32 = 4;
const NT_GNU_BUILD_ID: u32 = 3;
const OWNER: &[u8] = b"GNU\0";

/// The build id, in hexadecimal, of the file that begins with `head`; none if it has none there, or is of another format.
pub(crate) fn find(head: &[u8]) -> Option<String> {
    // 64 bits, little-endian.
    if head.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let (table, size) = (usize::try_from(number(head, 32, 8)?).ok()?, number(head, 54, 2)? as usize);
    let count = number(head, 56, 2)? as usize;
    (0..count).find_map(|at| {
        let header = head.get(table.checked_add(at * size)?..)?;
        if number(header, 0, 4)? != u64::from(PT_NOTE) {
            return None;
        }
        let (start, length) = (number(header, 8, 8)?, number(header, 32, 8)?);
        let notes = usize::try_from(start).ok()?..usize::try_from(start.checked_add(length)?).ok()?;
        in_notes(head.get(notes)?)
    })
}

/// The build id among notes: each is the lengths of owner and content, a type, and these two, padded to 4 bytes.
fn in_notes(mut notes: &[u8]) -> Option<String> {
    loop {
        let (owner, content) = (number(notes, 0, 4)? as usize, number(notes, 4, 4)? as usize);
        let kind = number(notes, 8, 4)?;
        let end = 12 + owner.next_multiple_of(4);
        let text = notes.get(end..end.checked_add(content)?)?;
        if kind == u64::from(NT_GNU_BUILD_ID) && notes.get(12..12 + owner)? == OWNER && !text.is_empty() {
            return Some(hex(text));
        }
        notes = notes.get(end + content.next_multiple_of(4)..)?;
    }
}

fn number(bytes: &[u8], at: usize, length: usize) -> Option<u64> {
    let mut number = [0; 8];
    number[..length].copy_from_slice(bytes.get(at..at + length)?);
    Some(u64::from_le_bytes(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF file of two notes, by the specification.
    fn file() -> Vec<u8> {
        let mut notes = Vec::new();
        for (owner, kind, content) in
            [(&b"Linux\0"[..], 3_u32, &[9; 5][..]), (b"GNU\0", 3, &[0xab, 0xcd, 0x01])]
        {
            notes.extend((owner.len() as u32).to_le_bytes());
            notes.extend((content.len() as u32).to_le_bytes());
            notes.extend(kind.to_le_bytes());
            for part in [owner, content] {
                notes.extend(part);
                notes.resize(notes.len().next_multiple_of(4), 0);
            }
        }
        let mut file = vec![0; 64 + 2 * 56];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[32] = 64; // where the program headers begin
        file[54] = 56; // how long each is
        file[56] = 2; // how many there are
        file[64] = 1; // PT_LOAD
        let second = 64 + 56;
        file[second] = 4;
        let at = file.len() as u64;
        file[second + 8..second + 16].copy_from_slice(&at.to_le_bytes());
        file[second + 32..second + 40].copy_from_slice(&(notes.len() as u64).to_le_bytes());
        file.extend(notes);
        file
    }

    #[test]
    fn the_note_of_gnu_is_found_behind_others() {
        assert_eq!(find(&file()).as_deref(), Some("abcd01"));
        for other in [&b""[..], b"MZ", b"\x7fELF\x01\x01", b"\x7fELF\x02\x02"] {
            assert_eq!(find(other), None);
        }
    }

    #[test]
    fn a_damaged_file_has_none_or_another_one_and_does_no_harm() {
        let file = file();
        for end in 0..file.len() {
            let _ = find(&file[..end]);
        }
        for at in 0..file.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut damaged = file.clone();
                damaged[at] = value;
                let _ = find(&damaged);
            }
        }
        // Lengths of all bits.
        let mut damaged = file.clone();
        let notes = 64 + 2 * 56;
        damaged[notes..notes + 8].fill(0xff);
        assert_eq!(find(&damaged), None);
    }
}
