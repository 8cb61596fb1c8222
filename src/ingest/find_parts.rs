//! The files that a path means: itself, the parts in a folder, or what matches a pattern; and the table that they are.

use crate::types::{SourceFile, SourcePart, Split, TableSource};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use std::{
    collections::{HashMap, HashSet},
    io,
    path::{Component, Path, PathBuf},
};

/// Folders within folders that are looked into. A link to a folder around it would have no end.
const DEPTH: usize = 16;
/// What Hive and Spark name the folder of rows without a value.
const NO_VALUE: &str = "__HIVE_DEFAULT_PARTITION__";
/// What Hive and Spark write otherwise in the names of folders.
const NOT_IN_FOLDERS: &AsciiSet = &CONTROLS.add(b'/').add(b'=').add(b'%');

#[derive(Debug, thiserror::Error)]
pub enum FindPartsError {
    #[error("there is no file {}", .0.display())]
    NoFile(PathBuf),
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("the folder {} has no parts in it (names that begin with _ or . are none)", .0.display())]
    NoParts(PathBuf),
    #[error("no file matches {0}")]
    NoMatch(String),
    #[error("{0} is no pattern: {1}")]
    Pattern(String, glob::PatternError),
    #[error("{0} is named twice; its rows would count twice")]
    Twice(String),
}

/// A file that is a part of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundPart {
    pub path: SourceFile,
    /// Its path below the folder that was named or that the pattern looks in; of a file that was named itself its name.
    pub name: String,
    /// Where it was found: its whole path, or the address that it was copied from. Folders of it may name columns.
    pub place: String,
    /// Whether it was named itself, so that its folders mean nothing where it is the whole table.
    pub alone: bool,
}

/// Whether a file of this path below a folder of parts is one: Spark and others keep notes under names that begin with `_` or
/// `.`, of files and of folders.
pub fn is_part(name: &str) -> bool {
    // A folder may name a column that begins so.
    name.split('/').all(|own| !own.starts_with('.') && (!own.starts_with('_') || own.contains('=')))
}

/// Where the pattern begins, in a path that has one: the folders before it are looked in.
pub fn find_pattern(path: &str) -> Option<usize> {
    let special = path.find(['*', '?', '['])?;
    Some(path[..special].rfind('/').map_or(0, |slash| slash + 1))
}

/// The files that a path means, those of a folder or pattern by name.
pub fn find_parts(input: &Path) -> Result<Vec<FoundPart>, FindPartsError> {
    let unreadable = |source| FindPartsError::Read { path: input.to_owned(), source };
    match std::fs::metadata(input) {
        Ok(metadata) if metadata.is_dir() => {
            let found = list_folder(&input.canonicalize().map_err(unreadable)?).map_err(unreadable)?;
            if found.is_empty() { Err(FindPartsError::NoParts(input.to_owned())) } else { Ok(found) }
        }
        Ok(_) => {
            let path = input.canonicalize().map_err(unreadable)?;
            // A link is named as it is.
            let name = input.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let place = path.with_file_name(&name).to_string_lossy().into_owned();
            Ok(vec![FoundPart { path: path.into(), name, place, alone: true }])
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let text = input.to_string_lossy();
            let Some(at) = find_pattern(&text) else { return Err(FindPartsError::NoFile(input.to_owned())) };
            find_matches(&text, if at == 0 { Path::new(".") } else { Path::new(&text[..at]) })
        }
        Err(error) => Err(unreadable(error)),
    }
}

