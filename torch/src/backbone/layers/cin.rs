//! The compressed interaction network of xDeepFM (spec `backbones.md` section 3): every layer mixes the products of the
//! fields' embeddings with the last layer's, V `[.., B, F, E]` to `[.., B]`.

use super::{Linear, linear};
use crate::backbone::ParamsBuilder;
use autodenoise::backbone::{BackboneConfig, Init};
use tch::Tensor;

pub struct Cin {
    /// Weights `[.., H, F H', 1]` and biases `[.., H]` of convolutions over E.
    layers: Vec<(Tensor, Tensor)>,
    split_half: bool,
    output: Linear,
}

impl Cin {
    pub fn new(builder: &mut ParamsBuilder, config: &BackboneConfig) -> Self {
        let (fields, last) = (config.fields() as i64, config.options.cin_dims.len() - 1);
        let (mut width, mut outputs) = (fields, 0);
        let mut layers = Vec::with_capacity(config.options.cin_dims.len());
        for (l, dim) in config.options.cin_dims.iter().enumerate() {
            let (inputs, dim) = (fields * width, *dim as i64);
            let init = Init::linear(inputs as usize);
            let weight = builder.dense(format!("cin.conv_layers.{l}.weight"), &[dim, inputs, 1], init);
            layers.push((weight, builder.dense(format!("cin.conv_layers.{l}.bias"), &[dim], init)));
            width = if config.options.cin_split_half && l < last { dim / 2 } else { dim };
            outputs += width;
        }
        Self { layers, split_half: config.options.cin_split_half, output: Linear::new(builder, "cin.fc", outputs, 1) }
    }

    pub fn forward(&self, v: &Tensor) -> Tensor {
        // With E before the fields a convolution is one matrix product.
        let x0 = v.transpose(-1, -2).contiguous();
        let mut h = x0.shallow_clone();
        let mut outputs = Vec::with_capacity(self.layers.len());
        for (l, (weight, bias)) in self.layers.iter().enumerate() {
            let products = (x0.unsqueeze(-1) * h.unsqueeze(-2)).flatten(-2, -1);
            let y = linear(&products, &weight.squeeze_dim(-1), Some(bias)).relu();
            if self.split_half && l + 1 < self.layers.len() {
                let halves = y.chunk(2, -1);
                outputs.push(halves[0].shallow_clone());
                h = halves[1].shallow_clone();
            } else {
                outputs.push(y.shallow_clone());
                h = y;
            }
        }
        let pooled = Tensor::cat(&outputs, -1).sum_dim_intlist(-2, false, None);
        self.output.forward(&pooled).squeeze_dim(-1)
    }
}
