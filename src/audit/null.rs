//! What honest numbers vary by, learned from the numbers themselves: most of them are honest.

/// A number with its standard error.
#[derive(Debug, Clone, Copy)]
pub struct Estimate {
    pub value: f64,
    pub error: f64,
}

/// The spread of honest numbers: around a centre, by more than their errors say.
#[derive(Debug, Clone, Copy)]
pub struct Null {
    pub center: f64,
    pub spread: f64,
}

impl Null {
    /// By medians, which a minority of corrupt numbers does not move.
    pub fn fit(estimates: &[Estimate]) -> Self {
        let center = median(estimates.iter().map(|estimate| estimate.value).collect());
        Self::around(center, estimates)
    }

    /// With a centre that is known.
    pub fn around(center: f64, estimates: &[Estimate]) -> Self {
        let median_score = |spread: f64| {
            let null = Self { center, spread };
            median(estimates.iter().map(|estimate| null.score(*estimate).abs()).collect())
        };
        // The median of |N(0, 1)|.
        const MIDDLE: f64 = 0.674_49;
        let (mut low, mut high) = (0.0, 4.0);
        if median_score(0.0) <= MIDDLE {
            return Self { center, spread: 0.0 };
        }
        for _ in 0..40 {
            let middle = 0.5 * (low + high);
            if median_score(middle) > MIDDLE { low = middle } else { high = middle }
        }
        Self { center, spread: high }
    }

    /// How many standard deviations a number is from what is honest.
    pub fn score(&self, estimate: Estimate) -> f64 {
        (estimate.value - self.center) / f64::hypot(estimate.error, self.spread).max(1e-12)
    }
}

pub fn median(mut numbers: Vec<f64>) -> f64 {
    if numbers.is_empty() {
        return 0.0;
    }
    let middle = numbers.len() / 2;
    *numbers.select_nth_unstable_by(middle, f64::total_cmp).1
}

/// The score from which on a share of at most `rate` of what is taken is honest (Benjamini and Hochberg 1995), of scores that
/// are normal where they are honest; never below `least`. `tests`: how many there were.
pub fn threshold(scores: impl Iterator<Item = f64>, tests: usize, rate: f64, least: f64) -> f64 {
    let mut scores: Vec<f64> = scores.filter(|score| *score >= least).collect();
    scores.sort_by(|a, b| b.total_cmp(a));
    let holds = |(rank, score): &(usize, f64)| upper_tail(*score) <= rate * (rank + 1) as f64 / tests.max(1) as f64;
    let last = scores.into_iter().enumerate().rfind(holds);
    last.map_or(f64::INFINITY, |(_, score)| score)
}

/// The share of a normal distribution above `z`, for z of at least 1 (Abramowitz and Stegun 26.2.17).
fn upper_tail(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z);
    let series = [0.319_381_530, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
    let polynomial = series.iter().rev().fold(0.0, |sum, factor| (sum + factor) * t);
    polynomial * (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minority_of_corrupt_numbers_does_not_widen_what_is_honest() {
        let honest = (0..90).map(|i| f64::from(i - 45) / 45.0);
        let corrupt = (0..10).map(|_| 30.0);
        let estimates: Vec<Estimate> = honest.chain(corrupt).map(|value| Estimate { value, error: 0.1 }).collect();
        let null = Null::fit(&estimates);
        assert!(null.center.abs() < 0.2 && null.spread < 1.2, "{null:?}");
        assert!(null.score(estimates[99]) > 20.0);
    }

    #[test]
    fn thresholds_are_those_of_benjamini_and_hochberg() {
        assert!((upper_tail(3.0) - 1.349_898e-3).abs() < 1e-7 && (upper_tail(5.0) - 2.866_5e-7).abs() < 1e-9);
        // Ten scores of 4 (p = 3.2e-5) among 1,000 tests pass at 5 %: 3.2e-5 <= 0.05 * 10 / 1000. One alone passes as well.
        assert_eq!(threshold(std::iter::repeat_n(4.0, 10), 1000, 0.05, 3.0), 4.0);
        assert_eq!(threshold(std::iter::once(4.0), 10_000, 0.05, 3.0), f64::INFINITY);
        assert_eq!(threshold([4.0, 2.0].into_iter(), 10, 0.05, 3.0), 4.0, "never below the least");
    }
}
