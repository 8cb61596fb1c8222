//! What the training rows hold: the values seen in them, in order, and the bounds of numeric buckets. And how many rows
//! of each split have label 1.

use super::{
    error::IngestError,
    merge::Merge,
    plan::{Plan, Slot, SlotKind},
    progress::Ticker,
    quantile::Sample,
    spill::{CodeOrNumber, Spill, UNUSED, read_code, read_code_or_number, read_float},
    split::{SplitPlan, Splitter},
    values::Values,
};
use crate::types::{Split, SplitCounts, shorten};

/// Numeric columns sampled in one reading of the spill: bounds memory at 128 MB.
const SAMPLED_AT_ONCE: usize = 16;

/// In place of a rank, where no training row has the value.
pub(super) const UNSEEN: u32 = u32::MAX;

/// In which order the values of a column first appear among the training rows.
#[derive(Clone, Default)]
pub(super) struct Ranks {
    /// The rank of each value, or `UNSEEN`: by code, or by the number that a `Merge` gives the code's value.
    pub by_value: Vec<u32>,
    /// How many values have a rank.
    pub seen: u32,
}

impl Ranks {
    #[inline(always)]
    fn add(&mut self, code: u32, merge: Option<&Merge>) {
        let value = merge.map_or(code, |merge| merge.to[code as usize]);
        let rank = &mut self.by_value[value as usize];
        if *rank == UNSEEN {
            *rank = self.seen;
            self.seen += 1;
        }
    }
}

/// A slot with codes, as close together as every row needs it.
struct Coded<'v> {
    at: usize,
    vocabulary: usize,
    places: usize,
    /// Whether a number may stand in place of a code.
    wide: bool,
    merge: Option<&'v Merge>,
}

impl<'v> Coded<'v> {
    fn new(slot: &Slot, values: &'v [Values]) -> Option<Self> {
        let vocabulary = slot.kind.vocabulary()?;
        let wide = matches!(slot.kind, SlotKind::ByContent { wide: true, .. });
        let merge = values[vocabulary].merge.as_ref();
        Some(Self { at: slot.at, vocabulary, places: slot.kind.places(), wide, merge })
    }
}

/// What one reading of the spilled rows counted.
pub(super) struct Survey {
    /// Rows with label 1.
    pub positives: SplitCounts,
    /// By vocabulary.
    pub ranks: Vec<Ranks>,
    /// By slot: rows whose cell has no value.
    pub missing: Vec<u64>,
}

impl Survey {
    /// Reads the spilled rows once.
    pub fn read(
        plan: &Plan,
        spill: &Spill,
        splitter: &Splitter,
        values: &[Values],
        ticker: &mut Ticker,
    ) -> Result<Self, IngestError> {
        let mut positives = SplitCounts::default();
        let unseen = |values: &Values| Ranks { by_value: vec![UNSEEN; values.len()], seen: 0 };
        let mut ranks: Vec<_> = values.iter().map(unseen).collect();
        let mut missing = vec![0; plan.slots.len()];
        let gaps = |slot: &Slot| slot.kind.vocabulary().map_or(&[][..], |at| &values[at].content.gaps);
        // Most columns have a value in every row, and are not looked at for cells without one.
        let may_miss = |slot: &Slot| match slot.kind {
            SlotKind::Quantile { .. } | SlotKind::ByContent { wide: true, .. } | SlotKind::Multi { .. } => true,
            _ => !gaps(slot).is_empty(),
        };
        let coded: Vec<_> = plan.slots.iter().filter_map(|slot| Coded::new(slot, values)).collect();
        let may_miss: Vec<_> = plan.slots.iter().enumerate().filter(|(_, slot)| may_miss(slot)).collect();
        spill.for_each_row(ticker, |row, record| {
            for (place, slot) in &may_miss {
                missing[*place] += u64::from(is_missing(record, slot, gaps(slot)));
            }
            let split = splitter.assign(row, record);
            *positives.of_mut(split) += u64::from(record[0]);
            if split != Split::Train {
                return Ok(());
            }
            for slot in &coded {
                let ranks = &mut ranks[slot.vocabulary];
                if slot.wide {
                    if let CodeOrNumber::Code(code) = read_code_or_number(record, slot.at) {
                        ranks.add(code, slot.merge);
                    }
                    continue;
                }
                for place in 0..slot.places {
                    let code = read_code(record, slot.at + 4 * place);
                    if code != UNUSED {
                        ranks.add(code, slot.merge);
                    }
                }
            }
            Ok(())
        })?;
        Ok(Self { positives, ranks, missing })
    }

