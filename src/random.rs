//! Random numbers addressed by what they are for: a counter-based generator (Philox4x32-10; Salmon et al., "Parallel
//! random numbers: as easy as 1, 2, 3", SC'11) keyed by (seed, purpose, path).
//!
//! Nothing is carried from one draw to the next, so a resumed run needs no generator state, and neither the device nor the
//! number of threads changes a draw. Every random number of a run comes from here; libtorch's own generator is never used.

use crate::simd::{Isa, kernel};

/// What a stream is for. The numbers are part of what a seed means: a number that was used is never used for another
/// purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    /// Initial weights; path: model number, then the parameter's name.
    Init = 1,
    /// Dropout masks; path: model number, pass, batch, layer.
    Dropout = 2,
    /// Actions of the policy; path: epoch, batch, draw.
    Actions = 3,
    /// Order of the rows in a pass; path: model number, pass.
    Shuffle = 4,
    /// Rows kept by `select = sample`; path: epoch.
    Select = 5,
    /// Rows kept by `random_drop`.
    RandomDrop = 6,
    /// Fold of each row of confident learning; path: label. Part of each row of `robust`; path: 2.
    Folds = 7,
    /// Items of sampled negatives; path: pass.
    Negatives = 8,
    /// Rows dealt to blocks of instance selection; path: label.
    Blocks = 9,
    /// Draws within a block of instance selection; path: block, then the method's own.
    Instances = 10,
    /// Raw rows taken into a table, and their order in it; path: 0 or 1.
    Import = 11,
    /// Rows of the random arm of a verdict; path: label.
    RandomArm = 12,
    /// Noise planted in labels; path: split, or [`PLANTED_VALUES`]. Corruption planted in a table; path: [`PLANTED_TABLE`], then
    /// its kind by name and what is drawn.
    Plant = 13,
}

/// Path of the stream that draws the values of a field noise is planted in: no split has this number.
pub const PLANTED_VALUES: u32 = u32::MAX;
/// First word of the paths of corruption planted in a table, whose kind follows by name: no split has this number.
pub const PLANTED_TABLE: u32 = u32::MAX - 1;

/// Blocks computed side by side, so that the compiler can use vector instructions.
const LANES: usize = 16;
/// Words of one round of `LANES` blocks.
const CHUNK: usize = 4 * LANES;

/// A sequence of 2^66 random 32-bit words; word `i` can be asked for at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream {
    key: [u32; 2],
}

impl Stream {
    /// The stream of a purpose; `path` names the draw among those of the purpose.
    pub fn new(seed: u64, purpose: Purpose, path: &[u32]) -> Self {
        let base = Self { key: [seed as u32, (seed >> 32) as u32] };
        base.child(&[purpose as u32]).child(path)
    }

    /// The stream of a longer path. The generator itself mixes the words into the key, three at a time; the fourth word
    /// of a counter tells the position, so that (1, 2) and (1, 2, 0) differ.
    pub fn child(self, path: &[u32]) -> Self {
        let mut key = self.key;
        for (at, words) in path.chunks(3).enumerate() {
            let mut counter = [0, 0, 0, 0x8000_0000 | (at as u32) << 2 | words.len() as u32];
            counter[..words.len()].copy_from_slice(words);
            let block = philox4x32_10(counter, key);
            key = [block[0], block[1]];
        }
        Self { key }
    }

    /// What the generator is keyed by: its counter (i, 0, 0, 0) gives words 4 i to 4 i + 3.
    pub fn key(&self) -> [u32; 2] {
        self.key
    }

    /// The stream of a named thing.
    pub fn named(self, name: &str) -> Self {
        // FNV-1a: stable across versions and platforms, unlike the standard library's hashers.
        let hash = name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        self.child(&[hash as u32, (hash >> 32) as u32])
    }

    /// Word `index` of the stream.
    pub fn u32_at(&self, index: u64) -> u32 {
        let block = index / 4;
        philox4x32_10([block as u32, (block >> 32) as u32, 0, 0], self.key)[(index % 4) as usize]
    }

    /// Number `index` of the stream, in [0, 1), a multiple of 2^-24.
    pub fn uniform_at(&self, index: u64) -> f32 {
        to_unit(self.u32_at(index))
    }

    /// `out[i]` = number i of the stream, in [0, 1).
    pub fn fill_uniform(&self, out: &mut [f32]) {
        self.for_each_chunk(0, out.len(), |at, words| {
            for (slot, word) in out[at..].iter_mut().zip(words) {
                *slot = to_unit(*word);
            }
        });
    }

