//! How the text of a table is encoded.

use encoding_rs::{Encoding, UTF_8};
use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, schema::Schema, schema::Type},
};

/// An encoding of the WHATWG's standard, by its name or one of its labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TextEncoding(&'static Encoding);

/// Names that people write and the standard does not know.
const OTHER_NAMES: [(&str, &str); 7] = [
    ("latin-1", "latin1"),
    ("latin_1", "latin1"),
    ("cp936", "gbk"),
    ("cp932", "shift_jis"),
    ("cp949", "euc-kr"),
    ("cp950", "big5"),
    ("utf8-sig", "utf-8"),
];

impl TextEncoding {
    pub fn new(encoding: &'static Encoding) -> Self {
        Self(encoding)
    }

    pub fn encoding(self) -> &'static Encoding {
        self.0
    }

    /// Whether text in it needs no decoding.
    pub fn is_utf8(self) -> bool {
        self.0 == UTF_8
    }
}

impl TryFrom<String> for TextEncoding {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let name = text.trim().to_ascii_lowercase();
        let name = OTHER_NAMES.iter().find(|(other, _)| *other == name).map_or(name.as_str(), |(_, label)| label);
        let found = Encoding::for_label_no_replacement(name.as_bytes());
        found.map(Self).ok_or_else(|| {
            format!("`{text}` is no encoding that is known: write for example utf-8, utf-16le, utf-16be, latin-1, windows-1252 or gbk")
        })
    }
}

impl std::str::FromStr for TextEncoding {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::try_from(text.to_owned())
    }
}

impl std::fmt::Display for TextEncoding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.name().to_ascii_lowercase())
    }
}

impl From<TextEncoding> for String {
    fn from(encoding: TextEncoding) -> String {
        encoding.to_string()
    }
}

impl PartialSchema for TextEncoding {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(
                "How text is encoded: `utf-8`, `utf-16le`, `utf-16be`, `latin-1`, `windows-1252`, `gbk` or any other encoding of the \
                 WHATWG's standard, by its name or one of its labels.",
            ))
            .examples(["windows-1252"])
            .into()
    }
}

impl ToSchema for TextEncoding {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_known_by_the_names_people_write() {
        for (text, name) in [
            ("utf-8", "utf-8"),
            ("UTF8", "utf-8"),
            ("utf-16le", "utf-16le"),
            ("utf-16", "utf-16le"),
            ("UTF-16BE", "utf-16be"),
            ("latin-1", "windows-1252"),
            ("iso-8859-1", "windows-1252"),
            ("windows-1252", "windows-1252"),
            ("cp1252", "windows-1252"),
            ("cp936", "gbk"),
            ("shift_jis", "shift_jis"),
        ] {
            let encoding: TextEncoding = text.parse().unwrap();
            assert_eq!(encoding.to_string(), name);
            assert_eq!(String::from(encoding).parse(), Ok(encoding));
        }
        for wrong in ["", "utf", "utf-7", "ebcdic"] {
            assert!(wrong.parse::<TextEncoding>().unwrap_err().contains("utf-16le"), "{wrong}");
        }
    }
}
