//! Two more columns of a denoised table: what each row's label counts as, and what the row weighs. They stand last, in the
//! table's own format.

use crate::types::LabelColumns;
use arrow_array::{ArrayRef, Float32Array, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use std::{
    borrow::Cow,
    io::{self, Write},
    sync::Arc,
};

/// What the columns are named, unless the table has such columns already.
pub(super) const TARGET: &str = "autodenoise_target";
pub(super) const WEIGHT: &str = "autodenoise_weight";

/// What a row is trained on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RowMark {
    /// The probability that its label is 1.
    pub target: f32,
    /// 1 for a row that counts as any other.
    pub weight: f32,
}

/// The columns' names, and the mark of each row by its position in the file.
pub(super) struct Marks<'a> {
    pub columns: LabelColumns,
    pub of_row: &'a dyn Fn(u32) -> RowMark,
}

/// A line of text that is copied.
#[derive(Clone, Copy)]
pub(super) enum Line {
    Header,
    Row(u32),
}

/// How a line takes more values.
#[derive(Clone, Copy)]
pub(super) enum TextStyle<'s> {
    /// CSV with this separator; a cell may stand in quotes.
    Quoted(&'s str),
    /// CSV with a separator of several characters, which knows no quotes.
    Separated(&'s str),
    /// A JSON object.
    Json,
}

impl TextStyle<'_> {
    /// A line with a separator before its line end.
    pub fn with_separator(self, raw: &[u8]) -> Vec<u8> {
        let (text, line_end) = divide_line(raw);
        match self {
            Self::Quoted(separator) | Self::Separated(separator) => [text, separator.as_bytes(), line_end].concat(),
            Self::Json => raw.to_vec(),
        }
    }
}

/// A line's text and its line end.
fn divide_line(raw: &[u8]) -> (&[u8], &[u8]) {
    let text = raw.strip_suffix(b"\n").unwrap_or(raw);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    (text, &raw[text.len()..])
}

impl<'a> Marks<'a> {
    /// Names that no column of the table has: with the lowest number behind them that makes them new, if they are not.
    pub fn new(columns: &[String], of_row: &'a dyn Fn(u32) -> RowMark) -> Self {
        let numbered = |number: u32| match number {
            1 => LabelColumns { target: TARGET.to_owned(), weight: WEIGHT.to_owned() },
            n => LabelColumns { target: format!("{TARGET}_{n}"), weight: format!("{WEIGHT}_{n}") },
        };
        let is_new = |names: &LabelColumns| !columns.iter().any(|name| *name == names.target || *name == names.weight);
        let names = (1..).map(numbered).find(is_new).expect("a table has fewer columns than there are numbers");
        Self { columns: names, of_row }
    }

    /// Writes the line `raw`, which may have a line end, with two more values.
    pub fn write_line(&self, raw: &[u8], line: Line, style: TextStyle, out: &mut dyn Write) -> io::Result<()> {
        let (text, line_end) = divide_line(raw);
        let [target, weight] = match line {
            Line::Header => [self.columns.target.clone(), self.columns.weight.clone()],
            Line::Row(row) => {
                let RowMark { target, weight } = (self.of_row)(row);
                [target.to_string(), weight.to_string()]
            }
        };
        match style {
            TextStyle::Json => {
                let close = text.iter().rposition(|byte| *byte == b'}').unwrap_or(text.len());
                let members = text[..close].trim_ascii_end();
                out.write_all(members)?;
                let comma = if members.ends_with(b"{") { "" } else { "," };
                let LabelColumns { target: target_name, weight: weight_name } = &self.columns;
                write!(out, "{comma}\"{target_name}\":{target},\"{weight_name}\":{weight}")?;
                out.write_all(&text[members.len()..])?;
            }
            TextStyle::Separated(separator) => {
                out.write_all(text)?;
                write!(out, "{separator}{target}{separator}{weight}")?;
            }
            TextStyle::Quoted(separator) => {
                // Some readers take every bare cell for a number, so names are quoted where the name before them is.
                let as_before = matches!(line, Line::Header) && text.ends_with(b"\"");
                let cell = |value| quote(value, as_before, separator);
                out.write_all(text)?;
                write!(out, "{separator}{}{separator}{}", cell(&target), cell(&weight))?;
            }
        }
        out.write_all(line_end)
    }

    /// The schema with two more columns.
    pub fn extend_schema(&self, schema: &SchemaRef) -> SchemaRef {
        let more = [&self.columns.target, &self.columns.weight].map(|name| Field::new(name, DataType::Float32, false));
        let fields = schema.fields().iter().cloned().chain(more.map(Arc::new));
        Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone()))
    }

    /// A batch of these rows of the file with two more columns. `schema` is the extended one.
    pub fn extend_batch(
        &self,
        batch: &RecordBatch,
        schema: SchemaRef,
        rows: &[u32],
    ) -> Result<RecordBatch, ArrowError> {
        let marks = || rows.iter().map(|row| (self.of_row)(*row));
        let more: [ArrayRef; 2] = [
            Arc::new(Float32Array::from_iter_values(marks().map(|mark| mark.target))),
            Arc::new(Float32Array::from_iter_values(marks().map(|mark| mark.weight))),
        ];
        RecordBatch::try_new(schema, batch.columns().iter().cloned().chain(more).collect())
    }
}

/// A cell with this value: in quotes where that is wanted, or where the separator stands in it.
fn quote<'v>(value: &'v str, quoted: bool, separator: &str) -> Cow<'v, str> {
    if quoted || value.contains(separator) { format!("\"{value}\"").into() } else { value.into() }
}
