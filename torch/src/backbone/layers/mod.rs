//! The blocks models are composed of, one a file. Parameter names are PyTorch's state-dict names of the reference models.

mod anova;
mod attention;
mod bilinear;
mod cin;
mod cross;
mod embedding;
mod field_aware;
mod inner_product;
mod layer_norm;
mod linear;
mod logarithmic;
mod mask_block;
mod matrix_cross;
mod mlp;
mod norm;
mod outer_product;
mod pairs;
mod pairwise;

pub use anova::anova;
pub use attention::SelfAttention;
pub use bilinear::Bilinear;
pub use cin::Cin;
pub use cross::Cross;
pub use embedding::{Embedding, FirstOrder};
pub use field_aware::FieldAware;
pub use inner_product::InnerProduct;
pub use layer_norm::LayerNorm;
pub use linear::{Linear, linear};
pub use logarithmic::Logarithmic;
pub use mask_block::MaskBlock;
pub use matrix_cross::{GatedCross, MatrixCross};
pub use mlp::{Mlp, MlpConfig};
pub use norm::BatchNorm;
pub use outer_product::OuterProduct;
pub use pairs::{Pairs, pair_count};
pub use pairwise::{pairwise, pairwise_vector};
