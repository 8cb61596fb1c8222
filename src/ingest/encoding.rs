//! How codes and numbers become ids, and what the fields are called in the feature map.
//!
//! The ids of a field are one range: first the padding id (split columns), then the values in order of first appearance
//! (among training rows; among all rows for `vocabulary: all`), then the unknown id. A numeric field has its buckets and
//! then the id of empty cells. All places of a split column share one range.

use super::{
    merge::Merge,
    plan::{Plan, SlotKind},
    quantile::bucket,
    spill::{CodeOrNumber, read_code, read_code_or_number, read_float},
    survey::{Measure, Ranks, UNSEEN},
    values::Values as ColumnValues,
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
    Buckets {
        /// Their upper bounds.
        bounds: Vec<f64>,
        /// The bucket of each code, of a slot that has codes.
        by_code: Vec<u32>,
        /// What stands in a row.
        cells: Cells,
    },
    Ids {
        /// The id of each code, with `NO_TRAINING_ROW` set where no training row has the code's value.
        ids: Vec<u32>,
        /// Whether every value has an id of its own, also those that no training row has.
        all: bool,
        /// For each value the first code that says it, and the code of the text it is shown by. Absent where every code is a
        /// value of its own.
        merged: Option<Vec<(u32, u32)>>,
    },
}

/// What stands in a row for a cell whose number goes into a bucket.
#[derive(Clone, Copy)]
enum Cells {
    Code,
    CodeOrNumber,
    Number,
}

/// A bit that is free in every id, because ids are i32.
const NO_TRAINING_ROW: u32 = 1 << 31;

impl Encoding {
    /// The encoding of each slot of the plan. `values` and `ranks` are by vocabulary, `measures` and `bounds` by slot.
    pub fn for_plan(
        plan: &Plan,
        values: &[ColumnValues],
        ranks: Vec<Ranks>,
        measures: &[Option<Measure>],
        bounds: Vec<Vec<f64>>,
    ) -> Vec<Self> {
        let mut ranks: Vec<_> = ranks.into_iter().map(Some).collect();
        let mut offset = 0;
        let mut encodings = Vec::with_capacity(plan.slots.len());
        for ((slot, measure), bounds) in plan.slots.iter().zip(measures).zip(bounds) {
            let encoding = match (measure, slot.kind.vocabulary()) {
                (None, Some(vocabulary)) => {
                    let ranks = ranks[vocabulary].take().unwrap_or_default();
                    let merge = values[vocabulary].merge.as_ref();
                    let padded = matches!(slot.kind, SlotKind::Multi { .. });
                    Self::from_ranks(offset, ranks, padded, plan.vocabulary == VocabularyRows::All, merge)
                }
                (measure, _) => {
                    let cells = match slot.kind {
                        SlotKind::ByContent { wide: false, .. } => Cells::Code,
                        SlotKind::ByContent { wide: true, .. } => Cells::CodeOrNumber,
                        _ => Cells::Number,
                    };
                    let numbers = measure.as_ref().map_or(&[][..], |measure| &measure.numbers);
                    Self::from_bounds(offset, bounds, numbers, cells)
                }
            };
            offset += encoding.cardinality;
            encodings.push(encoding);
        }
        encodings
    }

    fn from_bounds(offset: u32, bounds: Vec<f64>, numbers: &[f64], cells: Cells) -> Self {
        let cardinality = bounds.len() as u32 + 2;
        let by_code = numbers.iter().map(|number| numbered(&bounds, *number)).collect();
        let values = Values::Buckets { bounds, by_code, cells };
        Self { offset, cardinality, unknown: None, padding: None, values }
    }

    fn from_ranks(offset: u32, ranks: Ranks, padded: bool, all: bool, merge: Option<&Merge>) -> Self {
        let Ranks { by_value: mut ids, seen } = ranks;
        let padding = padded.then_some(offset);
        let first = offset + u32::from(padded);
        let end = first + if all { ids.len() as u32 } else { seen };
        let unknown = (!all).then_some(end);
        for (value, id) in (0..).zip(&mut ids) {
            *id = match *id {
                UNSEEN => unknown.unwrap_or(first + value) | NO_TRAINING_ROW,
                _ if all => first + value,
                rank => first + rank,
            };
        }
        let mut merged = None;
        if let Some(merge) = merge {
            ids = merge.to.iter().map(|value| ids[*value as usize]).collect();
            merged = Some(merge.values.iter().map(|value| (value.code, value.shown)).collect());
        }
        let cardinality = end + u32::from(unknown.is_some()) - offset;
        Self { offset, cardinality, unknown, padding, values: Values::Ids { ids, all, merged } }
    }

    /// The id of what stands at `at` of a spilled row, and whether no training row has its value.
    pub fn id(&self, record: &[u8], at: usize) -> (u32, bool) {
        match &self.values {
            Values::Buckets { bounds, by_code, cells } => {
                let of_code = |code: u32| by_code[code as usize];
                let local = match cells {
                    Cells::Code => of_code(read_code(record, at)),
                    Cells::Number => numbered(bounds, read_float(record, at)),
                    Cells::CodeOrNumber => match read_code_or_number(record, at) {
                        CodeOrNumber::Code(code) => of_code(code),
                        CodeOrNumber::Number(number) => numbered(bounds, number),
                    },
                };
                (self.offset + local, false)
            }
            Values::Ids { ids, .. } => {
                // The only code beyond the list is `UNUSED`: an unused place gets the padding id, the field's first.
                let id = ids.get(read_code(record, at) as usize).copied().unwrap_or(self.offset);
                (id & !NO_TRAINING_ROW, id & NO_TRAINING_ROW != 0)
            }
        }
    }

    /// The ids that stand for one value, with the code of the value's text, by ascending id.
    pub fn named_ids(&self) -> Vec<(u32, u32)> {
        let Values::Ids { ids, all, merged } = &self.values else { return Vec::new() };
        let named = |id: u32| *all || id & NO_TRAINING_ROW == 0;
        let mut named: Vec<_> = match merged {
            None => (0_u32..).zip(ids).filter(|(_, id)| named(**id)).map(|(code, id)| (*id, code)).collect(),
            Some(merged) => {
                let values = merged.iter().map(|(code, shown)| (ids[*code as usize], *shown));
                values.filter(|(id, _)| named(*id)).collect()
            }
        };
        named.iter_mut().for_each(|(id, _)| *id &= !NO_TRAINING_ROW);
        named.sort_unstable();
        named
    }
}

/// The bucket of a number, counted from 0; that of cells without one is the last.
fn numbered(bounds: &[f64], number: f64) -> u32 {
    if number.is_nan() { bounds.len() as u32 + 1 } else { bucket(bounds, number) }
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
                (_, Values::Buckets { bounds, .. }) => (column.clone(), FieldKind::Quantile { bounds: bounds.clone() }),
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
