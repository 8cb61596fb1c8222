//! A table as its files and its description: its format, its columns, and a reader of its rows.

use super::{
    batch::{Batch, Span},
    dialect,
    error::{IngestError, shown},
    format::resolve_for_file,
    header,
    jsonl::{self, discover_keys},
    limits::IngestLimits,
    parquet,
    part::Part,
    part_rows::TableRows,
    reader::{Rows, open_lines},
};
use crate::types::{DatasetSpec, FieldSpec, FileFormat, SourcePart, TableSource};
use std::path::Path;

/// Rows looked at before the first reading: for the keys of JSON objects, and for decimals.
pub(super) const SNIFF_ROWS: u64 = 10_000;

/// The files, their format and their columns.
pub(super) struct Table {
    /// In the order of the rows.
    pub parts: Vec<Part>,
    /// With format, compression and separator filled; the compression is that of the first part.
    pub spec: DatasetSpec,
    /// Those that files have, then those that folders name.
    pub columns: Vec<String>,
    /// Why a column cannot be read, for those that cannot.
    pub unusable: Vec<Option<String>>,
    /// Bytes of all files.
    pub bytes: u64,
    /// How many of the columns files have.
    own: usize,
}

impl Table {
    /// Finds out the format and the columns.
    pub fn open(source: &TableSource, spec: &DatasetSpec, limits: &IngestLimits) -> Result<Self, IngestError> {
        let several = source.parts.len() > 1;
        let bytes = |part: &SourcePart| {
            std::fs::metadata(&part.path).map(|metadata| metadata.len()).map_err(IngestError::io("open", &part.path))
        };
        let bytes = source.parts.iter().map(bytes).collect::<Result<Vec<_>, _>>()?;
        // Where all are empty, the first says so.
        let first = bytes.iter().position(|bytes| *bytes > 0).unwrap_or(0);
        let head = &source.parts[first];
        let FirstPart { spec, mut columns, mut unusable } = open_first(head, several, spec, limits)?;
        let mut parts = Vec::with_capacity(source.parts.len());
        for (place, part) in source.parts.iter().enumerate() {
            parts.push(match place == first {
                true => Part::first(part, several, bytes[place], &spec),
                false => Part::further(part, bytes[place], &spec)?,
            });
        }
        if spec.format == Some(FileFormat::Jsonl) {
            columns = discover_columns(&parts, limits)?;
        } else {
            check_columns(&mut parts, &spec, &columns, limits)?;
        }
        let own = columns.len();
        unusable.resize(own, None);
        add_partitions(source, &mut parts, &mut columns)?;
        unusable.resize(columns.len(), None);
        if let Some(column) = columns.iter().find(|column| column.contains('\0')) {
            let rule = format!(
                "the name of column {:?} holds a NUL byte; is the file text in UTF-8?",
                shown(column.as_bytes())
            );
            return Err(IngestError::field("", rule));
        }
        if columns.len() > limits.max_columns {
            let rule = format!("{} columns; this service reads at most {}", columns.len(), limits.max_columns);
            return Err(IngestError::field("", rule));
        }
        Ok(Self { parts, spec, columns, unusable, bytes: bytes.iter().sum(), own })
    }

    /// The columns that files have.
    pub fn own_columns(&self) -> &[String] {
        &self.columns[..self.own]
    }

    /// Whether files say which rows are train, valid and test.
    pub fn has_splits(&self) -> bool {
        self.parts.iter().any(|part| part.split.is_some())
    }

    /// What the first line looks like, if it was taken for names and does not look like names.
    pub fn header_suspicion(&self) -> Option<String> {
        self.has_header().then(|| header::suspicion(&self.columns)).flatten()
    }

    /// Whether the label is a column whose name looks like one of its values.
    pub fn label_is_a_value(&self) -> bool {
        let label = &self.spec.label.column;
        self.has_header() && self.columns.contains(label) && header::names_a_value(&self.columns, label)
    }

    /// Whether the first line of each file holds the names of the columns.
    pub fn has_header(&self) -> bool {
        self.spec.format == Some(FileFormat::Csv) && self.spec.columns.is_none()
    }

