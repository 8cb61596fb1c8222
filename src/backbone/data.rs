//! A dataset's rows as the engines read them: slices of the memory-mapped files.

use crate::ingest::{Dataset, SplitData};
use crate::random::Stream;
use crate::types::Split;
use std::{any::Any, borrow::Cow, cell::OnceCell};

/// The rows of one split.
pub struct Rows<'a> {
    /// `[n, F]` row-major: global ids.
    pub ids: &'a [i32],
    /// `[n]`: 0 or 1.
    pub labels: &'a [u8],
    /// F.
    pub fields: usize,
    copy: OnceCell<Box<dyn Any>>,
}

/// Some rows of a split, in order.
#[derive(Debug, Clone, Copy)]
pub enum Picked<'a> {
    /// So many rows from this position on.
    From(usize, usize),
    Positions(&'a [u32]),
}

impl Picked<'_> {
    pub fn len(&self) -> usize {
        match self {
            Self::From(_, len) => *len,
            Self::Positions(positions) => positions.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows' positions in the split.
    pub fn positions(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.len()).map(|i| self.position(i))
    }

    /// Their labels as numbers.
    pub fn labels(&self, labels: &[u8]) -> Vec<f32> {
        self.positions().map(|position| f32::from(labels[position])).collect()
    }

    /// The position of the row of this number.
    pub fn position(&self, i: usize) -> usize {
        match self {
            Self::From(first, _) => first + i,
            Self::Positions(positions) => positions[i] as usize,
        }
    }
}

impl<'a> Rows<'a> {
    pub fn new(split: SplitData<'a>, fields: usize) -> Self {
        Self { ids: split.ids, labels: split.labels, fields, copy: OnceCell::new() }
    }

    pub fn len(&self) -> usize {
        self.labels.len()
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// What the rows are made of, without their positions in the file. Unlike the rows it may be shared between threads.
    pub fn split(&self) -> SplitData<'a> {
        SplitData { ids: self.ids, labels: self.labels, rows: &[] }
    }

    /// An engine's own copy of the rows, for example on a GPU, made when first asked for. A run has one such engine.
    pub fn copy_of<T: 'static>(&self, make: impl FnOnce(&Self) -> T) -> &T {
        let copy = self.copy.get_or_init(|| Box::new(make(self)));
        copy.downcast_ref().expect("a run has one engine that copies rows")
    }

    /// Labels of these positions in order; of all rows, where there are none given.
    pub fn labels_in(&self, order: Option<&[u32]>) -> Cow<'a, [u8]> {
        match order {
            None => self.labels.into(),
            Some(order) => order.iter().map(|row| self.labels[*row as usize]).collect(),
        }
    }
}

/// Some rows of a split as a table of their own.
pub struct RowsApart {
    ids: Vec<i32>,
    labels: Vec<u8>,
    fields: usize,
}

impl RowsApart {
    /// Of the rows at these places.
    pub fn new(rows: &Rows, places: &[u32]) -> Self {
        let each = || places.iter().map(|place| *place as usize);
        Self {
            ids: each().flat_map(|row| &rows.ids[row * rows.fields..(row + 1) * rows.fields]).copied().collect(),
            labels: each().map(|row| rows.labels[row]).collect(),
            fields: rows.fields,
        }
    }

    pub fn rows(&self) -> Rows<'_> {
        Rows::new(SplitData { ids: &self.ids, labels: &self.labels, rows: &[] }, self.fields)
    }
}

/// What models train and are chosen on. The test rows are not here: they are read once, at the end.
pub struct TrainingData<'a> {
    pub train: Rows<'a>,
    pub valid: Rows<'a>,
    /// `[N]` and `[V]`: when each training and validation row happened, in the unit of the feature map's `time`; none where no
    /// column says it.
    pub times: Option<[&'a [i64]; 2]>,
}

impl<'a> TrainingData<'a> {
    pub fn new(dataset: &'a Dataset) -> Self {
        let rows = |split| Rows::new(dataset.split(split), dataset.fields());
        Self { train: rows(Split::Train), valid: rows(Split::Valid), times: times(dataset) }
    }
}

/// When training and validation rows happened, `[N]` and `[V]`. Absent where the dataset does not say.
pub fn times(dataset: &Dataset) -> Option<[&[i64]; 2]> {
    Some([dataset.times(Split::Train)?, dataset.times(Split::Valid)?])
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
