//! A pass over training rows: what an engine is told, and what it saw on the way.

use super::{BatchLoss, ModelKey, Rows, TrainingLoss};

/// Called after every batch.
pub type Tick<'a> = &'a mut (dyn FnMut() + Send);

/// Which loss of every row a pass is to keep: spec section 6 row 9.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// Of the update's own forward pass, before the update.
    Train,
    /// Of a forward pass in evaluation mode, before the update.
    Eval,
}

/// One pass over training rows.
pub struct TrainPass<'a> {
    pub rows: &'a Rows<'a>,
    /// Positions in the order of the pass. Absent: all rows as they stand.
    pub order: Option<&'a [u32]>,
    /// `[R, N]`: a weight for each row and replica; 0 leaves the row out.
    pub weights: Option<&'a [f32]>,
    /// `[N]`: p, the probability that each row's label is 1. The row's loss is then that of a row of either label, of
    /// weights p and 1 - p. Absent: the labels.
    pub targets: Option<&'a [f32]>,
    pub batch_size: usize,
    pub loss: TrainingLoss,
    /// Batches of the fit before this pass: T-CE counts on.
    pub first_batch: u64,
    /// One a replica, and the pass's number: they name the dropout.
    pub keys: &'a [ModelKey],
    pub number: u32,
    pub active: &'a [bool],
    pub record: Option<Recorded>,
}

impl TrainPass<'_> {
    /// Rows of the pass.
    pub fn len(&self) -> usize {
        self.order.map_or(self.rows.len(), <[u32]>::len)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The loss of the pass's batch of this number.
    pub fn loss_of(&self, batch: usize) -> BatchLoss {
        self.loss.at(self.first_batch + batch as u64)
    }

    /// First row and length of each batch.
    pub fn batches(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (len, size) = (self.len(), self.batch_size);
        (0..len).step_by(size).map(move |first| (first, size.min(len - first)))
    }
}

/// What a pass saw, before each batch's update, in the order of the pass.
pub struct Seen {
    /// `[R, n]`; of no meaning for a replica that is not active.
    pub logits: Vec<f32>,
    /// `[R, n]`, where asked for.
    pub losses: Option<Vec<f32>>,
}

/// What one training step saw, before its update: `[B]` each.
pub struct SeenBatch {
    pub logits: Vec<f32>,
    pub losses: Vec<f32>,
}
