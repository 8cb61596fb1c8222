//! A fixed share of a batch's rows with all that is computed of them. Chunks are the unit of work of threads, and sums
//! over a batch are sums over chunks in order: results do not depend on how many threads there are.

use super::memory::{Buffer, Matrix};
use crate::simd::LANES;

/// Rows of a chunk: their embeddings and gradients stay in a core's own cache.
pub const CHUNK_ROWS: usize = 128;

/// What a chunk needs room for.
#[derive(Debug, Clone)]
pub struct ChunkShape {
    /// F.
    pub fields: usize,
    /// Columns of x: flat embeddings, then products.
    pub width: usize,
    /// Logits of a row.
    pub outputs: usize,
    /// Columns of each term's own matrix.
    pub terms: Vec<usize>,
    /// Hidden widths of the tower.
    pub hidden: Vec<usize>,
}

pub struct Chunk {
    /// Rows in it now, at most `CHUNK_ROWS`.
    pub rows: usize,
    /// Position of its first row in the batch.
    pub first: usize,
    /// `[rows, F]`.
    pub ids: Vec<u32>,
    /// `[rows]`: labels, or the probabilities that they are 1.
    pub labels: Vec<f32>,
    /// `[rows]`: weights of the losses; empty where every row weighs 1. A row of weight 0 counts in nothing.
    pub weights: Vec<f32>,
    /// `[rows, width]`; without room until [`Chunk::make_room`], as is `dx`.
    pub x: Matrix,
    /// Gradient of the loss by `x`.
    pub dx: Matrix,
    /// `[rows, outputs]`.
    pub z: Buffer,
    /// Gradient of the loss by `z`.
    pub dz: Buffer,
    /// `[rows]`.
    pub losses: Buffer,
    /// What each term keeps from its forward for its backward pass.
    pub terms: Vec<Matrix>,
    pub hidden: Vec<Hidden>,
}

/// A hidden layer's part of a chunk; H columns.
pub struct Hidden {
    /// Before BatchNorm.
    pub a: Matrix,
    /// After BatchNorm, ReLU and dropout.
    pub h: Matrix,
    /// Gradient by `h`, then by BatchNorm's output, then by `a`.
    pub d: Matrix,
    /// Dropout's factors.
    pub mask: Matrix,
    /// Rows that count, and the mean and the sum of squared deviations of `a` over them.
    pub counted: f32,
    pub mean: Buffer,
    pub deviation: Buffer,
    /// Sums of dy and of dy times the normalised value.
    pub sum_dy: Buffer,
    pub sum_dy_x: Buffer,
}

impl Chunk {
    pub fn new(shape: &ChunkShape) -> Self {
        let matrix = |width| Matrix::zeroed(CHUNK_ROWS, width);
        let hidden = shape.hidden.iter().map(|width| {
            let (matrix, sums) =
                (|| Matrix::zeroed(CHUNK_ROWS, *width), || Buffer::zeroed(width.next_multiple_of(LANES)));
            Hidden {
                a: matrix(),
                h: matrix(),
                d: matrix(),
                mask: matrix(),
                counted: 0.0,
                mean: sums(),
                deviation: sums(),
                sum_dy: sums(),
                sum_dy_x: sums(),
            }
        });
        Self {
            rows: 0,
            first: 0,
            ids: vec![0; CHUNK_ROWS * shape.fields],
            labels: vec![0.0; CHUNK_ROWS],
            weights: Vec::new(),
            x: Matrix::default(),
            dx: Matrix::default(),
            z: Buffer::zeroed(CHUNK_ROWS * shape.outputs),
            dz: Buffer::zeroed(CHUNK_ROWS * shape.outputs),
            losses: Buffer::zeroed(CHUNK_ROWS),
            terms: shape.terms.iter().map(|width| matrix(*width)).collect(),
            hidden: hidden.collect(),
        }
    }

    /// Room for what no tile will lend it.
    pub fn make_room(&mut self, shape: &ChunkShape, tile: Option<&Tile>) {
        let lent = tile.map_or([false; 2], |tile| [tile.has_x(), true]);
        for (matrix, lent) in [&mut self.x, &mut self.dx].into_iter().zip(lent) {
            if matrix.stride == 0 && !lent {
                *matrix = Matrix::zeroed(CHUNK_ROWS, shape.width);
            }
        }
    }
}

/// Room for x and dx of one chunk, lent to each in turn where one thread works on all of a batch: those of a whole batch would
/// not stay in its core's cache from one stage to the next, so x is read from the tables once more on the way back.
#[derive(Default)]
pub struct Tile {
    /// Empty where x takes longer to compute than to keep.
    x: Matrix,
    dx: Matrix,
}

impl Tile {
    pub fn new(shape: &ChunkShape, has_x: bool) -> Self {
        let matrix = || Matrix::zeroed(CHUNK_ROWS, shape.width);
        Self { x: if has_x { matrix() } else { Matrix::default() }, dx: matrix() }
    }

    /// Whether it lends x, too.
    pub fn has_x(&self) -> bool {
        self.x.stride > 0
    }

    /// Lends a chunk its room for a piece of work.
    pub fn lend(&mut self, chunk: &mut Chunk, work: impl FnOnce(&mut Chunk)) {
        let has_x = self.has_x();
        let mut swap = |chunk: &mut Chunk| {
            if has_x {
                std::mem::swap(&mut self.x, &mut chunk.x);
            }
            std::mem::swap(&mut self.dx, &mut chunk.dx);
        };
        swap(chunk);
        work(chunk);
        swap(chunk);
    }
}
