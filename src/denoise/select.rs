//! Which rows the validation phase keeps (spec `autodenoise.md`, section 6, rows 15 to 17).

use crate::random::{Purpose, Stream};
use crate::types::{Options, Select};
use rayon::prelude::*;
use std::cmp::Ordering;

/// Rows kept of `len`: ratio times len rounded half to even, as Python rounds; at least 1.
pub fn keep_count(len: usize, ratio: f64) -> usize {
    let rounded = (ratio * len as f64).round_ties_even() as usize;
    rounded.clamp(1, len.max(1))
}

/// Positions of the k largest scores, ascending; of equal scores the lower position.
pub fn top_k(scores: &[f32], k: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..scores.len() as u32).collect();
    if k < order.len() {
        let score = |position: &u32| scores[*position as usize];
        order.select_nth_unstable_by(k, |a, b| {
            score(b).partial_cmp(&score(a)).unwrap_or(Ordering::Equal).then(a.cmp(b))
        });
        order.truncate(k);
        order.sort_unstable();
    }
    order
}

/// Positions of the rows kept, ascending, from their keep probabilities. A rule that keeps fewer than `min_selected` rows
/// (`threshold` and `sample` may) keeps the likeliest that many instead: a model needs rows.
pub fn select(options: &Options, keep_prob: &[f32], seed: u64, epoch: u32) -> Vec<u32> {
    let kept: Vec<u32> = match options.select {
        Select::TopkGlobal => top_k(keep_prob, keep_count(keep_prob.len(), options.select_ratio)),
        Select::Topk => {
            let size = options.batch_size as usize;
            let batch = |(number, scores): (usize, &[f32])| -> Vec<u32> {
                let offset = (number * size) as u32;
                let kept = top_k(scores, keep_count(scores.len(), options.select_ratio));
                kept.into_iter().map(|at| at + offset).collect()
            };
            keep_prob.par_chunks(size).enumerate().map(batch).collect::<Vec<_>>().concat()
        }
        Select::Threshold => positions(keep_prob, |_, p| p > 0.5),
        Select::Sample => {
            let mut u = vec![0.0; keep_prob.len()];
            Stream::new(seed, Purpose::Select, &[epoch]).fill_uniform(&mut u);
            positions(keep_prob, |at, p| u[at] < p)
        }
    };
    let fewest = (options.min_selected as usize).min(keep_prob.len());
    if kept.len() < fewest { top_k(keep_prob, fewest) } else { kept }
}

fn positions(keep_prob: &[f32], keep: impl Fn(usize, f32) -> bool) -> Vec<u32> {
    keep_prob.iter().enumerate().filter(|(at, p)| keep(*at, **p)).map(|(at, _)| at as u32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{BackboneKind, Preset};

    #[test]
    fn a_rule_that_keeps_nothing_falls_back_to_the_likeliest() {
        let options =
            Options { select: Select::Threshold, min_selected: 2, ..Options::preset(Preset::Paper, BackboneKind::Fm) };
        assert_eq!(select(&options, &[0.1, 0.3, 0.2, 0.3], 1, 1), [1, 3]);
        assert_eq!(select(&options, &[0.6, 0.3, 0.2, 0.7], 1, 1), [0, 3]);
    }

    #[test]
    fn top_k_is_per_batch_and_its_global_form_is_not() {
        let options = |select| Options {
            select,
            select_ratio: 0.5,
            batch_size: 2,
            ..Options::preset(Preset::Paper, BackboneKind::Fm)
        };
        let scores = [0.9, 0.8, 0.2, 0.1, 0.5];
        // A last batch of one row keeps it: 0.5 rounds to 0, clamped to 1.
        assert_eq!(select(&options(Select::Topk), &scores, 1, 1), [0, 2, 4]);
        assert_eq!(select(&options(Select::TopkGlobal), &scores, 1, 1), [0, 1]);
    }
}
