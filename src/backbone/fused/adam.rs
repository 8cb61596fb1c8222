//! One optimiser step over slices that belong together; gradients are left at zero for the next one.

use crate::backbone::optimizer::Update;
use crate::simd::{kernel, prefetch};

/// Rows of a table asked for ahead.
const AHEAD: usize = 8;

kernel! {
    /// Moves parameters `p` along gradients `g` (zero afterwards), with the running means `m` of g and `v` of g squared.
    pub fn update<S>(with: Update, p: &mut [f32], m: &mut [f32], v: &mut [f32], g: &mut [f32]) {
        step(with, p, m, v, g);
    }
}

kernel! {
    /// The same for some rows only, of `width` numbers; the slices begin with row `first`.
    pub fn update_rows<S>(
        with: Update,
        rows: &[u32],
        first: u32,
        width: usize,
        p: &mut [f32],
        m: &mut [f32],
        v: &mut [f32],
        g: &mut [f32],
    ) {
        let at = |row: u32| (row - first) as usize * width;
        for (i, row) in rows.iter().enumerate() {
            if let Some(next) = rows.get(i + AHEAD) {
                for numbers in [&*p, &*m, &*v, &*g] {
                    prefetch(numbers, at(*next));
                }
            }
            let row = at(*row)..at(*row) + width;
            step(with, &mut p[row.clone()], &mut m[row.clone()], &mut v[row.clone()], &mut g[row]);
        }
    }
}

#[inline(always)]
fn step(with: Update, p: &mut [f32], m: &mut [f32], v: &mut [f32], g: &mut [f32]) {
    let n = p.len();
    let (m, v, g) = (&mut m[..n], &mut v[..n], &mut g[..n]);
    match with {
        Update::Adam { decay, rate, scale } => {
            for i in 0..n {
                let gradient = g[i] + decay * p[i];
                g[i] = 0.0;
                m[i] += (gradient - m[i]) * Update::REST1;
                v[i] = v[i] * Update::BETA2 + gradient * gradient * Update::REST2;
                p[i] -= rate * m[i] / (v[i].sqrt() * scale + Update::EPS);
            }
        }
        Update::Sgd { decay, rate } => {
            for i in 0..n {
                p[i] -= rate * (g[i] + decay * p[i]);
                g[i] = 0.0;
            }
        }
    }
}
