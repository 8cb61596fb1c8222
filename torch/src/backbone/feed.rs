//! Rows as tensors on the device, and a pass's batches of them.

use crate::host::{Sent, upload};
use crate::place::Place;
use autodenoise::backbone::{Picked, Rows, TrainPass};
use tch::{Device, Kind, Tensor};

/// Batches gathered at once where rows are not fed in their own order.
pub(super) const GATHER: usize = 32;

/// Rows of a piece of ids that are not all on the device, for predictions.
const PIECE: usize = 1 << 16;

/// What a device keeps of a split's rows.
pub struct OnDevice {
    /// `[n, F]`, 32-bit. None where they would take more than they may: then they stream from the machine's memory.
    ids: Option<Tensor>,
    /// `[n]`, f32.
    labels: Tensor,
}

impl OnDevice {
    fn new(rows: &Rows, place: Place) -> Self {
        let lie_there = size_of_val(rows.ids) as u64 <= place.for_rows;
        let ids = || Tensor::from_slice(rows.ids).view([rows.len() as i64, rows.fields as i64]).to_device(place.device);
        Self {
            ids: lie_there.then(ids),
            labels: Tensor::from_slice(rows.labels).to_kind(Kind::Float).to_device(place.device),
        }
    }
}

/// The rows of a split as a device sees them, wherever their ids lie.
#[derive(Clone, Copy)]
pub struct Table<'r> {
    rows: &'r Rows<'r>,
    there: &'r OnDevice,
    pub device: Device,
}

/// The rows on a device; what it keeps of them is put there when first asked for.
pub fn on_device<'r>(rows: &'r Rows<'r>, place: Place) -> Table<'r> {
    let there = rows.copy_of(|rows| OnDevice::new(rows, place));
    Table { rows, there, device: place.device }
}

impl<'r> Table<'r> {
    /// Whether ids come in pieces from the machine's memory.
    pub fn streams(&self) -> bool {
        self.there.ids.is_none()
    }

    /// F.
    pub(super) fn fields(&self) -> i64 {
        self.rows.fields as i64
    }

    /// `[n]`, f32.
    pub fn labels(&self) -> &'r Tensor {
        &self.there.labels
    }

    /// Some rows, those that follow one another without a copy where they lie on the device: ids and labels.
    pub fn pick(&self, picked: Picked) -> (Tensor, Tensor) {
        match picked {
            Picked::From(start, len) => self.slice(start, len),
            Picked::Positions(positions) => {
                let index: Vec<i32> = positions.iter().map(|row| *row as i32).collect();
                let labels = self.labels().index_select(0, &upload(&index, self.device));
                (self.send(&index).arrive(), labels)
            }
        }
    }

    /// Rows `start..start + len`: ids and labels.
    pub fn slice(&self, start: usize, len: usize) -> (Tensor, Tensor) {
        let labels = self.labels().narrow(0, start as i64, len as i64);
        (self.send_slice(start, len).arrive(), labels)
    }

    /// Has the ids of these rows come, `[positions, F]`.
    pub(super) fn send(&self, positions: &[i32]) -> Sent {
        match &self.there.ids {
            Some(ids) => Sent::Here(ids.index_select(0, &upload(positions, self.device))),
            None => {
                let fields = self.rows.fields;
                let of_row = |row: &i32| &self.rows.ids[*row as usize * fields..][..fields];
                let ids: Vec<i32> = positions.iter().flat_map(of_row).copied().collect();
                Sent::new(&ids, fields, self.device)
            }
        }
    }

    fn send_slice(&self, start: usize, len: usize) -> Sent {
        match &self.there.ids {
            Some(ids) => Sent::Here(ids.narrow(0, start as i64, len as i64)),
            None => {
                let fields = self.rows.fields;
                Sent::new(&self.rows.ids[start * fields..(start + len) * fields], fields, self.device)
            }
        }
    }

    /// What `work` makes of the ids `[.., F]` of all rows, and of the number of the first of them: of a piece after the other where they
    /// stream, the next on its way while one is used.
    pub fn map_ids<T>(&self, work: impl FnMut(usize, &Tensor) -> T) -> Vec<T> {
        self.map_pieces(if self.streams() { PIECE } else { self.rows.len() }, work)
    }

    fn map_pieces<T>(&self, piece: usize, mut work: impl FnMut(usize, &Tensor) -> T) -> Vec<T> {
        let all = self.rows.len();
        let send = |first: usize| (first < all).then(|| self.send_slice(first, piece.min(all - first)));
        let (mut done, mut first, mut next) = (Vec::new(), 0, send(0));
        while let Some(sent) = next {
            let ids = sent.arrive();
            next = send(first + piece);
            done.push(work(first, &ids));
            first += piece;
        }
        done
    }
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

    fn parts(&self) -> [Option<&Tensor>; 4] {
        [Some(&self.ids), Some(&self.labels), self.targets.as_ref(), self.weights.as_ref()]
    }

    /// In tensors of its own.
    pub fn copy(&self) -> Self {
        let own = |all: &Tensor| all.contiguous().copy();
        Self {
            ids: own(&self.ids),
            labels: own(&self.labels),
            targets: self.targets.as_ref().map(own),
            weights: self.weights.as_ref().map(own),
        }
    }

    /// Whether this could be copied from that one.
    pub fn is_like(&self, other: &Self) -> bool {
        let size = |part: Option<&Tensor>| part.map(Tensor::size);
        self.parts().map(size) == other.parts().map(size)
    }

    /// Takes the numbers of one that it is like; its own tensors stay where they are.
    pub fn copy_from(&mut self, other: &Self) {
        for (own, other) in self.parts().into_iter().zip(other.parts()) {
            if let (Some(own), Some(other)) = (own, other) {
                own.shallow_clone().copy_(other);
            }
        }
    }
}

