//! Actions of the policy: 1 selects a row, 0 leaves it out (spec `autodenoise.md` sections 1 and 6, rows 1 and 2).
//!
//! Logits are `[B, 2]`, probabilities and uniforms `[B]`; actions come as f32 `[B]` of 0 and 1.

use crate::random::{Purpose, Stream};
use tch::{Device, Kind, Tensor};

/// The uniform numbers of one draw of actions.
pub fn uniforms(seed: u64, epoch: u32, batch: u32, draw: u32, rows: usize, device: Device) -> Tensor {
    let mut numbers = vec![0.0; rows];
    Stream::new(seed, Purpose::Actions, &[epoch, batch, draw]).fill_uniform(&mut numbers);
    Tensor::from_slice(&numbers).to_device(device)
}

/// Selects where u < p, so a probability of 0 never selects.
pub fn sample(keep_prob: &Tensor, u: &Tensor) -> Tensor {
    u.lt_tensor(keep_prob).to_kind(Kind::Float)
}

/// The likelier action; a tie leaves the row out, as argmax does.
pub fn greedy(logits: &Tensor) -> Tensor {
    logits.select(1, 1).gt_tensor(&logits.select(1, 0)).to_kind(Kind::Float)
}

/// The likelier action, flipped where u <= epsilon.
pub fn eps_greedy(logits: &Tensor, u: &Tensor, epsilon: f64) -> Tensor {
    let flip = u.le(epsilon).to_kind(Kind::Float);
    (greedy(logits) - flip).abs()
}
