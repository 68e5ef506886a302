//! Files of servers that give no ranges: each is read once, whole, and kept in memory while there is room.
//!
//! A file gives its room back when another one needs it, used least recently first, and is read again when it is
//! needed again. One file is read at a time, so that what is under way is never more than the room.

use std::io::ErrorKind;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hyper::StatusCode;

use super::client::{Answer, HttpClient};
use super::failure::Failure;
use super::headers::{self, Version};
use super::target::{Origin, Target};

/// A whole file.
#[derive(Debug)]
pub(super) struct WholeFile {
    /// As the user gave it.
    given: Target,
    /// Who it came from.
    pub(super) server: Target,
    pub(super) version: Version,
    bytes: Bytes,
}

impl WholeFile {
    pub(super) fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Copies of its ranges: with slices, its memory would be in use after it was given up.
    pub(super) fn copy(&self, ranges: &[Range<u64>]) -> Vec<Bytes> {
        let copy = |range: &Range<u64>| {
            let bytes = self.bytes.get(range.start as usize..range.end as usize);
            Bytes::copy_from_slice(bytes.unwrap_or_default())
        };
        ranges.iter().map(copy).collect()
    }

    /// What tells the content from another where the server tells no version.
    pub(super) fn hash(&self) -> u64 {
        twox_hash::XxHash3_64::oneshot(&self.bytes)
    }
}

/// The whole files of a run.
#[derive(Debug)]
pub(super) struct WholeFiles {
    /// Bytes that they may take together.
    most: u64,
    /// Those used least recently first.
    kept: Mutex<Vec<Arc<WholeFile>>>,
    /// Held by the one that reads a file.
    reading: tokio::sync::Mutex<()>,
}

impl WholeFiles {
    pub(super) fn new(most: u64) -> Self {
        Self { most, kept: Mutex::default(), reading: tokio::sync::Mutex::default() }
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Arc<WholeFile>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file, if it is here.
    pub(super) fn find(&self, given: &Target) -> Option<Arc<WholeFile>> {
        let mut kept = self.kept();
        let at = kept.iter().position(|file| file.given == *given)?;
        let file = kept.remove(at);
        kept.push(file.clone());
        Some(file)
    }

    /// Gives up the file, so that it is read anew.
    pub(super) fn forget(&self, given: &Target) {
        self.kept().retain(|file| file.given != *given);
    }

    /// Gives up files until there is room for this one, of `size` bytes: an older version of it first.
    fn make_room(&self, given: &Target, size: u64) {
        let mut kept = self.kept();
        kept.retain(|other| other.given != *given);
        let mut taken: u64 = kept.iter().map(|file| file.size()).sum();
        let given_up = kept.iter().take_while(|file| {
            let gives_up = taken > 0 && taken.saturating_add(size) > self.most;
            taken -= if gives_up { file.size() } else { 0 };
            gives_up
        });
        let count = given_up.count();
        drop(kept.drain(..count));
    }

    fn keep(&self, file: Arc<WholeFile>) {
        self.kept().push(file);
    }
}

/// Reads the file whole, out of the `answer` to a request for it if there is one; none of that if it is here, and
/// `is_wanted`, or as the answer says.
pub(super) async fn read(
    client: &Arc<HttpClient>,
    given: &Target,
    answer: Option<(Answer, Target)>,
    is_wanted: impl Fn(&WholeFile) -> bool,
) -> Result<Arc<WholeFile>, Failure> {
    let files = &client.whole;
    let mut answer = answer;
    let _reading = match files.reading.try_lock() {
        Ok(reading) => reading,
        Err(_) => {
            // Servers do not wait for long until their answer is taken.
            answer = None;
            files.reading.lock().await
        }
    };
    let here = files.find(given);
    if let Some(file) = here.as_ref().filter(|file| is_wanted(file)) {
        return Ok(file.clone());
    }
    let (answer, server) = match answer {
        Some(answer) => answer,
        None => client.get(&given.origin, given, None).await?,
    };
    if answer.status != StatusCode::OK {
        let text = format!("the answer {} to a request for the whole file is none", answer.status);
        return Err(Failure::nonsense(text));
    }
    let (version, size) = (Version::of(&answer.headers), headers::length(&answer.headers));
    let is_it = |file: &&Arc<WholeFile>| {
        version != Version::default() && file.version == version && size == Some(file.size())
    };
    if let Some(file) = here.as_ref().filter(is_it) {
        return Ok(file.clone());
    }
    drop(here);
    let too_large = |origin: &Origin| no_room(origin, size, files.most);
    let bytes = match size {
        Some(size) if size > files.most => return Err(too_large(&server.origin)),
        Some(size) => {
            files.make_room(given, size);
            client.body(answer, size).await?
        }
        // Its end is told by the last chunk.
        None if headers::is_chunked(&answer.headers) => {
            files.make_room(given, files.most);
            let body = client.body_up_to(answer, files.most).await;
            body.map_err(|failure| match failure.kind {
                ErrorKind::InvalidData => too_large(&server.origin),
                _ => failure,
            })?
        }
        None => {
            let text = format!("{} gives no ranges of the file and does not tell its size", server.origin);
            return Err(Failure::new(ErrorKind::Unsupported, text));
        }
    };
    let file = Arc::new(WholeFile { given: given.clone(), server, version, bytes });
    files.keep(file.clone());
    Ok(file)
}

fn no_room(origin: &Origin, size: Option<u64>, most: u64) -> Failure {
    let size = size
        .map_or_else(|| "its size it does not tell".to_owned(), |size| format!("this one has {size} bytes"));
    let text = format!(
        "{origin} gives only whole files, not ranges of them; {size}, and {most} may be in memory: copy it to a disk \
         or to a server that gives ranges, or allow more memory"
    );
    Failure::new(ErrorKind::Unsupported, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_give_room_to_others_used_least_recently_first() {
        const MIB: u64 = 1 << 20;
        let files = WholeFiles::new(3 * MIB);
        let target = |name: &str| Target::parse(&format!("http://h/{name}")).unwrap();
        let keep = |name, size| {
            let given = target(name);
            files.make_room(&given, size);
            let bytes = Bytes::from(vec![0; size as usize]);
            let version = Version::default();
            files.keep(Arc::new(WholeFile { server: given.clone(), given, version, bytes }));
        };
        let here = || ["a", "b", "c", "d"].map(|name| files.kept().iter().any(|f| f.given == target(name)));
        ["a", "b", "c"].into_iter().for_each(|name| keep(name, MIB));
        assert_eq!(here(), [true, true, true, false]);
        assert!(files.find(&target("a")).is_some());
        keep("d", MIB);
        assert_eq!(here(), [true, false, true, true]);
        keep("d", 10);
        assert_eq!(files.kept().len(), 3, "the older one of d has gone");
        keep("b", 3 * MIB);
        assert_eq!(here(), [false, true, false, false]);
    }
}
