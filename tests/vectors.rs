//! The numeric core against vectors computed in float64 by the reference programs. libtorch's models are held to the same
//! vectors by `torch/tests/vectors.rs`.

#[path = "vectors/confident.rs"]
mod confident;
#[path = "vectors/fused.rs"]
mod fused;
#[path = "vectors/instance.rs"]
mod instance;
#[path = "vectors/losses.rs"]
mod losses;
#[path = "vectors/metrics.rs"]
mod metrics;
#[path = "vectors/models.rs"]
mod models;
#[path = "vectors/policies.rs"]
mod policies;
#[path = "vectors/read.rs"]
mod read;
#[path = "vectors/rules.rs"]
mod rules;
