//! A model as a sum of terms, and its training step in a few sweeps over chunks of rows.
//!
//! logit = first-order + pairwise + cross + tower, each optional; the tower reads the flat embeddings and, where
//! asked for, their inner products. All five backbones of the paper and the policy network are such sums.

use super::adam::{update, update_rows};
use super::chunk::{CHUNK_ROWS, Chunk, ChunkShape, Tile};
use super::cross::Cross;
use super::embedding::{add_first_order, gather, scatter, scatter_first_order};
use super::memory::Buffer;
use super::params::{Builder, Params, Table, Trained};
use super::tower::{Tower, TowerDesign};
use super::{pairwise, products};
use crate::backbone::Picked;
use crate::backbone::key::{Init, ModelKey};
use crate::backbone::optimizer::{OptimizerConfig, Update};
use crate::backbone::team::{for_each, is_alone};
use crate::random::Stream;
use crate::simd::{Isa, is_far};
use crate::types;
use rayon::prelude::*;
use std::ops::Range;

/// Numbers of a table that one task updates.
const UPDATE_BLOCK: usize = 8192;
/// Most parts that a batch's dense gradients are summed in.
const PARTS: usize = 16;
/// Rows of one prediction task.
const PREDICT_ROWS: usize = 16 * CHUNK_ROWS;

/// What a model is composed of.
#[derive(Debug, Clone, PartialEq)]
pub struct Design {
    /// The ids of each of the F fields. Fields share a range or nothing.
    pub ranges: Vec<Range<u32>>,
    /// E.
    pub embed_dim: usize,
    pub first_order: bool,
    pub pairwise: bool,
    /// Layers of the cross network.
    pub cross: Option<usize>,
    /// Whether the tower also reads the inner products of all pairs.
    pub products: bool,
    pub tower: Option<TowerDesign>,
}

impl Design {
    /// Embeddings of these fields, and no term yet.
    pub fn bare(ranges: Vec<Range<u32>>, embed_dim: usize) -> Self {
        Self { ranges, embed_dim, first_order: false, pairwise: false, cross: None, products: false, tower: None }
    }

    pub fn fields(&self) -> usize {
        self.ranges.len()
    }

    /// D: rows of the tables.
    fn cardinality(&self) -> usize {
        self.ranges.iter().map(|range| range.end).max().unwrap_or(0) as usize
    }

    fn flat(&self) -> usize {
        self.fields() * self.embed_dim
    }

    /// Columns of x.
    fn width(&self) -> usize {
        self.flat() + if self.products { products::pairs(self.fields()) } else { 0 }
    }

    fn outputs(&self) -> usize {
        self.tower.as_ref().map_or(1, |tower| tower.outputs)
    }
}

/// Rows that a model reads: ids `[N, F]` row-major and labels `[N]`.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    pub ids: &'a [i32],
    pub labels: &'a [u8],
    /// `[N]`: what a row is trained on instead of its label, the probability that it is 1.
    pub targets: Option<&'a [f32]>,
    /// F of the ids.
    pub fields: usize,
    /// The label as one more field, whose ids begin here.
    pub label_field: Option<u32>,
}

impl Source<'_> {
    /// What the row at this position is trained on: its label, or the probability that it is 1.
    pub fn target(&self, position: usize) -> f32 {
        self.targets.map_or_else(|| f32::from(self.labels[position]), |targets| targets[position])
    }
}

/// A batch.
#[derive(Clone, Copy)]
pub struct Batch<'a> {
    pub source: Source<'a>,
    pub picked: Picked<'a>,
    /// A weight for each of its rows.
    pub weights: Option<&'a [f32]>,
}

pub struct Network {
    pub params: Params,
    /// Steps of the optimiser.
    pub steps: u32,
    isa: Isa,
    design: Design,
    /// The table's number and where the bias lies.
    first_order: Option<(usize, usize)>,
    /// Number of its matrix in a chunk.
    pairwise: Option<usize>,
    cross: Option<Cross>,
    tower: Option<Tower>,
    shape: ChunkShape,
    chunks: Vec<Chunk>,
    /// Whether one thread works on all chunks of the present batch, and what it lends them then.
    is_serial: bool,
    tile: Tile,
    /// Parts of the dense parameters' gradients, each of some chunks that follow one another.
    partial: Vec<Buffer>,
    /// Chunks of the present batch.
    used: usize,
    /// Whether its forward pass had dropout.
    dropout: bool,
    groups: Vec<Group>,
    /// Fields whose gradients one thread adds to the tables row by row: first all that share their ids with no other, then each
    /// of the others, so that what several fields add to a number comes in the order of [`Group::fields`].
    sweeps: Vec<Vec<usize>>,
}

