//! A model's state as plain numbers. The only file here that knows what a tensor file is made of.

use autodenoise::backbone::{Array, Model, TensorFile, Values};
use std::collections::BTreeMap;
use tch::{Kind, Tensor};

/// Row-major numbers by the names of the tensors they belong to.
pub type Numbers = BTreeMap<String, Vec<f64>>;

/// All that one replica carries from one step to the next.
#[derive(Clone, PartialEq)]
pub struct State {
    /// Parameters and buffers.
    pub weights: Numbers,
    /// Adam's running mean of the gradients.
    pub m: Numbers,
    /// Adam's running mean of the squared gradients.
    pub v: Numbers,
    /// Steps that the optimiser has taken.
    pub steps: u32,
}

/// The state of each of a model's R replicas.
pub fn states(model: &dyn Model, replicas: usize) -> Vec<State> {
    states_of(&model.weights(), &model.optimizer_state(), replicas)
}

/// The same of what a model or a policy saves.
pub fn states_of(weights: &TensorFile, optimizer: &TensorFile, replicas: usize) -> Vec<State> {
    let of = |r| State {
        weights: part(weights, "", r, replicas),
        m: part(optimizer, "m/", r, replicas),
        v: part(optimizer, "v/", r, replicas),
        steps: part(optimizer, "steps", r, replicas)[""][0] as u32,
    };
    (0..replicas).map(of).collect()
}

/// Gives a model the state of another of as many replicas.
pub fn copy(from: &dyn Model, to: &mut dyn Model) {
    to.load_weights(&from.weights()).unwrap();
    to.load_optimizer_state(&from.optimizer_state()).unwrap();
}

/// Gives a single model the state of one replica of several.
pub fn copy_replica(from: &dyn Model, r: usize, to: &mut dyn Model) {
    to.load_weights(&replica(&from.weights(), r)).unwrap();
    to.load_optimizer_state(&replica(&from.optimizer_state(), r)).unwrap();
}

/// Replica `r` of tensors `[R, ...]`.
fn replica(file: &TensorFile, r: usize) -> TensorFile {
    let mut own = TensorFile::new();
    for (name, array) in file.iter() {
        let (replicas, shape) = (array.shape[0], array.shape[1..].to_vec());
        let values = match &array.values {
            Values::F32(all) => Values::F32(all[r * all.len() / replicas..][..all.len() / replicas].to_vec()),
            Values::I64(all) => Values::I64(vec![all[r]]),
            Values::I32(_) => unreachable!("a model has no positions"),
        };
        own.put(name, Array { shape: if name == "steps" { vec![1] } else { shape }, values });
    }
    own
}

/// What replica `r` has below `prefix`.
fn part(file: &TensorFile, prefix: &str, r: usize, replicas: usize) -> Numbers {
    let named = file.iter().filter_map(|(name, array)| Some((name.strip_prefix(prefix)?, numbers(array))));
    named
        .map(|(name, all)| (name.to_owned(), all[r * all.len() / replicas..][..all.len() / replicas].to_vec()))
        .collect()
}

fn numbers(array: &Array) -> Vec<f64> {
    match &array.values {
        Values::F32(values) => values.iter().map(|value| f64::from(*value)).collect(),
        Values::I64(values) => values.iter().map(|value| *value as f64).collect(),
        Values::I32(values) => values.iter().map(|value| f64::from(*value)).collect(),
    }
}

/// A tensor's numbers.
pub fn host(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.detach().to_kind(Kind::Double).reshape([-1])).unwrap()
}
