//! What a drop does to the data as a whole, and how far it depends on the seed.

use super::names::name_values;
use crate::ingest::{Dataset, DatasetError};
use crate::selection::Selected;
use crate::types::{Guard, KeptShare, Slice, Split, Stability};
use std::{borrow::Cow, collections::HashSet};

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

/// How far a choice depends on the seed, and how many seeds kept each row. `by_seed`: what was chosen with each seed, of rows
/// with these labels.
pub(super) fn measure_stability(by_seed: &[Selected], labels: &[u8]) -> (Stability, Vec<u32>) {
    let all = labels.len();
    let mut votes = vec![0_u32; all];
    for row in by_seed.iter().flat_map(|own| &own.kept) {
        votes[*row as usize] += 1;
    }
    let consensus = votes.iter().filter(|votes| 2 * **votes as usize > by_seed.len()).count() as u64;
    let kept: Vec<&[u32]> = by_seed.iter().map(|own| &own.kept[..]).collect();
    let left: Vec<Cow<[u32]>> = by_seed.iter().map(|own| list_unchanged(own, labels)).collect();
    let relabels = left.iter().zip(&kept).any(|(left, kept)| left.len() < kept.len());
    let [jaccard, jaccard_by_chance] = measure_overlap(&kept, all);
    let stability = Stability {
        seeds: by_seed.len() as u32,
        jaccard,
        jaccard_by_chance,
        consensus: KeptShare { rows: consensus, of: all as u64 },
        jaccard_with_relabelled: relabels.then(|| measure_overlap(&left, all)[0]),
    };
    (stability, votes)
}

/// Rows that are kept and count as of their own label.
fn list_unchanged<'s>(own: &'s Selected, labels: &[u8]) -> Cow<'s, [u32]> {
    let Some(targets) = &own.targets else { return Cow::Borrowed(&own.kept) };
    let is_own = |row: &&u32| (targets[**row as usize] - f32::from(labels[**row as usize])).abs() <= 0.5;
    own.kept.iter().filter(is_own).copied().collect()
}

/// Mean over pairs of seeds of the share that both leave out of what either does, and what it would be by chance. `left`: the
/// rows that each leaves in, of so many.
fn measure_overlap<R: AsRef<[u32]>>(left: &[R], all: usize) -> [f64; 2] {
    let (mut shares, mut by_chance) = (Vec::new(), Vec::new());
    for (at, first) in left.iter().map(R::as_ref).enumerate() {
        for second in left[at + 1..].iter().map(R::as_ref) {
            let (out_of_first, out_of_second) = ((all - first.len()) as f64, (all - second.len()) as f64);
            let of_first: HashSet<u32> = first.iter().copied().collect();
            let either_left = first.len() + second.iter().filter(|row| !of_first.contains(row)).count();
            let both = (all - either_left) as f64;
            let jaccard = |both: f64| {
                let either = out_of_first + out_of_second - both;
                if either > 0.0 { both / either } else { 1.0 }
            };
            shares.push(jaccard(both));
            by_chance.push(jaccard(out_of_first * out_of_second / all as f64));
        }
    }
    [shares, by_chance].map(|values| crate::metrics::mean(&values))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stability_is_told_from_chance() {
        // Of 10 rows, two seeds drop 0 1 2 3 and 2 3 4 5: 2 of 6.
        let kept = |dropped: &[u32]| Selected::rows((0..10).filter(|row| !dropped.contains(row)).collect());
        let (found, votes) = measure_stability(&[kept(&[0, 1, 2, 3]), kept(&[2, 3, 4, 5])], &[0; 10]);
        assert!((found.jaccard - 2.0 / 6.0).abs() < 1e-12);
        assert!((found.jaccard_by_chance - 1.6 / 6.4).abs() < 1e-12);
        assert_eq!(votes, [1, 1, 0, 0, 1, 1, 2, 2, 2, 2]);
        assert_eq!(found.consensus, KeptShare { rows: 4, of: 10 });
        assert_eq!(found.jaccard_with_relabelled, None);
        assert_eq!(measure_stability(&[kept(&[]), kept(&[])], &[0; 10]).0.jaccard, 1.0, "all kept alike");
    }

    #[test]
    fn rows_that_count_as_of_the_other_label_are_told_beside() {
        // One seed drops 0 and relabels 1 and 2, the other relabels 0, 1 and 3; a target of 0.4 is no other label.
        let seed = |kept: std::ops::Range<u32>, relabelled: &[usize]| {
            let mut targets = vec![0.4; 10];
            relabelled.iter().for_each(|row| targets[*row] = 1.0);
            Selected { targets: Some(targets), ..Selected::rows(kept.collect()) }
        };
        let (found, _) = measure_stability(&[seed(1..10, &[1, 2]), seed(0..10, &[0, 1, 3])], &[0; 10]);
        assert_eq!((found.jaccard, found.jaccard_with_relabelled), (0.0, Some(2.0 / 4.0)));
    }

    #[test]
    fn a_value_is_measured_against_a_random_drop() {
        // A tenth of 1,000 rows is dropped; of 100 rows of a value 25 are: 15 above, at sqrt(100 * 0.09 * 900 / 999).
        let found = z(KeptShare { rows: 75, of: 100 }, 0.1, 1000.0);
        assert!((found - 15.0 / (9.0_f64 * 900.0 / 999.0).sqrt()).abs() < 1e-12);
    }
}