/// The rows of one pass, batch by batch.
pub(super) struct Feed<'a> {
    pass: &'a TrainPass<'a>,
    table: Table<'a>,
    /// `[.., N]`: a weight for each of the rows.
    weights: Option<Tensor>,
    /// `[N]`.
    targets: Option<Tensor>,
    /// The batches gathered last: number of the first, and their rows.
    gathered: Option<(usize, Batch)>,
    /// Of a table that streams: the ids of those behind them.
    next: Option<(usize, Sent)>,
}

impl<'a> Feed<'a> {
    pub fn new(pass: &'a TrainPass<'a>, place: Place) -> Self {
        let weights = pass.weights.map(|weights| {
            let replicas = pass.keys.len() as i64;
            let size = if replicas == 1 { vec![-1] } else { vec![replicas, -1] };
            upload(weights, place.device).view(&size[..])
        });
        let targets = pass.targets.map(|targets| upload(targets, place.device));
        Self { pass, table: on_device(pass.rows, place), weights, targets, gathered: None, next: None }
    }

    /// Whether the table's ids stream.
    pub fn streams(&self) -> bool {
        self.table.streams()
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
        let Some(order) = self.pass.order else { return (self.table.labels().shallow_clone(), counted) };
        let positions: Vec<i32> = order.iter().map(|row| *row as i32).collect();
        let index = upload(&positions, self.table.device);
        (self.table.labels().index_select(0, &index), counted.map(|counted| counted.index_select(-1, &index)))
    }

    pub fn batch(&mut self, number: usize) -> Batch {
        let size = self.pass.batch_size;
        let start = number * size;
        let len = size.min(self.pass.len() - start);
        let part = |tensor: &Tensor, dim, at: usize| tensor.narrow(dim, at as i64, len as i64);
        if self.pass.order.is_none() && !self.streams() {
            let (ids, labels) = self.table.slice(start, len);
            let own = |tensor: &Option<Tensor>| tensor.as_ref().map(|tensor| part(tensor, -1, start));
            return Batch { ids, labels, targets: own(&self.targets), weights: own(&self.weights) };
        }
        let first = number - number % GATHER;
        if self.gathered.as_ref().is_none_or(|(at, _)| *at != first) {
            self.gathered = Some((first, self.gather(first)));
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

    /// The rows of some batches from the one of this number on.
    fn gather(&mut self, first: usize) -> Batch {
        let positions = self.positions(first);
        let index = upload(&positions, self.table.device);
        let sent = self.next.take().filter(|(at, _)| *at == first).map(|(_, sent)| sent);
        let ids = sent.unwrap_or_else(|| self.table.send(&positions)).arrive();
        if self.streams() && (first + GATHER) * self.pass.batch_size < self.pass.len() {
            self.next = Some((first + GATHER, self.table.send(&self.positions(first + GATHER))));
        }
        Batch {
            ids,
            labels: self.table.labels().index_select(0, &index),
            targets: self.targets.as_ref().map(|targets| targets.index_select(-1, &index)),
            weights: self.weights.as_ref().map(|weights| weights.index_select(-1, &index)),
        }
    }

    /// Where the rows of some batches are.
    fn positions(&self, first: usize) -> Vec<i32> {
        let size = self.pass.batch_size;
        let rows = first * size..self.pass.len().min((first + GATHER) * size);
        match self.pass.order {
            Some(order) => order[rows].iter().map(|row| *row as i32).collect(),
            None => rows.map(|row| row as i32).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use autodenoise::ingest::SplitData;

    #[test]
    fn pieces_of_a_table_that_streams_are_the_table() {
        let ids: Vec<i32> = (0..30).collect();
        let split = SplitData { ids: &ids, labels: &[1; 10], rows: &[] };
        let (resident, streamed) = (Rows::new(split, 3), Rows::new(split, 3));
        let place = Place::like_a_gpu();
        let resident = on_device(&resident, place);
        let streamed = on_device(&streamed, Place { for_rows: 119, ..place });
        assert!(!resident.streams() && streamed.streams(), "the ids take 120 bytes");
        let whole = &resident.map_ids(|_, ids| ids.shallow_clone())[0];
        for piece in [1, 3, 4, 10, 11] {
            let mut firsts = Vec::new();
            let pieces = streamed.map_pieces(piece, |first, ids| {
                firsts.push(first);
                ids.shallow_clone()
            });
            assert_eq!(&Tensor::cat(&pieces, 0), whole);
            assert_eq!(firsts, (0..10).step_by(piece).collect::<Vec<_>>());
        }
        let picked = Picked::Positions(&[7, 0, 7]);
        assert_eq!(streamed.pick(picked), resident.pick(picked));
        assert_eq!(streamed.slice(2, 5), resident.slice(2, 5));
    }
}
