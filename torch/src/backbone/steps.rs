//! How a model takes the steps of its passes: plainly, or *staged*, which is how a GPU can keep a step as a CUDA graph. Whatever differs
//! from batch to batch is then copied into tensors that stay where they are, and the step is a function of these alone.

use super::feed::Batch;
use super::masks::{BatchMasks, OwnMasks};
use super::step::{Step, train_batch};
use super::{Adam, Backbone, Pass};
use crate::place::Place;
use crate::staged::{self, Written};
use autodenoise::backbone::BatchLoss;
use tch::Device;

/// A step of a pass.
pub(super) struct Now<'a> {
    pub batch: &'a Batch,
    pub loss: BatchLoss,
    pub masks: BatchMasks,
    /// Whether the batch is the first of its pass.
    pub is_first: bool,
    pub active: &'a [bool],
}

pub(super) struct Steps {
    is_staged: bool,
    device: Device,
    staged: Option<Staged>,
}

impl Steps {
    pub fn new(place: Place) -> Self {
        Self { is_staged: place.staged, device: place.device, staged: None }
    }

    /// Forgets a step that was staged for tensors that the model and its optimiser no longer have. Passes begin with it.
    pub fn begin_pass(&mut self, model: &Backbone, optimizer: &Adam) {
        self.staged.take_if(|staged| staged.addresses != addresses(model, optimizer));
    }

    /// Staged are the batches that are like the first of a pass, but for T-CE, whose share of rows is another in every batch.
    pub fn take(&mut self, model: &Backbone, optimizer: &mut Adam, now: &Now) -> Step {
        if let Some(staged) = self.staged.as_mut().filter(|staged| staged.fits(now)) {
            match staged.take(model, optimizer, now) {
                Ok(step) => return step,
                Err(reason) => self.give_up(&reason),
            }
        }
        let step = train_batch(model, optimizer, now.batch, now.loss, Pass::train_with(&now.masks), now.active);
        if self.is_staged && now.is_first && !matches!(now.loss, BatchLoss::Truncated { .. }) {
            match Staged::like(now, self.device, addresses(model, optimizer)) {
                Ok(staged) => self.staged = Some(staged),
                Err(reason) => self.give_up(&reason),
            }
        }
        step
    }

    fn give_up(&mut self, reason: &str) {
        tracing::warn!(reason, "no CUDA graph of a step: this model takes its steps without");
        (self.is_staged, self.staged) = (false, None);
    }
}

/// Where everything lies that a step changes.
fn addresses(model: &Backbone, optimizer: &Adam) -> Vec<usize> {
    let own = model.params.iter().map(|(_, _, tensor)| tensor);
    own.chain(optimizer.tensors()).map(|tensor| tensor.data_ptr() as usize).collect()
}

impl Written for Step {
    fn again(&self) -> Self {
        Self { logits: self.logits.shallow_clone(), losses: self.losses.shallow_clone() }
    }
}

struct Staged {
    batch: Batch,
    masks: OwnMasks,
    loss: BatchLoss,
    active: Vec<bool>,
    addresses: Vec<usize>,
    work: staged::Staged<Step>,
}

impl Staged {
    /// For steps like this one, which was taken plainly.
    fn like(now: &Now, device: Device, addresses: Vec<usize>) -> Result<Self, String> {
        let (batch, masks, active) = (now.batch.copy(), now.masks.copy(), now.active.to_vec());
        Ok(Self { batch, masks, loss: now.loss, active, addresses, work: staged::Staged::on(device)? })
    }

    fn fits(&self, now: &Now) -> bool {
        self.loss == now.loss && self.active == now.active && self.batch.is_like(now.batch)
    }

    /// What it returns is overwritten by the next one.
    fn take(&mut self, model: &Backbone, optimizer: &mut Adam, now: &Now) -> Result<Step, String> {
        self.batch.copy_from(now.batch);
        self.masks.copy_from(&now.masks);
        optimizer.is_for(&self.active);
        let Self { batch, masks, loss, active, work, .. } = self;
        work.run(|| train_batch(model, optimizer, batch, *loss, Pass::train_with(&masks.of_batch()), active))
    }
}
