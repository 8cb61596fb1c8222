//! Distinct values of one column, coded 0, 1, 2 … in order of first appearance.
//!
//! One byte arena and one table of codes: no allocation and no `String` per value.

use hashbrown::{DefaultHashBuilder, HashTable, hash_table::Entry};
use std::hash::BuildHasher;

#[derive(Default)]
pub(super) struct Vocabulary {
    /// The hasher is keyed at random, so that no upload can be made to collide; codes do not depend on it.
    hasher: DefaultHashBuilder,
    codes: HashTable<u32>,
    bytes: Vec<u8>,
    /// Where each value ends in `bytes`.
    ends: Vec<u64>,
}

impl Vocabulary {
    /// The value's code, new if need be.
    pub fn intern(&mut self, value: &[u8]) -> u32 {
        let Self { hasher, codes, bytes, ends } = self;
        let entry = codes.entry(
            hasher.hash_one(value),
            |code| at(bytes, ends, *code) == value,
            |code| hasher.hash_one(at(bytes, ends, *code)),
        );
        match entry {
            Entry::Occupied(found) => *found.get(),
            Entry::Vacant(slot) => {
                // Fits: the caller's limit on distinct values is below 2^31.
                let code = ends.len() as u32;
                slot.insert(code);
                bytes.extend_from_slice(value);
                ends.push(bytes.len() as u64);
                code
            }
        }
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn value(&self, code: u32) -> &[u8] {
        at(&self.bytes, &self.ends, code)
    }

    /// Gives the table of codes back; no value can be interned after.
    pub fn seal(&mut self) {
        self.codes = HashTable::new();
    }
}

fn at<'a>(bytes: &'a [u8], ends: &[u64], code: u32) -> &'a [u8] {
    let code = code as usize;
    let start = if code == 0 { 0 } else { ends[code - 1] as usize };
    &bytes[start..ends[code] as usize]
}
