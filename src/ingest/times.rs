//! The times of rows: read from cells as exact keys, and encoded as 64-bit numbers that keep the keys' order and, in
//! proportion, their differences.

use super::{
    cell::{self, Time, TimeKind},
    spill::read_time_key,
};
use crate::types::TimeUnit;

/// The power of ten by which a key exceeds the column's own number.
const KEY_EXPONENT: i8 = 9;
/// Keys are nanoseconds where times are dates.
const NANOS_PER_MICRO: i128 = 1000;

/// A column of times, and where its keys stand in a spilled row.
#[derive(Clone, Copy)]
pub(super) struct TimeSlot {
    pub column: usize,
    pub at: usize,
}

/// What the first reading has seen of a column of times.
#[derive(Default)]
pub(super) struct TimesSeen {
    kind: Option<TimeKind>,
    /// Least and greatest key.
    range: Option<(i128, i128)>,
    /// The first row whose number counts each unit since 1970, by `EPOCH_UNITS`.
    stamps: [Option<u64>; EPOCH_UNITS.len()],
    /// Whether a number above those of seconds counts none of the units.
    counts_otherwise: bool,
}

/// Units that numbers of a column may count since 1970, and how many of them make a second. Of the years 2001 to 2286 the
/// numbers of each have their own number of digits.
const EPOCH_UNITS: [(&str, i128); 4] =
    [("seconds", 1), ("milliseconds", 1_000), ("microseconds", 1_000_000), ("nanoseconds", 1_000_000_000)];
const EPOCH_SECONDS: std::ops::Range<i128> = 1_000_000_000..10_000_000_000;

impl TimesSeen {
    /// The time of a cell, or what it must be. All times of a column are of one kind, the first one's: numbers and dates
    /// have no common order.
    pub fn read(&self, cell: &[u8]) -> Result<Time, &'static str> {
        let Some(time) = cell::parse_time(cell) else {
            return Err("the time must be a number or an ISO 8601 date or time, for example 2020-01-31T12:00:00Z");
        };
        match self.kind.unwrap_or(time.kind) {
            kind if kind == time.kind => Ok(time),
            TimeKind::Number => Err("a number, as in the rows before"),
            TimeKind::Iso8601 => Err("a date, as in the rows before"),
        }
    }

    /// Takes in the time of a good row; gives its key.
    pub fn add(&mut self, time: Time, row: u64) -> i128 {
        self.kind.get_or_insert(time.kind);
        if time.kind == TimeKind::Number {
            self.note_unit(time.key / 10_i128.pow(KEY_EXPONENT.unsigned_abs().into()), row);
        }
        let (low, high) = self.range.unwrap_or((time.key, time.key));
        self.range = Some((low.min(time.key), high.max(time.key)));
        time.key
    }

    fn note_unit(&mut self, number: i128, row: u64) {
        if number < EPOCH_SECONDS.start {
            self.counts_otherwise |= number > 0;
            return;
        }
        match EPOCH_UNITS.iter().position(|(_, units)| EPOCH_SECONDS.contains(&(number / units))) {
            Some(unit) => {
                self.stamps[unit].get_or_insert(row);
            }
            None => self.counts_otherwise = true,
        }
    }

    /// Why the times have no common order, if they count different units.
    pub fn mixed_units(&self) -> Option<String> {
        let units = EPOCH_UNITS.iter().zip(self.stamps).filter_map(|((name, _), row)| Some((name, row?)));
        let [(unit, row), (other, other_row)] = units.collect::<Vec<_>>()[..] else { return None };
        (!self.counts_otherwise).then(|| {
            format!(
                "the times are {unit} since 1970 in some rows (row {row} is the first) and {other} in others (row {other_row}); \
                 give all in one unit"
            )
        })
    }

    /// Least and greatest key.
    pub fn range(&self) -> (i128, i128) {
        self.range.unwrap_or_default()
    }

    /// The finest unit in which every time seen fits 64 bits.
    pub fn unit(&self) -> TimeUnit {
        if self.kind == Some(TimeKind::Iso8601) {
            // The years that a date can have, 262,143 before and after our era, fit.
            return TimeUnit::Microseconds;
        }
        let (low, high) = self.range();
        let mut exponent = KEY_EXPONENT;
        while [low, high].iter().any(|key| i64::try_from(scale(*key, divisor(exponent))).is_err()) {
            exponent -= 1;
        }
        TimeUnit::Number { exponent }
    }
}

