//! Time left, said so that it does not wander: estimates of single moments differ, and a number that jumps tells nothing.

use super::view::human_seconds;
use std::time::{Duration, Instant};

/// When the work is expected to end, by all that was heard so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Countdown {
    end: Option<Instant>,
    /// How far estimates are beyond that end, in seconds, smoothed over the last ten or so.
    drift: f64,
}

/// What each estimate adds to the drift.
const WEIGHT: f64 = 0.1;
/// A drift of less than this share of the time left, or of so many seconds, changes nothing.
const TOLERANCE: f64 = 0.1;
const TOLERANCE_SECONDS: f64 = 3.0;

impl Countdown {
    /// Hears that so many seconds are left.
    pub fn hear(&mut self, seconds: f64, now: Instant) {
        let Ok(left) = Duration::try_from_secs_f64(seconds) else { return };
        let Some(end) = self.end else {
            self.end = Some(now + left);
            return;
        };
        let expected = end.saturating_duration_since(now).as_secs_f64();
        self.drift += WEIGHT * (seconds - expected - self.drift);
        if self.drift.abs() > TOLERANCE_SECONDS.max(TOLERANCE * expected) {
            self.end = Some(now + Duration::from_secs_f64((expected + self.drift).max(0.0)));
            self.drift = 0.0;
        }
    }

    /// The time left in words, as exactly as it can be known; none before there is an estimate.
    pub fn describe(&self, now: Instant) -> Option<String> {
        let left = self.end?.saturating_duration_since(now).as_secs_f64();
        let step = match left {
            ..10.0 => return Some("some seconds left".to_owned()),
            10.0..60.0 => 5.0,
            60.0..300.0 => 15.0,
            300.0..3600.0 => 60.0,
            _ => 300.0,
        };
        Some(format!("about {} left", human_seconds((left / step).ceil() * step)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The time left at the end of so many seconds, and how often it rose; estimates are as `estimate` has them, second by second.
    fn count_down(seconds: u32, estimate: impl Fn(u32) -> f64) -> (f64, u32) {
        let (start, mut countdown) = (Instant::now(), Countdown::default());
        let (mut last, mut rises) = (f64::MAX, 0);
        for second in 0..seconds {
            let now = start + Duration::from_secs(second.into());
            countdown.hear(estimate(second), now);
            let left = countdown.end.unwrap().saturating_duration_since(now).as_secs_f64();
            rises += u32::from(left > last);
            last = left;
        }
        (last, rises)
    }

    #[test]
    fn the_time_left_counts_down_whatever_single_estimates_say() {
        let left = |second: u32| f64::from(120 - second);
        // By turns a fifth too long and a fifth too short.
        let (last, rises) = count_down(100, |second| left(second) * if second.is_multiple_of(2) { 1.2 } else { 0.8 });
        assert!(rises <= 1 && (last - 21.0).abs() < 15.0, "{last} {rises}");
        // Everything takes twice as long as it seemed at first.
        let (last, _) = count_down(100, |second| if second < 10 { left(second) } else { 2.0 * left(second) });
        assert!((last - 42.0).abs() < 10.0, "{last}");
    }

    #[test]
    fn the_time_left_is_told_as_exactly_as_it_is_known() {
        let now = Instant::now();
        let told =
            |seconds| Countdown { end: Some(now + Duration::from_secs(seconds)), drift: 0.0 }.describe(now).unwrap();
        assert_eq!([4, 47, 200].map(told), ["some seconds left", "about 50 s left", "about 3 min 30 s left"]);
        assert_eq!(Countdown::default().describe(now), None);
    }
}
