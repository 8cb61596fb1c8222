//! The random numbers of `robust`, each stream by the name of what is drawn from it.

use crate::random::{Purpose, ROBUST, Stream};

/// First words of the paths of [`Purpose::Folds`].
const VALUES: u32 = 1;
const ROWS: u32 = 2;

/// The part that each value of a field is in, while its values are examined.
pub fn value_parts(seed: u64, column: u32) -> Stream {
    Stream::new(seed, Purpose::Folds, &[VALUES, column])
}

/// The part that each row is in, in a cross-fitting of this number.
pub fn row_parts(seed: u64, number: u32) -> Stream {
    Stream::new(seed, Purpose::Folds, &[ROWS, number])
}

/// The order in which the policy sees the rows in an epoch.
pub fn policy_order(seed: u64, epoch: u32) -> Stream {
    Stream::new(seed, Purpose::Shuffle, &[ROBUST, epoch])
}

/// The actions of the policy in an epoch.
pub fn policy_actions(seed: u64, epoch: u32) -> Stream {
    Stream::new(seed, Purpose::Actions, &[ROBUST, epoch])
}

/// The rows of a candidate, before they are balanced.
pub fn candidate_rows(seed: u64, candidate: u32) -> Stream {
    Stream::new(seed, Purpose::Select, &[ROBUST, candidate])
}

/// The order in which a sweep (from 0) balances the rows of a candidate.
pub fn balancing_order(seed: u64, candidate: u32, sweep: u32) -> Stream {
    Stream::new(seed, Purpose::Select, &[ROBUST, candidate, 1 + sweep])
}
