//! A dataset: how a client describes a table (`DatasetSpec`), what reading it yields (`FeatureMap`, `Profile`).

use super::{
    bad_rows::{OnBadRow, SkippedRows},
    column_pattern::columns_of,
    field_reading::{FieldReading, FieldWarning},
    label_rule::LabelRule,
    quote::Quote,
    separator::unescape,
    text_encoding::TextEncoding,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, ops::Range};
use utoipa::ToSchema;

/// Where a dataset stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "dataset_status", rename_all = "snake_case")]
pub enum DatasetStatus {
    /// The bytes are safe; the table is being read.
    Processing,
    Ready,
    /// The table cannot be used; `errors` says why.
    Invalid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileFormat {
    /// Comma, tab or any other separator, of one or more characters.
    Csv,
    Parquet,
    /// One JSON object a line.
    Jsonl,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    None,
    Gzip,
    Zstd,
    Bzip2,
    Xz,
    /// An archive, of which one member is the table.
    Zip,
}

impl Compression {
    /// Every compression with what the names of its files end in; the first of several is the usual one.
    const ENDINGS: [(Self, &'static [&'static str]); 6] = [
        (Self::None, &[]),
        (Self::Gzip, &[".gz", ".gzip"]),
        (Self::Zstd, &[".zst", ".zstd"]),
        (Self::Bzip2, &[".bz2"]),
        (Self::Xz, &[".xz"]),
        (Self::Zip, &[".zip"]),
    ];

    /// The word in a spec.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Zip => "zip",
        }
    }

    /// What the name of a file of this compression ends in, for example `.gz`.
    pub fn ending(self) -> &'static str {
        Self::ENDINGS[self as usize].1.first().copied().unwrap_or_default()
    }

    /// A file's name, in lower case, without the ending of a compression; and the compression, where there is one.
    pub fn divide_name(name: &str) -> (&str, Option<Self>) {
        let found = Self::ENDINGS.iter().find_map(|(own, endings)| {
            endings.iter().find_map(|ending| name.strip_suffix(ending)).map(|stem| (stem, Some(*own)))
        });
        found.unwrap_or((name, None))
    }

    /// The media type of a file of this compression; none for one that is not compressed.
    pub fn media_type(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Gzip => Some("application/gzip"),
            Self::Zstd => Some("application/zstd"),
            Self::Bzip2 => Some("application/x-bzip2"),
            Self::Xz => Some("application/x-xz"),
            Self::Zip => Some("application/zip"),
        }
    }
}

/// How a table is to be read. Every member has a default except the label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DatasetSpec {
    /// Absent: from the upload's content type, the file's name, or its first bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<FileFormat>,
    /// Absent: from the first bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<Compression>,
    /// Zip only: the name of the file in the archive that is the table. Absent: the only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// CSV and JSON lines: how the text is encoded. Absent: UTF-8, or UTF-16 where its mark or its zeros say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<TextEncoding>,
    /// CSV and JSON lines: lines at the start of the file that are neither names nor rows.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skip_lines: u64,
    /// CSV and JSON lines: what lines start with that are no rows, for example `#`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// CSV only: what stands between two values, for example `,`, `\t`, `::`. Absent: the one of `,` tab `;` `|` that the
    /// header has most of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub separator: Option<String>,
    /// CSV with a separator of one character only: what cells are quoted with. Absent: `"`, unless the lines say that nothing is
    /// quoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote: Option<Quote>,
    /// CSV with a separator of one character only: the character that makes a quote or a separator behind it part of the cell,
    /// for example `\`. Absent: none; a quote within quotes is doubled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escape: Option<char>,
    /// CSV only: names of the columns, for a file without a header line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// The label: a column of 0 and 1 (`click`), or a rule over a column (`rating > 3`, `behavior = buy`, `behavior in (cart, buy)`).
    pub label: LabelRule,
    /// The fields of the models. Absent: every column but the label's, the split's, the time's and those excluded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Vec<FieldSpec>>,
    /// Columns that are not fields. Only where `fields` is absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Fields whose every value is a category of its own, also where all are numbers. Like `numeric` and `multi` it says how
    /// single columns are treated without listing the others in `fields`; what neither says is decided by all values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub category: Vec<String>,
    /// Fields that are numbers, by column, and how they become categories.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub numeric: BTreeMap<String, NumericSpec>,
    /// Fields with several values in a cell, by column.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub multi: BTreeMap<String, MultiSpec>,
    /// Words that mean that a cell has no value, beside the empty cell. In a column of numbers NaN, NA, N/A, None, NULL, `\N`
    /// and `-` mean it anyway.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Whether a table is refused with a field that should perhaps be none: `warnings` of the profile become errors.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub strict: bool,
    /// What becomes of a row that cannot be read: one cell too many, a label that is none, a word among numbers.
    #[serde(default, skip_serializing_if = "OnBadRow::is_default")]
    pub on_bad_row: OnBadRow,
    /// With `on_bad_row`: `skip`: the table is refused where more rows than this are bad. Absent: one in a hundred, or ten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bad_rows: Option<u64>,
    /// How rows are divided into train, valid and test.
    #[serde(default)]
    pub split: SplitSpec,
    /// The column that says when a row happened: numbers, or ISO 8601 dates or times. Methods may look for spans of time whose
    /// labels are wrong; models do not see it, unless `fields` names it. Absent: the column of a split by time, else none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Which rows the vocabulary is taken from.
    #[serde(default)]
    pub vocabulary: Vocabulary,
}

