//! Second reading, of the spilled rows: divides them into splits, gives values their ids, and writes the dataset's files.
//!
//! Ids of a field stand in one range: the padding id first (split columns), then the values in order of first appearance
//! (among training rows in file order; among all rows for `vocabulary: all`), then the unknown id. A numeric field has its
//! buckets and then the id of empty cells. Places of one split column share a range.

use super::{
    assemble::{self, Assembly},
    duplicates::Duplicates,
    encode::{Encoder, Spill, UNUSED, code, float},
    error::IngestError,
    layout::Layout,
    pipeline::Ticker,
    plan::{Plan, Slot, SlotKind, SplitPlan},
    quantile::{Sample, bucket},
    split::{Permutation, Splitter, moment_of_rank, sizes},
    table::Table,
    vocabulary::Vocabulary,
};
use crate::types::{FeatureMap, Field, FieldKind, Profile, Split, SplitCounts, Vocabulary as VocabularyRows};
use std::{collections::BTreeMap, path::Path};

/// Numeric columns sampled in one reading of the spill: bounds memory at 128 MB.
const SAMPLED_AT_ONCE: usize = 16;

/// What the first reading left.
pub(super) struct Encoded {
    spill: Spill,
    vocabularies: Vec<Vocabulary>,
    split_rows: SplitCounts,
    times: Option<(i128, i128)>,
}

impl Encoded {
    /// Refuses a table with any error or without rows.
    pub fn new(encoder: Encoder) -> Result<Self, IngestError> {
        let (split_rows, times) = (encoder.split_rows, encoder.times);
        let (spill, vocabularies) = encoder.finish()?;
        if spill.rows == 0 {
            return Err(IngestError::field(
                "",
                "the file has columns but no rows; upload a table of at least three rows",
            ));
        }
        Ok(Self { spill, vocabularies, split_rows, times })
    }
}

/// Writes the dataset into `out_dir`, by way of a temporary folder in `parent`.
pub(super) fn write(
    plan: &Plan,
    encoded: Encoded,
    table: &Table,
    out_dir: &Path,
    parent: &Path,
    ticker: &mut Ticker,
) -> Result<(FeatureMap, Profile), IngestError> {
    let (splitter, rows) = splitter(plan, &encoded, ticker)?;
    let Encoded { spill, vocabularies, .. } = encoded;
    let survey = Survey::of(plan, &spill, &splitter, &vocabularies, ticker)?;
    survey.check_labels(rows)?;
    let bounds = bounds(plan, &spill, &splitter, ticker)?;
    let encodings = encodings(plan, survey.ids, bounds);
    let feature_map = feature_map(plan, &encodings, table, rows);

    let layout = Layout::create(parent)?;
    let regions = layout.regions(rows, feature_map.fields.len())?;
    let names = plan.slots.iter().zip(&encodings).filter_map(|(slot, encoding)| {
        let vocabulary = &vocabularies[slot.kind.vocabulary()?];
        Some((plan.columns[slot.column].as_str(), vocabulary, encoding.named()))
    });
    let mut assembly = Assembly {
        plan,
        encodings: &encodings,
        splitter: &splitter,
        duplicates: Duplicates::new(rows.train, parent)?,
        unknown: vec![0; feature_map.fields.len()],
        ids: Vec::new(),
    };
    let (hashes, (duplicates, unknown)) = assemble::write(regions, |blocks| {
        assembly.blocks(&spill, ticker, &blocks)?;
        // The files are made durable while this is done.
        drop(blocks);
        layout.write_vocabulary(names)?;
        Ok((assembly.duplicates.count()?, assembly.unknown))
    })?;
    let digest = layout.digest(&feature_map, &hashes);
    let counted = feature_map.fields.iter().zip(unknown);
    let profile = Profile {
        rows,
        positives: survey.positives,
        duplicate_rows: duplicates.duplicate,
        contradicting_rows: duplicates.contradicting,
        unknown_cells: counted.map(|(field, cells)| (field.name.clone(), cells)).collect::<BTreeMap<_, _>>(),
        columns: plan.columns.clone(),
        bytes: table.bytes,
        digest,
    };
    layout.finish(&feature_map, &profile, out_dir)?;
    Ok((feature_map, profile))
}

