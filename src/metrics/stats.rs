//! Numbers over several runs.

/// The mean; nan of none.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The sample's standard deviation (n - 1); none of fewer than two.
pub fn sample_sd(values: &[f64]) -> Option<f64> {
    let center = mean(values);
    let squares: f64 = values.iter().map(|value| (value - center).powi(2)).sum();
    (values.len() >= 2).then(|| (squares / (values.len() - 1) as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_of_a_sample() {
        assert_eq!((mean(&[1.0, 2.0, 6.0]), sample_sd(&[1.0, 2.0, 6.0])), (3.0, Some(7.0_f64.sqrt())));
        assert_eq!(sample_sd(&[1.0]), None);
    }
}