impl DatasetSpec {
    /// A spec with every default but the label.
    pub fn with_label(label: LabelRule) -> Self {
        Self {
            format: None,
            compression: None,
            member: None,
            encoding: None,
            skip_lines: 0,
            comment: None,
            separator: None,
            quote: None,
            escape: None,
            columns: None,
            label,
            fields: None,
            exclude: Vec::new(),
            category: Vec::new(),
            numeric: BTreeMap::new(),
            multi: BTreeMap::new(),
            missing: Vec::new(),
            strict: false,
            on_bad_row: OnBadRow::default(),
            max_bad_rows: None,
            split: SplitSpec::default(),
            time: None,
            vocabulary: Vocabulary::default(),
        }
    }

    /// Whether it is text whose columns tabs separate.
    pub fn has_tabs(&self) -> bool {
        matches!(self.format, Some(FileFormat::Csv) | None) && self.separator.as_deref() == Some("\t")
    }

    /// What the name of a file in the table's format ends in: `csv`, `tsv`, `parquet`, `jsonl.gz`.
    pub fn extension(&self) -> String {
        let format = match self.format {
            Some(FileFormat::Parquet) => "parquet",
            Some(FileFormat::Jsonl) => "jsonl",
            Some(FileFormat::Csv) | None if self.has_tabs() => "tsv",
            Some(FileFormat::Csv) | None => "csv",
        };
        format!("{format}{}", self.compression.map_or("", Compression::ending))
    }

    /// Gives every column that the spec names the name that `rename` makes of it.
    pub fn rename_columns(&mut self, rename: impl Fn(&str) -> String) {
        let split = match &mut self.split {
            SplitSpec::Column(column) | SplitSpec::Time { column, .. } | SplitSpec::Group { column, .. } => {
                Some(column)
            }
            SplitSpec::Ratio { .. } | SplitSpec::Stratified { .. } => None,
        };
        let single = [Some(&mut self.label.column), split, self.time.as_mut()].into_iter().flatten();
        let fields = self.fields.iter_mut().flatten().map(FieldSpec::column_mut);
        for column in single.chain(fields).chain(&mut self.exclude).chain(&mut self.category) {
            *column = rename(column);
        }
        self.numeric =
            std::mem::take(&mut self.numeric).into_iter().map(|(column, how)| (rename(&column), how)).collect();
        self.multi = std::mem::take(&mut self.multi).into_iter().map(|(column, how)| (rename(&column), how)).collect();
    }
}

