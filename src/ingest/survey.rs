//! What the training rows hold: the values seen in them, in order, and the bounds of numeric buckets. And how many rows
//! of each split have label 1.

use super::{
    error::IngestError,
    plan::{Plan, Slot, SlotKind},
    progress::Ticker,
    quantile::Sample,
    spill::{Spill, UNUSED, read_code, read_float},
    split::Splitter,
    vocabulary::Vocabulary,
};
use crate::types::{Split, SplitCounts};

/// Numeric columns sampled in one reading of the spill: bounds memory at 128 MB.
const SAMPLED_AT_ONCE: usize = 16;

/// In place of a rank, where no training row has the value.
pub(super) const UNSEEN: u32 = u32::MAX;

/// In which order the values of a vocabulary first appear among the training rows.
#[derive(Clone, Default)]
pub(super) struct Ranks {
    /// The rank of each code, or `UNSEEN`.
    pub by_code: Vec<u32>,
    /// How many codes have a rank.
    pub seen: u32,
}

/// What one reading of the spilled rows counted.
pub(super) struct Survey {
    /// Rows with label 1.
    pub positives: SplitCounts,
    /// By vocabulary.
    pub ranks: Vec<Ranks>,
}

impl Survey {
    /// Reads the spilled rows once.
    pub fn read(
        plan: &Plan,
        spill: &Spill,
        splitter: &Splitter,
        vocabularies: &[Vocabulary],
        ticker: &mut Ticker,
    ) -> Result<Self, IngestError> {
        let mut positives = SplitCounts::default();
        let unseen = |vocabulary: &Vocabulary| Ranks { by_code: vec![UNSEEN; vocabulary.len()], seen: 0 };
        let mut ranks: Vec<_> = vocabularies.iter().map(unseen).collect();
        spill.for_each_row(ticker, |row, record| {
            let split = splitter.assign(row, record);
            *positives.of_mut(split) += u64::from(record[0]);
            if split != Split::Train {
                return Ok(());
            }
            for slot in &plan.slots {
                let Some(vocabulary) = slot.kind.vocabulary() else { continue };
                let ranks = &mut ranks[vocabulary];
                for place in 0..slot.kind.places() {
                    let code = read_code(record, slot.at + 4 * place);
                    if code != UNUSED && ranks.by_code[code as usize] == UNSEEN {
                        ranks.by_code[code as usize] = ranks.seen;
                        ranks.seen += 1;
                    }
                }
            }
            Ok(())
        })?;
        Ok(Self { positives, ranks })
    }

    /// Refuses labels that are all the same in a split. `rows` are the splits' sizes.
    pub fn check_labels(&self, rows: SplitCounts) -> Result<(), IngestError> {
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

/// Bounds of the numeric buckets, by slot; empty for slots that are not quantiles.
pub(super) fn find_bounds(
    plan: &Plan,
    spill: &Spill,
    splitter: &Splitter,
    ticker: &mut Ticker,
) -> Result<Vec<Vec<f64>>, IngestError> {
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
        spill.for_each_row(ticker, |row, record| {
            if splitter.assign(row, record) == Split::Train {
                for ((_, slot, _), sample) in group.iter().zip(&mut samples) {
                    let number = read_float(record, slot.at);
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
