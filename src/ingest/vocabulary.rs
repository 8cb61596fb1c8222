//! Distinct values of one column, coded 0, 1, 2 … in order of first appearance.
//!
//! One byte arena and one table of keys and codes: no allocation and no `String` per value. Nearly all the time goes into
//! cache misses. So a value of up to eight bytes is compared within the table alone, without the arena; and values are
//! gathered and coded in batches, in a loop tight enough for the processor to wait for several of them at once.

use hashbrown::{DefaultHashBuilder, HashTable, hash_table::Entry};
use std::hash::BuildHasher;

#[derive(Default)]
pub(super) struct Vocabulary {
    /// The hasher is keyed at random, so that no upload can be made to collide; codes do not depend on it.
    hasher: DefaultHashBuilder,
    codes: HashTable<Slot>,
    bytes: Vec<u8>,
    /// Where each value ends in `bytes`.
    ends: Vec<u64>,
    /// Values that wait for their codes, one behind the other; where each ends and where its code goes.
    waiting: Vec<u8>,
    places: Vec<(usize, usize)>,
}

/// Twelve bytes, for there may be millions.
#[derive(Clone, Copy)]
struct Slot {
    key: [u8; 8],
    code: u32,
}

impl Vocabulary {
    /// Puts the value in line; its code will go to `place`.
    pub fn gather(&mut self, value: &[u8], place: usize) {
        self.waiting.extend_from_slice(value);
        self.places.push((self.waiting.len(), place));
    }

    /// Writes the codes of the values in line to their places in `out`, as u32.
    pub fn code_gathered(&mut self, out: &mut [u8]) {
        let (waiting, places) = (std::mem::take(&mut self.waiting), std::mem::take(&mut self.places));
        let mut start = 0;
        for &(end, place) in &places {
            let code = self.intern(&waiting[start..end]);
            out[place..place + 4].copy_from_slice(&code.to_le_bytes());
            start = end;
        }
        (self.waiting, self.places) = (waiting, places);
        self.waiting.clear();
        self.places.clear();
    }

    /// The value's code, new if need be.
    fn intern(&mut self, value: &[u8]) -> u32 {
        let Self { hasher, codes, bytes, ends, .. } = self;
        let key = key(hasher, value);
        let entry = codes.entry(
            hasher.hash_one(u64::from_le_bytes(key)),
            |slot| slot.key == key && (value.len() <= 8 || at(bytes, ends, slot.code) == value),
            |slot| hasher.hash_one(u64::from_le_bytes(slot.key)),
        );
        match entry {
            Entry::Occupied(found) => found.get().code,
            Entry::Vacant(slot) => {
                // Fits: the caller's limit on distinct values is below 2^31.
                let code = ends.len() as u32;
                slot.insert(Slot { key, code });
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
        (self.waiting, self.places) = (Vec::new(), Vec::new());
    }
}

/// A short value itself, filled up with 0xff; of a long one 0xff, 0, and 48 bits of its hash.
///
/// Values are UTF-8, which has no 0xff byte: short values never share a key, and none has a long one's.
fn key(hasher: &DefaultHashBuilder, value: &[u8]) -> [u8; 8] {
    let mut key = [0xff; 8];
    if value.len() <= key.len() {
        key[..value.len()].copy_from_slice(value);
    } else {
        key = hasher.hash_one(value).to_le_bytes();
        (key[0], key[1]) = (0xff, 0);
    }
    key
}

fn at<'a>(bytes: &'a [u8], ends: &[u64], code: u32) -> &'a [u8] {
    let code = code as usize;
    let start = if code == 0 { 0 } else { ends[code - 1] as usize };
    &bytes[start..ends[code] as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_any_length_keep_apart() {
        let mut vocabulary = Vocabulary::default();
        // Around the length that fits the table, and with the bytes that fill it up.
        let values: Vec<String> = (0..12).flat_map(|n| ["a".repeat(n), "\0".repeat(n), "é".repeat(n)]).collect();
        let mut distinct = Vec::new();
        for value in &values {
            if !distinct.contains(value) {
                distinct.push(value.clone());
            }
        }
        for _ in 0..2 {
            for value in &values {
                let code = vocabulary.intern(value.as_bytes());
                assert_eq!(distinct[code as usize], *value);
                assert_eq!(vocabulary.value(code), value.as_bytes());
            }
        }
        for n in 0..10_000 {
            assert_eq!(vocabulary.intern(format!("a longer value {n}").as_bytes()) as usize, distinct.len() + n);
        }
        assert_eq!(vocabulary.intern(b"a longer value 77") as usize, distinct.len() + 77);
    }
}
