//! Values that a client gives some of the options of a struct, put over those it has.

use super::faults::Faults;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// Every field by its name.
pub fn to_map(options: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(options).expect("options are plain data") {
        Value::Object(map) => map,
        _ => unreachable!("a struct serialises to an object"),
    }
}

/// `options` with the overrides put over it. Each is tried alone, so that every one that is of a wrong type or of no field is
/// reported, and by its own name; it is left out then.
pub fn overridden<T: Serialize + DeserializeOwned>(
    options: &T,
    overrides: &Map<String, Value>,
    faults: &mut Faults,
) -> T {
    let mut merged = to_map(options);
    for (key, value) in overrides {
        let Some(previous) = merged.get(key).cloned() else {
            let known: Vec<_> = merged.keys().map(String::as_str).collect();
            faults.add(key, format!("no such option; there are {}", known.join(", ")));
            continue;
        };
        merged.insert(key.clone(), value.clone());
        if let Err(error) = T::deserialize(&merged) {
            faults.add(key, error.to_string());
            merged.insert(key.clone(), previous);
        }
    }
    T::deserialize(&merged).expect("every override was tried")
}
