//! The streams of `autodenoise::random` by tensor operations, so that a device draws its own numbers: the same ones, bit for bit.
//!
//! A draw is some 75 operations on 64-bit integers however long it is, so many batches are drawn at once.

use crate::host::upload;
use autodenoise::random::{MULTIPLIER, Stream, WEYL};
use tch::{Device, Kind, Tensor};

const ROUNDS: usize = 10;
/// The lower half of a 64-bit integer.
const LOW: i64 = 0xffff_ffff;

/// Numbers `[K, count]` of each of K streams, in [0, 1): `Stream::fill_uniform`.
pub fn uniforms(streams: &[Stream], count: i64, device: Device) -> Tensor {
    words(streams, count, device).bitwise_right_shift_tensor_scalar(8).to_kind(Kind::Float) * (1.0 / 16_777_216.0)
}

/// Dropout masks `[K, count]` of each of K streams: `Stream::fill_dropout`.
pub fn dropout_masks(streams: &[Stream], p: f64, count: i64, device: Device) -> Tensor {
    let words = words(streams, (count + 1) / 2, device);
    let halves = [words.bitwise_and(0xffff), words.bitwise_right_shift_tensor_scalar(16)];
    let bits = Tensor::stack(&halves, -1).flatten(1, 2).narrow(1, 0, count);
    let (threshold, kept) = ((p * 65_536.0).round() as i64, (1.0 / (1.0 - p)) as f32);
    bits.ge(threshold).to_kind(Kind::Float) * f64::from(kept)
}

/// Words `[K, count]` of each of K streams from its first on, as 64-bit integers.
fn words(streams: &[Stream], count: i64, device: Device) -> Tensor {
    let (many, blocks) = (streams.len() as i64, (count + 3) / 4);
    assert!(blocks <= LOW, "a counter's first word counts the blocks");
    let keys = keys(streams, device);
    let pair = |[first, second]: [u32; 2]| upload(&[i64::from(first), i64::from(second)], device).view([2, 1, 1]);
    let multiplier = pair(MULTIPLIER);
    // Words 0 and 2 of every counter, and words 1 and 3: `[2, K, blocks]`.
    let number = Tensor::arange(blocks, (Kind::Int64, device)).expand([1, many, blocks], false);
    let mut even = Tensor::cat(&[&number, &number.zeros_like()], 0);
    let mut odd = even.zeros_like();
    for round in 0..ROUNDS {
        // A product of two words fills 64 bits; that the sign's bit is among them changes none of the others.
        let product = (even * &multiplier).flip(0);
        let high = product.bitwise_right_shift_tensor_scalar(32).bitwise_and(LOW);
        even = high.bitwise_xor_tensor(&odd).bitwise_xor_tensor(&keys.get(round as i64));
        odd = product.bitwise_and(LOW);
    }
    let block = [even.get(0), odd.get(0), even.get(1), odd.get(1)];
    Tensor::stack(&block, -1).flatten(1, 2).narrow(1, 0, count)
}

/// The keys of each round, `[ROUNDS, 2, K, 1]`.
fn keys(streams: &[Stream], device: Device) -> Tensor {
    let mut all = Vec::with_capacity(2 * ROUNDS * streams.len());
    for round in 0..ROUNDS as u32 {
        for (half, weyl) in WEYL.iter().enumerate() {
            let key = |stream: &Stream| stream.key()[half].wrapping_add(weyl.wrapping_mul(round));
            all.extend(streams.iter().map(|stream| i64::from(key(stream))));
        }
    }
    upload(&all, device).view([ROUNDS as i64, 2, streams.len() as i64, 1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use autodenoise::random::Purpose;

    fn streams() -> Vec<Stream> {
        (0..3).map(|batch| Stream::new(u64::MAX - 7, Purpose::Dropout, &[batch, 1, 2, 3])).collect()
    }

    fn check(found: &Tensor, count: usize, fill: impl Fn(&Stream, &mut [f32])) {
        assert_eq!(found.size(), [3, count as i64]);
        for (r, stream) in streams().iter().enumerate() {
            let mut expected = vec![0.0; count];
            fill(stream, &mut expected);
            assert_eq!(Vec::<f32>::try_from(found.get(r as i64).contiguous()).unwrap(), expected, "{count} numbers");
        }
    }

    #[test]
    fn a_device_draws_the_numbers_of_the_processor_bit_for_bit() {
        for count in [1, 2, 7, 64, 1025, 40_000] {
            let found = uniforms(&streams(), count as i64, Device::Cpu);
            check(&found, count, |stream, out| stream.fill_uniform(out));
            for p in [0.2, 0.5, 0.013] {
                let found = dropout_masks(&streams(), p, count as i64, Device::Cpu);
                check(&found, count, |stream, out| stream.fill_dropout(p, out));
            }
        }
    }
}
