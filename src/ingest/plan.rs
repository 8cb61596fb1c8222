//! What each column of a table is for, settled before the first row is encoded.

use super::{
    draft::{Draft, Treatment},
    error::IngestError,
    limits::IngestLimits,
    missing::Missing,
    progress::Ticker,
    sniff::find_decimals,
    spill::{GROUP_AT, GROUP_BYTES, TIME_AT, TIME_BYTES},
    split::SplitPlan,
    table::Table,
    times::TimeSlot,
};
use crate::types::{DatasetSpec, LabelTest, LongCell, NumericSpec, OnBadRow, Vocabulary};

/// How a table is encoded.
pub(super) struct Plan {
    pub columns: Vec<String>,
    pub label: usize,
    pub rule: Option<LabelTest>,
    pub split: SplitPlan,
    /// The columns of times: first the one that rows are split by, last the one that says when a row happened. They may be
    /// the same.
    pub times: Vec<TimeSlot>,
    /// The column whose rows of one value are in one split.
    pub group: Option<usize>,
    pub vocabulary: Vocabulary,
    pub missing: Missing,
    pub on_bad_row: OnBadRow,
    /// The most bad rows that are left out, where the spec says it.
    pub max_bad_rows: Option<u64>,
    /// The column that must be empty, where every row ends with a separator.
    pub empty_end: Option<usize>,
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
    Category {
        vocabulary: usize,
    },
    /// Codes, which all rows will show to be of a category or of a measure. `wide`: a code or a number, because there may be
    /// more numbers than memory for codes.
    ByContent {
        vocabulary: usize,
        wide: bool,
    },
    Log {
        vocabulary: usize,
    },
    Quantile {
        buckets: u32,
    },
    Multi {
        vocabulary: usize,
        separator: String,
        places: u32,
        /// Whether the last values of a cell with more are kept; else it is an error.
        keep_last: bool,
    },
}

impl SlotKind {
    pub fn vocabulary(&self) -> Option<usize> {
        match self {
            Self::Category { vocabulary }
            | Self::ByContent { vocabulary, .. }
            | Self::Log { vocabulary }
            | Self::Multi { vocabulary, .. } => Some(*vocabulary),
            Self::Quantile { .. } => None,
        }
    }

    /// Bytes of what a cell becomes in a spilled row.
    fn width(&self) -> usize {
        match self {
            Self::Quantile { .. } | Self::ByContent { wide: true, .. } => 8,
            _ => 4 * self.places(),
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
    /// Checks the spec against the table's columns, and looks at the first rows for columns that need more room.
    pub fn new(table: &Table, limits: &IngestLimits, ticker: &mut Ticker) -> Result<Self, IngestError> {
        let Draft { label, split, time, fields } = Draft::new(table, limits)?;
        let missing = Missing::new(&table.spec.missing);
        let wide = find_decimals(&fields, table, &missing, limits, ticker)?;
        Ok(Self::lay_out(table, label, split, time, fields, missing, &wide))
    }

    /// Gives every field its vocabulary and its place in a spilled row.
    fn lay_out(
        table: &Table,
        label: usize,
        split: SplitPlan,
        time: Option<usize>,
        fields: Vec<(usize, Treatment)>,
        missing: Missing,
        wide: &[bool],
    ) -> Self {
        let group = split.group_column();
        let mut at = if group.is_some() { GROUP_AT + GROUP_BYTES } else { TIME_AT };
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
                Treatment::Split(multi) => SlotKind::Multi {
                    vocabulary: next(),
                    separator: multi.separator,
                    places: multi.max_values,
                    keep_last: multi.longer == LongCell::KeepLast,
                },
                Treatment::Category => SlotKind::Category { vocabulary: next() },
                Treatment::ByContent => SlotKind::ByContent { vocabulary: next(), wide: wide[column] },
            };
            let width = kind.width();
            slots.push(Slot { column, kind, at });
            at += width;
        }
        let DatasetSpec { label: rule, vocabulary, on_bad_row, max_bad_rows, .. } = &table.spec;
        Self {
            columns: table.columns.clone(),
            label,
            rule: rule.rule.clone(),
            split,
            times,
            group,
            vocabulary: *vocabulary,
            missing,
            on_bad_row: *on_bad_row,
            max_bad_rows: *max_bad_rows,
            empty_end: table.empty_end(),
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
        if let Some(group) = self.group {
            needed[group] = true;
        }
        for slot in &self.slots {
            needed[slot.column] = true;
        }
        needed
    }
}
