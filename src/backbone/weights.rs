//! Named arrays and one JSON document in one safetensors file, written so that a reader never sees half of it.

use safetensors::{Dtype, SafeTensors};
use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    fs::File,
    io,
    path::Path,
    sync::Arc,
};

#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    #[error("cannot access `{file}`: {source}")]
    Io { file: String, source: io::Error },
    #[error("the tensor file is damaged: {0}")]
    Damaged(#[from] safetensors::SafeTensorError),
    #[error("the tensor file has no tensor `{0}`")]
    Missing(String),
    #[error("tensor `{name}` is {found:?} where {expected:?} is needed")]
    Shape { name: String, found: Vec<usize>, expected: Vec<usize> },
    #[error("the tensor file's description is unreadable: {0}")]
    Description(#[from] serde_json::Error),
    #[error("tensor `{name}` has a type that is not used here: {kind}")]
    Type { name: String, kind: String },
}

/// The key of the JSON document in the file's metadata.
const DESCRIPTION: &str = "autodenoise";

/// An array in the machine's memory, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    pub shape: Vec<usize>,
    pub values: Values,
}

/// The numbers of an array.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    F32(Vec<f32>),
    I32(Vec<i32>),
    I64(Vec<i64>),
}

/// Arrays by name, and a description.
#[derive(Debug, Default, Clone)]
pub struct TensorFile {
    /// Shared: a file that is put into another costs no copy of its numbers.
    arrays: BTreeMap<String, Arc<Array>>,
    description: Option<String>,
}

impl Array {
    fn dtype(&self) -> Dtype {
        match self.values {
            Values::F32(_) => Dtype::F32,
            Values::I32(_) => Dtype::I32,
            Values::I64(_) => Dtype::I64,
        }
    }

    fn floats(&self, name: &str) -> Result<&[f32], WeightsError> {
        match &self.values {
            Values::F32(values) => Ok(values),
            _ => Err(self.wrong_type(name)),
        }
    }

    fn wrong_type(&self, name: &str) -> WeightsError {
        WeightsError::Type { name: name.to_owned(), kind: format!("{:?}", self.dtype()) }
    }

    fn bytes(&self) -> Cow<'_, [u8]> {
        match &self.values {
            Values::F32(values) => bytes_of(values, f32::to_le_bytes),
            Values::I32(values) => bytes_of(values, i32::to_le_bytes),
            Values::I64(values) => bytes_of(values, i64::to_le_bytes),
        }
    }
}

/// The bytes of numbers as safetensors stores them, which is as they lie in the memory of most machines.
fn bytes_of<T: Copy, const N: usize>(values: &[T], to_bytes: impl Fn(T) -> [u8; N]) -> Cow<'_, [u8]> {
    if cfg!(target_endian = "little") {
        // SAFETY: plain numbers have no padding, and the slice borrows them.
        unsafe { std::slice::from_raw_parts(values.as_ptr().cast::<u8>(), size_of_val(values)) }.into()
    } else {
        values.iter().flat_map(|value| to_bytes(*value)).collect()
    }
}

impl TensorFile {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn put(&mut self, name: impl Into<String>, array: Array) {
        self.arrays.insert(name.into(), Arc::new(array));
    }

    /// Adds all arrays of another file under `prefix` + name.
    pub fn put_all(&mut self, prefix: &str, other: &TensorFile) {
        for (name, array) in &other.arrays {
            self.arrays.insert(format!("{prefix}{name}"), array.clone());
        }
    }

    /// The arrays whose names begin with `prefix`, without it.
    pub fn below(&self, prefix: &str) -> TensorFile {
        let below = self.arrays.iter().filter_map(|(name, array)| {
            let name = name.strip_prefix(prefix)?;
            Some((name.to_owned(), array.clone()))
        });
        TensorFile { arrays: below.collect(), description: None }
    }

    /// Adds numbers, row-major.
    pub fn put_values(&mut self, name: impl Into<String>, shape: &[usize], values: &[f32]) {
        self.put(name, Array { shape: shape.to_vec(), values: Values::F32(values.to_vec()) });
    }

    /// An array's numbers, row-major.
    pub fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, WeightsError> {
        Ok(self.get_shaped(name, shape)?.floats(name)?.to_vec())
    }

    /// An array's numbers, whatever its shape.
    pub fn floats(&self, name: &str) -> Result<&[f32], WeightsError> {
        self.get(name)?.floats(name)
    }

