//! The uniform numbers by which the policy draws its actions, for many batches at once.

use crate::random::uniforms;
use autodenoise::backbone::action_stream;
use autodenoise::random::Stream;
use tch::{Device, Tensor};

/// Batches drawn at once.
const BATCHES: u32 = 32;

/// One draw in each batch of an epoch.
pub struct Uniforms {
    pub seed: u64,
    pub epoch: u32,
    pub draw: u32,
    /// Rows of a batch; the last may have fewer.
    pub rows: i64,
    pub device: Device,
    /// Number of the first batch drawn, and numbers `[BATCHES, rows]`.
    pub drawn: Option<(u32, Tensor)>,
}

impl Uniforms {
    /// The numbers `[len]` of a batch.
    pub fn of(&mut self, batch: u32, len: i64) -> Tensor {
        let first = batch - batch % BATCHES;
        if self.drawn.as_ref().is_none_or(|(drawn, _)| *drawn != first) {
            let stream = |batch| action_stream(self.seed, self.epoch, batch, self.draw);
            let streams: Vec<Stream> = (first..first + BATCHES).map(stream).collect();
            self.drawn = Some((first, uniforms(&streams, self.rows, self.device)));
        }
        let (_, drawn) = self.drawn.as_ref().expect("just drawn");
        drawn.get(i64::from(batch - first)).narrow(0, 0, len)
    }
}
