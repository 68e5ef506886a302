//! Expansion of `*`, `?`, `[…]` and `**` in local paths.
//!
//! The `glob` crate matches the names; the walk is ours because that crate's follows symbolic links under
//! `**`, so that two links to `.` keep it busy for ever.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use glob::{MatchOptions, Pattern};

/// Directory entries looked at before a pattern is given up as too wide.
pub(super) const MAX_VISITED: usize = 2_000_000;

/// `*` does not match a hidden file, as in a shell.
pub(super) const OPTIONS: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// Whether a path is a pattern.
pub(super) fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// The files, not directories, that an absolute pattern matches, in byte order; an empty list if none does.
/// The error says what is wrong with the pattern or with a directory on the way.
pub(super) fn expand(pattern: &str) -> Result<Vec<String>, String> {
    let parts = parts(pattern.split('/').filter(|name| !name.is_empty()), is_pattern)?;
    let mut walk = Walk { found: Vec::new(), visited: 0 };
    walk.enter(Path::new("/"), &parts)?;
    let mut found = walk
        .found
        .into_iter()
        .map(|path| {
            path.into_os_string()
                .into_string()
                .map_err(|path| format!("matches a file whose name is not UTF-8: {}", path.display()))
        })
        .collect::<Result<Vec<_>, _>>()?;
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// What the names on a pattern's way must be.
pub(super) fn parts<'p>(
    names: impl Iterator<Item = &'p str>,
    is_pattern: impl Fn(&str) -> bool,
) -> Result<Vec<Part<'p>>, String> {
    let mut parts = Vec::new();
    for name in names {
        let part = match name {
            "**" if matches!(parts.last(), Some(Part::Deep)) => continue,
            "**" => Part::Deep,
            name if is_pattern(name) => Part::Like(
                Pattern::new(name).map_err(|error| format!("is not a valid pattern: {}", error.msg))?,
            ),
            name => Part::Name(name),
        };
        parts.push(part);
    }
    Ok(parts)
}

pub(super) enum Part<'a> {
    Name(&'a str),
    Like(Pattern),
    Deep,
}

struct Walk {
    found: Vec<PathBuf>,
    visited: usize,
}

impl Walk {
    fn enter(&mut self, base: &Path, parts: &[Part<'_>]) -> Result<(), String> {
        let Some((part, rest)) = parts.split_first() else {
            self.visited += 1;
            if fs::metadata(base).is_ok_and(|metadata| !metadata.is_dir()) {
                self.found.push(base.to_owned());
            }
            return Ok(());
        };
        match part {
            Part::Name(name) => self.enter(&base.join(name), rest),
            Part::Like(pattern) => {
                for entry in self.list(base)? {
                    let name = entry.file_name();
                    if pattern.matches_with(&name.to_string_lossy(), OPTIONS) {
                        self.enter(&entry.path(), rest)?;
                    }
                }
                Ok(())
            }
            Part::Deep => {
                if !rest.is_empty() {
                    self.enter(base, rest)?;
                }
                for entry in self.list(base)? {
                    let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
                    if hidden {
                        continue;
                    }
                    // Of the entry itself: a link to a directory is not followed.
                    if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                        self.enter(&entry.path(), parts)?;
                    } else if rest.is_empty() {
                        self.enter(&entry.path(), rest)?;
                    }
                }
                Ok(())
            }
        }
    }

    fn list(&mut self, folder: &Path) -> Result<Vec<fs::DirEntry>, String> {
        let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let entries = match entries {
            Ok(entries) => entries,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Vec::new()
            }
            Err(error) => return Err(format!("needs {}, which cannot be listed: {error}", folder.display())),
        };
        self.visited += 1 + entries.len();
        if self.visited > MAX_VISITED {
            return Err(format!("is too wide a pattern: more than {MAX_VISITED} files were looked at"));
        }
        Ok(entries)
    }
}
