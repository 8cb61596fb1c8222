//! What a drop does to the data as a whole, and how far it depends on the seed.

use super::names::name_values;
use crate::ingest::{Dataset, DatasetError};
use crate::types::{Guard, KeptShare, Slice, Split, Stability};
use std::collections::HashSet;

/// Values of fewer rows are not looked at: any drop of theirs is far from the mean.
const FEWEST_ROWS: u64 = 50;
/// Most slices of a report.
const MOST_SLICES: usize = 20;
/// A value is listed if it is at least so many standard errors from the mean.
const FAR: f64 = 4.0;

/// Of a choice that left rows out: `kept` `[N]` says of every training row whether it stays. `labels` are those it was made
/// with.
pub(super) fn measure_slices(dataset: &Dataset, labels: &[u8], kept: &[bool]) -> Result<Guard, DatasetError> {
    let train = dataset.split(Split::Train);
    let fields = dataset.fields();
    let mut counts = vec![KeptShare { rows: 0, of: 0 }; dataset.feature_map.total_cardinality as usize];
    let mut far: Vec<(usize, u32, KeptShare, f64)> = Vec::new();
    let all = kept.len() as f64;
    let dropped = kept.iter().filter(|kept| !**kept).count() as f64 / all;
    for (column, field) in dataset.feature_map.fields.iter().enumerate() {
        let range = field.offset as usize..(field.offset + field.cardinality) as usize;
        counts[range.clone()].fill(KeptShare { rows: 0, of: 0 });
        for (id, kept) in train.ids.iter().skip(column).step_by(fields).zip(kept) {
            let count = &mut counts[*id as usize];
            count.of += 1;
            count.rows += u64::from(*kept);
        }
        for (id, count) in range.clone().zip(&counts[range]).filter(|(_, count)| count.of >= FEWEST_ROWS) {
            let z = z(*count, dropped, all);
            if z.abs() >= FAR {
                far.push((column, id as u32, *count, z));
            }
        }
    }
    far.sort_by(|a, b| b.3.abs().total_cmp(&a.3.abs()).then(a.1.cmp(&b.1)));
    far.truncate(MOST_SLICES);
    let ids: HashSet<u32> = far.iter().map(|slice| slice.1).collect();
    let names = name_values(dataset, &ids)?;
    let slice = |(column, id, kept, z): (usize, u32, KeptShare, f64)| {
        let field = &dataset.feature_map.fields[column];
        let named = names.get(&id).cloned().unwrap_or_default();
        Slice { field: field.name.clone(), value: named, kept, z }
    };
    let rate = |of: &dyn Fn(bool) -> bool| {
        let rows = || labels.iter().zip(kept).filter(|(_, kept)| of(**kept)).map(|(label, _)| f64::from(*label));
        rows().sum::<f64>() / rows().count().max(1) as f64
    };
    Ok(Guard {
        label_rate_before: rate(&|_| true),
        label_rate_after: rate(&|kept| kept),
        slices: far.into_iter().map(slice).collect(),
    })
}

/// How many more rows of a value were dropped than by a random drop of the same size, in standard errors.
fn z(count: KeptShare, dropped: f64, all: f64) -> f64 {
    let of = count.of as f64;
    // Drawn without replacement.
    let variance = of * dropped * (1.0 - dropped) * (all - of) / (all - 1.0);
    if variance <= 0.0 { 0.0 } else { ((count.of - count.rows) as f64 - of * dropped) / variance.sqrt() }
}

/// How far a choice depends on the seed, and how many seeds kept each row. `by_seed`: the positions kept with each
/// seed, ascending, below `all`.
pub(super) fn measure_stability(by_seed: &[Vec<u32>], all: usize) -> (Stability, Vec<u32>) {
    let mut votes = vec![0_u32; all];
    for row in by_seed.iter().flatten() {
        votes[*row as usize] += 1;
    }
    let (mut shares, mut by_chance) = (Vec::new(), Vec::new());
    for (at, first) in by_seed.iter().enumerate() {
        for second in &by_seed[at + 1..] {
            let (dropped_first, dropped_second) = ((all - first.len()) as f64, (all - second.len()) as f64);
            let of_first: HashSet<u32> = first.iter().copied().collect();
            let either_kept = first.len() + second.iter().filter(|row| !of_first.contains(row)).count();
            let both = (all - either_kept) as f64;
            let jaccard = |both: f64| {
                let either = dropped_first + dropped_second - both;
                if either > 0.0 { both / either } else { 1.0 }
            };
            shares.push(jaccard(both));
            by_chance.push(jaccard(dropped_first * dropped_second / all as f64));
        }
    }
    let consensus = votes.iter().filter(|votes| 2 * **votes as usize > by_seed.len()).count() as u64;
    let stability = Stability {
        seeds: by_seed.len() as u32,
        jaccard: crate::metrics::mean(&shares),
        jaccard_by_chance: crate::metrics::mean(&by_chance),
        consensus: KeptShare { rows: consensus, of: all as u64 },
    };
    (stability, votes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stability_is_told_from_chance() {
        // Of 10 rows, two seeds drop 0 1 2 3 and 2 3 4 5: 2 of 6.
        let kept = |dropped: &[u32]| (0..10).filter(|row| !dropped.contains(row)).collect::<Vec<u32>>();
        let (found, votes) = measure_stability(&[kept(&[0, 1, 2, 3]), kept(&[2, 3, 4, 5])], 10);
        assert!((found.jaccard - 2.0 / 6.0).abs() < 1e-12);
        assert!((found.jaccard_by_chance - 1.6 / 6.4).abs() < 1e-12);
        assert_eq!(votes, [1, 1, 0, 0, 1, 1, 2, 2, 2, 2]);
        assert_eq!(found.consensus, KeptShare { rows: 4, of: 10 });
        assert_eq!(measure_stability(&[kept(&[]), kept(&[])], 10).0.jaccard, 1.0, "all kept alike");
    }

    #[test]
    fn a_value_is_measured_against_a_random_drop() {
        // A tenth of 1,000 rows is dropped; of 100 rows of a value 25 are: 15 above, at sqrt(100 * 0.09 * 900 / 999).
        let found = z(KeptShare { rows: 75, of: 100 }, 0.1, 1000.0);
        assert!((found - 15.0 / (9.0_f64 * 900.0 / 999.0).sqrt()).abs() < 1e-12);
    }
}
