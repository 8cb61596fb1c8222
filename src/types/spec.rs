//! A job's spec as sent, and as resolved: every default filled in. A job has its own method and, where asked for, others
//! to compare it with, values of an option to sweep over, and backbones to try the chosen rows on.

use super::method::{BaselineOptions, sort_options};
use super::{
    BackboneKind, CeData, DatasetId, Device, Engine, FeatureMap, FieldError, MethodName, Options, Preset, Profile,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Most contenders of a job, in all.
const MOST_CONTENDERS: usize = 64;

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
    #[serde(default = "JobSpec::default_seeds")]
    pub seeds: u32,
    #[serde(default)]
    pub device: Device,
    #[serde(default)]
    pub engine: Engine,
    /// The job is stopped and failed when it has run this long, waiting not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_seconds: Option<u64>,
    /// The client's own words for finding the job again, for example `{"commit": "3fe1"}`; at most 32.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MethodSpec {
    #[serde(default = "MethodSpec::default_name")]
    pub name: MethodName,
    #[serde(default = "MethodSpec::default_preset")]
    pub preset: Preset,
    #[serde(default = "MethodSpec::default_backbone")]
    pub backbone: BackboneKind,
    /// Options that differ from the preset's.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object, example = json!({"epochs": 10, "select_ratio": 0.98}))]
    pub options: Map<String, Value>,
}

impl MethodSpec {
    const fn default_name() -> MethodName {
        MethodName::Autodenoise
    }

    const fn default_preset() -> Preset {
        Preset::Paper
    }

    const fn default_backbone() -> BackboneKind {
        BackboneKind::DeepFm
    }
}

impl Default for MethodSpec {
    fn default() -> Self {
        Self {
            name: Self::default_name(),
            preset: Self::default_preset(),
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
    #[schema(value_type = Object, example = json!({"k": 5}))]
    pub options: Map<String, Value>,
}

/// Values of one option.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// For example `warmup_epochs` or `select_ratio`.
    pub option: String,
    /// 1 to 32 values.
    #[schema(value_type = Vec<Object>, example = json!([0.95, 0.98]))]
    pub values: Vec<Value>,
}

/// What is known of a job's dataset while its spec is resolved. What is absent is not checked.
#[derive(Debug, Clone, Default)]
pub struct DatasetFacts {
    /// `Profile::digest`.
    pub digest: String,
    pub train_rows: Option<u64>,
    /// Names of the fields.
    pub fields: Option<Vec<String>>,
}

impl DatasetFacts {
    pub fn new(profile: Option<&Profile>, map: Option<&FeatureMap>) -> Self {
        Self {
            digest: profile.map(|profile| profile.digest.clone()).unwrap_or_default(),
            train_rows: profile.map(|profile| profile.rows.train),
            fields: map.map(|map| map.fields.iter().map(|field| field.name.clone()).collect()),
        }
    }
}

/// A job as it is run: nothing left to a default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ResolvedSpec {
    pub dataset_id: DatasetId,
    /// `Profile::digest` of the dataset.
    pub dataset_digest: String,
    pub method: ResolvedMethod,
    /// What the method is compared with: the methods asked for, then the values of a sweep, and all rows (`none`) for each
    /// backbone, unless it is there already.
    #[serde(default)]
    pub compare: Vec<ResolvedMethod>,
    /// Backbones that are trained on what each method chose, beside its own.
    #[serde(default)]
    pub transfer: Vec<Trainee>,
    pub seed: u64,
    #[serde(default = "JobSpec::default_seeds")]
    pub seeds: u32,
    pub device: Device,
    /// Absent in jobs of versions that had only `tch`.
    #[serde(default)]
    pub engine: Engine,
    pub deadline_seconds: Option<u64>,
    pub labels: BTreeMap<String, String>,
    /// Version of the program that resolved it.
    pub engine_version: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ResolvedMethod {
    pub name: MethodName,
    pub preset: Preset,
    pub backbone: BackboneKind,
    /// What tells it apart in a table: its name, and what was swept over.
    #[serde(default)]
    pub label: String,
    pub options: Options,
    /// The method's own options beside those of the training.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object)]
    pub own: Map<String, Value>,
}

/// A backbone and the options it is trained with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Trainee {
    pub backbone: BackboneKind,
    pub options: Options,
}

impl ResolvedMethod {
    /// The method's own options.
    pub fn baseline(&self) -> BaselineOptions {
        BaselineOptions::of(&self.own)
    }
}

