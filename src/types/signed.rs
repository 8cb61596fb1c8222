//! Differences in words.

/// A difference with its sign and so many digits behind the point; one of which no digit is shown but zeros has no sign.
pub fn signed(difference: f64, digits: usize) -> String {
    let text = format!("{difference:+.digits$}");
    let is_zero = difference.is_finite() && !text.contains(|c: char| ('1'..='9').contains(&c));
    if is_zero { format!("{:.digits$}", 0.0) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_has_no_sign_and_everything_else_has() {
        let told = [0.0, -0.0, 0.00004, -0.00004, 0.00006, -0.01, 1.0].map(|difference| signed(difference, 4));
        assert_eq!(told, ["0.0000", "0.0000", "0.0000", "0.0000", "+0.0001", "-0.0100", "+1.0000"]);
        assert_eq!(signed(f64::NAN, 2), "NaN");
    }
}
