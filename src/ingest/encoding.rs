//! How codes and numbers become ids, and what the fields are called in the feature map.
//!
//! The ids of a field are one range: first the padding id (split columns), then the values in order of first appearance
//! (among training rows; among all rows for `vocabulary: all`), then the unknown id. A numeric field has its buckets and
//! then the id of empty cells. All places of a split column share one range.

use super::{
    plan::{Plan, SlotKind},
    quantile::bucket,
    spill::{read_code, read_float},
    survey::{Ranks, UNSEEN},
};
use crate::types::{FeatureMap, Field, FieldKind, LabelRule, SplitCounts, TimeColumn, Vocabulary as VocabularyRows};

/// How a slot's codes or numbers become ids.
pub(super) struct Encoding {
    offset: u32,
    cardinality: u32,
    unknown: Option<u32>,
    padding: Option<u32>,
    values: Values,
}

enum Values {
    /// Upper bounds of the buckets.
    Bounds(Vec<f64>),
    Ids {
        /// The id of each code, with `NO_TRAINING_ROW` set where no training row has the code's value.
        ids: Vec<u32>,
        /// Whether every code has an id of its own, also those of values that no training row has.
        by_code: bool,
    },
}

/// A bit that is free in every id, because ids are i32.
const NO_TRAINING_ROW: u32 = 1 << 31;

impl Encoding {
    /// The encoding of each slot of the plan. `ranks` is by vocabulary, `bounds` by slot.
    pub fn for_plan(plan: &Plan, ranks: Vec<Ranks>, bounds: Vec<Vec<f64>>) -> Vec<Self> {
        let mut ranks: Vec<_> = ranks.into_iter().map(Some).collect();
        let mut offset = 0;
        let mut encodings = Vec::with_capacity(plan.slots.len());
        for (slot, bounds) in plan.slots.iter().zip(bounds) {
            let encoding = match slot.kind.vocabulary() {
                None => Self::from_bounds(offset, bounds),
                Some(vocabulary) => {
                    let ranks = ranks[vocabulary].take().unwrap_or_default();
                    let padded = matches!(slot.kind, SlotKind::Multi { .. });
                    Self::from_ranks(offset, ranks, padded, plan.vocabulary == VocabularyRows::All)
                }
            };
            offset += encoding.cardinality;
            encodings.push(encoding);
        }
        encodings
    }

    fn from_bounds(offset: u32, bounds: Vec<f64>) -> Self {
        let cardinality = bounds.len() as u32 + 2;
        Self { offset, cardinality, unknown: None, padding: None, values: Values::Bounds(bounds) }
    }

    fn from_ranks(offset: u32, ranks: Ranks, padded: bool, by_code: bool) -> Self {
        let Ranks { by_code: mut ids, seen } = ranks;
        let padding = padded.then_some(offset);
        let first = offset + u32::from(padded);
        let end = first + if by_code { ids.len() as u32 } else { seen };
        let unknown = (!by_code).then_some(end);
        for (code, id) in (0..).zip(&mut ids) {
            *id = match *id {
                UNSEEN => unknown.unwrap_or(first + code) | NO_TRAINING_ROW,
                _ if by_code => first + code,
                rank => first + rank,
            };
        }
        let cardinality = end + u32::from(unknown.is_some()) - offset;
        Self { offset, cardinality, unknown, padding, values: Values::Ids { ids, by_code } }
    }

    /// The id of what stands at `at` of a spilled row, and whether no training row has its value.
    pub fn id(&self, record: &[u8], at: usize) -> (u32, bool) {
        match &self.values {
            Values::Bounds(bounds) => {
                let number = read_float(record, at);
                let local = if number.is_nan() { bounds.len() as u32 + 1 } else { bucket(bounds, number) };
                (self.offset + local, false)
            }
            Values::Ids { ids, .. } => {
                // The only code beyond the list is `UNUSED`: an unused place gets the padding id, the field's first.
                let id = ids.get(read_code(record, at) as usize).copied().unwrap_or(self.offset);
                (id & !NO_TRAINING_ROW, id & NO_TRAINING_ROW != 0)
            }
        }
    }

    /// The ids that stand for one value, with the value's code, by ascending id.
    pub fn named_ids(&self) -> Vec<(u32, u32)> {
        let Values::Ids { ids, by_code } = &self.values else { return Vec::new() };
        let named = (0_u32..).zip(ids).filter(|(_, id)| *by_code || **id & NO_TRAINING_ROW == 0);
        let mut named: Vec<_> = named.map(|(code, id)| (id & !NO_TRAINING_ROW, code)).collect();
        named.sort_unstable();
        named
    }
}

/// Describes the fields; `encodings` is by slot.
pub(super) fn feature_map(
    plan: &Plan,
    encodings: &[Encoding],
    label: LabelRule,
    rows: SplitCounts,
    time: Option<TimeColumn>,
) -> FeatureMap {
    let mut fields = Vec::new();
    for (slot, encoding) in plan.slots.iter().zip(encodings) {
        let column = &plan.columns[slot.column];
        for place in 0..slot.kind.places() {
            let (name, kind) = match (&slot.kind, &encoding.values) {
                (SlotKind::Multi { .. }, _) => (format!("{column}[{place}]"), FieldKind::Multi { place: place as u32 }),
                (SlotKind::Log { .. }, _) => (column.clone(), FieldKind::Log),
                (_, Values::Bounds(bounds)) => (column.clone(), FieldKind::Quantile { bounds: bounds.clone() }),
                (_, Values::Ids { .. }) => (column.clone(), FieldKind::Category),
            };
            fields.push(Field {
                name,
                column: column.clone(),
                kind,
                cardinality: encoding.cardinality,
                offset: encoding.offset,
                unknown: encoding.unknown,
                padding: encoding.padding,
            });
        }
    }
    FeatureMap {
        fields,
        total_cardinality: encodings.last().map_or(0, |last| last.offset + last.cardinality),
        rows,
        label,
        vocabulary: plan.vocabulary,
        time,
    }
}
