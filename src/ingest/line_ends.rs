//! Text of several files, one behind the other, without lines that run together where a file does not end its last one.

use std::io::{self, Write};

pub(super) struct LineEnds<'a> {
    out: &'a mut dyn Write,
    /// Whether a line is begun and not ended.
    open: bool,
}

impl<'a> LineEnds<'a> {
    pub fn new(out: &'a mut dyn Write) -> Self {
        Self { out, open: false }
    }

    /// Ends the line that the file before left open.
    pub fn end_line(&mut self) -> io::Result<()> {
        if self.open { self.write_all(b"\n") } else { Ok(()) }
    }
}

impl Write for LineEnds<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.out.write(bytes)?;
        if let Some(last) = bytes[..n].last() {
            self.open = !matches!(last, b'\n' | b'\r');
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
