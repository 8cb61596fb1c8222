//! Binary cross-entropy of logits: max(z, 0) - z y + ln(1 + e^-|z|), and its derivative sigmoid(z) - y.

use crate::simd::kernel;

kernel! {
    /// Losses `[n]` of logits z `[n]` against labels y `[n]`.
    pub fn losses<S>(z: &[f32], y: &[f32], losses: &mut [f32]) {
        for ((z, y), loss) in z.iter().zip(y).zip(losses) {
            *loss = cross_entropy(*z, *y).0;
        }
    }
}

kernel! {
    /// The same, and the derivative dz `[n]` of their weighted mean; `total` is the sum of the weights of the whole batch,
    /// or its number of rows where there are none.
    pub fn losses_and_gradients<S>(
        total: f32,
        z: &[f32],
        y: &[f32],
        weights: &[f32],
        losses: &mut [f32],
        dz: &mut [f32],
    ) {
        let scale = 1.0 / total;
        for (((z, y), loss), dz) in z.iter().zip(y).zip(losses).zip(dz.iter_mut()) {
            let derivative;
            (*loss, derivative) = cross_entropy(*z, *y);
            *dz = derivative * scale;
        }
        for (dz, weight) in dz.iter_mut().zip(weights) {
            *dz *= weight;
        }
    }
}

/// Loss and derivative of one logit.
#[inline(always)]
fn cross_entropy(z: f32, y: f32) -> (f32, f32) {
    let e = exp_of_negative(-z.abs());
    // ln(1 + e) = 2 artanh(s): no digit is lost, however small e is. s <= 1/3.
    let s = e / (2.0 + e);
    let q = s * s;
    let series = ((((((q / 15.0 + 1.0 / 13.0) * q + 1.0 / 11.0) * q + 1.0 / 9.0) * q + 1.0 / 7.0) * q + 1.0 / 5.0) * q
        + 1.0 / 3.0)
        * q
        + 1.0;
    let larger = 1.0 / (1.0 + e);
    let sigmoid = if z >= 0.0 { larger } else { e * larger };
    (z.max(0.0) - z * y + 2.0 * s * series, sigmoid - y)
}

/// e^x for x <= 0 to 2 units in the last place; 0 below the smallest normal number. Without branches, so that the
/// compiler can use vectors.
#[inline(always)]
pub fn exp_of_negative(x: f32) -> f32 {
    /// Adding it rounds to a whole number, found in the low bits.
    const ROUND: f32 = 12_582_912.0;
    // NaN stays NaN: the comparison is false for it.
    let clamped = if x < -88.0 { -88.0 } else { x };
    let shifted = clamped * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    // ln 2 in two parts: n times the first is exact.
    let r = (clamped - n * 0.693_359_4) + n * 2.121_944_4e-4;
    let p = ((((1.987_569_1e-4 * r + 1.398_199_9e-3) * r + 8.333_452e-3) * r + 4.166_579_6e-2) * r + 1.666_666_5e-1)
        * r
        + 0.5;
    let power = f32::from_bits(shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23);
    (p * r * r + r + 1.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Isa;

    #[test]
    fn losses_and_derivatives_are_those_of_f64() {
        let z: Vec<f32> = (-4000..=4000).map(|i| i as f32 * 0.01).chain([-200.0, 200.0, 0.0, -0.0]).collect();
        for isa in Isa::available() {
            for y in [0.0_f32, 1.0, 0.3] {
                let (mut loss, mut dz) = (vec![0.0; z.len()], vec![0.0; z.len()]);
                losses_and_gradients(isa, 1.0, &z, &vec![y; z.len()], &[], &mut loss, &mut dz);
                for (i, z) in z.iter().map(|z| f64::from(*z)).enumerate() {
                    let y = f64::from(y);
                    let exact = z.max(0.0) - z * y + (-z.abs()).exp().ln_1p();
                    let derivative = 1.0 / (1.0 + (-z).exp()) - y;
                    // Near the margin of f32's normal numbers a loss counts as 0.
                    assert!(
                        (f64::from(loss[i]) - exact).abs() <= 4e-7 * exact.abs() + 2e-38,
                        "{z} {y}: {} {exact}",
                        loss[i]
                    );
                    assert!((f64::from(dz[i]) - derivative).abs() <= 3e-7, "{z} {y}: {} {derivative}", dz[i]);
                }
            }
        }
    }

    #[test]
    fn what_is_not_a_number_stays_so() {
        let (mut loss, mut dz) = ([0.0], [0.0]);
        losses_and_gradients(Isa::detect(), 1.0, &[f32::NAN], &[1.0], &[], &mut loss, &mut dz);
        assert!(loss[0].is_nan() && dz[0].is_nan());
    }
}
