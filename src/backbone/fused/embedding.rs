//! Tables: reading rows, adding gradients into them (EMB and LINEAR of spec `backbones.md` section 1.1).
//!
//! A field has its own rows of a table, so different fields can be worked on at once, each in the order of the batch.

use crate::simd::{LANES, Line, is_far, kernel, prefetch};

/// Rows of the batch whose places in a table are asked for ahead.
const AHEAD: usize = 4;

kernel! {
    /// x `[n, >= F E]` = the rows `ids` `[n, F]` of a table `[D, E]`, side by side.
    pub fn gather<S>(table: &[f32], width: usize, ids: &[u32], fields: usize, x: &mut [Line], stride: usize) {
        let far = is_far(table);
        for (row, (x, own)) in x.chunks_exact_mut(stride).zip(ids.chunks_exact(fields)).enumerate() {
            if far {
                for id in ids.iter().skip((row + AHEAD) * fields).take(fields) {
                    prefetch(table, *id as usize * width);
                }
            }
            if width == LANES {
                // The usual width: a row is one vector.
                for (x, id) in x.iter_mut().zip(own) {
                    let line = table.as_chunks::<LANES>().0;
                    S::store(x, S::load(&line[*id as usize]));
                }
            } else if width.is_multiple_of(LANES) {
                for (x, id) in x.chunks_exact_mut(width / LANES).zip(own) {
                    let row = &table[*id as usize * width..][..width];
                    for (x, line) in x.iter_mut().zip(row.as_chunks::<LANES>().0) {
                        S::store(x, S::load(line));
                    }
                }
            } else {
                for (x, id) in x.as_flattened_mut().chunks_exact_mut(width).zip(own) {
                    let row = &table[*id as usize * width..][..width];
                    for (x, value) in x.iter_mut().zip(row) {
                        *x = *value;
                    }
                }
            }
        }
    }
}

kernel! {
    /// Adds the gradients dx `[n, >= F E]` of the columns of the fields `own`, row by row, into their rows of a table's gradient,
    /// which begin with the id `start`.
    pub fn scatter<S>(
        g: &mut [f32],
        start: u32,
        width: usize,
        ids: &[u32],
        fields: usize,
        own: &[usize],
        dx: &[Line],
        stride: usize,
    ) {
        let far = is_far(g);
        for (row, (dx, ids_of_row)) in dx.chunks_exact(stride).zip(ids.chunks_exact(fields)).enumerate() {
            for field in own {
                if far && let Some(id) = ids.get((row + 2 * AHEAD) * fields + field) {
                    prefetch(g, (id - start) as usize * width);
                }
                let id = (ids_of_row[*field] - start) as usize;
                if width == LANES {
                    // The usual width: a row is one vector.
                    let g = &mut g.as_chunks_mut::<LANES>().0[id];
                    S::store(g, S::add(S::load(g), S::load(&dx[*field])));
                } else if width.is_multiple_of(LANES) {
                    let row = &mut g[id * width..][..width];
                    let dx = &dx[field * (width / LANES)..];
                    for (g, dx) in row.as_chunks_mut::<LANES>().0.iter_mut().zip(dx) {
                        S::store(g, S::add(S::load(g), S::load(dx)));
                    }
                } else {
                    let row = &mut g[id * width..][..width];
                    for (g, dx) in row.iter_mut().zip(&dx.as_flattened()[field * width..]) {
                        *g += dx;
                    }
                }
            }
        }
    }
}

/// z `[n, outputs]` (the first of each row) += bias + the sum of the rows' first-order weights.
pub fn add_first_order(table: &[f32], bias: f32, ids: &[u32], fields: usize, z: &mut [f32], outputs: usize) {
    for (z, ids) in z.chunks_exact_mut(outputs).zip(ids.chunks_exact(fields)) {
        let sum: f32 = ids.iter().map(|id| table[*id as usize]).sum();
        z[0] += sum + bias;
    }
}

/// The gradient of `add_first_order`, whose logits are one a row, by the table's rows of the fields `own`.
pub fn scatter_first_order(g: &mut [f32], start: u32, ids: &[u32], fields: usize, own: &[usize], dz: &[f32]) {
    for (dz, ids) in dz.iter().zip(ids.chunks_exact(fields)) {
        for field in own {
            g[(ids[*field] - start) as usize] += dz;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbone::fused::gradients::{check, numbers};
    use crate::backbone::fused::memory::Matrix;
    use crate::simd::Isa;

    /// Two fields of 3 and 2 values; an id that comes twice adds up.
    const IDS: [u32; 6] = [0, 3, 2, 4, 2, 3];

    #[test]
    fn the_gradient_of_a_lookup_is_that_of_its_rows() {
        for (isa, width) in Isa::available().into_iter().flat_map(|isa| [16, 5, 32].map(|width| (isa, width))) {
            let (table, weights) = (numbers(5 * width, 1), numbers(3 * 2 * width, 2));
            let looked_up = |table: &[f32]| {
                let mut x = Matrix::zeroed(3, 2 * width);
                let stride = x.stride;
                gather(isa, table, width, &IDS, 2, x.lines_mut(3), stride);
                x
            };
            let mut dx = Matrix::zeroed(3, 2 * width);
            for (row, weights) in weights.chunks(2 * width).enumerate() {
                dx.row_mut(row)[..2 * width].copy_from_slice(weights);
            }
            let mut g = vec![0.0; 5 * width];
            let (first, second) = g.split_at_mut(3 * width);
            scatter(isa, first, 0, width, &IDS, 2, &[0], dx.lines(3), dx.stride);
            scatter(isa, second, 3, width, &IDS, 2, &[1], dx.lines(3), dx.stride);
            check("lookup", &table, &g, |table| {
                let x = looked_up(table);
                let sum = |(row, weights): (usize, &[f32])| -> f64 {
                    x.row(row).iter().zip(weights).map(|(x, w)| f64::from(x * w)).sum()
                };
                weights.chunks(2 * width).enumerate().map(sum).sum()
            });
        }
    }

    #[test]
    fn the_gradient_of_first_order_weights_is_that_of_their_sum() {
        let (table, dz) = (numbers(5, 1), numbers(3, 2));
        let mut g = vec![0.0; 5];
        let (first, second) = g.split_at_mut(3);
        scatter_first_order(first, 0, &IDS, 2, &[0], &dz);
        scatter_first_order(second, 3, &IDS, 2, &[1], &dz);
        check("first order", &table, &g, |table| {
            let mut z = [0.0; 3];
            add_first_order(table, 0.5, &IDS, 2, &mut z, 1);
            z.iter().zip(&dz).map(|(z, dz)| f64::from(z * dz)).sum()
        });
    }
}