impl DatasetSpec {
    /// Writes columns in place of names with stars: `I*` in `fields`, `exclude`, `category`, `numeric` or `multi` is every column that
    /// starts with I and is neither the label nor what rows are split or timed by. What is said of one column by its name counts.
    pub fn expand_patterns(&mut self, columns: &[String]) {
        let split = match &self.split {
            SplitSpec::Column(column) | SplitSpec::Time { column, .. } | SplitSpec::Group { column, .. } => {
                Some(column)
            }
            SplitSpec::Ratio { .. } | SplitSpec::Stratified { .. } => None,
        };
        let taken: Vec<String> =
            [Some(&self.label.column), split, self.time.as_ref()].into_iter().flatten().cloned().collect();
        let taken: Vec<&str> = taken.iter().map(String::as_str).collect();
        let of = |name: &str| columns_of(name, columns, &taken);
        for names in [&mut self.exclude, &mut self.category] {
            *names = names.iter().flat_map(|name| of(name)).collect();
        }
        let named = |field: FieldSpec| of(field.column()).into_iter().map(move |column| field.renamed(column));
        self.fields = self.fields.take().map(|fields| fields.into_iter().flat_map(named).collect());
        self.numeric = expanded(std::mem::take(&mut self.numeric), of);
        self.multi = expanded(std::mem::take(&mut self.multi), of);
    }
}

/// By column, of what is said by names and patterns.
fn expanded<T: Clone>(said: BTreeMap<String, T>, of: impl Fn(&str) -> Vec<String>) -> BTreeMap<String, T> {
    let mut by_column = BTreeMap::new();
    // Names come last, over the patterns.
    let (names, patterns): (Vec<_>, Vec<_>) = said.into_iter().partition(|(name, _)| of(name) == [name.clone()]);
    for (name, how) in patterns.into_iter().chain(names) {
        by_column.extend(of(&name).into_iter().map(|column| (column, how.clone())));
    }
    by_column
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A field: a column's name, or a column and how to treat it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "a field is a column's name, or an object with `column` and, where wanted, `numeric` or `multi`"
)]
pub enum FieldSpec {
    /// Treated as `category`, `numeric` or `multi` of the spec say; else by its content: many different numbers with
    /// fractions as numeric, anything else as a category.
    Name(String),
    Full {
        column: String,
        /// A number, put into buckets.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        numeric: Option<NumericSpec>,
        /// Several values in one cell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        multi: Option<MultiSpec>,
    },
}

impl NumericSpec {
    /// Buckets of a column whose number is not said.
    pub const DEFAULT_BUCKETS: u32 = 32;

    /// Reads `COLUMN`, `COLUMN=log` or `COLUMN=quantile:N`.
    pub fn parse(text: &str) -> Result<(String, Self), String> {
        let Some((column, how)) = text.rsplit_once('=') else {
            return match text {
                "" => Err("name a column".to_owned()),
                column => Ok((column.to_owned(), Self::default())),
            };
        };
        let numeric = match how.split_once(':') {
            None if how == "log" => Self::Log,
            Some(("quantile", count)) => Self::Quantile {
                buckets: count.parse().map_err(|_| format!("{text}: `{count}` is not a number of buckets"))?,
            },
            _ => return Err(format!("{text}: write {column}=quantile:{} or {column}=log", Self::DEFAULT_BUCKETS)),
        };
        Ok((column.to_owned(), numeric))
    }
}

impl Default for NumericSpec {
    fn default() -> Self {
        Self::Quantile { buckets: Self::DEFAULT_BUCKETS }
    }
}

impl FieldSpec {
    pub fn column(&self) -> &str {
        match self {
            Self::Name(column) | Self::Full { column, .. } => column,
        }
    }

    /// The same of another column.
    fn renamed(&self, column: String) -> Self {
        let mut renamed = self.clone();
        *renamed.column_mut() = column;
        renamed
    }

    fn column_mut(&mut self) -> &mut String {
        match self {
            Self::Name(column) | Self::Full { column, .. } => column,
        }
    }
}

/// How a number becomes a category.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum NumericSpec {
    /// Buckets of about equal numbers of training rows.
    Quantile {
        /// How many buckets, 2 to 1,000.
        buckets: u32,
    },
    /// floor(ln(v)^2) for v > 2, else floor(v): the rule of the Criteo models.
    Log,
}

