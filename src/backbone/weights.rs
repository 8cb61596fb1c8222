//! Named tensors and one JSON document in one safetensors file, written so that a reader never sees half of it.

use safetensors::{Dtype, SafeTensors};
use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    fs::File,
    io,
    path::Path,
};
use tch::{Device, Kind, Tensor};

#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    #[error("cannot access `{file}`: {source}")]
    Io { file: String, source: io::Error },
    #[error("the tensor file is damaged: {0}")]
    Damaged(#[from] safetensors::SafeTensorError),
    #[error("the tensor file has no tensor `{0}`")]
    Missing(String),
    #[error("tensor `{name}` is {found:?} where {expected:?} is needed")]
    Shape { name: String, found: Vec<i64>, expected: Vec<i64> },
    #[error("the tensor file's description is unreadable: {0}")]
    Description(#[from] serde_json::Error),
    #[error("tensor `{name}` has a type that is not used here: {kind}")]
    Type { name: String, kind: String },
}

/// The key of the JSON document in the file's metadata.
const DESCRIPTION: &str = "autodenoise";

/// Tensors by name, on the CPU, and a description.
#[derive(Default)]
pub struct TensorFile {
    tensors: BTreeMap<String, Tensor>,
    description: Option<String>,
}

impl TensorFile {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a copy of the tensor.
    pub fn put(&mut self, name: impl Into<String>, tensor: &Tensor) {
        let tensor = tensor.detach();
        // A copy even on the CPU: the model goes on changing its own in place.
        let copy = if tensor.device() == Device::Cpu { tensor.copy() } else { tensor.to_device(Device::Cpu) };
        self.tensors.insert(name.into(), copy.contiguous());
    }

    /// Adds all tensors of another file under `prefix` + name.
    pub fn put_all(&mut self, prefix: &str, other: &TensorFile) {
        for (name, tensor) in &other.tensors {
            self.tensors.insert(format!("{prefix}{name}"), tensor.shallow_clone());
        }
    }

    /// The tensors whose names begin with `prefix`, without it.
    pub fn below(&self, prefix: &str) -> TensorFile {
        let below = self
            .tensors
            .iter()
            .filter_map(|(name, tensor)| Some((name.strip_prefix(prefix)?.to_owned(), tensor.shallow_clone())));
        TensorFile { tensors: below.collect(), description: None }
    }

    /// Adds numbers, row-major.
    pub fn put_values(&mut self, name: impl Into<String>, shape: &[usize], values: &[f32]) {
        let shape: Vec<i64> = shape.iter().map(|dim| *dim as i64).collect();
        self.tensors.insert(name.into(), Tensor::from_slice(values).view(&shape[..]));
    }

    /// A tensor's numbers, row-major.
    pub fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, WeightsError> {
        let shape: Vec<i64> = shape.iter().map(|dim| *dim as i64).collect();
        Ok(super::to_host(&self.get_shaped(name, &shape)?))
    }

    /// Adds positions of rows.
    pub fn put_positions(&mut self, name: impl Into<String>, rows: &[u32]) {
        let rows: Vec<i32> = rows.iter().map(|row| *row as i32).collect();
        self.tensors.insert(name.into(), Tensor::from_slice(&rows));
    }

    pub fn positions(&self, name: &str) -> Result<Vec<u32>, WeightsError> {
        let tensor = self.get(name)?;
        let mut rows = vec![0_i32; tensor.numel()];
        tensor.copy_data(&mut rows, tensor.numel());
        Ok(rows.into_iter().map(|row| row as u32).collect())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// Takes over replica `r` (of `replicas`) of all tensors from another file of the same model.
    pub fn copy_replica(&mut self, from: &TensorFile, r: usize, replicas: usize) {
        for (name, to) in &mut self.tensors {
            let from = &from.tensors[name];
            if replicas == 1 {
                to.copy_(from);
            } else {
                to.get(r as i64).copy_(&from.get(r as i64));
            }
        }
    }

    /// Whether all tensors of another file are here, in their shapes.
    pub fn check_like(&self, other: &TensorFile) -> Result<(), WeightsError> {
        other.iter().try_for_each(|(name, tensor)| self.get_shaped(name, &tensor.size()).map(drop))
    }

    pub fn get(&self, name: &str) -> Result<&Tensor, WeightsError> {
        self.tensors.get(name).ok_or_else(|| WeightsError::Missing(name.to_owned()))
    }

    pub fn get_shaped(&self, name: &str, shape: &[i64]) -> Result<Tensor, WeightsError> {
        let tensor = self.get(name)?;
        if tensor.size() != shape {
            let (found, expected) = (tensor.size(), shape.to_vec());
            return Err(WeightsError::Shape { name: name.to_owned(), found, expected });
        }
        Ok(tensor.shallow_clone())
    }

    pub fn describe(&mut self, description: &impl serde::Serialize) -> Result<(), WeightsError> {
        self.description = Some(serde_json::to_string(description)?);
        Ok(())
    }

    pub fn description<T: serde::de::DeserializeOwned>(&self) -> Result<T, WeightsError> {
        let text = self.description.as_deref().ok_or_else(|| WeightsError::Missing("description".to_owned()))?;
        Ok(serde_json::from_str(text)?)
    }

    pub fn to_bytes(&self) -> Result<Vec<u8>, WeightsError> {
        Ok(safetensors::serialize(self.views()?, self.metadata())?)
    }

    /// The tensors as safetensors writes them, without a copy.
    fn views(&self) -> Result<Vec<(&str, Stored<'_>)>, WeightsError> {
        self.tensors.iter().map(|(name, tensor)| Ok((name.as_str(), Stored::new(name, tensor)?))).collect()
    }

    fn metadata(&self) -> Option<HashMap<String, String>> {
        self.description.clone().map(|text| HashMap::from([(DESCRIPTION.to_owned(), text)]))
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WeightsError> {
        let (_, metadata) = SafeTensors::read_metadata(bytes)?;
        let description = metadata.metadata().as_ref().and_then(|map| map.get(DESCRIPTION)).cloned();
        let mut tensors = BTreeMap::new();
        for (name, view) in SafeTensors::deserialize(bytes)?.tensors() {
            let kind = match view.dtype() {
                Dtype::F32 => Kind::Float,
                Dtype::F64 => Kind::Double,
                Dtype::I64 => Kind::Int64,
                Dtype::I32 => Kind::Int,
                Dtype::U8 => Kind::Uint8,
                other => return Err(WeightsError::Type { name, kind: format!("{other:?}") }),
            };
            let shape = view.shape().iter().map(|dim| *dim as i64).collect::<Vec<_>>();
            tensors.insert(name, Tensor::from_data_size(view.data(), &shape, kind));
        }
        Ok(Self { tensors, description })
    }

    /// Writes to a neighbour, makes it durable, then renames it into place.
    pub fn write(&self, path: &Path) -> Result<(), WeightsError> {
        let failed = |source| WeightsError::Io { file: path.display().to_string(), source };
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".part");
        // Tensor by tensor: nothing is put together in memory first.
        safetensors::serialize_to_file(self.views()?, self.metadata(), Path::new(&temporary)).map_err(|error| {
            match error {
                safetensors::SafeTensorError::IoError(source) => failed(source),
                other => other.into(),
            }
        })?;
        make_durable(Path::new(&temporary), path).map_err(failed)
    }

    pub fn read(path: &Path) -> Result<Self, WeightsError> {
        let failed = |source| WeightsError::Io { file: path.display().to_string(), source };
        let file = File::open(path).map_err(failed)?;
        // SAFETY: files of tensors are written once, then renamed into place, and never changed.
        let bytes = unsafe { memmap2::Mmap::map(&file) }.map_err(failed)?;
        Self::from_bytes(&bytes)
    }
}

/// A tensor's bytes where they lie.
struct Stored<'a> {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: &'a [u8],
}

impl<'a> Stored<'a> {
    fn new(name: &str, tensor: &'a Tensor) -> Result<Self, WeightsError> {
        let kind = tensor.kind();
        let dtype =
            dtype(kind).ok_or_else(|| WeightsError::Type { name: name.to_owned(), kind: format!("{kind:?}") })?;
        assert!(tensor.is_contiguous() && tensor.device() == Device::Cpu, "as `put` stores them");
        let bytes: &[u8] = match tensor.numel() * kind.elt_size_in_bytes() {
            0 => &[],
            // SAFETY: a contiguous CPU tensor's storage, which nobody writes to while the tensor is borrowed.
            len => unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast(), len) },
        };
        Ok(Self { dtype, shape: tensor.size().iter().map(|dim| *dim as usize).collect(), bytes })
    }
}

impl safetensors::View for Stored<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        self.bytes.into()
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

fn dtype(kind: Kind) -> Option<Dtype> {
    Some(match kind {
        Kind::Float => Dtype::F32,
        Kind::Double => Dtype::F64,
        Kind::Int64 => Dtype::I64,
        Kind::Int => Dtype::I32,
        Kind::Uint8 => Dtype::U8,
        _ => return None,
    })
}

/// Writes a file so that after a crash it is there whole or not at all: a temporary neighbour, fsync, rename, and fsync
/// of the folder.
pub fn write_durably(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".part");
    write(&mut File::create(&temporary)?)?;
    make_durable(Path::new(&temporary), path)
}

/// Syncs a written file, renames it into place, and syncs the folder.
fn make_durable(temporary: &Path, path: &Path) -> io::Result<()> {
    File::open(temporary)?.sync_all()?;
    std::fs::rename(temporary, path)?;
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}
