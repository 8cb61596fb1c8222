//! A dataset's rows as tensors on the device, and the order in which a pass feeds them.

use crate::ingest::{Dataset, SplitData};
use crate::random::Stream;
use crate::types::Split;
use tch::{Device, Kind, Tensor};

/// Batches gathered at once where rows are not fed in their own order.
const GATHER: usize = 32;

/// The rows of one split.
pub struct Rows {
    /// `[n, F]`, 32-bit.
    pub ids: Tensor,
    /// `[n]`, f32.
    pub labels: Tensor,
    /// `[n]`, on the host, for metrics.
    pub label_bytes: Vec<u8>,
}

impl Rows {
    /// Copies a split to the device.
    pub fn new(split: SplitData, fields: usize, device: Device) -> Self {
        let ids = Tensor::from_slice(split.ids).view([split.len() as i64, fields as i64]).to_device(device);
        let labels = Tensor::from_slice(split.labels).to_kind(Kind::Float).to_device(device);
        Self { ids, labels, label_bytes: split.labels.to_vec() }
    }

    pub fn len(&self) -> usize {
        self.label_bytes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.label_bytes.is_empty()
    }

    /// Rows `start..start + len`, without a copy: ids and labels.
    pub fn slice(&self, start: usize, len: usize) -> (Tensor, Tensor) {
        (self.ids.narrow(0, start as i64, len as i64), self.labels.narrow(0, start as i64, len as i64))
    }
}

/// What models train and are chosen on. The test rows are not here: they are read once, at the end.
pub struct DeviceData {
    pub train: Rows,
    pub valid: Rows,
    pub device: Device,
}

impl DeviceData {
    pub fn new(dataset: &Dataset, device: Device) -> Self {
        let rows = |split| Rows::new(dataset.split(split), dataset.fields(), device);
        Self { train: rows(Split::Train), valid: rows(Split::Valid), device }
    }
}

/// A batch of a pass.
pub(super) struct Batch {
    /// `[B, F]`.
    pub ids: Tensor,
    /// `[B]`.
    pub labels: Tensor,
    /// `[.., B]`.
    pub weights: Option<Tensor>,
}

/// The rows of one pass, batch by batch.
pub(super) struct Feed<'a> {
    rows: &'a Rows,
    /// `[.., N]`: a weight for each of the rows.
    weights: Option<&'a Tensor>,
    /// Positions in order; absent: all rows as they stand.
    order: Option<Vec<i32>>,
    batch_size: usize,
    /// The batches gathered last: number of the first, and their rows.
    gathered: Option<(usize, Batch)>,
}

impl<'a> Feed<'a> {
    pub fn new(
        rows: &'a Rows,
        subset: Option<&[u32]>,
        shuffle: Option<Stream>,
        weights: Option<&'a Tensor>,
        batch_size: usize,
    ) -> Self {
        let mut order = match subset {
            Some(subset) => Some(subset.iter().map(|row| *row as i32).collect()),
            None => shuffle.map(|_| (0..rows.len() as i32).collect::<Vec<_>>()),
        };
        if let (Some(order), Some(shuffle)) = (&mut order, shuffle) {
            shuffle.shuffle(order);
        }
        Self { rows, weights, order, batch_size, gathered: None }
    }

    /// Rows of the pass.
    pub fn len(&self) -> usize {
        self.order.as_ref().map_or(self.rows.len(), Vec::len)
    }

    pub fn batches(&self) -> usize {
        self.len().div_ceil(self.batch_size)
    }

    /// Labels in the order of the pass.
    pub fn labels(&self) -> std::borrow::Cow<'a, [u8]> {
        match &self.order {
            None => (&self.rows.label_bytes[..]).into(),
            Some(order) => order.iter().map(|row| self.rows.label_bytes[*row as usize]).collect::<Vec<_>>().into(),
        }
    }

    /// `[.., N]` of all rows to `[.., n]` in the order of the pass.
    pub fn in_order(&self, of_rows: &Tensor) -> Tensor {
        match &self.order {
            None => of_rows.shallow_clone(),
            Some(order) => of_rows.index_select(-1, &Tensor::from_slice(order).to_device(of_rows.device())),
        }
    }

    pub fn batch(&mut self, number: usize) -> Batch {
        let start = number * self.batch_size;
        let len = self.batch_size.min(self.len() - start);
        let part = |tensor: &Tensor, dim, at: usize| tensor.narrow(dim, at as i64, len as i64);
        let Some(order) = &self.order else {
            let (ids, labels) = self.rows.slice(start, len);
            return Batch { ids, labels, weights: self.weights.map(|weights| part(weights, -1, start)) };
        };
        let first = number - number % GATHER;
        if self.gathered.as_ref().is_none_or(|(at, _)| *at != first) {
            let from = first * self.batch_size;
            let to = order.len().min(from + GATHER * self.batch_size);
            let index = Tensor::from_slice(&order[from..to]).to_device(self.rows.ids.device());
            let batch = Batch {
                ids: self.rows.ids.index_select(0, &index),
                labels: self.rows.labels.index_select(0, &index),
                weights: self.weights.map(|weights| weights.index_select(-1, &index)),
            };
            self.gathered = Some((first, batch));
        }
        let (_, batch) = self.gathered.as_ref().expect("just gathered");
        let at = start - first * self.batch_size;
        Batch {
            ids: part(&batch.ids, 0, at),
            labels: part(&batch.labels, 0, at),
            weights: batch.weights.as_ref().map(|weights| part(weights, -1, at)),
        }
    }
}
