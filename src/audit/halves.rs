//! The two halves of the rows that a finding must hold in.

use crate::random::mix;

/// Which half a row is in, 0 or 1. Half of the rows of every value are in either.
pub fn half(row: usize) -> usize {
    (mix(row as u64) & 1) as usize
}

/// Which half all rows of a value are in.
pub fn half_of_value(value: u32) -> usize {
    (mix(u64::from(value) ^ 0x5bd1_e995) & 1) as usize
}
