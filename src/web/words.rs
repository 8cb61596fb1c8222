//! Numbers, times and states as pages write them.

use crate::types::{Arm, JobState, Verdict, signed};
use chrono::{DateTime, Utc};

/// `1,234,567`
pub use crate::report::number as count;

/// `12 s`, `3 min 20 s`, `1 h 02 min`, `2 d 3 h`
pub fn seconds(seconds: f64) -> String {
    let s = seconds.max(0.0).round() as u64;
    match s {
        0 if seconds < 0.95 => format!("{seconds:.1} s"),
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min {:02} s", s / 60, s % 60),
        3600..86400 => format!("{} h {:02} min", s / 3600, s / 60 % 60),
        _ => format!("{} d {} h", s / 86400, s / 3600 % 24),
    }
}

/// `512 bytes`, `3.2 MiB`
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} bytes");
    }
    let power = (63 - bytes.leading_zeros() as usize) / 10;
    format!("{:.1} {}", bytes as f64 / 1024f64.powi(power as i32), UNITS[(power - 1).min(4)])
}

/// `12.34 %`
pub fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent != 0.0 && percent.abs() < 0.01 { format!("{percent:.4} %") } else { format!("{percent:.2} %") }
}

/// A gain, with its sign.
pub fn gain(gain: f64) -> String {
    signed(gain, 4)
}

/// `5 rows`, `1 row`
pub fn counted(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", count(number))
}

/// A moment: for machines, in full, and how long ago it was.
#[derive(Debug, Clone)]
pub struct Moment {
    pub machine: String,
    pub full: String,
    pub ago: String,
}

impl Moment {
    pub fn new(time: DateTime<Utc>) -> Self {
        let passed = (Utc::now() - time).num_seconds();
        let ago = match passed {
            ..5 => "just now".to_owned(),
            5..60 => format!("{passed} s ago"),
            60..3600 => format!("{} min ago", passed / 60),
            3600..86400 => format!("{} h ago", passed / 3600),
            _ => format!("{} d ago", passed / 86400),
        };
        Self { machine: time.to_rfc3339(), full: time.format("%Y-%m-%d %H:%M:%S UTC").to_string(), ago }
    }
}

/// The end of an id, which tells things apart where the whole is too long. Its beginning is the time it was made.
pub fn short_id(id: impl ToString) -> String {
    let id = id.to_string();
    id[id.len().saturating_sub(8)..].to_owned()
}

/// A word on a coloured ground.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Badge {
    pub word: &'static str,
    /// The class of its colour.
    pub tone: &'static str,
}

pub fn state_badge(state: JobState) -> Badge {
    let (word, tone) = match state {
        JobState::Queued => ("queued", "quiet"),
        JobState::Running => ("running", "live"),
        JobState::Pausing => ("pausing", "live"),
        JobState::Paused => ("paused", "quiet"),
        JobState::Cancelling => ("cancelling", "live"),
        JobState::Succeeded => ("succeeded", "plain"),
        JobState::Failed => ("failed", "bad"),
        JobState::Cancelled => ("cancelled", "quiet"),
    };
    Badge { word, tone }
}

/// The verdict; nothing where nobody asked for one.
pub fn verdict_badge(verdict: Verdict) -> Option<Badge> {
    let (word, tone) = match verdict {
        Verdict::Certified => ("certified", "good"),
        Verdict::NotBetter => ("not better", "bad"),
        Verdict::Inconclusive => ("inconclusive", "warn"),
        Verdict::NotEvaluated => return None,
    };
    Some(Badge { word, tone })
}

/// What a model was trained on.
pub fn arm(arm: Arm) -> &'static str {
    match arm {
        Arm::Untuned => "all rows, untuned",
        Arm::Full => "all rows",
        Arm::Denoised => "kept rows",
        Arm::Random => "random rows",
    }
}

/// The number of an arm's colour in drawings.
pub fn arm_style(arm: Arm) -> usize {
    match arm {
        Arm::Full => 0,
        Arm::Denoised => 1,
        Arm::Random => 2,
        Arm::Untuned => 4,
    }
}

/// Text as a value of an address's query.
pub fn encode(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte);
    text.bytes().map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0, 1023, 1024, 5 << 20].map(bytes), ["0 bytes", "1023 bytes", "1.0 KiB", "5.0 MiB"]);
        assert_eq!(
            [0.2, 12.0, 200.0, 3720.0, 183_600.0].map(seconds),
            ["0.2 s", "12 s", "3 min 20 s", "1 h 02 min", "2 d 3 h"]
        );
        assert_eq!([0.0, 0.00005, 0.1234].map(percent), ["0.00 %", "0.0050 %", "12.34 %"]);
        assert_eq!([counted(1, "row"), counted(2000, "row")], ["1 row", "2,000 rows"]);
    }

    #[test]
    fn an_address_survives_as_a_value_of_a_query() {
        assert_eq!(encode("/jobs?label=a%3Db&after=1"), "/jobs%3Flabel%3Da%253Db%26after%3D1");
    }
}
