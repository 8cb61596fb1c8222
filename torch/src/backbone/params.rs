//! An ordered store of a model's named parameters and buffers, and how they start (spec `backbones.md`, table 1.2).
//!
//! A tensor is `[R, ...]`, or `[...]` for R = 1. Layers hold handles to the same storage, and updates are in place, so a
//! layer always sees the present values.

use crate::host::{load_tensor, put_tensor};
use autodenoise::backbone::{Init, ModelKey, TensorFile, WeightsError};
use tch::{Device, Tensor};

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
    start: Start<'a>,
    device: Device,
    entries: Vec<Entry>,
}

/// What the replicas start as.
enum Start<'a> {
    /// Fresh, one a key.
    Fresh(&'a [ModelKey]),
    /// Single models of the same network, which share their numbers with the replicas from then on.
    Single(Vec<&'a Params>),
}

impl<'a> ParamsBuilder<'a> {
    pub fn new(keys: &'a [ModelKey], device: Device) -> Self {
        assert!(!keys.is_empty(), "at least one replica");
        Self { start: Start::Fresh(keys), device, entries: Vec::new() }
    }

    /// Of several single models of one network, on their device: whatever is made of them changes them.
    pub fn joining(models: Vec<&'a Params>) -> Self {
        assert!(models.len() > 1, "a single model is one already");
        let device = models[0].entries[0].tensor.device();
        Self { start: Start::Single(models), device, entries: Vec::new() }
    }

    /// R.
    pub fn replicas(&self) -> usize {
        match &self.start {
            Start::Fresh(keys) => keys.len(),
            Start::Single(models) => models.len(),
        }
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
        let number = self.entries.len();
        let tensor = match &self.start {
            Start::Fresh(keys) => fresh(keys, &name, shape, init).to_device(self.device),
            Start::Single(models) => {
                let own: Vec<&Tensor> = models.iter().map(|model| &model.entries[number].tensor).collect();
                assert_eq!(models[0].entries[number].name, name, "models of one network");
                join(&own)
            }
        };
        // Rows of a table are leaves of their own (see `Pass::lookup`), so the table itself is not in the graph.
        let tensor = tensor.set_requires_grad(kind == ParamKind::Dense);
        self.entries.push(Entry { name, kind, tensor: tensor.shallow_clone() });
        (number, tensor)
    }

    pub fn finish(self) -> Params {
        let replicas = self.replicas();
        Params { entries: self.entries, replicas }
    }
}

/// A parameter `[R, ...]` as it starts, or `[...]` for one key.
fn fresh(keys: &[ModelKey], name: &str, shape: &[i64], init: Init) -> Tensor {
    let count = shape.iter().product::<i64>() as usize;
    let mut values = vec![0.0_f32; count * keys.len()];
    for (key, values) in keys.iter().zip(values.chunks_mut(count)) {
        init.fill(key, name, values);
    }
    let mut size = shape.to_vec();
    if keys.len() > 1 {
        size.insert(0, keys.len() as i64);
    }
    Tensor::from_slice(&values).view(&size[..])
}

/// Tensors `[...]` of R single models as one `[R, ...]`. They become its parts, so that there is one copy of the numbers.
pub(super) fn join(own: &[&Tensor]) -> Tensor {
    tch::no_grad(|| {
        let joined = Tensor::stack(own, 0);
        for (r, own) in own.iter().enumerate() {
            own.shallow_clone().set_data(&joined.get(r as i64));
        }
        joined
    })
}
