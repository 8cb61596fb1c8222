//! The vectors: numbers computed in float64 by the reference programs. f32 here, so rtol 1e-4 and atol 1e-6.

use autodenoise::backbone::ModelKey;
use serde_json::Value;
use std::path::{Path, PathBuf};

pub const KEY: ModelKey = ModelKey { seed: 1, init: [0, 0], run: [0, 0] };

/// Where the vectors lie, whichever of the two packages the tests are of.
pub fn folder() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = if package.ends_with("torch") { package.parent().unwrap() } else { package };
    root.join("tests/vectors")
}

pub fn vector(name: &str) -> Value {
    let path = folder().join(format!("{name}.json"));
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        Value::Object(tensor) => numbers(&tensor["data"]),
        number => vec![number.as_f64().expect("a number")],
    }
}

pub fn ints(value: &Value) -> Vec<i64> {
    numbers(value).iter().map(|x| *x as i64).collect()
}

/// Row-major ids of the vector's `x` with the fields' offsets added.
pub fn global_ids(vector: &Value) -> Vec<i32> {
    let dims = ints(&vector["field_dims"]);
    let offsets: Vec<i64> = dims.iter().scan(0, |sum, dim| Some(std::mem::replace(sum, *sum + dim))).collect();
    ints(&vector["x"]).iter().enumerate().map(|(i, x)| (x + offsets[i % dims.len()]) as i32).collect()
}

/// The ids of each field.
pub fn id_ranges(vector: &Value) -> Vec<std::ops::Range<u32>> {
    let mut start = 0;
    let range = |dim: i64| {
        let first = start;
        start += dim as u32;
        first..start
    };
    ints(&vector["field_dims"]).into_iter().map(range).collect()
}

pub fn close_numbers<T: Copy + Into<f64>>(what: &str, found: &[T], expected: &Value) {
    let found: Vec<f64> = found.iter().map(|number| (*number).into()).collect();
    let expected = numbers(expected);
    assert_eq!(found.len(), expected.len(), "{what}");
    for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let tolerance = 1e-6 + 1e-4 * expected.abs();
        assert!((found - expected).abs() <= tolerance, "{what}[{at}]: {found} where {expected} is expected");
    }
}
