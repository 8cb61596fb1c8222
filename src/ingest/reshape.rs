//! Lines of a part in the columns of its table: cells in the table's order, and those that folders name behind them.

use super::{
    error::ReadError,
    lines::separated_cells,
    marks::{Line, TextStyle},
    part::Part,
    withheld::quoted_cells,
};

/// How the lines of a part become lines of the table.
pub(super) struct Reshape<'a> {
    order: Option<&'a [usize]>,
    /// Names and values of the columns that folders name.
    added: Vec<(&'a str, &'a str)>,
}

impl<'a> Reshape<'a> {
    /// None where the part's lines are the table's. `named` are the table's columns that folders name.
    pub fn of(part: &'a Part, named: &'a [String]) -> Option<Self> {
        let added = named.iter().map(String::as_str).zip(part.partitions.iter().map(String::as_str)).collect();
        let reshape = Self { order: part.order.as_deref(), added };
        (reshape.order.is_some() || !reshape.added.is_empty()).then_some(reshape)
    }

    /// The line `raw`, which may have a line end. A row of too few cells is an error.
    pub fn line(&self, raw: &[u8], line: Line, style: TextStyle) -> Result<Vec<u8>, ReadError> {
        let text = raw.strip_suffix(b"\n").unwrap_or(raw);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let mut shaped = match style {
            TextStyle::Json => return Ok(self.object(text, &raw[text.len()..])),
            TextStyle::Quoted(separator) | TextStyle::Separated(separator) => self.ordered(text, separator, style)?,
        };
        let (TextStyle::Quoted(separator) | TextStyle::Separated(separator)) = style else { return Ok(shaped) };
        for (name, value) in &self.added {
            let cell = if matches!(line, Line::Header) { name } else { value };
            shaped.extend_from_slice(separator.as_bytes());
            let quoted =
                matches!(style, TextStyle::Quoted(_)) && (cell.contains(['"', '\n', '\r']) || cell.contains(separator));
            match quoted {
                true => shaped.extend_from_slice(format!("\"{}\"", cell.replace('"', "\"\"")).as_bytes()),
                false => shaped.extend_from_slice(cell.as_bytes()),
            }
        }
        shaped.extend_from_slice(&raw[text.len()..]);
        Ok(shaped)
    }

    /// The cells in the table's order.
    fn ordered(&self, text: &[u8], separator: &str, style: TextStyle) -> Result<Vec<u8>, ReadError> {
        let Some(order) = self.order else { return Ok(text.to_vec()) };
        let cells = match style {
            TextStyle::Quoted(_) => quoted_cells(text, separator.as_bytes()[0]),
            _ => separated_cells(text, separator.as_bytes()),
        };
        let mut ordered = Vec::with_capacity(text.len());
        for (place, own) in order.iter().enumerate() {
            if place > 0 {
                ordered.extend_from_slice(separator.as_bytes());
            }
            let cell = cells.get(*own).cloned();
            let cell = cell.ok_or_else(|| ReadError::Content("a row has fewer values than columns".to_owned()))?;
            ordered.extend_from_slice(&text[cell]);
        }
        Ok(ordered)
    }

    fn object(&self, text: &[u8], line_end: &[u8]) -> Vec<u8> {
        let close = text.iter().rposition(|byte| *byte == b'}').unwrap_or(text.len());
        let members = text[..close].trim_ascii_end();
        let mut object = members.to_vec();
        for (name, value) in &self.added {
            let comma = if object.ends_with(b"{") { "" } else { "," };
            let (name, value) = (serde_json::Value::from(*name), serde_json::Value::from(*value));
            object.extend_from_slice(format!("{comma}{name}:{value}").as_bytes());
        }
        object.extend_from_slice(&text[members.len()..]);
        object.extend_from_slice(line_end);
        object
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shaped(order: Option<&[usize]>, raw: &str, line: Line, style: TextStyle) -> String {
        let reshape = Reshape { order, added: vec![("day", "1,\"2\"")] };
        String::from_utf8(reshape.line(raw.as_bytes(), line, style).unwrap()).unwrap()
    }

    #[test]
    fn a_line_has_the_cells_of_its_table() {
        let csv = TextStyle::Quoted(",");
        assert_eq!(shaped(Some(&[2, 0, 1]), "b,\"c,d\",a\r\n", Line::Header, csv), "a,b,\"c,d\",day\r\n");
        assert_eq!(shaped(None, "1,0", Line::Row(0), csv), "1,0,\"1,\"\"2\"\"\"");
        assert_eq!(shaped(Some(&[1, 0]), "1::0\n", Line::Row(0), TextStyle::Separated("::")), "0::1::1,\"2\"\n");
        assert_eq!(
            shaped(None, "{\"a\": 1 }\n", Line::Row(0), TextStyle::Json),
            "{\"a\": 1,\"day\":\"1,\\\"2\\\"\" }\n"
        );
        assert_eq!(shaped(None, "{}", Line::Row(0), TextStyle::Json), "{\"day\":\"1,\\\"2\\\"\"}");
    }
}
