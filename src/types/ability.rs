//! What a worker can run: the GPUs it has, whether it has libtorch, and the labels its operator gave it.

use super::{BackboneKind, Device, Engine, FieldError, ResolvedMethod, ResolvedSpec};
use std::collections::BTreeMap;

/// The program that trains on libtorch. The main program has the engine fused alone.
pub const TORCH_TRAINER: &str = "autodenoise-torch";

/// What a worker offers. Jobs for the CPU, and those that take what there is (`auto`), run on any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ability {
    pub labels: BTreeMap<String, String>,
    pub gpus: Vec<Device>,
    /// Whether `autodenoise-torch` is installed.
    pub torch: bool,
}

impl Ability {
    /// Whether the worker may run the job. The claim asks the same in SQL; a test holds the two together.
    pub fn suits(&self, spec: &ResolvedSpec) -> bool {
        self.has_device(spec.device) && self.has_engines(spec) && self.has_labels(&spec.requires)
    }

    pub fn has_device(&self, device: Device) -> bool {
        !matches!(device, Device::Cuda(_)) || self.gpus.contains(&device)
    }

    pub fn has_engines(&self, spec: &ResolvedSpec) -> bool {
        self.torch || !spec.needs_torch()
    }

    pub fn has_labels(&self, wanted: &BTreeMap<String, String>) -> bool {
        wanted.iter().all(|(name, value)| self.labels.get(name) == Some(value))
    }
}

impl ResolvedSpec {
    /// Whether only libtorch can run the job: it asks for it or for a GPU, or has a backbone that the engine fused has not.
    pub fn needs_torch(&self) -> bool {
        !self.torch_needs().is_empty()
    }

    /// What of the spec needs libtorch, each at its place in the spec.
    fn torch_needs(&self) -> Vec<(String, String)> {
        let mut needs = Vec::new();
        if self.engine == Engine::Tch {
            needs.push(("/engine".to_owned(), format!("engine {}", self.engine)));
        }
        if let Device::Cuda(_) = self.device {
            needs.push(("/device".to_owned(), format!("device {}", self.device)));
        }
        let mut backbone = |pointer: String, kind: BackboneKind| {
            if !kind.is_fused() {
                needs.push((pointer, format!("backbone {kind}")));
            }
        };
        let mut method = |pointer: &str, method: &ResolvedMethod| {
            backbone(format!("{pointer}/backbone"), method.backbone);
            if let Some(teacher) = method.teacher() {
                backbone(format!("{pointer}/options/teacher"), teacher);
            }
        };
        method("/method", &self.method);
        for (number, other) in self.compare.iter().enumerate() {
            method(&format!("/compare/{number}"), other);
        }
        for (number, trainee) in self.transfer.iter().enumerate() {
            backbone(format!("/transfer/{number}"), trainee.backbone);
        }
        needs
    }

    /// The faults of a spec that needs libtorch where there is none; `place` says where it would have to be installed.
    pub fn without_torch(&self, place: &str) -> Vec<FieldError> {
        let fused: Vec<_> = BackboneKind::FUSED.iter().map(|kind| kind.as_str()).collect();
        let fault = |(pointer, what): (String, String)| {
            let other = match pointer.as_str() {
                "/engine" => "auto".to_owned(),
                "/device" => "cpu".to_owned(),
                _ => format!("one of {}", fused.join(", ")),
            };
            FieldError::new(pointer, format!("{other}, or install {TORCH_TRAINER} {place}: {what} needs libtorch"))
        };
        self.torch_needs().into_iter().map(fault).collect()
    }
}
