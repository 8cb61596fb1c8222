//! From a spec as sent to one with nothing left to a default; what is wrong with it is named at once, each thing where the
//! client wrote it.

use super::faults::Faults;
use super::method::{Setting, sort_options};
use super::{
    BackboneKind, Certify, DatasetFacts, Device, Engine, FieldError, JobSpec, MethodName, MethodSpec, Options, Preset,
    ResolvedMethod, ResolvedSpec, SelfCheck, Trainee,
};
use serde_json::{Map, Value};

/// Most models that are trained on what methods chose: methods x backbones x seeds. A report has a line for each.
const MOST_MODELS: usize = 2000;

type Overrides = Map<String, Value>;

/// A method as asked for.
struct Asked {
    /// Where in the spec.
    pointer: String,
    name: MethodName,
    /// As the client wrote it.
    preset: Preset,
    backbone: BackboneKind,
    /// Options of the job's own method that hold for it too.
    shared: Overrides,
    /// Options said at `pointer`.
    own: Overrides,
    /// Whether the preset was said at `pointer` and is another than the job's.
    other_preset: bool,
}

impl JobSpec {
    /// Fills every default; all that is wrong with the spec is named at once.
    pub fn resolve(&self, dataset: &DatasetFacts) -> Result<ResolvedSpec, Vec<FieldError>> {
        let mut errors = self.out_of_bounds();
        if !errors.is_empty() {
            return Err(errors);
        }
        let mut tell = |error: FieldError| {
            // One more than are shown says that there are more.
            if errors.len() <= FieldError::MOST && !errors.contains(&error) {
                errors.push(error);
            }
        };
        self.out_of_range().into_iter().for_each(&mut tell);
        self.certify.iter().flat_map(|certify| certify.unsuitable(dataset)).for_each(&mut tell);
        let mut keep = |asked: &Asked| {
            let resolved = asked.resolve().and_then(|method| {
                let mut faults = Faults::default();
                check_setting(&method, dataset, &mut faults);
                faults.into_result(method)
            });
            resolved.map_err(|more| more.into_iter().map(|error| asked.place(error)).for_each(&mut tell)).ok()
        };
        let asked = self.asked();
        let mut methods: Vec<ResolvedMethod> = asked.iter().filter_map(&mut keep).collect();
        let transfer = self.transfer.iter().filter_map(|backbone| {
            let shared = shared_options(&self.method, MethodName::None, *backbone);
            let asked = Asked { name: MethodName::None, backbone: *backbone, shared, own: Map::new(), ..self.own() };
            keep(&asked).map(|method| Trainee { backbone: *backbone, options: method.options })
        });
        let transfer: Vec<_> = transfer.collect();
        if errors.is_empty() {
            add_references(&asked, &mut methods);
        }
        let models = methods.len() * (1 + transfer.len()) * self.seeds as usize;
        if models > MOST_MODELS {
            let rule = format!(
                "at most {MOST_MODELS} models: {} methods (all rows included) x {} backbones x {} seeds are {models}",
                methods.len(),
                1 + transfer.len(),
                self.seeds
            );
            errors.push(FieldError::new("/seeds", rule));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let compare = methods.split_off(1);
        Ok(ResolvedSpec {
            dataset_id: self.dataset_id,
            dataset_digest: dataset.digest.clone(),
            method: methods.remove(0),
            compare,
            transfer,
            seed: self.seed,
            seeds: self.seeds,
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
            engine_version: env!("CARGO_PKG_VERSION").to_owned(),
        })
    }

    /// The job's own method.
    fn own(&self) -> Asked {
        let MethodSpec { name, preset, backbone, options } = self.method.clone();
        Asked {
            pointer: "/method".to_owned(),
            name: name.spelled(preset).0,
            preset,
            backbone,
            shared: Map::new(),
            own: options,
            other_preset: false,
        }
    }

    /// Every method asked for, the job's own first.
    fn asked(&self) -> Vec<Asked> {
        let own = &self.method;
        let compared = self.compare.iter().enumerate().map(|(number, other)| {
            let backbone = other.backbone.unwrap_or(own.backbone);
            let preset = other.preset.unwrap_or(own.preset);
            let (name, _) = other.name.spelled(preset);
            Asked {
                pointer: format!("/compare/{number}"),
                name,
                preset,
                backbone,
                shared: shared_options(own, name, backbone),
                own: other.options.clone(),
                other_preset: preset != own.preset && name.searches(),
            }
        });
        let swept = self.sweep.iter().filter(|_| self.unknown_swept().is_none()).flat_map(|sweep| {
            sweep.values.iter().enumerate().map(|(number, value)| Asked {
                pointer: format!("/sweep/values/{number}"),
                shared: own.options.clone(),
                own: Map::from_iter([(sweep.option.clone(), value.clone())]),
                ..self.own()
            })
        });
        std::iter::once(self.own()).chain(compared).chain(swept).collect()
    }

    /// What is wrong with the option that is swept over: the method has none of that name.
    fn unknown_swept(&self) -> Option<FieldError> {
        let MethodSpec { name, preset, backbone, .. } = self.method;
        let swept = Map::from_iter([(self.sweep.as_ref()?.option.clone(), Value::Null)]);
        let (_, _, errors) = sort_options(name.spelled(preset).0, &Options::preset(preset, backbone).to_map(), &swept);
        Some(FieldError::new("/sweep/option", errors.into_iter().next()?.rule))
    }

    fn out_of_range(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut check = |pointer: &str, holds: bool, rule: &str| {
            if !holds {
                errors.push(FieldError::new(pointer, rule));
            }
        };
        let short = |(key, value): (&String, &String)| !key.is_empty() && key.len() <= 64 && value.len() <= 256;
        for (pointer, words) in [("/labels", &self.labels), ("/requires", &self.requires)] {
            check(pointer, words.iter().all(short), "keys of 1 to 64 bytes, values of at most 256");
        }
        check("/priority", (-100..=100).contains(&self.priority), "from -100 to 100");
        let once = |(at, id)| !self.webhook_ids[..at].contains(id);
        check("/webhook_ids", self.webhook_ids.iter().enumerate().all(once), "at most 8, each once");
        check(
            "/engine",
            self.engine != Engine::Fused || !matches!(self.device, Device::Cuda(_)),
            "auto or tch, because fused computes on the CPU and device is a GPU",
        );
        let compared = self.compare.iter().filter_map(|other| other.backbone);
        for backbone in std::iter::once(self.method.backbone).chain(compared).chain(self.transfer.iter().copied()) {
            let why = backbone.why_not_fused().filter(|_| self.engine == Engine::Fused);
            check("/engine", why.is_none(), why.as_deref().unwrap_or_default());
        }
        let proven = self.method.name != MethodName::None;
        let rule = "another method than none, which keeps every row";
        check("/certify", self.certify.is_none() || proven, rule);
        check("/self_check", self.self_check.is_none() || proven, rule);
        check("/deadline_seconds", self.deadline_seconds != Some(0), "at least 1");
        check("/seeds", (1..=100).contains(&self.seeds), "from 1 to 100");
        // Postgres and JSON clients hold signed 64-bit numbers.
        let seeds = self.seeds.max(self.certify.as_ref().map_or(0, |certify| certify.seeds));
        let last = self.seed.saturating_add(u64::from(seeds.saturating_sub(1)));
        check("/seed", last <= i64::MAX as u64, "at most 9223372036854775807, the last of `seeds` included");
        let twice = |backbone: &BackboneKind| self.transfer.iter().filter(|other| *other == backbone).count() > 1;
        check("/transfer", !self.transfer.iter().any(twice), "each backbone once");
        check("/transfer", !self.transfer.contains(&self.method.backbone), "backbones other than the method's own");
        errors.extend(self.unknown_swept());
        errors.extend(self.tuning.out_of_range());
        errors.extend(self.certify.iter().flat_map(Certify::out_of_range));
        errors.extend(self.self_check.iter().filter_map(SelfCheck::out_of_range));
        errors
    }
}

impl Asked {
    fn overrides(&self) -> Overrides {
        self.shared.clone().into_iter().chain(self.own.clone()).collect()
    }