    /// A reader of the rows from the first. Only the cells of columns marked in `needed` are sure to be filled.
    pub fn rows<'a>(&'a self, needed: &[bool], limits: &'a IngestLimits) -> Result<TableRows<'a>, IngestError> {
        let joins = (0..self.columns.len()).map(|column| self.join(column)).collect();
        TableRows::open(&self.parts, self.own_columns(), self.has_header(), needed, joins, limits)
    }

    /// What stands between the values of a list in this column.
    fn join(&self, column: usize) -> String {
        let fields = self.spec.fields.iter().flatten();
        let name = &self.columns[column];
        let multi = fields.filter(|field| field.column() == name).find_map(|field| match field {
            FieldSpec::Full { multi, .. } => multi.as_ref(),
            FieldSpec::Name(_) => None,
        });
        let multi = multi.or_else(|| self.spec.multi.get(name));
        multi.map_or_else(|| "|".to_owned(), |multi| multi.separator.clone())
    }
}

/// What the first part says of the table.
struct FirstPart {
    /// With format, compression and separator.
    spec: DatasetSpec,
    columns: Vec<String>,
    /// Why columns cannot be read; may be shorter than they are many.
    unusable: Vec<Option<String>>,
}

fn open_first(
    part: &SourcePart,
    several: bool,
    spec: &DatasetSpec,
    limits: &IngestLimits,
) -> Result<FirstPart, IngestError> {
    let path = &part.path;
    let open = || {
        let mut spec = resolve_for_file(path, spec)?;
        let mut unusable = Vec::new();
        let columns = match spec.format {
            Some(FileFormat::Parquet) => {
                refuse_csv_members(&spec)?;
                let schema = parquet::open(path)?.schema().clone();
                unusable = schema.fields().iter().map(|field| parquet::why_unusable(field.data_type())).collect();
                parquet::column_names(&schema)
            }
            Some(FileFormat::Jsonl) => {
                refuse_csv_members(&spec)?;
                check_objects(path, &spec, limits)?;
                Vec::new()
            }
            _ => find_csv_columns(path, &mut spec, limits)?,
        };
        Ok(FirstPart { spec, columns, unusable })
    };
    open().map_err(|error: IngestError| error.in_part(several.then_some(&part.name)))
}

/// Refuses a file of JSON that does not hold an object a line.
fn check_objects(path: &Path, spec: &DatasetSpec, limits: &IngestLimits) -> Result<(), IngestError> {
    let (mut lines, _) = open_lines(path, spec, limits)?;
    let mut names = Vec::new();
    discover_keys(&mut lines, SNIFF_ROWS, |_| true, &mut names).map_err(|error| error.at_start(path))?;
    let (mut lines, _) = open_lines(path, spec, limits)?;
    lines.read_row().map_err(|error| error.at_start(path))?;
    if names.is_empty() || jsonl::starts_otherwise(lines.text()) {
        return Err(IngestError::field("", jsonl::why_no_objects(lines.text())));
    }
    if jsonl::is_by_columns(lines.text()) {
        return Err(IngestError::field("", jsonl::BY_COLUMNS));
    }
    Ok(())
}

/// The keys of the first objects, which may be in several parts.
fn discover_columns(parts: &[Part], limits: &IngestLimits) -> Result<Vec<String>, IngestError> {
    let (mut names, mut left) = (Vec::new(), SNIFF_ROWS);
    for part in parts.iter().filter(|part| part.has_rows()) {
        if left == 0 {
            break;
        }
        let (mut lines, _) = open_lines(&part.path, &part.spec, limits)?;
        let read = discover_keys(&mut lines, left, |_| true, &mut names);
        left -= read.map_err(|error| error.at_start(&part.path).in_part(part.name.as_deref()))?;
    }
    Ok(names)
}

/// Finds the columns of the table in every part; a part without one of them, or with another, is an error that names it.
fn check_columns(
    parts: &mut [Part],
    spec: &DatasetSpec,
    columns: &[String],
    limits: &IngestLimits,
) -> Result<(), IngestError> {
    let named = spec.format == Some(FileFormat::Csv) && spec.columns.is_some();
    for part in parts.iter_mut().filter(|part| part.has_rows() && part.name.is_some() && !named) {
        let own = match spec.format {
            Some(FileFormat::Parquet) => part.parquet_columns(),
            _ => find_csv_columns(&part.path, &mut part.spec, limits),
        };
        let own = own.map_err(|error| error.in_part(part.name.as_deref()))?;
        part.find_order(columns, &own)?;
    }
    Ok(())
}

