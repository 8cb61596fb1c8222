//! A fully connected layer, `[.., B, in]` to `[.., B, out]`, with PyTorch's initial values: U(+-1/sqrt(in)) for both parts.
//! There may be more dimensions between B and in, such as fields or pairs.

use crate::backbone::ParamsBuilder;
use autodenoise::backbone::Init;
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
        linear(x, &self.weight, self.bias.as_ref())
    }
}

/// x W^T + b of weights `[.., out, in]` and a bias `[.., out]`.
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
    if weight.dim() == 2 {
        return x.linear(weight, bias);
    }
    let transposed = weight.transpose(-1, -2);
    // One matrix a replica, whatever lies between its rows and its columns.
    let rows = x.flatten(1, -2);
    let y = match bias {
        Some(bias) => bias.unsqueeze(-2).baddbmm(&rows, &transposed, 1.0, 1.0),
        None => rows.bmm(&transposed),
    };
    let mut size = x.size();
    *size.last_mut().expect("rows of numbers") = -1;
    y.view(&size[..])
}