    /// Refuses labels that are all the same in a split. `rows` are the splits' sizes; `words` are some that the label's column has
    /// and its rule does not name.
    pub fn check_labels(&self, plan: &Plan, rows: SplitCounts, words: &[String]) -> Result<(), IngestError> {
        let one_class = |split: &Split| [0, rows.of(*split)].contains(&self.positives.of(*split));
        let Some(split) = Split::ALL.into_iter().find(one_class) else { return Ok(()) };
        let (label, name) = (u8::from(self.positives.of(split) > 0), split.as_str());
        let all_alike = [0, rows.total()].contains(&self.positives.total());
        if all_alike && !words.is_empty() {
            let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
            let rule = format!(
                "no row has a value that the rule names, so all have label {label}; column `{}` has {}",
                shorten(&plan.columns[plan.label]),
                words.join(", ")
            );
            return Err(IngestError::field("/label", rule));
        }
        let why = if split == Split::Train { "nothing can be learned from it" } else { "AUC is not defined on it" };
        let what = match plan.split {
            _ if all_alike => "give another label rule, or a table with rows of both labels",
            SplitPlan::Column(_) => "give another label rule, more rows, or another split",
            SplitPlan::Stratified { .. } => "give another label rule, or more rows",
            _ => {
                "give another label rule, more rows, or another split: larger shares for valid and test, or one that has rows of both \
                 labels in each (`stratified`, --split-stratified)"
            }
        };
        let rule = format!("all {} {name} rows have label {label}, so {why}; {what}", rows.of(split));
        Err(IngestError::field("/label", rule))
    }
}

/// Whether the row's cell has no value. `gaps` are the codes that say so.
fn is_missing(record: &[u8], slot: &Slot, gaps: &[u32]) -> bool {
    match slot.kind {
        SlotKind::Quantile { .. } => read_float(record, slot.at).is_nan(),
        SlotKind::ByContent { wide: true, .. } => match read_code_or_number(record, slot.at) {
            CodeOrNumber::Code(code) => gaps.contains(&code),
            CodeOrNumber::Number(number) => number.is_nan(),
        },
        SlotKind::Multi { .. } => {
            let first = read_code(record, slot.at);
            first == UNUSED || gaps.contains(&first)
        }
        _ => gaps.contains(&read_code(record, slot.at)),
    }
}

/// A slot of numbers that go into buckets.
pub(super) struct Measure {
    pub buckets: u32,
    /// The number of each code, of a slot that has codes.
    pub numbers: Vec<f64>,
}

impl Measure {
    /// The row's number; NaN where it has none.
    fn number(&self, record: &[u8], slot: &Slot) -> f64 {
        let of_code = |code: u32| self.numbers[code as usize];
        match slot.kind {
            SlotKind::ByContent { wide: false, .. } => of_code(read_code(record, slot.at)),
            SlotKind::ByContent { wide: true, .. } => match read_code_or_number(record, slot.at) {
                CodeOrNumber::Code(code) => of_code(code),
                CodeOrNumber::Number(number) => number,
            },
            _ => read_float(record, slot.at),
        }
    }
}

/// Bounds of the numeric buckets, by slot; empty for slots that are not measures.
pub(super) fn find_bounds(
    plan: &Plan,
    measures: &[Option<Measure>],
    spill: &Spill,
    splitter: &Splitter,
    ticker: &mut Ticker,
) -> Result<Vec<Vec<f64>>, IngestError> {
    let mut bounds = vec![Vec::new(); plan.slots.len()];
    let measures = plan.slots.iter().zip(measures).enumerate();
    let numeric: Vec<(usize, &Slot, &Measure)> =
        measures.filter_map(|(place, (slot, measure))| Some((place, slot, measure.as_ref()?))).collect();
    for group in numeric.chunks(SAMPLED_AT_ONCE) {
        let mut samples: Vec<_> = group.iter().map(|(place, ..)| Sample::new(*place as u64)).collect();
        spill.for_each_row(ticker, |row, record| {
            if splitter.assign(row, record) == Split::Train {
                for ((_, slot, measure), sample) in group.iter().zip(&mut samples) {
                    let number = measure.number(record, slot);
                    // An infinity goes into the first or the last bucket, and is no bound between two.
                    if number.is_finite() {
                        sample.add(number);
                    }
                }
            }
            Ok(())
        })?;
        for ((place, _, measure), sample) in group.iter().zip(samples) {
            bounds[*place] = sample.bounds(measure.buckets);
        }
    }
    Ok(bounds)
}
