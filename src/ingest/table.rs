//! A table as its files and its description: its format, its columns, and a reader of its rows.

use super::{
    batch::{Batch, Span},
    dialect,
    error::{IngestError, ReadError, shown},
    header,
    jsonl::{self, discover_keys},
    limits::IngestLimits,
    parquet,
    part::Part,
    part_rows::TableRows,
    preamble,
    reader::{Rows, open_lines},
    typed_header::{self, NamedType, take_types},
};
use crate::{
    remote,
    types::{DatasetSpec, FieldSpec, FileFormat, SourcePart, TableSource, shorten},
};

/// Rows looked at before the first reading: for the keys of JSON objects, and for decimals.
pub(super) const SNIFF_ROWS: u64 = 10_000;
/// So many rows show whether lines end with a separator.
const ENDING_ROWS: usize = 100;

/// The files, their format and their columns.
pub(super) struct Table {
    /// In the order of the rows.
    pub parts: Vec<Part>,
    /// With format, compression, encoding and separator filled; the compression is that of the first part. Of several parts each
    /// knows its own member of an archive.
    pub spec: DatasetSpec,
    /// Those that files have, then those that folders name.
    pub columns: Vec<String>,
    /// What the names of the columns that files have say of their cells, where they say it.
    pub types: Option<Vec<NamedType>>,
    /// Whether every row ends with a separator, and the names do not: the last column that files have has no name, and must be empty.
    pub rows_end_empty: bool,
    /// Why a column cannot be read, for those that cannot.
    pub unusable: Vec<Option<String>>,
    /// What was found out of the files and may be wrong.
    pub notes: Vec<String>,
    /// Bytes of all files.
    pub bytes: u64,
    /// How many of the columns files have.
    own: usize,
}

impl Table {
    /// Finds out the format and the columns.
    pub fn open(source: &TableSource, spec: &DatasetSpec, limits: &IngestLimits) -> Result<Self, IngestError> {
        let several = source.parts.len() > 1;
        let bytes = |part: &SourcePart| remote::byte_count(&part.path).map_err(IngestError::io("open", &part.path));
        let bytes = source.parts.iter().map(bytes).collect::<Result<Vec<_>, _>>()?;
        // Where all are empty, the first says so.
        let first = bytes.iter().position(|bytes| *bytes > 0).unwrap_or(0);
        let (mut head, mut notes) = Part::first(&source.parts[first], several, bytes[first], spec)?;
        let found = find_columns(&mut head, limits).map_err(|error| error.in_part(head.name.as_deref()))?;
        let FoundColumns { names: mut columns, rows_end_empty, mut unusable } = found;
        let mut table_spec = head.spec.clone();
        let mut parts = Vec::with_capacity(source.parts.len());
        for (place, part) in source.parts.iter().enumerate().filter(|(place, _)| *place != first) {
            parts.push(Part::further(part, bytes[place], &table_spec, spec)?);
        }
        parts.insert(first, head);
        if several {
            check_member(&parts, spec)?;
            table_spec.member.clone_from(&spec.member);
        }
        if table_spec.format == Some(FileFormat::Jsonl) {
            columns = discover_columns(&parts, limits)?;
        } else {
            check_columns(&mut parts, &table_spec, &columns, rows_end_empty, limits)?;
        }
        let mut types = None;
        if table_spec.format == Some(FileFormat::Csv) {
            types = take_types(&mut columns, &mut table_spec);
        }
        let rows_end_empty = rows_end_empty == Some(true);
        if rows_end_empty {
            notes.push("every row ends with a separator behind its last value, which is taken for none".to_owned());
        }
        if types.is_some() {
            notes.push(typed_header::NOTE.to_owned());
        }
        let own = columns.len();
        add_partitions(source, &mut parts, &mut columns)?;
        unusable.resize(columns.len(), None);
        table_spec.expand_patterns(&columns);
        check_names(&columns, limits)?;
        let bytes = bytes.iter().sum();
        Ok(Self { parts, spec: table_spec, columns, types, rows_end_empty, unusable, notes, bytes, own })
    }

