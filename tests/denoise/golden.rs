//! Results are held to digests of earlier ones: whoever changes the structure of the code and no result sees here whether
//! that is so. Whoever means to change a result writes the new digests down, and says why.
//!
//! The fused engine gives the same bits on every x86-64 processor with AVX2, so there is one digest of each file. Left out is
//! what differs from run to run or tells only what was asked for: times, memory, the name of the instruction set, the spec.

use crate::world::{World, job, run_with_noise};
use autodenoise::synth::SynthSpec;
use autodenoise::types::{MethodName, Noise};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::path::Path;

const DIGESTS: &str = "tests/denoise/golden.json";
const FILES: [&str; 4] = ["indices.csv", "scores.parquet", "policy.safetensors", "model.safetensors"];
/// Members of a report that are left out, wherever they stand.
const NOT_RESULTS: [&str; 9] = [
    "spec",
    "engine",
    "threads",
    "seconds",
    "select_seconds",
    "train_seconds",
    "peak_memory_bytes",
    "engine_version",
    "device",
];

fn table(rows: u64) -> World {
    World::synth(&SynthSpec { users: 120, items: 60, rows, flip_rate: 0.0, seed: 4, ..SynthSpec::default() })
}

fn digest(bytes: &[u8]) -> String {
    hex::encode(&Sha256::digest(bytes)[..12])
}

/// The tensors of a file, without its description, which repeats the spec.
fn only_tensors(file: &[u8]) -> Vec<u8> {
    let (length, rest) = file.split_first_chunk().unwrap();
    let (header, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
    let mut header: Map<String, Value> = serde_json::from_slice(header).unwrap();
    header.remove("__metadata__");
    [Value::Object(header).to_string().as_bytes(), data].concat()
}

fn only_results(report: Value) -> Value {
    match report {
        Value::Object(members) => {
            let results = members.into_iter().filter(|(name, _)| !NOT_RESULTS.contains(&name.as_str()));
            Value::Object(results.map(|(name, member)| (name, only_results(member))).collect())
        }
        Value::Array(members) => members.into_iter().map(only_results).collect(),
        other => other,
    }
}

/// Digests of all that a job on the fused engine leaves behind.
fn digests(world: &World, mut spec: Value) -> Value {
    spec["engine"] = json!("fused");
    let outcome = run_with_noise(world, &job(spec), Some(&Noise::Flips { rate: 0.2 })).unwrap();
    let mut digests = Map::new();
    for name in FILES {
        if let Ok(bytes) = std::fs::read(outcome.out.path().join(name)) {
            let results = if name.ends_with(".safetensors") { only_tensors(&bytes) } else { bytes };
            digests.insert(name.to_owned(), digest(&results).into());
        }
    }
    let report = only_results(serde_json::to_value(outcome.report()).unwrap());
    digests.insert("report".to_owned(), digest(report.to_string().as_bytes()).into());
    Value::Object(digests)
}

#[test]
fn no_method_gives_another_result_than_before() {
    let (small, large) = (table(1500), table(4000));
    let mut cases = vec![
        ("paper".to_owned(), json!({"method": {"preset": "paper"}})),
        ("released_code".to_owned(), json!({"method": {"preset": "released_code"}})),
        (
            "paper ipnn".to_owned(),
            json!({"method": {"preset": "paper", "backbone": "ipnn", "options": {"policy_repeats": 2}}}),
        ),
        (
            "paper by evaluation".to_owned(),
            json!({"method": {"preset": "paper", "backbone": "dcn", "options": {
                "reward_forward": "eval", "lmat_loss": "eval", "lmat_deselected": "evaluate_all",
                "reward": "instance", "deselected_reward": "negate", "reward_norm": "standardize",
            }}}),
        ),
        (
            "sampled".to_owned(),
            json!({"method": {"name": "t_ce", "options": {
                "ce_data": "sampled", "user_column": "user", "item_column": "item",
            }}}),
        ),
    ];
    for name in MethodName::ALL.iter().filter(|name| **name != MethodName::Robust) {
        cases.push((name.to_string(), json!({"method": {"name": name, "backbone": "fm"}})));
    }
    let mut found: Map<String, Value> = cases.into_iter().map(|(case, spec)| (case, digests(&small, spec))).collect();
    let options = json!({"batch_size": 128, "retrain_max_epoch": 3, "teacher": "fm", "folds": 2});
    let robust = json!({"method": {"preset": "robust", "backbone": "fm", "options": options}, "certify": {"seeds": 3}});
    found.insert("robust".to_owned(), digests(&large, robust));
    let found = Value::Object(found);
    let written = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(DIGESTS)).unwrap_or_else(|_| b"{}".to_vec());
    let expected: Value = serde_json::from_slice(&written).unwrap();
    assert!(found == expected, "{DIGESTS} would have to be\n{found:#}");
}