fn find_matches(pattern: &str, base: &Path) -> Result<Vec<FoundPart>, FindPartsError> {
    let mut found = Vec::new();
    let matches = glob::glob(pattern).map_err(|error| FindPartsError::Pattern(pattern.to_owned(), error))?;
    let Ok(base) = base.canonicalize() else { return Err(FindPartsError::NoMatch(pattern.to_owned())) };
    for path in matches {
        let path =
            path.map_err(|error| FindPartsError::Read { path: error.path().to_owned(), source: error.into() })?;
        let unreadable = |source| FindPartsError::Read { path: path.clone(), source };
        let absolute = path.canonicalize().map_err(unreadable)?;
        let below = |path: &Path| path.strip_prefix(&base).unwrap_or(path).to_string_lossy().into_owned();
        if absolute.is_dir() {
            found.extend(
                list_folder(&absolute)
                    .map_err(unreadable)?
                    .into_iter()
                    .map(|part| FoundPart { name: below(&part.path), ..part }),
            );
        } else if is_part(&below(&absolute)) {
            let place = absolute.to_string_lossy().into_owned();
            found.push(FoundPart { name: below(&absolute), path: absolute.into(), place, alone: false });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    // A pattern may match a folder and the files in it.
    found.dedup_by(|a, b| a.path == b.path);
    if found.is_empty() { Err(FindPartsError::NoMatch(pattern.to_owned())) } else { Ok(found) }
}

/// The parts below a folder, by name.
fn list_folder(folder: &Path) -> io::Result<Vec<FoundPart>> {
    let mut found = Vec::new();
    let mut folders = vec![(folder.to_owned(), String::new(), 0)];
    while let Some((path, prefix, depth)) = folders.pop() {
        for entry in std::fs::read_dir(&path)? {
            let entry = entry?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if !is_part(&name) {
                continue;
            }
            let metadata = std::fs::metadata(entry.path())?;
            if metadata.is_file() {
                let place = entry.path().to_string_lossy().into_owned();
                found.push(FoundPart { path: entry.path().into(), name, place, alone: false });
            } else if metadata.is_dir() && depth < DEPTH {
                folders.push((entry.path(), format!("{name}/"), depth + 1));
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// The table that these files are, in this order. Every name in it is its own.
pub fn join_parts(found: Vec<(FoundPart, Option<Split>)>) -> Result<TableSource, FindPartsError> {
    let mut places = HashSet::new();
    if let Some((twice, _)) = found.iter().find(|(part, _)| !places.insert(&part.place)) {
        return Err(FindPartsError::Twice(twice.place.clone()));
    }
    let mut named: HashMap<&str, usize> = HashMap::new();
    found.iter().for_each(|(part, _)| *named.entry(&part.name).or_default() += 1);
    let clash = named.values().any(|count| *count > 1);
    let common = common_folder(found.iter().map(|(part, _)| part.place.as_str()));
    let whole = found.len() == 1;
    let part = |(part, split): (FoundPart, Option<Split>)| SourcePart {
        partitions: if whole && part.alone { Vec::new() } else { partitions_of(&part.place) },
        name: if clash { part.place[common..].to_owned() } else { part.name },
        path: part.path,
        split,
    };
    Ok(TableSource { parts: found.into_iter().map(part).collect() })
}

/// How much of all places is the path of one folder.
fn common_folder<'a>(mut places: impl Iterator<Item = &'a str>) -> usize {
    let first = places.next().unwrap_or_default();
    let mut common = first.rfind('/').map_or(0, |slash| slash + 1);
    for place in places {
        let same = first.bytes().zip(place.bytes()).take_while(|(a, b)| a == b).count();
        common =
            first.as_bytes()[..common.min(same)].iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    }
    common
}

/// What is wrong with the name of a part, if anything: it is a path below some folder, a line of a text, and not longer than paths
/// are.
pub fn check_part_name(name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > 1024 || name.contains(char::is_control) {
        return Err("1 to 1024 bytes without line ends or other control characters".to_owned());
    }
    match name.split('/').all(|own| !matches!(own, "" | "." | "..")) {
        true => Ok(()),
        false => Err("a path below the folder of all parts, for example `day=2024-01-01/part-0.csv`".to_owned()),
    }
}

/// The columns that a path's folders name, with the values: `day=2024-01-01/`.
pub fn partitions_of(place: &str) -> Vec<(String, String)> {
    let folders = Path::new(place).parent().unwrap_or(Path::new("")).components();
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let partition = |folder: Component| {
        let (name, value) = folder.as_os_str().to_str()?.split_once('=')?;
        let value = if value == NO_VALUE { String::new() } else { decode(value) };
        (!name.is_empty()).then(|| (decode(name), value))
    };
    folders.filter_map(partition).collect()
}

/// The name of a part with all folders that name columns of it, those above the folder that was named too, so that the name alone
/// says its columns (`partitions_of`).
pub fn name_with_partitions(part: &SourcePart) -> String {
    let own = partitions_of(&part.name).len();
    let above = &part.partitions[..part.partitions.len().saturating_sub(own)];
    let encode = |text: &str| utf8_percent_encode(text, NOT_IN_FOLDERS).to_string();
    let folder = |(column, value): &(String, String)| match value.as_str() {
        "" => format!("{}={NO_VALUE}/", encode(column)),
        value => format!("{}={}/", encode(column), encode(value)),
    };
    above.iter().map(folder).collect::<String>() + &part.name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "user,click\n").unwrap();
        }
        folder
    }

    fn names(found: Result<Vec<FoundPart>, FindPartsError>) -> Vec<String> {
        found.unwrap().into_iter().map(|part| part.name).collect()
    }

    #[test]
    fn a_folder_is_its_parts_by_name_without_the_notes_of_its_writer() {
        let folder =
            folder(&["_SUCCESS", ".part-1.csv.crc", "part-10.csv", "part-2.csv", "_meta/x.csv", "day=2/a", "day=1/b"]);
        assert_eq!(names(find_parts(folder.path())), ["day=1/b", "day=2/a", "part-10.csv", "part-2.csv"]);
        let pattern = |pattern: &str| find_parts(&folder.path().join(pattern));
        assert_eq!(names(pattern("part-*.csv")), ["part-10.csv", "part-2.csv"]);
        assert_eq!(names(pattern("day=*")), ["day=1/b", "day=2/a"]);
        assert_eq!(names(pattern("**/[ab]")), ["day=1/b", "day=2/a"]);
        assert!(matches!(pattern("*.parquet"), Err(FindPartsError::NoMatch(_))));
        assert!(matches!(pattern("none.csv"), Err(FindPartsError::NoFile(_))));
        assert!(pattern("_meta/..").is_ok());
        std::fs::create_dir(folder.path().join("empty")).unwrap();
        assert!(matches!(pattern("empty"), Err(FindPartsError::NoParts(_))));
    }

    #[test]
    fn folders_name_columns_and_files_of_one_name_are_told_apart() {
        let folder = folder(&["day=2020-01-01/p=a%2Fb/x.csv", "day=__HIVE_DEFAULT_PARTITION__/p=c/x.csv"]);
        let join = |inputs: &[&str]| {
            let found = inputs.iter().flat_map(|input| find_parts(&folder.path().join(input)).unwrap());
            join_parts(found.map(|part| (part, None)).collect())
        };
        let table = join(&["."]).unwrap();
        let partition =
            |at: usize| table.parts[at].partitions.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>();
        assert_eq!((partition(0), partition(1)), (vec!["2020-01-01", "a/b"], vec!["", "c"]));
        let files = ["day=2020-01-01/p=a%2Fb/x.csv", "day=__HIVE_DEFAULT_PARTITION__/p=c/x.csv"];
        let alike: Vec<_> = join(&files).unwrap().parts.into_iter().map(|part| part.name).collect();
        assert_eq!(alike, files);
        assert!(join(&files[..1]).unwrap().one_file().is_some(), "one file is what it is, wherever it lies");
        for folder in ["day=2020-01-01", "day=__HIVE_DEFAULT_PARTITION__/p=c", "."] {
            for part in join(&[folder]).unwrap().parts {
                let name = name_with_partitions(&part);
                assert!(files.contains(&&*name), "{name}");
                assert_eq!(partitions_of(&name), part.partitions);
            }
        }
        assert!(matches!(join(&[files[0], files[0]]), Err(FindPartsError::Twice(_))));
    }
}