/// Makes the encoded times of spilled rows.
#[derive(Clone, Copy)]
pub(super) struct TimeScale {
    at: usize,
    divisor: i128,
}

impl TimeScale {
    pub fn new(slot: TimeSlot, unit: TimeUnit) -> Self {
        let divisor = match unit {
            TimeUnit::Microseconds => NANOS_PER_MICRO,
            TimeUnit::Number { exponent } => divisor(exponent),
        };
        Self { at: slot.at, divisor }
    }

    /// The time of a row, by its record. The unit has been chosen so that it fits.
    pub fn time(self, record: &[u8]) -> i64 {
        scale(read_time_key(record, self.at), self.divisor) as i64
    }
}

fn divisor(exponent: i8) -> i128 {
    10_i128.pow((KEY_EXPONENT - exponent).unsigned_abs().into())
}

/// Rounded down, also below zero, so that no order is turned round.
fn scale(key: i128, divisor: i128) -> i128 {
    key.div_euclid(divisor)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes in the time of a cell; gives its key.
    fn add(seen: &mut TimesSeen, cell: &str, row: u64) -> i128 {
        let time = seen.read(cell.as_bytes()).unwrap();
        seen.add(time, row)
    }

    /// The unit of a column of these cells, and its encoded times.
    fn encode(cells: &[&str]) -> (TimeUnit, Vec<i64>) {
        let mut seen = TimesSeen::default();
        let keys: Vec<i128> = cells.iter().map(|cell| add(&mut seen, cell, 0)).collect();
        let scale = TimeScale::new(TimeSlot { column: 0, at: 0 }, seen.unit());
        (seen.unit(), keys.iter().map(|key| scale.time(&key.to_le_bytes())).collect())
    }

    #[test]
    fn dates_are_microseconds_since_1970() {
        let (unit, times) = encode(&["1970-01-01", "1969-12-31T23:59:59.9999995Z", "2020-01-31T12:00:00.000001+02:00"]);
        assert_eq!(unit, TimeUnit::Microseconds);
        assert_eq!(times, [0, -1, 1_580_464_800_000_001]);
        let (_, extremes) = encode(&["-262143-01-01", "+262142-12-31"]);
        assert!(extremes[0] < -8_000_000_000_000_000_000 && extremes[1] > 8_000_000_000_000_000_000, "{extremes:?}");
    }

    #[test]
    fn units_that_are_mixed_are_noticed() {
        let mixed = |cells: &[&str]| {
            let mut seen = TimesSeen::default();
            for (row, cell) in (0..).zip(cells) {
                add(&mut seen, cell, row);
            }
            seen.mixed_units()
        };
        let text = mixed(&["1511539200", "1511539200000", "1511539201"]).unwrap();
        assert!(
            text.contains("seconds since 1970 in some rows (row 0") && text.contains("milliseconds in others (row 1)")
        );
        assert_eq!(mixed(&["1511539200000", "1511539201000"]), None);
        assert_eq!(mixed(&["1511539200", "1511539200000", "20000000000"]), None, "numbers of another kind");
        assert_eq!(mixed(&["5", "1511539200", "1511539200000"]), None);
    }

    #[test]
    fn numbers_are_as_fine_as_the_largest_allows() {
        let number = |exponent| TimeUnit::Number { exponent };
        assert_eq!(
            encode(&["0.5", "-2", "978300760"]),
            (number(9), vec![500_000_000, -2_000_000_000, 978300760000000000])
        );
        let millis = encode(&["1700000000000", "1700000000000.25"]);
        assert_eq!(millis, (number(6), vec![1_700_000_000_000_000_000, 1_700_000_000_000_250_000]));
        let nanos = encode(&["1700000000000000001", "-0.25"]);
        assert_eq!(nanos, (number(0), vec![1_700_000_000_000_000_001, -1]));
        let largest = encode(&["9999999999999999999", "-9999999999999999999"]);
        assert_eq!(largest, (number(-1), vec![999_999_999_999_999_999, -1_000_000_000_000_000_000]));
    }
}
