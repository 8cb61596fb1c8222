//! The models on the CPU, without libtorch: forward, loss, derivatives written by hand, and the optimiser, in a few
//! sweeps over chunks of a batch's rows.
//!
//! Three things make it fast. A batch is worked on in chunks whose rows stay in a core's own cache from the reading of
//! their embeddings to the last product (`chunk`). Products run in registers, on the widest vectors the processor has
//! ([`crate::simd`], `kernels`). And no graph is built or followed: a model is a fixed sum of terms (`model`), each a file
//! with its forward and backward part side by side, that work in memory which stays from batch to batch.
//!
//! Results do not depend on the number of threads: chunks are fixed, sums over chunks run in their order, and gradients
//! of a table are added by field, in an order that the batch alone decides.

mod adam;
mod chunk;
mod cross;
mod embedding;
mod engine;
#[cfg(test)]
mod gradients;
mod kernels;
mod loss;
mod memory;
mod model;
mod pairwise;
mod params;
mod policy;
mod products;
mod state;
mod tower;

pub use adam::{update, update_rows};
pub use chunk::Chunk;
pub use engine::{Fused, FusedModel, cross_entropy, design};
pub use loss::{exp_of_negative, losses, losses_and_gradients};
pub use model::{Batch, Design, Network, Source};
pub use params::{Kind, Params};
pub use policy::{FusedPolicy, keep_prob, reinforce_head};
pub use tower::TowerDesign;
