//! Lists by cursor: newest first, ordered by (created_at, id), so that a page neither repeats nor skips a row while new
//! rows come in.

use chrono::{DateTime, Utc};
use std::{fmt, str::FromStr};
use uuid::Uuid;

/// A place in a list; opaque to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    pub created_at: DateTime<Utc>,
    pub id: Uuid,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a cursor; pass `next` of an earlier page unchanged")]
pub struct ParseCursorError(String);

/// 16 hexadecimal digits of microseconds (what Postgres keeps), then 32 of the id.
impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{}", self.created_at.timestamp_micros(), self.id.simple())
    }
}

impl FromStr for Cursor {
    type Err = ParseCursorError;

    fn from_str(text: &str) -> Result<Self, ParseCursorError> {
        let parse = || {
            let (micros, id) = text.split_at_checked(16)?;
            // A sign would pass for a digit below.
            micros.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(())?;
            let created_at = DateTime::from_timestamp_micros(i64::from_str_radix(micros, 16).ok()?)?;
            let id = (id.len() == 32).then(|| Uuid::try_parse(id).ok())??;
            Some(Self { created_at, id })
        };
        parse().ok_or_else(|| ParseCursorError(text.chars().take(100).collect()))
    }
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    pub rows: Vec<T>,
    /// Where the next page starts; absent on the last.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// From up to `limit` + 1 rows: one more than asked for says that there is a next page.
    pub(super) fn cut(mut rows: Vec<T>, limit: u32, cursor: impl Fn(&T) -> Cursor) -> Self {
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next = if more { rows.last().map(cursor) } else { None };
        Self { rows, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_text_form_and_nothing_else_passes_for_one() {
        let cursor =
            Cursor { created_at: DateTime::from_timestamp_micros(1_800_000_000_123_456).unwrap(), id: Uuid::now_v7() };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for wrong in [
            "",
            "zz",
            &format!("-fffffffffffffff{}", Uuid::nil().simple()),
            &cursor.to_string()[1..],
            &format!("{cursor}0"),
            "éééééééééééééééééééééééé",
        ] {
            assert!(wrong.parse::<Cursor>().is_err(), "{wrong}");
        }
    }
}
