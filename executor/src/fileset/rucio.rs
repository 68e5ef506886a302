//! A file as Rucio lists its replicas: what its server answers to `/replicas/list`, one JSON object for
//! each file, and what its client's `list_replicas` gives.

use super::error::{FilesetError, FilesetProblem};
use super::location;
use super::node::{Node, Shape};

/// What Rucio says of a file. Of these `pfns` matters here; `rses` and `states` say the same by site.
const FILE: &[&str] = &[
    "pfns",
    "tree",
    "adler32",
    "bytes",
    "domain",
    "guid",
    "md5",
    "name",
    "parents",
    "rses",
    "scope",
    "space_token",
    "states",
];
/// What can be read here; Rucio also knows `srm`, `gsiftp` and `s3`.
const SCHEMES: &[&str] = &["root", "roots", "xroot", "xroots", "http", "https", "dav", "davs", "file"];

/// The places of a file that can be read, the best first, if this is Rucio's answer.
pub(super) fn places(node: &Node, of: &str) -> Result<Option<Vec<String>>, FilesetError> {
    let (Some(pfns), None) = (node.find("pfns"), node.find("path")) else { return Ok(None) };
    node.fields(&format!("a file of {of}"), "a map", FILE)?;
    let mut places: Vec<((bool, u64), &str)> = match &pfns.shape {
        Shape::Map(entries) => entries
            .iter()
            .map(|entry| {
                // What is on tape may take days to come.
                let tape = entry.value.find("type").and_then(Node::as_text) == Some("TAPE");
                let priority = entry.value.find("priority").and_then(Node::as_u64);
                ((tape, priority.unwrap_or(u64::MAX)), entry.key.as_str())
            })
            .collect(),
        Shape::List(list) => {
            let url = |node: &'_ Node| node.as_text().is_some();
            match list.iter().find(|node| !url(node)) {
                Some(other) => return Err(other.wrong(&format!("a pfn of {of}"), "a URL")),
                None => list.iter().filter_map(Node::as_text).map(|url| ((false, 0), url)).collect(),
            }
        }
        _ => return Err(pfns.wrong(&format!("`pfns` of a file of {of}"), "a map or a list of URLs")),
    };
    places.retain(|(_, url)| location::scheme(url).is_some_and(|scheme| SCHEMES.contains(&scheme)));
    places.sort_by_key(|(rank, _)| *rank);
    if places.is_empty() {
        let name = node.find("name").and_then(Node::as_text).unwrap_or_default();
        let what = format!("`pfns` of the file `{}` of {of}", name.escape_debug());
        let why = "has no root:// or https:// URL".to_owned();
        return Err(pfns.error(FilesetProblem::Value { what, why }));
    }
    Ok(Some(places.into_iter().map(|(_, url)| url.to_owned()).collect()))
}
