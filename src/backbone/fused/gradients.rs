//! Checks derivatives written by hand against differences of what they are the derivatives of.

/// Compares `gradient` at `at` with central differences of `loss`, number by number. Losses are summed in f64 by the
/// caller; the arithmetic inside is f32, so a step of 2^-8 balances its rounding against the curvature.
pub fn check(what: &str, at: &[f32], gradient: &[f32], mut loss: impl FnMut(&[f32]) -> f64) {
    const STEP: f32 = 1.0 / 256.0;
    assert_eq!(at.len(), gradient.len(), "{what}");
    let mut moved = at.to_vec();
    for (i, found) in gradient.iter().enumerate() {
        moved[i] = at[i] + STEP;
        let above = loss(&moved);
        moved[i] = at[i] - STEP;
        let below = loss(&moved);
        moved[i] = at[i];
        let expected = (above - below) / f64::from(2.0 * STEP);
        let tolerance = 2e-3 + 1e-2 * expected.abs();
        assert!(
            (f64::from(*found) - expected).abs() < tolerance,
            "{what}[{i}]: {found} where differences say {expected}"
        );
    }
}

/// Numbers of size about 1, different at every place.
pub fn numbers(len: usize, seed: u32) -> Vec<f32> {
    let mut numbers = vec![0.0; len];
    crate::random::Stream::new(11, crate::random::Purpose::Init, &[seed]).fill_normal(&mut numbers);
    numbers
}
