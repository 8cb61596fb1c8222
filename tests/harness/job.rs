//! Jobs that tests submit, in a sentence: `service.job(&dataset).epochs(5).requires(&[("pool", "nightly")]).submit()`.

use super::Service;
use serde_json::{Value, json};

/// A job that is not submitted yet: at first DeepFM on the CPU with seed 7, of two epochs, done within seconds.
#[must_use]
pub struct NewJob<'s> {
    service: &'s Service,
    spec: Value,
}

impl Service {
    pub fn job(&self, dataset: &Value) -> NewJob<'_> {
        let options =
            json!({"epochs": 2, "warmup_epochs": 2, "batch_size": 512, "retrain_max_epoch": 3, "select_ratio": 0.9});
        let method = json!({"preset": "paper", "backbone": "deepfm", "options": options});
        NewJob {
            service: self,
            spec: json!({"dataset_id": dataset["id"], "seed": 7, "device": "cpu", "method": method}),
        }
    }
}

impl NewJob<'_> {
    pub fn epochs(self, epochs: u32) -> Self {
        self.option("epochs", epochs)
    }

    /// For tables of a few hundred rows.
    pub fn in_small_batches(self) -> Self {
        self.option("batch_size", 128).option("retrain_max_epoch", 2)
    }

    pub fn option(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.spec["method"]["options"][name] = value.into();
        self
    }

    pub fn backbone(mut self, backbone: &str) -> Self {
        self.spec["method"]["backbone"] = backbone.into();
        self
    }

    pub fn preset(mut self, preset: &str) -> Self {
        self.spec["method"]["preset"] = preset.into();
        self
    }

    pub fn priority(mut self, priority: i32) -> Self {
        self.spec["priority"] = priority.into();
        self
    }

    pub fn requires(mut self, labels: &[(&str, &str)]) -> Self {
        for (name, value) in labels {
            self.spec["requires"][*name] = (*value).into();
        }
        self
    }

    /// The spec as a client would send it.
    pub fn spec(self) -> Value {
        self.spec
    }

    /// Submits the job and gives its id.
    pub fn submit(self) -> String {
        self.service.submit(self.spec)
    }
}