fn splitter(plan: &Plan, encoded: &Encoded, ticker: &mut Ticker) -> Result<(Splitter, SplitCounts), IngestError> {
    let n = u64::from(encoded.spill.rows);
    let (pointer, rows) = match plan.split {
        SplitPlan::Column(_) => ("/split/column", encoded.split_rows),
        SplitPlan::Ratio { ratios, .. } => ("/split/ratio/ratios", sizes(n, ratios)),
        SplitPlan::Time { ratios, .. } => ("/split/time/ratios", sizes(n, ratios)),
    };
    let empty: Vec<_> = Split::ALL.into_iter().filter(|split| rows.of(*split) == 0).map(Split::as_str).collect();
    if !empty.is_empty() {
        let rule = format!(
            "of {n} rows none is {}; every split needs rows of its own: give more rows, or other shares",
            empty.join(" and none is ")
        );
        return Err(IngestError::field(pointer, rule));
    }
    let splitter = match plan.split {
        SplitPlan::Column(_) => Splitter::Column,
        SplitPlan::Ratio { seed, .. } => Splitter::Ratio { permutation: Permutation::new(n, seed), sizes: rows },
        SplitPlan::Time { .. } => {
            let range = encoded.times.unwrap_or_default();
            Splitter::Time {
                valid: moment_of_rank(&encoded.spill, range, rows.train, ticker)?,
                test: moment_of_rank(&encoded.spill, range, rows.train + rows.valid, ticker)?,
            }
        }
    };
    Ok((splitter, rows))
}

const UNSEEN: u32 = u32::MAX;

/// For each code its rank of first appearance among training rows, or `UNSEEN`; and how many have one.
#[derive(Clone, Default)]
struct Ranks {
    of: Vec<u32>,
    seen: u32,
}

struct Survey {
    positives: SplitCounts,
    /// By vocabulary.
    ids: Vec<Ranks>,
}

impl Survey {
    fn of(
        plan: &Plan,
        spill: &Spill,
        splitter: &Splitter,
        vocabularies: &[Vocabulary],
        ticker: &mut Ticker,
    ) -> Result<Self, IngestError> {
        let mut positives = SplitCounts::default();
        let mut ids: Vec<_> =
            vocabularies.iter().map(|vocabulary| Ranks { of: vec![UNSEEN; vocabulary.len()], seen: 0 }).collect();
        spill.each(ticker, |row, record| {
            let split = splitter.assign(row, record);
            *positives.of_mut(split) += u64::from(record[0]);
            if split != Split::Train {
                return Ok(());
            }
            for slot in &plan.slots {
                let Some(vocabulary) = slot.kind.vocabulary() else { continue };
                let ranks = &mut ids[vocabulary];
                for place in 0..slot.kind.places() {
                    let code = code(record, slot.at + 4 * place);
                    if code != UNUSED && ranks.of[code as usize] == UNSEEN {
                        ranks.of[code as usize] = ranks.seen;
                        ranks.seen += 1;
                    }
                }
            }
            Ok(())
        })?;
        Ok(Self { positives, ids })
    }

    fn check_labels(&self, rows: SplitCounts) -> Result<(), IngestError> {
        let one_class = |split: &Split| [0, rows.of(*split)].contains(&self.positives.of(*split));
        let Some(split) = Split::ALL.into_iter().find(one_class) else { return Ok(()) };
        let (label, name) = (u8::from(self.positives.of(split) > 0), split.as_str());
        let why = if split == Split::Train { "nothing can be learned from it" } else { "AUC is not defined on it" };
        let rule = format!(
            "all {} {name} rows have label {label}, so {why}; give another label rule, another split, or more rows",
            rows.of(split)
        );
        Err(IngestError::field("/label", rule))
    }
}

/// Bounds by slot; empty for slots that are not quantiles.
fn bounds(plan: &Plan, spill: &Spill, splitter: &Splitter, ticker: &mut Ticker) -> Result<Vec<Vec<f64>>, IngestError> {
    let mut bounds = vec![Vec::new(); plan.slots.len()];
    let numeric: Vec<(usize, &Slot, u32)> = plan
        .slots
        .iter()
        .enumerate()
        .filter_map(|(place, slot)| match slot.kind {
            SlotKind::Quantile { buckets } => Some((place, slot, buckets)),
            _ => None,
        })
        .collect();
    for group in numeric.chunks(SAMPLED_AT_ONCE) {
        let mut samples: Vec<_> = group.iter().map(|(place, ..)| Sample::new(*place as u64)).collect();
        spill.each(ticker, |row, record| {
            if splitter.assign(row, record) == Split::Train {
                for ((_, slot, _), sample) in group.iter().zip(&mut samples) {
                    let number = float(record, slot.at);
                    if !number.is_nan() {
                        sample.add(number);
                    }
                }
            }
            Ok(())
        })?;
        for ((place, _, buckets), sample) in group.iter().zip(samples) {
            bounds[*place] = sample.bounds(*buckets);
        }
    }
    Ok(bounds)
}

