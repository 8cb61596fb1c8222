//! What is expected of rows, beside what their labels are.

use crate::metrics::Platt;

/// Rows of about the same expectation: its mean in log-odds, and how many have label 0 and label 1.
pub type Bin = (f64, [f64; 2]);

/// Rows with expectations `[n]` and labels `[n]` in at most `count` bins of as many rows each, the lowest expectation first.
pub fn bin_by_expectation(expected: &[f32], labels: &[u8], count: usize) -> Vec<Bin> {
    let mut order: Vec<u32> = (0..expected.len() as u32).collect();
    order.sort_unstable_by(|a, b| expected[*a as usize].total_cmp(&expected[*b as usize]));
    let bin = |rows: &[u32]| {
        let center = rows.iter().map(|row| f64::from(expected[*row as usize])).sum::<f64>() / rows.len() as f64;
        let ones = rows.iter().filter(|row| labels[**row as usize] == 1).count() as f64;
        (center, [rows.len() as f64 - ones, ones])
    };
    order.chunks(expected.len().div_ceil(count).max(1)).map(bin).collect()
}

/// Brings logits `[n]` to the scale of the labels `[n]`.
pub fn recalibrate(logits: &mut [f32], labels: &[u8]) {
    let platt = Platt::fit(logits.iter().zip(labels).map(|(z, label)| (*z, *label, 1.0)));
    logits.iter_mut().for_each(|z| *z = (platt.a * f64::from(*z) + platt.b) as f32);
}
