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

    /// Of tensors that were made elsewhere: a weight `[.., out, in]` and a bias `[.., out]`.
    pub fn of(weight: Tensor, bias: Tensor) -> Self {
        Self { weight, bias: Some(bias) }
    }

    pub fn forward(&self, x: &Tensor) -> Tensor {
        linear(x, &self.weight, self.bias.as_ref())
    }

    /// This layer after `first` as one layer, W_2 (W_1 x + b_1) + b_2: the product of the two matrices is made once a batch,
    /// and every row is saved one of its two products.
    pub fn after(&self, first: &Self) -> Self {
        let moved = first.bias.as_ref().map(|bias| self.weight.matmul(&bias.unsqueeze(-1)).squeeze_dim(-1));
        let bias = match (moved, &self.bias) {
            (Some(moved), Some(own)) => Some(moved + own),
            (Some(bias), None) => Some(bias),
            (None, own) => own.as_ref().map(Tensor::shallow_clone),
        };
        Self { weight: self.weight.matmul(&first.weight), bias }
    }

    /// The weight `[.., out, in]`.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// The bias `[.., out]`.
    pub fn bias(&self) -> Option<&Tensor> {
        self.bias.as_ref()
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

/// `sum` `[.., B, out]` + x W^T of x `[.., B, in]` and weights `[.., out, in]`.
pub fn add_linear(sum: &Tensor, x: &Tensor, weight: &Tensor) -> Tensor {
    let transposed = weight.transpose(-1, -2);
    if weight.dim() == 2 { sum.addmm(x, &transposed) } else { sum.baddbmm(x, &transposed, 1.0, 1.0) }
}