/// How a cell of several values becomes one or more ids.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MultiSpec {
    /// What stands between two values, for example `|`. Brackets around the cell are no part of its values, nor are blanks and
    /// quotes around each of them where there are brackets.
    pub separator: String,
    #[serde(default)]
    pub mode: MultiMode,
    /// `split` only: the largest number of values in a cell.
    #[serde(default = "MultiSpec::default_max_values")]
    pub max_values: u32,
    /// `split` only: what becomes of a cell with more values.
    #[serde(default, skip_serializing_if = "LongCell::is_default")]
    pub longer: LongCell,
}

/// What becomes of a cell with more values than there are places for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LongCell {
    /// It is an error.
    #[default]
    Error,
    /// Its last values stay: the newest of a history.
    KeepLast,
}

impl LongCell {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Places that a cell may have at most.
pub const MAX_PLACES: u32 = 256;

impl MultiSpec {
    /// Places of a cell whose number is not said.
    pub const DEFAULT_MAX_VALUES: u32 = 8;

    fn default_max_values() -> u32 {
        Self::DEFAULT_MAX_VALUES
    }

    /// Reads `COLUMN=SEPARATOR`, which is one category; `COLUMN=SEPARATOR:N`, up to N values; or `COLUMN=SEPARATOR:last:N`, the
    /// last N values.
    pub fn parse(text: &str) -> Result<(String, Self), String> {
        let (column, how) = text
            .split_once('=')
            .filter(|(column, how)| !column.is_empty() && !how.is_empty())
            .ok_or_else(|| format!("{text}: write COLUMN=SEPARATOR, COLUMN=SEPARATOR:N or COLUMN=SEPARATOR:last:N"))?;
        let several = how.rsplit_once(':').and_then(|(separator, n)| Some((separator, n.parse().ok()?)));
        let several = several.filter(|(separator, _)| !separator.is_empty());
        let last = several.and_then(|(separator, n)| Some((separator.strip_suffix(":last")?, n)));
        let last = last.filter(|(separator, _)| !separator.is_empty());
        let (separator, mode, max_values, longer) = match (last, several) {
            (Some((separator, n)), _) => (separator, MultiMode::Split, n, LongCell::KeepLast),
            (None, Some((separator, n))) => (separator, MultiMode::Split, n, LongCell::Error),
            (None, None) => (how, MultiMode::Category, 1, LongCell::Error),
        };
        Ok((column.to_owned(), Self { separator: unescape(separator)?, mode, max_values, longer }))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MultiMode {
    /// The whole cell is one category (what the paper does with genres).
    #[default]
    Category,
    /// `max_values` fields that share one vocabulary and its embeddings; unused places hold the padding id.
    Split,
}

/// How rows are divided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SplitSpec {
    /// A column holding `train`, `valid` (or `val`, `validation`, `dev`) or `test`.
    Column(String),
    /// A seeded random permutation: the first int(a n) rows of it, then int(b n), then the rest.
    Ratio {
        /// Shares of train, valid and test; they add up to 1.
        ratios: [f64; 3],
        #[serde(default)]
        seed: u64,
    },
    /// The earliest rows train, the latest test; rows of the same time in file order.
    Time {
        /// A numeric column, or one of ISO 8601 dates or times.
        column: String,
        ratios: [f64; 3],
    },
    /// As `ratio`, for the rows of either label alone: each split has label 1 as often as the table. For labels that are rare.
    Stratified {
        ratios: [f64; 3],
        #[serde(default)]
        seed: u64,
    },
    /// Rows with the same value of a column, as those of a user, are in one split. Values are dealt out by the seed, so that
    /// the splits have about their shares of the rows.
    Group {
        column: String,
        ratios: [f64; 3],
        #[serde(default)]
        seed: u64,
    },
}

impl SplitSpec {
    /// Shares of rows where none are said.
    pub const DEFAULT_RATIOS: [f64; 3] = [0.8, 0.1, 0.1];

    /// The shares of rows, where they are said.
    pub fn ratios(&self) -> Option<[f64; 3]> {
        match self {
            Self::Column(_) => None,
            Self::Ratio { ratios, .. }
            | Self::Time { ratios, .. }
            | Self::Stratified { ratios, .. }
            | Self::Group { ratios, .. } => Some(*ratios),
        }
    }