/// Fields that share their ids: the rows of a table that one task adds gradients to.
struct Group {
    ids: Range<u32>,
    fields: Vec<usize>,
    /// Rows that the present batch read, and by row the last step that did; for `LazyAdam`, else empty.
    touched: Vec<u32>,
    seen: Vec<u32>,
}

impl Group {
    /// The groups of some fields, by their ids.
    fn all(ranges: &[Range<u32>]) -> Vec<Self> {
        let mut groups: Vec<Self> = Vec::new();
        for (field, ids) in ranges.iter().enumerate() {
            match groups.iter_mut().find(|group| group.ids == *ids) {
                Some(group) => group.fields.push(field),
                None => {
                    groups.push(Self { ids: ids.clone(), fields: vec![field], touched: Vec::new(), seen: Vec::new() })
                }
            }
        }
        groups.sort_unstable_by_key(|group| group.ids.start);
        groups
    }

    /// See [`Network::sweeps`].
    fn sweeps(groups: &[Self]) -> Vec<Vec<usize>> {
        let (alone, shared): (Vec<&Self>, Vec<&Self>) = groups.iter().partition(|group| group.fields.len() == 1);
        let first = alone.iter().flat_map(|group| &group.fields).copied().collect();
        let others = shared.iter().flat_map(|group| &group.fields).map(|field| vec![*field]);
        std::iter::once(first).chain(others).collect()
    }

    /// Takes down which of its rows the chunks of step number `step` read.
    fn note(&mut self, chunks: &[Chunk], fields: usize, step: u32) {
        self.touched.clear();
        for (chunk, field) in chunks.iter().flat_map(|chunk| self.fields.iter().map(move |field| (chunk, field))) {
            for (row, id) in chunk.ids[..chunk.rows * fields].iter().skip(*field).step_by(fields).enumerate() {
                // A row of weight 0 counts in nothing.
                if chunk.weights.get(row).is_some_and(|weight| *weight <= 0.0) {
                    continue;
                }
                if std::mem::replace(&mut self.seen[(id - self.ids.start) as usize], step) != step {
                    self.touched.push(*id);
                }
            }
        }
    }
}

/// Gradients of rows of the tables, those from id `start` on.
struct Gradients<'g> {
    embedding: &'g mut [f32],
    first_order: Option<&'g mut [f32]>,
    start: u32,
}

impl Gradients<'_> {
    /// Adds those of a chunk's fields `own`.
    fn add(&mut self, isa: Isa, chunk: &Chunk, design: &Design, own: &[usize]) {
        let (fields, dim, dx) = (design.fields(), design.embed_dim, &chunk.dx);
        let ids = &chunk.ids[..chunk.rows * fields];
        scatter(isa, self.embedding, self.start, dim, ids, fields, own, dx.lines(chunk.rows), dx.stride);
        if let Some(first) = &mut self.first_order {
            scatter_first_order(first, self.start, ids, fields, own, &chunk.dz);
        }
    }
}

const EMBEDDING: usize = 0;

impl Network {
    pub fn new(design: Design, key: &ModelKey) -> Self {
        Self::on(Isa::detect(), design, key)
    }

    pub fn on(isa: Isa, design: Design, key: &ModelKey) -> Self {
        // The cross network's output is a part of the tower's, and it reads rows of embeddings alone.
        assert!(design.cross.is_none() || design.tower.is_some() && !design.products && !design.first_order);
        let mut builder = Builder::new();
        let rows = design.cardinality();
        builder.table("embedding.embedding.weight", rows, design.embed_dim, Init::xavier(rows, design.embed_dim));
        let first_order = design.first_order.then(|| {
            let table = builder.table("linear.fc.weight", rows, 1, Init::Normal);
            (table, builder.vector("linear.bias", 1, Init::Const(0.0)))
        });
        let mut terms = Vec::new();
        let pairwise = design.pairwise.then(|| {
            terms.push(design.embed_dim);
            terms.len() - 1
        });
        let cross = design.cross.map(|layers| {
            terms.push(layers + 1);
            Cross::new(&mut builder, design.flat(), layers, terms.len() - 1)
        });
        let tower = design
            .tower
            .as_ref()
            .map(|tower| Tower::new(&mut builder, design.width(), tower, cross.as_ref().map(Cross::output)));
        let params = builder.finish(key);
        let shape = ChunkShape {
            fields: design.fields(),
            width: design.width(),
            outputs: design.outputs(),
            terms,
            hidden: design.tower.as_ref().map_or_else(Vec::new, |tower| tower.hidden.clone()),
        };
        let groups = Group::all(&design.ranges);
        // Products take longer to compute than to keep, and so do rows that come from far away.
        let tile = Tile::new(&shape, !design.products && !is_far(&params.tables[EMBEDDING].values.p));
        Self {
            params,
            steps: 0,
            isa,
            first_order,
            pairwise,
            cross,
            tower,
            shape,
            chunks: Vec::new(),
            is_serial: false,
            tile,
            partial: Vec::new(),
            used: 0,
            dropout: false,
            sweeps: Group::sweeps(&groups),
            groups,
            design,
        }
    }

