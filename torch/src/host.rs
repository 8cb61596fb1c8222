//! Between tensors, wherever they lie, and plain arrays in the machine's memory.
//!
//! Whatever is read back from a device comes through `to_host`: it makes the host wait for all the work that the device has been
//! given, so it is counted, and tests say how often a pass and a search may do it.

use crate::native;
use autodenoise::backbone::{Array, TensorFile, Values, WeightsError};
use std::cell::Cell;
use tch::{Device, Kind, Tensor, kind::Element};

thread_local! {
    static READ_BACKS: Cell<u64> = const { Cell::new(0) };
}

/// How often this thread has read numbers back.
pub fn read_backs() -> u64 {
    READ_BACKS.get()
}

/// All numbers of a float tensor, row by row.
pub fn to_host(tensor: &Tensor) -> Vec<f32> {
    READ_BACKS.set(READ_BACKS.get() + 1);
    let tensor = tensor.detach().to_device(Device::Cpu).to_kind(Kind::Float).contiguous();
    let mut values = vec![0.0; tensor.numel()];
    tensor.copy_data(&mut values, tensor.numel());
    values
}

/// The numbers of several float tensors, read back at once.
pub fn to_host_at_once<const N: usize>(tensors: [&Tensor; N]) -> [Vec<f32>; N] {
    let flat = tensors.map(|tensor| tensor.detach().reshape([-1]));
    let mut rest = to_host(&Tensor::cat(&flat, 0));
    flat.map(|tensor| {
        let later = rest.split_off(tensor.numel());
        std::mem::replace(&mut rest, later)
    })
}

/// The bytes of several tensors of any kinds, read back at once.
pub struct Fetched {
    bytes: Vec<u8>,
    /// Bytes taken so far.
    taken: usize,
}

/// Reads several tensors back at once. Each is then taken in its turn, as numbers of its own kind.
pub fn fetch(tensors: &[&Tensor]) -> Fetched {
    READ_BACKS.set(READ_BACKS.get() + 1);
    let bytes_of = |tensor: &&Tensor| tensor.detach().reshape([-1]).view_dtype(Kind::Uint8);
    let flat = Tensor::cat(&tensors.iter().map(bytes_of).collect::<Vec<_>>(), 0).to_device(Device::Cpu);
    let mut bytes = vec![0; flat.numel()];
    flat.copy_data(&mut bytes, flat.numel());
    Fetched { bytes, taken: 0 }
}

impl Fetched {
    /// The next `count` numbers, which are f32.
    pub fn f32s(&mut self, count: usize) -> Vec<f32> {
        self.next(count, f32::from_ne_bytes)
    }

    /// The next `count` numbers, which are f64.
    pub fn f64s(&mut self, count: usize) -> Vec<f64> {
        self.next(count, f64::from_ne_bytes)
    }

    fn next<T, const WIDTH: usize>(&mut self, count: usize, number: fn([u8; WIDTH]) -> T) -> Vec<T> {
        let own = &self.bytes[self.taken..][..count * WIDTH];
        self.taken += own.len();
        own.as_chunks().0.iter().map(|bytes| number(*bytes)).collect()
    }
}

/// A tensor of these numbers on a device, without a wait for the work that the device has been given.
pub fn upload<T: Element>(values: &[T], device: Device) -> Tensor {
    let here = Tensor::from_slice(values);
    // The driver has taken a copy of memory that is not pinned when this returns, so the numbers need not outlive it.
    if device == Device::Cpu { here } else { here.to_device_(device, T::KIND, true, false) }
}

/// Ids `[.., F]` on their way to the device.
pub enum Sent {
    Here(Tensor),
    /// A copy that the device makes beside its other work, and F.
    OnTheWay(native::Sent, i64),
}

impl Sent {
    /// Begins the copy of ids of so many fields.
    pub fn new(ids: &[i32], fields: usize, device: Device) -> Self {
        match device {
            Device::Cuda(number) => Self::OnTheWay(native::Sent::new(ids, number), fields as i64),
            _ => Self::Here(upload(ids, device).view([-1, fields as i64])),
        }
    }

    /// The ids: whatever the device is given from now on waits for them.
    pub fn arrive(self) -> Tensor {
        match self {
            Self::Here(ids) => ids,
            Self::OnTheWay(sent, fields) => sent.arrive().view([-1, fields]),
        }
    }
}

/// Adds a copy of a float tensor to the file.
pub fn put_tensor(file: &mut TensorFile, name: impl Into<String>, tensor: &Tensor) {
    let shape = tensor.size().iter().map(|dim| *dim as usize).collect();
    file.put(name, Array { shape, values: Values::F32(to_host(tensor)) });
}

/// Overwrites a float tensor by the file's array of this name; one that is missing or of another shape is an error.
pub fn load_tensor(file: &TensorFile, name: &str, tensor: &Tensor) -> Result<(), WeightsError> {
    let shape: Vec<usize> = tensor.size().iter().map(|dim| *dim as usize).collect();
    let values = file.values(name, &shape)?;
    tch::no_grad(|| tensor.shallow_clone().copy_(&Tensor::from_slice(&values).view(&tensor.size()[..])));
    Ok(())
}
