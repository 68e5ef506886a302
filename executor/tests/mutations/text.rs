//! Changes of JSON and YAML: as a person, a script or a broken disk makes them.

use serde_json::{Map, Value};

use super::damage::Xorshift;

/// What stands for a text that is no JSON, or no JSON that [`Value`] can hold.
const RAW: &str = "\u{1}raw ";
/// What stands before a key that is there twice.
const TWICE: &str = "\u{1}twice ";

const NUMBERS: [&str; 18] = [
    "0",
    "-0.0",
    "1",
    "-1",
    "2",
    "1.5",
    "2147483648",
    "4294967295",
    "4294967296",
    "9007199254740992",
    "9223372036854775807",
    "18446744073709551615",
    "18446744073709551616",
    "1e308",
    "1e999",
    "NaN",
    "Infinity",
    "-9223372036854775808",
];

/// A changed text and what was changed: the keys on the way to it, and how.
pub(super) struct Changed {
    pub(super) text: String,
    pub(super) what: String,
}

/// Changes one member of a document, which `sound` is.
pub(super) fn change(sound: &Value, random: &mut Xorshift) -> Changed {
    let (document, what) = change_value(sound, random, true);
    Changed { text: written(&document), what }
}

/// Changes one member such that the document stays one.
pub(super) fn change_value(sound: &Value, random: &mut Xorshift, raw: bool) -> (Value, String) {
    let mut paths = Vec::new();
    paths_of(sound, &mut Vec::new(), &mut paths);
    loop {
        let mut document = sound.clone();
        let path = &paths[random.below(paths.len())];
        let other = at(sound, &paths[random.below(paths.len())]).clone();
        let how = match random.below(3) {
            0 => of_parent(&mut document, path, other, random),
            1 => of_type(at_mut(&mut document, path), other, random, raw),
            _ => of_any(at_mut(&mut document, path), other, random, raw),
        };
        if let Some(how) = how.filter(|_| document != *sound) {
            return (document, format!("{} {how}", name_of(sound, path)));
        }
    }
}

/// Changes the place that a member has in its map or list.
fn of_parent(
    document: &mut Value,
    path: &[usize],
    other: Value,
    random: &mut Xorshift,
) -> Option<&'static str> {
    let (last, above) = path.split_last()?;
    match at_mut(document, above) {
        Value::Array(list) => {
            let swapped = random.below(list.len());
            Some(match random.below(4) {
                0 => {
                    list.remove(*last);
                    "removed"
                }
                1 => {
                    list.insert(*last, list[*last].clone());
                    "doubled"
                }
                2 => {
                    list.swap(*last, swapped);
                    "swapped"
                }
                _ => {
                    list.truncate(*last);
                    "cut"
                }
            })
        }
        Value::Object(map) => {
            let (key, value) = map.iter().nth(*last).map(|(key, value)| (key.clone(), value.clone()))?;
            let (another, theirs) = map.iter().nth(random.below(map.len()))?;
            let (another, theirs) = (another.clone(), theirs.clone());
            Some(match random.below(5) {
                0 => {
                    map.shift_remove(&key);
                    "removed"
                }
                1 => {
                    map.insert(format!("{TWICE}{key}"), [value, other][random.below(2)].clone());
                    "doubled"
                }
                2 => {
                    map.insert(key, theirs);
                    map.insert(another, value);
                    "swapped"
                }
                3 => {
                    map.shift_remove(&key);
                    map.insert(format!("{key}{}", ["_", " ", "x"][random.below(3)]), value);
                    "renamed"
                }
                _ => {
                    map.insert("surprise".to_owned(), value);
                    "and another"
                }
            })
        }
        _ => None,
    }
}

/// Changes a value to another of its type.
fn of_type(value: &mut Value, other: Value, random: &mut Xorshift, raw: bool) -> Option<&'static str> {
    match value {
        Value::Bool(known) => *known = !*known,
        Value::Number(number) => {
            let number = number.as_f64()?;
            *value = match random.below(4) {
                0 if number.fract() == 0.0 => ((number + 1.0) as i64).into(),
                1 if number.fract() == 0.0 => ((number - 1.0) as i64).into(),
                2 => Value::from(f64::from_bits(number.to_bits() ^ (1 << random.below(64)))),
                _ => self::number(random, raw),
            };
        }
        Value::String(text) => match (random.below(5), other) {
            (0, Value::String(other)) => *text = other,
            (1, _) => text.clear(),
            (2, _) => *text = text.repeat(1 + 5000 / text.len().max(1)),
            (3, _) => text.push(['x', '/', '*', '\0', 'é', ':'][random.below(6)]),
            _ => {
                let at = random.below(text.chars().count());
                let one =
                    |(place, c)| if place == at { char::from(b'0' + random.below(43) as u8) } else { c };
                *text = text.chars().enumerate().map(one).collect();
            }
        },
        Value::Array(list) if random.below(2) == 0 => list.reverse(),
        Value::Array(list) => list.clear(),
        Value::Object(map) => *map = Map::new(),
        Value::Null => *value = true.into(),
    }
    Some("changed")
}

