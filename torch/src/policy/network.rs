//! The policy network Θ on libtorch (spec `autodenoise.md`, equations 1, 2 and 6 to 8).
//!
//! Ids `[B, F]`, or `[B, F + 1]` with the label as one more field; logits `[B, 2]`; action 1 selects.

use crate::backbone::layers::{Embedding, Mlp, MlpConfig};
use crate::backbone::{Adam, Backbone, Gradients, Net, ParamsBuilder, Pass};
use crate::host::upload;
use crate::place::Place;
use autodenoise::backbone::{ModelKey, PolicyConfig};
use autodenoise::types::PolicyReduction;
use tch::{Kind, Tensor};

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

pub struct TorchPolicy {
    pub model: Backbone,
    pub optimizer: Adam,
    pub(super) key: ModelKey,
    reduction: PolicyReduction,
    label_field: Option<u32>,
    pub(super) place: Place,
    /// The pass to learn from, and its logits `[B, 2]`.
    pub(super) explored: Option<(Tensor, Pass)>,
}

impl TorchPolicy {
    pub fn new(config: &PolicyConfig, key: ModelKey, place: impl Into<Place>) -> Self {
        let place = place.into();
        let model = Backbone::with(&[key], place.device, |builder: &mut ParamsBuilder| {
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
        let optimizer = Adam::new(config.optimizer, &model.params, place);
        let (reduction, label_field) = (config.reduction, config.label_field);
        Self { model, optimizer, key, reduction, label_field, place, explored: None }
    }

    /// Rows `[B, F]` with labels `[B]` as the policy sees them, `[B, F]`, or `[B, F + 1]` with the label.
    pub(super) fn ids(&self, ids: &Tensor, labels: &Tensor) -> Tensor {
        match self.label_field {
            None => ids.shallow_clone(),
            Some(start) => {
                let label = (labels.to_kind(Kind::Int) + i64::from(start)).to_kind(Kind::Int).unsqueeze(1);
                Tensor::cat(&[ids, &label], 1)
            }
        }
    }

    /// Logits `[B, 2]` in evaluation mode.
    pub fn logits(&self, ids: &Tensor) -> Tensor {
        tch::no_grad(|| self.model.forward(ids, &mut Pass::eval()))
    }

    /// -sum r log Θ(a | x) over the batch, or its mean over all B rows.
    pub fn loss(&self, logits: &Tensor, actions: &[bool], rewards: &[f32]) -> Tensor {
        let actions: Vec<i64> = actions.iter().map(|action| i64::from(*action)).collect();
        self.loss_of(logits, &upload(&actions, self.place.device), &upload(rewards, self.place.device))
    }

    /// The same of actions `[B]`, 0 or 1, and rewards `[B]` that lie beside the logits.
    fn loss_of(&self, logits: &Tensor, actions: &Tensor, rewards: &Tensor) -> Tensor {
        let log_prob = logits.log_softmax(1, Kind::Float).gather(1, &actions.unsqueeze(1), false).squeeze_dim(1);
        let gained = -(rewards * log_prob);
        match self.reduction {
            PolicyReduction::Mean => gained.mean(Kind::Float),
            PolicyReduction::Sum => gained.sum(Kind::Float),
        }
    }

    /// One step on the rewards of actions; only where `taken`, a scalar, is 1.
    pub(super) fn learn(&mut self, logits: &Tensor, actions: &Tensor, rewards: &Tensor, pass: Pass, taken: &Tensor) {
        let gradients = Gradients::of(&self.loss_of(logits, actions, rewards), &self.model.params, pass);
        self.optimizer.step_where(&self.model.params, gradients, &[true], Some(taken));
    }
}

/// Logits `[B, 2]` to the probability of action 1, `[B]`.
pub fn keep_prob(logits: &Tensor) -> Tensor {
    logits.detach().softmax(1, Kind::Float).select(1, 1)
}
