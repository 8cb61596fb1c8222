//! Rows as tensors on the device, and a pass's batches of them.

use crate::host::upload;
use autodenoise::backbone::{Picked, Rows, TrainPass};
use tch::{Device, Kind, Tensor};

/// Batches gathered at once where rows are not fed in their own order.
pub(super) const GATHER: usize = 32;

/// The rows of a split on a device.
pub struct OnDevice {
    /// `[n, F]`, 32-bit.
    pub ids: Tensor,
    /// `[n]`, f32.
    pub labels: Tensor,
}

impl OnDevice {
    pub fn new(ids: &[i32], labels: &[u8], fields: usize, device: Device) -> Self {
        Self {
            ids: Tensor::from_slice(ids).view([labels.len() as i64, fields as i64]).to_device(device),
            labels: Tensor::from_slice(labels).to_kind(Kind::Float).to_device(device),
        }
    }

    /// Some rows, those that follow one another without a copy: ids and labels.
    pub fn pick(&self, picked: Picked) -> (Tensor, Tensor) {
        match picked {
            Picked::From(start, len) => self.slice(start, len),
            Picked::Positions(positions) => {
                let positions: Vec<i32> = positions.iter().map(|row| *row as i32).collect();
                let index = upload(&positions, self.ids.device());
                (self.ids.index_select(0, &index), self.labels.index_select(0, &index))
            }
        }
    }

    /// Rows `start..start + len`, without a copy: ids and labels.
    pub fn slice(&self, start: usize, len: usize) -> (Tensor, Tensor) {
        (self.ids.narrow(0, start as i64, len as i64), self.labels.narrow(0, start as i64, len as i64))
    }
}

/// The rows as tensors, made when first asked for.
pub fn on_device<'r>(rows: &'r Rows, device: Device) -> &'r OnDevice {
    rows.copy_of(|rows| OnDevice::new(rows.ids, rows.labels, rows.fields, device))
}

/// A batch of a pass.
pub(super) struct Batch {
    /// `[B, F]`; or `[R, B, F]`, and what follows `[R, B]`, where each replica has its own rows.
    pub ids: Tensor,
    /// `[B]`.
    pub labels: Tensor,
    /// `[B]`: what the rows are trained on, where that is not their labels.
    pub targets: Option<Tensor>,
    /// `[.., B]`.
    pub weights: Option<Tensor>,
}

impl Batch {
    /// `[B]` or `[R, B]`: what the rows are trained on.
    pub fn targets(&self) -> &Tensor {
        self.targets.as_ref().unwrap_or(&self.labels)
    }
}

/// The rows of one pass, batch by batch.
pub(super) struct Feed<'a> {
    pass: &'a TrainPass<'a>,
    rows: &'a OnDevice,
    /// `[.., N]`: a weight for each of the rows.
    weights: Option<Tensor>,
    /// `[N]`.
    targets: Option<Tensor>,
    /// The batches gathered last: number of the first, and their rows.
    gathered: Option<(usize, Batch)>,
}

impl<'a> Feed<'a> {
    pub fn new(pass: &'a TrainPass<'a>, device: Device) -> Self {
        let weights = pass.weights.map(|weights| {
            let replicas = pass.keys.len() as i64;
            let size = if replicas == 1 { vec![-1] } else { vec![replicas, -1] };
            upload(weights, device).view(&size[..])
        });
        let targets = pass.targets.map(|targets| upload(targets, device));
        Self { pass, rows: on_device(pass.rows, device), weights, targets, gathered: None }
    }

    /// Rows of a batch that count, a replica, where rows have weights: reckoned from the weights as they were handed over,
    /// so that the device is not waited for.
    pub fn counted(&self, number: usize) -> Option<Vec<usize>> {
        let (weights, pass) = (self.pass.weights?, self.pass);
        let start = number * pass.batch_size;
        let batch = start..pass.len().min(start + pass.batch_size);
        let of_replica = |weights: &[f32]| {
            let weight = |at: usize| weights[pass.order.map_or(at, |order| order[at] as usize)];
            batch.clone().filter(|at| weight(*at) > 0.0).count()
        };
        Some(weights.chunks(pass.rows.len().max(1)).map(of_replica).collect())
    }

    /// What the pass's predictions are judged by, in its order: labels `[n]`, and which rows count `[.., n]` where they are weighed.
    pub fn judged(&self) -> (Tensor, Option<Tensor>) {
        let counted = self.weights.as_ref().map(|weights| weights.gt(0.0));
        let Some(order) = self.pass.order else { return (self.rows.labels.shallow_clone(), counted) };
        let positions: Vec<i32> = order.iter().map(|row| *row as i32).collect();
        let index = upload(&positions, self.rows.ids.device());
        (self.rows.labels.index_select(0, &index), counted.map(|counted| counted.index_select(-1, &index)))
    }

    pub fn batch(&mut self, number: usize) -> Batch {
        let size = self.pass.batch_size;
        let start = number * size;
        let len = size.min(self.pass.len() - start);
        let part = |tensor: &Tensor, dim, at: usize| tensor.narrow(dim, at as i64, len as i64);
        let Some(order) = self.pass.order else {
            let (ids, labels) = self.rows.slice(start, len);
            let own = |tensor: &Option<Tensor>| tensor.as_ref().map(|tensor| part(tensor, -1, start));
            return Batch { ids, labels, targets: own(&self.targets), weights: own(&self.weights) };
        };
        let first = number - number % GATHER;
        if self.gathered.as_ref().is_none_or(|(at, _)| *at != first) {
            let from = first * size;
            let to = order.len().min(from + GATHER * size);
            let positions: Vec<i32> = order[from..to].iter().map(|row| *row as i32).collect();
            let index = upload(&positions, self.rows.ids.device());
            let batch = Batch {
                ids: self.rows.ids.index_select(0, &index),
                labels: self.rows.labels.index_select(0, &index),
                targets: self.targets.as_ref().map(|targets| targets.index_select(-1, &index)),
                weights: self.weights.as_ref().map(|weights| weights.index_select(-1, &index)),
            };
            self.gathered = Some((first, batch));
        }
        let (_, batch) = self.gathered.as_ref().expect("just gathered");
        let at = start - first * size;
        Batch {
            ids: part(&batch.ids, 0, at),
            labels: part(&batch.labels, 0, at),
            targets: batch.targets.as_ref().map(|targets| part(targets, -1, at)),
            weights: batch.weights.as_ref().map(|weights| part(weights, -1, at)),
        }
    }
}