    fn resolve(&self) -> Result<ResolvedMethod, Vec<FieldError>> {
        let (name, preset) = self.name.spelled(self.preset);
        let known = Options::preset(preset, self.backbone).to_map();
        let (mut training, of_method, mut errors) = sort_options(name, &known, &self.overrides());
        errors.extend(name.preset_fault(preset).map(|rule| FieldError::new("/method/preset", rule)));
        for (option, word) in name.starts_from() {
            training.entry(*option).or_insert_with(|| (*word).into());
        }
        let options = Options::resolve(preset, self.backbone, &training).map_err(|more| errors.extend(more));
        let mut faults = Faults::default();
        let kind = name.with(&of_method, &mut faults);
        let kind = faults.into_result(kind).map_err(|more| errors.extend(more));
        let (Ok(options), Ok(kind)) = (options, kind) else { return Err(errors) };
        if !errors.is_empty() {
            return Err(errors);
        }
        let said = self.own.iter().filter(|_| self.pointer != "/method").map(|(key, value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            format!(" {key}={value}")
        });
        let other = if self.other_preset { format!(" {preset}") } else { String::new() };
        let label = format!("{name}{other}{}", said.collect::<String>());
        let options = options.only(|option| name.shows(option));
        Ok(ResolvedMethod { kind, preset, backbone: self.backbone, label, options })
    }

