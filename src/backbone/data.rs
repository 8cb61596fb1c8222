//! A dataset's rows as the engines read them: slices of the memory-mapped files, and for libtorch the same as tensors.

use super::torch::OnDevice;
use crate::ingest::{Dataset, SplitData};
use crate::random::Stream;
use crate::types::Split;
use std::{borrow::Cow, cell::OnceCell};
use tch::Device;

/// The rows of one split.
pub struct Rows<'a> {
    /// `[n, F]` row-major: global ids.
    pub ids: &'a [i32],
    /// `[n]`: 0 or 1.
    pub labels: &'a [u8],
    /// F.
    pub fields: usize,
    on_device: OnceCell<OnDevice>,
}

impl<'a> Rows<'a> {
    pub fn new(split: SplitData<'a>, fields: usize) -> Self {
        Self { ids: split.ids, labels: split.labels, fields, on_device: OnceCell::new() }
    }

    pub fn len(&self) -> usize {
        self.labels.len()
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The rows as tensors, made when first asked for; a run has one device.
    pub fn on(&self, device: Device) -> &OnDevice {
        self.on_device.get_or_init(|| OnDevice::new(self.ids, self.labels, self.fields, device))
    }

    /// Labels of these positions in order; of all rows, where there are none given.
    pub fn labels_in(&self, order: Option<&[u32]>) -> Cow<'a, [u8]> {
        match order {
            None => self.labels.into(),
            Some(order) => order.iter().map(|row| self.labels[*row as usize]).collect(),
        }
    }
}

/// What models train and are chosen on. The test rows are not here: they are read once, at the end.
pub struct TrainingData<'a> {
    pub train: Rows<'a>,
    pub valid: Rows<'a>,
}

impl<'a> TrainingData<'a> {
    pub fn new(dataset: &'a Dataset) -> Self {
        let rows = |split| Rows::new(dataset.split(split), dataset.fields());
        Self { train: rows(Split::Train), valid: rows(Split::Valid) }
    }
}

/// The order of a pass over all rows or some: positions, shuffled by the stream where there is one. `None` for all rows
/// as they stand.
pub(super) fn order<'s>(rows: usize, subset: Option<&'s [u32]>, shuffle: Option<Stream>) -> Option<Cow<'s, [u32]>> {
    let mut order = match subset {
        Some(subset) => Cow::from(subset),
        None => {
            shuffle?;
            Cow::from((0..rows as u32).collect::<Vec<_>>())
        }
    };
    if let Some(shuffle) = shuffle {
        shuffle.shuffle(order.to_mut());
    }
    Some(order)
}
