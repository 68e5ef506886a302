//! Expansion of `*`, `[…]` and `**` in URLs, by the listings of their servers.

use std::collections::HashMap;
use std::rc::Rc;

use hep_io::source::Listed;

use super::glob::{MAX_VISITED, OPTIONS, Part, parts};
use super::location::without_secrets;
use crate::storage::FileStore;

/// Folders deeper than this below a `**` are not looked into: a server may have links in a circle.
const MAX_DEPTH: usize = 64;

/// A URL with a pattern in its path.
pub(super) struct UrlPattern<'u> {
    /// `root://host:port`.
    pub(super) server: &'u str,
    /// What follows the slash after the server.
    pub(super) path: &'u str,
    /// `?` and the options, which every file found has too.
    pub(super) options: &'u str,
}

impl UrlPattern<'_> {
    /// The files, not folders, that it matches, in byte order. The error is the end of a sentence that
    /// starts with the pattern.
    pub(super) fn expand(&self, store: Option<&dyn FileStore>) -> Result<Vec<String>, String> {
        let Some(store) = store else {
            return Err(
                "is a pattern in a URL; its server cannot be asked here, so name each file".to_owned()
            );
        };
        let is_pattern = |name: &str| name.contains(['*', '[']);
        // Up to the first pattern it is a folder's path, with as many slashes as it has.
        let fixed = self.path.split('/').take_while(|name| !is_pattern(name)).map(|name| name.len() + 1);
        let (folder, rest) = self.path.split_at(fixed.sum());
        let parts = parts(rest.split('/').filter(|name| !name.is_empty()), is_pattern)?;
        let mut walk = Walk { pattern: self, store, found: Vec::new(), visited: 0, known: HashMap::new() };
        walk.enter(folder.to_owned(), &parts, 0)?;
        let mut found = walk.found;
        if found.is_empty() {
            return Err("matches no file".to_owned());
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }
}

struct Walk<'p> {
    pattern: &'p UrlPattern<'p>,
    store: &'p dyn FileStore,
    found: Vec<String>,
    visited: usize,
    /// `**` comes to a folder twice.
    known: HashMap<String, Rc<Vec<Listed>>>,
}

impl Walk<'_> {
    /// Looks for `parts` in a folder, whose path is empty or ends with a slash.
    fn enter(&mut self, folder: String, parts: &[Part<'_>], depth: usize) -> Result<(), String> {
        let Some((part, rest)) = parts.split_first() else { return Ok(()) };
        if let (Part::Deep, false) = (part, rest.is_empty()) {
            self.enter(folder.clone(), rest, depth)?;
        }
        for Listed { name, is_folder } in self.list(&folder)?.iter() {
            let (fits, next) = match part {
                Part::Name(wanted) => (wanted == name, rest),
                Part::Like(pattern) => (pattern.matches_with(name, OPTIONS), rest),
                Part::Deep => (!name.starts_with('.') && depth < MAX_DEPTH, parts),
            };
            if !fits {
                continue;
            }
            if name.contains(|c: char| c.is_control() || matches!(c, '?' | '#')) {
                return Err(format!("needs `{}`, which cannot stand in a URL", name.escape_debug()));
            }
            let ends = rest.is_empty();
            match is_folder {
                Some(true) if matches!(part, Part::Deep) || !ends => {
                    self.enter(format!("{folder}{name}/"), next, depth + 1)?;
                }
                Some(true) => {}
                // Where the server does not say what it is, the last name of a pattern is a file's.
                _ if ends => {
                    let UrlPattern { server, options, .. } = self.pattern;
                    self.found.push(format!("{server}/{folder}{name}{options}"));
                }
                None => self.enter(format!("{folder}{name}/"), next, depth + 1)?,
                Some(false) => {}
            }
        }
        Ok(())
    }

    /// The names in a folder, and whether they are folders; none if it does not exist.
    fn list(&mut self, folder: &str) -> Result<Rc<Vec<Listed>>, String> {
        if let Some(listed) = self.known.get(folder) {
            return Ok(Rc::clone(listed));
        }
        let UrlPattern { server, options, .. } = self.pattern;
        // `root://host//`, the top, has no other name.
        let shorter = folder.strip_suffix('/').filter(|folder| !folder.is_empty()).unwrap_or(folder);
        let url = format!("{server}/{shorter}{options}");
        let listed = match self.store.list(&url) {
            Ok(listed) => listed,
            Err(hep_io::Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                Vec::new()
            }
            Err(error) => {
                let reason = match &error {
                    hep_io::Error::Io { source, .. } => source.to_string(),
                    other => other.to_string(),
                };
                return Err(format!("needs {}, which cannot be listed: {reason}", without_secrets(&url)));
            }
        };
        self.visited += 1 + listed.len();
        if self.visited > MAX_VISITED {
            return Err(format!("is too wide a pattern: more than {MAX_VISITED} files were looked at"));
        }
        let listed = Rc::new(listed);
        self.known.insert(folder.to_owned(), Rc::clone(&listed));
        Ok(listed)
    }
}
