//! BatchNorm1d over `[.., B, H]`, whose batch statistics are over the rows that count (`Pass::counted`).
//!
//! A replica fed all rows with some of them not counted thus has the statistics of a model fed only the others. eps 1e-5,
//! momentum 0.1; rows are normalised by the biased variance, the running variance takes the unbiased one.

use crate::backbone::{ParamsBuilder, Pass};
use autodenoise::backbone::Init;
use tch::{Kind, Tensor};

const EPS: f64 = 1e-5;
const MOMENTUM: f64 = 0.1;

pub struct BatchNorm {
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    replicas: usize,
}

impl BatchNorm {
    pub fn new(builder: &mut ParamsBuilder, name: &str, width: i64) -> Self {
        Self {
            weight: builder.dense(format!("{name}.weight"), &[width], Init::Const(1.0)),
            bias: builder.dense(format!("{name}.bias"), &[width], Init::Const(0.0)),
            running_mean: builder.buffer(format!("{name}.running_mean"), &[width], 0.0),
            running_var: builder.buffer(format!("{name}.running_var"), &[width], 1.0),
            replicas: builder.replicas(),
        }
    }

    pub fn forward(&self, x: &Tensor, pass: &Pass) -> Tensor {
        if self.replicas == 1 && (!pass.has_batch_stats() || pass.counted.is_none()) {
            return self.fused(x, pass);
        }
        if !pass.has_batch_stats() {
            let scale = (&self.running_var + EPS).rsqrt() * &self.weight;
            let shift = &self.bias - &self.running_mean * &scale;
            return x * scale.unsqueeze(-2) + shift.unsqueeze(-2);
        }
        let (mean, var, n) = self.batch_statistics(x, pass);
        if pass.update_stats {
            self.move_running(&mean, &var, &n, pass);
        }
        let scale = (var + EPS).rsqrt() * self.weight.unsqueeze(-2);
        (x - mean) * scale + self.bias.unsqueeze(-2)
    }

    fn fused(&self, x: &Tensor, pass: &Pass) -> Tensor {
        let moves = !pass.has_batch_stats() || pass.update_stats;
        let running = |tensor| moves.then_some(tensor);
        x.batch_norm(
            Some(&self.weight),
            Some(&self.bias),
            running(&self.running_mean),
            running(&self.running_var),
            pass.has_batch_stats(),
            MOMENTUM,
            EPS,
            false,
        )
    }

    /// Mean and biased variance `[.., 1, H]` of the rows that count, and how many they are `[.., 1, 1]`.
    fn batch_statistics(&self, x: &Tensor, pass: &Pass) -> (Tensor, Tensor, Tensor) {
        match &pass.counted {
            None => {
                let mean = x.mean_dim(-2, true, None);
                let var = (x - &mean).square().mean_dim(-2, true, None);
                let rows = x.size()[x.dim() - 2];
                (mean, var, Tensor::full([1, 1], rows, (Kind::Float, x.device())))
            }
            Some(counted) => {
                // A replica with no row at all is not stepped; the floor only keeps its numbers finite.
                let n = counted.sum_dim_intlist(-2, true, None).clamp_min(1.0);
                let mean = (x * counted).sum_dim_intlist(-2, true, None) / &n;
                let var = ((x - &mean).square() * counted).sum_dim_intlist(-2, true, None) / &n;
                (mean, var, n)
            }
        }
    }

    fn move_running(&self, mean: &Tensor, var: &Tensor, n: &Tensor, pass: &Pass) {
        tch::no_grad(|| {
            let unbiased = (var * n / (n - 1.0).clamp_min(1.0)).squeeze_dim(-2);
            let mean = mean.squeeze_dim(-2);
            for (running, batch) in [(&self.running_mean, mean), (&self.running_var, unbiased)] {
                let mut running = running.shallow_clone();
                match &pass.active {
                    Some(active) if self.replicas > 1 => {
                        for (r, _) in active.iter().enumerate().filter(|(_, active)| **active) {
                            let _ = running.get(r as i64).lerp_(&batch.get(r as i64), MOMENTUM);
                        }
                    }
                    _ => {
                        let batch = batch.detach();
                        let _ = match &pass.moves {
                            None => running.lerp_(&batch, MOMENTUM),
                            Some(moves) => running.lerp_tensor_(&batch, &(moves * MOMENTUM)),
                        };
                    }
                }
            }
        });
    }
}