/// Adds the columns that folders name. Where files have a column of the name, theirs counts.
fn add_partitions(source: &TableSource, parts: &mut [Part], columns: &mut Vec<String>) -> Result<(), IngestError> {
    let names = |part: &SourcePart| part.partitions.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let first = names(&source.parts[0]);
    if let Some(other) = source.parts.iter().find(|part| names(part) != first) {
        let list = |names: Vec<String>| match names.is_empty() {
            true => "none".to_owned(),
            false => names.iter().map(|name| format!("`{name}=`")).collect::<Vec<_>>().join(", "),
        };
        let rule = format!(
            "{}: the folders of this part name {}, and those of the first name {}; all parts lie in folders of the same names",
            other.name,
            list(names(other)),
            list(first)
        );
        return Err(IngestError::field("", rule));
    }
    let new: Vec<bool> = first.iter().map(|name| !columns.contains(name)).collect();
    for part in parts {
        let mut new = new.iter();
        part.partitions.retain(|_| new.next() == Some(&true));
    }
    columns.extend(first.into_iter().zip(new).filter(|(_, new)| *new).map(|(name, _)| name));
    Ok(())
}

/// The column names of a CSV. Fills in `spec.separator`.
fn find_csv_columns(path: &Path, spec: &mut DatasetSpec, limits: &IngestLimits) -> Result<Vec<String>, IngestError> {
    if let Some(separator) = &spec.separator {
        check_separator(separator)?;
    } else {
        let (mut lines, _) = open_lines(path, spec, limits)?;
        lines.read_row().map_err(|error| error.at_start(path))?;
        spec.separator = Some(likely_separator(lines.text()).to_owned());
    }
    dialect::check(spec, spec.separator.as_deref().unwrap_or(","))?;
    let mut first = Batch::default();
    Rows::open_csv(path, spec, 0, limits)?.fill(&mut first, 1).map_err(|error| error.at_start(path))?;
    let Some(header) = first.rows.first() else {
        return Err(IngestError::field("", "the file has no rows; upload a table of at least three"));
    };
    match (&spec.columns, &header.fault) {
        // Without a header the first line is a row. What is wrong with it is reported with the other rows.
        (Some(columns), _) => Ok(columns.clone()),
        (None, Some(fault)) => Err(IngestError::field("", format!("the header line cannot be read: {}", fault.rule))),
        (None, None) => {
            let name = |cell: &Span| String::from_utf8_lossy(cell.slice(&first.text)).into_owned();
            Ok(first.cells(0).iter().map(name).collect())
        }
    }
}

fn check_separator(separator: &str) -> Result<(), IngestError> {
    if separator.is_empty() || separator.contains(['\n', '\r', '"']) {
        let rule = "one or more characters that are not quotes or line ends, for example `,` or `::`";
        return Err(IngestError::field("/separator", rule));
    }
    Ok(())
}

/// The one of `,` tab `;` `|` that `header` has most of outside quotes; a comma where it has none.
fn likely_separator(header: &[u8]) -> &'static str {
    let mut counts = [0_usize; 4];
    let mut quoted = false;
    for byte in header {
        match byte {
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b',' => counts[0] += 1,
            b'\t' => counts[1] += 1,
            b';' => counts[2] += 1,
            b'|' => counts[3] += 1,
            _ => {}
        }
    }
    let most = (0..4).rev().max_by_key(|place| counts[*place]).unwrap_or(0);
    [",", "\t", ";", "|"][most]
}

fn refuse_csv_members(spec: &DatasetSpec) -> Result<(), IngestError> {
    if spec.separator.is_some() {
        return Err(IngestError::field("/separator", "only for CSV; leave it out"));
    }
    if spec.quote.is_some() || spec.escape.is_some() {
        let pointer = if spec.quote.is_some() { "/quote" } else { "/escape" };
        return Err(IngestError::field(pointer, "only for CSV; leave it out"));
    }
    if spec.columns.is_some() {
        return Err(IngestError::field("/columns", "only for CSV without a header; this file names its columns"));
    }
    Ok(())
}
