//! Numbers in whole, aligned lines of 16, so that a vector is one cache line.

use crate::simd::{LANES, Line};

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Aligned(Line);

/// `len` f32 numbers; what fills up the last line is zero at first.
#[derive(Clone, Default)]
pub struct Buffer {
    lines: Vec<Aligned>,
    len: usize,
}

impl Buffer {
    pub fn zeroed(len: usize) -> Self {
        Self { lines: vec![Aligned([0.0; LANES]); len.div_ceil(LANES)], len }
    }

    pub fn lines(&self) -> &[Line] {
        // SAFETY: `Aligned` is a `Line` with a wider alignment: same size, same content.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.lines.len()) }
    }

    pub fn lines_mut(&mut self) -> &mut [Line] {
        // SAFETY: as above; the borrow is unique.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.lines.len()) }
    }
}

impl std::ops::Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.lines().as_flattened()[..self.len]
    }
}

impl std::ops::DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        let len = self.len;
        &mut self.lines_mut().as_flattened_mut()[..len]
    }
}

/// Rows of `width` numbers, each starting a line; the rest of a row's last line stays zero.
#[derive(Clone, Default)]
pub struct Matrix {
    buffer: Buffer,
    /// Lines of a row.
    pub stride: usize,
}

impl Matrix {
    pub fn zeroed(rows: usize, width: usize) -> Self {
        let stride = width.div_ceil(LANES);
        Self { buffer: Buffer::zeroed(rows * stride * LANES), stride }
    }

    /// Rows 0..n as lines.
    pub fn lines(&self, n: usize) -> &[Line] {
        &self.buffer.lines()[..n * self.stride]
    }

    pub fn lines_mut(&mut self, n: usize) -> &mut [Line] {
        &mut self.buffer.lines_mut()[..n * self.stride]
    }

    pub fn row(&self, row: usize) -> &[f32] {
        &self.buffer[row * self.stride * LANES..][..self.stride * LANES]
    }

    pub fn row_mut(&mut self, row: usize) -> &mut [f32] {
        let width = self.stride * LANES;
        &mut self.buffer[row * width..][..width]
    }
}
