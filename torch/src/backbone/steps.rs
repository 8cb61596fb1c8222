//! How a model takes the steps of its passes: plainly, or *staged*, which is how a GPU can keep a step as a CUDA graph. Whatever differs
//! from batch to batch is then copied into tensors that stay where they are, and the step is a function of these alone. On the
//! processor it is run anew every time, so that tests see what a GPU is given to keep.

use super::feed::Batch;
use super::step::{Step, train_batch};
use super::{Adam, Backbone, Masks, Pass};
use crate::cuda_graph::CudaGraph;
use crate::place::Place;
use autodenoise::backbone::BatchLoss;
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};
use tch::{Device, Tensor};

/// Staged steps that a GPU does one by one before it keeps the step: as many as PyTorch's own wrapper.
const WARM_UPS: u32 = 3;

thread_local! {
    static STAGED: Cell<u64> = const { Cell::new(0) };
}

/// How many staged steps this thread has taken.
pub fn staged_steps() -> u64 {
    STAGED.get()
}

/// A step of a pass.
pub(super) struct Now<'a> {
    pub batch: &'a Batch,
    pub loss: BatchLoss,
    pub masks: &'a Rc<RefCell<Masks>>,
    /// Number of the batch in its pass.
    pub number: u32,
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
        let pass = Pass::train_with(now.masks, now.number);
        let step = train_batch(model, optimizer, now.batch, now.loss, pass, now.active);
        if self.is_staged && now.number == 0 && !matches!(now.loss, BatchLoss::Truncated { .. }) {
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

struct Staged {
    batch: Batch,
    /// p and the mask of each dropout layer.
    masks: Vec<(f64, Tensor)>,
    loss: BatchLoss,
    active: Vec<bool>,
    addresses: Vec<usize>,
    /// Absent on the processor.
    kept: Option<Kept>,
}

impl Staged {
    /// For steps like this one, which was taken plainly.
    fn like(now: &Now, device: Device, addresses: Vec<usize>) -> Result<Self, String> {
        let kept = match device {
            Device::Cuda(number) => Some(Kept { graph: CudaGraph::new(number)?, warm_ups: WARM_UPS, writes: None }),
            _ => None,
        };
        let (batch, masks) = (now.batch.copy(), now.masks.borrow().of_layers(now.number));
        Ok(Self { batch, masks, loss: now.loss, active: now.active.to_vec(), addresses, kept })
    }

    fn fits(&self, now: &Now) -> bool {
        self.loss == now.loss && self.active == now.active && self.batch.is_like(now.batch)
    }

    /// What it returns is overwritten by the next one.
    fn take(&mut self, model: &Backbone, optimizer: &mut Adam, now: &Now) -> Result<Step, String> {
        self.batch.copy_from(now.batch);
        for (layer, (p, mask)) in (0..).zip(&mut self.masks) {
            mask.copy_(&now.masks.borrow_mut().mask(now.number, layer, *p, &mask.size(), mask.device()));
        }
        optimizer.is_for(&self.active);
        let Self { batch, masks, loss, active, kept, .. } = self;
        let mut run = || {
            let masks = masks.iter().map(|(_, mask)| mask.shallow_clone()).collect();
            train_batch(model, optimizer, batch, *loss, Pass::train_with_own(masks), active)
        };
        let step = match kept {
            Some(kept) => kept.take(run)?,
            None => run(),
        };
        STAGED.set(STAGED.get() + 1);
        Ok(step)
    }
}

/// A step that a GPU keeps.
struct Kept {
    graph: CudaGraph,
    /// Those that are still to be taken.
    warm_ups: u32,
    /// What the graph writes, once there is one.
    writes: Option<Step>,
}

impl Kept {
    fn take(&mut self, run: impl FnOnce() -> Step) -> Result<Step, String> {
        let writes = match &self.writes {
            Some(writes) => writes,
            None if self.warm_ups > 0 => {
                self.warm_ups -= 1;
                return self.graph.warm_up(run);
            }
            None => self.writes.insert(self.graph.capture(run)?),
        };
        self.graph.replay()?;
        Ok(Step { logits: writes.logits.shallow_clone(), losses: writes.losses.shallow_clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cuda_graph::fake;

    fn step(of: &Cell<u32>) -> Step {
        of.set(of.get() + 1);
        Step { logits: Tensor::from(of.get() as i64), losses: Tensor::from(0.0) }
    }

    #[test]
    fn a_gpu_is_warmed_up_keeps_the_step_once_and_replays_it_from_then_on() {
        let mut kept = Kept { graph: fake::graph(), warm_ups: WARM_UPS, writes: None };
        let run = Cell::new(0);
        for _ in 0..WARM_UPS {
            kept.take(|| step(&run)).unwrap();
        }
        assert_eq!(fake::asked(), ["enter", "leave"].repeat(WARM_UPS as usize));
        for taken in 1..4 {
            let seen = kept.take(|| step(&run)).unwrap();
            assert_eq!(seen.logits.int64_value(&[]), i64::from(WARM_UPS) + 1, "what the kept step writes");
            let first = if taken == 1 { &["enter", "begin", "end", "leave"][..] } else { &[] };
            assert_eq!(fake::asked(), [first, &["replay"]].concat());
        }
    }

    #[test]
    fn a_step_that_cannot_be_replayed_is_told() {
        let mut kept = Kept { graph: fake::unwilling_graph(), warm_ups: 0, writes: None };
        assert_eq!(kept.take(|| step(&Cell::new(0))).map(drop), Err("no replay".to_owned()));
        fake::asked();
    }
}
