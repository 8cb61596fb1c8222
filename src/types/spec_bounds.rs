//! How much a spec may hold. These bounds are looked at before anything is made of the spec, because what is made of it grows
//! with its counts multiplied: each value of a sweep is a method with all its options.

use super::{BackboneKind, FieldError, JobSpec};
use serde_json::{Map, Value};

/// Most methods of a job, swept values included.
pub(super) const MOST_METHODS: usize = 64;
/// Most bytes of an option's name.
const LONGEST_NAME: usize = 64;
/// Most bytes of an option's value as JSON: names of columns and lists of widths are shorter.
const LONGEST_VALUE: usize = 512;
/// Most options of a method; there are fewer.
const MOST_OPTIONS: usize = 100;

impl JobSpec {
    /// What of the spec there is too much of.
    pub(super) fn out_of_bounds(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut check = |pointer: &str, holds: bool, rule: &str| {
            if !holds {
                errors.push(FieldError::new(pointer, rule));
            }
        };
        check("/labels", self.labels.len() <= 32, "at most 32");
        check("/requires", self.requires.len() <= 32, "at most 32");
        check("/webhook_ids", self.webhook_ids.len() <= 8, "at most 8, each once");
        check("/transfer", self.transfer.len() < BackboneKind::ALL.len(), "each backbone once");
        let swept = self.sweep.as_ref().map_or(0, |sweep| sweep.values.len());
        check("/sweep/values", self.sweep.is_none() || (1..=32).contains(&swept), "1 to 32 values");
        check("/compare", self.compare.len() + swept < MOST_METHODS, "at most 63 methods, swept values included");
        if !errors.is_empty() {
            return errors;
        }
        errors.extend(fault_of_options("/method/options", &self.method.options));
        for (number, other) in self.compare.iter().enumerate() {
            errors.extend(fault_of_options(&format!("/compare/{number}/options"), &other.options));
        }
        if let Some(sweep) = &self.sweep {
            if sweep.option.len() > LONGEST_NAME {
                errors.push(FieldError::new("/sweep/option", format!("at most {LONGEST_NAME} bytes")));
            }
            let long = sweep.values.iter().position(|value| is_long(value));
            errors.extend(long.map(|number| FieldError::new(format!("/sweep/values/{number}"), rule_of_values())));
        }
        let certify = self.certify.as_ref();
        let named = [
            ("/certify/cluster", certify.and_then(|certify| certify.cluster.as_ref()).map(String::len)),
            (
                "/certify/trusted",
                certify.and_then(|certify| certify.trusted.as_ref()).map(|rule| rule.to_string().len()),
            ),
        ];
        for (pointer, length) in named {
            if length.is_some_and(|length| length > LONGEST_VALUE) {
                errors.push(FieldError::new(pointer, rule_of_values()));
            }
        }
        errors
    }
}

fn fault_of_options(pointer: &str, options: &Map<String, Value>) -> Option<FieldError> {
    if options.len() > MOST_OPTIONS {
        return Some(FieldError::new(pointer, format!("at most {MOST_OPTIONS} options")));
    }
    if options.keys().any(|name| name.len() > LONGEST_NAME) {
        return Some(FieldError::new(pointer, format!("names of at most {LONGEST_NAME} bytes")));
    }
    let (name, _) = options.iter().find(|(_, value)| is_long(value))?;
    Some(FieldError::new(format!("{pointer}/{name}"), rule_of_values()))
}

fn is_long(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
        Value::String(text) => text.len() > LONGEST_VALUE,
        Value::Array(_) | Value::Object(_) => value.to_string().len() > LONGEST_VALUE,
    }
}

fn rule_of_values() -> String {
    format!("at most {LONGEST_VALUE} bytes")
}

#[cfg(test)]
mod tests {
    use crate::types::{DatasetFacts, DatasetId, FieldError, JobSpec};
    use serde_json::{Value, json};
    use std::time::{Duration, Instant};

    fn faults(mut spec: Value) -> Vec<FieldError> {
        spec["dataset_id"] = json!(DatasetId::new());
        let spec = serde_json::from_value::<JobSpec>(spec).unwrap();
        let started = Instant::now();
        let errors = spec.resolve(&DatasetFacts::default()).unwrap_err();
        assert!(started.elapsed() < Duration::from_secs(2), "{:?} for {}", started.elapsed(), errors[0].pointer);
        errors
    }

    #[test]
    fn counts_are_refused_before_anything_is_made_of_them() {
        let many = 40_000;
        let hooks: Vec<String> = (0..many).map(|number| format!("wh_{number:032x}")).collect();
        for (pointer, spec) in [
            ("/sweep/values", json!({"sweep": {"option": "epochs", "values": vec![json!("x"); many]}})),
            ("/compare", json!({"compare": vec![json!({"name": "none", "options": {"a": 1}}); many]})),
            ("/compare", json!({"compare": vec![json!({"name": "none", "backbone": "afm"}); many], "engine": "fused"})),
            ("/transfer", json!({"transfer": vec!["fm"; many]})),
            ("/webhook_ids", json!({"webhook_ids": hooks})),
        ] {
            let errors = faults(spec);
            assert!(errors.len() <= 2 && errors[0].pointer == pointer, "{errors:?}");
        }
    }

    #[test]
    fn an_option_that_is_long_is_refused_where_it_stands() {
        let long = "u".repeat(2000);
        let method = |options: Value| json!({"method": {"name": "aum", "options": options}});
        for (pointer, spec) in [
            ("/method/options/user_column", method(json!({"user_column": long}))),
            ("/method/options/mlp_dims", method(json!({"mlp_dims": vec![8; 2000]}))),
            ("/method/options", method(json!({&long: 1}))),
            ("/sweep/option", json!({"sweep": {"option": long, "values": [1]}})),
            ("/sweep/values/1", json!({"sweep": {"option": "lr", "values": [1, long]}})),
            ("/certify/cluster", json!({"certify": {"cluster": long}})),
        ] {
            assert_eq!(faults(spec)[0].pointer, pointer);
        }
        let options = serde_json::Map::from_iter((0..101).map(|number| (format!("o{number}"), json!(1))));
        assert_eq!(faults(method(Value::Object(options)))[0].pointer, "/method/options");
    }

    #[test]
    fn more_faults_than_anybody_reads_are_not_gathered() {
        let options = serde_json::Map::from_iter((0..100).map(|number| (format!("o{number}"), json!(1))));
        let compare: Vec<Value> = (0..60).map(|_| json!({"name": "enn", "options": options})).collect();
        assert_eq!(
            faults(json!({"compare": compare})).len(),
            FieldError::MOST + 1,
            "one more says that there are more"
        );
    }
}
