//! JSON lines: one flat object a line. Numbers stand for their text as written, but for whole ones with an exponent, which
//! have their digits; a missing key or `null` is an empty cell, a list of scalars is its values joined.

use super::{
    batch::{Batch, Fault, Next},
    error::{ReadError, shown},
    lines::Lines,
};
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    fmt,
    ops::Range,
};

/// A reader of JSON lines.
pub(super) struct Json {
    pub lines: Lines,
    members: Members,
}

/// The values of one object, by column.
struct Members {
    names: Vec<String>,
    index: HashMap<String, usize>,
    /// Whether each column is read. What another holds does no harm, for example an object.
    needed: Vec<bool>,
    /// What stands between the values of a list, by column.
    joins: Vec<String>,
    /// Whether a key that is not a column is an error.
    strict: bool,
    /// The row's values, and where each column's value stands among them: keys come in any order.
    text: Vec<u8>,
    spans: Vec<Option<Range<usize>>>,
    /// The first thing that is wrong with the object.
    fault: Option<Fault>,
}

impl Json {
    pub fn new(lines: Lines, names: Vec<String>, needed: Vec<bool>, joins: Vec<String>, strict: bool) -> Self {
        let index = names.iter().cloned().enumerate().map(|(position, name)| (name, position)).collect();
        let spans = vec![None; names.len()];
        let members = Members { names, index, needed, joins, strict, text: Vec::new(), spans, fault: None };
        Self { lines, members }
    }

    /// Reads the next object's values into the batch, in the order of the columns.
    pub fn read(&mut self, batch: &mut Batch) -> Result<Next, ReadError> {
        if !self.lines.read_row()? {
            return Ok(Next::End);
        }
        let (line, members) = (self.lines.text(), &mut self.members);
        if let Err(rule) = members.take(line) {
            let mended = mended(line).is_some_and(|mended| members.take(mended.as_bytes()).is_ok());
            if !mended {
                return Ok(Next::Bad(Fault::new(None, Some(shown(line)), rule)));
            }
            if std::str::from_utf8(line).is_err()
                && let Some(column) = members.broken()
            {
                return Ok(Next::Bad(Fault::not_utf8(Some(column), shown(line))));
            }
        }
        if let Some(fault) = members.fault.take() {
            return Ok(Next::Bad(fault));
        }
        for span in &members.spans {
            batch.push_cell(span.clone().map_or(&[], |span| &members.text[span]));
        }
        Ok(Next::Row)
    }
}

impl Members {
    /// Takes in the object that a line holds, in place of the last one.
    fn take(&mut self, line: &[u8]) -> Result<(), String> {
        let Self { names, index, needed, joins, strict, text, spans, fault } = self;
        text.clear();
        spans.fill(None);
        *fault = None;
        let mut next_column = 0;
        each_member(line, |key, value| {
            // Objects of one writer have their keys in one order: try the place after the last one first.
            let column = match names.get(next_column) {
                Some(name) if name == key => next_column,
                _ => match index.get(key) {
                    Some(column) => *column,
                    None => {
                        if *strict && fault.is_none() {
                            *fault = Some(Fault::new(Some(key.to_owned()), None, UNKNOWN_KEY));
                        }
                        return;
                    }
                },
            };
            next_column = column + 1;
            if !needed[column] {
                return;
            }
            let start = text.len();
            let written = if spans[column].is_some() {
                Err("a key stands twice in this object; keep one")
            } else {
                write_value(value.get(), &joins[column], text)
            };
            match written {
                Ok(()) => spans[column] = Some(start..text.len()),
                Err(rule) if fault.is_none() => {
                    *fault = Some(Fault::new(Some(key.to_owned()), Some(shown(value.get().as_bytes())), rule));
                }
                Err(_) => {}
            }
        })
    }

