//! A partial as bytes, for pipes and files, little-endian:
//!
//! | bytes | what |
//! | --- | --- |
//! | 4 | `HRP1` |
//! | 8 | length of the head |
//! | 8 | XXH3-64 of all that follows |
//! | | the head: [`Head`], in postcard's wire format, version 1 |
//! | | the outputs, one after the other, in postcard's wire format |
//!
//! Outputs are of the binary that wrote them: another one may have other fields. So the head says of which
//! job it is, and whoever reads it makes sure that it is the same, and the binary too.

use serde::{Deserialize, Serialize};

use super::{Account, Had, Partial};
use crate::error::{Error, RunResult};
use crate::merge_tree::{Node, Shape};
use crate::registry::AnyProcessor;

/// The first bytes.
pub const MAGIC: [u8; 4] = *b"HRP1";
/// Before the head.
const PREFIX: usize = 20;

/// What a partial says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// The [key](crate::job::Job::key) of the job.
    pub job: String,
    /// The place of each output, and how many bytes it has; none where nothing could be had.
    pub nodes: Vec<(Node, Option<u64>)>,
    /// What became of the ranges.
    pub account: Account,
}

impl Head {
    /// Reads the head of a partial, and where its outputs begin.
    ///
    /// # Errors
    /// Where the bytes are no partial, or are damaged.
    pub fn read(bytes: &[u8]) -> RunResult<(Self, &[u8])> {
        let damaged = |why: &str| Error::Partial(format!("it is no partial output, or a damaged one: {why}"));
        let (prefix, rest) = bytes.split_at_checked(PREFIX).ok_or_else(|| damaged("it is too short"))?;
        let number = |at: usize| {
            let mut eight = [0; 8];
            eight.copy_from_slice(&prefix[at..at + 8]);
            u64::from_le_bytes(eight)
        };
        if prefix[..4] != MAGIC {
            return Err(damaged("it does not begin with HRP1"));
        }
        if twox_hash::XxHash3_64::oneshot(rest) != number(12) {
            return Err(damaged("its checksum is another one"));
        }
        let length = usize::try_from(number(4)).unwrap_or(usize::MAX);
        let (head, outputs) = rest.split_at_checked(length).ok_or_else(|| damaged("its head is cut off"))?;
        let head: Self = postcard::from_bytes(head).map_err(|error| damaged(&error.to_string()))?;
        Ok((head, outputs))
    }
}

impl Partial {
    /// The partial as bytes.
    ///
    /// # Errors
    /// Where an output cannot be written: its `Serialize` fails.
    pub fn encode(&self, job: &str) -> RunResult<Vec<u8>> {
        let mut outputs = Vec::new();
        let mut nodes = Vec::with_capacity(self.nodes.len());
        for (node, output) in &self.nodes {
            let length = match output {
                Some(output) => {
                    let before = outputs.len();
                    output.encode(&mut outputs)?;
                    Some((outputs.len() - before) as u64)
                }
                None => None,
            };
            nodes.push((*node, length));
        }
        let head = Head { job: job.to_owned(), nodes, account: self.account.clone() };
        let head = postcard::to_allocvec(&head).map_err(|error| Error::Partial(error.to_string()))?;
        let mut bytes = Vec::with_capacity(PREFIX + head.len() + outputs.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&(head.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(&head);
        bytes.extend_from_slice(&outputs);
        let checksum = twox_hash::XxHash3_64::oneshot(&bytes[PREFIX..]);
        bytes[12..PREFIX].copy_from_slice(&checksum.to_le_bytes());
        Ok(bytes)
    }

    /// Reads a partial of this job.
    ///
    /// # Errors
    /// Where the bytes are damaged, are of another job, or hold what the job has not.
    pub fn decode(bytes: &[u8], job: &str, shape: &Shape, processor: &dyn AnyProcessor) -> RunResult<Self> {
        let (head, mut outputs) = Head::read(bytes)?;
        if head.job != job {
            return Err(Error::Partial(format!(
                "it is of another job ({:.12}, not {job:.12}): another fileset, other settings or another binary",
                head.job
            )));
        }
        let ranges = u32::try_from(shape.ranges()).unwrap_or(u32::MAX);
        head.account.check(ranges).map_err(|why| Error::Partial(why.to_owned()))?;
        let mut nodes: Vec<(Node, Had)> = Vec::with_capacity(head.nodes.len().min(4096));
        for (node, length) in head.nodes {
            if !shape.holds(node) || nodes.last().is_some_and(|(last, _)| *last >= node) {
                return Err(Error::Partial("it has outputs in places that the job does not have".to_owned()));
            }
            let output = match length {
                Some(length) => {
                    let length = usize::try_from(length).unwrap_or(usize::MAX);
                    let cut = outputs.split_at_checked(length);
                    let (bytes, rest) =
                        cut.ok_or_else(|| Error::Partial("an output is cut off".to_owned()))?;
                    outputs = rest;
                    Some(processor.decode(bytes)?)
                }
                None => None,
            };
            nodes.push((node, output));
        }
        if !outputs.is_empty() {
            return Err(Error::Partial("it has bytes to spare".to_owned()));
        }
        let partial = Self { nodes, account: head.account };
        partial.check(shape)?;
        Ok(partial)
    }
}
