//! One file of a table: how it is read, and how its columns come to be those of the table.

use super::{
    archive::Member,
    error::{IngestError, list_names},
    format::{ResolvedFile, detect_compression, resolve_for_file},
    limits::IngestLimits,
    parquet,
    reader::Rows,
    text::TextFile,
};
use crate::types::{Compression, DatasetSpec, FileFormat, SourceFile, SourcePart, Split, TextEncoding, shorten};

pub(super) struct Part {
    pub path: SourceFile,
    /// What it is called, where the table has several.
    pub name: Option<String>,
    pub bytes: u64,
    /// How it is read: with format, compression, encoding and separator.
    pub spec: DatasetSpec,
    /// The table in it, where it is a zip archive.
    member: Option<Member>,
    /// Where each column that files have stands in this one, if their order is another than the table's.
    pub order: Option<Vec<usize>>,
    /// The value that all its rows have of each column that folders name.
    pub partitions: Vec<String>,
    pub split: Option<Split>,
}

impl Part {
    /// The part that says how the table is read, where `said` does not; and what was guessed of it and may be wrong.
    pub fn first(
        source: &SourcePart,
        several: bool,
        bytes: u64,
        said: &DatasetSpec,
    ) -> Result<(Self, Vec<String>), IngestError> {
        let ResolvedFile { spec, member, notes } = resolve(source, several, said)?;
        Ok((Self { member, ..Self::new(source, several, bytes, spec) }, notes))
    }

    /// A part of a table that is read as its part `first` is. Files may be compressed each in its own way; format, separator and
    /// encoding are those of the table. `said` is what was said of the table, before anything was found out.
    pub fn further(
        source: &SourcePart,
        bytes: u64,
        first: &DatasetSpec,
        said: &DatasetSpec,
    ) -> Result<Self, IngestError> {
        let mut part = Self::new(source, true, bytes, first.clone());
        if !part.has_rows() {
            return Ok(part);
        }
        let own = DatasetSpec { format: None, compression: None, ..said.clone() };
        let ResolvedFile { spec: found, member, .. } = resolve(source, true, &own)?;
        let wrong = |rule: String| Err(IngestError::field("", rule).in_part(Some(&source.name)));
        let is_parquet = |spec: &DatasetSpec| spec.format == Some(FileFormat::Parquet);
        if is_parquet(&found) != is_parquet(first) {
            let word = |spec| if is_parquet(spec) { "Parquet" } else { "text" };
            let (own, first) = (word(&found), word(first));
            return wrong(format!("is {own}, but the first part is {first}; parts have one format"));
        }
        let is_json = |spec: &DatasetSpec| spec.format == Some(FileFormat::Jsonl);
        if said.format.is_none() && is_json(&found) != is_json(first) {
            let word = |spec| if is_json(spec) { "JSON lines" } else { "CSV" };
            let (own, first) = (word(&found), word(first));
            return wrong(format!("seems to be {own}, but the first part is {first}; parts have one format"));
        }
        if encoding(&found) != encoding(first) {
            let word = |spec| encoding(spec).map_or("utf-8".to_owned(), |encoding| encoding.to_string());
            let (own, first) = (word(&found), word(first));
            return wrong(format!(
                "seems to be {own}, and the first part {first}; parts have one encoding: convert them, or say which it is (--encoding)"
            ));
        }
        (part.spec.compression, part.spec.member, part.member) = (found.compression, found.member, member);
        Ok(part)
    }

    fn new(source: &SourcePart, several: bool, bytes: u64, spec: DatasetSpec) -> Self {
        Self {
            path: source.path.clone(),
            name: several.then(|| source.name.clone()),
            bytes,
            spec,
            member: None,
            order: None,
            partitions: source.partitions.iter().map(|(_, value)| value.clone()).collect(),
            split: source.split,
        }
    }

    /// The file as a text.
    pub fn text(&self) -> TextFile<'_> {
        TextFile { path: &self.path, spec: &self.spec, member: self.member.as_ref() }
    }

    /// Spark leaves a file of no bytes where there were no rows to write.
    pub fn has_rows(&self) -> bool {
        self.bytes > 0
    }

    /// What errors call it, where the table has several.
    pub fn shown_name(&self) -> Option<String> {
        self.name.clone()
    }

    /// Finds out where the table's columns, those that files have, stand in this one whose columns are `own`.
    pub fn find_order(&mut self, columns: &[String], own: &[String]) -> Result<(), IngestError> {
        if own == columns {
            return Ok(());
        }
        let wrong = |rule: String| Err(IngestError::field("", rule).in_part(self.name.as_deref()));
        let missing: Vec<_> = columns.iter().filter(|column| !own.contains(column)).collect();
        let unknown: Vec<_> = own.iter().filter(|column| !columns.contains(column)).collect();
        match (&missing[..], &unknown[..]) {
            ([], []) if own.len() == columns.len() => {}
            ([], []) => return wrong(format!("has {} columns, and the first part has {}", own.len(), columns.len())),
            ([], unknown) => return wrong(format!("has {}, which the first part has not", list_names(unknown))),
            (missing, _) => {
                let rule = format!("has no column {}; its columns are {}", list_names(missing), list_names(own));
                return wrong(rule);
            }
        }
        // Columns of one name are told apart by their order.
        let mut taken = vec![false; own.len()];
        let mut order = Vec::with_capacity(columns.len());
        for column in columns {
            let Some(place) = (0..own.len()).find(|place| !taken[*place] && own[*place] == *column) else {
                return wrong(format!("has fewer columns named `{}` than the first part", shorten(column)));
            };
            taken[place] = true;
            order.push(place);
        }
        self.order = Some(order);
        Ok(())
    }

    /// A reader of its rows. `needed` and `joins` are by column of the table; `own` is how many of these files have.
    pub fn rows(
        &self,
        own: &[String],
        needed: &[bool],
        joins: &[String],
        limits: &IngestLimits,
    ) -> Result<Rows, IngestError> {
        let mut places: Vec<usize> = (0..own.len()).collect();
        for (column, place) in self.order.iter().flatten().enumerate() {
            places[*place] = column;
        }
        let needed: Vec<bool> = places.iter().map(|column| needed[*column]).collect();
        let joins = || places.iter().map(|column| joins[*column].clone()).collect();
        match self.spec.format {
            Some(FileFormat::Parquet) => Rows::open_parquet(&self.path, self.bytes, &needed, joins(), limits),
            Some(FileFormat::Jsonl) => Rows::open_json(self.text(), own, &needed, joins(), limits),
            _ => Rows::open_csv(self.text(), own.len(), &needed, limits),
        }
    }

    /// The names of a Parquet file's columns.
    pub fn parquet_columns(&self) -> Result<Vec<String>, IngestError> {
        Ok(parquet::column_names(parquet::open(&self.path)?.schema()))
    }
}

/// How a file of a table is read. What is said of a member is of those files that are archives, where there are several.
fn resolve(source: &SourcePart, several: bool, said: &DatasetSpec) -> Result<ResolvedFile, IngestError> {
    let resolve = || {
        let mut said = said.clone();
        if several && said.member.is_some() && detect_compression(&source.path)? != Compression::Zip {
            said.member = None;
        }
        resolve_for_file(&source.path, &said)
    };
    resolve().map_err(|error: IngestError| error.in_part(several.then_some(&source.name)))
}

/// The encoding, where it is another than UTF-8.
fn encoding(spec: &DatasetSpec) -> Option<TextEncoding> {
    spec.encoding.filter(|encoding| !encoding.is_utf8())
}
