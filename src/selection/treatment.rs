//! What is done to the training rows before a model is trained on them: some are dropped, some count as of another label,
//! some weigh less.

use crate::backbone::PassOptions;

/// The rows, what they are trained on, and what they weigh. The default leaves all as they are.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Treatment<'a> {
    /// Positions of the rows to train on, ascending. Absent: all.
    pub subset: Option<&'a [u32]>,
    /// `[N]`: the probability that each row's label is 1. Absent: the labels as given.
    pub targets: Option<&'a [f32]>,
    /// `[N]`: what each row weighs. Absent: 1.
    pub weights: Option<&'a [f32]>,
}

impl<'a> Treatment<'a> {
    /// Whether models are trained on all rows as they are labelled, each as much as another.
    pub fn is_none(&self, labels: &[u8]) -> bool {
        let all = self.subset.is_none_or(|subset| subset.len() == labels.len());
        let as_given = |targets: &[f32]| targets.iter().zip(labels).all(|(target, label)| *target == f32::from(*label));
        let alike = |weights: &[f32]| weights.iter().all(|weight| *weight == 1.0);
        all && self.targets.is_none_or(as_given) && self.weights.is_none_or(alike)
    }

    /// A pass over the rows, of one replica.
    pub fn pass(&self) -> PassOptions<'a> {
        let Self { subset, targets, weights } = *self;
        PassOptions { subset, weights, targets, record: None }
    }
}