    /// Reads `0.8,0.1,0.1`: the shares of train, valid and test.
    pub fn parse_ratios(text: &str) -> Result<[f64; 3], String> {
        let parts: Vec<f64> = text.split(',').filter_map(|part| part.trim().parse().ok()).collect();
        let ratios =
            <[f64; 3]>::try_from(parts).map_err(|_| "expected three shares, for example 0.8,0.1,0.1".to_owned())?;
        Self::check_ratios(ratios)
    }

    /// The shares as they are, if rows can be divided by them.
    pub fn check_ratios(ratios: [f64; 3]) -> Result<[f64; 3], String> {
        if ratios.iter().any(|r| *r <= 0.0) || (ratios.iter().sum::<f64>() - 1.0).abs() > 1e-9 {
            return Err("three shares above 0 that add up to 1, for example 0.8,0.1,0.1".to_owned());
        }
        Ok(ratios)
    }
}

impl Default for SplitSpec {
    fn default() -> Self {
        Self::Ratio { ratios: Self::DEFAULT_RATIOS, seed: 0 }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Vocabulary {
    /// Values seen in training rows have ids; any other becomes the field's unknown id.
    #[default]
    Train,
    /// Values of all rows have ids (the authors' choice); there is no unknown id.
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    Train,
    Valid,
    Test,
}

impl Split {
    pub const ALL: [Split; 3] = [Self::Train, Self::Valid, Self::Test];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Valid => "valid",
            Self::Test => "test",
        }
    }
}

/// A count for each split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct SplitCounts {
    pub train: u64,
    pub valid: u64,
    pub test: u64,
}

impl SplitCounts {
    pub fn total(self) -> u64 {
        self.train + self.valid + self.test
    }

    pub fn of(self, split: Split) -> u64 {
        match split {
            Split::Train => self.train,
            Split::Valid => self.valid,
            Split::Test => self.test,
        }
    }

    pub fn of_mut(&mut self, split: Split) -> &mut u64 {
        match split {
            Split::Train => &mut self.train,
            Split::Valid => &mut self.valid,
            Split::Test => &mut self.test,
        }
    }
}

/// What the models know of a dataset: the only interface between reading a table and training on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FeatureMap {
    /// The fields in the order of the columns of `ids`; F of them.
    pub fields: Vec<Field>,
    /// D_tot: rows of the one embedding table; every id is below it.
    pub total_cardinality: u32,
    /// Rows of each split.
    pub rows: SplitCounts,
    /// The label rule, as text.
    pub label: LabelRule,
    pub vocabulary: Vocabulary,
    /// What the times of rows are, where a column says them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<TimeColumn>,
}

impl FeatureMap {
    /// The global ids of each field.
    pub fn id_ranges(&self) -> Vec<Range<u32>> {
        self.fields.iter().map(|field| field.offset..field.offset + field.cardinality).collect()
    }
}

/// The column that says when a row happened, and what its encoded times count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TimeColumn {
    pub column: String,
    pub unit: TimeUnit,
}

/// What an encoded time counts. What is finer than the unit is rounded down, so the order of rows stays and two times differ
/// as much as in the table, to within one unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum TimeUnit {
    /// Microseconds since 1970 (UTC), of dates and times.
    Microseconds,
    /// The column's own numbers times 10^`exponent`: 9 where the largest number allows it, which keeps nine decimals; else as
    /// much as fits a 64-bit integer, down to -1.
    Number { exponent: i8 },
}

/// One field of the models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Field {
    /// The column's name, with `[k]` behind it for place k of a split multi-valued column.
    pub name: String,
    pub column: String,
    pub kind: FieldKind,
    /// Number of ids of this field, the unknown and padding ids included.
    pub cardinality: u32,
    /// The field's ids are `offset .. offset + cardinality`. Places of one split column share their range.
    pub offset: u32,
    /// The id (global) of values not in the vocabulary, where there is one.
    pub unknown: Option<u32>,
    /// The id (global) of an unused place of a split multi-valued column.
    pub padding: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum FieldKind {
    Category,
    /// Bucket b holds values v with `bounds[b-1] < v <= bounds[b]`.
    Quantile {
        bounds: Vec<f64>,
    },
    Log,
    /// Place `place` of a cell of several values.
    Multi {
        place: u32,
    },
}