impl ResolvedSpec {
    /// The method of the job (number 0) and all it is compared with.
    pub fn contenders(&self) -> Vec<&ResolvedMethod> {
        std::iter::once(&self.method).chain(&self.compare).collect()
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
            device: Device::default(),
            engine: Engine::default(),
            deadline_seconds: None,
            labels: BTreeMap::new(),
        }
    }

    /// Fills every default; all that is wrong with the spec is named at once.
    pub fn resolve(&self, dataset: &DatasetFacts) -> Result<ResolvedSpec, Vec<FieldError>> {
        let mut errors = self.out_of_range();
        let mut keep = |pointer: &str, resolved: Result<ResolvedMethod, Vec<FieldError>>| match resolved {
            Ok(method) => {
                errors.extend(unsuitable(&method, dataset).into_iter().map(|error| at(pointer, error)));
                Some(method)
            }
            Err(more) => {
                errors.extend(more.into_iter().map(|error| at(pointer, error)));
                None
            }
        };
        let own = &self.method;
        let method = keep("/method", resolve(own.name, own.preset, own.backbone, &[&own.options]));
        let mut compare: Vec<ResolvedMethod> = Vec::new();
        for (number, other) in self.compare.iter().enumerate() {
            let shared = shared_options(own, other.name);
            let preset = other.preset.unwrap_or(own.preset);
            let resolved =
                resolve(other.name, preset, other.backbone.unwrap_or(own.backbone), &[&shared, &other.options]);
            compare
                .extend(keep(&format!("/compare/{number}"), resolved).map(|method| relabelled(method, &other.options)));
        }
        for (number, value) in self.sweep.iter().flat_map(|sweep| sweep.values.iter().enumerate()) {
            let option = &self.sweep.as_ref().expect("it has values").option;
            let swept = Map::from_iter([(option.clone(), value.clone())]);
            let resolved = resolve(own.name, own.preset, own.backbone, &[&own.options, &swept]);
            compare.extend(keep(&format!("/sweep/values/{number}"), resolved).map(|method| relabelled(method, &swept)));
        }
        let transfer = self.transfer.iter().filter_map(|backbone| {
            let shared = shared_options(own, MethodName::None);
            let method = keep("/method", resolve(MethodName::None, own.preset, *backbone, &[&shared]))?;
            Some(Trainee { backbone: *backbone, options: method.options })
        });
        let transfer = transfer.collect();
        let Some(method) = method.filter(|_| errors.is_empty()) else { return Err(errors) };
        add_references(&method, &mut compare);
        Ok(ResolvedSpec {
            dataset_id: self.dataset_id,
            dataset_digest: dataset.digest.clone(),
            method,
            compare,
            transfer,
            seed: self.seed,
            seeds: self.seeds,
            device: self.device,
            engine: self.engine,
            deadline_seconds: self.deadline_seconds,
            labels: self.labels.clone(),
            engine_version: env!("CARGO_PKG_VERSION").to_owned(),
        })
    }

    fn out_of_range(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut check = |pointer: &str, holds: bool, rule: &str| {
            if !holds {
                errors.push(FieldError::new(pointer, rule));
            }
        };
        check("/labels", self.labels.len() <= 32, "at most 32");
        let short = |(key, value): (&String, &String)| !key.is_empty() && key.len() <= 64 && value.len() <= 256;
        check("/labels", self.labels.iter().all(short), "keys of 1 to 64 bytes, values of at most 256");
        check(
            "/engine",
            self.engine != Engine::Fused || !matches!(self.device, Device::Cuda(_)),
            "auto or tch, because fused computes on the CPU and device is a GPU",
        );
        for backbone in std::iter::once(&self.method.backbone).chain(&self.transfer) {
            let why = backbone.why_not_fused().filter(|_| self.engine == Engine::Fused);
            check("/engine", why.is_none(), why.as_deref().unwrap_or_default());
        }
        check("/deadline_seconds", self.deadline_seconds != Some(0), "at least 1");
        // Postgres and JSON clients hold signed 64-bit numbers.
        let last = self.seed.saturating_add(u64::from(self.seeds));
        check("/seed", last <= i64::MAX as u64, "at most 9223372036854775807, the last of `seeds` included");
        check("/seeds", (1..=100).contains(&self.seeds), "from 1 to 100");
        let swept = self.sweep.as_ref().map_or(0, |sweep| sweep.values.len());
        check("/sweep/values", self.sweep.is_none() || (1..=32).contains(&swept), "1 to 32 values");
        check("/compare", self.compare.len() + swept < MOST_CONTENDERS, "at most 63 methods, swept values included");
        let twice = |backbone: &BackboneKind| self.transfer.iter().filter(|other| *other == backbone).count() > 1;
        check("/transfer", !self.transfer.iter().any(twice), "each backbone once");
        check("/transfer", !self.transfer.contains(&self.method.backbone), "backbones other than the method's own");
        errors
    }
}

