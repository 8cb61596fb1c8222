//! MaskNet: masks made from flat V on V normed field by field. Serial: blocks one over the other, then Linear; parallel:
//! blocks side by side, then MLP.

use super::layers::{Embedding, LayerNorm, Linear, MaskBlock, Mlp};
use super::{BackboneConfig, Net, ParamsBuilder, Pass};
use autodenoise::types::Structure;
use std::iter::once;
use tch::Tensor;

pub struct MaskNet {
    embedding: Embedding,
    norms: Vec<LayerNorm>,
    blocks: Vec<MaskBlock>,
    top: Top,
}

enum Top {
    Serial(Linear),
    Parallel(Mlp),
}

impl MaskNet {
    pub fn new(builder: &mut ParamsBuilder, config: &BackboneConfig) -> Self {
        let (flat, dropout) = (config.flat() as i64, config.options.dropout);
        let embedding = Embedding::named(builder, "emb.weight", config);
        let norm = |f| LayerNorm::new(builder, &format!("emb_norm.{f}"), config.options.embed_dim as i64);
        let norms = (0..config.fields()).map(norm).collect();
        let block = |builder: &mut ParamsBuilder, n, inputs, outputs| {
            MaskBlock::new(builder, &format!("net.mask_blocks.{n}"), flat, inputs, outputs, dropout)
        };
        let (blocks, top);
        if config.options.structure == Structure::Parallel {
            let (count, width) = (config.options.mask_blocks, config.options.mask_block_dim as i64);
            blocks = (0..count as usize).map(|n| block(builder, n, flat, width)).collect();
            let width = count as i64 * width;
            top = Top::Parallel(Mlp::plain(builder, "net.dnn.mlp", width, &config.options.mlp_dims, Some(1), dropout));
        } else {
            let widths: Vec<i64> = once(flat).chain(config.options.mlp_dims.iter().map(|dim| *dim as i64)).collect();
            blocks = widths.windows(2).enumerate().map(|(n, of)| block(builder, n, of[0], of[1])).collect();
            top = Top::Serial(Linear::new(builder, "net.fc.0", *widths.last().expect("at least flat V"), 1));
        }
        Self { embedding, norms, blocks, top }
    }
}

impl Net for MaskNet {
    fn forward(&self, ids: &Tensor, pass: &mut Pass) -> Tensor {
        let v = self.embedding.forward(ids, pass);
        let normed = (0..).zip(&self.norms).map(|(f, norm)| norm.forward(&v.select(-2, f)));
        let h = Tensor::cat(&normed.collect::<Vec<_>>(), -1);
        let v = v.flatten(-2, -1);
        match &self.top {
            Top::Serial(output) => output.forward(&self.blocks.iter().fold(h, |h, block| block.forward(&v, &h, pass))),
            Top::Parallel(mlp) => {
                let side_by_side: Vec<Tensor> = self.blocks.iter().map(|block| block.forward(&v, &h, pass)).collect();
                mlp.forward(&Tensor::cat(&side_by_side, -1), pass)
            }
        }
        .squeeze_dim(-1)
    }
}
