//! Which rows the validation phase keeps (spec `autodenoise.md`, section 6, rows 15 to 17).

use crate::random::{Purpose, Stream};
use crate::selection::{keep_count, top_k, top_k_per_batch};
use crate::types::{Options, Select};

/// Positions of the rows kept, ascending, from their keep probabilities. A rule that keeps fewer than `min_selected` rows
/// (`threshold` and `sample` may) keeps the likeliest that many instead: a model needs rows.
pub fn select(options: &Options, keep_prob: &[f32], seed: u64, epoch: u32) -> Vec<u32> {
    let kept: Vec<u32> = match options.select {
        Select::TopkGlobal => top_k(keep_prob, keep_count(keep_prob.len(), options.select_ratio)),
        Select::Topk => top_k_per_batch(keep_prob, options.batch_size as usize, options.select_ratio),
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
