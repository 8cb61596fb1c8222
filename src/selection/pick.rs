//! The k likeliest of some scores (spec `autodenoise.md`, section 6, rows 15 to 17).

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

/// The same within each batch of `size` rows: `ratio` of it.
pub fn top_k_per_batch(scores: &[f32], size: usize, ratio: f64) -> Vec<u32> {
    let batch = |(number, scores): (usize, &[f32])| -> Vec<u32> {
        let offset = (number * size) as u32;
        let kept = top_k(scores, keep_count(scores.len(), ratio));
        kept.into_iter().map(|at| at + offset).collect()
    };
    scores.par_chunks(size).enumerate().map(batch).collect::<Vec<_>>().concat()
}
