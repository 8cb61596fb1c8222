//! Lines of a child's pipe, never longer than a bound in memory.

use std::io;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};

/// A report of the largest job is a few kilobytes.
pub(super) const MAX_LINE: usize = 4 << 20;

pub(super) struct Lines<R> {
    reader: BufReader<R>,
    max: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Text(String),
    TooLong,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(pipe: R, max: usize) -> Self {
        Self { reader: BufReader::new(pipe), max }
    }

    /// The next line without its end; `None` when the pipe is closed. After `TooLong` the rest of that line follows.
    pub(super) async fn next(&mut self) -> io::Result<Option<Line>> {
        let mut bytes = Vec::new();
        let read = (&mut self.reader).take(self.max as u64 + 1).read_until(b'\n', &mut bytes).await?;
        if read == 0 {
            return Ok(None);
        }
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
        } else if bytes.len() > self.max {
            return Ok(Some(Line::TooLong));
        }
        Ok(Some(Line::Text(String::from_utf8_lossy(&bytes).into_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_split_and_bounded() {
        let mut lines = Lines::new(&b"ab\n\nabcd\nabcdefgh\nend"[..], 4);
        let mut seen = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            seen.push(line);
        }
        let text = |text: &str| Line::Text(text.to_owned());
        assert_eq!(seen, [text("ab"), text(""), text("abcd"), Line::TooLong, text("fgh"), text("end")]);
    }
}
