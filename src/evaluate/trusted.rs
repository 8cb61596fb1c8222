//! The test rows whose labels count in a verdict.

use crate::ingest::{Dataset, DatasetError, IngestError, ReadColumn};
use crate::types::{Field, FieldKind, RowRule, Split};

#[derive(Debug, thiserror::Error)]
pub enum TrustedError {
    #[error("`trusted` cannot be read from the table: {0}")]
    Column(#[from] IngestError),
    #[error("no test row is trusted by `{rule}`, so there is nothing to judge by")]
    NoRows { rule: String },
    #[error(transparent)]
    Dataset(#[from] DatasetError),
}

/// Places of the test rows that a rule trusts, ascending. What a category says is kept with the dataset; any other column is
/// read from the table.
pub(super) fn find_trusted(
    dataset: &Dataset,
    rule: &RowRule,
    read_column: &ReadColumn,
) -> Result<Vec<u32>, TrustedError> {
    let fields = dataset.feature_map.fields.iter();
    let category = |field: &Field| field.name == rule.field && matches!(field.kind, FieldKind::Category);
    let rows = match fields.clone().position(category) {
        Some(at) => find_by_category(dataset, rule, at)?,
        None => {
            let field = fields.clone().find(|field| field.name == rule.field);
            find_by_column(dataset, rule, field.map_or(&rule.field, |field| &field.column), read_column)?
        }
    };
    if rows.is_empty() { Err(TrustedError::NoRows { rule: rule.to_string() }) } else { Ok(rows) }
}

fn find_by_category(dataset: &Dataset, rule: &RowRule, at: usize) -> Result<Vec<u32>, DatasetError> {
    let ids = || dataset.split(Split::Test).ids.iter().skip(at).step_by(dataset.fields()).map(|id| *id as u32);
    let mut values = dataset.values(&ids().collect())?;
    // An id without a value is of many values, and is not trusted.
    values.retain(|_, value| rule.holds(value));
    Ok((0..).zip(ids()).filter(|(_, id)| values.contains_key(id)).map(|(row, _)| row).collect())
}

fn find_by_column(
    dataset: &Dataset,
    rule: &RowRule,
    column: &str,
    read_column: &ReadColumn,
) -> Result<Vec<u32>, IngestError> {
    // Test rows are in the order of the table, as what is read is.
    let mut tested = (0..).zip(dataset.split(Split::Test).rows).peekable();
    let mut rows = Vec::new();
    read_column(column, &mut |position, cell| {
        if let Some((row, _)) = tested.next_if(|(_, own)| **own == position)
            && rule.holds(cell)
        {
            rows.push(row);
        }
    })?;
    Ok(rows)
}
