//! A method as it is run, and its flat form in stored specs, reports and the API.

use super::method::AnyOwnOptions;
use super::{BackboneKind, Cost, Method, MethodName, Options, Preset, TrainingPasses};
use serde::{Deserialize, Serialize, Serializer, ser::SerializeStruct};
use serde_json::{Map, Value};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, schema::Schema},
};

/// A method of a job: nothing left to a default.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "FlatMethod")]
pub struct ResolvedMethod {
    /// How it chooses rows, with its own options.
    pub kind: Method,
    pub preset: Preset,
    pub backbone: BackboneKind,
    /// What tells it apart in a table: its name, and what was swept over.
    pub label: String,
    /// How models are trained. What the method does not show of them has the value of [`Options::default`].
    pub options: Options,
}

/// A backbone and the options it is trained with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Trainee {
    pub backbone: BackboneKind,
    pub options: Options,
}

impl ResolvedMethod {
    pub fn name(&self) -> MethodName {
        self.kind.name()
    }

    /// What choosing rows takes, where trainings to early stopping take so many passes.
    pub fn cost(&self, training: TrainingPasses) -> Cost {
        self.kind.cost(&self.options, training)
    }

    /// The backbone that judges rows, where it is another than the method's own.
    pub(super) fn teacher(&self) -> Option<BackboneKind> {
        match &self.kind {
            Method::Robust(own) => Some(own.teacher),
            _ => None,
        }
    }

    /// Whether models are trained on its rows as on another's: the same backbone and options of the training.
    pub fn trains_like(&self, other: &Self) -> bool {
        self.training() == other.training()
    }

    /// How models are trained on its rows: the backbone and the options of the training.
    pub(super) fn training(&self) -> (BackboneKind, Map<String, Value>) {
        let mut options = self.options.to_map();
        options.retain(|name, _| MethodName::None.uses(name));
        (self.backbone, options)
    }
}

// As it is stored: the method by its name, its own options beside those of the training.
#[derive(Deserialize, ToSchema)]
struct FlatMethod {
    name: MethodName,
    preset: Preset,
    backbone: BackboneKind,
    /// What tells it apart in a table: its name, and what was swept over.
    #[serde(default)]
    label: String,
    options: Options,
    /// The method's own options beside those of the training; of those below it has some.
    #[serde(default)]
    #[schema(value_type = AnyOwnOptions)]
    own: Map<String, Value>,
}

impl TryFrom<FlatMethod> for ResolvedMethod {
    type Error = serde_json::Error;

    /// Jobs of versions in which `robust` was a preset alone are read as that method.
    fn try_from(flat: FlatMethod) -> Result<Self, serde_json::Error> {
        let FlatMethod { name, preset, backbone, label, options, own } = flat;
        let (name, preset) = name.spelled(preset);
        Ok(Self {
            kind: name.stored(own)?,
            preset,
            backbone,
            label,
            options: options.only(|option| name.shows(option)),
        })
    }
}

impl Serialize for ResolvedMethod {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (name, own) = (self.name(), self.kind.own());
        let mut flat = serializer.serialize_struct("ResolvedMethod", 5 + usize::from(!own.is_empty()))?;
        flat.serialize_field("name", &name)?;
        flat.serialize_field("preset", &self.preset)?;
        flat.serialize_field("backbone", &self.backbone)?;
        flat.serialize_field("label", &self.label)?;
        let mut shown = self.options.to_map();
        let options = shown.len();
        shown.retain(|option, _| name.shows(option));
        if shown.len() == options {
            flat.serialize_field("options", &self.options)?;
        } else {
            flat.serialize_field("options", &shown)?;
        }
        if !own.is_empty() {
            flat.serialize_field("own", &own)?;
        }
        flat.end()
    }
}

impl PartialSchema for ResolvedMethod {
    fn schema() -> RefOr<Schema> {
        FlatMethod::schema()
    }
}

impl ToSchema for ResolvedMethod {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        FlatMethod::schemas(schemas);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// As they stand in the database of a version in which `robust` was a preset, and taught in rounds.
    #[test]
    fn a_stored_run_of_the_preset_robust_is_one_of_the_method() {
        let all = Options { epochs: 7, lr: 0.5, ..Options::default() };
        let own = json!({"folds": 4, "rounds": 3, "teacher": "fm", "teacher_weight_decay": 0.001});
        let stored = json!({
            "name": "autodenoise", "preset": "robust", "backbone": "fm", "label": "autodenoise", "options": all, "own": own,
        });
        let read: ResolvedMethod = serde_json::from_value(stored).unwrap();
        let Method::Robust(robust) = &read.kind else { panic!("{read:?}") };
        assert_eq!((robust.folds, robust.teacher_weight_decay, robust.teacher), (4, 0.001, BackboneKind::Fm));
        assert_eq!(
            (read.preset, read.options.lr, read.options.epochs),
            (Preset::Paper, 0.5, Options::default().epochs)
        );
        let text = serde_json::to_string(&read).unwrap();
        assert!(
            text.contains("\"name\":\"robust\"") && !text.contains("epochs\"") && !text.contains("select_ratio"),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<ResolvedMethod>(&text).unwrap(), read);
    }
}
