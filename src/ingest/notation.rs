//! Numbers that are not written as programs write them: `3,5` and `1.234,50`, `1,234.50`.

use super::cell::parse_number;

/// What a comma is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notation {
    /// It stands before the decimals; points stand between thousands.
    DecimalComma,
    /// It stands between thousands; a point stands before the decimals.
    ThousandsComma,
}

impl Notation {
    /// The number that a text is in this notation.
    pub fn parse(self, text: &[u8]) -> Option<f64> {
        let (thousands, decimal) = match self {
            Self::DecimalComma => (b'.', b','),
            Self::ThousandsComma => (b',', b'.'),
        };
        let text = text.trim_ascii();
        let (whole, decimals) = match text.iter().position(|byte| *byte == decimal) {
            Some(at) => (&text[..at], Some(&text[at + 1..])),
            None => (text, None),
        };
        let digits = whole.strip_prefix(b"-").or_else(|| whole.strip_prefix(b"+")).unwrap_or(whole);
        let mut groups = digits.split(|byte| *byte == thousands);
        let first = groups.next().unwrap_or_default();
        let are_digits = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
        let grouped = digits.len() > first.len();
        let good = are_digits(first)
            && (!grouped || first.len() <= 3)
            && groups.all(|group| group.len() == 3 && are_digits(group))
            && decimals.is_none_or(are_digits);
        if !good {
            return None;
        }
        let mut plain: Vec<u8> = whole.iter().copied().filter(|byte| *byte != thousands).collect();
        if let Some(decimals) = decimals {
            plain.push(b'.');
            plain.extend_from_slice(decimals);
        }
        parse_number(&plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_is_what_the_notation_says() {
        let comma = |text: &str| Notation::DecimalComma.parse(text.as_bytes());
        let point = |text: &str| Notation::ThousandsComma.parse(text.as_bytes());
        assert_eq!(
            ["3,5", "1.234,50", "-12", "1.234"].map(comma),
            [Some(3.5), Some(1234.5), Some(-12.0), Some(1234.0)]
        );
        assert_eq!(["1,234.50", "12.5", "1,234,567"].map(point), [Some(1234.5), Some(12.5), Some(1_234_567.0)]);
        assert_eq!(
            [comma("1,234.50"), comma("1.23"), point("3,5"), point("1234,567"), point("a"), comma("3,")],
            [None; 6]
        );
    }
}
