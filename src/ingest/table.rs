//! A table as a file and its description: its format, its columns, and a reader of its rows.

use super::{
    archive::Member,
    batch::{Batch, Span},
    dialect,
    error::{IngestError, ReadError, shown},
    format::{ResolvedFile, resolve_for_file},
    header,
    jsonl::{self, discover_keys},
    limits::IngestLimits,
    parquet, preamble,
    reader::{Rows, open_lines},
    text::TextFile,
    typed_header::{self, NamedType, take_types},
};
use crate::types::{DatasetSpec, FieldSpec, FileFormat};
use std::path::Path;

/// Rows looked at before the first reading: for the keys of JSON objects, and for decimals.
pub(super) const SNIFF_ROWS: u64 = 10_000;
/// So many rows show whether lines end with a separator.
const ENDING_ROWS: usize = 100;

/// The file, its format and its columns.
pub(super) struct Table<'a> {
    pub path: &'a Path,
    /// With format, compression, encoding and separator filled.
    pub spec: DatasetSpec,
    /// The table in a zip archive.
    member: Option<Member>,
    pub columns: Vec<String>,
    /// What the names of the columns say of their cells, where they say it.
    pub types: Option<Vec<NamedType>>,
    /// Whether every row ends with a separator, and the names do not: the last column has no name, and must be empty.
    pub rows_end_empty: bool,
    /// Why a column cannot be read, for those that cannot.
    pub unusable: Vec<Option<String>>,
    /// What was found out of the file and may be wrong.
    pub notes: Vec<String>,
    /// Bytes of the file.
    pub bytes: u64,
}

impl<'a> Table<'a> {
    /// Finds out the format and the columns.
    pub fn open(path: &'a Path, spec: &DatasetSpec, limits: &IngestLimits) -> Result<Self, IngestError> {
        let ResolvedFile { spec, member, notes } = resolve_for_file(path, spec)?;
        let bytes = std::fs::metadata(path).map_err(IngestError::io("open", path))?.len();
        let (columns, unusable) = (Vec::new(), Vec::new());
        let mut table =
            Self { path, spec, member, columns, types: None, rows_end_empty: false, unusable, notes, bytes };
        table.columns = match table.spec.format {
            Some(FileFormat::Parquet) => {
                refuse_members_of_texts(&table.spec)?;
                let schema = parquet::open(path)?.schema().clone();
                table.unusable = schema.fields().iter().map(|field| parquet::why_unusable(field.data_type())).collect();
                parquet::column_names(&schema)
            }
            Some(FileFormat::Jsonl) => table.find_keys(limits)?,
            _ => table.find_names(limits)?,
        };
        table.unusable.resize(table.columns.len(), None);
        if let Some(column) = table.columns.iter().find(|column| column.contains('\0')) {
            let rule = format!(
                "the name of column {:?} holds a NUL byte; is the file text, in UTF-8 or another `encoding` (--encoding)?",
                shown(column.as_bytes())
            );
            return Err(IngestError::field("", rule));
        }
        if table.columns.len() > limits.max_columns {
            let rule = format!("{} columns; this service reads at most {}", table.columns.len(), limits.max_columns);
            return Err(IngestError::field("", rule));
        }
        if table.spec.format == Some(FileFormat::Csv) {
            table.types = take_types(&mut table.columns, &mut table.spec);
        }
        table.spec.expand_patterns(&table.columns);
        if table.types.is_some() {
            table.notes.push(typed_header::NOTE.to_owned());
        }
        Ok(table)
    }

