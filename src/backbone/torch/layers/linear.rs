//! A fully connected layer, `[.., B, in]` to `[.., B, out]`, with PyTorch's initial values: U(+-1/sqrt(in)) for both parts.

use crate::backbone::Init;
use crate::backbone::torch::ParamsBuilder;
use tch::Tensor;

pub struct Linear {
    /// `[.., out, in]`.
    weight: Tensor,
    /// `[.., out]`.
    bias: Option<Tensor>,
}

impl Linear {
    pub fn new(builder: &mut ParamsBuilder, name: &str, inputs: i64, outputs: i64) -> Self {
        let init = Init::linear(inputs as usize);
        let weight = builder.dense(format!("{name}.weight"), &[outputs, inputs], init);
        Self { weight, bias: Some(builder.dense(format!("{name}.bias"), &[outputs], init)) }
    }

    pub fn without_bias(builder: &mut ParamsBuilder, name: &str, inputs: i64, outputs: i64) -> Self {
        let init = Init::linear(inputs as usize);
        Self { weight: builder.dense(format!("{name}.weight"), &[outputs, inputs], init), bias: None }
    }

    pub fn forward(&self, x: &Tensor) -> Tensor {
        if self.weight.dim() == 2 {
            return x.linear(&self.weight, self.bias.as_ref());
        }
        let transposed = self.weight.transpose(-1, -2);
        match &self.bias {
            Some(bias) => bias.unsqueeze(-2).baddbmm(x, &transposed, 1.0, 1.0),
            None => x.bmm(&transposed),
        }
    }
}
