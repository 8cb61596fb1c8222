//! What each column of a table is for, settled before the first row is encoded: the spec and the columns in, every
//! mistake in the spec out at once.

use super::{
    IngestLimits,
    batch::{BATCH_ROWS, Batch},
    cell,
    error::{IngestError, ReadError},
    pipeline::Ticker,
    table::{SNIFF_ROWS, Table},
};
use crate::types::{
    Comparison, DatasetSpec, FieldError, FieldSpec, MultiMode, MultiSpec, NumericSpec, SplitSpec, Vocabulary,
};
use std::collections::{HashMap, HashSet};

/// Buckets of a column found to be numeric.
const DEFAULT_BUCKETS: u32 = 32;
const MAX_PLACES: u32 = 256;

/// Where split and time key stand in a spilled row, behind the label.
pub(super) const SPLIT_AT: usize = 1;
pub(super) const TIME_AT: usize = 2;

pub(super) struct Plan {
    pub columns: Vec<String>,
    pub label: usize,
    pub rule: Option<(Comparison, f64)>,
    pub split: SplitPlan,
    pub vocabulary: Vocabulary,
    pub slots: Vec<Slot>,
    /// How many of the slots have a vocabulary.
    pub vocabularies: usize,
    /// Bytes of a spilled row.
    pub width: usize,
}

#[derive(Clone, Copy)]
pub(super) enum SplitPlan {
    Column(usize),
    Ratio { ratios: [f64; 3], seed: u64 },
    Time { column: usize, ratios: [f64; 3] },
}

/// A column that is a field, or several.
pub(super) struct Slot {
    pub column: usize,
    pub kind: SlotKind,
    /// Where its codes or its number stand in a spilled row.
    pub at: usize,
}

pub(super) enum SlotKind {
    Category { vocabulary: usize },
    Log { vocabulary: usize },
    Quantile { buckets: u32 },
    Multi { vocabulary: usize, separator: String, places: u32 },
}

impl SlotKind {
    pub fn vocabulary(&self) -> Option<usize> {
        match self {
            Self::Category { vocabulary } | Self::Log { vocabulary } | Self::Multi { vocabulary, .. } => {
                Some(*vocabulary)
            }
            Self::Quantile { .. } => None,
        }
    }

    /// Fields of the models it becomes.
    pub fn places(&self) -> usize {
        match self {
            Self::Multi { places, .. } => *places as usize,
            _ => 1,
        }
    }
}

/// How a field of the spec is treated, before the rows were looked at.
enum Treatment {
    ByContent,
    Category,
    Numeric(NumericSpec),
    Split(MultiSpec),
}

impl Plan {
    pub fn new(table: &Table, limits: &IngestLimits, ticker: &mut Ticker) -> Result<Self, IngestError> {
        let mut draft = Draft { table, errors: Vec::new() };
        draft.check_columns();
        let label = draft.column("/label", &table.spec.label.column);
        let split = draft.split();
        let fields = draft.fields(label, split);
        draft.check_places(&fields, limits);
        if !draft.errors.is_empty() {
            return Err(IngestError::fields(draft.errors));
        }
        let (Some(label), Some(split)) = (label, split) else {
            return Err(IngestError::field("/label", "name a column of the table"));
        };
        let fields = by_content(fields, table, limits, ticker)?;
        Ok(Self::lay_out(table, label, split, fields))
    }

    fn lay_out(table: &Table, label: usize, split: SplitPlan, fields: Vec<(usize, Treatment)>) -> Self {
        let mut at = TIME_AT + if matches!(split, SplitPlan::Time { .. }) { 16 } else { 0 };
        let mut vocabularies = 0;
        let mut next = || {
            vocabularies += 1;
            vocabularies - 1
        };
        let mut slots = Vec::with_capacity(fields.len());
        for (column, treatment) in fields {
            let kind = match treatment {
                Treatment::Numeric(NumericSpec::Quantile { buckets }) => SlotKind::Quantile { buckets },
                Treatment::Numeric(NumericSpec::Log) => SlotKind::Log { vocabulary: next() },
                Treatment::Split(multi) => {
                    SlotKind::Multi { vocabulary: next(), separator: multi.separator, places: multi.max_values }
                }
                Treatment::Category | Treatment::ByContent => SlotKind::Category { vocabulary: next() },
            };
            let width = if let SlotKind::Quantile { .. } = kind { 8 } else { 4 * kind.places() };
            slots.push(Slot { column, kind, at });
            at += width;
        }
        let DatasetSpec { label: rule, vocabulary, .. } = &table.spec;
        Self {
            columns: table.columns.clone(),
            label,
            rule: rule.rule,
            split,
            vocabulary: *vocabulary,
            slots,
            vocabularies,
            width: at,
        }
    }

