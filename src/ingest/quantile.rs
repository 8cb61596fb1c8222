//! Bounds of numeric buckets of about equal numbers of training rows.
//!
//! Exact up to a million training rows; beyond that from a uniform sample of a million of them (Vitter's algorithm R,
//! seeded by the field's place, so the same table gives the same bounds).

use crate::random::mix;

const SAMPLE: usize = 1_000_000;

/// A uniform sample of the numbers added.
pub(super) struct Sample {
    seed: u64,
    seen: u64,
    kept: Vec<f64>,
}

impl Sample {
    pub fn new(seed: u64) -> Self {
        Self { seed: mix(seed ^ 0x9e37_79b9_7f4a_7c15), seen: 0, kept: Vec::new() }
    }

    pub fn add(&mut self, number: f64) {
        if self.kept.len() < SAMPLE {
            self.kept.push(number);
        } else {
            // The bias of the remainder is below 2^-31 for any number of rows we read.
            let place = mix(self.seed.wrapping_add(self.seen)) % (self.seen + 1);
            if let Some(kept) = self.kept.get_mut(place as usize) {
                *kept = number;
            }
        }
        self.seen += 1;
    }

    /// Ascending bounds: bucket b holds `bounds[b-1] < v <= bounds[b]`, the last one the rest. Fewer than `buckets - 1`
    /// where numbers repeat; every bucket has held a number of the sample.
    pub fn bounds(mut self, buckets: u32) -> Vec<f64> {
        let numbers = &mut self.kept;
        numbers.sort_unstable_by(f64::total_cmp);
        let Some(&greatest) = numbers.last() else { return Vec::new() };
        let (n, buckets) = (numbers.len() as u64, u64::from(buckets));
        let mut bounds: Vec<f64> = (1..buckets)
            .filter_map(|b| Some(numbers[(b * n).div_ceil(buckets).checked_sub(1)? as usize] + 0.0))
            .collect();
        bounds.dedup();
        bounds.retain(|bound| *bound < greatest);
        bounds
    }
}

/// The number of the bucket that holds `number`.
pub(super) fn bucket(bounds: &[f64], number: f64) -> u32 {
    bounds.partition_point(|bound| *bound < number) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(numbers: impl IntoIterator<Item = f64>, buckets: u32) -> Vec<f64> {
        let mut sample = Sample::new(0);
        numbers.into_iter().for_each(|number| sample.add(number));
        sample.bounds(buckets)
    }

    #[test]
    fn buckets_hold_equal_numbers() {
        let found = bounds((1..=100).rev().map(f64::from), 4);
        assert_eq!(found, [25.0, 50.0, 75.0]);
        assert_eq!([-5.0, 25.0, 25.5, 100.0, 1e9].map(|v| bucket(&found, v)), [0, 0, 1, 3, 3]);
    }

    #[test]
    fn repeated_numbers_make_fewer_buckets_and_none_is_empty() {
        assert_eq!(bounds([0.0, -0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 2.0], 5), [0.0, 1.0]);
        assert!(bounds([7.0; 10], 32).is_empty());
        assert!(bounds([], 2).is_empty());
    }

    #[test]
    fn beyond_a_million_the_sample_is_uniform() {
        let found = bounds((0..3_000_000).map(f64::from), 4);
        // The deviation of a quantile of the sample is 3e6 * sqrt(.25 / 1e6) = 1,500 at most.
        for (bound, exact) in found.iter().zip([750_000.0, 1_500_000.0, 2_250_000.0]) {
            assert!((bound - exact).abs() < 7_500.0, "{bound} for {exact}");
        }
    }
}
