use std::ops::RangeInclusive;

use super::buffer::{Buffer, Malformed, Parse, Version};
use super::file::RootFile;

/// Which versions of a class can be read: those known here, and later ones that the file describes as
/// beginning with the same members.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layouts<'a> {
    file: Option<&'a RootFile>,
}

impl<'a> Layouts<'a> {
    /// Those of a file.
    pub(crate) fn of(file: &'a RootFile) -> Self {
        Self { file: Some(file) }
    }

    /// The version of `class` at the cursor, if its layout is known: `versions`, whose newest has
    /// `members`, bases included, in this order.
    pub(crate) fn version(
        &self,
        buffer: &mut Buffer<'_>,
        class: &str,
        versions: RangeInclusive<u16>,
        members: &[&str],
    ) -> Parse<Version> {
        let at = buffer.position();
        let version = buffer.version()?;
        let number = version.number;
        if versions.contains(&number) && !version.memberwise {
            return Ok(version);
        }
        // What a later version adds is behind, and is passed over by the byte count.
        let later = number > *versions.end() && version.end.is_some() && !version.memberwise;
        if later && self.begins_with(class, number, members) {
            return Ok(version);
        }
        let (oldest, newest) = versions.into_inner();
        let known = match oldest == newest {
            true => format!("{oldest} is"),
            false => format!("{oldest} to {newest} are"),
        };
        let layout = if version.memberwise { "member-wise layout" } else { "version" };
        Err(Malformed::new(at, format!("{layout} {number} of {class} is not known, {known}")))
    }

    fn begins_with(&self, class: &str, version: u16, members: &[&str]) -> bool {
        let Some(streamers) = self.file.and_then(|file| file.streamers().ok()) else { return false };
        let described = streamers.version(class, version.into());
        described.is_some_and(|class| {
            class.elements.len() >= members.len()
                && class.elements.iter().zip(members).all(|(element, member)| element.name == *member)
        })
    }
}
