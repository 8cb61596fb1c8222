//! The arithmetic of training: every step of every engine, stacked or single, against the same step in f64, from the same
//! state (`docs/numerics.md`). `make numerics` runs this under several settings of libtorch's kernels.

#[path = "vectors/backbones.rs"]
mod backbones;
#[path = "numerics/engines.rs"]
mod engines;
#[path = "../../tests/vectors/models.rs"]
mod models;
#[path = "numerics/mutants.rs"]
mod mutants;
#[path = "../../tests/vectors/read.rs"]
#[allow(dead_code, reason = "the policy's vectors are compared elsewhere")]
mod read;
#[path = "numerics/reference.rs"]
mod reference;
#[path = "numerics/replicas.rs"]
mod replicas;
#[path = "numerics/search.rs"]
mod search;
#[path = "numerics/state.rs"]
mod state;
#[path = "numerics/step.rs"]
mod step;
#[path = "numerics/table.rs"]
mod table;