    /// The columns that are read.
    pub fn needed(&self) -> Vec<bool> {
        let mut needed = vec![false; self.columns.len()];
        needed[self.label] = true;
        if let SplitPlan::Column(column) | SplitPlan::Time { column, .. } = self.split {
            needed[column] = true;
        }
        for slot in &self.slots {
            needed[slot.column] = true;
        }
        needed
    }
}

struct Draft<'a> {
    table: &'a Table<'a>,
    errors: Vec<FieldError>,
}

impl Draft<'_> {
    fn error(&mut self, pointer: impl Into<String>, rule: impl Into<String>) {
        self.errors.push(FieldError::new(pointer, rule));
    }

    fn check_columns(&mut self) {
        let mut seen = HashMap::new();
        for (position, name) in self.table.columns.iter().enumerate() {
            if let Some(first) = seen.insert(name, position) {
                let pointer = if self.table.spec.columns.is_some() { "/columns" } else { "" };
                let rule = format!(
                    "columns {} and {} are both named `{name}`; give each column a name of its own",
                    first + 1,
                    position + 1
                );
                self.errors.push(FieldError::new(pointer, rule));
            }
        }
    }

    /// The position of the column named at `pointer`.
    fn column(&mut self, pointer: &str, name: &str) -> Option<usize> {
        let columns = &self.table.columns;
        let Some(position) = columns.iter().position(|column| column == name) else {
            let near = columns
                .iter()
                .map(|column| (strsim::damerau_levenshtein(&column.to_lowercase(), &name.to_lowercase()), column))
                .filter(|(distance, _)| *distance <= (name.chars().count() / 3).max(1))
                .min_by_key(|(distance, _)| *distance);
            let guess = near.map_or_else(String::new, |(_, column)| format!("did you mean `{column}`? "));
            let some: Vec<_> = columns.iter().take(50).map(|column| format!("`{column}`")).collect();
            let more = if columns.len() > 50 { ", …" } else { "" };
            self.error(pointer, format!("no column `{name}`; {guess}the columns are {}{more}", some.join(", ")));
            return None;
        };
        if let Some(rule) = &self.table.unusable[position] {
            self.error(pointer, format!("column `{name}`: {rule}"));
            return None;
        }
        Some(position)
    }

    fn split(&mut self) -> Option<SplitPlan> {
        match &self.table.spec.split {
            SplitSpec::Column(column) => self.column("/split/column", column).map(SplitPlan::Column),
            SplitSpec::Ratio { ratios, seed } => {
                self.check_ratios("/split/ratio/ratios", ratios);
                Some(SplitPlan::Ratio { ratios: *ratios, seed: *seed })
            }
            SplitSpec::Time { column, ratios } => {
                self.check_ratios("/split/time/ratios", ratios);
                let column = self.column("/split/time/column", column)?;
                Some(SplitPlan::Time { column, ratios: *ratios })
            }
        }
    }

    fn check_ratios(&mut self, pointer: &str, ratios: &[f64; 3]) {
        // Not above 0 also holds for NaN.
        let positive = ratios.iter().all(|ratio| *ratio > 0.0);
        if !positive || (ratios.iter().sum::<f64>() - 1.0).abs() > 1e-9 {
            self.error(pointer, "three shares above 0 that add up to 1, for example [0.8, 0.1, 0.1]");
        }
    }

    /// The columns that are fields, in order, with their treatment.
    fn fields(&mut self, label: Option<usize>, split: Option<SplitPlan>) -> Vec<(usize, Treatment)> {
        let spec = &self.table.spec;
        let split_column = match split {
            Some(SplitPlan::Column(column) | SplitPlan::Time { column, .. }) => Some(column),
            _ => None,
        };
        let Some(named) = &spec.fields else {
            let mut left_out: HashSet<usize> = label.into_iter().chain(split_column).collect();
            for (place, name) in spec.exclude.iter().enumerate() {
                // A column that cannot be read may be excluded: that is the way out.
                if let Some(position) = self.table.columns.iter().position(|column| column == name) {
                    left_out.insert(position);
                } else {
                    self.column(&format!("/exclude/{place}"), name);
                }
            }
            let fields: Vec<_> = (0..self.table.columns.len()).filter(|column| !left_out.contains(column)).collect();
            for &column in &fields {
                if let Some(rule) = &self.table.unusable[column] {
                    let name = &self.table.columns[column];
                    self.errors.push(FieldError::new("/exclude", format!("column `{name}`: {rule}; exclude it")));
                }
            }
            if fields.is_empty() {
                self.error("", "no column is left to be a field; a model needs at least one besides label and split");
            }
            return fields.into_iter().map(|column| (column, Treatment::ByContent)).collect();
        };
        if !spec.exclude.is_empty() {
            self.error("/exclude", "only where `fields` is absent; a column that `fields` does not name is no field");
        }
        if named.is_empty() {
            self.error("/fields", "name at least one column, or leave `fields` out to take all");
        }
        let mut fields = Vec::with_capacity(named.len());
        let mut seen = HashSet::new();
        for (place, field) in named.iter().enumerate() {
            let pointer = format!("/fields/{place}");
            let Some(column) = self.column(&pointer, field.column()) else { continue };
            if Some(column) == label {
                self.error(&pointer, format!("`{}` is the label; a field would give it away", field.column()));
            } else if matches!(split, Some(SplitPlan::Column(split)) if split == column) {
                self.error(&pointer, format!("`{}` says the split and cannot be a field", field.column()));
            } else if !seen.insert(column) {
                self.error(&pointer, format!("column `{}` is a field already", field.column()));
            }
            if let Some(treatment) = self.treatment(&pointer, field) {
                fields.push((column, treatment));
            }
        }
        fields
    }

    fn treatment(&mut self, pointer: &str, field: &FieldSpec) -> Option<Treatment> {
        let FieldSpec::Full { numeric, multi, .. } = field else { return Some(Treatment::ByContent) };
        match (numeric, multi) {
            (Some(_), Some(_)) => {
                self.error(pointer, "`numeric` or `multi`, not both");
                None
            }
            (None, None) => Some(Treatment::Category),
            (Some(NumericSpec::Quantile { buckets }), None) if !(2..=1000).contains(buckets) => {
                self.error(format!("{pointer}/numeric/quantile/buckets"), "2 to 1000");
                None
            }
            (Some(numeric), None) => Some(Treatment::Numeric(numeric.clone())),
            (None, Some(multi)) => {
                if multi.separator.is_empty() {
                    self.error(format!("{pointer}/multi/separator"), "at least one character, for example `|`");
                    return None;
                }
                if multi.mode == MultiMode::Category {
                    return Some(Treatment::Category);
                }
                if !(1..=MAX_PLACES).contains(&multi.max_values) {
                    self.error(format!("{pointer}/multi/max_values"), format!("1 to {MAX_PLACES}"));
                    return None;
                }
                Some(Treatment::Split(multi.clone()))
            }
        }
    }

    fn check_places(&mut self, fields: &[(usize, Treatment)], limits: &IngestLimits) {
        let places = |treatment: &Treatment| match treatment {
            Treatment::Split(multi) => multi.max_values as usize,
            _ => 1,
        };
        let total: usize = fields.iter().map(|(_, treatment)| places(treatment)).sum();
        if total > limits.max_fields {
            self.error("/fields", format!("{total} fields; this service trains on at most {}", limits.max_fields));
        }
    }
}

