//! A block's rows as points, and the scan over all of them that every brute-force search is made of.
//!
//! A squared distance is summed coordinate by coordinate, in their order and without fused multiply-add: each search and
//! each instruction set finds the same bits, and d(i, j) = d(j, i).

use crate::simd::{Isa, kernel};

/// Points side by side in a vector: one register of AVX-512 for ids, two for numbers.
const LANES: usize = 16;

/// Is called with the place and the squared distance of a point near the query. Returns the squared distance below
/// which points are of interest from then on.
pub type Found<'f> = &'f mut dyn FnMut(u32, f64) -> f64;

/// What a point is made of.
pub trait Coordinate: Copy + Default + Send + Sync {
    type Sum: Copy + Default;

    /// `sum` and what the coordinate adds to the squared distance.
    fn add(sum: Self::Sum, a: Self, b: Self) -> Self::Sum;
    fn squared(sum: Self::Sum) -> f64;
}

impl Coordinate for f64 {
    type Sum = f64;

    #[inline(always)]
    fn add(sum: f64, a: f64, b: f64) -> f64 {
        let apart = a - b;
        sum + apart * apart
    }

    #[inline(always)]
    fn squared(sum: f64) -> f64 {
        sum
    }
}

/// Values of a field either are the same or not: the square of the distance between rows is their Hamming distance. It is
/// counted in floating point, because a compiler may not reorder such sums: of integers it makes vectors across the
/// fields instead of across the points, and gathers them one by one.
impl Coordinate for i32 {
    type Sum = f32;

    #[inline(always)]
    fn add(sum: f32, a: i32, b: i32) -> f32 {
        sum + if a == b { 0.0 } else { 1.0 }
    }

    #[inline(always)]
    fn squared(sum: f32) -> f64 {
        f64::from(sum)
    }
}

/// `[n, width]`, row-major.
#[derive(Debug)]
pub struct Rows<T> {
    pub width: usize,
    pub data: Vec<T>,
}

impl<T: Coordinate> Rows<T> {
    pub fn row(&self, row: u32) -> &[T] {
        &self.data[row as usize * self.width..][..self.width]
    }

    pub fn squared(&self, a: u32, b: u32) -> f64 {
        squared(self.row(a), self.row(b))
    }
}

/// The squared distance of two points.
pub fn squared<T: Coordinate>(a: &[T], b: &[T]) -> f64 {
    T::squared(a.iter().zip(b).fold(T::Sum::default(), |sum, (a, b)| T::add(sum, *a, *b)))
}

/// The points of a block.
#[derive(Debug)]
pub enum Points {
    Metric(Rows<f64>),
    Codes(Rows<i32>),
}

/// Points laid out for a scan: 16 points' first coordinates, their second ones, and so on; then the next 16.
#[derive(Debug)]
pub struct Packed<T> {
    lines: Vec<[T; LANES]>,
    width: usize,
    len: usize,
}

impl<T: Coordinate> Packed<T> {
    pub fn new(width: usize) -> Self {
        Self { lines: Vec::new(), width, len: 0 }
    }

    pub fn of(rows: &Rows<T>, order: &[u32]) -> Self {
        let mut packed = Self::new(rows.width);
        packed.lines.reserve_exact(order.len().div_ceil(LANES) * rows.width);
        order.iter().for_each(|row| packed.push(rows.row(*row)));
        packed
    }

    pub fn push(&mut self, point: &[T]) {
        let lane = self.len % LANES;
        if lane == 0 {
            self.lines.resize(self.lines.len() + self.width, [T::default(); LANES]);
        }
        let first = self.lines.len() - self.width;
        for (line, coordinate) in self.lines[first..].iter_mut().zip(point) {
            line[lane] = *coordinate;
        }
        self.len += 1;
    }

