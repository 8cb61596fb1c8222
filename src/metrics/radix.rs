//! Sorts u32 keys by their digits, least significant first: a few passes over memory without comparisons, so the time does
//! not depend on the keys' order.

const BITS: u32 = 11;
const DIGITS: usize = 1 << BITS;
const PASSES: usize = u32::BITS.div_ceil(BITS) as usize;

/// Sorts the keys in ascending order, and returns that one of the two slices that holds them; the other is left with
/// nothing of use. Both have the same length.
pub(super) fn sorted<'a>(mut keys: &'a mut [u32], mut scratch: &'a mut [u32]) -> &'a [u32] {
    assert_eq!(keys.len(), scratch.len(), "room for each key");
    for (pass, counts) in (0..).zip(&count_digits(keys)) {
        let digit = |key: u32| key as usize >> (BITS * pass) & (DIGITS - 1);
        // A digit that all keys share sorts nothing. This is common: probabilities differ little in their upper bits.
        if keys.first().is_none_or(|first| counts[digit(*first)] == keys.len()) {
            continue;
        }
        let mut next = [0; DIGITS];
        let mut start = 0;
        for (next, count) in next.iter_mut().zip(counts) {
            *next = start;
            start += count;
        }
        for &key in &*keys {
            let place = &mut next[digit(key)];
            scratch[*place] = key;
            *place += 1;
        }
        (keys, scratch) = (scratch, keys);
    }
    keys
}

/// For each pass, how many keys have each digit.
fn count_digits(keys: &[u32]) -> [[usize; DIGITS]; PASSES] {
    let mut counts = [[0; DIGITS]; PASSES];
    for &key in keys {
        for (pass, counts) in (0..).zip(&mut counts) {
            counts[key as usize >> (BITS * pass) & (DIGITS - 1)] += 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn keys_come_out_in_order(
            mut keys in proptest::collection::vec(any::<u32>(), 0..300),
            // Any of the digits may be the same in all keys, so any of the passes may be left out.
            mask in proptest::sample::select(&[u32::MAX, 0, 0x7ff, 0x003f_f800, 0xffc0_0000, 0xffff_f800][..]),
        ) {
            keys.iter_mut().for_each(|key| *key &= mask);
            let mut expected = keys.clone();
            expected.sort_unstable();
            let mut scratch = vec![0; keys.len()];
            prop_assert_eq!(sorted(&mut keys, &mut scratch), expected);
        }
    }
}