    /// The first column whose value was no UTF-8, of a line that is none as a whole.
    fn broken(&self) -> Option<usize> {
        let broken = |span: &Range<usize>| {
            String::from_utf8_lossy(&self.text[span.clone()]).contains(char::REPLACEMENT_CHARACTER)
        };
        self.spans.iter().position(|span| span.as_ref().is_some_and(broken))
    }
}

const UNKNOWN_KEY: &str =
    "no object of the first 10,000 has this key; give it to an early one (null will do) or list `fields`";

/// Adds the keys of the first `rows` objects that are `wanted` to `names`, in order of first appearance, until there are `most`
/// names. Returns how many rows were read.
pub(super) fn discover_keys(
    lines: &mut Lines,
    rows: u64,
    wanted: impl Fn(&str) -> bool,
    most: usize,
    names: &mut Vec<String>,
) -> Result<u64, ReadError> {
    let mut seen: HashSet<String> = names.iter().cloned().collect();
    let mut read = 0;
    while read < rows && names.len() < most && lines.read_row()? {
        read += 1;
        let mut note = |key: &str, _: &RawValue| {
            if names.len() < most && wanted(key) && !seen.contains(key) {
                seen.insert(key.to_owned());
                names.push(key.to_owned());
            }
        };
        // A line that is not an object is reported with its number when the rows are read.
        if each_member(lines.text(), &mut note).is_err()
            && let Some(mended) = mended(lines.text())
        {
            let _ = each_member(mended.as_bytes(), note);
        }
    }
    Ok(read)
}

/// Whether the first line starts something else than an object a line.
pub(super) fn starts_otherwise(line: &[u8]) -> bool {
    let start = line.trim_ascii();
    start == b"{" || start.starts_with(b"[") || start.starts_with(b"{'")
}

/// Why a file that was taken for JSON lines has none; `line` is its first.
pub(super) fn why_no_objects(line: &[u8]) -> &'static str {
    match line.trim_ascii() {
        b"{" => "an object over several lines; write one object a line, for example with `jq -c .`",
        start if start.starts_with(b"{'") => {
            "line 1 is no JSON, for its quotes are single, as Python prints a dict; write JSON: `python3 -c 'import \
             ast,json,sys; [print(json.dumps(ast.literal_eval(line))) for line in sys.stdin]' < FILE`"
        }
        start if start.starts_with(b"[") => {
            "a JSON list; write one object a line, without a list around, for example with `jq -c '.[]'`"
        }
        _ => {
            "none of the first 10,000 lines is a JSON object; write one object a line, or say what the `format` is (--format)"
        }
    }
}

pub(super) const BY_COLUMNS: &str = "the first line holds an object or a list for each column, as pandas writes a table at once; \
    write one object a line: `to_json(orient='records', lines=True)`";

/// Whether every member of the object is an object or a list, and there are several values in it.
pub(super) fn is_by_columns(line: &[u8]) -> bool {
    let (mut members, mut nested) = (0, 0);
    let parsed = each_member(line, |_, value| {
        members += 1;
        let text = value.get();
        nested += u32::from(text.starts_with('{') || text.starts_with('[') && text.contains(','));
    });
    parsed.is_ok() && members > 0 && members == nested
}

/// Appends the cell's text.
fn write_value(raw: &str, join: &str, text: &mut Vec<u8>) -> Result<(), &'static str> {
    match raw.as_bytes().first() {
        Some(b'"') => {
            let inner = &raw[1..raw.len() - 1];
            if inner.contains('\\') {
                let unescaped: String = serde_json::from_str(raw).map_err(|_| "this string has a broken escape")?;
                text.extend_from_slice(unescaped.as_bytes());
            } else {
                text.extend_from_slice(inner.as_bytes());
            }
            Ok(())
        }
        Some(b'n') => Ok(()),
        Some(b'{') => Err("objects must be flat; exclude the column, or take its members out into keys of their own"),
        Some(b'[') => {
            let values: Vec<&RawValue> = serde_json::from_str(raw).map_err(|_| "this list is not valid JSON")?;
            for (place, value) in values.iter().enumerate() {
                if place > 0 {
                    text.extend_from_slice(join.as_bytes());
                }
                if value.get().starts_with('[') {
                    return Err("a list holds values, not lists");
                }
                write_value(value.get(), join, text)?;
            }
            Ok(())
        }
        _ => {
            match whole_number(raw) {
                Some(number) => text.extend_from_slice(number.to_string().as_bytes()),
                None => text.extend_from_slice(raw.as_bytes()),
            }
            Ok(())
        }
    }
}

