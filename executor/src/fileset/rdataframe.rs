//! The JSON that RDataFrame's `FromSpec` reads.

use super::{
    FileSpec, Fileset,
    build::{self, Builder},
    error::{FilesetError, FilesetProblem},
    location,
    node::{Entry, Fields, Node, Shape},
};

const KEYS: &[&str] = &["samples", "friends", "range"];
const FRIEND: &[&str] = &["trees", "files"];
const SAMPLE: &[&str] = &["trees", "files", "metadata"];

/// Whether the value of `samples` is a specification's, and not a dataset of coffea's that is so named.
pub(super) fn are_samples(node: &Node) -> bool {
    let is_sample = |entry: &Entry| SAMPLE[..2].iter().any(|key| entry.value.find(key).is_some());
    node.as_map().is_some_and(|samples| samples.is_empty() || samples.iter().any(is_sample))
}

pub(super) fn read(root: &Node, mut builder: Builder<'_>) -> Result<Fileset, FilesetError> {
    let fields = root.fields("the specification", "a map", KEYS)?;
    let used = |node: &&Node| match &node.shape {
        Shape::List(items) => !items.is_empty(),
        Shape::Map(entries) => !entries.is_empty(),
        _ => true,
    };
    if let Some(node) = fields.find("range").filter(used) {
        let what = "`range`: an entry range over all samples is".to_owned();
        return Err(node.error(FilesetProblem::Unsupported { what }));
    }
    for Entry { key: name, line, value } in fields.find("samples").and_then(Node::as_map).unwrap_or_default()
    {
        sample(&mut builder, name, *line, value)?;
        builder.close(*line)?;
    }
    // ROOT has no use for an empty list, but some writers do.
    if let Some(node) = fields.find("friends").filter(used) {
        let wanted = "a map from a friend's name to its `trees` and `files`";
        let friends = node.as_map().ok_or_else(|| node.wrong("`friends`", wanted))?;
        for Entry { key: alias, line, value } in friends {
            let place = format!("friend `{alias}`");
            let fields = value.fields(&place, "a map with `trees` and `files`", FRIEND)?;
            builder.friend(alias, *line, Vec::new())?;
            files(&mut builder, &place, value, &fields)?;
            builder.end_friend(*line, true)?;
        }
    }
    builder.finish(None)
}

fn sample(builder: &mut Builder<'_>, name: &str, line: u64, node: &Node) -> Result<(), FilesetError> {
    let place = format!("sample `{name}`");
    let fields = node.fields(&place, "a map with `trees` and `files`", SAMPLE)?;
    builder.dataset(name, line, fields.find("metadata"))?;
    files(builder, &place, node, &fields)
}

/// The `files` of a sample or a friend, with one of its `trees` for all or one for each.
fn files(
    builder: &mut Builder<'_>,
    place: &str,
    node: &Node,
    fields: &Fields<'_>,
) -> Result<(), FilesetError> {
    let one_or_more = |key: &'static str| match fields.find(key) {
        None => Err(node.error(FilesetProblem::MissingKey { key, place: place.to_owned() })),
        Some(node) => Ok(match node.as_list() {
            Some(list) => (node, list),
            None => (node, std::slice::from_ref(node)),
        }),
    };
    let (trees_node, trees) = one_or_more("trees")?;
    let (_, files) = one_or_more("files")?;
    let trees = trees
        .iter()
        .map(|node| build::tree(node, &format!("a tree of {place}")))
        .collect::<Result<Vec<_>, _>>()?;
    if trees.len() != 1 && trees.len() != files.len() {
        let why = format!(
            "are {} for {} files; there must be one for all or one for each",
            trees.len(),
            files.len()
        );
        return Err(trees_node.error(FilesetProblem::Value { what: format!("the trees of {place}"), why }));
    }
    for (i, node) in files.iter().enumerate() {
        let given = node.text(&format!("a file of {place}"), "a path")?;
        let (path, own) = split_fragment(given);
        let tree = match own {
            Some(tree) => location::tree_path(tree),
            None => trees.get(i).or(trees.first()).cloned(),
        };
        builder.file(&FileSpec { path, tree, ..FileSpec::default() }, node.line)?;
    }
    Ok(())
}

/// `file.root?#tree` and, for a URL, `file.root?options#tree`, as `TChain::Add` has them. Without a `#`, a
/// `?` is a wildcard or starts a URL's options.
fn split_fragment(given: &str) -> (String, Option<&str>) {
    let parts = given.rsplit_once('#').and_then(|(before, tree)| Some((before.rsplit_once('?')?, tree)));
    match parts {
        Some(((path, ""), tree)) => (path.to_owned(), Some(tree)),
        Some(((path, options), tree)) if location::scheme(path).is_some() => {
            (format!("{path}?{options}"), Some(tree))
        }
        _ => (given.to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::split_fragment;

    #[test]
    fn a_tree_follows_a_question_mark_and_a_hash() {
        for (given, path, tree) in [
            ("a_?.root", "a_?.root", None),
            ("a.root?#dir/t", "a.root", Some("dir/t")),
            ("a.root#t", "a.root#t", None),
            ("root://h//a.root?x=1#t", "root://h//a.root?x=1", Some("t")),
            ("root://h//a.root?x=1", "root://h//a.root?x=1", None),
        ] {
            assert_eq!(split_fragment(given), (path.to_owned(), tree));
        }
    }
}
