use std::io::ErrorKind;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::sites::Sites;
use super::{RemoteFile, Reply, io_error};
use crate::Result;

/// A file of which each read is counted for its host, and checked to bring as many bytes as were asked
/// for.
#[derive(Debug)]
pub(super) struct Measured {
    file: Arc<dyn RemoteFile>,
    host: String,
    sites: Arc<Sites>,
}

impl Measured {
    pub(super) fn new(file: Arc<dyn RemoteFile>, host: String, sites: Arc<Sites>) -> Self {
        Self { file, host, sites }
    }

    fn check(&self, ranges: &[Range<u64>], answers: &[Bytes]) -> Result<()> {
        let length = |range: &Range<u64>| range.end - range.start;
        let wrong = ranges.iter().zip(answers).find(|(range, bytes)| bytes.len() as u64 != length(range));
        let text = match wrong {
            None if answers.len() == ranges.len() => return Ok(()),
            None => format!("{} answers to {} ranges came", answers.len(), ranges.len()),
            Some((range, bytes)) => {
                format!("{} of {} bytes at byte {} came", bytes.len(), length(range), range.start)
            }
        };
        Err(io_error("read", self.file.url(), ErrorKind::UnexpectedEof, text))
    }
}

impl RemoteFile for Measured {
    fn url(&self) -> &str {
        self.file.url()
    }

    fn size(&self) -> u64 {
        self.file.size()
    }

    fn version(&self) -> &str {
        self.file.version()
    }

    fn server(&self) -> String {
        self.file.server()
    }

    fn verifies_each_read(&self) -> bool {
        self.file.verifies_each_read()
    }

    fn forget(&self) {
        self.file.forget();
    }

    fn now(&self) -> Reply<'_, Option<(u64, String)>> {
        self.file.now()
    }

    fn read(&self, ranges: Vec<Range<u64>>) -> Reply<'_, Vec<Bytes>> {
        Box::pin(async move {
            let bytes = ranges.iter().map(|range| range.end - range.start).sum();
            let under_way = self.sites.begin(&self.host, bytes);
            let answers = self.file.read(ranges.clone()).await?;
            self.check(&ranges, &answers)?;
            under_way.done(ranges.len());
            Ok(answers)
        })
    }
}
