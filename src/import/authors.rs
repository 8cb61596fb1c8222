//! The files the authors' code reads (spec `datasets.md`, section 0): `NAME_train_12345.txt`, `NAME_valid_12345.txt`
//! and `NAME_test_12345.txt`, codes between commas, the label last. Their split and their order are kept.

use super::{
    error::ImportError,
    imported::Imported,
    movielens,
    options::ImportOptions,
    raw::RawFile,
    table::{TableWriter, Tick},
};
use crate::types::{Split, SplitSpec};
use std::path::{Path, PathBuf};

const END: &str = "_12345.txt";

#[derive(Debug, Clone)]
pub struct AuthorsFiles {
    pub folder: PathBuf,
    /// The NAME of the files; absent: the only one in the folder.
    pub name: Option<String>,
}

impl AuthorsFiles {
    pub(super) fn import(&self, options: ImportOptions, out: &Path, tick: Tick) -> Result<Imported, ImportError> {
        let name = self.find_name()?;
        let path = |split: Split| self.folder.join(format!("{name}_{}{END}", split.as_str()));
        let fields = find_field_names(&path(Split::Train))?;
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        let columns: Vec<String> = fields.iter().chain(&["click", "split"]).map(|name| (*name).to_owned()).collect();
        let mut table = TableWriter::create(out, &columns, tick)?;
        for split in Split::ALL {
            copy_rows(&path(split), fields.len(), split, &mut table)?;
        }
        let spec = options.spec("click", &fields, SplitSpec::Column("split".to_owned()));
        Ok(Imported::new(&columns, table.finish()?, spec).with_density("user", "movie"))
    }

    fn find_name(&self) -> Result<String, ImportError> {
        if let Some(name) = &self.name {
            return Ok(name.clone());
        }
        let folder = &self.folder;
        let entries = folder.read_dir().and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let entries = entries.map_err(ImportError::io("list", folder))?;
        let train = format!("_train{END}");
        let names =
            entries.iter().filter_map(|entry| entry.file_name().to_str()?.strip_suffix(&train).map(str::to_owned));
        let mut names: Vec<String> = names.collect();
        names.sort();
        match names.as_slice() {
            [name] => Ok(name.clone()),
            [] => Err(ImportError::file(folder, format!("it holds no NAME{train}"))),
            _ => Err(ImportError::file(folder, format!("say which with --name: it holds {}", names.join(", ")))),
        }
    }
}

/// MovieLens's names where there are as many codes, else numbered ones.
fn find_field_names(path: &Path) -> Result<Vec<String>, ImportError> {
    let mut file = RawFile::open(path)?;
    if !file.advance()? {
        return Err(ImportError::file(path, "the file is empty"));
    }
    let codes = file.line().iter().filter(|byte| **byte == b',').count();
    match codes {
        0 => Err(file.bad_line("must be codes between commas and the label last")),
        8 => Ok(movielens::FIELDS.map(str::to_owned).to_vec()),
        _ => Ok((1..=codes).map(|number| format!("field_{number}")).collect()),
    }
}

fn copy_rows(path: &Path, fields: usize, split: Split, table: &mut TableWriter) -> Result<(), ImportError> {
    let mut file = RawFile::open(path)?;
    let mut rows = 0;
    while file.advance()? {
        let found: Vec<&[u8]> = file.line().split(|byte| *byte == b',').collect();
        if found.len() != fields + 1 {
            let rule = format!("must have {fields} codes and the label, and has {} numbers", found.len());
            return Err(file.bad_line(rule));
        }
        let (label, codes) = found.split_last().expect("it was counted");
        if !matches!(*label, b"0" | b"1") {
            return Err(file.bad_value("label", label, "must be 0 or 1"));
        }
        let mut cells = Vec::with_capacity(fields + 2);
        for code in codes {
            cells.push(file.number("code", code, 0..=u32::MAX)?.to_string());
        }
        cells.push(u8::from(*label == b"1").to_string());
        cells.push(split.as_str().to_owned());
        table.write_row(&cells.iter().map(String::as_str).collect::<Vec<_>>(), *label == b"1")?;
        rows += 1;
    }
    if rows == 0 { Err(ImportError::file(path, "the file is empty")) } else { Ok(()) }
}
