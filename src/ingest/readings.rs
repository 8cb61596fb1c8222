//! What each column is read as: what the spec says, else what its values show.

use super::{
    alone::Alone,
    error::IngestError,
    plan::{Plan, Slot, SlotKind},
    survey::Measure,
    suspects::suspect,
    values::Values,
};
use crate::types::{FeatureMap, FieldError, FieldReading, FieldWarning, NumericSpec, ReadAs, SplitCounts};

/// Refuses columns of which it cannot be told what they are.
pub(super) fn check(plan: &Plan, values: &[Values]) -> Result<(), IngestError> {
    let fault = |slot: &Slot| match slot.kind {
        SlotKind::ByContent { vocabulary, .. } => values[vocabulary].content.fault(&plan.columns[slot.column]),
        _ => None,
    };
    let faults: Vec<_> = plan.slots.iter().filter_map(fault).map(|rule| FieldError::new("/missing", rule)).collect();
    if faults.is_empty() { Ok(()) } else { Err(IngestError::fields(faults)) }
}

/// By slot.
pub(super) struct Readings {
    pub fields: Vec<FieldReading>,
    /// What may be wrong with columns whose values decided.
    pub notes: Vec<String>,
}

impl Readings {
    /// Settles what is left to the values. `missing` is by slot; `values` are by vocabulary.
    pub fn new(plan: &Plan, values: &[Values], missing: &[u64], rows: SplitCounts) -> Self {
        let reading = |(slot, missing): (&Slot, &u64)| {
            let found = slot.kind.vocabulary().map(|vocabulary| &values[vocabulary]);
            let (read_as, reason) = match (&slot.kind, found) {
                (SlotKind::ByContent { .. }, Some(values)) => {
                    let choice = values.choose(rows.total() - missing);
                    (if choice.measure { ReadAs::Quantile } else { ReadAs::Category }, Some(choice.reason))
                }
                (SlotKind::Category { .. } | SlotKind::ByContent { .. }, _) => (ReadAs::Category, None),
                (SlotKind::Quantile { .. }, _) => (ReadAs::Quantile, None),
                (SlotKind::Log { .. }, _) => (ReadAs::Log, None),
                (SlotKind::Multi { .. }, _) => (ReadAs::Multi, None),
            };
            FieldReading {
                column: plan.columns[slot.column].clone(),
                read_as,
                reason,
                values: found.filter(|values| !values.direct).map(|values| values.known() as u64),
                missing: *missing,
                examples: found.map(Values::examples).unwrap_or_default(),
                auc: None,
                drift: None,
            }
        };
        let fields = plan.slots.iter().zip(missing).map(reading).collect();
        let note = |slot: &Slot| match slot.kind {
            SlotKind::ByContent { vocabulary, .. } => {
                let (values, column) = (&values[vocabulary], &plan.columns[slot.column]);
                values.content.note(column).or_else(|| values.lookalikes.note(column))
            }
            _ => None,
        };
        Self { fields, notes: plan.slots.iter().filter_map(note).collect() }
    }

    /// Adds how well each field alone tells the label and how it drifts, and returns which should perhaps be no fields. `unknown` is by field of the
    /// map: cells of valid and test rows whose value no training row has.
    pub fn judge(&mut self, map: &FeatureMap, alone: &Alone, unknown: &[u64]) -> Vec<FieldWarning> {
        let held_out = map.rows.valid + map.rows.test;
        let judge = |reading: &mut FieldReading| {
            let fields = map.fields.iter().zip(unknown).enumerate();
            let fields = fields.filter(|(_, (field, _))| field.column == reading.column);
            // Of several places the one with most values that no training row has, which is the fullest.
            let (at, (field, unknown)) = fields.max_by_key(|(_, (_, unknown))| **unknown)?;
            reading.auc = alone.auc(field);
            reading.drift = alone.drift(field);
            let unseen = alone.unseen(at).max(*unknown as f64 / held_out.max(1) as f64);
            suspect(reading, map.rows, unseen)
        };
        self.fields.iter_mut().filter_map(judge).collect()
    }

    /// The slots whose numbers go into buckets.
    pub fn measures(&self, plan: &Plan, values: &[Values]) -> Vec<Option<Measure>> {
        let measure = |(slot, field): (&Slot, &FieldReading)| match slot.kind {
            SlotKind::Quantile { buckets } => Some(Measure { buckets, numbers: Vec::new() }),
            SlotKind::ByContent { vocabulary, .. } if field.read_as == ReadAs::Quantile => {
                let numbers = values[vocabulary].numbers(&plan.missing);
                Some(Measure { buckets: NumericSpec::DEFAULT_BUCKETS, numbers })
            }
            _ => None,
        };
        plan.slots.iter().zip(&self.fields).map(measure).collect()
    }
}