/// The whole number that is written with an exponent.
fn whole_number(raw: &str) -> Option<i64> {
    let number = raw.contains(['e', 'E']).then(|| raw.parse::<f64>().ok())??;
    (number.fract() == 0.0 && number.abs() < 9.2e18).then_some(number as i64)
}

/// A line that is no JSON as it can be read all the same: with U+FFFD in place of what is not UTF-8, and null in place of NaN and
/// Infinity, which Python writes.
fn mended(line: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(line);
    match (without_other_numbers(&text), text) {
        (Some(numbers), _) => Some(numbers),
        (None, Cow::Owned(text)) => Some(text),
        (None, Cow::Borrowed(_)) => None,
    }
}

/// The line with null in place of NaN, Infinity and -Infinity that stand outside of strings; none where there are none.
fn without_other_numbers(line: &str) -> Option<String> {
    const WORDS: [&str; 3] = ["NaN", "-Infinity", "Infinity"];
    let (mut out, mut found, mut quoted, mut rest) = (String::with_capacity(line.len()), false, false, line);
    while let Some(character) = rest.chars().next() {
        let word = WORDS.iter().find(|word| !quoted && rest.starts_with(**word));
        let length = match (character, word) {
            (_, Some(word)) => {
                out.push_str("null");
                found = true;
                rest = &rest[word.len()..];
                continue;
            }
            // What is escaped ends no string.
            ('\\', _) => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            _ => character.len_utf8(),
        };
        quoted ^= character == '"';
        out.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    found.then_some(out)
}

/// Calls `each` with every key and value of the object that `line` holds.
pub(super) fn each_member(line: &[u8], each: impl FnMut(&str, &RawValue)) -> Result<(), String> {
    struct Members<E>(E);

    impl<'de, E: FnMut(&str, &RawValue)> Visitor<'de> for Members<E> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("a JSON object")
        }

        fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
            while let Some(key) = map.next_key::<Key<'de>>()? {
                (self.0)(&key.0, map.next_value::<&'de RawValue>()?);
            }
            Ok(())
        }
    }

    let text =
        std::str::from_utf8(line).map_err(|_| "not UTF-8; convert the file, for example with iconv".to_owned())?;
    let mut json = serde_json::Deserializer::from_str(text);
    json.deserialize_map(Members(each))
        .and_then(|()| json.end())
        .map_err(|error| format!("each line must be one JSON object: {error}"))
}

/// A key, borrowed from the line unless it has escapes.
struct Key<'a>(Cow<'a, str>);

impl<'de> serde::Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_only_python_writes_are_no_value() {
        let line = r#"{"NaN": "a NaN \" NaN", "x": NaN, "y": [1, -Infinity], "z": Infinity}"#;
        let expected = r#"{"NaN": "a NaN \" NaN", "x": null, "y": [1, null], "z": null}"#;
        assert_eq!(without_other_numbers(line).as_deref(), Some(expected));
        assert_eq!(without_other_numbers(r#"{"x": "NaN", "é\\": 1}"#), None);
        assert_eq!(mended(line.as_bytes()).as_deref(), Some(expected));
    }

    #[test]
    fn a_line_that_is_not_utf8_is_read_but_for_that() {
        assert_eq!(mended(b"{\"name\": \"Ren\xe9e\"}").as_deref(), Some("{\"name\": \"Ren\u{fffd}e\"}"));
        assert_eq!(mended(b"{\"name\": "), None);
    }
}