    /// The instruction set it computes with.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Logits of a row.
    pub fn outputs(&self) -> usize {
        self.shape.outputs
    }

    /// The present batch's chunks, in order.
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks[..self.used]
    }

    /// A training forward pass: batch statistics, and dropout by the stream where there is one. `move_running` says
    /// whether BatchNorm's running statistics follow the batch.
    pub fn forward(&mut self, batch: Batch, dropout: Option<Stream>, move_running: bool) {
        if let Some(tower) = &mut self.tower {
            tower.prepare(&self.params.dense.p);
        }
        self.dropout = dropout.is_some();
        self.take(&batch);
        let Self { params, isa, first_order, pairwise, cross, tower, design, chunks, used, is_serial, tile, .. } = self;
        let chunks = &mut chunks[..*used];
        let mut tile = is_serial.then_some(tile);
        if let Some(cross) = &mut *cross {
            cross.prepare(&params.dense.p);
        }
        let fixed =
            Fixed { isa: *isa, design, params, first_order: *first_order, pairwise: *pairwise, cross: cross.as_ref() };
        each(tile.as_deref_mut(), chunks, |chunk| {
            load(chunk, &batch, design);
            fixed.terms(chunk);
            if let Some(tower) = &*tower {
                match tower.layers() {
                    0 => tower.output(*isa, &params.dense.p, chunk),
                    _ => tower.enter(*isa, 0, &params.dense.p, chunk, true),
                }
            }
        });
        let Some(tower) = tower else { return };
        for l in 0..tower.layers() {
            tower.join(l, chunks, params, move_running);
            let (tower, dense) = (&*tower, &params.dense.p);
            each(tile.as_deref_mut(), chunks, |chunk| {
                tower.activate(*isa, l, chunk, dropout);
                if l + 1 < tower.layers() {
                    tower.enter(*isa, l + 1, dense, chunk, true);
                } else {
                    tower.output(*isa, dense, chunk);
                }
            });
        }
    }

    /// The way back of the last `forward`, from the derivatives dz that `head` writes into each chunk, into the
    /// gradients.
    pub fn backward(&mut self, head: impl Fn(&mut Chunk) + Sync + Send) {
        let Self { params, isa, first_order, pairwise, cross, tower, design, chunks, partial, used, dropout, .. } =
            self;
        let Self { is_serial, tile, sweeps, .. } = self;
        let mut tile = is_serial.then_some(tile);
        let dropout = *dropout;
        let (isa, chunks) = (*isa, &mut chunks[..*used]);
        // However large the batch, the parts are so many at most: a wide tower's gradients are large.
        let together = chunks.len().div_ceil(PARTS).max(1);
        partial
            .resize_with(chunks.len().div_ceil(together).max(partial.len()), || Buffer::zeroed(params.dense.p.len()));
        let layers = tower.as_ref().map_or(0, Tower::layers);
        if let Some(tower) = tower.as_mut().filter(|_| layers > 0) {
            let p = &params.dense.p;
            each_adding(tile.as_deref_mut(), chunks, partial, together, |chunk, gradients| {
                head(chunk);
                tower.output_back(isa, p, chunk, gradients);
                tower.deactivate(isa, layers - 1, chunk, dropout);
            });
            for l in (1..layers).rev() {
                tower.join_back(l, chunks, params);
                let tower = &*tower;
                each_adding(tile.as_deref_mut(), chunks, partial, together, |chunk, gradients| {
                    tower.leave(isa, l, chunk, gradients);
                    tower.deactivate(isa, l - 1, chunk, dropout);
                });
            }
            tower.join_back(0, chunks, params);
        }
        let Params { dense, tables, .. } = params;
        // The last stage: the gradient by x, and by what the terms beside the tower are made of.
        let last = |chunk: &mut Chunk, gradients: &mut Buffer| {
            match &*tower {
                Some(tower) if layers > 0 => tower.leave(isa, 0, chunk, gradients),
                Some(tower) => {
                    head(chunk);
                    tower.output_back(isa, &dense.p, chunk, gradients);
                }
                None => {
                    head(chunk);
                    chunk.dx.lines_mut(chunk.rows).as_flattened_mut().fill(0.0);
                }
            }
            let n = chunk.rows;
            if let Some(term) = *pairwise {
                let Chunk { x, dx, dz, terms, .. } = chunk;
                let (sums, stride) = (&terms[term], x.stride);
                let (fields, dim) = (design.fields(), design.embed_dim);
                pairwise::backward(
                    isa,
                    x.lines(n),
                    stride,
                    fields,
                    dim,
                    dz,
                    sums.lines(n),
                    sums.stride,
                    dx.lines_mut(n),
                );
            }
            if let Some(cross) = &*cross {
                cross.backward(isa, &dense.p, chunk, gradients);
            }
            if let Some((_, bias)) = *first_order {
                gradients[bias] += chunk.dz[..n].iter().sum::<f32>();
            }
            if design.products {
                let (x, dx) = (&chunk.x, &mut chunk.dx);
                products::backward(isa, x.lines(n), dx.lines_mut(n), x.stride, design.fields(), design.embed_dim);
            }
        };
        match tile {
            None => each_adding(None, chunks, partial, together, last),
            Some(tile) => {
                let (fields, has_x) = (design.fields(), tile.has_x());
                let (embedding, first) = tables.split_first_mut().expect("every model has embeddings");
                let Trained { p, g, .. } = &mut embedding.values;
                let first_order = first.first_mut().map(|table| &mut table.values.g[..]);
                let mut to = Gradients { embedding: g, first_order, start: 0 };
                for (chunks, gradients) in chunks.chunks_mut(together).zip(&mut *partial) {
                    let mut work = |chunk: &mut Chunk| {
                        if has_x {
                            let (n, stride) = (chunk.rows, chunk.x.stride);
                            let (ids, x) = (&chunk.ids[..n * fields], chunk.x.lines_mut(n));
                            gather(isa, p, design.embed_dim, ids, fields, x, stride);
                        }
                        last(chunk, gradients);
                        sweeps.iter().for_each(|own| to.add(isa, chunk, design, own));
                    };
                    chunks.iter_mut().for_each(|chunk| tile.lend(chunk, &mut work));
                }
            }
        }
        self.join_gradients();
    }

    /// Sums the parts of the dense gradients in their order, and adds those of the tables where that is still to be done.
    fn join_gradients(&mut self) {
        let Self { params, chunks, partial, used, is_serial, design, groups, steps, isa, .. } = self;
        let (chunks, fields) = (&chunks[..*used], design.fields());
        for own in partial {
            let mut blocks: Vec<_> =
                params.dense.g.chunks_mut(UPDATE_BLOCK).zip(own.chunks_mut(UPDATE_BLOCK)).collect();
            for_each(&mut blocks, |(total, own)| {
                for (total, own) in total.iter_mut().zip(&mut **own) {
                    *total += std::mem::take(own);
                }
            });
        }
        if !*is_serial {
            let mut parts = params.tables.iter_mut().map(|table| cut(&mut table.values.g, groups, table.width));
            let embedding = parts.next().expect("every model has embeddings");
            let mut first = parts.next().map(Vec::into_iter);
            let mut tasks: Vec<_> = groups
                .iter()
                .zip(embedding)
                .map(|(group, embedding)| {
                    let first_order = first.as_mut().and_then(Iterator::next);
                    (group, Gradients { embedding, first_order, start: group.ids.start })
                })
                .collect();
            for_each(&mut tasks, |(group, to)| {
                for (chunk, field) in chunks.iter().flat_map(|chunk| group.fields.iter().map(move |f| (chunk, f))) {
                    to.add(*isa, chunk, design, std::slice::from_ref(field));
                }
            });
        }
        let step = *steps + 1;
        let mut noting: Vec<_> = groups.iter_mut().filter(|group| !group.seen.is_empty()).collect();
        for_each(&mut noting, |group| group.note(chunks, fields, step));
    }

    /// Moves the parameters along the gradients, which are zero afterwards.
    pub fn step(&mut self, optimizer: &OptimizerConfig) {
        self.steps += 1;
        let (isa, with) = (self.isa, Update::new(optimizer, self.steps));
        let Trained { p, m, v, g } = &mut self.params.dense;
        update(isa, with, p, m, v, g);
        for Table { width, values: Trained { p, m, v, g } } in &mut self.params.tables {
            if optimizer.kind == types::Optimizer::LazyAdam {
                let of = |values| cut(values, &self.groups, *width);
                let parts = of(p).into_iter().zip(of(m)).zip(of(v).into_iter().zip(of(g)));
                let mut tasks: Vec<_> = self.groups.iter().zip(parts).collect();
                for_each(&mut tasks, |(group, ((p, m), (v, g)))| {
                    update_rows(isa, with, &group.touched, group.ids.start, *width, p, m, v, g);
                });
                continue;
            }
            let blocks = |values| <[f32]>::chunks_mut(values, UPDATE_BLOCK);
            let parts = blocks(p).zip(blocks(m)).zip(blocks(v).zip(blocks(g)));
            for_each(&mut parts.collect::<Vec<_>>(), |((p, m), (v, g))| update(isa, with, p, m, v, g));
        }
    }

    /// A step on gradients that are all zero: of rows of tables none is touched.
    pub fn step_at_rest(&mut self, optimizer: &OptimizerConfig) {
        for group in &mut self.groups {
            group.touched.clear();
        }
        self.step(optimizer);
    }

    /// Keeps count of the rows that batches read: `LazyAdam` moves only those.
    pub fn track_touched(&mut self) {
        for group in &mut self.groups {
            group.seen = vec![0; group.ids.len()];
        }
    }

    /// Logits `[n, outputs]` of rows in evaluation mode.
    pub fn predict(&mut self, source: Source, picked: Picked, out: &mut [f32]) {
        let batch = Batch { source, picked, weights: None };
        let outputs = self.shape.outputs;
        assert_eq!(out.len(), picked.len() * outputs, "room for every logit");
        if let Some(cross) = &mut self.cross {
            cross.prepare(&self.params.dense.p);
        }
        if let Some(tower) = &mut self.tower {
            tower.prepare_eval(&self.params);
        }
        if picked.len() <= PREDICT_ROWS {
            self.take(&batch);
            let mut chunks = std::mem::take(&mut self.chunks);
            let mut tile = std::mem::take(&mut self.tile);
            each(self.is_serial.then_some(&mut tile), &mut chunks[..self.used], |chunk| self.infer(chunk, &batch));
            self.tile = tile;
            for (chunk, out) in chunks.iter().zip(out.chunks_mut(CHUNK_ROWS * outputs)) {
                out.copy_from_slice(&chunk.z[..out.len()]);
            }
            self.chunks = chunks;
            return;
        }
        out.par_chunks_mut(PREDICT_ROWS * outputs).enumerate().for_each_init(
            || {
                let mut chunk = Chunk::new(&self.shape);
                chunk.make_room(&self.shape, None);
                chunk
            },
            |chunk, (task, out)| {
                for (number, out) in out.chunks_mut(CHUNK_ROWS * outputs).enumerate() {
                    chunk.first = task * PREDICT_ROWS + number * CHUNK_ROWS;
                    chunk.rows = out.len() / outputs;
                    self.infer(chunk, &batch);
                    out.copy_from_slice(&chunk.z[..out.len()]);
                }
            },
        );
    }

    /// A chunk's logits in evaluation mode.
    fn infer(&self, chunk: &mut Chunk, batch: &Batch) {
        load(chunk, batch, &self.design);
        self.fixed().terms(chunk);
        if let Some(tower) = &self.tower {
            for l in 0..tower.layers() {
                tower.enter(self.isa, l, &self.params.dense.p, chunk, false);
                tower.activate(self.isa, l, chunk, None);
            }
            tower.output(self.isa, &self.params.dense.p, chunk);
        }
    }

    fn fixed(&self) -> Fixed<'_> {
        Fixed {
            isa: self.isa,
            design: &self.design,
            params: &self.params,
            first_order: self.first_order,
            pairwise: self.pairwise,
            cross: self.cross.as_ref(),
        }
    }

    /// Shares the batch's rows out to chunks.
    fn take(&mut self, batch: &Batch) {
        let rows = batch.picked.len();
        self.used = rows.div_ceil(CHUNK_ROWS);
        self.is_serial = is_alone();
        while self.chunks.len() < self.used {
            self.chunks.push(Chunk::new(&self.shape));
        }
        for (number, chunk) in self.chunks[..self.used].iter_mut().enumerate() {
            chunk.make_room(&self.shape, self.is_serial.then_some(&self.tile));
            chunk.first = number * CHUNK_ROWS;
            chunk.rows = CHUNK_ROWS.min(rows - chunk.first);
        }
    }
}

