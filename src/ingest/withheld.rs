//! A column that is left out of a copy of a table: the labels of rows that somebody else is to predict.

use super::{
    error::{IngestError, ReadError, list_names},
    jsonl::each_member,
    lines::separated_cells,
    marks::TextStyle,
};
use crate::types::shorten;
use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, SchemaRef};
use std::{borrow::Cow, ops::Range, sync::Arc};

/// The column, by its place and its name.
pub(super) struct Withheld {
    place: usize,
    name: String,
}

impl Withheld {
    /// The column of this name; it must be one of `columns`, those of the table.
    pub fn new(columns: &[String], name: &str) -> Result<Self, IngestError> {
        let place = columns.iter().position(|column| column == name);
        let missing =
            || IngestError::field("", format!("no column `{}`; there are {}", shorten(name), list_names(columns)));
        Ok(Self { place: place.ok_or_else(missing)?, name: name.to_owned() })
    }

    /// The line `raw`, which may have a line end, without the column's value. A line that has none is an error, because to
    /// copy it as it stands might hand out what is withheld.
    pub fn cut_line(&self, raw: &[u8], style: TextStyle) -> Result<Vec<u8>, ReadError> {
        let text = raw.strip_suffix(b"\n").unwrap_or(raw);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let left = match style {
            TextStyle::Json => self.cut_object(text)?.into(),
            TextStyle::Quoted(separator) => {
                let cells = quoted_cells(text, separator.as_bytes()[0]);
                let left = self.cut_cell(text, &cells, separator)?;
                // An empty line would be no row.
                if left.is_empty() { Cow::from(&b"\"\""[..]) } else { left.into() }
            }
            TextStyle::Separated(separator) => {
                self.cut_cell(text, &separated_cells(text, separator.as_bytes()), separator)?.into()
            }
        };
        Ok([&left[..], &raw[text.len()..]].concat())
    }

    fn cut_cell(&self, text: &[u8], cells: &[Range<usize>], separator: &str) -> Result<Vec<u8>, ReadError> {
        let Range { start, end } = cells.get(self.place).cloned().ok_or_else(|| self.not_found())?;
        // One of the separators beside the cell goes with it.
        let (before, behind) = match self.place {
            0 => (0, (end + separator.len()).min(text.len())),
            _ => (start - separator.len(), end),
        };
        Ok([&text[..before], &text[behind..]].concat())
    }

    fn cut_object(&self, text: &[u8]) -> Result<Vec<u8>, ReadError> {
        let mut left = String::from("{");
        let parsed = each_member(text, |key, value| {
            if key != self.name {
                let comma = if left.len() > 1 { "," } else { "" };
                left += &format!("{comma}{}:{}", serde_json::Value::from(key), value.get());
            }
        });
        parsed.map_err(ReadError::Content)?;
        left.push('}');
        Ok(left.into_bytes())
    }

    fn not_found(&self) -> ReadError {
        ReadError::Content(format!(
            "a row has no value of the column `{}`, which is to be left out",
            shorten(&self.name)
        ))
    }

    pub fn cut_schema(&self, schema: &SchemaRef) -> Result<SchemaRef, ArrowError> {
        Ok(Arc::new(schema.project(&self.others(schema.fields().len()))?))
    }

    pub fn cut_batch(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        batch.project(&self.others(batch.num_columns()))
    }

    /// Places of the other columns.
    fn others(&self, columns: usize) -> Vec<usize> {
        (0..columns).filter(|column| *column != self.place).collect()
    }
}

/// Where the cells of a record stand, a cell that is quoted with its quotes. The record has no line end.
pub(super) fn quoted_cells(text: &[u8], separator: u8) -> Vec<Range<usize>> {
    let find = |byte: u8, from: usize| text[from..].iter().position(|own| *own == byte).map(|n| from + n);
    let (mut cells, mut start) = (Vec::new(), 0);
    loop {
        let mut at = start;
        if text.get(at) == Some(&b'"') {
            at += 1;
            // Two quotes within quotes are one that belongs to the cell.
            loop {
                at = find(b'"', at).map_or(text.len(), |quote| quote + 1);
                if text.get(at) != Some(&b'"') {
                    break;
                }
                at += 1;
            }
        }
        let end = find(separator, at);
        cells.push(start..end.unwrap_or(text.len()));
        let Some(end) = end else { return cells };
        start = end + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn cut(place: usize, raw: &str, style: TextStyle) -> String {
        let withheld = Withheld::new(&columns(&["a", "b", "c"]), ["a", "b", "c"][place]).unwrap();
        withheld
            .cut_line(raw.as_bytes(), style)
            .map(|line| String::from_utf8(line).unwrap())
            .unwrap_or("error".to_owned())
    }

    #[test]
    fn a_cell_goes_with_one_separator_and_the_rest_stays_as_it_stands() {
        let csv = TextStyle::Quoted(",");
        for (place, left) in [(0, "2,3\r\n"), (1, "1,3\r\n"), (2, "1,2\r\n")] {
            assert_eq!(cut(place, "1,2,3\r\n", csv), left);
        }
        // Separators, line ends and quotes within quotes are no ends of a cell.
        let quoted = "\"1,\n\"\"1\"\"\",\"2\"x,3";
        assert_eq!(cut(0, quoted, csv), "\"2\"x,3");
        assert_eq!(cut(1, quoted, csv), "\"1,\n\"\"1\"\"\",3");
        assert_eq!(cut(2, quoted, csv), "\"1,\n\"\"1\"\"\",\"2\"x");
        assert_eq!(cut(1, "1::2:::3\n", TextStyle::Separated("::")), "1:::3\n");
        assert_eq!(cut(2, "1,2\n", csv), "error", "a row without the cell is not copied");
    }

    #[test]
    fn a_row_that_is_left_empty_stays_a_row() {
        let withheld = Withheld::new(&columns(&["label", "user"]), "label").unwrap();
        assert_eq!(withheld.cut_line(b"1,\n", TextStyle::Quoted(",")).unwrap(), b"\"\"\n");
    }

    #[test]
    fn a_member_of_an_object_goes_and_numbers_stay_as_they_were_written() {
        let raw = "{\"a\": 1.50, \"b\": \"x\\u00e4\\\"\", \"c\": [1, 2]}\n";
        assert_eq!(cut(0, raw, TextStyle::Json), "{\"b\":\"x\\u00e4\\\"\",\"c\":[1, 2]}\n");
        assert_eq!(cut(2, raw, TextStyle::Json), "{\"a\":1.50,\"b\":\"x\\u00e4\\\"\"}\n");
        assert_eq!(cut(1, "{\"b\": 1}", TextStyle::Json), "{}");
        assert_eq!(cut(1, "[1]", TextStyle::Json), "error");
    }
}
