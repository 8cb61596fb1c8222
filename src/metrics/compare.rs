//! Tests of a difference between two sets of runs (spec `metrics.md`, "t-tests"; `api.md`, "The verdict").

use super::{beta::student_t_two_sided, mean, sample_sd};

/// The most pairs whose signs can be tried in every way: 2^20 sums.
pub const MOST_PAIRS: usize = 20;

/// A two-sided t-test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TTest {
    /// Infinite where the spread is 0 and the difference is not; 0 where both are.
    pub t: f64,
    pub df: f64,
    pub p: f64,
}

impl TTest {
    fn new(difference: f64, standard_error: f64, df: f64) -> Self {
        let (t, p) = match (difference == 0.0, standard_error == 0.0) {
            (true, true) => (0.0, 1.0),
            (false, true) => (f64::INFINITY.copysign(difference), 0.0),
            _ => {
                let t = difference / standard_error;
                (t, student_t_two_sided(t, df))
            }
        };
        Self { t, df, p }
    }
}

/// Of paired runs, by their differences. None of fewer than two.
pub fn paired_t(differences: &[f64]) -> Option<TTest> {
    let n = differences.len() as f64;
    sample_sd(differences).map(|sd| TTest::new(mean(differences), sd / n.sqrt(), n - 1.0))
}

/// Of runs that need not be paired, nor spread alike. None where one side has fewer than two.
pub fn welch_t(a: &[f64], b: &[f64]) -> Option<TTest> {
    let part = |runs: &[f64]| sample_sd(runs).map(|sd| sd * sd / runs.len() as f64);
    let (of_a, of_b) = (part(a)?, part(b)?);
    let squares = of_a.powi(2) / (a.len() - 1) as f64 + of_b.powi(2) / (b.len() - 1) as f64;
    let df = if squares == 0.0 { (a.len() + b.len() - 2) as f64 } else { (of_a + of_b).powi(2) / squares };
    Some(TTest::new(mean(a) - mean(b), (of_a + of_b).sqrt(), df))
}

/// One-sided p that the differences are above 0, by the exact sign-flip test: of all 2^n ways to give them signs, the share
/// whose sum is at least the observed one. Without an effect all ways are equally likely. The smallest p is 1/2^n.
///
/// # Panics
/// With more than [`MOST_PAIRS`].
pub fn sign_flip(differences: &[f64]) -> f64 {
    let n = differences.len();
    assert!(n <= MOST_PAIRS, "at most {MOST_PAIRS} pairs");
    let observed: f64 = differences.iter().sum();
    // Sums of the same numbers in another order differ by rounding.
    let slack = 1e-12 * differences.iter().map(|d| d.abs()).sum::<f64>();
    let signed = |signs: u32| -> f64 {
        let of = |(at, d): (usize, &f64)| if signs >> at & 1 == 1 { -d } else { *d };
        differences.iter().enumerate().map(of).sum()
    };
    let ways = 1_u32 << n;
    let as_large = (0..ways).filter(|signs| signed(*signs) >= observed - slack).count();
    as_large as f64 / f64::from(ways)
}

/// The 1 - `alpha` interval of the mean of differences, by Student's t. None of fewer than two.
pub fn mean_interval(differences: &[f64], alpha: f64) -> Option<[f64; 2]> {
    let n = differences.len() as f64;
    let half = sample_sd(differences)? / n.sqrt() * t_quantile(alpha, n - 1.0);
    let center = mean(differences);
    Some([center - half, center + half])
}

/// The t beyond which, on either side, a share of `alpha` lies.
fn t_quantile(alpha: f64, df: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while student_t_two_sided(high, df) > alpha && high < 1e12 {
        high *= 2.0;
    }
    // Halved until neighbouring numbers are reached.
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if student_t_two_sided(middle, df) > alpha { low = middle } else { high = middle }
    }
    high
}

/// Standard error of an area under the ROC curve from so many rows of each kind (Radiology 1982).
pub fn hanley_mcneil(auc: f64, positives: u64, negatives: u64) -> f64 {
    let (m, n) = (positives as f64, negatives as f64);
    let squared = auc * auc;
    let (two_positives, two_negatives) = (auc / (2.0 - auc), 2.0 * squared / (1.0 + auc));
    let sum = auc * (1.0 - auc) + (m - 1.0) * (two_positives - squared) + (n - 1.0) * (two_negatives - squared);
    (sum / (m * n)).sqrt()
}

/// The z below which a share `p` of the normal distribution lies, for p of at least a half.
pub fn normal_quantile(p: f64) -> f64 {
    // With this many degrees of freedom Student's t is the normal distribution.
    t_quantile(2.0 * (1.0 - p), 1e7)
}

/// p-values corrected for being several (Holm 1979), in the order given.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let mut corrected = vec![0.0; p.len()];
    let mut least = 0.0_f64;
    for (rank, at) in order.into_iter().enumerate() {
        least = least.max(p[at] * (p.len() - rank) as f64).min(1.0);
        corrected[at] = least;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sign_flip_test_counts_every_way() {
        assert_eq!(sign_flip(&[0.1, 0.2, 0.3]), 1.0 / 8.0);
        assert_eq!(sign_flip(&[0.1; 5]), 1.0 / 32.0);
        // The sums 0.4, 0.4 (the zero's sign), and no other are at least 0.4.
        assert_eq!(sign_flip(&[0.1, 0.3, 0.0]), 2.0 / 8.0);
        assert_eq!(sign_flip(&[-0.1, 0.1]), 3.0 / 4.0);
        assert_eq!(sign_flip(&[-0.1; 4]), 1.0);
        assert_eq!(sign_flip(&[]), 1.0);
    }

    #[test]
    fn five_pairs_have_the_interval_of_a_table() {
        // t(4) leaves 2.5 % on each side beyond 2.776445105.
        assert!((t_quantile(0.05, 4.0) - 2.776_445_105).abs() < 1e-8);
        let [low, high] = mean_interval(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.05).unwrap();
        let half = 2.776_445_105 * (2.5_f64).sqrt() / 5.0_f64.sqrt();
        assert!((low - (3.0 - half)).abs() < 1e-8 && (high - (3.0 + half)).abs() < 1e-8);
        assert_eq!(mean_interval(&[1.0], 0.05), None);
    }

    #[test]
    fn the_error_of_an_auroc_is_that_of_the_paper() {
        // Hanley and McNeil, table II: AUC 0.8, 50 and 50 rows: 0.0444.
        assert!((hanley_mcneil(0.8, 50, 50) - 0.0444).abs() < 5e-4, "{}", hanley_mcneil(0.8, 50, 50));
    }

    #[test]
    fn normal_quantiles_are_those_of_a_table() {
        assert!((normal_quantile(0.975) - 1.959_964).abs() < 1e-5);
        assert!((normal_quantile(0.8) - 0.841_621).abs() < 1e-5);
        assert!(normal_quantile(0.5).abs() < 1e-9);
    }

    #[test]
    fn holm_corrects_step_by_step() {
        let close = |found: Vec<f64>, wanted: &[f64]| found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(close(holm(&[0.01, 0.04, 0.03]), &[0.03, 0.06, 0.06]));
        assert!(close(holm(&[0.5, 0.9]), &[1.0, 1.0]));
        assert!(holm(&[]).is_empty());
    }
}
