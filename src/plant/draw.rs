//! Random choices.

use crate::random::Stream;

/// `count` different numbers below `of`, in no order; all of them where they are fewer.
pub fn draw_numbers(stream: Stream, of: usize, count: usize) -> Vec<u32> {
    let mut numbers: Vec<u32> = (0..of as u32).collect();
    stream.shuffle(&mut numbers);
    numbers.truncate(count);
    numbers
}

/// `count` different numbers, each the sooner the higher its weight, as if drawn one after the other (Efraimidis and
/// Spirakis 2006). Numbers of weight 0 are not drawn.
pub fn draw_weighted(stream: Stream, weights: &[f64], count: usize) -> Vec<u32> {
    let mut draws = vec![0.0; weights.len()];
    stream.fill_uniform(&mut draws);
    let numbered = (0..).zip(weights.iter().zip(&draws)).filter(|(_, (weight, _))| **weight > 0.0);
    // (0, 1], so that the logarithm is finite.
    let mut keys: Vec<(f64, u32)> =
        numbered.map(|(number, (weight, draw))| ((1.0 - f64::from(*draw)).ln() / weight, number)).collect();
    keys.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    keys.truncate(count);
    keys.into_iter().map(|(_, number)| number).collect()
}

/// One of `choices`.
pub fn draw_one<T: Copy>(stream: Stream, at: u64, choices: &[T]) -> Option<T> {
    choices.get((f64::from(stream.uniform_at(at)) * choices.len() as f64) as usize).copied()
}

/// `share` of `of`, at least one.
pub fn count_share(of: usize, share: f64) -> usize {
    ((of as f64 * share).round() as usize).max(1)
}
