//! What a worker can run: the GPUs it has, and the labels its operator gave it.

use super::{Device, ResolvedSpec};
use std::collections::BTreeMap;

/// What a worker offers. Jobs for the CPU, and those that take what there is (`auto`), run on any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ability {
    pub labels: BTreeMap<String, String>,
    pub gpus: Vec<Device>,
}

impl Ability {
    /// Whether the worker may run the job. The claim asks the same in SQL; a test holds the two together.
    pub fn suits(&self, spec: &ResolvedSpec) -> bool {
        self.has_device(spec.device) && self.has_labels(&spec.requires)
    }

    pub fn has_device(&self, device: Device) -> bool {
        !matches!(device, Device::Cuda(_)) || self.gpus.contains(&device)
    }

    pub fn has_labels(&self, wanted: &BTreeMap<String, String>) -> bool {
        wanted.iter().all(|(name, value)| self.labels.get(name) == Some(value))
    }
}
