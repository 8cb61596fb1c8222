//! What one cell says: a number, a label, a split's name, a time.

use crate::types::Split;
use chrono::{DateTime, NaiveDate, NaiveDateTime};

/// A finite number, spaces around it allowed.
pub(super) fn parse_number(cell: &[u8]) -> Option<f64> {
    // Most numbers are ratings, counts and ids. Up to 15 digits are exact in an f64 without the general parser, which would
    // take longer than the rest of the row's label.
    if (1..=15).contains(&cell.len()) && cell.iter().all(u8::is_ascii_digit) {
        return Some(cell.iter().fold(0_u64, |number, digit| number * 10 + u64::from(digit - b'0')) as f64);
    }
    let text = std::str::from_utf8(cell.trim_ascii()).ok()?;
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

/// 0 or 1, in any notation, also written as a truth value.
pub(super) fn parse_label(cell: &[u8]) -> Option<u8> {
    match cell {
        b"0" => return Some(0),
        b"1" => return Some(1),
        _ => {}
    }
    let cell = cell.trim_ascii();
    let is = |word: &&str| cell.eq_ignore_ascii_case(word.as_bytes());
    if ["false", "f", "no", "n"].iter().any(is) {
        return Some(0);
    }
    if ["true", "t", "yes", "y"].iter().any(is) {
        return Some(1);
    }
    match parse_number(cell) {
        Some(0.0) => Some(0),
        Some(1.0) => Some(1),
        _ => None,
    }
}

/// Whether the cell is a number with a decimal comma.
pub(super) fn has_decimal_comma(cell: &[u8]) -> bool {
    let text = cell.trim_ascii();
    let commas = text.iter().filter(|byte| **byte == b',').count();
    commas == 1
        && parse_number(&text.iter().map(|byte| if *byte == b',' { b'.' } else { *byte }).collect::<Vec<_>>()).is_some()
}

/// Whether the cell lists items with a label each: `N19-0 N20-1`.
pub(super) fn lists_labels(cell: &[u8]) -> bool {
    let mut items = cell.split(u8::is_ascii_whitespace).filter(|item| !item.is_empty()).peekable();
    items.peek().is_some() && items.all(|item| item.len() > 2 && (item.ends_with(b"-0") || item.ends_with(b"-1")))
}

/// The split that a word names.
pub(super) fn parse_split(cell: &[u8]) -> Option<Split> {
    let cell = cell.trim_ascii();
    let is = |word: &str| cell.eq_ignore_ascii_case(word.as_bytes());
    if is("train") {
        Some(Split::Train)
    } else if is("test") {
        Some(Split::Test)
    } else if ["valid", "val", "validation", "dev"].into_iter().any(is) {
        Some(Split::Valid)
    } else {
        None
    }
}

/// The rule of the Criteo models: floor(ln(v)^2) for v > 2, else floor(v).
pub(super) fn log_bucket(value: f64) -> f64 {
    let bucket = if value > 2.0 { value.ln().powi(2).floor() } else { value.floor() };
    // Minus zero is zero.
    bucket + 0.0
}

/// A moment, for ordering: 10^-9 of the column's unit for numbers, nanoseconds since 1970 (UTC) for dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Time {
    pub kind: TimeKind,
    pub key: i128,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeKind {
    Number,
    Iso8601,
}

const NANOS: i128 = 1_000_000_000;

/// A number, exact to nine decimals however large (nanosecond stamps do not fit an f64), or a date or time by ISO 8601. That
/// may have slashes for dashes, and a zone behind a blank.
pub(super) fn parse_time(cell: &[u8]) -> Option<Time> {
    let text = std::str::from_utf8(cell.trim_ascii()).ok()?;
    if let Some(key) = parse_decimal(text) {
        return Some(Time { kind: TimeKind::Number, key });
    }
    if let Some(number) = parse_number(cell) {
        // The range of a 64-bit integer, as for plain digits.
        return (number.abs() < 9.3e18).then_some(Time { kind: TimeKind::Number, key: (number * 1e9) as i128 });
    }
    let key = parse_iso8601(text).or_else(|| parse_iso8601(&in_iso8601(text)))?;
    Some(Time { kind: TimeKind::Iso8601, key })
}

/// Dates as programs print them in the notation of ISO 8601: `2019/10/01`, `2017-11-25 12:00:00 UTC`, `… +0000`.
fn in_iso8601(text: &str) -> String {
    let text = ["UTC", "GMT", "Z"].iter().find_map(|zone| text.strip_suffix(zone)).unwrap_or(text).trim_end();
    let (date, time) = text.split_at_checked(10).unwrap_or((text, ""));
    let date = if date.matches('/').count() == 2 { date.replace('/', "-") } else { date.to_owned() };
    // A zone stands right behind the time.
    date + &time.replace(" +", "+").replace(" -", "-")
}

/// The time that a text says, for ordering times of one column: a number or an ISO 8601 date or time.
pub fn time_key(text: &str) -> Option<i128> {
    parse_time(text.as_bytes()).map(|time| time.key)
}

fn parse_decimal(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || whole.len() > 19 || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let mut nanos = 0;
    for place in 0..9 {
        nanos = nanos * 10 + fraction.as_bytes().get(place).map_or(0, |digit| i128::from(digit - b'0'));
    }
    let key = whole.parse::<i128>().ok()? * NANOS + nanos;
    Some(if negative { -key } else { key })
}

fn parse_iso8601(text: &str) -> Option<i128> {
    let nanos = |seconds: i64, sub: u32| i128::from(seconds) * NANOS + i128::from(sub);
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(nanos(time.timestamp(), time.timestamp_subsec_nanos()));
    }
    for format in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"] {
        if let Ok(time) = NaiveDateTime::parse_from_str(text, format) {
            return Some(nanos(time.and_utc().timestamp(), time.and_utc().timestamp_subsec_nanos()));
        }
    }
    if let Ok(time) = DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z") {
        return Some(nanos(time.timestamp(), time.timestamp_subsec_nanos()));
    }
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some(nanos(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp(), 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_their_order_whatever_the_notation() {
        let key = |text: &str| parse_time(text.as_bytes()).unwrap().key;
        assert!(key("1700000000000000001") > key("1700000000000000000"), "an f64 would tie these");
        assert!(key("-2.5") < key("-2") && key("-2") < key("1e3") && key("1e3") < key("1000.000000001"));
        assert_eq!(key("2020-01-02"), key("2020-01-02T00:00:00Z"));
        assert_eq!(key("2020-01-02 01:00:00"), key("2020-01-02T03:00:00+02:00"));
        assert_eq!(key("2020-01-02T01:00"), key("2020-01-02 01:00:00+00:00"));
        assert!(key("2020-01-02T00:00:00.5") > key("2020-01-02"));
        for text in [
            "2020/01/02",
            "2020-01-02 00:00:00 UTC",
            "2020-01-02 00:00:00 +0000",
            "2020/01/02 02:00:00 +02:00",
            "2020-01-02 00:00:00Z",
            "2020-01-01 19:00:00 -0500",
        ] {
            assert_eq!(key(text), key("2020-01-02"), "{text}");
        }
        for not_a_time in ["", "soon", "01/02/2020", "é é é é é é é", "UTC", "2020-13-01", "nan", "1e400", "--1"]
        {
            assert_eq!(parse_time(not_a_time.as_bytes()), None, "{not_a_time}");
        }
    }

    #[test]
    fn whole_numbers_are_those_of_the_general_parser() {
        for text in ["0", "7", "007", "123456789012345", "999999999999999", "1234567890123456", "9007199254740993"] {
            assert_eq!(parse_number(text.as_bytes()), Some(text.parse().unwrap()), "{text}");
        }
        for not_a_number in ["", " ", "1a", "a", "/", ":", "--1", "1e999", "nan"] {
            assert_eq!(parse_number(not_a_number.as_bytes()), None, "{not_a_number}");
        }
    }

    #[test]
    fn labels_are_zero_or_one_in_any_notation() {
        for (label, cells) in
            [(0, ["0", "0.00", " 0 ", "FALSE", "f", "No"]), (1, ["1", "1.000000", "1.0", "true", "T", "y"])]
        {
            for cell in cells {
                assert_eq!(parse_label(cell.as_bytes()), Some(label), "{cell}");
            }
        }
        for no_label in ["", "-1", "2", "0.5", "buy", "nan", "yesno"] {
            assert_eq!(parse_label(no_label.as_bytes()), None, "{no_label}");
        }
        assert!(has_decimal_comma(b"3,5") && !has_decimal_comma(b"3.5") && !has_decimal_comma(b"1,234,5"));
    }

    #[test]
    fn log_buckets_follow_the_criteo_rule() {
        assert_eq!([-1.5, -0.0, 0.4, 2.0, 3.0, 100.0].map(log_bucket), [-2.0, 0.0, 0.0, 2.0, 1.0, 21.0]);
    }
}
