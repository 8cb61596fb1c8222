//! The logarithmic neurons of AFN (spec `backbones.md` section 3): ReLU(exp(W log(1 + |V| + 1e-7)) - 1), V `[.., B, F, E]`
//! to `[.., B, L, E]`, and the linear layer over them, flat with L first, to `[.., B, out]`.
//!
//! L E numbers a row are by far the widest thing of the model: 200 MB a batch at the authors' sizes. They are made and used
//! a block of neurons at a time, so that a block is still in the cache when it is multiplied, and never transposed: a
//! block of the linear layer's weights, which are few, is put into the order in which the numbers come.

use super::Linear;
use super::linear::{add_linear, linear};
use crate::backbone::ParamsBuilder;
use tch::Tensor;

/// Numbers of a row that a block makes.
const BLOCK: i64 = 2048;

pub struct Logarithmic {
    /// W, `[.., L, F]`: the orders of the fields in each neuron's product.
    orders: Linear,
}

impl Logarithmic {
    pub fn new(builder: &mut ParamsBuilder, fields: i64, neurons: i64) -> Self {
        Self { orders: Linear::without_bias(builder, "LNN", fields, neurons) }
    }

    /// V `[.., B, F, E]` through the neurons and the layer `then`, whose weights are `[.., out, L E]`.
    pub fn forward(&self, v: &Tensor, then: &Linear) -> Tensor {
        let dim = v.size()[v.dim() - 1];
        let block = (BLOCK / dim).max(1);
        // [.., B, E, F]
        let logarithms = (v.abs() + 1e-7).log1p().transpose(-1, -2).contiguous();
        // [.., out, L, E]
        let by_neuron = then.weight().unflatten(-1, [-1, dim]);
        let blocks = self.orders.weight().split(block, -2).into_iter().zip(by_neuron.split(block, -2));
        let mut sum: Option<Tensor> = None;
        for (orders, weight) in blocks {
            // exp(ReLU(x)) - 1 is ReLU(exp(x) - 1), and both ways back read what is kept anyway.
            let products = linear(&logarithms, &orders, None).relu_().expm1().flatten(-2, -1);
            let weight = weight.transpose(-1, -2).flatten(-2, -1);
            sum = Some(match sum {
                None => linear(&products, &weight, then.bias()),
                Some(sum) => add_linear(&sum, &products, &weight),
            });
        }
        sum.expect("at least one neuron")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbone::ParamsBuilder;
    use autodenoise::backbone::ModelKey;
    use tch::{Device, kind::FLOAT_CPU};

    /// The same in the spec's own words.
    fn plain(neurons: &Logarithmic, v: &Tensor, then: &Linear) -> Tensor {
        let products = neurons.orders.weight().unsqueeze(-3).matmul(&(v.abs() + 1e-7).log1p()).expm1().relu();
        then.forward(&products.flatten(-2, -1))
    }

    #[test]
    fn blocks_of_neurons_come_to_the_whole_layer_and_its_gradients() {
        let key = |number| ModelKey { seed: 1, init: [number, 0], run: [number, 0] };
        let (fields, dim, neurons) = (3, 4, 2 * BLOCK / 4 + 70);
        for keys in [&[key(0)][..], &[key(0), key(1)]] {
            let mut builder = ParamsBuilder::new(keys, Device::Cpu);
            let layer = Logarithmic::new(&mut builder, fields, neurons);
            let then = Linear::new(&mut builder, "then", neurons * dim, 6);
            let size = if keys.len() == 1 { vec![5, fields, dim] } else { vec![2, 5, fields, dim] };
            let v =
                Tensor::linspace(-2.0, 2.0, size.iter().product(), FLOAT_CPU).view(&size[..]).set_requires_grad(true);
            let inputs = [&v, layer.orders.weight(), then.weight(), then.bias().unwrap()];
            let all = |y: Tensor| {
                let weighed = &y * Tensor::linspace(0.5, 1.5, y.numel() as i64, FLOAT_CPU).view_as(&y);
                let mut all = Tensor::run_backward(&[weighed.sum(tch::Kind::Float)], &inputs, false, false);
                all.push(y);
                all
            };
            let (found, expected) = (all(layer.forward(&v, &then)), all(plain(&layer, &v, &then)));
            for (found, expected) in found.iter().zip(&expected) {
                let off = f64::try_from((found - expected).abs().max() / expected.abs().max()).unwrap();
                assert!(off < 1e-5, "{off:e} of {:?}", expected.size());
            }
        }
    }
}