    /// The columns that files have.
    pub fn own_columns(&self) -> &[String] {
        &self.columns[..self.own]
    }

    /// The column that must be empty, where every row ends with a separator.
    pub fn empty_end(&self) -> Option<usize> {
        self.rows_end_empty.then(|| self.own - 1)
    }

    /// Whether files say which rows are train, valid and test.
    pub fn has_splits(&self) -> bool {
        self.parts.iter().any(|part| part.split.is_some())
    }

    /// What the first line looks like, if it was taken for names and does not look like names.
    pub fn header_suspicion(&self) -> Option<String> {
        self.has_header().then(|| header::suspicion(&self.columns, &self.spec.label.column)).flatten()
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

    /// A reader of the rows from the first. Only the cells of columns marked in `needed` are sure to be filled, and to be text.
    pub fn rows<'a>(&'a self, needed: &[bool], limits: &'a IngestLimits) -> Result<TableRows<'a>, IngestError> {
        let joins = (0..self.columns.len()).map(|column| self.join(column)).collect();
        TableRows::open(&self.parts, self.own_columns(), self.has_header(), needed, joins, limits)
    }

    /// The same, with every cell as it stands there, text or not.
    pub fn all_rows<'a>(&'a self, limits: &'a IngestLimits) -> Result<TableRows<'a>, IngestError> {
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

/// What a part says of the table's columns.
struct FoundColumns {
    /// None of JSON lines, whose keys may be in other parts.
    names: Vec<String>,
    /// Whether every row ends with a separator, and the names do not: the last name is then an empty one. Absent: there are no rows.
    rows_end_empty: Option<bool>,
    /// Why columns cannot be read; may be shorter than they are many.
    unusable: Vec<Option<String>>,
}

impl FoundColumns {
    fn named(names: Vec<String>) -> Self {
        Self { names, rows_end_empty: Some(false), unusable: Vec::new() }
    }
}

/// The columns of the table's first part. Fills in the separator.
fn find_columns(part: &mut Part, limits: &IngestLimits) -> Result<FoundColumns, IngestError> {
    match part.spec.format {
        Some(FileFormat::Parquet) => {
            refuse_members_of_texts(&part.spec)?;
            let schema = parquet::open(&part.path)?.schema().clone();
            let unusable = schema.fields().iter().map(|field| parquet::why_unusable(field.data_type())).collect();
            Ok(FoundColumns { unusable, ..FoundColumns::named(parquet::column_names(&schema)) })
        }
        Some(FileFormat::Jsonl) => {
            check_objects(part, limits)?;
            Ok(FoundColumns::named(Vec::new()))
        }
        _ => find_names(part, limits),
    }
}

/// Refuses a file of JSON that does not hold an object a line.
fn check_objects(part: &Part, limits: &IngestLimits) -> Result<(), IngestError> {
    refuse_csv_members(&part.spec)?;
    preamble::check(&part.spec)?;
    let at_start = |error: ReadError| error.at_start(&part.path);
    let (mut lines, _) = open_lines(part.text(), limits)?;
    let mut names = Vec::new();
    discover_keys(&mut lines, SNIFF_ROWS, |_| true, 1, &mut names).map_err(at_start)?;
    let (mut lines, _) = open_lines(part.text(), limits)?;
    lines.read_row().map_err(at_start)?;
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
        let (mut lines, _) = open_lines(part.text(), limits)?;
        let read = discover_keys(&mut lines, left, |_| true, limits.max_columns.saturating_add(1), &mut names);
        left -= read.map_err(|error| error.at_start(&part.path).in_part(part.name.as_deref()))?;
    }
    Ok(names)
}

/// The column names of a CSV. Fills in the separator.
fn find_names(part: &mut Part, limits: &IngestLimits) -> Result<FoundColumns, IngestError> {
    preamble::check(&part.spec)?;
    if let Some(separator) = &part.spec.separator {
        check_separator(separator)?;
    } else {
        let (mut lines, _) = open_lines(part.text(), limits)?;
        lines.read_row().map_err(|error| error.at_start(&part.path))?;
        part.spec.separator = Some(likely_separator(lines.text()).to_owned());
    }
    dialect::check(&part.spec, part.spec.separator.as_deref().unwrap_or(","))?;
    let (mut first, mut rows) = (Batch::default(), Rows::open_csv(part.text(), 0, &[], limits)?);
    rows.fill(&mut first, 1).map_err(|error| error.at_start(&part.path))?;
    let Some(header) = first.rows.first() else {
        return Err(IngestError::field("", "the file has no rows; upload a table of at least three"));
    };
    let name = |cell: &Span| String::from_utf8_lossy(cell.slice(&first.text)).into_owned();
    let mut names = match (&part.spec.columns, &header.fault) {
        // Without a header the first line is a row. What is wrong with it is reported with the other rows.
        (Some(columns), _) if !have_one_empty_more(columns.len(), &first) => {
            return Ok(FoundColumns::named(columns.clone()));
        }
        (Some(columns), _) => columns.clone(),
        (None, Some(fault)) => {
            return Err(IngestError::field("", format!("the header line cannot be read: {}", fault.rule)));
        }
        (None, None) => first.cells(0).iter().map(name).collect(),
    };
    // What is wrong with the next rows is reported when all are read.
    let next = rows.fill(&mut first, ENDING_ROWS);
    if next.is_ok() && first.rows.is_empty() {
        return Ok(FoundColumns { rows_end_empty: None, ..FoundColumns::named(names) });
    }
    let rows_end_empty = next.is_ok() && have_one_empty_more(names.len(), &first);
    names.extend(rows_end_empty.then(String::new));
    Ok(FoundColumns { rows_end_empty: Some(rows_end_empty), ..FoundColumns::named(names) })
}

/// Refuses a member of archives where no part is one.
fn check_member(parts: &[Part], spec: &DatasetSpec) -> Result<(), IngestError> {
    if spec.member.is_some() && parts.iter().all(|part| part.spec.member.is_none()) {
        return Err(IngestError::field("/member", "only for zip archives, and no part is one; leave it out"));
    }
    Ok(())
}

/// Finds the columns of the table in every part; a part without one of them, or with another, is an error that names it.
/// `rows_end_empty` is what the first part says of it.
fn check_columns(
    parts: &mut [Part],
    spec: &DatasetSpec,
    columns: &[String],
    rows_end_empty: Option<bool>,
    limits: &IngestLimits,
) -> Result<(), IngestError> {
    let named = spec.format == Some(FileFormat::Csv) && spec.columns.is_some();
    for part in parts.iter_mut().filter(|part| part.has_rows() && part.name.is_some() && !named) {
        let own = match spec.format {
            Some(FileFormat::Parquet) => part.parquet_columns().map(FoundColumns::named),
            _ => find_names(part, limits),
        };
        let mut own = own.map_err(|error| error.in_part(part.name.as_deref()))?;
        match (own.rows_end_empty, rows_end_empty) {
            (None, Some(true)) => own.names.push(String::new()),
            (Some(own), first) if own != (first == Some(true)) => {
                let (own, first) = if own { ("end", "do not") } else { ("do not end", "do") };
                let rule =
                    format!("its rows {own} with a separator, and those of the first part {first}; write all alike");
                return Err(IngestError::field("", rule).in_part(part.name.as_deref()));
            }
            _ => {}
        }
        part.find_order(columns, &own.names)?;
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
            false => names.iter().map(|name| format!("`{}=`", shorten(name))).collect::<Vec<_>>().join(", "),
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

/// Refuses names that are none, and too many of them.
fn check_names(columns: &[String], limits: &IngestLimits) -> Result<(), IngestError> {
    if let Some(column) = columns.iter().find(|column| column.contains('\0')) {
        let rule = format!(
            "the name of column {:?} holds a NUL byte; is the file text, in UTF-8 or another `encoding` (--encoding)?",
            shown(column.as_bytes())
        );
        return Err(IngestError::field("", rule));
    }
    if columns.len() > limits.max_columns {
        let rule = format!("{} columns; this service reads at most {}", columns.len(), limits.max_columns);
        return Err(IngestError::field("", rule));
    }
    Ok(())
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
