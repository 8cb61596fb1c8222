//! What cells of a text table are quoted with.

use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, schema::Schema, schema::Type},
};

/// A quote character, or the word `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Quote {
    /// No cell is quoted: a quote is a character like any other.
    None,
    /// An ASCII character.
    Byte(u8),
}

impl TryFrom<String> for Quote {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_bytes() {
            b"none" => Ok(Self::None),
            [byte] if byte.is_ascii_graphic() => Ok(Self::Byte(*byte)),
            _ => Err(format!("`{text}` is no quote: write one character, for example `\"`, or none")),
        }
    }
}

impl std::str::FromStr for Quote {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::try_from(text.to_owned())
    }
}

impl From<Quote> for String {
    fn from(quote: Quote) -> String {
        match quote {
            Quote::None => "none".to_owned(),
            Quote::Byte(byte) => char::from(byte).to_string(),
        }
    }
}

impl PartialSchema for Quote {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("What cells are quoted with: one character, or `none`."))
            .examples(["none"])
            .into()
    }
}

impl ToSchema for Quote {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_is_a_character_or_none() {
        for text in ["none", "\"", "'"] {
            assert_eq!(String::from(text.parse::<Quote>().unwrap()), text);
        }
        for wrong in ["", "\"\"", "é", "\n", " "] {
            assert!(wrong.parse::<Quote>().unwrap_err().contains("or none"), "{wrong:?}");
        }
    }
}
