//! The common parts of a dataset's spec, given one by one.
//!
//! A client gives them as flags, in a query string or as members of a JSON body. Each of the three is declared where it is
//! read, because each has its own documentation and its own form of a list; what the parts come to is said here alone.

use super::{
    DatasetSpec, FieldSpec, FileFormat, LabelRule, MultiSpec, NumericSpec, OnBadRow, Quote, SplitSpec, TextEncoding,
    Vocabulary, separator::unescape, words::no_such_word,
};
use std::collections::BTreeMap;

/// What a client says of how its table is to be read. A part that is absent changes nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TableParts {
    /// A column of 0 and 1, or a rule.
    pub label: Option<String>,
    /// Columns the models see.
    pub features: Option<Vec<String>>,
    /// Columns they do not see.
    pub exclude: Option<Vec<String>>,
    /// Fields whose every value is a category.
    pub category: Option<Vec<String>>,
    /// Fields that are numbers, each as `COLUMN`, `COLUMN=log` or `COLUMN=quantile:N`.
    pub numeric: Option<Vec<String>>,
    /// Fields of several values to a cell, each as `COLUMN=SEPARATOR`, `COLUMN=SEPARATOR:N` or `COLUMN=SEPARATOR:last:N`.
    pub multi: Option<Vec<String>>,
    /// Words that mean that a cell has no value.
    pub missing: Option<Vec<String>>,
    /// Whether a field that should perhaps be none is an error.
    pub strict: Option<bool>,
    /// What becomes of a row that cannot be read: `error` or `skip`.
    pub on_bad_row: Option<String>,
    /// The most bad rows that are left out.
    pub max_bad_rows: Option<u64>,
    /// Column that holds train, valid or test.
    pub split_column: Option<String>,
    /// Shares of train, valid and test; or why they are none, which is said once the parts before them are good.
    pub split: Option<Result<[f64; 3], String>>,
    /// Seed of a random split.
    pub split_seed: Option<u64>,
    /// Column of times by which the earliest rows train and the latest test.
    pub split_time: Option<String>,
    /// Column whose rows of one value are in one split.
    pub split_group: Option<String>,
    /// Whether the rows of each label are divided alike.
    pub split_stratified: Option<bool>,
    /// Column that says when a row happened.
    pub time: Option<String>,
    /// Rows the vocabulary is taken from: `train` or `all`.
    pub vocabulary: Option<String>,
    /// `csv`, `parquet` or `jsonl`.
    pub format: Option<String>,
    /// The file in a zip archive that is the table.
    pub member: Option<String>,
    /// How a text table is encoded.
    pub encoding: Option<String>,
    /// Lines at the start of a text table that are neither names nor rows.
    pub skip_lines: Option<u64>,
    /// What lines start with that are no rows.
    pub comment: Option<String>,
    /// Names of the columns of a text table without a line of them.
    pub columns: Option<Vec<String>>,
    /// Separator of a text table; `\t` is a tab, `\x01` a character by its number.
    pub separator: Option<String>,
    /// What its cells are quoted with: one character, or `none`.
    pub quote: Option<String>,
    /// The character that makes what is behind it part of the cell.
    pub escape: Option<char>,
}

