//! One optimiser step over slices that belong together; gradients are left at zero for the next one.

use crate::backbone::optimizer::Update;
use crate::simd::kernel;

kernel! {
    /// Moves parameters `p` along gradients `g` (zero afterwards), with the running means `m` of g and `v` of g squared.
    pub fn update<S>(with: Update, p: &mut [f32], m: &mut [f32], v: &mut [f32], g: &mut [f32]) {
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
}
