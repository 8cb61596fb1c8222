//! Between tensors, wherever they lie, and plain arrays in the machine's memory.

use autodenoise::backbone::{Array, TensorFile, Values, WeightsError};
use tch::{Device, Kind, Tensor};

/// All numbers of a float tensor, row by row.
pub fn to_host(tensor: &Tensor) -> Vec<f32> {
    let tensor = tensor.detach().to_device(Device::Cpu).to_kind(Kind::Float).contiguous();
    let mut values = vec![0.0; tensor.numel()];
    tensor.copy_data(&mut values, tensor.numel());
    values
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
