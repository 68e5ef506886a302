//! Names that ROOT, uproot and paths read as they are. All others are refused before anything is processed: what is
//! written under them would be found under another name, or not at all.

use crate::output::LEDGER;

/// ROOT keeps longer ones, but not everywhere.
const LONGEST: usize = 1000;

/// The reason why something cannot have a name, and what would do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    why: String,
    instead: Option<String>,
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.why)?;
        self.instead.as_ref().map_or(Ok(()), |name| write!(f, "; `{name}` would do"))
    }
}

/// Makes sure that a name can be that of a dataset, an object, a friend, a variation or a category.
pub(crate) fn check(name: &str) -> Result<(), Wrong> {
    why_not(name).map_or(Ok(()), |why| Err(Wrong { why: why.to_owned(), instead: instead(name) }))
}

fn why_not(name: &str) -> Option<&'static str> {
    Some(match name {
        "" => "the name is empty",
        "." | ".." => "a path reads it as a folder",
        LEDGER => "the ledger of an output is called that",
        _ if name.contains(char::is_control) => "it has a control character",
        _ if name.trim() != name => "it begins or ends with a space",
        _ if name.contains('/') => "a `/` separates the directories of a ROOT file",
        _ if name.contains(';') => "ROOT and uproot read a cycle number behind a `;`",
        _ if name.contains(':') => "ROOT and uproot read a file before a `:`",
        _ if name.len() > LONGEST => "it is longer than 1000 bytes",
        _ => return None,
    })
}

/// The nearest name that would do.
fn instead(name: &str) -> Option<String> {
    if name == LEDGER {
        return Some(format!("{LEDGER}_"));
    }
    let plain = |c: char| if c.is_control() || "/;:".contains(c) { '_' } else { c };
    let mut short = String::new();
    let inner = name.trim_matches(|c: char| c.is_whitespace() || c.is_control() || "/;:".contains(c));
    for c in inner.chars().map(plain) {
        if short.len() + c.len_utf8() > LONGEST {
            break;
        }
        short.push(c);
    }
    why_not(&short).is_none().then_some(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_something_reads_otherwise_are_refused_with_one_that_would_do() {
        let said = |name: &str| check(name).unwrap_err().to_string();
        for good in ["DYJets_M-50", "a b", "µµ", "x.y", "Ledger", "mass[GeV]"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        assert_eq!(said("A:B"), "ROOT and uproot read a file before a `:`; `A_B` would do");
        assert_eq!(said("a/b"), "a `/` separates the directories of a ROOT file; `a_b` would do");
        assert_eq!(said("x;1"), "ROOT and uproot read a cycle number behind a `;`; `x_1` would do");
        assert_eq!(said("ledger"), "the ledger of an output is called that; `ledger_` would do");
        assert_eq!(said(" ledger"), "it begins or ends with a space");
        assert_eq!(said("/a/b"), "a `/` separates the directories of a ROOT file; `a_b` would do");
        assert_eq!(said("tt "), "it begins or ends with a space; `tt` would do");
        assert_eq!(said("a\0b"), "it has a control character; `a_b` would do");
        for (bad, why) in [("", "empty"), (".", "folder"), ("..", "folder"), ("/", "`/`"), ("\n", "control")]
        {
            let said = said(bad);
            assert!(said.contains(why) && !said.contains("would do"), "{said}");
        }
        assert!(check(&"x".repeat(1001)).is_err() && check(&"x".repeat(1000)).is_ok());
    }
}