/// Why parts make no spec.
#[derive(Debug, Clone, PartialEq)]
pub enum WrongParts {
    /// A spec needs a label, and nothing names one.
    NoLabel,
    /// What a part must be.
    Part { name: &'static str, rule: String },
}

impl WrongParts {
    /// For an error that says what the part of this name must be.
    fn of(name: &'static str) -> impl Fn(String) -> Self {
        move |rule| Self::Part { name, rule }
    }
}

impl TableParts {
    /// Puts the parts over `base`, a whole spec; without one over the defaults.
    pub fn apply(self, base: Option<DatasetSpec>) -> Result<DatasetSpec, WrongParts> {
        let label = self.label.map(LabelRule::try_from).transpose().map_err(WrongParts::of("label"))?;
        let mut spec = match (base, label) {
            (Some(spec), None) => spec,
            (Some(spec), Some(label)) => DatasetSpec { label, ..spec },
            (None, Some(label)) => DatasetSpec::with_label(label),
            (None, None) => return Err(WrongParts::NoLabel),
        };
        if let Some(features) = self.features {
            spec.fields = Some(features.into_iter().map(FieldSpec::Name).collect());
        }
        if let Some(exclude) = self.exclude {
            spec.exclude = exclude;
        }
        if let Some(category) = self.category {
            spec.category = category;
        }
        if let Some(numeric) = self.numeric {
            spec.numeric = each(&numeric, NumericSpec::parse).map_err(WrongParts::of("numeric"))?;
        }
        if let Some(multi) = self.multi {
            spec.multi = each(&multi, MultiSpec::parse).map_err(WrongParts::of("multi"))?;
        }
        if let Some(missing) = self.missing {
            spec.missing = missing;
        }
        if let Some(strict) = self.strict {
            spec.strict = strict;
        }
        if let Some(time) = self.time {
            spec.time = Some(time);
        }
        if let Some(word) = self.on_bad_row {
            spec.on_bad_row = read_word("on_bad_row", &word, &ON_BAD_ROW)?;
        }
        spec.max_bad_rows = self.max_bad_rows.or(spec.max_bad_rows);
        if let Some(word) = self.vocabulary {
            spec.vocabulary = read_word("vocabulary", &word, &VOCABULARIES)?;
        }
        if let Some(word) = self.format {
            spec.format = Some(read_word("format", &word, &FORMATS)?);
        }
        spec.member = self.member.or(spec.member);
        if let Some(encoding) = self.encoding {
            spec.encoding = Some(TextEncoding::try_from(encoding).map_err(WrongParts::of("encoding"))?);
        }
        spec.skip_lines = self.skip_lines.unwrap_or(spec.skip_lines);
        spec.comment = self.comment.or(spec.comment);
        spec.columns = self.columns.or(spec.columns);
        if let Some(separator) = self.separator {
            spec.separator = Some(unescape(&separator).map_err(WrongParts::of("separator"))?);
        }
        if let Some(quote) = self.quote {
            spec.quote = Some(Quote::try_from(quote).map_err(WrongParts::of("quote"))?);
        }
        if let Some(escape) = self.escape {
            spec.escape = Some(escape);
        }
        let kinds = SplitKinds {
            column: self.split_column,
            time: self.split_time,
            group: self.split_group,
            stratified: self.split_stratified == Some(true),
        };
        kinds.apply(self.split, self.split_seed, &mut spec.split)?;
        Ok(spec)
    }
}

/// The kinds of a split that were asked for; there may be one.
struct SplitKinds {
    column: Option<String>,
    time: Option<String>,
    group: Option<String>,
    stratified: bool,
}

impl SplitKinds {
    /// Puts what was asked for over `split`.
    fn apply(
        self,
        ratios: Option<Result<[f64; 3], String>>,
        seed: Option<u64>,
        split: &mut SplitSpec,
    ) -> Result<(), WrongParts> {
        let asked = [self.column.is_some(), self.time.is_some(), self.group.is_some(), self.stratified];
        if asked.into_iter().filter(|asked| *asked).count() > 1 {
            let rule = "give one of split_column, split_time, split_group and split_stratified";
            return Err(WrongParts::of("split")(rule.to_owned()));
        }
        if self.column.is_some() && ratios.is_some() {
            let rule = "give split_column or split, not both";
            return Err(WrongParts::of("split")(rule.to_owned()));
        }
        if let Some(column) = self.column {
            *split = SplitSpec::Column(column);
            return Ok(());
        }
        let given = ratios.transpose().map_err(WrongParts::of("split"))?;
        let ratios = given.or(split.ratios()).unwrap_or(SplitSpec::DEFAULT_RATIOS);
        let own_seed = seed.unwrap_or(0);
        if let Some(column) = self.time {
            *split = SplitSpec::Time { column, ratios };
        } else if let Some(column) = self.group {
            *split = SplitSpec::Group { column, ratios, seed: own_seed };
        } else if self.stratified {
            *split = SplitSpec::Stratified { ratios, seed: own_seed };
        } else if given.is_some() {
            *split = SplitSpec::Ratio { ratios, seed: own_seed };
        } else if let (
            SplitSpec::Ratio { seed: old, .. }
            | SplitSpec::Stratified { seed: old, .. }
            | SplitSpec::Group { seed: old, .. },
            Some(seed),
        ) = (split, seed)
        {
            *old = seed;
        }
        Ok(())
    }
}

const FORMATS: [(&str, FileFormat); 3] =
    [("csv", FileFormat::Csv), ("parquet", FileFormat::Parquet), ("jsonl", FileFormat::Jsonl)];
const ON_BAD_ROW: [(&str, OnBadRow); 2] = [("error", OnBadRow::Error), ("skip", OnBadRow::Skip)];
const VOCABULARIES: [(&str, Vocabulary); 2] = [("train", Vocabulary::Train), ("all", Vocabulary::All)];

/// What the word means among `known` ones.
fn read_word<T: Copy>(name: &'static str, word: &str, known: &[(&str, T)]) -> Result<T, WrongParts> {
    let found = known.iter().find(|(own, _)| *own == word).map(|(_, meant)| *meant);
    let words: Vec<_> = known.iter().map(|(own, _)| *own).collect();
    found.ok_or_else(|| WrongParts::of(name)(no_such_word(word, &words)))
}

/// What is said of columns one by one.
fn each<T>(
    texts: &[String],
    parse: impl Fn(&str) -> Result<(String, T), String>,
) -> Result<BTreeMap<String, T>, String> {
    texts.iter().map(|text| parse(text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn parts_win_over_the_whole_spec_and_absent_ones_leave_it() {
        let base = TableParts {
            label: label("click"),
            features: Some(vec!["user".to_owned()]),
            split: Some(Ok([0.6, 0.2, 0.2])),
            split_seed: Some(7),
            time: Some("at".to_owned()),
            separator: Some("\\t".to_owned()),
            ..TableParts::default()
        };
        let spec = base.apply(None).unwrap();
        assert_eq!(spec.fields, Some(vec![FieldSpec::Name("user".to_owned())]));
        assert_eq!(spec.split, SplitSpec::Ratio { ratios: [0.6, 0.2, 0.2], seed: 7 });
        assert_eq!((spec.time.as_deref(), spec.separator.as_deref()), (Some("at"), Some("\t")));
        assert_eq!(TableParts::default().apply(Some(spec.clone())), Ok(spec.clone()));
        let words = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect());
        let treated = TableParts {
            category: words(&["zip"]),
            numeric: words(&["price", "age=log", "a=b=quantile:4"]),
            multi: words(&["genres=|:3", "path=::"]),
            missing: words(&["?"]),
            ..TableParts::default()
        };
        let treated = treated.apply(Some(spec.clone())).unwrap();
        assert_eq!((&treated.category[..], &treated.missing[..]), (&["zip".to_owned()][..], &["?".to_owned()][..]));
        assert_eq!(treated.numeric["price"], NumericSpec::Quantile { buckets: 32 });
        assert_eq!(
            (&treated.numeric["age"], treated.numeric["a=b"].clone()),
            (&NumericSpec::Log, NumericSpec::Quantile { buckets: 4 })
        );
        assert_eq!((treated.multi["genres"].max_values, treated.multi["path"].separator.as_str()), (3, "::"));

        let over = TableParts { label: label("rating > 3"), split_seed: Some(8), ..TableParts::default() };
        let changed = over.apply(Some(spec.clone())).unwrap();
        assert_eq!(String::from(changed.label), "rating > 3");
        assert_eq!(changed.split, SplitSpec::Ratio { ratios: [0.6, 0.2, 0.2], seed: 8 });
        let over = TableParts { split_column: Some("split".to_owned()), ..TableParts::default() };
        assert_eq!(over.apply(Some(spec)).unwrap().split, SplitSpec::Column("split".to_owned()));
    }

    #[test]
    fn the_first_wrong_part_is_named() {
        let wrong = |numeric: &str| {
            let parts =
                TableParts { label: label("click"), numeric: Some(vec![numeric.to_owned()]), ..TableParts::default() };
            parts.apply(None).unwrap_err()
        };
        let part = |name, rule: &str| WrongParts::Part { name, rule: rule.to_owned() };
        assert_eq!(wrong("price=sqrt"), part("numeric", "price=sqrt: write price=quantile:32 or price=log"));
        assert!(
            matches!(wrong("price=quantile:x"), WrongParts::Part { rule, .. } if rule.contains("`x` is not a number"))
        );
        let multi =
            TableParts { label: label("click"), multi: Some(vec!["genres".to_owned()]), ..TableParts::default() };
        assert!(
            matches!(multi.apply(None), Err(WrongParts::Part { name: "multi", rule }) if rule.contains("COLUMN=SEPARATOR:N"))
        );
        let split = Some(Err("three shares".to_owned()));
        let parts = TableParts { split: split.clone(), ..TableParts::default() };
        assert_eq!(parts.clone().apply(None), Err(WrongParts::NoLabel));
        let parts = TableParts { label: label("rating > x"), ..parts };
        assert!(matches!(parts.clone().apply(None), Err(WrongParts::Part { name: "label", .. })));
        let parts = TableParts { label: label("rating > 3"), ..parts };
        assert_eq!(parts.clone().apply(None), Err(part("split", "three shares")));
        let both = TableParts { split_column: Some("split".to_owned()), ..parts };
        assert_eq!(both.apply(None), Err(part("split", "give split_column or split, not both")));
        let wrong = |parts: TableParts| TableParts { label: label("click"), ..parts }.apply(None).unwrap_err();
        let text = Some("?".to_owned());
        for (parts, named) in [
            (TableParts { on_bad_row: text.clone(), ..TableParts::default() }, "on_bad_row"),
            (TableParts { vocabulary: text.clone(), ..TableParts::default() }, "vocabulary"),
            (TableParts { format: text.clone(), ..TableParts::default() }, "format"),
            (TableParts { encoding: text.clone(), ..TableParts::default() }, "encoding"),
            (TableParts { separator: Some("\\x".to_owned()), ..TableParts::default() }, "separator"),
            (TableParts { split_group: text, split_stratified: Some(true), ..TableParts::default() }, "split"),
        ] {
            assert!(matches!(wrong(parts), WrongParts::Part { name, .. } if name == named), "{named}");
        }
    }

    #[test]
    fn every_kind_of_split_can_be_asked_for() {
        let split = |parts: TableParts| TableParts { label: label("click"), ..parts }.apply(None).unwrap().split;
        let ratios = SplitSpec::DEFAULT_RATIOS;
        let stratified = TableParts { split_stratified: Some(true), split_seed: Some(3), ..TableParts::default() };
        assert_eq!(split(stratified.clone()), SplitSpec::Stratified { ratios, seed: 3 });
        let shares = Some(Ok([0.6, 0.2, 0.2]));
        let group = TableParts { split_group: Some("user".to_owned()), split: shares, ..TableParts::default() };
        let of_users = SplitSpec::Group { column: "user".to_owned(), ratios: [0.6, 0.2, 0.2], seed: 0 };
        assert_eq!(split(group.clone()), of_users);
        let time = TableParts { split_time: Some("at".to_owned()), ..TableParts::default() };
        assert_eq!(split(time), SplitSpec::Time { column: "at".to_owned(), ratios });
        // The shares and the seed of a spec stay, where nothing else is said.
        let base = TableParts { label: label("click"), ..group }.apply(None).unwrap();
        let over = stratified.apply(Some(base.clone())).unwrap().split;
        assert_eq!(over, SplitSpec::Stratified { ratios: [0.6, 0.2, 0.2], seed: 3 });
        let seeded = TableParts { split_seed: Some(9), ..TableParts::default() }.apply(Some(base)).unwrap().split;
        assert!(matches!(seeded, SplitSpec::Group { seed: 9, .. }));
    }
}
