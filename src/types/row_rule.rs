//! Rows by the value of a column: `rating >= 4`, `source = panel`.

use super::label_rule::Comparison;
use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, schema::Schema, schema::Type},
};

/// A rule that the value of a row's column keeps or not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RowRule {
    pub field: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    /// Of the value as a number.
    Number(Comparison, f64),
    Is(String),
    IsNot(String),
}

impl RowRule {
    /// Whether a row with this value, as it stands in the table, is meant.
    pub fn holds(&self, value: &str) -> bool {
        match &self.test {
            Test::Number(comparison, threshold) => match value.parse() {
                Ok(number) => comparison.holds(number, *threshold),
                Err(_) => *comparison == Comparison::NotEqual,
            },
            Test::Is(word) => value == word,
            Test::IsNot(word) => value != word,
        }
    }
}

impl TryFrom<String> for RowRule {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("rule `{text}`: write for example `rating >= 4` or `source = panel`");
        let (field, comparison, value) = Comparison::divide(&text).ok_or_else(wrong)?;
        if field.is_empty() || value.is_empty() {
            return Err(wrong());
        }
        let number = value.parse::<f64>().ok().filter(|number| number.is_finite());
        let test = match (number, comparison) {
            (Some(number), comparison) => Test::Number(comparison, number),
            (None, Comparison::Equal) => Test::Is(value.to_owned()),
            (None, Comparison::NotEqual) => Test::IsNot(value.to_owned()),
            (None, _) => return Err(wrong()),
        };
        Ok(Self { field: field.to_owned(), test })
    }
}

impl std::str::FromStr for RowRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::try_from(text.to_owned())
    }
}

impl std::fmt::Display for RowRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let field = &self.field;
        match &self.test {
            Test::Number(comparison, threshold) => write!(f, "{field} {} {threshold}", comparison.sign()),
            Test::Is(word) => write!(f, "{field} = {word}"),
            Test::IsNot(word) => write!(f, "{field} != {word}"),
        }
    }
}

impl From<RowRule> for String {
    fn from(rule: RowRule) -> String {
        rule.to_string()
    }
}

impl PartialSchema for RowRule {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("Rows by the value of a column: `rating >= 4`, `source = panel`."))
            .examples(["source = panel"])
            .into()
    }
}

impl ToSchema for RowRule {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_written_and_kept() {
        for (text, kept, broken) in [
            ("rating >= 4", "4.5", "3"),
            ("source = panel", "panel", "web"),
            ("source=panel", "panel", "panels"),
            ("source != web", "panel", "web"),
            ("year = 2000", "2000.0", "about 2000"),
            ("year != 2000", "about 2000", "2000"),
        ] {
            let rule: RowRule = text.parse().unwrap();
            assert!(rule.holds(kept) && !rule.holds(broken), "{text}");
            assert_eq!(RowRule::try_from(String::from(rule.clone())), Ok(rule));
        }
        for text in ["panel", "= panel", "rating >", "source > panel"] {
            assert!(text.parse::<RowRule>().unwrap_err().contains("source = panel"), "{text}");
        }
    }
}
