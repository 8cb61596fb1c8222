//! The vectors: numbers computed in float64 by the reference programs. f32 here, so rtol 1e-4 and atol 1e-6.

use autodenoise::backbone::ModelKey;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Roundings of the largest gradient of a model that each may be off by: some for each of the terms it is the sum of.
const GRADIENT_ROUNDINGS: f64 = 128.0;

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

/// Gradients of a model against those of the vector; every parameter is to have its own compared.
pub fn close_gradients(what: &str, found: &[(String, Vec<f64>)], expected: &Value) {
    let all = expected.as_object().unwrap().iter().filter(|(_, gradient)| !gradient.is_null());
    let all: Vec<(&String, Vec<f64>)> = all.map(|(name, gradient)| (name, numbers(gradient))).collect();
    assert_eq!(found.len(), all.len(), "{what}: every parameter has its gradient compared");
    // Sums that come to nothing, as those of biases before BatchNorm, keep the rounding of their terms.
    let largest = all.iter().flat_map(|(_, gradient)| gradient).fold(0.0_f64, |largest, g| largest.max(g.abs()));
    let bound = GRADIENT_ROUNDINGS * f64::from(f32::EPSILON) * largest;
    for (name, found) in found {
        let (_, expected) = all.iter().find(|(other, _)| *other == name).expect("a gradient of the vector");
        assert_eq!(found.len(), expected.len(), "{what} {name}");
        for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
            let off = (found - expected).abs();
            assert!(
                off <= bound,
                "{what} gradient of {name}[{at}]: {found} where {expected} is expected, {bound:e} off"
            );
        }
    }
}
