//! The common parts of a dataset's spec, given one by one.
//!
//! A client gives them as flags, in a query string or as members of a JSON body. Each of the three is declared where it is
//! read, because each has its own documentation and its own form of a list; what the parts come to is said here alone.

use super::{DatasetSpec, FieldSpec, LabelRule, MultiSpec, NumericSpec, Quote, SplitSpec};
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
    /// Fields of several values to a cell, each as `COLUMN=SEPARATOR` or `COLUMN=SEPARATOR:N`.
    pub multi: Option<Vec<String>>,
    /// Words that mean that a cell has no value.
    pub missing: Option<Vec<String>>,
    /// Whether a field that should perhaps be none is an error.
    pub strict: Option<bool>,
    /// Column that holds train, valid or test.
    pub split_column: Option<String>,
    /// Shares of train, valid and test; or why they are none, which is said once the parts before them are good.
    pub split: Option<Result<[f64; 3], String>>,
    /// Seed of a random split.
    pub split_seed: Option<u64>,
    /// Column that says when a row happened.
    pub time: Option<String>,
    /// Separator of a text table; `\t` is a tab.
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
    /// What the label must be.
    Label(String),
    /// What the split must be.
    Split(String),
    /// What a part that says how columns are treated must be.
    Numeric(String),
    Multi(String),
    Quote(String),
}

impl TableParts {
    /// Puts the parts over `base`, a whole spec; without one over the defaults.
    pub fn apply(self, base: Option<DatasetSpec>) -> Result<DatasetSpec, WrongParts> {
        let label = self.label.map(LabelRule::try_from).transpose().map_err(WrongParts::Label)?;
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
            spec.numeric = each(&numeric, NumericSpec::parse).map_err(WrongParts::Numeric)?;
        }
        if let Some(multi) = self.multi {
            spec.multi = each(&multi, MultiSpec::parse).map_err(WrongParts::Multi)?;
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
        if let Some(separator) = self.separator {
            spec.separator = Some(separator.replace("\\t", "\t"));
        }
        if let Some(quote) = self.quote {
            spec.quote = Some(Quote::try_from(quote).map_err(WrongParts::Quote)?);
        }
        if let Some(escape) = self.escape {
            spec.escape = Some(escape);
        }
        match (self.split_column, self.split) {
            (Some(_), Some(_)) => return Err(WrongParts::Split("give split_column or split, not both".to_owned())),
            (Some(column), None) => spec.split = SplitSpec::Column(column),
            (None, Some(ratios)) => {
                let ratios = ratios.map_err(WrongParts::Split)?;
                spec.split = SplitSpec::Ratio { ratios, seed: self.split_seed.unwrap_or(0) };
            }
            (None, None) => {
                if let (SplitSpec::Ratio { seed, .. }, Some(given)) = (&mut spec.split, self.split_seed) {
                    *seed = given;
                }
            }
        }
        Ok(spec)
    }
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
        assert_eq!(
            wrong("price=sqrt"),
            WrongParts::Numeric("price=sqrt: write price=quantile:32 or price=log".to_owned())
        );
        assert!(matches!(wrong("price=quantile:x"), WrongParts::Numeric(rule) if rule.contains("`x` is not a number")));
        let multi =
            TableParts { label: label("click"), multi: Some(vec!["genres".to_owned()]), ..TableParts::default() };
        assert!(matches!(multi.apply(None), Err(WrongParts::Multi(rule)) if rule.contains("COLUMN=SEPARATOR:N")));
        let split = Some(Err("three shares".to_owned()));
        let parts = TableParts { split: split.clone(), ..TableParts::default() };
        assert_eq!(parts.clone().apply(None), Err(WrongParts::NoLabel));
        let parts = TableParts { label: label("rating > x"), ..parts };
        assert!(matches!(parts.clone().apply(None), Err(WrongParts::Label(_))));
        let parts = TableParts { label: label("rating > 3"), ..parts };
        assert_eq!(parts.clone().apply(None), Err(WrongParts::Split("three shares".to_owned())));
        let both = TableParts { split_column: Some("split".to_owned()), ..parts };
        assert_eq!(both.apply(None), Err(WrongParts::Split("give split_column or split, not both".to_owned())));
    }
}
