//! A table as a file and its description: its format, its columns, and a reader of its rows.

use super::{
    batch::{Batch, Span},
    dialect,
    error::{IngestError, shown},
    format::resolve_for_file,
    header,
    jsonl::{self, discover_keys},
    limits::IngestLimits,
    parquet,
    reader::{Rows, open_lines},
};
use crate::types::{DatasetSpec, FieldSpec, FileFormat};
use std::path::Path;

/// Rows looked at before the first reading: for the keys of JSON objects, and for decimals.
pub(super) const SNIFF_ROWS: u64 = 10_000;

/// The file, its format and its columns.
pub(super) struct Table<'a> {
    pub path: &'a Path,
    /// With format, compression and separator filled.
    pub spec: DatasetSpec,
    pub columns: Vec<String>,
    /// Why a column cannot be read, for those that cannot.
    pub unusable: Vec<Option<String>>,
    /// Bytes of the file.
    pub bytes: u64,
}

impl<'a> Table<'a> {
    /// Finds out the format and the columns.
    pub fn open(path: &'a Path, spec: &DatasetSpec, limits: &IngestLimits) -> Result<Self, IngestError> {
        let mut spec = resolve_for_file(path, spec)?;
        let bytes = std::fs::metadata(path).map_err(IngestError::io("open", path))?.len();
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
                let (mut lines, _) = open_lines(path, &spec, limits)?;
                let names = discover_keys(&mut lines, SNIFF_ROWS, |_| true).map_err(|error| error.at_start(path))?;
                let (mut lines, _) = open_lines(path, &spec, limits)?;
                lines.read_row().map_err(|error| error.at_start(path))?;
                if names.is_empty() || jsonl::starts_otherwise(lines.text()) {
                    return Err(IngestError::field("", jsonl::why_no_objects(lines.text())));
                }
                if jsonl::is_by_columns(lines.text()) {
                    return Err(IngestError::field("", jsonl::BY_COLUMNS));
                }
                names
            }
            _ => find_csv_columns(path, &mut spec, limits)?,
        };
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
        Ok(Self { path, spec, columns, unusable, bytes })
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

    /// Whether the first line of the file holds the names of the columns.
    fn has_header(&self) -> bool {
        self.spec.format == Some(FileFormat::Csv) && self.spec.columns.is_none()
    }

    /// A reader of the rows from the first. Only the cells of columns marked in `needed` are sure to be filled.
    pub fn rows(&self, needed: &[bool], limits: &IngestLimits) -> Result<Rows, IngestError> {
        let joins = || (0..self.columns.len()).map(|column| self.join(column)).collect();
        match self.spec.format {
            Some(FileFormat::Parquet) => Rows::open_parquet(self.path, self.bytes, needed, joins(), limits),
            Some(FileFormat::Jsonl) => Rows::open_json(self.path, &self.spec, &self.columns, needed, joins(), limits),
            _ => {
                let mut rows = Rows::open_csv(self.path, &self.spec, self.columns.len(), limits)?;
                if self.spec.columns.is_none() {
                    // The header.
                    rows.fill(&mut Batch::default(), 1).map_err(|error| error.at_start(self.path))?;
                }
                Ok(rows)
            }
        }
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
