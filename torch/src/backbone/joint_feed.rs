//! The rows of several passes over one table, batch by batch: replica r has those of pass r.

use super::feed::{Batch, GATHER, Table, on_device};
use crate::host::{Sent, upload};
use crate::place::Place;
use autodenoise::backbone::{BatchLoss, TrainPass};
use autodenoise::random::Stream;
use tch::{Device, Tensor};

pub(super) struct JointFeed<'a> {
    passes: &'a [&'a TrainPass<'a>],
    table: Table<'a>,
    /// Rows of the longest pass.
    len: usize,
    gathered: Option<Gathered>,
    /// Of a table that streams: the batches behind them.
    next: Option<Gathering>,
}

/// Batches whose ids are on their way.
struct Gathering {
    ids: Sent,
    /// All but the ids.
    rest: Gathered,
}

/// Batches gathered at once.
struct Gathered {
    /// Number of the first.
    first: usize,
    /// `[R, n, ..]`, with as many rows for each replica as the longest pass has.
    rows: Batch,
    /// Rows that count of each of the batches, `[R]`.
    counted: Vec<Vec<usize>>,
}

impl<'a> JointFeed<'a> {
    pub fn new(passes: &'a [&'a TrainPass<'a>], place: Place) -> Self {
        let rows = passes[0].rows;
        assert!(passes.iter().all(|pass| std::ptr::eq(pass.rows, rows)), "passes over one table");
        assert!(passes.iter().all(|pass| pass.batch_size == passes[0].batch_size), "batches of one size");
        assert!(passes.iter().all(|pass| pass.record.is_none()), "no losses of single rows are kept");
        let len = passes.iter().map(|pass| pass.len()).max().unwrap_or(0);
        Self { passes, table: on_device(rows, place), len, gathered: None, next: None }
    }

    pub fn device(&self) -> Device {
        self.table.device
    }

    /// Whether the table's ids stream.
    pub fn streams(&self) -> bool {
        self.table.streams()
    }

    /// R.
    pub fn replicas(&self) -> usize {
        self.passes.len()
    }

    /// Rows of the longest pass.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Batches of the longest pass.
    pub fn batches(&self) -> usize {
        self.len.div_ceil(self.size())
    }

    fn size(&self) -> usize {
        self.passes[0].batch_size
    }

    /// First row of a batch, and how many there are.
    pub fn range(&self, number: usize) -> (i64, i64) {
        let first = number * self.size();
        (first as i64, self.size().min(self.len - first) as i64)
    }

    pub fn loss_of(&self, number: usize) -> BatchLoss {
        self.passes[0].loss_of(number)
    }

    /// The streams of a batch's dropout, one a replica.
    pub fn dropout_streams(&self) -> impl Fn(u32) -> Vec<Stream> + use<> {
        let keys: Vec<_> = self.passes.iter().map(|pass| (pass.keys[0], pass.number)).collect();
        move |batch| keys.iter().map(|(key, number)| key.dropout(*number, batch)).collect()
    }

    /// A batch, and how many of its rows count, a replica.
    pub fn batch(&mut self, number: usize) -> (Batch, Vec<usize>) {
        let first = number - number % GATHER;
        if self.gathered.as_ref().is_none_or(|gathered| gathered.first != first) {
            let now = self.next.take().filter(|next| next.rest.first == first);
            let Gathering { ids, mut rest } = now.unwrap_or_else(|| self.gather(first));
            rest.rows.ids = ids.arrive().view([self.replicas() as i64, -1, self.table.fields()]);
            self.gathered = Some(rest);
            let is_more = (first + GATHER) * self.size() < self.len;
            self.next = (self.streams() && is_more).then(|| self.gather(first + GATHER));
        }
        let Gathered { rows, counted, .. } = self.gathered.as_ref().expect("just gathered");
        let ((start, len), counted) = (self.range(number), counted[number - first].clone());
        let part = |all: &Tensor| all.narrow(1, start - (first * self.size()) as i64, len).contiguous();
        // Where every row counts alike there is nothing to weigh.
        let whole = counted.iter().all(|rows| *rows == len as usize) && !self.are_weighed();
        let batch = Batch {
            ids: part(&rows.ids),
            labels: part(&rows.labels),
            targets: rows.targets.as_ref().map(part),
            weights: rows.weights.as_ref().filter(|_| !whole).map(part),
        };
        (batch, counted)
    }

    fn are_weighed(&self) -> bool {
        self.passes.iter().any(|pass| pass.weights.is_some())
    }

    /// The rows of some batches from the one of this number on.
    fn gather(&self, first: usize) -> Gathering {
        let (from, to) = (first * self.size(), self.len.min((first + GATHER) * self.size()));
        let (each, size) = (to - from, [self.passes.len() as i64, (to - from) as i64]);
        let mut index = Vec::with_capacity(self.passes.len() * each);
        let mut weights = Vec::with_capacity(index.capacity());
        let mut targets = Vec::new();
        let is_targeted = self.passes.iter().any(|pass| pass.targets.is_some());
        let mut counted = vec![vec![0; self.passes.len()]; each.div_ceil(self.size())];
        for (r, pass) in self.passes.iter().enumerate() {
            for at in from..to {
                // Behind the end of a shorter pass the table's first row stands in, of weight 0.
                let row = (at < pass.len()).then(|| pass.order.map_or(at, |order| order[at] as usize));
                let weight = row.map_or(0.0, |row| pass.weights.map_or(1.0, |weights| weights[row]));
                let row = row.unwrap_or(0);
                counted[(at - from) / self.size()][r] += usize::from(weight > 0.0);
                index.push(row as i32);
                weights.push(weight);
                if is_targeted {
                    targets.push(pass.targets.map_or_else(|| f32::from(pass.rows.labels[row]), |targets| targets[row]));
                }
            }
        }
        let ids = self.table.send(&index);
        let index = upload(&index, self.device());
        let is_ragged = self.passes.iter().any(|pass| pass.len() < to);
        let matrix = |values: &[f32]| upload(values, self.device()).view(size);
        let rows = Batch {
            // In the place of the ids until those are there.
            ids: index.shallow_clone(),
            labels: self.table.labels().index_select(0, &index).view(size),
            targets: is_targeted.then(|| matrix(&targets)),
            weights: (is_ragged || self.are_weighed()).then(|| matrix(&weights)),
        };
        Gathering { ids, rest: Gathered { first, rows, counted } }
    }

    /// What the predictions of a pass are judged by, in its order: labels `[n]`, and which rows count `[n]` where they are weighed.
    pub fn judged(&self, r: usize) -> (Tensor, Option<Tensor>) {
        let pass = self.passes[r];
        let counted = pass.weights.map(|weights| upload(weights, self.device()).gt(0.0));
        let Some(order) = pass.order else { return (self.table.labels().shallow_clone(), counted) };
        let positions: Vec<i32> = order.iter().map(|row| *row as i32).collect();
        let index = upload(&positions, self.device());
        (self.table.labels().index_select(0, &index), counted.map(|counted| counted.index_select(0, &index)))
    }
}
