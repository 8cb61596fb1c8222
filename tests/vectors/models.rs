//! The models and policies that the vectors are of.

use crate::reference::{id_ranges, ints};
use autodenoise::backbone::{BackboneConfig, OptimizerConfig, PolicyConfig};
use autodenoise::types::{BackboneKind, DeselectedReward, Optimizer, PolicyReduction, Reward};
use serde_json::Value;

/// The models of both engines, a file each.
pub const FUSED: [(&str, BackboneKind); 5] = [
    ("backbone_fm", BackboneKind::Fm),
    ("backbone_wd", BackboneKind::WideDeep),
    ("backbone_dcn", BackboneKind::Dcn),
    ("backbone_ipnn", BackboneKind::Ipnn),
    ("backbone_dfm", BackboneKind::DeepFm),
];

/// The structure of a vector's model: what its `config` names, by any of the names for it, and no dropout.
pub fn config(vector: &Value, kind: BackboneKind) -> BackboneConfig {
    let given = &vector["config"];
    let find = |names: &[&str]| names.iter().map(|name| &given[*name]).find(|value| !value.is_null());
    let number = |names: &[&str]| find(names).map_or(1, |value| value.as_u64().unwrap() as usize);
    let widths =
        |names: &[&str]| find(names).map_or(vec![], |dims| ints(dims).iter().map(|dim| *dim as usize).collect());
    let field = |name, otherwise| find(&[name]).map_or(otherwise, |place| ints(place)[0] as usize);
    BackboneConfig {
        user_item: [field("user_field_idx", 0), field("item_field_idx", 1)],
        embed_dim: number(&["embed_dim"]),
        mlp_dims: widths(&["mlp_dims", "dnn_hidden_units", "parallel_dnn_hidden_units", "mlp1"]),
        dropout: 0.0,
        interaction_dropout: 0.0,
        cross_layers: number(&["num_cross_layers", "num_layers"]),
        hofm_order: number(&["order"]),
        cin_dims: widths(&["cross_layer_sizes"]),
        cin_split_half: find(&["split_half"]).is_some_and(|split| split.as_bool().unwrap()),
        attention_dim: number(&["attn_size", "atten_embed_dim"]),
        attention_layers: number(&["num_layers"]),
        heads: number(&["num_heads"]),
        lnn_dim: number(&["lnn_dim"]),
        mask_blocks: number(&["num_blocks"]),
        mask_block_dim: number(&["block_dim"]),
        second_mlp_dims: widths(&["mlp2"]),
        gate_dims: widths(&["fs_hidden_units"]),
        ..BackboneConfig::preset(kind, id_ranges(vector))
    }
}

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