/// Settles the columns treated by content: decimal numbers are numeric, anything else is a category.
///
/// Integers alone make a category, for most integers of a click table are ids.
fn by_content(
    fields: Vec<(usize, Treatment)>,
    table: &Table,
    limits: &IngestLimits,
    ticker: &mut Ticker,
) -> Result<Vec<(usize, Treatment)>, IngestError> {
    struct Seen {
        numbers_only: bool,
        decimal: bool,
    }
    let mut seen: Vec<Option<Seen>> = (0..table.columns.len()).map(|_| None).collect();
    let mut needed = vec![false; table.columns.len()];
    for (column, treatment) in &fields {
        if matches!(treatment, Treatment::ByContent) {
            seen[*column] = Some(Seen { numbers_only: true, decimal: false });
            needed[*column] = true;
        }
    }
    if !needed.contains(&true) {
        return Ok(fields);
    }
    let mut rows = table.rows(&needed, limits)?;
    let (mut batch, mut left, mut more) = (Batch::default(), SNIFF_ROWS as usize, true);
    while more && left > 0 {
        ticker.tick()?;
        more = match rows.fill(&mut batch, left.min(BATCH_ROWS)) {
            Ok(more) => more,
            // What stops the reader here stops the reading proper too, which reports it with its row.
            Err(ReadError::Content(_)) => false,
            Err(error) => return Err(error.at_start(table.path)),
        };
        left -= batch.rows.len();
        for row in 0..batch.rows.len() {
            for (cell, seen) in batch.cells(row).iter().zip(&mut seen) {
                let cell = cell.of(&batch.text);
                if let Some(seen) = seen
                    && seen.numbers_only
                    && !cell.is_empty()
                {
                    seen.numbers_only = cell::number(cell).is_some();
                    seen.decimal |= cell.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E'));
                }
            }
        }
    }
    let settle = |(column, treatment): (usize, Treatment)| match &seen[column] {
        Some(Seen { numbers_only: true, decimal: true }) => {
            (column, Treatment::Numeric(NumericSpec::Quantile { buckets: DEFAULT_BUCKETS }))
        }
        _ => (column, treatment),
    };
    Ok(fields.into_iter().map(settle).collect())
}
