//! The file of --spec.

use super::error::CliError;
use crate::types::{
    BackboneKind, Certify, CompareSpec, DatasetId, DatasetSpec, DenoisedForm, Device, Engine, JobSpec, MethodSpec,
    SelfCheck, Sweep, Tuning, WebhookId,
};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// A --spec file: what a table is, and all that a job may say but which dataset it is for. Flags win over it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpecFile {
    pub dataset: Option<DatasetSpec>,
    pub method: Option<MethodSpec>,
    #[serde(default)]
    pub compare: Vec<CompareSpec>,
    #[serde(default)]
    pub transfer: Vec<BackboneKind>,
    pub sweep: Option<Sweep>,
    pub seed: Option<u64>,
    pub seeds: Option<u32>,
    #[serde(default)]
    pub tuning: Tuning,
    pub certify: Option<Certify>,
    pub self_check: Option<SelfCheck>,
    #[serde(default)]
    pub denoised: DenoisedForm,
    #[serde(default)]
    pub device: Device,
    #[serde(default)]
    pub engine: Engine,
    pub deadline_seconds: Option<u64>,
    #[serde(default)]
    pub priority: i32,
    #[serde(default)]
    pub requires: BTreeMap<String, String>,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    #[serde(default)]
    pub webhook_ids: Vec<WebhookId>,
}

impl SpecFile {
    /// Reads a file; without one every part is absent.
    pub fn read(path: Option<&PathBuf>) -> Result<Self, CliError> {
        let Some(path) = path else { return Ok(Self::default()) };
        let text = read_text(path)?;
        let mut deserializer = serde_json::Deserializer::from_str(&text);
        serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
            let place = if error.inner().is_data() { format!("at `{}`", error.path()) } else { "not JSON".to_owned() };
            CliError::invalid(format!("error: {}: {place}: {}", path.display(), error.inner()))
        })
    }

    /// The job that the file asks for, on a dataset.
    pub fn job_spec(&self, dataset_id: DatasetId) -> JobSpec {
        JobSpec {
            dataset_id,
            method: self.method.clone().unwrap_or_default(),
            compare: self.compare.clone(),
            transfer: self.transfer.clone(),
            sweep: self.sweep.clone(),
            seed: self.seed.unwrap_or(JobSpec::default_seed()),
            seeds: self.seeds.unwrap_or(1),
            tuning: self.tuning.clone(),
            certify: self.certify.clone(),
            self_check: self.self_check,
            denoised: self.denoised,
            device: self.device,
            engine: self.engine,
            deadline_seconds: self.deadline_seconds,
            priority: self.priority,
            requires: self.requires.clone(),
            labels: self.labels.clone(),
            webhook_ids: self.webhook_ids.clone(),
        }
    }
}

fn read_text(path: &Path) -> Result<String, CliError> {
    std::fs::read_to_string(path)
        .map_err(|error| CliError::failed_because(format!("cannot read {}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_spec_file_says_all_that_a_job_can() {
        let said = json!({
            "method": {"name": "enn", "preset": "released_code", "backbone": "fm", "options": {"epochs": 3}},
            "compare": [{"name": "random_drop", "options": {"k": 5}}],
            "transfer": ["dcn"],
            "sweep": {"option": "select_ratio", "values": [0.9, 0.95]},
            "seed": 7,
            "seeds": 2,
            "tuning": {"weight_decay": [1e-5, 0.001], "patience": 4},
            "certify": {"seeds": 6, "alpha": 0.1, "min_delta_auc": 0.001, "max_delta_logloss": 0.002},
            "self_check": {"planted_rate": 0.2},
            "denoised": "parts",
            "device": "cpu",
            "engine": "fused",
            "deadline_seconds": 60,
            "priority": -3,
            "requires": {"pool": "nightly"},
            "labels": {"commit": "3fe1"},
            "webhook_ids": [WebhookId::new()],
        });
        let dataset_id = DatasetId::new();
        let spec = serde_json::from_value::<SpecFile>(said.clone()).unwrap().job_spec(dataset_id);
        let mut job = serde_json::to_value(&spec).unwrap();
        assert_eq!(job.as_object_mut().unwrap().remove("dataset_id"), Some(json!(dataset_id)));
        // A part that is as it would be without the file is left out of a spec, so none of these is lost.
        assert_eq!(job, said);

        let empty = serde_json::from_value::<SpecFile>(json!({})).unwrap().job_spec(dataset_id);
        assert_eq!(empty, serde_json::from_value(json!({"dataset_id": dataset_id})).unwrap());
    }
}
