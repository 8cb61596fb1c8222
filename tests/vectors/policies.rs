//! The policies that the vectors are of.

use crate::read::{id_ranges, ints};
use autodenoise::backbone::{OptimizerConfig, PolicyConfig};
use autodenoise::types::{DeselectedReward, Optimizer, PolicyReduction, Reward};
use serde_json::Value;

pub const POLICY_CASES: [(&str, Reward, DeselectedReward, PolicyReduction); 3] = [
    ("batch_sum_code", Reward::BatchSum, DeselectedReward::Batch, PolicyReduction::Sum),
    ("instance_zero", Reward::Instance, DeselectedReward::Zero, PolicyReduction::Mean),
    ("instance_negate", Reward::Instance, DeselectedReward::Negate, PolicyReduction::Mean),
];

pub fn policy_config(vector: &Value, reduction: PolicyReduction) -> PolicyConfig {
    let optimizer = &vector["reinforce"]["optimizer"];
    PolicyConfig {
        ranges: id_ranges(vector),
        label_field: None,
        embed_dim: vector["config"]["embed_dim"].as_u64().unwrap() as usize,
        mlp_dims: ints(&vector["config"]["mlp_dims"]).iter().map(|dim| *dim as usize).collect(),
        dropout: 0.0,
        batch_norm: true,
        reduction,
        optimizer: OptimizerConfig {
            kind: Optimizer::Adam,
            lr: optimizer["lr"].as_f64().unwrap(),
            weight_decay: optimizer["weight_decay"].as_f64().unwrap(),
        },
    }
}
