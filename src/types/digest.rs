//! Digests by which specs are told apart.

use serde::Serialize;
use sha2::{Digest, Sha256};

/// sha256 of a value's JSON text, in hexadecimal.
pub fn json_sha256(value: &impl Serialize) -> String {
    let text = serde_json::to_vec(value).expect("specs are plain data");
    hex::encode(Sha256::digest(&text))
}
