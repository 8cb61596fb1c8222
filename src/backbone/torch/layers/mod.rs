//! The blocks models are composed of, one a file. Parameter names are PyTorch's state-dict names of the reference models.

mod cross;
mod embedding;
mod inner_product;
mod linear;
mod mlp;
mod norm;
mod pairwise;

pub use cross::Cross;
pub use embedding::{Embedding, FirstOrder};
pub use inner_product::InnerProduct;
pub use linear::Linear;
pub use mlp::{Mlp, MlpConfig};
pub use norm::BatchNorm;
pub use pairwise::pairwise;
