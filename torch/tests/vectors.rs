//! Losses and the policy on libtorch against vectors computed in float64 by the reference programs; the models are in
//! `numerics.rs`.

#[path = "vectors/losses.rs"]
mod losses;
#[path = "../../tests/vectors/policies.rs"]
mod policies;
#[path = "vectors/policy.rs"]
mod policy;
#[path = "../../tests/vectors/read.rs"]
mod read;

use autodenoise_torch::backbone::Params;
use read::{close_numbers, global_ids, ints, numbers};
use serde_json::Value;
use tch::{Kind, Tensor};

/// Ids `[B, F]` of the vector's rows.
pub fn ids(vector: &Value) -> Tensor {
    Tensor::from_slice(&global_ids(vector)).view([-1, ints(&vector["field_dims"]).len() as i64])
}

pub fn close(what: &str, found: &Tensor, expected: &Value) {
    close_numbers(what, &host(found), expected);
}

/// A tensor's numbers.
pub fn host(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.detach().to_kind(Kind::Double).reshape([-1])).unwrap()
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
