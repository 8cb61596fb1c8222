//! The rows whose labels count in a verdict.

use crate::ingest::{Dataset, DatasetError, IngestError, ReadColumn};
use crate::metrics::Platt;
use crate::types::{FieldKind, RowRule, Split};

#[derive(Debug, thiserror::Error)]
pub enum TrustedError {
    #[error("`trusted` cannot be read from the table: {0}")]
    Column(#[from] IngestError),
    #[error("no test row is trusted by `{rule}`, so there is nothing to judge by")]
    NoRows { rule: String },
    #[error(transparent)]
    Dataset(#[from] DatasetError),
}

/// Rows that a rule trusts: their places within the split, ascending.
#[derive(Clone)]
pub(super) struct Trusted {
    pub test: Vec<u32>,
    /// Models are recalibrated on these, as the labels of the others may be what shifts predictions.
    pub valid: Vec<u32>,
}

impl Trusted {
    /// What a category says is kept with the dataset; any other column is read from the table.
    pub fn find(dataset: &Dataset, rule: &RowRule, read_column: &ReadColumn) -> Result<Self, TrustedError> {
        let fields = &dataset.feature_map.fields;
        let trusted = match fields.iter().position(|field| field.name == rule.field) {
            Some(at) if fields[at].kind == FieldKind::Category => Self {
                test: find_by_category(dataset, rule, Split::Test, at)?,
                valid: find_by_category(dataset, rule, Split::Valid, at)?,
            },
            field => find_by_column(dataset, rule, field.map_or(&rule.field, |at| &fields[at].column), read_column)?,
        };
        if trusted.test.is_empty() { Err(TrustedError::NoRows { rule: rule.to_string() }) } else { Ok(trusted) }
    }
}

/// How a model's logits `[n]` of the validation rows are to be recalibrated: on those that are trusted, where any is, else on
/// those that count (absent: all).
pub(super) fn recalibration(
    trusted: Option<&Trusted>,
    counted: Option<&[u32]>,
    logits: &[f32],
    labels: &[u8],
) -> Platt {
    let row = |row: usize| (logits[row], labels[row], 1.0);
    match trusted.map(|trusted| &trusted.valid[..]).filter(|rows| !rows.is_empty()).or(counted) {
        Some(rows) => Platt::fit(rows.iter().map(|place| row(*place as usize))),
        None => Platt::fit((0..labels.len()).map(row)),
    }
}

fn find_by_category(dataset: &Dataset, rule: &RowRule, split: Split, at: usize) -> Result<Vec<u32>, DatasetError> {
    let ids = || dataset.split(split).ids.iter().skip(at).step_by(dataset.fields()).map(|id| *id as u32);
    let mut values = dataset.values(&ids().collect())?;
    // An id without a value is of many values, and is not trusted.
    values.retain(|_, value| rule.holds(value));
    Ok((0..).zip(ids()).filter(|(_, id)| values.contains_key(id)).map(|(row, _)| row).collect())
}

/// Reads the table once.
fn find_by_column(
    dataset: &Dataset,
    rule: &RowRule,
    column: &str,
    read_column: &ReadColumn,
) -> Result<Trusted, IngestError> {
    let mut trusted = Vec::new();
    read_column(column, &mut |position, cell| trusted.extend(rule.holds(cell).then_some(position)))?;
    let places = |split| {
        let own_rows = (0..).zip(dataset.split(split).rows);
        own_rows.filter(|(_, position)| trusted.binary_search(position).is_ok()).map(|(place, _)| place).collect()
    };
    Ok(Trusted { test: places(Split::Test), valid: places(Split::Valid) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_recalibrated_on_trusted_rows_alone() {
        // The odd rows have their labels turned round.
        let logits: Vec<f32> = (0..400).map(|row| (row / 2) as f32 / 50.0 - 2.0).collect();
        let labels: Vec<u8> = (0..400).map(|row| u8::from((row / 2 * 7 % 200 < row / 2) != (row % 2 == 1))).collect();
        let fit = |trusted: Option<&Trusted>| recalibration(trusted, None, &logits, &labels).a;
        let even = Trusted { test: Vec::new(), valid: (0..400).step_by(2).collect() };
        let places: Vec<u32> = even.valid.clone();
        assert_eq!(recalibration(None, Some(&places), &logits, &labels).a, fit(Some(&even)));
        assert!(fit(Some(&even)) > 0.5 && fit(None).abs() < 0.1, "{} {}", fit(Some(&even)), fit(None));
        let none = Trusted { test: Vec::new(), valid: Vec::new() };
        assert_eq!(fit(Some(&none)), fit(None), "where no validation row is trusted, all are used");
    }
}
