//! The models that the vectors are of.

use crate::read::{folder, id_ranges, ints, vector};
use autodenoise::backbone::BackboneConfig;
use autodenoise::types::{BackboneKind, Options, Structure};
use serde_json::Value;

/// Models that the program the vectors come from calls otherwise, or that have several structures.
const NAMES: [(&str, BackboneKind, Option<Structure>); 10] = [
    ("dfm", BackboneKind::DeepFm, None),
    ("wd", BackboneKind::WideDeep, None),
    ("xdfm", BackboneKind::XDeepFm, None),
    ("xdfm_split_half", BackboneKind::XDeepFm, None),
    ("afi", BackboneKind::AutoInt, None),
    ("dcnv2_parallel", BackboneKind::DcnV2, Some(Structure::Parallel)),
    ("gdcn_stacked", BackboneKind::Gdcn, Some(Structure::Stacked)),
    ("gdcn_parallel", BackboneKind::Gdcn, Some(Structure::Parallel)),
    ("masknet_serial", BackboneKind::MaskNet, Some(Structure::Serial)),
    ("masknet_parallel", BackboneKind::MaskNet, Some(Structure::Parallel)),
];

/// A model with a vector of its numbers.
pub struct Case {
    pub name: String,
    pub config: BackboneConfig,
    pub vector: Value,
}

/// Every `backbone*.json`: a vector, or several by name. `model` is the backbone's word in specs, or one of [`NAMES`].
pub fn cases() -> Vec<Case> {
    let folder = std::fs::read_dir(folder()).unwrap();
    let mut files: Vec<String> = folder.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    files.retain(|file| file.starts_with("backbone") && file.ends_with(".json"));
    files.sort();
    let vectors = files.iter().flat_map(|file| match vector(file.trim_end_matches(".json")) {
        one if one["model"].is_string() => vec![one],
        Value::Object(several) => several.into_iter().map(|(_, vector)| vector).collect(),
        other => panic!("{file}: {other}"),
    });
    vectors.map(case).collect()
}

fn case(vector: Value) -> Case {
    let name = vector["model"].as_str().unwrap().to_owned();
    let known = NAMES.iter().find(|(model, ..)| *model == name);
    let (kind, structure) =
        known.map_or_else(|| (name.parse().unwrap(), None), |(_, kind, structure)| (*kind, *structure));
    let mut config = config(&vector, kind);
    config.options.structure = structure.unwrap_or(config.options.structure);
    Case { name, config, vector }
}

/// The structure of a vector's model: what its `config` names, by any of the names for it, and no dropout.
pub fn config(vector: &Value, kind: BackboneKind) -> BackboneConfig {
    let given = &vector["config"];
    let find = |names: &[&str]| names.iter().map(|name| &given[*name]).find(|value| !value.is_null());
    let number = |names: &[&str]| find(names).map_or(1, |value| value.as_u64().unwrap() as u32);
    let widths = |names: &[&str]| find(names).map_or(vec![], |dims| ints(dims).iter().map(|dim| *dim as u32).collect());
    let field = |name, otherwise| find(&[name]).map_or(otherwise, |place| ints(place)[0] as usize);
    let preset = BackboneConfig::preset(kind, id_ranges(vector));
    let options = Options {
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
        ..preset.options
    };
    BackboneConfig { user_item: [field("user_field_idx", 0), field("item_field_idx", 1)], options, ..preset }
}
