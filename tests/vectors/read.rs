//! The vectors' files: numbers, ids, and the models they were computed with.

use autodenoise::backbone::{BackboneConfig, ModelKey};
use autodenoise::types::BackboneKind;
use serde_json::Value;

pub const KEY: ModelKey = ModelKey { seed: 1, init: [0, 0], run: [0, 0] };

/// The models of both engines, a file each.
pub const FUSED: [(&str, BackboneKind); 5] = [
    ("backbone_fm", BackboneKind::Fm),
    ("backbone_wd", BackboneKind::WideDeep),
    ("backbone_dcn", BackboneKind::Dcn),
    ("backbone_ipnn", BackboneKind::Ipnn),
    ("backbone_dfm", BackboneKind::DeepFm),
];

pub fn vector(name: &str) -> Value {
    let path = format!("{}/tests/vectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(&path).expect(&path)).expect(&path)
}

pub fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        Value::Object(tensor) => numbers(&tensor["data"]),
        number => vec![number.as_f64().expect("a number")],
    }
}

pub fn ints(value: &Value) -> Vec<i64> {
    numbers(value).iter().map(|x| *x as i64).collect()
}

/// Row-major ids of the vector's `x` with the fields' offsets added.
pub fn ids(vector: &Value) -> Vec<i32> {
    let dims = ints(&vector["field_dims"]);
    let offsets: Vec<i64> = dims.iter().scan(0, |sum, dim| Some(std::mem::replace(sum, *sum + dim))).collect();
    ints(&vector["x"]).iter().enumerate().map(|(i, x)| (x + offsets[i % dims.len()]) as i32).collect()
}

/// The ids of each field.
pub fn id_ranges(vector: &Value) -> Vec<std::ops::Range<u32>> {
    let mut start = 0;
    let range = |dim: i64| {
        let first = start;
        start += dim as u32;
        first..start
    };
    ints(&vector["field_dims"]).into_iter().map(range).collect()
}

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

pub fn close_numbers<T: Copy + Into<f64>>(what: &str, found: &[T], expected: &Value) {
    let found: Vec<f64> = found.iter().map(|number| (*number).into()).collect();
    let expected = numbers(expected);
    assert_eq!(found.len(), expected.len(), "{what}");
    for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let tolerance = 1e-6 + 1e-4 * expected.abs();
        assert!((found - expected).abs() <= tolerance, "{what}[{at}]: {found} where {expected} is expected");
    }
}