    /// Calls `found` in ascending order for the points from `start`, rounded down to a multiple of 16, to before `end`
    /// that are nearer than `bound`; gives the last bound.
    fn visit(&self, scan: ScanOf<T>, start: usize, end: usize, query: &[T], bound: f64, found: Found) -> f64 {
        let end = end.min(self.len);
        let first = start / LANES;
        let lines = &self.lines[first * self.width..end.div_ceil(LANES).max(first) * self.width];
        let mut bound = bound;
        scan(Isa::detect(), lines, query, first * LANES, end, &mut bound, found);
        bound
    }
}

type ScanOf<T> = fn(Isa, &[[T; LANES]], &[T], usize, usize, &mut f64, Found);

impl Packed<f64> {
    /// See `visit`.
    pub fn near(&self, start: usize, end: usize, query: &[f64], bound: f64, found: Found) -> f64 {
        self.visit(scan_numbers, start, end, query, bound, found)
    }
}

impl Packed<i32> {
    /// See `visit`.
    pub fn near(&self, start: usize, end: usize, query: &[i32], bound: f64, found: Found) -> f64 {
        self.visit(scan_ids, start, end, query, bound, found)
    }
}

kernel! {
    fn scan_numbers<S>(
        lines: &[[f64; LANES]], query: &[f64], first: usize, end: usize, bound: &mut f64, found: Found,
    ) {
        scan(lines, query, first, end, bound, found);
    }
}

kernel! {
    fn scan_ids<S>(lines: &[[i32; LANES]], query: &[i32], first: usize, end: usize, bound: &mut f64, found: Found) {
        scan(lines, query, first, end, bound, found);
    }
}

#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "lanes side by side, as vector instructions want them")]
fn scan<T: Coordinate>(lines: &[[T; LANES]], query: &[T], first: usize, end: usize, bound: &mut f64, found: Found) {
    for (place, lines) in (first..).step_by(LANES).zip(lines.chunks_exact(query.len())) {
        let mut sums = [T::Sum::default(); LANES];
        for (line, query) in lines.iter().zip(query) {
            for lane in 0..LANES {
                sums[lane] = T::add(sums[lane], *query, line[lane]);
            }
        }
        let mut any = false;
        for lane in 0..LANES {
            any |= T::squared(sums[lane]) < *bound;
        }
        if any {
            for lane in 0..LANES.min(end - place) {
                let squared = T::squared(sums[lane]);
                if squared < *bound {
                    *bound = found((place + lane) as u32, squared);
                }
            }
            // No square is below 0: no point is of interest any more.
            if *bound <= 0.0 {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points from `start` to `end` below the bound, as each instruction set finds them.
    fn check<T: Coordinate>(scan: ScanOf<T>, rows: &Rows<T>, start: usize, end: usize, bound: f64) {
        let all: Vec<u32> = (0..(rows.data.len() / rows.width) as u32).collect();
        let packed = Packed::of(rows, &all);
        let distances = all[start..end].iter().map(|row| (*row, rows.squared(*row, 7)));
        let expected: Vec<(u32, f64)> = distances.filter(|(_, squared)| *squared < bound).collect();
        assert!(!expected.is_empty() && expected.len() < end - start);
        for isa in Isa::available() {
            let mut found = Vec::new();
            let lines = &packed.lines[start / LANES * rows.width..end.div_ceil(LANES) * rows.width];
            scan(isa, lines, rows.row(7), start, end, &mut { bound }, &mut |row, squared| {
                found.push((row, squared));
                bound
            });
            assert_eq!(found, expected, "{isa:?}");
        }
    }

    #[test]
    fn every_instruction_set_finds_the_same_bits() {
        let word = |i: i32| i.wrapping_mul(0x9E37_79B9_u32 as i32).unsigned_abs();
        let numbers = Rows { width: 5, data: (0..500).map(|i| f64::from(word(i)).sqrt()).collect() };
        let ids = Rows { width: 5, data: (0..500).map(|i| (word(i) % 3) as i32).collect() };
        for (start, end) in [(0, 100), (16, 77), (64, 80)] {
            check(scan_numbers, &numbers, start, end, 2e9);
            check(scan_ids, &ids, start, end, 3.5);
        }
    }
}