/// What a table looks like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Profile {
    pub rows: SplitCounts,
    /// Rows with label 1.
    pub positives: SplitCounts,
    /// Rows of the training split whose fields equal an earlier training row's.
    pub duplicate_rows: u64,
    /// Rows of the training split with a twin (equal fields) of the opposite label.
    pub contradicting_rows: u64,
    /// Cells of the valid and test rows whose value no training row has, by field.
    pub unknown_cells: BTreeMap<String, u64>,
    /// Columns of the file, in order.
    pub columns: Vec<String>,
    /// What each column that is a field was read as. Empty for tables that were read by versions that did not keep it.
    #[serde(default)]
    pub fields: Vec<FieldReading>,
    /// The rows that could not be read and were left out.
    #[serde(default, skip_serializing_if = "SkippedRows::is_empty")]
    pub skipped: SkippedRows,
    /// What was found out of the table as a whole, and what may be wrong with it, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Columns that should perhaps be no fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<FieldWarning>,
    /// The files of a table of several, in the order of its rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartRows>,
    /// Bytes of the file as uploaded, or of all files together.
    pub bytes: u64,
    /// sha256 over the encoded content (ids, labels, splits, file order): the same rows give the same digest whatever
    /// file format they came in.
    pub digest: String,
}

impl Profile {
    /// Rows of the file, those that were left out among them: every row's position is below it.
    pub fn rows_of_file(&self) -> u64 {
        self.rows.total() + self.skipped.rows
    }
}

/// Which rows of a table one of its files has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartRows {
    /// Its path below the folder that all files are in.
    pub name: String,
    /// Number of its first row in the table, counted from 0.
    pub first_row: u64,
    pub rows: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_in_a_field_is_an_error_and_not_left_out() {
        let read = |json: &str| serde_json::from_str::<FieldSpec>(json).map(|field| field.column().to_owned());
        assert_eq!(read(r#""price""#).unwrap(), "price");
        assert_eq!(read(r#"{"column": "price", "numeric": "log"}"#).unwrap(), "price");
        for wrong in [r#"{"column": "price", "numerc": "log"}"#, r#"{"numeric": "log"}"#, "3"] {
            assert!(read(wrong).unwrap_err().to_string().contains("a field is a column's name"), "{wrong}");
        }
    }

    #[test]
    fn several_values_are_one_category_or_so_many_or_the_last_of_them() {
        let parse = |text: &str| MultiSpec::parse(text).map(|(_, multi)| multi).unwrap();
        let multi = |separator: &str, mode, max_values, longer| MultiSpec {
            separator: separator.to_owned(),
            mode,
            max_values,
            longer,
        };
        assert_eq!(parse("genres=|"), multi("|", MultiMode::Category, 1, LongCell::Error));
        assert_eq!(parse("genres=|:4"), multi("|", MultiMode::Split, 4, LongCell::Error));
        assert_eq!(parse("history=^:last:20"), multi("^", MultiMode::Split, 20, LongCell::KeepLast));
        assert_eq!(parse("history=\\x02:last:20"), multi("\u{2}", MultiMode::Split, 20, LongCell::KeepLast));
        assert_eq!(parse("history=:"), multi(":", MultiMode::Category, 1, LongCell::Error));
        assert!(MultiSpec::parse("genres").unwrap_err().contains("COLUMN=SEPARATOR:last:N"));
    }

    #[test]
    fn names_end_in_their_compression() {
        for (name, stem, compression) in [
            ("a.csv.gz", "a.csv", Some(Compression::Gzip)),
            ("a.jsonl.zstd", "a.jsonl", Some(Compression::Zstd)),
            ("a.csv.bz2", "a.csv", Some(Compression::Bzip2)),
            ("a.csv.xz", "a.csv", Some(Compression::Xz)),
            ("a.zip", "a", Some(Compression::Zip)),
            ("a.csv", "a.csv", None),
        ] {
            assert_eq!(Compression::divide_name(name), (stem, compression));
            assert!(
                compression.is_none_or(|own| ".zstd" == &name[stem.len()..] || own.ending() == &name[stem.len()..])
            );
        }
    }
}