/// What of the job's options concerns another method too.
fn shared_options(own: &MethodSpec, name: MethodName) -> Map<String, Value> {
    let mut shared = own.options.clone();
    let own_options = own.name.own_options();
    shared.retain(|key, _| name.uses(key) && !own_options.contains(&key.as_str()));
    shared
}

fn resolve(
    name: MethodName,
    preset: Preset,
    backbone: BackboneKind,
    overrides: &[&Map<String, Value>],
) -> Result<ResolvedMethod, Vec<FieldError>> {
    let overrides: Map<String, Value> = overrides.iter().flat_map(|map| (*map).clone()).collect();
    let known = Options::preset(preset, backbone).to_map();
    let (mut training, of_method, mut errors) = sort_options(name, &known, &overrides);
    if name == MethodName::AutodenoiseV && !training.contains_key("select") {
        training.insert("select".to_owned(), "sample".into());
    }
    let options = Options::resolve(preset, backbone, &training).map_err(|more| errors.extend(more));
    let own = BaselineOptions::resolve(name, &of_method).map_err(|more| errors.extend(more));
    match (options, own) {
        (Ok(options), Ok(own)) if errors.is_empty() => {
            Ok(ResolvedMethod { name, preset, backbone, label: name.to_string(), options, own })
        }
        _ => Err(errors),
    }
}

/// What of the method does not suit the dataset.
fn unsuitable(method: &ResolvedMethod, dataset: &DatasetFacts) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let own = method.baseline();
    let quadratic = method.name.is_instance_selection() && method.name != MethodName::Bdis;
    if let Some(rows) = dataset.train_rows.filter(|_| quadratic) {
        let block = if own.block_size == 0 { rows } else { rows.min(own.block_size.into()) };
        let distances = rows.saturating_mul(block);
        if distances > own.max_distances {
            let rule = format!(
                "{} compares {rows} training rows with {block} each, {distances} distances, more than max_distances = {}; \
                 set block_size to at most {}, or max_distances to at least {distances}",
                method.name,
                own.max_distances,
                (own.max_distances / rows).max(2),
            );
            errors.push(FieldError::new("/method/options/block_size", rule));
        }
    }
    if let Some(fields) = &dataset.fields {
        let sampled = own.ce_data == CeData::Sampled;
        let named = |option, column| sampled.then_some((option, column));
        let named = [
            named("user_column", &own.user_column),
            named("item_column", &own.item_column),
            method.options.user_field.as_ref().map(|field| ("user_field", field)),
            method.options.item_field.as_ref().map(|field| ("item_field", field)),
        ];
        for (option, column) in named.into_iter().flatten() {
            if !fields.contains(column) {
                let rule = format!("one of the dataset's fields: {}", fields.join(", "));
                errors.push(FieldError::new(format!("/method/options/{option}"), rule));
            }
        }
    }
    errors
}

/// The same with its own options in its label.
fn relabelled(mut method: ResolvedMethod, options: &Map<String, Value>) -> ResolvedMethod {
    for (key, value) in options {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        method.label += &format!(" {key}={value}");
    }
    method
}

/// Adds all rows as a contender for each backbone that has no such yet.
fn add_references(method: &ResolvedMethod, compare: &mut Vec<ResolvedMethod>) {
    let contenders: Vec<ResolvedMethod> = std::iter::once(method).chain(compare.iter()).cloned().collect();
    for contender in &contenders {
        let backbone = contender.backbone;
        let has = |other: &ResolvedMethod| other.name == MethodName::None && other.backbone == backbone;
        if !has(method) && !compare.iter().any(has) {
            compare.push(ResolvedMethod {
                name: MethodName::None,
                label: MethodName::None.to_string(),
                own: Map::new(),
                ..contender.clone()
            });
        }
    }
}