    /// Standard normal numbers, by Box and Muller.
    pub fn fill_normal(&self, out: &mut [f32]) {
        self.for_each_chunk(0, out.len().next_multiple_of(2), |at, words| {
            for (pair, two) in out[at..].chunks_mut(2).zip(words.chunks(2)) {
                // (0, 1], so that the logarithm is finite.
                let radius = (-2.0 * ((f64::from(two[0]) + 1.0) / 4_294_967_296.0).ln()).sqrt();
                let (sin, cos) = (f64::from(two[1]) * (std::f64::consts::TAU / 4_294_967_296.0)).sin_cos();
                pair[0] = (radius * cos) as f32;
                if let Some(second) = pair.get_mut(1) {
                    *second = (radius * sin) as f32;
                }
            }
        });
    }

    /// A dropout mask: 0 with probability `p` (to 1/65536), else 1/(1-p). Two decisions a word.
    pub fn fill_dropout(&self, p: f64, out: &mut [f32]) {
        self.fill_dropout_from(0, p, out);
    }

    /// The part of a mask that starts at its number `first`, a multiple of 128.
    pub fn fill_dropout_from(&self, first: u64, p: f64, out: &mut [f32]) {
        let threshold = (p * 65_536.0).round() as u32;
        let kept = (1.0 / (1.0 - p)) as f32;
        self.for_each_chunk(first / 2, out.len().div_ceil(2), |at, words| {
            let out = &mut out[2 * at..];
            let len = out.len().min(2 * words.len());
            decide(Isa::detect(), words, threshold, kept, &mut out[..len]);
        });
    }

    /// Shuffles in place (Fisher and Yates), from the last position down.
    pub fn shuffle<T>(&self, items: &mut [T]) {
        let mut words = [0_u32; 1024];
        let mut next = words.len();
        let mut base = 0_u64;
        for last in (1..items.len()).rev() {
            if next == words.len() {
                self.fill_words(base, &mut words);
                base += words.len() as u64;
                next = 0;
            }
            // The high half of a product is uniform over 0..=last to within 2^-32 of each share.
            let other = (u64::from(words[next]) * (last as u64 + 1)) >> 32;
            next += 1;
            items.swap(last, other as usize);
        }
    }

    /// Calls `each(position, words)` with `count` words from `first` on, a chunk at a time; positions count from `first`,
    /// a multiple of `CHUNK`.
    fn for_each_chunk(&self, first: u64, count: usize, mut each: impl FnMut(usize, &[u32])) {
        let mut words = [0_u32; 1024];
        let mut at = 0;
        while at < count {
            let n = words.len().min(count - at);
            self.fill_words(first + at as u64, &mut words[..n.next_multiple_of(CHUNK)]);
            each(at, &words[..n]);
            at += n;
        }
    }

    /// Words `first..` of the stream; `first` and the length are multiples of `CHUNK`.
    fn fill_words(&self, first: u64, out: &mut [u32]) {
        debug_assert!(first.is_multiple_of(CHUNK as u64) && out.len().is_multiple_of(CHUNK));
        fill_words(Isa::detect(), self.key, first / 4, out);
    }
}

kernel! {
    /// Words from block `block` on.
    fn fill_words<S>(key: [u32; 2], block: u64, out: &mut [u32]) {
        // As many as the compiler keeps in registers.
        if S::WIDE {
            fill_blocks::<{ LANES / 2 }>(key, block, out);
        } else {
            fill_blocks::<LANES>(key, block, out);
        }
    }
}

/// N blocks side by side.
#[allow(clippy::needless_range_loop, reason = "lanes side by side, as vector instructions want them")]
#[inline(always)]
fn fill_blocks<const N: usize>(key: [u32; 2], block: u64, out: &mut [u32]) {
    for (number, quads) in (block..).step_by(N).zip(out.as_chunks_mut::<4>().0.chunks_exact_mut(N)) {
        let mut counter = [[0; N]; 4];
        for lane in 0..N {
            let number = number + lane as u64;
            counter[0][lane] = number;
            counter[1][lane] = number >> 32;
        }
        philox_lanes(&mut counter, key);
        for lane in 0..N {
            quads[lane] = std::array::from_fn(|word| counter[word][lane] as u32);
        }
    }
}

kernel! {
    /// Two decisions a word, the low half first: 0 below the threshold, else `kept`.
    fn decide<S>(words: &[u32], threshold: u32, kept: f32, out: &mut [f32]) {
        let pick = |bits: u32| if bits < threshold { 0.0 } else { kept };
        let (pairs, rest) = out.as_chunks_mut::<2>();
        for (pair, word) in pairs.iter_mut().zip(words) {
            *pair = [pick(word & 0xffff), pick(word >> 16)];
        }
        if let ([last], Some(word)) = (rest, words.last()) {
            *last = pick(word & 0xffff);
        }
    }
}

