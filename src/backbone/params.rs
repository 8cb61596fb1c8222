//! An ordered store of a model's named parameters and buffers, and how they start (spec `backbones.md`, table 1.2).
//!
//! A tensor is `[R, ...]`, or `[...]` for R = 1. Layers hold handles to the same storage, and updates are in place, so a
//! layer always sees the present values.

use super::weights::{TensorFile, WeightsError};
use crate::random::{Purpose, Stream};
use tch::{Device, Kind, Tensor};

/// What one replica's random numbers are keyed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ModelKey {
    pub seed: u64,
    /// Which model's initial weights: models of the same seed and number start alike.
    pub init: [u32; 2],
    /// Which model's dropout and shuffles.
    pub run: [u32; 2],
}

impl ModelKey {
    /// The stream of the model's dropout in one batch; layers take children of it.
    pub fn dropout(&self, pass: u32, batch: u32) -> Stream {
        Stream::new(self.seed, Purpose::Dropout, &[self.run[0], self.run[1], pass, batch])
    }

    /// The stream of the order of rows in a pass.
    pub fn shuffle(&self, pass: u32) -> Stream {
        Stream::new(self.seed, Purpose::Shuffle, &[self.run[0], self.run[1], pass])
    }
}

/// How a parameter starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// Even over (-bound, bound).
    Uniform(f64),
    /// N(0, 1).
    Normal,
    Const(f64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamKind {
    Dense,
    /// `[.., D, W]`, read by rows: its gradient comes as the gradients of the rows read.
    Table,
    /// Not trained: BatchNorm's running statistics.
    Buffer,
}

pub(super) struct Entry {
    pub name: String,
    pub kind: ParamKind,
    pub tensor: Tensor,
}

/// A finished model's tensors.
pub struct Params {
    pub(super) entries: Vec<Entry>,
    replicas: usize,
}

impl Params {
    /// R.
    pub fn replicas(&self) -> usize {
        self.replicas
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, ParamKind, &Tensor)> {
        self.entries.iter().map(|entry| (entry.name.as_str(), entry.kind, &entry.tensor))
    }

    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.entries.iter().find(|entry| entry.name == name).map(|entry| &entry.tensor)
    }

    /// Copies of all tensors, in order.
    pub fn snapshot(&self) -> Vec<Tensor> {
        self.entries.iter().map(|entry| entry.tensor.detach().copy()).collect()
    }

    /// Replaces all values by those of a snapshot of this model.
    pub fn restore(&self, snapshot: &[Tensor]) {
        assert_eq!(snapshot.len(), self.entries.len(), "a snapshot of this model");
        tch::no_grad(|| {
            for (entry, saved) in self.entries.iter().zip(snapshot) {
                entry.tensor.shallow_clone().copy_(saved);
            }
        });
    }

    /// Copies replica `r` of all tensors into the snapshot.
    pub(super) fn snapshot_replica(&self, snapshot: &mut [Tensor], r: usize) {
        if self.replicas == 1 {
            tch::no_grad(|| {
                for (entry, saved) in self.entries.iter().zip(snapshot) {
                    saved.copy_(&entry.tensor);
                }
            });
        } else {
            tch::no_grad(|| {
                for (entry, saved) in self.entries.iter().zip(snapshot) {
                    saved.get(r as i64).copy_(&entry.tensor.get(r as i64));
                }
            });
        }
    }

    /// Adds all tensors under `prefix` + name.
    pub fn save(&self, prefix: &str, file: &mut TensorFile) {
        for entry in &self.entries {
            file.put(format!("{prefix}{}", entry.name), &entry.tensor);
        }
    }

    /// Replaces all values by those of the file; a tensor that is missing or of another shape is an error.
    pub fn load(&self, prefix: &str, file: &TensorFile) -> Result<(), WeightsError> {
        tch::no_grad(|| {
            for entry in &self.entries {
                let saved = file.get_shaped(&format!("{prefix}{}", entry.name), &entry.tensor.size())?;
                entry.tensor.shallow_clone().copy_(&saved);
            }
            Ok(())
        })
    }
}

/// Makes a model's tensors, in the order its layers ask for them.
pub struct ParamsBuilder<'a> {
    keys: &'a [ModelKey],
    device: Device,
    entries: Vec<Entry>,
}

impl<'a> ParamsBuilder<'a> {
    pub fn new(keys: &'a [ModelKey], device: Device) -> Self {
        assert!(!keys.is_empty(), "at least one replica");
        Self { keys, device, entries: Vec::new() }
    }

    /// R.
    pub fn replicas(&self) -> usize {
        self.keys.len()
    }

    pub fn device(&self) -> Device {
        self.device
    }

    /// A trained parameter of `shape` for each replica.
    pub fn dense(&mut self, name: impl Into<String>, shape: &[i64], init: Init) -> Tensor {
        self.add(name.into(), shape, init, ParamKind::Dense).1
    }

    /// A table `[D, W]` read by rows, and its number in the store.
    pub fn table(&mut self, name: impl Into<String>, shape: [i64; 2], init: Init) -> (usize, Tensor) {
        self.add(name.into(), &shape, init, ParamKind::Table)
    }

    pub fn buffer(&mut self, name: impl Into<String>, shape: &[i64], value: f64) -> Tensor {
        self.add(name.into(), shape, Init::Const(value), ParamKind::Buffer).1
    }

    fn add(&mut self, name: String, shape: &[i64], init: Init, kind: ParamKind) -> (usize, Tensor) {
        let count = shape.iter().product::<i64>() as usize;
        let mut values = vec![0.0_f32; count * self.keys.len()];
        for (key, values) in self.keys.iter().zip(values.chunks_mut(count)) {
            let stream = Stream::new(key.seed, Purpose::Init, &key.init).named(&name);
            match init {
                Init::Const(value) => values.fill(value as f32),
                Init::Normal => stream.fill_normal(values),
                Init::Uniform(bound) => {
                    stream.fill_uniform(values);
                    values.iter_mut().for_each(|x| *x = ((2.0 * f64::from(*x) - 1.0) * bound) as f32);
                }
            }
        }
        let mut size = shape.to_vec();
        if self.keys.len() > 1 {
            size.insert(0, self.keys.len() as i64);
        }
        let tensor = Tensor::from_slice(&values).view(&size[..]).to_device(self.device).to_kind(Kind::Float);
        // Rows of a table are leaves of their own (see `Pass::lookup`), so the table itself is not in the graph.
        let tensor = tensor.set_requires_grad(kind == ParamKind::Dense);
        self.entries.push(Entry { name, kind, tensor: tensor.shallow_clone() });
        (self.entries.len() - 1, tensor)
    }

    pub fn finish(self) -> Params {
        Params { entries: self.entries, replicas: self.keys.len() }
    }
}