    /// The file as a text.
    pub fn text(&self) -> TextFile<'_> {
        TextFile { path: self.path, spec: &self.spec, member: self.member.as_ref() }
    }

    /// The keys of JSON lines.
    fn find_keys(&self, limits: &IngestLimits) -> Result<Vec<String>, IngestError> {
        refuse_csv_members(&self.spec)?;
        preamble::check(&self.spec)?;
        let at_start = |error: ReadError| error.at_start(self.path);
        let (mut lines, _) = open_lines(self.text(), limits)?;
        let names = discover_keys(&mut lines, SNIFF_ROWS, |_| true).map_err(at_start)?;
        let (mut lines, _) = open_lines(self.text(), limits)?;
        lines.read_row().map_err(at_start)?;
        if names.is_empty() || jsonl::starts_otherwise(lines.text()) {
            return Err(IngestError::field("", jsonl::why_no_objects(lines.text())));
        }
        if jsonl::is_by_columns(lines.text()) {
            return Err(IngestError::field("", jsonl::BY_COLUMNS));
        }
        Ok(names)
    }

    /// The column names of a CSV. Fills in the separator.
    fn find_names(&mut self, limits: &IngestLimits) -> Result<Vec<String>, IngestError> {
        preamble::check(&self.spec)?;
        if let Some(separator) = &self.spec.separator {
            check_separator(separator)?;
        } else {
            let (mut lines, _) = open_lines(self.text(), limits)?;
            lines.read_row().map_err(|error| error.at_start(self.path))?;
            self.spec.separator = Some(likely_separator(lines.text()).to_owned());
        }
        dialect::check(&self.spec, self.spec.separator.as_deref().unwrap_or(","))?;
        let (mut first, mut rows) = (Batch::default(), Rows::open_csv(self.text(), 0, &[], limits)?);
        rows.fill(&mut first, 1).map_err(|error| error.at_start(self.path))?;
        let Some(header) = first.rows.first() else {
            return Err(IngestError::field("", "the file has no rows; upload a table of at least three"));
        };
        let name = |cell: &Span| String::from_utf8_lossy(cell.slice(&first.text)).into_owned();
        let mut names = match (&self.spec.columns, &header.fault) {
            // Without a header the first line is a row. What is wrong with it is reported with the other rows.
            (Some(columns), _) if !have_one_empty_more(columns.len(), &first) => return Ok(columns.clone()),
            (Some(columns), _) => columns.clone(),
            (None, Some(fault)) => {
                return Err(IngestError::field("", format!("the header line cannot be read: {}", fault.rule)));
            }
            (None, None) => first.cells(0).iter().map(name).collect(),
        };
        // What is wrong with the next rows is reported when all are read.
        let next = rows.fill(&mut first, ENDING_ROWS);
        if next.is_ok() && have_one_empty_more(names.len(), &first) {
            self.rows_end_empty = true;
            names.push(String::new());
            self.notes
                .push("every row ends with a separator behind its last value, which is taken for none".to_owned());
        }
        Ok(names)
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

    /// A reader of the rows from the first. Only the cells of columns marked in `needed` are sure to be filled, and to be text.
    pub fn rows(&self, needed: &[bool], limits: &IngestLimits) -> Result<Rows, IngestError> {
        let joins = || (0..self.columns.len()).map(|column| self.join(column)).collect();
        match self.spec.format {
            Some(FileFormat::Parquet) => Rows::open_parquet(self.path, self.bytes, needed, joins(), limits),
            Some(FileFormat::Jsonl) => Rows::open_json(self.text(), &self.columns, needed, joins(), limits),
            _ => {
                let mut rows = Rows::open_csv(self.text(), self.columns.len(), needed, limits)?;
                if self.spec.columns.is_none() {
                    // The header.
                    rows.fill(&mut Batch::default(), 1).map_err(|error| error.at_start(self.path))?;
                }
                Ok(rows)
            }
        }
    }

    /// The same, with every cell as it stands there, text or not.
    pub fn all_rows(&self, limits: &IngestLimits) -> Result<Rows, IngestError> {
        let is_text = matches!(self.spec.format, Some(FileFormat::Csv) | None);
        self.rows(&vec![!is_text; self.columns.len()], limits)
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

/// Whether each of the rows has one cell more than there are names, and hardly any of those cells holds anything.
fn have_one_empty_more(names: usize, rows: &Batch) -> bool {
    let all = rows.rows.len();
    let ends: Vec<&[u8]> = (0..all).filter_map(|row| Some(rows.cells(row).get(names)?.slice(&rows.text))).collect();
    let one_more = (0..all).all(|row| rows.cells(row).len() == names + 1);
    one_more && all > 0 && ends.iter().filter(|end| end.is_empty()).count() * 10 >= all * 9
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

/// Refuses what only a text has.
fn refuse_members_of_texts(spec: &DatasetSpec) -> Result<(), IngestError> {
    refuse_csv_members(spec)?;
    let given = [
        ("/encoding", spec.encoding.is_some()),
        ("/skip_lines", spec.skip_lines > 0),
        ("/comment", spec.comment.is_some()),
    ];
    match given.into_iter().find(|(_, given)| *given) {
        Some((pointer, _)) => Err(IngestError::field(pointer, "only for CSV and JSON lines; leave it out")),
        None => Ok(()),
    }
}

fn refuse_csv_members(spec: &DatasetSpec) -> Result<(), IngestError> {
    let given = [
        ("/separator", spec.separator.is_some()),
        ("/quote", spec.quote.is_some()),
        ("/escape", spec.escape.is_some()),
    ];
    if let Some((pointer, _)) = given.into_iter().find(|(_, given)| *given) {
        return Err(IngestError::field(pointer, "only for CSV; leave it out"));
    }
    if spec.columns.is_some() {
        return Err(IngestError::field("/columns", "only for CSV without a header; this file names its columns"));
    }
    Ok(())
}
