//! What reading a table found of its columns.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A column that is a field, as it was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FieldReading {
    pub column: String,
    pub read_as: ReadAs,
    /// Why, where the column's values decided and not the spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Different values in all rows. Absent for numbers whose values were not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<u64>,
    /// Rows without a value.
    pub missing: u64,
    /// The first different values in the table. Empty for numbers whose values were not kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<String>,
    /// AUC of the field alone: of the share of label 1 that its values have among training rows, on validation rows. From a sample
    /// of a large table; absent for several values in a cell, and where there are fewer than ten rows of a label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auc: Option<f64>,
    /// Share of the test rows that would need another value for them to have its values as often as training rows do, less what
    /// chance explains. From a sample of a large table; absent where there are fewer than ten rows of a split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<f64>,
}

/// A column that should perhaps be no field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldWarning {
    pub column: String,
    pub suspicion: Suspicion,
    /// What was seen, and what to do.
    pub message: String,
}

/// Why a column should be no field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Suspicion {
    /// It alone tells the label nearly always.
    GivesLabelAway,
    /// It has no name of its own.
    Unnamed,
    /// It names rows, as an id of a request or a time does.
    DifferentOnEveryRow,
    /// It has one value.
    Constant,
    /// Valid and test rows have other values than training rows.
    UnseenInTraining,
}

/// How a column's cells became ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReadAs {
    /// Each value is a category.
    Category,
    /// Numbers, in buckets of about equal numbers of training rows.
    Quantile,
    /// Numbers, in buckets by their logarithm.
    Log,
    /// Several values in a cell.
    Multi,
}

impl ReadAs {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Category => "category",
            Self::Quantile => "numbers in buckets",
            Self::Log => "numbers in buckets of their logarithm",
            Self::Multi => "several values",
        }
    }
}