/// How a slot's codes or numbers become ids.
pub(super) struct Encoding {
    offset: u32,
    cardinality: u32,
    unknown: Option<u32>,
    padding: Option<u32>,
    values: Values,
}

enum Values {
    Bounds(Vec<f64>),
    /// `first` is the id of rank 0 (of code 0, where all values have ids).
    /// By code its id, with `NO_TRAINING_ROW` on top of it where that holds.
    Ids {
        ids: Vec<u32>,
        by_code: bool,
    },
}

/// A bit that no id has, for ids are i32.
const NO_TRAINING_ROW: u32 = 1 << 31;

impl Encoding {
    /// The id of what stands at `at` of a spilled row, and whether no training row has its value.
    pub fn id(&self, record: &[u8], at: usize) -> (u32, bool) {
        match &self.values {
            Values::Bounds(bounds) => {
                let number = float(record, at);
                let local = if number.is_nan() { bounds.len() as u32 + 1 } else { bucket(bounds, number) };
                (self.offset + local, false)
            }
            Values::Ids { ids, .. } => {
                // Only `UNUSED` is beyond the codes: the padding, whose id is the first.
                let id = ids.get(code(record, at) as usize).copied().unwrap_or(self.offset);
                (id & !NO_TRAINING_ROW, id & NO_TRAINING_ROW != 0)
            }
        }
    }

    /// The ids of values and their codes, by ascending id.
    fn named(&self) -> Vec<(u32, u32)> {
        let Values::Ids { ids, by_code } = &self.values else { return Vec::new() };
        let named = (0_u32..).zip(ids).filter(|(_, id)| *by_code || **id & NO_TRAINING_ROW == 0);
        let mut named: Vec<_> = named.map(|(code, id)| (id & !NO_TRAINING_ROW, code)).collect();
        named.sort_unstable();
        named
    }
}

fn encodings(plan: &Plan, ids: Vec<Ranks>, bounds: Vec<Vec<f64>>) -> Vec<Encoding> {
    let mut ids: Vec<_> = ids.into_iter().map(Some).collect();
    let mut offset = 0;
    let mut encodings = Vec::with_capacity(plan.slots.len());
    for (slot, bounds) in plan.slots.iter().zip(bounds) {
        let encoding = match slot.kind.vocabulary() {
            None => Encoding {
                offset,
                cardinality: bounds.len() as u32 + 2,
                unknown: None,
                padding: None,
                values: Values::Bounds(bounds),
            },
            Some(vocabulary) => {
                let Ranks { mut of, seen } = ids[vocabulary].take().unwrap_or_default();
                let padding = matches!(slot.kind, SlotKind::Multi { .. }).then_some(offset);
                let first = offset + u32::from(padding.is_some());
                let by_code = plan.vocabulary == VocabularyRows::All;
                let end = first + if by_code { of.len() as u32 } else { seen };
                let unknown = (!by_code).then_some(end);
                for (code, id) in (0..).zip(&mut of) {
                    *id = match *id {
                        UNSEEN => unknown.unwrap_or(first + code) | NO_TRAINING_ROW,
                        _ if by_code => first + code,
                        rank => first + rank,
                    };
                }
                Encoding {
                    offset,
                    cardinality: end + u32::from(unknown.is_some()) - offset,
                    unknown,
                    padding,
                    values: Values::Ids { ids: of, by_code },
                }
            }
        };
        offset += encoding.cardinality;
        encodings.push(encoding);
    }
    encodings
}

fn feature_map(plan: &Plan, encodings: &[Encoding], table: &Table, rows: SplitCounts) -> FeatureMap {
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
        label: table.spec.label.clone(),
        vocabulary: plan.vocabulary,
    }
}
