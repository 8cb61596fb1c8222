//! Checks derivatives written by hand against differences of what they are the derivatives of.

/// Compares `gradient` at `at` with central differences of `loss`, number by number, but for the few places where a
/// corner (ReLU's) lies within a step: there the differences to either side disagree. Losses are summed in f64 by the
/// caller; the arithmetic inside is f32, so a step of 2^-8 balances its rounding against the curvature.
pub fn check(what: &str, at: &[f32], gradient: &[f32], mut loss: impl FnMut(&[f32]) -> f64) {
    const STEP: f32 = 1.0 / 256.0;
    assert_eq!(at.len(), gradient.len(), "{what}");
    let mut moved = at.to_vec();
    let (here, mut corners) = (loss(at), 0);
    for (i, found) in gradient.iter().enumerate() {
        moved[i] = at[i] + STEP;
        let above = (loss(&moved) - here) / f64::from(STEP);
        moved[i] = at[i] - STEP;
        let below = (here - loss(&moved)) / f64::from(STEP);
        moved[i] = at[i];
        let expected = (above + below) / 2.0;
        let tolerance = 3e-3 + 1e-2 * expected.abs();
        if (f64::from(*found) - expected).abs() >= tolerance {
            assert!(
                (above - below).abs() > 2.0 * tolerance,
                "{what}[{i}]: {found} where differences say {below} and {above}"
            );
            corners += 1;
        }
    }
    assert!(corners <= gradient.len().div_ceil(4), "{what}: too many corners to say");
}

/// Numbers of size about 1, different at every place.
pub fn numbers(len: usize, seed: u32) -> Vec<f32> {
    let mut numbers = vec![0.0; len];
    crate::random::Stream::new(11, crate::random::Purpose::Init, &[seed]).fill_normal(&mut numbers);
    numbers
}