    /// Adds positions of rows.
    pub fn put_positions(&mut self, name: impl Into<String>, rows: &[u32]) {
        let values: Vec<i32> = rows.iter().map(|row| *row as i32).collect();
        self.put(name, Array { shape: vec![rows.len()], values: Values::I32(values) });
    }

    pub fn positions(&self, name: &str) -> Result<Vec<u32>, WeightsError> {
        let array = self.get(name)?;
        match &array.values {
            Values::I32(values) => Ok(values.iter().map(|row| *row as u32).collect()),
            _ => Err(array.wrong_type(name)),
        }
    }

    /// Adds counts, for example of an optimiser's steps.
    pub fn put_counts(&mut self, name: impl Into<String>, counts: &[i64]) {
        self.put(name, Array { shape: vec![counts.len()], values: Values::I64(counts.to_vec()) });
    }

    /// The counts of this name, as many as expected.
    pub fn counts(&self, name: &str, len: usize) -> Result<&[i64], WeightsError> {
        let array = self.get_shaped(name, &[len])?;
        match &array.values {
            Values::I64(values) => Ok(values),
            _ => Err(array.wrong_type(name)),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Array)> {
        self.arrays.iter().map(|(name, array)| (name.as_str(), &**array))
    }

    /// Takes over replica `r` (of `replicas`) of all arrays from the weights of the same model.
    pub fn copy_replica(&mut self, from: &TensorFile, r: usize, replicas: usize) {
        for (name, to) in &mut self.arrays {
            let (Values::F32(to), Values::F32(from)) = (&mut Arc::make_mut(to).values, &from.arrays[name].values)
            else {
                unreachable!("weights are f32")
            };
            let part = to.len() / replicas;
            to[r * part..][..part].copy_from_slice(&from[r * part..][..part]);
        }
    }

    /// Whether all arrays of another file are here, in their shapes.
    pub fn check_like(&self, other: &TensorFile) -> Result<(), WeightsError> {
        other.iter().try_for_each(|(name, array)| self.get_shaped(name, &array.shape).map(drop))
    }

    pub fn get(&self, name: &str) -> Result<&Array, WeightsError> {
        self.arrays.get(name).map(|array| &**array).ok_or_else(|| WeightsError::Missing(name.to_owned()))
    }

    pub fn get_shaped(&self, name: &str, shape: &[usize]) -> Result<&Array, WeightsError> {
        let array = self.get(name)?;
        if array.shape != shape {
            let (found, expected) = (array.shape.clone(), shape.to_vec());
            return Err(WeightsError::Shape { name: name.to_owned(), found, expected });
        }
        Ok(array)
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
        Ok(safetensors::serialize(self.iter(), self.metadata())?)
    }

    fn metadata(&self) -> Option<HashMap<String, String>> {
        self.description.clone().map(|text| HashMap::from([(DESCRIPTION.to_owned(), text)]))
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WeightsError> {
        let (_, metadata) = SafeTensors::read_metadata(bytes)?;
        let description = metadata.metadata().as_ref().and_then(|map| map.get(DESCRIPTION)).cloned();
        let mut arrays = BTreeMap::new();
        for (name, view) in SafeTensors::deserialize(bytes)?.tensors() {
            let data = view.data();
            let values = match view.dtype() {
                Dtype::F32 => Values::F32(numbers_of(data, f32::from_le_bytes)),
                Dtype::I32 => Values::I32(numbers_of(data, i32::from_le_bytes)),
                Dtype::I64 => Values::I64(numbers_of(data, i64::from_le_bytes)),
                other => return Err(WeightsError::Type { name, kind: format!("{other:?}") }),
            };
            arrays.insert(name, Arc::new(Array { shape: view.shape().to_vec(), values }));
        }
        Ok(Self { arrays, description })
    }

    /// Writes to a neighbour, makes it durable, then renames it into place.
    pub fn write(&self, path: &Path) -> Result<(), WeightsError> {
        let failed = |source| WeightsError::Io { file: path.display().to_string(), source };
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".part");
        // Array by array: nothing is put together in memory first.
        safetensors::serialize_to_file(self.iter(), self.metadata(), Path::new(&temporary)).map_err(
            |error| match error {
                safetensors::SafeTensorError::IoError(source) => failed(source),
                other => other.into(),
            },
        )?;
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

fn numbers_of<T, const N: usize>(bytes: &[u8], from_bytes: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|bytes| from_bytes(*bytes)).collect()
}

impl safetensors::View for &Array {
    fn dtype(&self) -> Dtype {
        (**self).dtype()
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        self.bytes()
    }

    fn data_len(&self) -> usize {
        self.bytes().len()
    }
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
