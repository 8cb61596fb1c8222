//! MLP of spec `backbones.md` section 1.1: for each hidden width Linear, BatchNorm, ReLU, Dropout; then an optional output
//! Linear. `[.., B, in]` to `[.., B, out]`.

use super::{BatchNorm, Linear};
use crate::backbone::{ParamsBuilder, Pass};
use autodenoise::backbone::BackboneConfig;
use tch::Tensor;

#[derive(Debug, Clone, Copy)]
pub struct MlpConfig<'a> {
    pub inputs: i64,
    pub dims: &'a [usize],
    /// Width of the output layer; absent for none.
    pub outputs: Option<i64>,
    pub dropout: f64,
    pub batch_norm: bool,
}

pub struct Mlp {
    hidden: Vec<(Linear, Option<BatchNorm>)>,
    output: Option<Linear>,
    dropout: f64,
}

impl Mlp {
    /// Layer n has the sequential numbers 4n to 4n + 3 under `mlp.mlp`, whether or not it has all four parts.
    pub fn new(builder: &mut ParamsBuilder, config: MlpConfig) -> Self {
        Self::numbered(builder, "mlp.mlp", 4, config)
    }

    /// The hidden layers of a backbone, `inputs` wide at the start.
    pub fn of_backbone(
        builder: &mut ParamsBuilder,
        config: &BackboneConfig,
        inputs: i64,
        outputs: Option<i64>,
    ) -> Self {
        let (dims, dropout) = (widths(&config.options.mlp_dims), config.options.dropout);
        Self::new(builder, MlpConfig { inputs, dims: &dims, outputs, dropout, batch_norm: true })
    }

    /// The MLP of the models of spec section 4: no BatchNorm, and layer n has the numbers 2n and 2n + 1 under `name`.
    pub fn plain(
        builder: &mut ParamsBuilder,
        name: &str,
        inputs: i64,
        dims: &[u32],
        outputs: Option<i64>,
        dropout: f64,
    ) -> Self {
        let dims = &widths(dims);
        Self::numbered(builder, name, 2, MlpConfig { inputs, dims, outputs, dropout, batch_norm: false })
    }

    fn numbered(builder: &mut ParamsBuilder, name: &str, step: usize, config: MlpConfig) -> Self {
        let mut width = config.inputs;
        let mut hidden = Vec::with_capacity(config.dims.len());
        for (n, dim) in config.dims.iter().enumerate() {
            let linear = Linear::new(builder, &format!("{name}.{}", step * n), width, *dim as i64);
            let norm =
                config.batch_norm.then(|| BatchNorm::new(builder, &format!("{name}.{}", step * n + 1), *dim as i64));
            hidden.push((linear, norm));
            width = *dim as i64;
        }
        let name = format!("{name}.{}", step * config.dims.len());
        let output = config.outputs.map(|outputs| Linear::new(builder, &name, width, outputs));
        Self { hidden, output, dropout: config.dropout }
    }

    pub fn forward(&self, x: &Tensor, pass: &mut Pass) -> Tensor {
        match self.hidden.first().map(|(linear, _)| linear).or(self.output.as_ref()) {
            Some(first) => self.forward_from(first.forward(x), pass),
            None => x.shallow_clone(),
        }
    }

    /// The first linear layer, for inputs that it is better applied to part by part than held whole; the rest is
    /// `forward_from`. There is one, or an output.
    pub fn first(&self) -> &Linear {
        let hidden = self.hidden.first().map(|(linear, _)| linear);
        hidden.or(self.output.as_ref()).expect("an MLP that is asked for its first layer has layers")
    }

    /// What follows the first linear layer, from its values `[.., B, out]`.
    pub fn forward_from(&self, first: Tensor, pass: &mut Pass) -> Tensor {
        let mut x = first;
        for (n, (linear, norm)) in self.hidden.iter().enumerate() {
            if n > 0 {
                x = linear.forward(&x);
            }
            if let Some(norm) = norm {
                x = norm.forward(&x, pass);
            }
            x = pass.dropout(self.dropout, x.relu());
        }
        match &self.output {
            Some(output) if !self.hidden.is_empty() => output.forward(&x),
            _ => x,
        }
    }
}

/// Widths of layers as options have them.
fn widths(dims: &[u32]) -> Vec<usize> {
    dims.iter().map(|dim| *dim as usize).collect()
}
