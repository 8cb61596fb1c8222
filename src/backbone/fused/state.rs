//! Networks to named tensors and back: R replicas are R networks, their tensors stacked.

use super::model::Network;
use super::params::Kind;
use crate::backbone::{TensorFile, WeightsError};

/// Adds all tensors of one kind, stacked where there are several replicas.
pub fn save(replicas: &[Network], prefix: &str, kind: Kind, file: &mut TensorFile) {
    for (name, shape, _) in replicas[0].params.names().filter(|(_, _, trained)| *trained || kind == Kind::Value) {
        let values: Vec<f32> = replicas.iter().flat_map(|model| model.params.read(name, kind)).collect();
        file.put_values(format!("{prefix}{name}"), &stacked(shape, replicas.len()), &values);
    }
}

pub fn load(replicas: &mut [Network], prefix: &str, kind: Kind, file: &TensorFile) -> Result<(), WeightsError> {
    let wanted = replicas[0].params.names().filter(|(_, _, trained)| *trained || kind == Kind::Value);
    let wanted: Vec<(String, Vec<usize>)> = wanted.map(|(name, shape, _)| (name.to_owned(), shape.to_vec())).collect();
    // All are read before any is written: a file that does not fit changes nothing.
    let count = replicas.len();
    let values = wanted.iter().map(|(name, shape)| file.values(&format!("{prefix}{name}"), &stacked(shape, count)));
    for ((name, _), values) in wanted.iter().zip(values.collect::<Result<Vec<_>, _>>()?) {
        for (model, values) in replicas.iter_mut().zip(values.chunks(values.len() / count)) {
            model.params.write(name, kind, values);
        }
    }
    Ok(())
}

/// What the optimiser remembers of each replica.
pub fn optimizer_state(replicas: &[Network]) -> TensorFile {
    let mut file = TensorFile::new();
    save(replicas, "m/", Kind::M, &mut file);
    save(replicas, "v/", Kind::V, &mut file);
    let steps: Vec<i64> = replicas.iter().map(|model| i64::from(model.steps)).collect();
    file.put_counts("steps", &steps);
    file
}

pub fn load_optimizer_state(replicas: &mut [Network], state: &TensorFile) -> Result<(), WeightsError> {
    load(replicas, "m/", Kind::M, state)?;
    load(replicas, "v/", Kind::V, state)?;
    let steps = state.counts("steps", replicas.len())?;
    for (model, steps) in replicas.iter_mut().zip(steps) {
        model.steps = *steps as u32;
    }
    Ok(())
}

fn stacked(shape: &[usize], replicas: usize) -> Vec<usize> {
    if replicas == 1 { shape.to_vec() } else { [&[replicas], shape].concat() }
}
