//! The test rows whose labels count in a verdict.

use crate::ingest::{Dataset, DatasetError};
use crate::types::{FieldKind, RowRule, Split};

#[derive(Debug, thiserror::Error)]
pub enum TrustedError {
    #[error(
        "`trusted` names the field `{field}`, whose values are not kept as they stand in the table; it must be a category"
    )]
    NoCategory { field: String },
    #[error("no test row is trusted by `{rule}`, so there is nothing to judge by")]
    NoRows { rule: String },
    #[error(transparent)]
    Dataset(#[from] DatasetError),
}

/// Places of the test rows that a rule trusts, ascending.
pub(super) fn find_trusted(dataset: &Dataset, rule: &RowRule) -> Result<Vec<u32>, TrustedError> {
    let of_rule = |(_, field): &(usize, &crate::types::Field)| field.name == rule.field;
    let found = dataset.feature_map.fields.iter().enumerate().find(of_rule);
    let category = found.filter(|(_, field)| matches!(field.kind, FieldKind::Category));
    let Some((at, _)) = category else { return Err(TrustedError::NoCategory { field: rule.field.clone() }) };
    let ids = || dataset.split(Split::Test).ids.iter().skip(at).step_by(dataset.fields()).map(|id| *id as u32);
    let mut values = dataset.values(&ids().collect())?;
    // An id without a value is of many values, and is not trusted.
    values.retain(|_, value| rule.holds(value));
    let rows: Vec<u32> = (0..).zip(ids()).filter(|(_, id)| values.contains_key(id)).map(|(row, _)| row).collect();
    if rows.is_empty() { Err(TrustedError::NoRows { rule: rule.to_string() }) } else { Ok(rows) }
}
