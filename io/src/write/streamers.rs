use std::collections::HashSet;

use super::encoder::Encoder;
use crate::root::Buffer;
use crate::root::streamer::{Description, descriptions};

/// The streamer information of every class that is written here, as ROOT 6.40 writes it: made by
/// `streamers.py`.
const OWN: &[u8] = include_bytes!("streamers.bin");
/// The length of the key before it, from where references in it count.
const KEY: usize = 64;

/// The descriptions of classes that a file gets beside those of the classes that are written here.
#[derive(Default)]
pub(super) struct Descriptions {
    more: Vec<Description>,
    known: HashSet<(String, i32, u32)>,
}

impl Descriptions {
    pub(super) fn extend(&mut self, descriptions: Vec<Description>) {
        for description in descriptions {
            let which = (description.class.clone(), description.version, description.checksum);
            if self.known.insert(which) {
                self.more.push(description);
            }
        }
    }

    /// The list of all, as a file has it.
    pub(super) fn list(&self) -> Vec<u8> {
        if self.more.is_empty() {
            return OWN.to_vec();
        }
        let mut all = descriptions(Buffer::new(OWN, KEY)).unwrap_or_default();
        let own: HashSet<_> = all.iter().map(|own| (own.class.clone(), own.version)).collect();
        // Those of ROOT 6.40 are the better ones where both describe the same version.
        let more = self.more.iter().filter(|more| !own.contains(&(more.class.clone(), more.version)));
        all.extend(more.cloned());
        let mut out = Encoder::new(KEY);
        out.class(5, |out| {
            out.tobject(0, 0);
            out.string("");
            out.u32(all.len() as u32);
            for description in &all {
                out.object("TStreamerInfo", description.layout, |out| write(description, out));
                out.u8(0); // the option that goes with an item of a list
            }
        });
        out.into_bytes()
    }
}

fn write(description: &Description, out: &mut Encoder) {
    out.raw(&description.named);
    out.u32(description.checksum);
    out.i32(description.version);
    out.object("TObjArray", 3, |out| {
        out.tobject(0, 0);
        out.string("");
        out.u32(description.elements.len() as u32);
        out.u32(0); // the lower bound
        for (class, bytes) in &description.elements {
            out.pointer(class, |out| out.raw(bytes));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_survive_being_copied() {
        let own = descriptions(Buffer::new(OWN, KEY)).unwrap();
        assert!(own.len() > 30 && own.iter().any(|own| own.class == "TH1" && own.elements.len() == 26));
        let mut all = Descriptions::default();
        let mut stranger = own.iter().find(|own| own.class == "TH1C").unwrap().clone();
        let name = stranger.named.len() - 5..stranger.named.len() - 1;
        stranger.named[name].copy_from_slice(b"TXXX");
        stranger.class = "TXXX".to_owned();
        all.extend(own.clone());
        all.extend(vec![stranger.clone(), stranger.clone()]);
        let copied = descriptions(Buffer::new(&all.list(), KEY)).unwrap();
        assert!(copied == [own, vec![stranger]].concat());
    }
}
