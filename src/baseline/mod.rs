//! What the method is compared with (spec `baselines.md`): other ways to find the rows worth training on.

pub mod confident;
pub mod sampled;
