//! What is done to rows before a model is trained: of the training rows some are dropped, some count as of another label, some
//! weigh less; of the validation rows some do not count.

use crate::backbone::{PassOptions, Rows, RowsApart};

/// The rows, what they are trained on, what they weigh, and what the model is judged by. The default leaves all as they are.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Treatment<'a> {
    /// Positions of the rows to train on, ascending. Absent: all.
    pub subset: Option<&'a [u32]>,
    /// `[N]`: the probability that each row's label is 1. Absent: the labels as given.
    pub targets: Option<&'a [f32]>,
    /// `[N]`: what each row weighs. Absent: 1.
    pub weights: Option<&'a [f32]>,
    /// Places of the validation rows that the model is tuned, stopped and recalibrated on, ascending. Absent: all.
    pub valid: Option<&'a [u32]>,
}

impl<'a> Treatment<'a> {
    /// Whether models are trained on all rows as they are labelled, each as much as another, and judged by all.
    pub fn is_none(&self, labels: &[u8]) -> bool {
        let all = self.subset.is_none_or(|subset| subset.len() == labels.len());
        let as_given = |targets: &[f32]| targets.iter().zip(labels).all(|(target, label)| *target == f32::from(*label));
        let alike = |weights: &[f32]| weights.iter().all(|weight| *weight == 1.0);
        let judged = self.valid.is_none();
        all && judged && self.targets.is_none_or(as_given) && self.weights.is_none_or(alike)
    }

    /// A pass over the rows, of one replica.
    pub fn pass(&self) -> PassOptions<'a> {
        let Self { subset, targets, weights, .. } = *self;
        PassOptions { subset, weights, targets, record: None }
    }

    /// Calls `work` with those of all validation rows that count.
    pub fn with_valid<T>(&self, all: &Rows, work: impl FnOnce(&Rows) -> T) -> T {
        match self.valid {
            None => work(all),
            Some(places) => work(&RowsApart::new(all, places).rows()),
        }
    }
}
