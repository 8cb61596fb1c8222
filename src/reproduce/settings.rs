//! What the user asks for, and which of the options apply to which method.

use super::target::DatasetName;
use crate::types::{BackboneKind, Device, Engine, FieldError, MethodName, Options, Preset, Tuning};
use serde_json::{Map, Value};

/// What the user asks for, whatever is made.
#[derive(Debug, Clone)]
pub struct Settings {
    pub dataset: DatasetName,
    pub preset: Preset,
    /// Options put over the preset's and the protocol's; each goes to the methods that have it.
    pub options: Map<String, Value>,
    /// The backbones of tables 1 and 3 and figure 3.
    pub backbones: Vec<BackboneKind>,
    pub seed: u64,
    pub seeds: u32,
    /// How students are tuned; the paper's are not.
    pub tuning: Tuning,
    pub device: Device,
    pub engine: Engine,
    /// Names of the fields of users and items, for T-CE and R-CE with drawn negatives.
    pub user_item: Option<(String, String)>,
}

impl Settings {
    /// T: outer epochs.
    pub(super) fn epochs(&self) -> u64 {
        let preset = Options::preset(self.preset, BackboneKind::DeepFm).epochs;
        self.options.get("epochs").and_then(Value::as_u64).unwrap_or(preset.into())
    }

    /// The options that apply to a method. An option that no method has applies to all, so that it is reported as an error.
    pub(super) fn options_of(&self, method: MethodName) -> Map<String, Value> {
        let training = preset_options(self.preset, BackboneKind::DeepFm);
        let (method, _) = method.spelled(self.preset);
        // Robust is in them only where the preset makes it of AutoDenoise.
        let in_tables = MethodName::ALL.iter().filter(|name| **name != MethodName::Robust);
        let in_tables = in_tables.map(|name| name.spelled(self.preset).0);
        let of_method = |name: MethodName, key: &str| name.own_options().iter().any(|own| own == key);
        let mut options = self.options.clone();
        options.retain(|key, _| {
            let of_any = in_tables.clone().any(|name| of_method(name, key));
            if training.contains_key(key) { method.uses(key) } else { !of_any || of_method(method, key) }
        });
        options
    }

    /// Removes the options that only repeat the preset, so that equal jobs have equal specs. `select` stays: its default
    /// differs by method.
    pub(super) fn drop_presets(&self, backbone: BackboneKind, options: &mut Map<String, Value>) {
        let preset = preset_options(self.preset, backbone);
        options.retain(|key, value| key == "select" || preset.get(key) != Some(value));
    }

    /// Refuses the options that the protocols set themselves.
    pub fn check(&self) -> Result<(), Vec<FieldError>> {
        match self.options.contains_key("select_by") {
            false => Ok(()),
            true => Err(vec![FieldError::new("/method/options/select_by", "the protocols set it; see --protocol")]),
        }
    }
}

fn preset_options(preset: Preset, backbone: BackboneKind) -> Map<String, Value> {
    match serde_json::to_value(Options::preset(preset, backbone)) {
        Ok(Value::Object(options)) => options,
        _ => unreachable!("options are a plain struct"),
    }
}
