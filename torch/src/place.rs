//! Where tensors lie.

use tch::Device;

/// A device, and whether numbers stay on it until a pass or an epoch ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub device: Device,
    /// Whether the host hands out work without waiting for its results: random numbers, rewards, metrics and the optimiser are
    /// then the device's own work. It is how a GPU is used.
    pub resident: bool,
    /// Bytes that the ids of a split may take there. If they take more they stay in the machine's memory and come in pieces.
    pub for_rows: u64,
    /// Whether the steps of a resident model are staged: a GPU then keeps each as a CUDA graph.
    pub staged: bool,
}

impl Place {
    /// Works on CPU tensors as on a GPU. It is how tests see what a GPU would do.
    pub const fn like_a_gpu() -> Self {
        Self { device: Device::Cpu, resident: true, for_rows: u64::MAX, staged: false }
    }
}

impl From<Device> for Place {
    fn from(device: Device) -> Self {
        Self { device, resident: device != Device::Cpu, for_rows: u64::MAX, staged: false }
    }
}