/// What the terms of a forward pass read.
struct Fixed<'a> {
    isa: Isa,
    design: &'a Design,
    params: &'a Params,
    first_order: Option<(usize, usize)>,
    pairwise: Option<usize>,
    cross: Option<&'a Cross>,
}

impl Fixed<'_> {
    /// x, and the terms beside the tower into z.
    fn terms(&self, chunk: &mut Chunk) {
        let (n, design, isa) = (chunk.rows, self.design, self.isa);
        let (fields, dim) = (design.fields(), design.embed_dim);
        let outputs = design.outputs();
        let Chunk { ids, x, z, terms, .. } = chunk;
        let (ids, stride) = (&ids[..n * fields], x.stride);
        gather(isa, &self.params.tables[EMBEDDING].values.p, dim, ids, fields, x.lines_mut(n), stride);
        let z = &mut z[..n * outputs];
        z.fill(0.0);
        if let Some((table, bias)) = self.first_order {
            add_first_order(&self.params.tables[table].values.p, self.params.dense.p[bias], ids, fields, z, outputs);
        }
        if let Some(term) = self.pairwise {
            let sums = &mut terms[term];
            let sums_stride = sums.stride;
            pairwise::forward(isa, x.lines(n), stride, fields, dim, z, sums.lines_mut(n), sums_stride);
        }
        if design.products {
            products::forward(isa, x.lines_mut(n), stride, fields, dim);
        }
        if let Some(cross) = self.cross {
            cross.forward(isa, &self.params.dense.p, chunk);
        }
    }
}

