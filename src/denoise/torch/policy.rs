//! The policy network Θ: its own embedding table (not the model's), an MLP and two logits per row (spec
//! `autodenoise.md`, equations 1 and 2), learning by REINFORCE (equations 6 to 8).
//!
//! Ids `[B, F]`, or `[B, F + 1]` with the label as one more field; logits `[B, 2]`; action 1 selects.

use crate::backbone::ModelKey;
use crate::backbone::torch::layers::{Embedding, Mlp, MlpConfig};
use crate::backbone::torch::{Adam, Backbone, Gradients, Net, ParamsBuilder, Pass};
use crate::denoise::PolicyConfig;
use crate::types::PolicyReduction;
use tch::{Device, Kind, Tensor};

/// Rows of one scoring pass.
const SCORE_ROWS: i64 = 4096;

struct PolicyNet {
    embedding: Embedding,
    mlp: Mlp,
}

impl Net for PolicyNet {
    fn forward(&self, ids: &Tensor, pass: &mut Pass) -> Tensor {
        let v = self.embedding.forward(ids, pass);
        self.mlp.forward(&v.flatten(-2, -1), pass)
    }
}

pub struct Policy {
    pub model: Backbone,
    pub optimizer: Adam,
    key: ModelKey,
    reduction: PolicyReduction,
}

impl Policy {
    pub fn new(config: &PolicyConfig, key: ModelKey, device: Device) -> Self {
        let model = Backbone::with(&[key], device, |builder: &mut ParamsBuilder| {
            Box::new(PolicyNet {
                embedding: Embedding::new(builder, config.cardinality() as i64, config.embed_dim as i64),
                mlp: Mlp::new(
                    builder,
                    MlpConfig {
                        inputs: (config.ranges.len() * config.embed_dim) as i64,
                        dims: &config.mlp_dims,
                        outputs: Some(2),
                        dropout: config.dropout,
                        batch_norm: config.batch_norm,
                    },
                ),
            })
        });
        let optimizer = Adam::new(config.optimizer, &model.params);
        Self { model, optimizer, key, reduction: config.reduction }
    }

    /// A forward pass to learn from: logits, and the pass to hand to `reinforce`. `pass` and `batch` name the dropout.
    pub fn explore(&self, ids: &Tensor, pass: u32, batch: u32) -> (Tensor, Pass) {
        let mut pass = Pass::train(vec![self.key.dropout(pass, batch)]);
        (self.model.forward(ids, &mut pass), pass)
    }

    /// Logits in evaluation mode.
    pub fn logits(&self, ids: &Tensor) -> Tensor {
        tch::no_grad(|| self.model.forward(ids, &mut Pass::eval()))
    }

    /// Probability of action 1, `[n]`, in evaluation mode.
    pub fn keep_prob(&self, ids: &Tensor) -> Tensor {
        let parts: Vec<_> = ids.split(SCORE_ROWS, 0).iter().map(|ids| keep_prob(&self.logits(ids))).collect();
        Tensor::cat(&parts, 0)
    }

    /// -sum r log Θ(a | x) over the batch, or its mean over all B rows.
    pub fn loss(&self, logits: &Tensor, actions: &Tensor, rewards: &Tensor) -> Tensor {
        let log_prob = logits.log_softmax(1, Kind::Float);
        let taken = log_prob.gather(1, &actions.to_kind(Kind::Int64).unsqueeze(1), false).squeeze_dim(1);
        let gained = -(rewards * taken);
        match self.reduction {
            PolicyReduction::Mean => gained.mean(Kind::Float),
            PolicyReduction::Sum => gained.sum(Kind::Float),
        }
    }

    /// One step of gradient ascent on the rewards (equation 8).
    pub fn reinforce(&mut self, logits: &Tensor, pass: Pass, actions: &Tensor, rewards: &Tensor) {
        let gradients = Gradients::of(&self.loss(logits, actions, rewards), &self.model.params, pass);
        self.optimizer.step(&self.model.params, gradients, &[true]);
    }
}

/// Logits `[B, 2]` to the probability of action 1, `[B]`.
pub fn keep_prob(logits: &Tensor) -> Tensor {
    logits.detach().softmax(1, Kind::Float).select(1, 1)
}
