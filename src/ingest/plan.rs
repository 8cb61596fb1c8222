//! What each column of a table is for, settled before the first row is encoded.

use super::{
    draft::{Draft, Treatment},
    error::IngestError,
    limits::IngestLimits,
    progress::Ticker,
    sniff::settle_by_content,
    spill::{TIME_AT, TIME_BYTES},
    split::SplitPlan,
    table::Table,
    times::TimeSlot,
};
use crate::types::{Comparison, DatasetSpec, NumericSpec, Vocabulary};

/// How a table is encoded.
pub(super) struct Plan {
    pub columns: Vec<String>,
    pub label: usize,
    pub rule: Option<(Comparison, f64)>,
    pub split: SplitPlan,
    /// The columns of times: first the one that rows are split by, last the one that says when a row happened. They may be
    /// the same.
    pub times: Vec<TimeSlot>,
    pub vocabulary: Vocabulary,
    pub slots: Vec<Slot>,
    /// How many of the slots have a vocabulary.
    pub vocabularies: usize,
    /// Bytes of a spilled row.
    pub width: usize,
}

/// A column that becomes one field, or several.
pub(super) struct Slot {
    pub column: usize,
    pub kind: SlotKind,
    /// Where its codes or its number stand in a spilled row.
    pub at: usize,
}

/// How a column's cells are encoded; `vocabulary` is its number among the vocabularies.
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

    /// How many fields of the models it becomes.
    pub fn places(&self) -> usize {
        match self {
            Self::Multi { places, .. } => *places as usize,
            _ => 1,
        }
    }
}

impl Plan {
    /// Checks the spec against the table's columns, and looks at the first rows where they decide what a column is.
    pub fn new(table: &Table, limits: &IngestLimits, ticker: &mut Ticker) -> Result<Self, IngestError> {
        let Draft { label, split, time, fields } = Draft::new(table, limits)?;
        let fields = settle_by_content(fields, table, limits, ticker)?;
        Ok(Self::lay_out(table, label, split, time, fields))
    }

    /// Gives every field its vocabulary and its place in a spilled row.
    fn lay_out(
        table: &Table,
        label: usize,
        split: SplitPlan,
        time: Option<usize>,
        fields: Vec<(usize, Treatment)>,
    ) -> Self {
        let mut at = TIME_AT;
        let mut times = Vec::new();
        let split_time = split.time_column();
        for column in split_time.into_iter().chain(time.filter(|_| time != split_time)) {
            times.push(TimeSlot { column, at });
            at += TIME_BYTES;
        }
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
            times,
            vocabulary: *vocabulary,
            slots,
            vocabularies,
            width: at,
        }
    }

    /// Whether each column is read.
    pub fn needed(&self) -> Vec<bool> {
        let mut needed = vec![false; self.columns.len()];
        needed[self.label] = true;
        if let SplitPlan::Column(column) = self.split {
            needed[column] = true;
        }
        for time in &self.times {
            needed[time.column] = true;
        }
        for slot in &self.slots {
            needed[slot.column] = true;
        }
        needed
    }
}
