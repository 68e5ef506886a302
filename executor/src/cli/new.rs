//! `hep-run new NAME`: an analysis crate that builds and runs as it is.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Why a crate cannot be created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NewError {
    /// Cargo would refuse the name.
    #[error("`{}` cannot be the name of a crate: {why}", .name.escape_debug())]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Something of that name is there, and is left alone.
    #[error("`{}` already exists", .0.display())]
    Exists(PathBuf),
    /// A file or folder could not be written.
    #[error("`{}` cannot be written: {source}", .path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The versions of all dependencies that this binary was built and tested with.
pub(super) const LOCK: &str = include_str!("../../../Cargo.lock");

/// The folder of this crate's source, where this binary was built; it may be gone, or on another machine.
const SOURCE: &str = env!("CARGO_MANIFEST_DIR");
const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");
/// Names that Cargo refuses for a package, or that would clash with a dependency.
const RESERVED: &[&str] = &[
    "Self",
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "hep_run",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc_macro",
    "pub",
    "ref",
    "return",
    "self",
    "serde",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
];

/// Writes a crate named `name` into a new folder of that name in `parent`; gives back the folder.
///
/// The crate depends on the source this binary was built from, if that is still there, and its fileset on the
/// small files that lie in the same repository. Its `Cargo.lock` has the dependencies that this binary was tested
/// with.
pub fn create(name: &str, parent: &Path) -> Result<PathBuf, NewError> {
    create_from(name, parent, Path::new(SOURCE))
}

/// What a person should know who has made a crate where the source of this binary is gone.
pub(super) fn without_source() -> Option<String> {
    (!Path::new(SOURCE).join("Cargo.toml").is_file()).then(|| {
        format!(
            "the source that this hep-run was built from is gone ({SOURCE}): the crate depends on {REPOSITORY} \
             instead; if the source is elsewhere, write `hep-run = {{ path = \"…/executor\" }}` into its Cargo.toml. \
             The files that its fileset names as an example are not here either: name your own"
        )
    })
}

fn create_from(name: &str, parent: &Path, source: &Path) -> Result<PathBuf, NewError> {
    check_name(name)?;
    let folder = parent.join(name);
    fs::create_dir(&folder).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => NewError::Exists(folder.clone()),
        _ => NewError::Write { path: folder.clone(), source },
    })?;
    let dependency = if source.join("Cargo.toml").is_file() {
        format!("path = {}", quoted(source))
    } else {
        format!("git = \"{REPOSITORY}\"")
    };
    let sample = |file: &str| {
        let here = source.parent().map(|repository| repository.join("datasets").join(file));
        here.filter(|path| path.is_file()).map_or_else(|| file.to_owned(), |path| quoted(&path))
    };
    let fill = |template: &str| {
        template
            .replace("{{name}}", name)
            .replace("{{source}}", &dependency)
            .replace("{{data}}", &sample("nano_dimuon.root"))
            .replace("{{simulation}}", &sample("nano_dy.root"))
    };
    for (path, template) in [
        ("Cargo.toml", include_str!("new/Cargo.toml.in")),
        ("src/main.rs", include_str!("new/main.rs.in")),
        ("fileset.yaml", include_str!("new/fileset.yaml.in")),
        ("README.md", include_str!("new/README.md.in")),
        (".gitignore", include_str!("new/gitignore.in")),
        ("Cargo.lock", LOCK),
    ] {
        let path = folder.join(path);
        let parent = path.parent().unwrap_or(&folder);
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&path, fill(template)))
            .map_err(|source| NewError::Write { path: path.clone(), source })?;
    }
    Ok(folder)
}

fn check_name(name: &str) -> Result<(), NewError> {
    let error = |why| Err(NewError::Name { name: name.to_owned(), why });
    let Some(first) = name.chars().next() else { return error("it is empty") };
    if !first.is_ascii_alphabetic() {
        return error("it must start with a letter, a to z");
    }
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')) {
        return error("it may hold letters, digits, `-` and `_` only");
    }
    if name.len() > 64 {
        return error("it is longer than 64 characters");
    }
    if RESERVED.contains(&name.replace('-', "_").as_str()) {
        return error("Rust or hep-run itself uses that name");
    }
    Ok(())
}

/// A path as a string of TOML and YAML, whose escapes include JSON's.
fn quoted(path: &Path) -> String {
    serde_json::Value::from(path.to_string_lossy()).to_string()
}

#[cfg(test)]
mod tests {
    use std::env;

    use super::*;
    use crate::fileset::Fileset;

    fn scratch(test: &str) -> PathBuf {
        let folder = env::temp_dir().join(format!("hep-run-new-{test}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_new_crate_depends_on_this_source_and_its_fileset_reads() {
        let parent = scratch("source");
        let folder = create("zpeak", &parent).unwrap();
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let lock = fs::read_to_string(folder.join("Cargo.lock")).unwrap();
        let fileset = Fileset::read(folder.join("fileset.yaml")).unwrap();
        let again = create("zpeak", &parent).unwrap_err().to_string();
        fs::remove_dir_all(&parent).unwrap();

        assert!(manifest.contains("name = \"zpeak\"") && manifest.contains(SOURCE), "{manifest}");
        assert!(!manifest.contains("{{"), "{manifest}");
        assert!(lock.contains("name = \"serde-saphyr\""), "{lock}");
        let processor = fileset.processor.unwrap();
        assert_eq!(processor.path.as_deref(), Some(folder.as_path()));
        assert_eq!(processor.settings["min_pt"], 20);
        assert_eq!(again, format!("`{}` already exists", folder.display()));
    }

    #[test]
    fn without_the_source_the_repository_is_named() {
        let parent = scratch("repository");
        let folder = create_from("zpeak", &parent, &parent.join("gone/executor")).unwrap();
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let fileset = Fileset::read(folder.join("fileset.yaml")).unwrap();
        fs::remove_dir_all(&parent).unwrap();

        assert!(manifest.contains(&format!("hep-run = {{ git = \"{REPOSITORY}\" }}")), "{manifest}");
        assert!(fileset.datasets[0].files[0].path.ends_with("/zpeak/nano_dimuon.root"));
    }

    #[test]
    fn a_name_that_is_no_crates_is_refused() {
        for (name, message) in [
            ("", "`` cannot be the name of a crate: it is empty"),
            ("2mu", "`2mu` cannot be the name of a crate: it must start with a letter, a to z"),
            ("../x", "`../x` cannot be the name of a crate: it must start with a letter, a to z"),
            (
                "z/peak",
                "`z/peak` cannot be the name of a crate: it may hold letters, digits, `-` and `_` only",
            ),
            ("fn", "`fn` cannot be the name of a crate: Rust or hep-run itself uses that name"),
            ("hep-run", "`hep-run` cannot be the name of a crate: Rust or hep-run itself uses that name"),
        ] {
            assert_eq!(check_name(name).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn a_missing_parent_is_named() {
        let error = create("zpeak", Path::new("/no such folder")).unwrap_err();
        assert!(error.to_string().starts_with("`/no such folder/zpeak` cannot be written: "));
    }
}
