//! The rule that makes a label of a column: `click`, `rating > 3`, `behavior in (cart, buy)`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A label: `column`, which holds the label itself; `column OP number` with OP one of `>`, `>=`, `<`, `<=`, `=`, `!=`; or
/// `column = word`, `column != word`, `column in (word, word)`, `column not in (word, word)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LabelRule {
    pub column: String,
    /// Absent where the column holds the label itself.
    pub rule: Option<LabelTest>,
}

/// What a cell must be for its row to have label 1.
#[derive(Debug, Clone, PartialEq)]
pub enum LabelTest {
    /// A number that compares so with the threshold.
    Number(Comparison, f64),
    /// One of the words; or, `negated`, none of them.
    Words { negated: bool, words: Vec<String> },
}

impl LabelTest {
    /// Whether a cell that has a value is one of the words; true too for a number that equals one, however it is written.
    pub fn is_among(words: &[String], cell: &str) -> bool {
        let number = |text: &str| text.parse::<f64>().ok();
        // Programs write truth values in either case.
        let truth = |word: &String| ["true", "false"].iter().any(|truth| word.eq_ignore_ascii_case(truth));
        let same = |word: &String| word == cell || truth(word) && word.eq_ignore_ascii_case(cell);
        words.iter().any(|word| same(word) || number(word).is_some_and(|n| number(cell) == Some(n)))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
}

impl Comparison {
    /// Longer signs first, so that `>=` is not read as `>`.
    const SIGNS: [(&'static str, Comparison); 7] = [
        (">=", Self::GreaterOrEqual),
        ("<=", Self::LessOrEqual),
        ("!=", Self::NotEqual),
        ("==", Self::Equal),
        (">", Self::Greater),
        ("<", Self::Less),
        ("=", Self::Equal),
    ];

    /// A rule in its parts: what stands before the first sign, the sign, and what stands behind it.
    pub(super) fn divide(rule: &str) -> Option<(&str, Self, &str)> {
        let found = Self::SIGNS.iter().filter_map(|(sign, own)| rule.find(sign).map(|at| (at, *sign, *own)));
        let (at, sign, own) = found.min_by_key(|(at, sign, _)| (*at, std::cmp::Reverse(sign.len())))?;
        Some((rule[..at].trim(), own, rule[at + sign.len()..].trim()))
    }

    pub fn holds(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::Greater => value > threshold,
            Self::GreaterOrEqual => value >= threshold,
            Self::Less => value < threshold,
            Self::LessOrEqual => value <= threshold,
            Self::Equal => value == threshold,
            Self::NotEqual => value != threshold,
        }
    }

    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Equal => "=",
            Self::NotEqual => "!=",
        }
    }
}

const EXAMPLES: &str = "write for example `rating > 3`, `behavior = buy` or `behavior in (cart, buy)`";

/// Column, whether negated, and words of `column in (word, word)`.
fn divide_list(text: &str) -> Option<(&str, bool, Vec<String>)> {
    let (head, words) = text.trim().strip_suffix(')')?.split_once('(')?;
    let (head, word) = head.trim_end().rsplit_once(char::is_whitespace)?;
    if !word.eq_ignore_ascii_case("in") {
        return None;
    }
    let words = words.split(',').map(|word| without_quotes(word.trim()).to_owned()).collect();
    match head.trim().rsplit_once(char::is_whitespace) {
        Some((column, not)) if not.eq_ignore_ascii_case("not") => Some((column.trim(), true, words)),
        _ => Some((head.trim(), false, words)),
    }
}

/// A word without the quotes around it.
fn without_quotes(word: &str) -> &str {
    let quoted = |quote: char| word.strip_prefix(quote)?.strip_suffix(quote);
    quoted('"').or_else(|| quoted('\'')).unwrap_or(word)
}

/// The word as a rule has it: in quotes where it would be read as another without them. A word that is `alone` behind its sign
/// is no number unless it has quotes.
fn with_quotes(word: &str, alone: bool) -> String {
    let is_plain = without_quotes(word.trim()) == word
        && !(alone && (word.parse().is_ok_and(f64::is_finite) || word.ends_with(')')));
    if is_plain { word.to_owned() } else { format!("\"{word}\"") }
}

fn has_sign(column: &str) -> bool {
    Comparison::divide(column).is_some()
}

fn join_words(words: &[String]) -> String {
    words.iter().map(|word| with_quotes(word, false)).collect::<Vec<_>>().join(", ")
}

