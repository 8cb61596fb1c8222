//! What a column is, by all the values in it: names, each of which is a category of its own, or a measure, whose numbers
//! go into buckets.
//!
//! Neither the order of rows nor any one cell decides. Where it is in doubt a column is taken for names, because names put
//! into buckets are lost, while a measure taken for names only has more values.

use super::{cell, error::shown, missing::Missing, notation::Notation, vocabulary::Vocabulary};
use crate::types::shorten;

/// So many different numbers are as many as there are buckets: a bucket would hold one number.
const FEW: u64 = 32;
/// Few numbers are names where each stands on so many rows, as it then has enough rows to be learned by itself.
const ROWS_A_NAME: u64 = 20;
/// A measure has a fraction in at least one of so many of its different numbers.
const WHOLE_TO_FRACTION: u64 = 10;
/// Of a column with so many different words no more is looked at.
const WORDS_ENOUGH: u64 = 1000;
/// More different numbers than this, with fractions, are a measure whatever else there is.
pub(super) const MANY_NUMBERS: usize = 1 << 14;

/// What one cell says in a column that may hold numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Said {
    /// No value.
    Gap,
    Number(f64),
    Word,
}

/// What the cell says. An infinity is a number here, for it has a place among numbers.
pub(super) fn read(cell: &[u8], missing: &Missing) -> Said {
    if let Some(number) = cell::parse_number(cell) {
        return Said::Number(number);
    }
    if missing.is_gap(cell) {
        return Said::Gap;
    }
    let word = cell.trim_ascii();
    let (sign, name) = match word.split_first() {
        Some((b'-', name)) => (-1.0, name),
        Some((b'+', name)) => (1.0, name),
        _ => (1.0, word),
    };
    match name.eq_ignore_ascii_case(b"inf") || name.eq_ignore_ascii_case(b"infinity") {
        true => Said::Number(sign * f64::INFINITY),
        false => Said::Word,
    }
}

/// A value as messages show it: on one line, and not too long.
fn example(value: &[u8]) -> String {
    let one_line = |c: char| if c.is_control() { ' ' } else { c };
    shown(value).chars().take(40).map(one_line).collect()
}

/// A whole number's text without the `.0` that programs add where a column has gaps; other text as it is.
pub(super) fn without_zero_fraction(text: &[u8]) -> &[u8] {
    match text.iter().position(|byte| *byte == b'.') {
        Some(point) if point > 0 && text[point + 1..].iter().all(|byte| *byte == b'0') && is_whole(&text[..point]) => {
            &text[..point]
        }
        _ => text,
    }
}

fn is_whole(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

/// What the different values of a column are.
#[derive(Debug)]
pub(super) struct Content {
    /// Different numbers, and different words. Where there are `WORDS_ENOUGH` words, no more was counted.
    pub numbers: u64,
    words: u64,
    /// The first word, as errors show it.
    word: String,
    /// The codes that say that there is no value.
    pub gaps: Vec<u32>,
    /// Numbers with a fraction.
    fractions: u64,
    /// Numbers of several decimals whose last one is 0.
    padded: u64,
    /// The fewest and the most decimals of a number with a point.
    decimals: Option<(usize, usize)>,
    /// Whether a whole number is written with a fraction of 0.
    pub restated: bool,
    /// Numbers with commas, and the first of them.
    separated: u64,
    separated_text: String,
    /// Whether every number can be read in each of the notations with commas.
    fits_decimal_comma: bool,
    fits_thousands_comma: bool,
    /// Words that are lists in brackets, and the first of them.
    lists: u64,
    list: String,
}

/// How a column is read, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    pub measure: bool,
    pub reason: String,
}

impl Content {
    /// Looks at every value of the vocabulary.
    pub fn of(vocabulary: &Vocabulary, missing: &Missing) -> Self {
        let mut content = Self::new();
        for code in 0..vocabulary.len() as u32 {
            if content.words == WORDS_ENOUGH {
                break;
            }
            content.add(code, vocabulary.value(code), missing);
        }
        if content.words > 0 {
            // Among words those of programs are words too.
            let blank = |code: &u32| missing.is_blank(vocabulary.value(*code));
            content.gaps = (0..vocabulary.len() as u32).filter(blank).collect();
        }
        content
    }

    fn new() -> Self {
        Self {
            numbers: 0,
            words: 0,
            word: String::new(),
            gaps: Vec::new(),
            fractions: 0,
            padded: 0,
            decimals: None,
            restated: false,
            separated: 0,
            separated_text: String::new(),
            fits_decimal_comma: true,
            fits_thousands_comma: true,
            lists: 0,
            list: String::new(),
        }
    }

    fn add(&mut self, code: u32, value: &[u8], missing: &Missing) {
        match read(value, missing) {
            Said::Gap => self.gaps.push(code),
            Said::Word => self.add_word(value),
            Said::Number(number) => {
                self.numbers += 1;
                if self.fits_decimal_comma && value.contains(&b'.') {
                    self.fits_decimal_comma = Notation::DecimalComma.parse(value).is_some();
                }
                if let Some(point) = value.iter().position(|byte| *byte == b'.') {
                    self.add_decimals(&value[point + 1..]);
                    self.restated |= without_zero_fraction(value).len() < value.len();
                }
                self.fractions += u64::from(number.is_finite() && number.fract() != 0.0);
            }
        }
    }