/// Philox's multipliers of the counter's words 0 and 2.
pub const MULTIPLIER: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
/// What each round adds to the key.
pub const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// The lower halves of the counter's words count, here and in what it becomes: that way a product needs no shuffling of lanes.
#[allow(clippy::needless_range_loop, reason = "lanes side by side, as vector instructions want them")]
#[inline(always)]
fn philox_lanes<const N: usize>(counter: &mut [[u64; N]; 4], mut key: [u32; 2]) {
    let low = |word: u64| word & u64::from(u32::MAX);
    for _ in 0..10 {
        for lane in 0..N {
            let p0 = u64::from(MULTIPLIER[0]) * low(counter[0][lane]);
            let p1 = u64::from(MULTIPLIER[1]) * low(counter[2][lane]);
            counter[0][lane] = (p1 >> 32) ^ counter[1][lane] ^ u64::from(key[0]);
            counter[1][lane] = p1;
            counter[2][lane] = (p0 >> 32) ^ counter[3][lane] ^ u64::from(key[1]);
            counter[3][lane] = p0;
        }
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
}

fn philox4x32_10(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let mut lanes = counter.map(|word| [u64::from(word)]);
    philox_lanes(&mut lanes, key);
    lanes.map(|[word]| word as u32)
}

/// A number in [0, 1) of the word's upper 24 bits.
fn to_unit(word: u32) -> f32 {
    (word >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// SplitMix64's finaliser (Steele, Lea and Flood 2014): a hash of 64 bits, for what needs no stream.
pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers that come with Random123 (kat_vectors, philox4x32 10).
    #[test]
    fn philox_gives_the_known_answers() {
        for (counter, key, answer) in [
            ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            ([u32::MAX; 4], [u32::MAX; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ] {
            assert_eq!(philox4x32_10(counter, key), answer);
        }
    }

    #[test]
    fn a_fill_and_single_words_agree() {
        let stream = Stream::new(7, Purpose::Actions, &[1, 2]);
        let mut filled = vec![0.0; 2500];
        stream.fill_uniform(&mut filled);
        for (index, number) in filled.iter().enumerate() {
            assert_eq!(*number, stream.uniform_at(index as u64));
        }
    }

    #[test]
    fn streams_differ_by_seed_purpose_and_every_word_of_the_path() {
        let first = |seed, purpose, path: &[u32]| Stream::new(seed, purpose, path).u32_at(0);
        let all = [
            first(1, Purpose::Init, &[1, 2]),
            first(2, Purpose::Init, &[1, 2]),
            first(1 << 40, Purpose::Init, &[1, 2]),
            first(1, Purpose::Dropout, &[1, 2]),
            first(1, Purpose::Init, &[2, 1]),
            first(1, Purpose::Init, &[1, 2, 0]),
            first(1, Purpose::Init, &[1]),
            first(1, Purpose::Init, &[1, 2, 3, 4]),
        ];
        let distinct: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn normals_have_the_moments_of_a_normal_distribution() {
        let mut numbers = vec![0.0_f32; 100_001];
        Stream::new(3, Purpose::Init, &[0]).fill_normal(&mut numbers);
        let n = numbers.len() as f64;
        let moment = |power: i32| numbers.iter().map(|x| f64::from(*x).powi(power)).sum::<f64>() / n;
        // Four standard errors of each moment.
        assert!(moment(1).abs() < 0.013, "{}", moment(1));
        assert!((moment(2) - 1.0).abs() < 0.018, "{}", moment(2));
        assert!((moment(4) - 3.0).abs() < 0.125, "{}", moment(4));
    }

    #[test]
    fn a_dropout_mask_keeps_its_share_and_its_mean() {
        let mut mask = vec![0.0; 100_001];
        Stream::new(3, Purpose::Dropout, &[0]).fill_dropout(0.2, &mut mask);
        let dropped = mask.iter().filter(|x| **x == 0.0).count() as f64 / mask.len() as f64;
        assert!((dropped - 0.2).abs() < 0.006, "{dropped}");
        let mut part = vec![0.0; 1000];
        Stream::new(3, Purpose::Dropout, &[0]).fill_dropout_from(640, 0.2, &mut part);
        assert_eq!(part, mask[640..1640]);
        assert!(mask.iter().all(|x| *x == 0.0 || *x == 1.25));
    }

    #[test]
    fn a_shuffle_is_an_even_permutation_of_its_items() {
        // Each of the 6 orders of 3 items, over 6,000 streams, near 1,000 times (5 standard deviations = 144).
        let mut seen = std::collections::BTreeMap::new();
        for number in 0..6000 {
            let mut items = [0, 1, 2];
            Stream::new(9, Purpose::Shuffle, &[number]).shuffle(&mut items);
            *seen.entry(items).or_insert(0_i32) += 1;
        }
        assert_eq!(seen.len(), 6);
        assert!(seen.values().all(|count| (count - 1000).abs() < 144), "{seen:?}");
    }
}
