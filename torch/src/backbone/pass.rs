//! What one forward pass needs beside ids and parameters: the mode, the rows and replicas that count, the dropout
//! streams; and what it leaves behind for the backward pass: the table rows it read.

use super::BatchMasks;
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
    /// A scalar, 1 or 0: whether running statistics move, where only the device knows. Absent: they do.
    pub moves: Option<Tensor>,
    /// `[B]`, for R = 1: the row of the dropout masks that each row takes. Absent: its own.
    pub mask_rows: Option<Tensor>,
    dropout: Dropout,
    dropout_layers: u32,
    /// Where replicas read rows of their own: the places of their ids in tables that stand one behind the other, with the
    /// rows of one table. All tables of a network have as many.
    places: Option<(i64, Tensor)>,
    /// Rows read of each table, in train mode.
    pub(super) lookups: Vec<Lookup>,
}

/// Where dropout masks come from.
enum Dropout {
    None,
    /// Drawn by the processor; a stream a replica.
    Streams(Vec<Stream>),
    /// Where the activations are.
    There(BatchMasks),
}

/// Rows of a table, read in a training forward pass.
pub(super) struct Lookup {
    /// Number of the table in the store.
    pub table: usize,
    /// `[B * F]`, of all replicas; or `[R, B * F]`, of each: then those of replica r count on from r D.
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
            moves: None,
            mask_rows: None,
            dropout: Dropout::None,
            dropout_layers: 0,
            places: None,
            lookups: Vec::new(),
        }
    }

    /// Batch statistics, and dropout by a stream a replica; none for no dropout.
    pub fn train(dropout: Vec<Stream>) -> Self {
        let dropout = if dropout.is_empty() { Dropout::None } else { Dropout::Streams(dropout) };
        Self { train: true, update_stats: true, dropout, ..Self::eval() }
    }

    /// The same with the masks of a batch, which lie on the device.
    pub fn train_with(masks: &BatchMasks) -> Self {
        Self { dropout: Dropout::There(masks.shallow_clone()), ..Self::train(Vec::new()) }
    }

    /// Normalises by the running BatchNorm statistics, though gradients are wanted.
    pub fn use_running_stats(&mut self) {
        self.running_stats = true;
    }

    /// Whether BatchNorm takes its statistics from the batch.
    pub fn has_batch_stats(&self) -> bool {
        self.train && !self.running_stats
    }

    /// Rows `ids` `[B * F]` of a table `[.., D, W]`, as `[.., B * F, W]`; where ids are `[R, B * F]`, of each replica its own.
    ///
    /// In train mode the rows themselves are the leaves of the graph: the optimiser adds their gradients into the
    /// table's, which costs B F W instead of the D W of a dense gradient tensor.
    pub fn lookup(&mut self, number: usize, table: &Tensor, ids: &Tensor) -> Tensor {
        let (ids, rows) = tch::no_grad(|| match ids.dim() {
            1 => (ids.shallow_clone(), table.index_select(-2, ids)),
            _ => {
                let ids = self.places_of(ids, table);
                let rows = table.flatten(0, 1).index_select(0, &ids.reshape([-1]));
                let width = *table.size().last().expect("a table has two dimensions");
                let rows = rows.view([ids.size()[0], ids.size()[1], width]);
                (ids, rows)
            }
        });
        if !self.train {
            return rows;
        }
        let rows = rows.set_requires_grad(true);
        self.lookups.push(Lookup { table: number, ids, rows: rows.shallow_clone() });
        rows
    }

    /// The places of ids `[R, n]` in a table `[R, D, W]` whose replicas stand one behind the other; made once a pass.
    fn places_of(&mut self, ids: &Tensor, table: &Tensor) -> Tensor {
        let (replicas, cardinality, _) = table.size3().expect("a table of each replica");
        if let Some((of, places)) = &self.places {
            assert_eq!(*of, cardinality, "all tables of a network have as many rows");
            return places.shallow_clone();
        }
        let starts = Tensor::arange(replicas, (ids.kind(), ids.device())) * cardinality;
        let places = ids + starts.unsqueeze(-1);
        self.places = Some((cardinality, places.shallow_clone()));
        places
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
        if !self.train || p == 0.0 {
            return None;
        }
        let layer = self.dropout_layers;
        let mask = match &self.dropout {
            Dropout::None => return None,
            Dropout::Streams(streams) => drawn_by_processor(streams, layer, p, size).to_device(device),
            Dropout::There(masks) => masks.mask(layer, p, size, device),
        };
        self.dropout_layers += 1;
        Some(match &self.mask_rows {
            None => mask,
            Some(rows) => mask.index_select(0, rows),
        })
    }
}

/// A dropout mask of this size, a stream a replica.
fn drawn_by_processor(streams: &[Stream], layer: u32, p: f64, size: &[i64]) -> Tensor {
    let mask = Tensor::empty(size, (Kind::Float, Device::Cpu));
    let count = mask.numel();
    // SAFETY: a fresh, contiguous CPU tensor of `count` f32 that nothing else can see yet.
    let values = unsafe { std::slice::from_raw_parts_mut(mask.data_ptr().cast::<f32>(), count) };
    for (stream, values) in streams.iter().zip(values.chunks_mut(count / streams.len())) {
        stream.child(&[layer]).fill_dropout(p, values);
    }
    mask
}
