//! What a verdict may err by, given how many there were on the same test rows.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How fast the share of alpha falls from one verdict to the next, and what the shares add up to without the factor: the
/// sum of k^-DECAY over all k.
const DECAY: f64 = 2.1;
const ZETA: f64 = 1.560_216_533_503_386;

/// Which verdict on its table's test rows one is, and what it may err by.
///
/// Every verdict reads the test rows, and whoever asks for enough of them is certified by luck. So the k-th may err by
/// alpha k^-2.1 / zeta(2.1): all of them together by no more than alpha, however many there are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TestRead {
    /// From 1. The same job again, to the byte of its spec, has the same number.
    pub number: u32,
    /// What all verdicts on these rows may err by together.
    pub alpha: f64,
    /// What this one may.
    pub own_alpha: f64,
}

impl TestRead {
    pub fn new(number: u32, alpha: f64) -> Self {
        Self { number, alpha, own_alpha: alpha * f64::from(number.max(1)).powf(-DECAY) / ZETA }
    }

    /// The fewest seeds whose test can give a p-value as small as this.
    pub fn seeds_needed(&self) -> u32 {
        (1.0 / self.own_alpha).log2().ceil() as u32
    }

    /// In a line.
    pub fn describe(&self) -> String {
        format!(
            "{} verdict on this table's test rows: judged at {} of alpha {}, which takes {} seeds or more",
            ordinal(self.number),
            two_digits(self.own_alpha),
            self.alpha,
            self.seeds_needed()
        )
    }
}

/// `first`, `second`, `third`, `4th`.
fn ordinal(number: u32) -> String {
    let word = match (number, number % 100, number % 10) {
        (1, ..) => "first",
        (2, ..) => "second",
        (3, ..) => "third",
        (_, 11..=13, _) => return format!("{number}th"),
        (.., 1) => return format!("{number}st"),
        (.., 2) => return format!("{number}nd"),
        (.., 3) => return format!("{number}rd"),
        _ => return format!("{number}th"),
    };
    word.to_owned()
}

/// A number below 1 to two digits that count.
pub fn two_digits(number: f64) -> String {
    let decimals = (1.0 - number.log10().floor()).clamp(2.0, 12.0) as usize;
    format!("{number:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_verdicts_on_a_table_err_by_no_more_than_alpha_together() {
        let read = |number| TestRead::new(number, 0.05).own_alpha;
        let first: f64 = (1..=100_000).map(read).sum();
        // What follows is below the integral of k^-2.1 from there.
        let rest = 0.05 / ZETA * 100_000_f64.powf(-1.1) / 1.1;
        assert!(first < 0.05 && first + rest > 0.05 - 1e-9, "{first} and {rest}");
        assert!((1..1000).all(|number| read(number + 1) < read(number)));
    }

    #[test]
    fn five_seeds_reach_the_first_share_and_later_ones_need_more() {
        let needed = |number| TestRead::new(number, 0.05).seeds_needed();
        assert_eq!([1, 2, 3, 10, 143].map(needed), [5, 8, 9, 12, 20]);
        assert!(0.5_f64.powi(5) <= TestRead::new(1, 0.05).own_alpha);
        assert!((TestRead::new(1, 0.05).own_alpha - 0.641 * 0.05).abs() < 1e-5);
    }

    #[test]
    fn a_read_is_told_in_a_line() {
        let said = |number| TestRead::new(number, 0.05).describe();
        assert_eq!(
            said(3),
            "third verdict on this table's test rows: judged at 0.0032 of alpha 0.05, which takes 9 seeds or more"
        );
        assert!(said(1).starts_with("first verdict on this table's test rows: judged at 0.032 of"), "{}", said(1));
        assert_eq!([4, 11, 22, 103].map(ordinal), ["4th", "11th", "22nd", "103rd"]);
        assert_eq!(two_digits(0.32), "0.32");
    }
}