/// Puts anything else in the place of a value.
fn of_any(value: &mut Value, other: Value, random: &mut Xorshift, raw: bool) -> Option<&'static str> {
    *value = match random.below(9) {
        0 => Value::Null,
        1 => Value::Array(Vec::new()),
        2 => Value::Object(Map::new()),
        3 => Value::String(value.to_string()),
        4 => Value::Array(vec![value.clone()]),
        5 => number(random, raw),
        6 if raw => {
            let (open, close) = [("[", "]"), ("{\"a\":", "}")][random.below(2)];
            let depth = [200, 20_000][random.below(2)];
            Value::String(format!("{RAW}{}1{}", open.repeat(depth), close.repeat(depth)))
        }
        7 => Value::Bool(random.below(2) == 0),
        _ => other,
    };
    Some("replaced")
}

fn number(random: &mut Xorshift, raw: bool) -> Value {
    let text = NUMBERS[random.below(NUMBERS.len())];
    match serde_json::from_str(text) {
        _ if raw => Value::String(format!("{RAW}{text}")),
        Ok(number) => number,
        Err(_) => 7.into(),
    }
}

/// The document as JSON, with what is none.
pub(super) fn written(document: &Value) -> String {
    let text = document.to_string().replace(&escaped(TWICE), "");
    let mark = format!("\"{}", escaped(RAW));
    let mut parts = text.split(&mark);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        // The keys of deep maps have quotes.
        let end = (0..part.len()).find(|&at| part[at..].starts_with('"') && !part[..at].ends_with('\\'));
        let (raw, rest) = part.split_at(end.unwrap_or(part.len()));
        out += &raw.replace("\\\"", "\"");
        out += rest.get(1..).unwrap_or_default();
    }
    out
}

fn escaped(mark: &str) -> String {
    Value::from(mark).to_string().trim_matches('"').to_owned()
}

/// Changes a text line by line, as an editor does.
pub(super) fn change_lines(sound: &str, random: &mut Xorshift) -> Changed {
    let mut lines: Vec<String> = sound.lines().map(str::to_owned).collect();
    let (at, other) = (random.below(lines.len()), random.below(lines.len()));
    match random.below(7) {
        0 => drop(lines.remove(at)),
        1 => lines.insert(other, lines[at].clone()),
        2 => lines.swap(at, other),
        3 => lines[at].insert_str(0, "  "),
        4 => lines[at] = lines[at].replacen("  ", "", 1),
        5 => {
            let colon = [":", " :", ": &a", ": *a", "", ": !x", ": |"][random.below(7)];
            lines[at] = lines[at].replacen(':', colon, 1);
        }
        _ => {
            let place = random.below(lines[at].chars().count());
            let strange = ['{', '}', '[', ']', ':', '-', '*', '&', '\'', '"', '#', '0', '9', ' ', '\t', 'x'];
            let one = |(n, c)| if n == place { strange[random.below(strange.len())] } else { c };
            lines[at] = lines[at].chars().enumerate().map(one).collect();
        }
    }
    Changed { text: lines.join("\n"), what: format!("line {}", at + 1) }
}

/// The way to each value of a document.
fn paths_of(value: &Value, path: &mut Vec<usize>, paths: &mut Vec<Vec<usize>>) {
    paths.push(path.clone());
    let values: Vec<&Value> = match value {
        Value::Array(list) => list.iter().collect(),
        Value::Object(map) => map.values().collect(),
        _ => return,
    };
    for (at, value) in values.into_iter().enumerate() {
        path.push(at);
        paths_of(value, path, paths);
        path.pop();
    }
}

fn at<'v>(value: &'v Value, path: &[usize]) -> &'v Value {
    path.iter().fold(value, |value, &at| match value {
        Value::Array(list) => &list[at],
        Value::Object(map) => map.values().nth(at).unwrap(),
        _ => unreachable!("a way ends at a value that has none"),
    })
}

fn at_mut<'v>(value: &'v mut Value, path: &[usize]) -> &'v mut Value {
    path.iter().fold(value, |value, &at| match value {
        Value::Array(list) => &mut list[at],
        Value::Object(map) => map.values_mut().nth(at).unwrap(),
        _ => unreachable!("a way ends at a value that has none"),
    })
}

/// The keys on the way to a value, without the places in lists.
fn name_of(value: &Value, path: &[usize]) -> String {
    let mut name = String::new();
    path.iter().fold(value, |value, &at| match value {
        Value::Array(list) => &list[at],
        Value::Object(map) => {
            let (key, value) = map.iter().nth(at).unwrap();
            name = format!("{name}.{key}");
            value
        }
        _ => unreachable!("a way ends at a value that has none"),
    });
    name
}
