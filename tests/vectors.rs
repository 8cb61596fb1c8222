//! The numeric core against vectors computed in float64 by the reference programs: f32 here, so rtol 1e-4 and atol 1e-6.

#[path = "vectors/backbones.rs"]
mod backbones;
#[path = "vectors/confident.rs"]
mod confident;
#[path = "vectors/fused.rs"]
mod fused;
#[path = "vectors/instance.rs"]
mod instance;
#[path = "vectors/losses.rs"]
mod losses;
#[path = "vectors/metrics.rs"]
mod metrics;
#[path = "vectors/policy.rs"]
mod policy;
#[path = "vectors/rules.rs"]
mod rules;

use autodenoise::backbone::{ModelKey, torch::Params};
use serde_json::Value;
use tch::{Kind, Tensor};

pub const KEY: ModelKey = ModelKey { seed: 1, init: [0, 0], run: [0, 0] };

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
pub fn global_ids(vector: &Value) -> Tensor {
    let dims = ints(&vector["field_dims"]);
    let offsets: Vec<i64> = dims.iter().scan(0, |sum, dim| Some(std::mem::replace(sum, *sum + dim))).collect();
    let ids: Vec<i32> =
        ints(&vector["x"]).iter().enumerate().map(|(i, x)| (x + offsets[i % dims.len()]) as i32).collect();
    Tensor::from_slice(&ids).view([-1, dims.len() as i64])
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

pub fn close(what: &str, found: &Tensor, expected: &Value) {
    let found: Vec<f64> = Vec::try_from(found.detach().to_kind(Kind::Double).reshape([-1])).unwrap();
    close_numbers(what, &found, expected);
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

/// Gives the model the vector's parameters and buffers, in each replica.
pub fn load(params: &Params, vector: &Value) {
    for (name, _, tensor) in params.iter() {
        let saved = [&vector["params"][name], &vector["buffers"][name]].into_iter().find(|saved| !saved.is_null());
        let saved = numbers(saved.unwrap_or_else(|| panic!("no {name} in the vector")));
        let saved = Tensor::from_slice(&saved).to_kind(Kind::Float).view(&ints(&shape(vector, name))[..]);
        tch::no_grad(|| tensor.shallow_clone().copy_(&saved.expand_as(tensor)));
    }
}

fn shape(vector: &Value, name: &str) -> Value {
    let param = &vector["params"][name]["shape"];
    if param.is_null() { vector["buffers"][name]["shape"].clone() } else { param.clone() }
}
