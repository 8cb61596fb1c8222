//! What `docs/extending.md` says of the files that a new part takes is true: they are few, each is there and names the
//! example, and no other source file does.

use std::fs;
use std::path::{Path, PathBuf};

/// The files that a section lists, as `1. path`.
fn listed(section: &str) -> Vec<PathBuf> {
    let page = fs::read_to_string(root().join("docs/extending.md")).unwrap();
    let (_, section) = page.split_once(&format!("\n## {section}\n")).expect("a section of the page");
    let section = section.split("\n## ").next().unwrap();
    let path = |line: &str| {
        let (number, path) = line.split_once(". `")?;
        number.parse::<u32>().ok()?;
        Some(root().join(path.strip_suffix('`')?))
    };
    section.lines().filter_map(path).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every source file below a folder.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The file without its tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned()
}

/// Whether the identifier stands in the text by itself.
fn names(text: &str, identifier: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(identifier).any(|(at, _)| {
        !text[..at].chars().next_back().is_some_and(part)
            && !text[at + identifier.len()..].chars().next().is_some_and(part)
    })
}

/// The variant is named in the files listed, and by no other source but the paper's tables, which choose what they print.
fn only_listed_files_name(section: &str, variant: &str, most: usize) {
    let listed = listed(section);
    assert!((1..=most).contains(&listed.len()), "{section}: {listed:?}");
    for path in listed.iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs")) {
        assert!(code(path).contains(variant), "{variant} in {}", path.display());
    }
    let mut all = Vec::new();
    sources(&root().join("src"), &mut all);
    sources(&root().join("torch/src"), &mut all);
    for path in all.iter().filter(|path| !listed.contains(path) && !path.starts_with(root().join("src/reproduce"))) {
        assert!(!names(&code(path), variant), "{variant} in {}, which {section} does not list", path.display());
    }
}

#[test]
fn a_backbone_takes_four_files() {
    only_listed_files_name("A backbone", "Lr", 4);
    let vector = listed("A backbone").into_iter().find(|path| path.extension().is_some_and(|kind| kind == "json"));
    assert!(code(&vector.expect("a vector is listed")).contains("\"model\": \"lr\""));
}

#[test]
fn a_method_takes_four_files() {
    only_listed_files_name("A method", "LossDrop", 4);
}

#[test]
fn a_field_of_the_spec_takes_three_files() {
    let listed = listed("A field of the spec");
    assert!((1..=3).contains(&listed.len()), "{listed:?}");
    for path in listed {
        assert!(names(&code(&path), "transfer"), "{}", path.display());
    }
}