/// An error within the part of the spec at `pointer`.
fn at(pointer: &str, error: FieldError) -> FieldError {
    let within = error.pointer.strip_prefix("/method").unwrap_or(&error.pointer);
    let pointer = if pointer.starts_with("/sweep") { pointer.to_owned() } else { format!("{pointer}{within}") };
    FieldError { pointer, rule: error.rule }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn job(spec: Value) -> Result<ResolvedSpec, Vec<FieldError>> {
        let mut spec = spec;
        spec["dataset_id"] = json!(DatasetId::new());
        serde_json::from_value::<JobSpec>(spec).unwrap().resolve(&facts())
    }

    fn facts() -> DatasetFacts {
        let fields = ["user", "movie"].map(str::to_owned).to_vec();
        DatasetFacts { digest: String::new(), train_rows: Some(1_000_000), fields: Some(fields) }
    }

    #[test]
    fn what_a_dataset_is_too_large_for_is_refused_with_the_way_out() {
        let errors = job(json!({"method": {"name": "drop3", "options": {"block_size": 0}},
            "compare": [{"name": "enn"}, {"name": "bdis", "options": {"block_size": 0}},
                {"name": "t_ce", "options": {"ce_data": "sampled", "user_column": "user", "item_column": "item"}}]}))
        .unwrap_err();
        let found: Vec<_> = errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(found, ["/method/options/block_size", "/compare/2/options/item_column"]);
        for part in
            ["1000000000000 distances", "block_size to at most 100000,", "max_distances to at least 1000000000000"]
        {
            assert!(errors[0].rule.contains(part), "{part} in {}", errors[0].rule);
        }
        assert!(errors[1].rule.contains("user, movie"), "{}", errors[1].rule);
    }

    #[test]
    fn an_unknown_key_of_a_spec_is_an_error() {
        let spec = json!({"dataset_id": DatasetId::new(), "sede": 7});
        let error = serde_json::from_value::<JobSpec>(spec).unwrap_err().to_string();
        assert!(error.contains("unknown field `sede`") && error.contains("seed"), "{error}");
    }

    #[test]
    fn contenders_share_the_training_and_each_backbone_has_its_reference() {
        let spec = job(json!({
            "method": {"backbone": "fm", "options": {"lr": 0.01, "epochs": 3, "select_ratio": 0.9}},
            "compare": [{"name": "enn", "options": {"k": 5}}, {"name": "random_drop"}, {"name": "autodenoise_v"},
                {"name": "autodenoise", "backbone": "dcn"}],
            "sweep": {"option": "select_ratio", "values": [0.99, 0.95]},
        }))
        .unwrap();
        let labels: Vec<_> =
            spec.contenders().iter().map(|method| (method.label.clone(), method.backbone.as_str())).collect();
        let expected = [
            ("autodenoise", "fm"),
            ("enn k=5", "fm"),
            ("random_drop", "fm"),
            ("autodenoise_v", "fm"),
            ("autodenoise", "dcn"),
            ("autodenoise select_ratio=0.99", "fm"),
            ("autodenoise select_ratio=0.95", "fm"),
            ("none", "fm"),
            ("none", "dcn"),
        ];
        assert_eq!(labels, expected.map(|(label, backbone)| (label.to_owned(), backbone)));
        assert!(spec.contenders().iter().all(|method| method.options.lr == 0.01));
        assert_eq!(spec.compare[1].options.select_ratio, 0.9, "random_drop drops as many");
        assert_eq!(spec.compare[2].options.select, super::super::Select::Sample);
        assert_eq!(spec.compare[0].baseline().k, 5);
        let text = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<ResolvedSpec>(&text).unwrap(), spec);
    }

    #[test]
    fn errors_point_into_the_part_they_are_of() {
        let errors = job(json!({
            "method": {"options": {"epochz": 1}},
            "compare": [{"name": "enn", "options": {"k": 0}}, {"name": "bdis", "options": {"k": 3}},
                {"name": "none", "options": {"epochs": 3}}],
            "sweep": {"option": "select_ratio", "values": [0.9, 2.0]},
            "transfer": ["fm", "fm"], "seeds": 0,
        }))
        .unwrap_err();
        let pointers: Vec<_> = errors.iter().map(|error| error.pointer.as_str()).collect();
        let expected = [
            "/seeds",
            "/transfer",
            "/method/options/epochz",
            "/compare/0/options/k",
            "/compare/1/options/k",
            "/compare/2/options/epochs",
            "/sweep/values/1",
        ];
        for pointer in expected {
            assert!(pointers.contains(&pointer), "{pointer} in {errors:?}");
        }
        let rule = |pointer: &str| &errors.iter().find(|error| error.pointer == pointer).unwrap().rule;
        assert!(rule("/compare/1/options/k").contains("bdis_t1"), "it names what there is");
        assert!(rule("/compare/2/options/epochs").contains("makes no difference to method none"));
    }
}
