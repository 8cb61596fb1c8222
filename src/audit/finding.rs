//! What was found, and what is to be done about it.

pub use crate::types::Corruption;

/// One kind of corruption in one place of the table.
#[derive(Debug, Clone)]
pub struct Finding {
    pub kind: Corruption,
    /// Names of the fields whose values, or cells of values, it is about. Empty for repeated rows, and for a window of time
    /// of all rows.
    pub fields: Vec<String>,
    /// The values, those of most rows first.
    pub values: Vec<FoundValue>,
    /// How sure it is: a log-likelihood ratio in nats, against the best honest explanation.
    pub evidence: f64,
    /// A number that says how labels are off: the slope on what was expected (values), the share of labels turned (one
    /// side), or of rows that do not belong (strangers).
    pub strength: f64,
    /// First and last moment, where it is a window of time.
    pub window: Option<[i64; 2]>,
    /// Training rows, ascending, and what is to be done with each.
    pub remedies: Vec<(u32, Remedy)>,
    /// Validation rows of the same place, ascending. Their labels say nothing of whether a remedy helps.
    pub valid: Vec<u32>,
}

/// A value, or one of each of two fields, and its training rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundValue {
    /// Global ids.
    pub ids: Vec<u32>,
    pub rows: u32,
}

/// What is done with a training row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Remedy {
    Drop,
    /// The probability that its label is 1.
    Target(f32),
    /// It weighs less.
    Weight(f32),
}

impl Finding {
    /// Rows that are treated.
    pub fn rows(&self) -> usize {
        self.remedies.len()
    }
}
