//! A job's spec as sent, and as resolved: every default filled in. A job has its own method and, where asked for, others
//! to compare it with, values of an option to sweep over, and backbones to try the chosen rows on.

use super::{
    BackboneKind, Certify, DatasetId, DenoisedForm, Device, Engine, MethodName, OptionValue, Preset, ResolvedMethod,
    SelfCheck, Trainee, Tuning, WebhookId,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A job as a client asks for it. Only `dataset_id` is required.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobSpec {
    pub dataset_id: DatasetId,
    /// The method whose rows are the job's result.
    #[serde(default)]
    pub method: MethodSpec,
    /// Other methods, on the same split, trained alike and judged alike.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub compare: Vec<CompareSpec>,
    /// Other backbones, each trained on what each method chose.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transfer: Vec<BackboneKind>,
    /// The method again with each of these values of one of its options.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<Sweep>,
    #[serde(default = "JobSpec::default_seed")]
    pub seed: u64,
    /// Everything is done with this many seeds: `seed`, `seed + 1`, ..; the job's result is that of the first. 1 to 100.
    #[serde(default = "JobSpec::default_seeds", skip_serializing_if = "JobSpec::is_one")]
    pub seeds: u32,
    /// How the models that are compared are tuned.
    #[serde(default, skip_serializing_if = "Tuning::is_default")]
    pub tuning: Tuning,
    /// Prove on the test rows that the rows kept are worth more than all; `denoised` is handed out once that is certified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certify: Option<Certify>,
    /// Plant noise and see whether the method finds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_check: Option<SelfCheck>,
    /// Whether `denoised` is one file or, of a dataset of several files, each of them again.
    #[serde(default, skip_serializing_if = "DenoisedForm::is_default")]
    pub denoised: DenoisedForm,
    #[serde(default)]
    pub device: Device,
    #[serde(default)]
    pub engine: Engine,
    /// The job is stopped and failed when it has run this long, waiting not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_seconds: Option<u64>,
    /// Jobs of a higher priority are run first, those of the same in the order they came. -100 to 100.
    #[serde(default, skip_serializing_if = "JobSpec::is_zero")]
    pub priority: i32,
    /// Labels a worker must have to run the job, for example `{"pool": "nightly"}`; at most 32.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub requires: BTreeMap<String, String>,
    /// The client's own words for finding the job again, for example `{"commit": "3fe1"}`; at most 32.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Webhooks that are told what becomes of the job; at most 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub webhook_ids: Vec<WebhookId>,
}

/// How the rows are chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(from = "MethodAsSent")]
pub struct MethodSpec {
    /// `robust` if neither this nor a preset is named; `autodenoise` if only the preset `paper` or `released_code` is.
    #[schema(required = false)]
    pub name: MethodName,
    #[schema(required = false)]
    pub preset: Preset,
    #[schema(required = false)]
    pub backbone: BackboneKind,
    /// Options that differ from the preset's.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[schema(required = false, value_type = BTreeMap<String, OptionValue>, example = json!({"folds": 5, "judges": 5}))]
    pub options: Map<String, Value>,
}

/// A method as a client writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MethodAsSent {
    name: Option<MethodName>,
    preset: Option<Preset>,
    #[serde(default = "MethodSpec::default_backbone")]
    backbone: BackboneKind,
    #[serde(default)]
    options: Map<String, Value>,
}

impl From<MethodAsSent> for MethodSpec {
    fn from(sent: MethodAsSent) -> Self {
        let MethodAsSent { name, preset, backbone, options } = sent;
        let name = name.unwrap_or_else(|| preset.map_or(MethodSpec::default().name, MethodName::of_preset));
        Self { name, preset: preset.unwrap_or(Preset::Paper), backbone, options }
    }
}

impl MethodSpec {
    const fn default_backbone() -> BackboneKind {
        BackboneKind::DeepFm
    }

    /// The paper's method, where the default one is named and has not all of the options, and the paper's has.
    pub fn method_of_options(&self) -> Option<MethodName> {
        let (default, meant) = (Self::default().name, MethodName::of_preset(self.preset));
        let has_all = |method: MethodName| self.options.keys().all(|option| method.has(option));
        (self.name == default && !has_all(default) && has_all(meant)).then_some(meant)
    }
}

impl Default for MethodSpec {
    fn default() -> Self {
        Self {
            name: MethodName::Robust,
            preset: Preset::Paper,
            backbone: Self::default_backbone(),
            options: Map::new(),
        }
    }
}

/// A method to compare with. What it does not say is as in the job's own method, so that all are trained alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CompareSpec {
    pub name: MethodName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backbone: Option<BackboneKind>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = BTreeMap<String, OptionValue>, example = json!({"k": 5}))]
    pub options: Map<String, Value>,
}

