//! The numeric core against vectors computed in float64 by the reference programs: f32 here, so rtol 1e-4 and atol 1e-6.

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
#[path = "vectors/read.rs"]
mod read;
#[path = "vectors/rules.rs"]
mod rules;

use autodenoise::backbone::torch::Params;
pub use read::{FUSED, KEY, close_numbers, config, id_ranges, ids, ints, numbers, vector};
use serde_json::Value;
use tch::{Kind, Tensor};

/// Roundings of the largest gradient of a model that each may be off by: some for each of the terms it is the sum of.
const GRADIENT_ROUNDINGS: f64 = 128.0;

/// Row-major ids `[B, F]` of the vector's rows.
pub fn global_ids(vector: &Value) -> Tensor {
    Tensor::from_slice(&read::ids(vector)).view([-1, ints(&vector["field_dims"]).len() as i64])
}

pub fn close(what: &str, found: &Tensor, expected: &Value) {
    close_numbers(what, &host(found), expected);
}

/// A tensor's numbers.
pub fn host(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.detach().to_kind(Kind::Double).reshape([-1])).unwrap()
}

/// Gradients of a model against those of the vector; every parameter is to have its own compared.
pub fn close_gradients(what: &str, found: &[(String, Vec<f64>)], expected: &Value) {
    let all = expected.as_object().unwrap().iter().filter(|(_, gradient)| !gradient.is_null());
    let all: Vec<(&String, Vec<f64>)> = all.map(|(name, gradient)| (name, numbers(gradient))).collect();
    assert_eq!(found.len(), all.len(), "{what}: every parameter has its gradient compared");
    // Sums that come to nothing, as those of biases before BatchNorm, keep the rounding of their terms.
    let largest = all.iter().flat_map(|(_, gradient)| gradient).fold(0.0_f64, |largest, g| largest.max(g.abs()));
    let bound = GRADIENT_ROUNDINGS * f64::from(f32::EPSILON) * largest;
    for (name, found) in found {
        let (_, expected) = all.iter().find(|(other, _)| *other == name).expect("a gradient of the vector");
        assert_eq!(found.len(), expected.len(), "{what} {name}");
        for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
            let off = (found - expected).abs();
            assert!(
                off <= bound,
                "{what} gradient of {name}[{at}]: {found} where {expected} is expected, {bound:e} off"
            );
        }
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
