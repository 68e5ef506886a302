//! Names of C++ types as ROOT writes them.

/// A type's name without `std::`, `const` and blanks around it.
pub(super) fn plain(name: &str) -> &str {
    let name = name.trim();
    let name = name.strip_prefix("const ").unwrap_or(name).trim_start();
    name.strip_prefix("std::").unwrap_or(name)
}

/// The name of a template and its arguments: `map` and `int`, `vector<float> ` of
/// `map<int,vector<float> >`.
pub(super) fn template(name: &str) -> Option<(&str, Vec<&str>)> {
    let (template, inside) = plain(name).strip_suffix('>')?.split_once('<')?;
    let mut arguments = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for (at, character) in inside.char_indices() {
        match character {
            '<' | '(' => depth += 1,
            '>' | ')' => depth = depth.checked_sub(1)?,
            ',' if depth == 0 => {
                arguments.push(inside[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    arguments.push(inside[start..].trim());
    (depth == 0).then_some((template.trim(), arguments))
}

/// Whether a name has letters, digits and namespaces only, as an enumeration's has.
pub(super) fn is_plain_name(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|other| other.is_ascii_alphanumeric() || matches!(other, '_' | ':'))
}

/// What a standard sequence holds: `float` of `vector<float>`. An allocator or a comparison may follow.
pub(super) fn sequence(name: &str) -> Option<&str> {
    let (template, arguments) = template(name)?;
    let known = matches!(
        template,
        "vector"
            | "list"
            | "deque"
            | "set"
            | "multiset"
            | "unordered_set"
            | "unordered_multiset"
            | "forward_list"
            | "ROOT::VecOps::RVec"
            | "ROOT::RVec"
    );
    known.then(|| arguments[0])
}

/// Keys and values of a standard map.
pub(super) fn map(name: &str) -> Option<(&str, &str)> {
    let (template, arguments) = template(name)?;
    match template {
        "map" | "multimap" | "unordered_map" | "unordered_multimap" => {
            Some((arguments[0], arguments.get(1)?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_split_at_their_own_commas() {
        let name = "std::map<int,vector<pair<int,float> >,less<int> >";
        assert_eq!(template(name), Some(("map", vec!["int", "vector<pair<int,float> >", "less<int>"])));
        assert_eq!(map(name), Some(("int", "vector<pair<int,float> >")));
        assert_eq!(template("vector<a>>"), None);
        assert_eq!(template("Double32_t"), None);
    }

    #[test]
    fn sequences_are_told_from_other_templates() {
        assert_eq!(sequence("std::vector<unsigned int,allocator<unsigned int> >"), Some("unsigned int"));
        assert_eq!(sequence("vector<vector<float> >"), Some("vector<float>"));
        assert_eq!(sequence("ElementLink<DataVector<xAOD::Jet_v1> >"), None);
    }
}
