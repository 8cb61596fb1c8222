//! From logits of models that have not seen a row, to the probability that the row's label is true.

/// Noise rates are estimated from this share of the rows, at either end of the logits.
const ANCHORS: f64 = 0.005;
/// Probabilities that a true label is 1 stay between this and 1 minus this: nothing is certain of a row.
pub const LEAST: f32 = 0.005;

/// The rate at which labels are wrong, if it is the same for all rows. Of the rows that a model is surest of, for
/// either label, it is the share that has the other label; the smaller of the two shares, since the model may be wrong
/// as well.
pub fn noise_rate(logits: &[f32], labels: &[u8]) -> f64 {
    let mut order: Vec<u32> = (0..logits.len() as u32).collect();
    order.sort_unstable_by(|a, b| logits[*a as usize].total_cmp(&logits[*b as usize]).then(a.cmp(b)));
    let count = ((logits.len() as f64 * ANCHORS) as usize).clamp(1, logits.len().max(1));
    let share = |rows: &[u32], label: u8| {
        rows.iter().filter(|row| labels[**row as usize] == label).count() as f64 / rows.len().max(1) as f64
    };
    let (low, high) = (&order[..count.min(order.len())], &order[order.len().saturating_sub(count)..]);
    share(low, 1).min(share(high, 0)).min(0.45)
}

/// The probability that a row's true label is 1, where its given label is 1 with probability `p` and labels are wrong at
/// the rate `rho`: p = q (1 - rho) + (1 - q) rho.
pub fn truth(p: f32, rho: f64) -> f32 {
    (((f64::from(p) - rho) / (1.0 - 2.0 * rho)) as f32).clamp(LEAST, 1.0 - LEAST)
}

/// The probability that a given label is true, by Bayes.
pub fn belief(q: f32, label: u8, rho: f64) -> f32 {
    let own = f64::from(if label == 1 { q } else { 1.0 - q });
    let (right, wrong) = (own * (1.0 - rho), (1.0 - own) * rho);
    (right / (right + wrong).max(1e-9)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::sigmoid;
    use crate::random::{Purpose, Stream};

    fn uniform(n: usize, tag: u32) -> Vec<f32> {
        let mut numbers = vec![0.0; n];
        Stream::new(4, Purpose::Init, &[tag]).fill_uniform(&mut numbers);
        numbers
    }

    #[test]
    fn flips_are_counted_and_found() {
        let n = 100_000;
        let z: Vec<f32> = uniform(n, 2).iter().map(|u| 16.0 * u - 8.0).collect();
        let (truths, flips) = (uniform(n, 3), uniform(n, 4));
        let rate = 0.2;
        let labels: Vec<u8> =
            (0..n).map(|i| u8::from((truths[i] < sigmoid(z[i])) != (flips[i] < rate as f32))).collect();
        let rho = noise_rate(&z, &labels);
        assert!((rho - rate).abs() < 0.04, "{rho}");
        assert!(noise_rate(&z, &z.iter().map(|z| u8::from(*z > 0.0)).collect::<Vec<_>>()) == 0.0, "no noise at all");
        // Of p = 0.5 nothing is known; a sure and contradicted row is most likely flipped.
        assert!((belief(truth(0.5, rate), 1, rate) - 0.8).abs() < 1e-6);
        assert!(belief(truth(0.79, rate), 0, rate) < 0.1);
        assert!(belief(truth(0.79, rate), 1, rate) > 0.99);
    }
}