/// Copies a chunk's rows out of the batch.
fn load(chunk: &mut Chunk, batch: &Batch, design: &Design) {
    let (source, fields, rows) = (&batch.source, design.fields(), chunk.rows);
    let whole = match batch.picked {
        // Rows that lie together, as the model wants them: one copy.
        Picked::From(first, _) if source.label_field.is_none() => Some(first + chunk.first),
        _ => None,
    };
    if let Some(first) = whole {
        let from = &source.ids[first * fields..][..rows * fields];
        for (to, from) in chunk.ids.iter_mut().zip(from) {
            *to = *from as u32;
        }
        match source.targets {
            None => {
                for (to, from) in chunk.labels.iter_mut().zip(&source.labels[first..][..rows]) {
                    *to = f32::from(*from);
                }
            }
            Some(targets) => chunk.labels[..rows].copy_from_slice(&targets[first..][..rows]),
        }
    } else {
        for i in 0..rows {
            let position = batch.picked.position(chunk.first + i);
            let from = &source.ids[position * source.fields..][..source.fields];
            let to = &mut chunk.ids[i * fields..][..fields];
            for (to, from) in to.iter_mut().zip(from) {
                *to = *from as u32;
            }
            let label = source.labels[position];
            if let Some(start) = source.label_field {
                to[source.fields] = start + u32::from(label);
            }
            chunk.labels[i] = source.target(position);
        }
    }
    chunk.weights.clear();
    if let Some(weights) = batch.weights {
        chunk.weights.extend_from_slice(&weights[chunk.first..][..rows]);
    }
}

