//! An ordered store of a model's named parameters and buffers, and how they start (spec `backbones.md`, table 1.2).
//!
//! A tensor is `[R, ...]`, or `[...]` for R = 1. Layers hold handles to the same storage, and updates are in place, so a
//! layer always sees the present values.

use crate::host::{load_tensor, put_tensor};
use autodenoise::backbone::{Init, ModelKey, TensorFile, WeightsError};
use tch::{Device, Kind, Tensor};

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

    /// Copies of all tensors.
    pub fn save(&self) -> TensorFile {
        let mut file = TensorFile::new();
        for entry in &self.entries {
            put_tensor(&mut file, entry.name.as_str(), &entry.tensor);
        }
        file
    }

    /// Replaces all values by those of the file; a tensor that is missing or of another shape is an error.
    pub fn load(&self, file: &TensorFile) -> Result<(), WeightsError> {
        tch::no_grad(|| {
            for entry in &self.entries {
                load_tensor(file, &entry.name, &entry.tensor)?;
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
            init.fill(key, &name, values);
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
