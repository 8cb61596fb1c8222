//! Distinct values of one column, coded 0, 1, 2 … in order of first appearance.
//!
//! One byte arena and one open-addressing table: no allocation and no `String` per value. Nearly all the time would go
//! into waiting for memory, so
//! - a value of up to eight bytes stands in the table itself, in the one cache line a look-up reads (a general hash table
//!   reads two, and the arena);
//! - values are gathered and coded in batches: a first pass over a batch touches every line it will need, many at once.

use super::batch::Span;
use hashbrown::DefaultHashBuilder;
use std::hash::BuildHasher;

#[derive(Default)]
pub(super) struct Vocabulary {
    /// Keyed at random, so that no upload can be made to collide; codes do not depend on it.
    hasher: DefaultHashBuilder,
    /// A power of two of slots, at most three quarters taken.
    slots: Vec<Slot>,
    bytes: Vec<u8>,
    /// Where each value ends in `bytes`.
    ends: Vec<u64>,
    /// Values that wait for their codes.
    waiting: Vec<Waiting>,
}

/// Packed to twelve bytes instead of sixteen, because there may be millions.
#[derive(Clone, Copy)]
#[repr(Rust, packed(4))]
struct Slot {
    key: u64,
    /// `FREE` where there is no value.
    code: u32,
}

const FREE: u32 = u32::MAX;

const KEY_BYTES: usize = size_of::<u64>();

/// A value's place in the text, where its code goes, its key and the hash of that.
struct Waiting {
    value: Span,
    out: usize,
    key: u64,
    hash: usize,
}

impl Vocabulary {
    /// Puts a value of `text` in line; its code will go to `out`.
    pub fn gather(&mut self, text: &[u8], value: Span, out: usize) {
        let key = key(&self.hasher, text, value);
        self.waiting.push(Waiting { value, out, key, hash: self.hash(key) });
    }

    /// Takes values out of line whose codes would go to `out` or behind it.
    pub fn forget(&mut self, out: usize) {
        self.waiting.retain(|next| next.out < out);
    }

    /// Writes the codes of the values in line to their places in `out`, as u32. The text is the one they were gathered from.
    pub fn code_gathered(&mut self, text: &[u8], out: &mut [u8]) {
        let mut waiting = std::mem::take(&mut self.waiting);
        self.make_room(waiting.len());
        let mask = self.slots.len() - 1;
        // The sum is of no interest; it makes the reads happen.
        let touched = waiting.iter().fold(0, |sum: u32, next| sum.wrapping_add(self.slots[next.hash & mask].code));
        std::hint::black_box(touched);
        for next in &waiting {
            let code = self.intern(next.value.slice(text), next);
            out[next.out..next.out + 4].copy_from_slice(&code.to_le_bytes());
        }
        waiting.clear();
        self.waiting = waiting;
    }

    /// The code of one value, new if need be.
    pub fn code_of(&mut self, value: &[u8]) -> u32 {
        self.make_room(1);
        let span = Span::new(0, value.len());
        let key = key(&self.hasher, value, span);
        self.intern(value, &Waiting { value: span, out: 0, key, hash: self.hash(key) })
    }

    /// The value's code, new if need be.
    fn intern(&mut self, value: &[u8], &Waiting { key, hash, .. }: &Waiting) -> u32 {
        let mask = self.slots.len() - 1;
        let mut at = hash & mask;
        loop {
            let slot = self.slots[at];
            if slot.code == FREE {
                break;
            }
            if slot.key == key && (value.len() <= KEY_BYTES || self.value(slot.code) == value) {
                return slot.code;
            }
            at = (at + 1) & mask;
        }
        // Fits: the caller's limit on distinct values is below 2^31.
        let code = self.ends.len() as u32;
        self.slots[at] = Slot { key, code };
        self.bytes.extend_from_slice(value);
        self.ends.push(self.bytes.len() as u64);
        code
    }