impl TryFrom<String> for LabelRule {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (column, rule) = if let Some((column, negated, words)) = divide_list(&text) {
            (column, Some(LabelTest::Words { negated, words }))
        } else if let Some((column, comparison, value)) = Comparison::divide(&text) {
            let number = value.parse::<f64>().ok().filter(|number| number.is_finite());
            let word = || vec![without_quotes(value).to_owned()];
            let test = match (number, comparison) {
                (Some(number), comparison) => LabelTest::Number(comparison, number),
                (None, Comparison::Equal) => LabelTest::Words { negated: false, words: word() },
                (None, Comparison::NotEqual) => LabelTest::Words { negated: true, words: word() },
                (None, _) => return Err(format!("label rule `{text}`: `{value}` is not a number; {EXAMPLES}")),
            };
            (column, Some(test))
        } else {
            (text.trim(), None)
        };
        if column.is_empty() {
            return Err(format!("label `{text}` names no column; {EXAMPLES}"));
        }
        if let Some(LabelTest::Words { words, .. }) = &rule
            && words.iter().any(String::is_empty)
        {
            return Err(format!("label rule `{text}`: a word is missing; {EXAMPLES}"));
        }
        Ok(Self { column: column.to_owned(), rule })
    }
}

impl From<LabelRule> for String {
    fn from(label: LabelRule) -> String {
        let column = label.column;
        match label.rule {
            None => column,
            Some(LabelTest::Number(comparison, threshold)) => format!("{column} {} {threshold}", comparison.sign()),
            // A column with a sign in its name stands before a list alone: before another sign it would end at its own.
            Some(LabelTest::Words { negated, words }) => match (&words[..], negated) {
                ([word], false) if !has_sign(&column) => format!("{column} = {}", with_quotes(word, true)),
                ([word], true) if !has_sign(&column) => format!("{column} != {}", with_quotes(word, true)),
                (words, false) => format!("{column} in ({})", join_words(words)),
                (words, true) => format!("{column} not in ({})", join_words(words)),
            },
        }
    }
}

impl utoipa::PartialSchema for LabelRule {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .description(Some(
                "A column of 0 and 1 (`click`), a rule over a numeric column (`rating > 3`), or over a column of words \
                 (`behavior = buy`, `behavior != view`, `behavior in (cart, buy)`, `behavior not in (view, hide)`).",
            ))
            .examples(["rating > 3"])
            .into()
    }
}

impl ToSchema for LabelRule {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_rules_are_read_and_written() {
        let number = |comparison, threshold| Some(LabelTest::Number(comparison, threshold));
        let words = |negated, words: &[&str]| {
            Some(LabelTest::Words { negated, words: words.iter().map(|word| (*word).to_owned()).collect() })
        };
        for (text, column, rule) in [
            ("click", "click", None),
            ("rating > 3", "rating", number(Comparison::Greater, 3.0)),
            ("rating>=3.5", "rating", number(Comparison::GreaterOrEqual, 3.5)),
            ("x != 0", "x", number(Comparison::NotEqual, 0.0)),
            ("behavior_type = buy", "behavior_type", words(false, &["buy"])),
            ("kind != 'page view'", "kind", words(true, &["page view"])),
            ("kind in (cart, \"buy\")", "kind", words(false, &["cart", "buy"])),
            ("opt in NOT IN (a,2)", "opt in", words(true, &["a", "2"])),
            // Quotes that matter are written again.
            ("kind = ' buy'", "kind", words(false, &[" buy"])),
            ("kind = '2'", "kind", words(false, &["2"])),
            ("kind in (2)", "kind", words(false, &["2"])),
            ("kind = 'in (a)'", "kind", words(false, &["in (a)"])),
            ("kind in (' a', \"'b'\")", "kind", words(false, &[" a", "'b'"])),
            // So is the list of one word, where the column has a sign in its name.
            ("a=b in (c)", "a=b", words(false, &["c"])),
            ("a > b not in (c)", "a > b", words(true, &["c"])),
            ("a=b in (' c')", "a=b", words(false, &[" c"])),
            ("in (a)", "in (a)", None),
        ] {
            let label = LabelRule::try_from(text.to_owned()).unwrap();
            assert_eq!((label.column.as_str(), &label.rule), (column, &rule), "{text}");
            assert_eq!(LabelRule::try_from(String::from(label.clone())), Ok(label));
        }
        assert!(LabelRule::try_from("rating > many".to_owned()).unwrap_err().contains("not a number"));
        assert!(LabelRule::try_from("> 3".to_owned()).unwrap_err().contains("names no column"));
        for text in ["kind in ()", "kind in (a,)", "kind ="] {
            assert!(LabelRule::try_from(text.to_owned()).unwrap_err().contains("a word is missing"), "{text}");
        }
    }

    #[test]
    fn numbers_among_words_are_equal_however_they_are_written() {
        let words = ["2".to_owned(), "buy".to_owned()];
        for cell in ["2", "2.0", "buy"] {
            assert!(LabelTest::is_among(&words, cell), "{cell}");
        }
        for cell in ["Buy", "3", "", "nan"] {
            assert!(!LabelTest::is_among(&words, cell), "{cell}");
        }
        let truth = ["True".to_owned()];
        assert!(["true", "True", "TRUE"].iter().all(|cell| LabelTest::is_among(&truth, cell)));
        assert!(!LabelTest::is_among(&truth, "t") && !LabelTest::is_among(&truth, "False"));
    }
}
