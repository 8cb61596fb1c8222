//! What a batch of a search depends on, beside the policy, the model and what their optimisers remember.

use crate::backbone::{BatchMasks, OwnMasks};
use tch::Tensor;

/// Random numbers of one of the policy's steps.
pub struct Draws {
    /// Of the policy's dropout.
    pub explored: BatchMasks,
    /// Of the model's dropout in the passes that rewards come from.
    pub rehearsed: BatchMasks,
    /// `[B]`, uniform: of the actions.
    pub u: Tensor,
}

pub struct Given {
    /// `[B, F]`.
    pub ids: Tensor,
    /// `[B]`.
    pub labels: Tensor,
    /// `[B]`: what rewards are measured against.
    pub look_back: Tensor,
    /// `[B]`: the history's row as it was.
    pub entries: Tensor,
    pub repeats: Vec<Draws>,
    /// Of the model's dropout in its update.
    pub updates: BatchMasks,
    /// `[B]`, uniform: of the actions before the update.
    pub u: Tensor,
}

impl Given {
    /// B.
    pub fn len(&self) -> i64 {
        self.labels.size()[0]
    }

    fn tensors(&self) -> Vec<&Tensor> {
        let of_repeats = self.repeats.iter().map(|draws| &draws.u);
        [&self.ids, &self.labels, &self.look_back, &self.entries, &self.u].into_iter().chain(of_repeats).collect()
    }
}

/// The same in tensors that stay where they are.
pub struct OwnGiven {
    given: Given,
    /// Explored and rehearsed ones of each of the policy's steps.
    repeats: Vec<[OwnMasks; 2]>,
    updates: OwnMasks,
}

impl OwnGiven {
    /// With the numbers of a batch that was done.
    pub fn like(batch: &Given) -> Self {
        let own = |all: &Tensor| all.contiguous().copy();
        let repeats: Vec<_> =
            batch.repeats.iter().map(|draws| [&draws.explored, &draws.rehearsed].map(BatchMasks::copy)).collect();
        let updates = batch.updates.copy();
        let draws = |(draws, [explored, rehearsed]): (&Draws, &[OwnMasks; 2])| Draws {
            explored: explored.of_batch(),
            rehearsed: rehearsed.of_batch(),
            u: own(&draws.u),
        };
        let given = Given {
            ids: own(&batch.ids),
            labels: own(&batch.labels),
            look_back: own(&batch.look_back),
            entries: own(&batch.entries),
            repeats: batch.repeats.iter().zip(&repeats).map(draws).collect(),
            updates: updates.of_batch(),
            u: own(&batch.u),
        };
        Self { given, repeats, updates }
    }

    pub fn given(&self) -> &Given {
        &self.given
    }

    /// Takes the numbers of a batch of as many rows.
    pub fn copy_from(&self, batch: &Given) {
        for (own, other) in self.given.tensors().into_iter().zip(batch.tensors()) {
            own.shallow_clone().copy_(other);
        }
        for ([explored, rehearsed], draws) in self.repeats.iter().zip(&batch.repeats) {
            explored.copy_from(&draws.explored);
            rehearsed.copy_from(&draws.rehearsed);
        }
        self.updates.copy_from(&batch.updates);
    }
}