    /// An error of this method where the client wrote what is wrong.
    fn place(&self, error: FieldError) -> FieldError {
        let Some(within) = error.pointer.strip_prefix("/method") else { return error };
        let option = within.strip_prefix("/options/").unwrap_or_default();
        let pointer = match &self.pointer {
            _ if self.shared.contains_key(option) && !self.own.contains_key(option) => error.pointer.clone(),
            sweep if sweep.starts_with("/sweep") => sweep.clone(),
            pointer => format!("{pointer}{within}"),
        };
        FieldError { pointer, rule: error.rule }
    }

    /// All rows, trained as this method's are.
    fn reference(&self) -> Self {
        let none = MethodName::None;
        let of_training = |options: &Overrides| {
            options
                .iter()
                .filter(|(name, _)| none.uses(name))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect()
        };
        let own_options = self.name.own_options();
        let mut own: Overrides = of_training(&self.own);
        own.retain(|name, _| !own_options.contains(name));
        let mut shared: Overrides = of_training(&self.shared);
        shared.retain(|name, _| !own_options.contains(name));
        Self { pointer: self.pointer.clone(), name: none, shared, own, ..*self }
    }
}

/// What of the job's options concerns another method, with another backbone maybe.
fn shared_options(own: &MethodSpec, name: MethodName, backbone: BackboneKind) -> Overrides {
    let mut shared = own.options.clone();
    let training = Options::preset(own.preset, own.backbone).to_map();
    shared.retain(|key, _| {
        // How rows are selected tells AutoDenoise and its ablation apart; a structure is of one model.
        let apart = key == "select" && name != own.name || key == "structure" && backbone != own.backbone;
        name.uses(key) && training.contains_key(key) && !apart
    });
    shared
}

/// Adds all rows as a contender for each way of training that has no such yet.
fn add_references(asked: &[Asked], methods: &mut Vec<ResolvedMethod>) {
    let is_reference = |method: &&ResolvedMethod| method.name() == MethodName::None;
    let mut ways: Vec<_> = methods.iter().filter(is_reference).map(ResolvedMethod::training).collect();
    for asked in asked {
        // It has options of a method that was resolved.
        let Ok(reference) = asked.reference().resolve() else { continue };
        let way = reference.training();
        if !ways.contains(&way) {
            ways.push(way);
            methods.push(reference);
        }
    }
}

/// What of the method does not suit the dataset or the backbone.
fn check_setting(method: &ResolvedMethod, dataset: &DatasetFacts, faults: &mut Faults) {
    let setting = Setting { method: method.name().as_str(), backbone: method.backbone, dataset };
    method.kind.check_setting(&setting, faults);
    for (option, field) in [("user_field", &method.options.user_field), ("item_field", &method.options.item_field)] {
        if let Some(field) = field {
            dataset.check_field(option, field, faults);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{DatasetId, Method, Select};
    use serde_json::json;

    fn job(spec: Value) -> Result<ResolvedSpec, Vec<FieldError>> {
        let mut spec = spec;
        spec["dataset_id"] = json!(DatasetId::new());
        serde_json::from_value::<JobSpec>(spec).unwrap().resolve(&facts())
    }

    fn facts() -> DatasetFacts {
        let fields = ["user", "movie"].map(str::to_owned).to_vec();
        DatasetFacts {
            digest: String::new(),
            train_rows: Some(1_000_000),
            columns: Some(fields.clone()),
            fields: Some(fields),
        }
    }

    #[test]
    fn every_way_of_training_has_its_reference() {
        let labels = |spec: Value| -> Vec<String> {
            let spec = job(spec).unwrap();
            spec.contenders().iter().map(|method| method.label.clone()).collect()
        };
        // A reference of another learning rate is no reference of the job's own method.
        let compare =
            json!([{"name": "none", "options": {"lr": 0.5}}, {"name": "random_drop", "options": {"lr": 0.5}}]);
        assert_eq!(labels(json!({"compare": compare})), ["robust", "none lr=0.5", "random_drop lr=0.5", "none"]);
        let sweep = json!({"option": "batch_size", "values": [512, 1024]});
        assert_eq!(
            labels(json!({"method": {"name": "loss_drop"}, "sweep": sweep})),
            [
                "loss_drop",
                "loss_drop batch_size=512",
                "loss_drop batch_size=1024",
                "none",
                "none batch_size=512",
                "none batch_size=1024"
            ]
        );
        // What only a search reads makes no other reference, whatever the preset has.
        let method =
            json!({"preset": "released_code", "options": {"lmat_loss": "eval", "lmat_deselected": "evaluate_all"}});
        assert_eq!(
            labels(json!({"method": method, "compare": [{"name": "loss_drop"}]})),
            ["autodenoise", "loss_drop", "none"]
        );
    }

    #[test]
    fn the_ablation_draws_also_where_the_method_does_not() {
        let spec =
            job(json!({"method": {"preset": "paper", "options": {"select": "topk"}}, "compare": [{"name": "autodenoise_v"}]})).unwrap();
        assert_eq!((spec.method.options.select, spec.compare[0].options.select), (Select::Topk, Select::Sample));
    }

    #[test]
    fn a_job_of_more_models_than_a_report_may_have_is_refused() {
        let errors =
            job(json!({"compare": vec![json!({"name": "enn"}); 62], "transfer": ["fm"], "seeds": 17})).unwrap_err();
        assert_eq!(errors[0].pointer, "/seeds");
        assert!(
            errors[0].rule.contains("64 methods (all rows included) x 2 backbones x 17 seeds are 2176"),
            "{errors:?}"
        );
    }

    #[test]
    fn a_spec_stored_by_a_version_with_fewer_options_is_read() {
        let mut stored = serde_json::to_value(job(json!({})).unwrap()).unwrap();
        let options = stored["method"]["options"].as_object_mut().unwrap();
        for name in ["interaction_dropout", "structure", "heads", "user_field"] {
            options.remove(name).unwrap();
        }
        for name in ["compare", "transfer", "seeds"] {
            stored.as_object_mut().unwrap().remove(name);
        }
        stored["method"].as_object_mut().unwrap().remove("label");
        let read: ResolvedSpec = serde_json::from_value(stored).unwrap();
        assert_eq!((read.seeds, read.method.options.heads, read.compare.len()), (1, 2, 0));
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
            "method": {"preset": "paper", "backbone": "fm", "options": {"lr": 0.01, "epochs": 3, "select_ratio": 0.9}},
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
        assert_eq!(spec.compare[2].options.select, Select::Sample);
        assert!(matches!(&spec.compare[0].kind, Method::Enn(own) if own.k == 5));
        let text = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<ResolvedSpec>(&text).unwrap(), spec);
    }

    #[test]
    fn errors_point_into_the_part_they_are_of() {
        let errors = job(json!({
            "method": {"preset": "paper", "options": {"epochz": 1}},
            "compare": [{"name": "enn", "options": {"k": 0}}, {"name": "bdis", "options": {"k": 3}},
                {"name": "none", "options": {"epochs": 3}}],
            "sweep": {"option": "select_ratio", "values": [0.9, 2.0]},
            "transfer": ["fm", "fm"], "seeds": 0, "tuning": {"patience": 0}, "certify": {"cluster": "usr", "trusted": "source = panel"},
        }))
        .unwrap_err();
        let pointers: Vec<_> = errors.iter().map(|error| error.pointer.as_str()).collect();
        let expected = [
            "/seeds",
            "/transfer",
            "/tuning/patience",
            "/certify/cluster",
            "/certify/trusted",
            "/method/options/epochz",
            "/compare/0/options/k",
            "/compare/1/options/k",
            "/compare/2/options/epochs",
            "/sweep/values/1",
        ];
        assert_eq!(pointers.len(), expected.len(), "each fault once: {errors:?}");
        for pointer in expected {
            assert!(pointers.contains(&pointer), "{pointer} in {errors:?}");
        }
        let rule = |pointer: &str| &errors.iter().find(|error| error.pointer == pointer).unwrap().rule;
        assert!(rule("/compare/1/options/k").contains("a method that has it: "), "it names what may be meant");
        assert!(rule("/compare/2/options/epochs").contains("makes no difference to method none"));
    }

    #[test]
    fn a_model_that_fused_has_not_is_refused_with_the_models_it_has() {
        let spec = |engine| {
            let spec = json!({"dataset_id": DatasetId::new(), "method": {"backbone": "afm"}, "engine": engine});
            serde_json::from_value::<JobSpec>(spec).unwrap().resolve(&Default::default())
        };
        let errors = spec(Engine::Fused).unwrap_err();
        assert_eq!(errors[0].pointer, "/engine");
        assert_eq!(
            errors[0].rule,
            "auto or tch, because fused has the backbones fm, wide_deep, dcn, ipnn and deepfm, not afm"
        );
        assert!(spec(Engine::Auto).is_ok() && spec(Engine::Tch).is_ok());
    }
}
