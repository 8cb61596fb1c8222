//! One file of a table: how it is read, and how its columns come to be those of the table.

use super::{error::IngestError, format::resolve_for_file, limits::IngestLimits, parquet, reader::Rows};
use crate::types::{DatasetSpec, FileFormat, SourcePart, Split};
use std::path::PathBuf;

pub(super) struct Part {
    pub path: PathBuf,
    /// What it is called, where the table has several.
    pub name: Option<String>,
    pub bytes: u64,
    /// How it is read: with format, compression and separator.
    pub spec: DatasetSpec,
    /// Where each column that files have stands in this one, if their order is another than the table's.
    pub order: Option<Vec<usize>>,
    /// The value that all its rows have of each column that folders name.
    pub partitions: Vec<String>,
    pub split: Option<Split>,
}

impl Part {
    /// The part as `spec` says it, which is how the table's first part is read.
    pub fn first(source: &SourcePart, several: bool, bytes: u64, spec: &DatasetSpec) -> Self {
        Self {
            path: source.path.clone(),
            name: several.then(|| source.name.clone()),
            bytes,
            spec: spec.clone(),
            order: None,
            partitions: source.partitions.iter().map(|(_, value)| value.clone()).collect(),
            split: source.split,
        }
    }

    /// A part of a table that is read as `first` says. Files may be compressed each in its own way; format and separator are
    /// those of the table.
    pub fn further(source: &SourcePart, bytes: u64, first: &DatasetSpec) -> Result<Self, IngestError> {
        let mut part = Self::first(source, true, bytes, first);
        if part.has_rows() {
            let own = DatasetSpec { format: None, compression: None, ..first.clone() };
            let found = resolve_for_file(&part.path, &own).map_err(|error| error.in_part(Some(&source.name)))?;
            let is_parquet = |spec: &DatasetSpec| spec.format == Some(FileFormat::Parquet);
            if is_parquet(&found) != is_parquet(first) {
                let word = |spec| if is_parquet(spec) { "Parquet" } else { "text" };
                let rule = format!("is {}, but the first part is {}; parts have one format", word(&found), word(first));
                return Err(IngestError::field("", rule).in_part(Some(&source.name)));
            }
            part.spec.compression = found.compression;
        }
        Ok(part)
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
        let list = |names: &[&String]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        match (&missing[..], &unknown[..]) {
            ([], []) if own.len() == columns.len() => {}
            ([], []) => return wrong(format!("has {} columns, and the first part has {}", own.len(), columns.len())),
            ([], unknown) => return wrong(format!("has {}, which the first part has not", list(unknown))),
            (missing, _) => {
                let rule = format!(
                    "has no column {}; its columns are {}",
                    list(missing),
                    list(&own.iter().collect::<Vec<_>>())
                );
                return wrong(rule);
            }
        }
        // Columns of one name are told apart by their order.
        let mut taken = vec![false; own.len()];
        let mut order = Vec::with_capacity(columns.len());
        for column in columns {
            let Some(place) = (0..own.len()).find(|place| !taken[*place] && own[*place] == *column) else {
                return wrong(format!("has fewer columns named `{column}` than the first part"));
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
        match self.spec.format {
            Some(FileFormat::Parquet) => {
                let mut places: Vec<usize> = (0..own.len()).collect();
                for (column, place) in self.order.iter().flatten().enumerate() {
                    places[*place] = column;
                }
                let needed: Vec<bool> = places.iter().map(|column| needed[*column]).collect();
                let joins = places.iter().map(|column| joins[*column].clone()).collect();
                Rows::open_parquet(&self.path, self.bytes, &needed, joins, limits)
            }
            Some(FileFormat::Jsonl) => {
                let joins = joins[..own.len()].to_vec();
                Rows::open_json(&self.path, &self.spec, own, &needed[..own.len()], joins, limits)
            }
            _ => Rows::open_csv(&self.path, &self.spec, own.len(), limits),
        }
    }

    /// The names of a Parquet file's columns.
    pub fn parquet_columns(&self) -> Result<Vec<String>, IngestError> {
        Ok(parquet::column_names(parquet::open(&self.path)?.schema()))
    }
}
