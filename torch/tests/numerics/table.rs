//! A learnable table, small enough that hundreds of steps of every model take seconds.

use autodenoise::backbone::{BackboneConfig, ModelKey, Rows};
use autodenoise::ingest::SplitData;
use autodenoise::random::{Purpose, Stream};
use autodenoise::types::{BackboneKind, Options};

/// Values of each of the three fields.
const DIMS: [u32; 3] = [12, 9, 4];

/// Global ids `[n, 3]` and labels `[n]`.
pub struct Table {
    ids: Vec<i32>,
    labels: Vec<u8>,
}

impl Table {
    /// The label follows the first field's parity and the second's half, with noise.
    pub fn new(rows: u32) -> Self {
        // Steps this small are not worth a second thread, and tests run side by side.
        tch::set_num_threads(1);
        let (mut ids, mut labels) = (Vec::new(), Vec::new());
        for row in 0..rows {
            let stream = Stream::new(5, Purpose::Select, &[row]);
            let values = [0, 1, 2].map(|field| (stream.uniform_at(field) * DIMS[field as usize] as f32) as u32);
            let score = f32::from(values[0].is_multiple_of(2)) + f32::from(values[1] < 4);
            labels.push(u8::from(stream.uniform_at(10) < 0.1 + 0.4 * score));
            ids.extend([values[0], values[1] + DIMS[0], values[2] + DIMS[0] + DIMS[1]].map(|id| id as i32));
        }
        Self { ids, labels }
    }

    /// Some of its rows, in this order.
    pub fn pick(&self, order: &[u32]) -> Self {
        let ids = |row: &u32| self.ids[*row as usize * DIMS.len()..][..DIMS.len()].to_vec();
        Self {
            ids: order.iter().flat_map(ids).collect(),
            labels: order.iter().map(|row| self.labels[*row as usize]).collect(),
        }
    }

    pub fn rows(&self) -> Rows<'_> {
        Rows::new(SplitData { ids: &self.ids, labels: &self.labels, rows: &[] }, DIMS.len())
    }
}

/// A small model over the table's fields.
pub fn config(kind: BackboneKind, dropout: f64) -> BackboneConfig {
    let preset = BackboneConfig::preset(kind, vec![0..12, 12..21, 21..25]);
    let options = Options {
        embed_dim: 4,
        mlp_dims: vec![8, 6],
        dropout,
        interaction_dropout: dropout,
        cross_layers: 2,
        cin_dims: vec![6, 4],
        attention_dim: 8,
        attention_layers: 2,
        lnn_dim: 10,
        mask_blocks: 2,
        mask_block_dim: 6,
        second_mlp_dims: vec![6, 4],
        gate_dims: vec![5],
        ..preset.options
    };
    BackboneConfig { options, ..preset }
}

/// A key for each of R replicas; they differ in weights and dropout.
pub fn keys(replicas: usize) -> Vec<ModelKey> {
    (0..replicas as u32).map(|r| ModelKey { seed: 3, init: [3, r], run: [3, r] }).collect()
}

/// The first `len` of all rows in an order of its own for each step.
pub fn shuffled(rows: usize, t: u32, len: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..rows as u32).collect();
    Stream::new(6, Purpose::Shuffle, &[t]).shuffle(&mut order);
    order.truncate(len);
    order
}

/// Weights `[N]`: all 1, or about a third of the rows left out and the others of different weights.
pub fn weights(of: u32, rows: usize, uneven: bool) -> Vec<f32> {
    let mut u = vec![1.0; rows];
    if uneven {
        Stream::new(8, Purpose::Select, &[of]).fill_uniform(&mut u);
    }
    u.into_iter().map(|u| if u > 0.33 { u } else { 0.0 }).collect()
}