    fn add_word(&mut self, value: &[u8]) {
        let (decimal, thousands) =
            (Notation::DecimalComma.parse(value).is_some(), Notation::ThousandsComma.parse(value).is_some());
        if decimal || thousands {
            if self.separated == 0 {
                self.separated_text = example(value);
            }
            self.separated += 1;
            self.fits_decimal_comma &= decimal;
            self.fits_thousands_comma &= thousands;
            return;
        }
        if self.words == 0 {
            self.word = example(value);
        }
        self.words += 1;
        if value.starts_with(b"[") && value.ends_with(b"]") {
            if self.lists == 0 {
                self.list = example(value);
            }
            self.lists += 1;
        }
    }

    fn add_decimals(&mut self, decimals: &[u8]) {
        // Behind an exponent the digits say nothing of how many decimals are written.
        if decimals.iter().all(u8::is_ascii_digit) {
            let (fewest, most) = self.decimals.unwrap_or((usize::MAX, 0));
            self.decimals = Some((fewest.min(decimals.len()), most.max(decimals.len())));
            self.padded += u64::from(decimals.len() > 1 && decimals.ends_with(b"0"));
        }
    }

    /// Whether every value is a number as programs write them.
    pub fn is_numbers(&self) -> bool {
        self.words == 0 && self.separated == 0 && self.numbers > 0
    }

    /// What commas are, where every value is a number, some have commas, and it is clear.
    pub fn notation(&self) -> Option<Notation> {
        match (self.fits_decimal_comma, self.fits_thousands_comma) {
            _ if self.words > 0 || self.separated == 0 => None,
            (true, false) => Some(Notation::DecimalComma),
            (false, true) => Some(Notation::ThousandsComma),
            _ => None,
        }
    }

    /// What may be wrong with the column as a category.
    pub fn note(&self, column: &str) -> Option<String> {
        let column = shorten(column);
        if self.words == 0 && self.separated > 0 && self.notation().is_none() {
            return Some(format!(
                "column `{column}` holds numbers with commas, for example `{}`, which may stand between thousands or before \
                 decimals; each is taken as a category of its own: write them with a decimal point to have them as numbers",
                self.separated_text
            ));
        }
        (self.lists > 0 && self.lists == self.words).then(|| {
            format!(
                "column `{column}` holds lists, for example `{}`, each of which is taken as one category; name it in `multi` \
                 (--multi '{column}=,:8') to have its values",
                self.list
            )
        })
    }

    /// Whether so many of the numbers have fractions, and their notation is such, that they can be a measure.
    pub fn has_fractions(&self) -> bool {
        self.fractions * WHOLE_TO_FRACTION >= self.numbers.max(1) && !self.is_versions()
    }

    /// Whether numbers are written like versions: `1.1` beside `1.10`, where a measure has one number of decimals or drops
    /// the zeros at the end.
    fn is_versions(&self) -> bool {
        self.numbers <= MANY_NUMBERS as u64
            && self.padded > 0
            && self.decimals.is_some_and(|(fewest, most)| fewest != most)
    }

    /// Why the column is refused: it is plainly a measure, but for a few words, and would be useless as names.
    pub fn fault(&self, column: &str) -> Option<String> {
        let column = shorten(column);
        let mixed = (1..WORDS_ENOUGH).contains(&self.words) && self.words * 100 < self.numbers;
        (mixed && self.numbers > MANY_NUMBERS as u64 && self.has_fractions()).then(|| {
            format!(
                "column `{column}` has {} different numbers with fractions, and words, for example `{}`; name those that \
                 mean no value in `missing`, or say that the column is a `category`",
                self.numbers, self.word
            )
        })
    }

    /// What the column is, where so many `cells` have a value. `direct`: it had too many numbers to keep them.
    pub fn choose(&self, cells: u64, direct: bool) -> Choice {
        let names = |reason: String| Choice { measure: false, reason };
        if direct {
            return Choice {
                measure: true,
                reason: format!("more than {MANY_NUMBERS} different numbers with fractions"),
            };
        }
        if self.words > 0 {
            return names(format!("not every value is a number, for example `{}`", self.word));
        }
        if self.separated > 0 {
            return self.choose_separated(cells);
        }
        match (self.numbers, self.fractions) {
            (0, _) => names("no cell has a value".to_owned()),
            (_, 0) => names("whole numbers, which are mostly names".to_owned()),
            (numbers, _) if self.is_versions() => {
                names(format!("{numbers} different numbers, written like versions (as 1.1 beside 1.10)"))
            }
            (numbers, fractions) if !self.has_fractions() => {
                names(format!("only {fractions} of {numbers} different numbers have a fraction"))
            }
            (numbers, _) if numbers <= FEW && cells >= ROWS_A_NAME * numbers => {
                names(format!("only {numbers} different numbers in {cells} rows"))
            }
            (numbers, _) => {
                Choice { measure: true, reason: format!("{numbers} different numbers with fractions in {cells} rows") }
            }
        }
    }