/// The rows of each group of a table of `width` columns.
fn cut<'a>(mut rest: &'a mut [f32], groups: &[Group], width: usize) -> Vec<&'a mut [f32]> {
    let (mut parts, mut end) = (Vec::with_capacity(groups.len()), 0);
    for group in groups {
        let gap = (group.ids.start - end) as usize * width;
        let (own, others) = rest[gap..].split_at_mut(group.ids.len() * width);
        parts.push(own);
        (rest, end) = (others, group.ids.end);
    }
    parts
}

/// Works on all chunks: one after the other, where a tile is lent to them, else on as many threads as there are.
fn each(tile: Option<&mut Tile>, chunks: &mut [Chunk], work: impl Fn(&mut Chunk) + Sync + Send) {
    match tile {
        None => for_each(chunks, work),
        Some(tile) => chunks.iter_mut().for_each(|chunk| tile.lend(chunk, &work)),
    }
}

/// The same, with a buffer for each `together` chunks that what they work out is added to.
fn each_adding(
    tile: Option<&mut Tile>,
    chunks: &mut [Chunk],
    partial: &mut [Buffer],
    together: usize,
    work: impl Fn(&mut Chunk, &mut Buffer) + Sync + Send,
) {
    match tile {
        None => {
            let mut parts: Vec<_> = chunks.chunks_mut(together).zip(partial).collect();
            for_each(&mut parts, |(chunks, gradients)| chunks.iter_mut().for_each(|chunk| work(chunk, gradients)));
        }
        Some(tile) => {
            for (chunks, gradients) in chunks.chunks_mut(together).zip(partial) {
                chunks.iter_mut().for_each(|chunk| tile.lend(chunk, |chunk| work(chunk, gradients)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbone::fused::gradients::{check, numbers};
    use crate::backbone::fused::params::Kind;
    use crate::backbone::team::alone;
    use crate::random::Purpose;

    const KEY: ModelKey = ModelKey { seed: 5, init: [1, 1], run: [1, 1] };
    /// Three fields, of which the last two share their ids.
    const IDS: [i32; 18] = [0, 2, 3, 1, 4, 3, 1, 2, 2, 0, 4, 4, 0, 3, 2, 1, 2, 4];
    const LABELS: [u8; 6] = [1, 0, 0, 1, 1, 0];

    fn design() -> Design {
        Design::bare(vec![0..2, 2..5, 2..5], 5)
    }

    fn tower(hidden: &[usize], batch_norm: bool) -> Option<TowerDesign> {
        Some(TowerDesign { hidden: hidden.to_vec(), outputs: 1, dropout: 0.25, batch_norm })
    }

    /// Each term alone and all together, against differences, by every parameter; with dropout, whose mask stays the same.
    #[test]
    fn gradients_are_those_of_the_logits() {
        let designs = [
            ("first order", Design { first_order: true, ..design() }),
            ("pairwise", Design { pairwise: true, ..design() }),
            ("tower", Design { tower: tower(&[6], false), ..design() }),
            ("tower without a hidden layer", Design { tower: tower(&[], false), ..design() }),
            ("BatchNorm tower", Design { tower: tower(&[6, 17], true), ..design() }),
            ("cross", Design { cross: Some(3), tower: tower(&[4], true), ..design() }),
            ("products", Design { products: true, tower: tower(&[4], false), ..design() }),
            ("cross and pairwise", Design { pairwise: true, cross: Some(2), tower: tower(&[], true), ..design() }),
            (
                "all others",
                Design { first_order: true, pairwise: true, products: true, tower: tower(&[5, 3], true), ..design() },
            ),
        ];
        let source = Source { ids: &IDS, labels: &LABELS, targets: None, fields: 3, label_field: None };
        let batch = Batch { source, picked: Picked::From(0, 6), weights: None };
        let dz = numbers(6, 3);
        let dropout = Stream::new(5, Purpose::Dropout, &[0]);
        for (isa, (what, design)) in Isa::available().into_iter().flat_map(|isa| designs.clone().map(|d| (isa, d))) {
            let mut model = Network::on(isa, design, &KEY);
            let names: Vec<(String, usize)> = model
                .params
                .names()
                .filter(|(_, _, trained)| *trained)
                .map(|(name, shape, _)| (name.to_owned(), shape.iter().product()))
                .collect();
            // Initial embeddings are small, and ReLU has a corner at 0: numbers of size 1 keep away from it.
            for (at, (name, len)) in names.iter().enumerate() {
                model.params.write(name, Kind::Value, &numbers(*len, 100 + at as u32));
            }
            model.forward(batch, Some(dropout), false);
            model.backward(|chunk| chunk.dz[..6].copy_from_slice(&dz));
            for (name, _) in &names {
                let (at, gradient) = (model.params.read(name, Kind::Value), model.params.read(name, Kind::Gradient));
                // A bias before BatchNorm changes nothing; its gradient is left at zero.
                check(&format!("{what}: {name}"), &at, &gradient, |values| {
                    model.params.write(name, Kind::Value, values);
                    model.forward(batch, Some(dropout), false);
                    let z = &model.chunks()[0].z;
                    z.iter().zip(&dz).map(|(z, dz)| f64::from(*z) * f64::from(*dz)).sum()
                });
                model.params.write(name, Kind::Value, &at);
            }
        }
    }

    /// On one thread chunks are lent their room, x is read a second time and gradients reach the tables chunk by chunk: nothing
    /// of it may change a bit.
    #[test]
    fn one_thread_learns_what_several_do() {
        let wide = Design { embed_dim: 16, tower: tower(&[16, 7], true), ..design() };
        let designs = [
            Design { first_order: true, pairwise: true, ..design() },
            Design { first_order: true, pairwise: true, ..wide.clone() },
            Design { first_order: true, tower: tower(&[], false), ..design() },
            Design { cross: Some(2), ..wide.clone() },
            Design { products: true, pairwise: true, embed_dim: 32, ..wide },
        ];
        let source = Source { ids: &IDS, labels: &LABELS, targets: None, fields: 3, label_field: None };
        let positions: Vec<u32> = (0..300).map(|i| i * 7 % 6).collect();
        let weights: Vec<f32> = (0..300).map(|i| [1.0, 0.0, 0.5][i % 3]).collect();
        let batch = Batch { source, picked: Picked::Positions(&positions), weights: Some(&weights) };
        let trained = |design: &Design, kind, keeps: bool| -> Vec<u32> {
            let mut model = Network::new(design.clone(), &KEY);
            if kind == types::Optimizer::LazyAdam {
                model.track_touched();
            }
            let optimizer = OptimizerConfig { kind, lr: 0.01, weight_decay: 1e-3 };
            for step in 0..5 {
                // A model may be trained either way from one pass to the next, and asked for predictions in between.
                alone(keeps && step != 2, || {
                    model.forward(batch, Some(Stream::new(5, Purpose::Dropout, &[step])), true);
                    model.backward(|chunk| super::super::cross_entropy(Isa::detect(), 150.0, chunk));
                    model.step(&optimizer);
                    model.predict(source, batch.picked, &mut vec![0.0; 300]);
                });
            }
            let mut logits = vec![0.0; 300];
            model.predict(source, batch.picked, &mut logits);
            let values = model.params.names().flat_map(|(name, _, _)| model.params.read(name, Kind::Value));
            values.chain(logits).map(f32::to_bits).collect()
        };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        for design in &designs {
            for kind in [types::Optimizer::Adam, types::Optimizer::LazyAdam, types::Optimizer::Sgd] {
                let [several, one] = [false, true].map(|keeps| pool.install(|| trained(design, kind, keeps)));
                assert!(several == one, "{kind:?}, {design:?}");
            }
        }
    }

    /// Sums have the same order on every instruction set; those that fuse multiplication and addition round alike.
    #[test]
    fn instruction_sets_agree_to_the_bit_or_to_rounding() {
        let design = Design { pairwise: true, cross: Some(2), embed_dim: 16, tower: tower(&[16, 7], true), ..design() };
        let source = Source { ids: &IDS, labels: &LABELS, targets: None, fields: 3, label_field: None };
        let positions: Vec<u32> = (0..300).map(|i| i * 7 % 6).collect();
        let batch = Batch { source, picked: Picked::Positions(&positions), weights: None };
        let optimizer = OptimizerConfig { kind: types::Optimizer::Adam, lr: 0.01, weight_decay: 1e-3 };
        let trained = |isa: Isa| -> Vec<f32> {
            let mut model = Network::on(isa, design.clone(), &KEY);
            for step in 0..10 {
                model.forward(batch, Some(Stream::new(5, Purpose::Dropout, &[step])), true);
                model.backward(|chunk| super::super::cross_entropy(isa, 300.0, chunk));
                model.step(&optimizer);
            }
            model.params.names().flat_map(|(name, _, _)| model.params.read(name, Kind::Value)).collect()
        };
        let all: Vec<(Isa, Vec<f32>)> = Isa::available().into_iter().map(|isa| (isa, trained(isa))).collect();
        let (best, expected) = &all[0];
        for (isa, found) in &all[1..] {
            if isa.is_fused() && best.is_fused() {
                assert!(found.iter().zip(expected).all(|(a, b)| a.to_bits() == b.to_bits()), "{isa:?}");
            } else {
                assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-2), "{isa:?}");
            }
        }
    }
}
