//! What one forward pass needs beside ids and parameters: the mode, the rows and replicas that count, the dropout
//! streams; and what it leaves behind for the backward pass: the table rows it read.

use autodenoise::random::Stream;
use tch::{Device, Kind, Tensor};

/// A forward pass. Shapes: R replicas, B rows; `[.., B]` is `[R, B]`, or `[B]` for R = 1.
pub struct Pass {
    train: bool,
    running_stats: bool,
    /// Train mode: whether BatchNorm's running statistics move.
    pub update_stats: bool,
    /// `[.., B, 1]`: 1 for a row that counts in BatchNorm's batch statistics, else 0. Absent: all do.
    pub counted: Option<Tensor>,
    /// Replicas whose running statistics move. Absent: all.
    pub active: Option<Vec<bool>>,
    /// One a replica; empty for no dropout.
    dropout: Vec<Stream>,
    dropout_layers: u32,
    /// Rows read of each table, in train mode.
    pub(super) lookups: Vec<Lookup>,
}

/// Rows of a table, read in a training forward pass.
pub(super) struct Lookup {
    /// Number of the table in the store.
    pub table: usize,
    /// `[B * F]`.
    pub ids: Tensor,
    /// `[.., B * F, W]`: a leaf of the graph.
    pub rows: Tensor,
}

impl Pass {
    /// Running BatchNorm statistics, no dropout, nothing kept for a backward pass.
    pub fn eval() -> Self {
        Self {
            train: false,
            running_stats: false,
            update_stats: false,
            counted: None,
            active: None,
            dropout: Vec::new(),
            dropout_layers: 0,
            lookups: Vec::new(),
        }
    }

    /// Batch statistics and dropout.
    pub fn train(dropout: Vec<Stream>) -> Self {
        Self { train: true, update_stats: true, dropout, ..Self::eval() }
    }

    /// Normalises by the running BatchNorm statistics, though gradients are wanted.
    pub fn use_running_stats(&mut self) {
        self.running_stats = true;
    }

    /// Whether BatchNorm takes its statistics from the batch.
    pub fn has_batch_stats(&self) -> bool {
        self.train && !self.running_stats
    }

    /// Rows `ids` `[B * F]` of a table `[.., D, W]`, as `[.., B * F, W]`.
    ///
    /// In train mode the rows themselves are the leaves of the graph: the optimiser adds their gradients into the
    /// table's, which costs B F W instead of the D W of a dense gradient tensor.
    pub fn lookup(&mut self, number: usize, table: &Tensor, ids: &Tensor) -> Tensor {
        let rows = tch::no_grad(|| table.index_select(-2, ids));
        if !self.train {
            return rows;
        }
        let rows = rows.set_requires_grad(true);
        self.lookups.push(Lookup { table: number, ids: ids.shallow_clone(), rows: rows.shallow_clone() });
        rows
    }

    /// The next dropout layer over activations `[.., B, ..]`.
    pub fn dropout(&mut self, p: f64, x: Tensor) -> Tensor {
        match self.dropout_mask(p, &x.size(), x.device()) {
            // Not in place: ReLU's backward pass reads its own output.
            Some(mask) => x.g_mul(&mask),
            None => x,
        }
    }

    /// The next dropout layer's mask for activations of this size, or none where there is no dropout.
    fn dropout_mask(&mut self, p: f64, size: &[i64], device: Device) -> Option<Tensor> {
        if !self.train || p == 0.0 || self.dropout.is_empty() {
            return None;
        }
        let layer = self.dropout_layers;
        self.dropout_layers += 1;
        let mask = Tensor::empty(size, (Kind::Float, Device::Cpu));
        let count = mask.numel();
        // SAFETY: a fresh, contiguous CPU tensor of `count` f32 that nothing else can see yet.
        let values = unsafe { std::slice::from_raw_parts_mut(mask.data_ptr().cast::<f32>(), count) };
        for (stream, values) in self.dropout.iter().zip(values.chunks_mut(count / self.dropout.len())) {
            stream.child(&[layer]).fill_dropout(p, values);
        }
        Some(mask.to_device(device))
    }
}