    /// As `choose`, for numbers of which some have commas.
    fn choose_separated(&self, cells: u64) -> Choice {
        let (numbers, text) = (self.numbers + self.separated, &self.separated_text);
        let what = match self.notation() {
            Some(Notation::DecimalComma) => "a decimal comma",
            Some(Notation::ThousandsComma) => "commas between thousands",
            None => {
                return Choice { measure: false, reason: format!("numbers like `{text}`, whose comma may be either") };
            }
        };
        match numbers <= FEW && cells >= ROWS_A_NAME * numbers {
            true => Choice { measure: false, reason: format!("only {numbers} different numbers in {cells} rows") },
            false => Choice {
                measure: true,
                reason: format!("{numbers} different numbers with {what}, for example `{text}`"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(values: &[String]) -> Content {
        let mut vocabulary = Vocabulary::default();
        for value in values {
            vocabulary.code_of(value.as_bytes());
        }
        Content::of(&vocabulary, &Missing::new(&[]))
    }

    fn chosen(values: impl IntoIterator<Item = impl ToString>, cells: u64) -> Choice {
        let values: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
        content(&values).choose(cells, false)
    }

    #[test]
    fn a_measure_has_many_numbers_and_fractions_that_matter() {
        let prices = |end: &str| (0..100).map(|n| format!("{n}{end}")).collect::<Vec<_>>();
        assert!(chosen(prices(".5"), 400).measure);
        assert!(chosen(prices(".50"), 1_000_000).measure, "one number of decimals");
        assert!(chosen((1..60).map(|n| f64::from(n) / 10.0), 400).measure, "written shortest");
        assert!(chosen(["1.5", "2.25", "nan", "inf", " "], 5).measure);
        for (names, cells, reason) in [
            (prices(""), 400, "whole numbers"),
            (prices(".0"), 400, "whole numbers"),
            ([prices(""), vec!["17.5".to_owned()]].concat(), 400, "only 1 of 101 different numbers have a fraction"),
            ([prices(".5"), vec!["11.0.1".to_owned()]].concat(), 400, "`11.0.1`"),
            (["1.1", "1.10", "10.5"].map(str::to_owned).to_vec(), 3, "versions"),
            (["0.1", "0.25", "0.5"].map(str::to_owned).to_vec(), 60, "only 3 different numbers in 60 rows"),
            (["nan", "", "-"].map(str::to_owned).to_vec(), 0, "no cell has a value"),
        ] {
            let choice = chosen(&names, cells);
            assert!(!choice.measure && choice.reason.contains(reason), "{choice:?}");
        }
    }

    #[test]
    fn commas_are_told_apart_where_it_is_clear() {
        let choice = chosen((0..40).map(|n| format!("{n},5")), 400);
        assert!(choice.measure && choice.reason.contains("a decimal comma"), "{choice:?}");
        let choice = chosen((0..40).map(|n| format!("1,{:03}.50", 3 * n)), 400);
        assert!(choice.measure && choice.reason.contains("between thousands"), "{choice:?}");
        let either = (0..40).map(|n| format!("1,{n:03}")).collect::<Vec<_>>();
        assert!(!chosen(&either, 400).measure);
        assert!(content(&either).note("price").unwrap().contains("`1,000`"));
        let mixed = ["1,5".to_owned(), "2.25".to_owned(), "1,234.5".to_owned()];
        assert_eq!(content(&mixed).notation(), None);
        assert!(content(&mixed).note("price").is_some());
    }

    #[test]
    fn lists_in_brackets_are_noted() {
        let lists = ["[27, 9]", "[1]", "[]", ""].map(str::to_owned);
        assert!(content(&lists).note("hist").unwrap().contains("--multi 'hist=,:8'"));
        assert_eq!(content(&["[27]".to_owned(), "a".to_owned()]).note("hist"), None);
    }

    #[test]
    fn neither_the_order_nor_one_cell_decides() {
        let mut values: Vec<String> = (0..500).map(|n| format!("{}.25", n % 90)).collect();
        values.extend((0..20).map(|n| n.to_string()));
        let forward = chosen(&values, 520);
        values.reverse();
        assert_eq!(chosen(&values, 520), forward);
        assert!(forward.measure);
        values.push("7.0".to_owned());
        assert!(chosen(&values, 521).measure);
    }

    #[test]
    fn a_zero_fraction_is_no_part_of_a_name() {
        for (text, name) in
            [("123.0", "123"), ("-5.00", "-5"), ("123.", "123"), ("1.10", "1.10"), ("1e3.0", "1e3.0"), (".0", ".0")]
        {
            assert_eq!(without_zero_fraction(text.as_bytes()), name.as_bytes(), "{text}");
        }
    }

    #[test]
    fn a_measure_with_a_few_words_is_refused() {
        let mut values: Vec<String> = (0..70_000).map(|n| format!("{n}.5")).collect();
        assert_eq!(content(&values).fault("price"), None);
        values.insert(0, "n.v.".to_owned());
        assert!(content(&values).fault("price").unwrap().contains("`n.v.`"));
    }
}
