//! A seeded permutation in constant memory, by which rows are dealt to the splits.

use crate::random::mix;

/// A permutation of 0..n that a seed picks.
///
/// It is a Feistel network over the smallest number of bits that holds n - 1: its two parts take turns, each time
/// `part ^= mix(key of the round, other part)`, for six rounds. That permutes 0..2^bits. An image of n or more goes
/// through the network again until it is below n (cycle walking), which permutes 0..n. `mix` and the keys are
/// SplitMix64's. Not every order can come out (there are 2^64 seeds and n! orders); what the splits need is that every
/// row is as likely as any other to be in a split.
#[derive(Debug, Clone)]
pub struct Permutation {
    n: u64,
    low_bits: u32,
    high_bits: u32,
    keys: [u64; 6],
}

impl Permutation {
    /// The permutation of 0..`n` that `seed` picks.
    pub fn new(n: u64, seed: u64) -> Self {
        let bits = u64::BITS - n.saturating_sub(1).leading_zeros();
        let mut state = seed;
        let keys = std::array::from_fn(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            mix(state)
        });
        Self { n, low_bits: bits / 2, high_bits: bits - bits / 2, keys }
    }

    /// Where `at` (below n) goes.
    pub fn image(&self, at: u64) -> u64 {
        debug_assert!(at < self.n);
        let mut image = self.round_trip(at);
        while image >= self.n {
            image = self.round_trip(image);
        }
        image
    }

    fn round_trip(&self, at: u64) -> u64 {
        let (low_mask, high_mask) = ((1 << self.low_bits) - 1, (1 << self.high_bits) - 1);
        let (mut low, mut high) = (at & low_mask, at >> self.low_bits);
        for pair in self.keys.as_chunks::<2>().0 {
            low ^= mix(pair[0] ^ high) & low_mask;
            high ^= mix(pair[1] ^ low) & high_mask;
        }
        high << self.low_bits | low
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_row_goes_to_a_place_of_its_own() {
        for n in [1, 2, 3, 4, 5, 17, 1000, 65_536, 65_537] {
            let permutation = Permutation::new(n, 7);
            let images: HashSet<_> = (0..n).map(|at| permutation.image(at)).collect();
            assert_eq!(images.len() as u64, n);
            assert!(images.into_iter().all(|image| image < n));
        }
    }

    #[test]
    fn the_permutation_never_changes() {
        let permutation = Permutation::new(10, 0);
        assert_eq!((0..10).map(|at| permutation.image(at)).collect::<Vec<_>>(), PINNED);
        let large = Permutation::new(1_000_209, 12345);
        assert_eq!([0, 1, 1_000_208].map(|at| large.image(at)), PINNED_LARGE);
    }

    /// From an implementation of the same description in Python.
    const PINNED: [u64; 10] = [3, 7, 6, 0, 5, 2, 8, 9, 4, 1];
    const PINNED_LARGE: [u64; 3] = [891347, 516400, 811810];

    #[test]
    fn each_row_is_in_train_as_often_as_its_share() {
        let n = 50;
        let mut trained = [0_u32; 50];
        for seed in 0..4000 {
            let permutation = Permutation::new(n, seed);
            for (row, count) in trained.iter_mut().enumerate() {
                *count += u32::from(permutation.image(row as u64) < 40);
            }
        }
        // Binomial(4000, 0.8): mean 3200, deviation 25.3; five of them.
        assert!(trained.iter().all(|count| count.abs_diff(3200) < 127), "{trained:?}");
    }
}