    /// Grows the table until `more` values fit.
    fn make_room(&mut self, more: usize) {
        let needed = (self.ends.len() + more) / 3 * 4 + 4;
        if needed <= self.slots.len() {
            return;
        }
        let free = Slot { key: 0, code: FREE };
        let old = std::mem::replace(&mut self.slots, vec![free; needed.next_power_of_two()]);
        let mask = self.slots.len() - 1;
        for slot in old.into_iter().filter(|slot| slot.code != FREE) {
            let mut at = self.hash(slot.key) & mask;
            while self.slots[at].code != FREE {
                at = (at + 1) & mask;
            }
            self.slots[at] = slot;
        }
    }

    fn hash(&self, key: u64) -> usize {
        self.hasher.hash_one(key) as usize
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn value(&self, code: u32) -> &[u8] {
        let code = code as usize;
        let start = if code == 0 { 0 } else { self.ends[code - 1] as usize };
        &self.bytes[start..self.ends[code] as usize]
    }

    /// Frees what only coding needs; no value can be coded after this.
    pub fn seal(&mut self) {
        (self.slots, self.waiting) = (Vec::new(), Vec::new());
    }
}

/// A short value itself, filled up with 0xff; of a long one 0xff, 0, and 48 bits of its hash.
///
/// Values are UTF-8, which has no 0xff byte: short values never share a key, and none has a long one's.
fn key(hasher: &DefaultHashBuilder, text: &[u8], value: Span) -> u64 {
    let len = value.end() - value.start();
    if len > KEY_BYTES {
        return hasher.hash_one(value.slice(text)) << 16 | 0xff;
    }
    let filling = u64::MAX.checked_shl(8 * len as u32).unwrap_or(0);
    // Where the text goes on behind the value, eight bytes are copied whatever the value's length, which is faster.
    match text.get(value.start()..).and_then(|rest| rest.first_chunk()) {
        Some(eight) => u64::from_le_bytes(*eight) | filling,
        None => {
            let mut eight = [0; KEY_BYTES];
            eight[..len].copy_from_slice(value.slice(text));
            u64::from_le_bytes(eight) | filling
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(vocabulary: &mut Vocabulary, values: &[String]) -> Vec<u32> {
        let mut out = vec![0; values.len() * 4];
        let mut text = Vec::new();
        for (place, value) in values.iter().enumerate() {
            let start = text.len();
            text.extend_from_slice(value.as_bytes());
            // The text grows behind it, as it may in use.
            vocabulary.gather(&text, Span::new(start, text.len()), place * 4);
        }
        vocabulary.code_gathered(&text, &mut out);
        out.as_chunks::<4>().0.iter().map(|code| u32::from_le_bytes(*code)).collect()
    }

    #[test]
    fn values_of_any_length_keep_apart() {
        let mut vocabulary = Vocabulary::default();
        // Around the length that fits the table, and with bytes like those that fill it up; the empty value thrice.
        let values: Vec<String> = (0..12).flat_map(|n| ["a".repeat(n), "\0".repeat(n), "é".repeat(n)]).collect();
        let first: Vec<u32> = [0, 0, 0].into_iter().chain(1..34).collect();
        for _ in 0..2 {
            assert_eq!(codes(&mut vocabulary, &values), first);
        }
        for (code, value) in first.iter().zip(&values) {
            assert_eq!(vocabulary.value(*code), value.as_bytes());
        }
        // Batch upon batch, so that the table grows under values it holds.
        let many: Vec<String> =
            (0..30_000).map(|n| format!("{}{n}", if n % 2 == 0 { "" } else { "a long one " })).collect();
        for (batch, values) in many.chunks(1000).enumerate() {
            let start = 34 + 1000 * batch as u32;
            assert_eq!(codes(&mut vocabulary, values), (start..start + 1000).collect::<Vec<_>>());
        }
        assert_eq!(codes(&mut vocabulary, &many), (34..30_034).collect::<Vec<_>>());
        assert_eq!(vocabulary.len(), 30_034);
    }
}