/// Values of one option.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// For example `warmup_epochs` or `select_ratio`.
    pub option: String,
    /// 1 to 32 values.
    #[schema(value_type = Vec<OptionValue>, example = json!([0.95, 0.98]))]
    pub values: Vec<Value>,
}

/// A job as it is run: nothing left to a default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ResolvedSpec {
    pub dataset_id: DatasetId,
    /// `Profile::digest` of the dataset.
    pub dataset_digest: String,
    pub method: ResolvedMethod,
    /// What the method is compared with: the methods asked for, then the values of a sweep, and all rows (`none`) for each
    /// way of training among them, unless it is there already.
    #[serde(default)]
    pub compare: Vec<ResolvedMethod>,
    /// Backbones that are trained on what each method chose, beside its own.
    #[serde(default)]
    pub transfer: Vec<Trainee>,
    pub seed: u64,
    #[serde(default = "JobSpec::default_seeds")]
    pub seeds: u32,
    #[serde(default = "Tuning::off", skip_serializing_if = "Tuning::is_off")]
    pub tuning: Tuning,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certify: Option<Certify>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_check: Option<SelfCheck>,
    #[serde(default, skip_serializing_if = "DenoisedForm::is_default")]
    pub denoised: DenoisedForm,
    pub device: Device,
    /// Absent in jobs of versions that had only `tch`.
    #[serde(default)]
    pub engine: Engine,
    pub deadline_seconds: Option<u64>,
    #[serde(default, skip_serializing_if = "JobSpec::is_zero")]
    pub priority: i32,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub requires: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub webhook_ids: Vec<WebhookId>,
    /// Version of the program that resolved it.
    pub engine_version: String,
}

impl ResolvedSpec {
    /// The method of the job (number 0) and all it is compared with.
    pub fn contenders(&self) -> Vec<&ResolvedMethod> {
        std::iter::once(&self.method).chain(&self.compare).collect()
    }

    /// Number of the contender that keeps all rows and trains as the job's own method does.
    pub fn reference(&self) -> Option<usize> {
        let fits = |method: &&ResolvedMethod| method.name() == MethodName::None && method.trains_like(&self.method);
        self.contenders().iter().position(fits)
    }

    /// Numbers of the seeds with which the method chooses for the verdict alone, beside those the job runs with; none where the
    /// verdict is about one choice.
    pub fn reselected(&self) -> Option<std::ops::Range<u32>> {
        let certify = self.certify.as_ref().filter(|certify| certify.reselect)?;
        Some(self.seeds..certify.seeds.max(self.seeds))
    }

    /// The seeds the job runs with.
    pub fn all_seeds(&self) -> impl Iterator<Item = u64> + use<> {
        let first = self.seed;
        (0..u64::from(self.seeds)).map(move |n| first + n)
    }
}

impl JobSpec {
    pub const fn default_seed() -> u64 {
        42
    }

    const fn default_seeds() -> u32 {
        1
    }

    const fn is_one(seeds: &u32) -> bool {
        *seeds == 1
    }

    const fn is_zero(priority: &i32) -> bool {
        *priority == 0
    }

    /// A job of one method with defaults for all else.
    pub fn of(dataset_id: DatasetId, method: MethodSpec) -> Self {
        Self {
            dataset_id,
            method,
            compare: Vec::new(),
            transfer: Vec::new(),
            sweep: None,
            seed: Self::default_seed(),
            seeds: Self::default_seeds(),
            tuning: Tuning::default(),
            certify: None,
            self_check: None,
            denoised: DenoisedForm::default(),
            device: Device::default(),
            engine: Engine::default(),
            deadline_seconds: None,
            priority: 0,
            requires: BTreeMap::new(),
            labels: BTreeMap::new(),
            webhook_ids: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_method_that_is_not_named_is_robust_or_that_of_the_preset() {
        let of = |sent| serde_json::from_value::<MethodSpec>(sent).unwrap();
        assert_eq!(of(json!({})), MethodSpec::default());
        for (sent, name, preset) in [
            (json!({"backbone": "fm"}), MethodName::Robust, Preset::Paper),
            (json!({"preset": "robust"}), MethodName::Robust, Preset::Robust),
            (json!({"preset": "paper"}), MethodName::Autodenoise, Preset::Paper),
            (json!({"preset": "released_code"}), MethodName::Autodenoise, Preset::ReleasedCode),
            (json!({"name": "autodenoise"}), MethodName::Autodenoise, Preset::Paper),
            (json!({"name": "robust", "preset": "paper"}), MethodName::Robust, Preset::Paper),
        ] {
            let method = of(sent.clone());
            assert_eq!((method.name, method.preset), (name, preset), "{sent}");
            assert_eq!(of(serde_json::to_value(&method).unwrap()), method, "{sent}");
        }
        let error = serde_json::from_value::<MethodSpec>(json!({"nam": "robust"})).unwrap_err().to_string();
        assert!(error.contains("unknown field `nam`"), "{error}");
    }
}
