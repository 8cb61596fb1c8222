//! Gzip as the program of that name reads it: any number of streams one behind the other; zeros behind the last are padding, and
//! other bytes there are ignored.

use flate2::bufread::GzDecoder;
use std::{
    cell::Cell,
    io::{self, BufRead, Cursor, Read},
    rc::Rc,
};

const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The unpacked bytes of a gzip file.
pub(super) struct Gzip {
    /// None behind the last stream.
    stream: Option<GzDecoder<Box<dyn BufRead>>>,
    ignored: Rc<Cell<u64>>,
}

impl Gzip {
    /// `ignored` is set to the number of bytes behind the last stream, if they are not all zeros.
    pub fn new(packed: Box<dyn BufRead>, ignored: Rc<Cell<u64>>) -> Self {
        Self { stream: Some(GzDecoder::new(packed)), ignored }
    }
}

impl Read for Gzip {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(stream) = &mut self.stream else { return Ok(0) };
            let n = stream.read(out)?;
            if n > 0 || out.is_empty() {
                return Ok(n);
            }
            let Some(ended) = self.stream.take() else { return Ok(0) };
            let (next, mut packed) = peek(ended.into_inner())?;
            if next == MAGIC {
                self.stream = Some(GzDecoder::new(packed));
            } else {
                self.ignored.set(count_unless_zeros(&mut packed)?);
            }
        }
    }
}

/// The next two bytes, or as many as there are, and the input with them.
fn peek(mut input: Box<dyn BufRead>) -> io::Result<(Vec<u8>, Box<dyn BufRead>)> {
    let buffered = input.fill_buf()?;
    if buffered.len() != 1 {
        return Ok((buffered[..buffered.len().min(2)].to_vec(), input));
    }
    // The buffer ends between the two.
    let mut first = buffered.to_vec();
    input.consume(1);
    first.extend(input.fill_buf()?.first());
    let again = Cursor::new(first[..1].to_vec());
    Ok((first, Box::new(again.chain(input))))
}

/// How many bytes are left, or 0 where all of them are zeros.
fn count_unless_zeros(input: &mut dyn BufRead) -> io::Result<u64> {
    let (mut count, mut zeros) = (0, true);
    loop {
        let bytes = input.fill_buf()?;
        if bytes.is_empty() {
            return Ok(if zeros { 0 } else { count });
        }
        zeros &= bytes.iter().all(|byte| *byte == 0);
        let read = bytes.len();
        count += read as u64;
        input.consume(read);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufReader, Write};

    fn packed(text: &str) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(text.as_bytes()).unwrap();
        out.finish().unwrap()
    }

    /// The text, and how many bytes were ignored, whatever the size of the buffer.
    fn unpacked(parts: &[&[u8]]) -> io::Result<(String, u64)> {
        let bytes = parts.concat();
        let read = |buffer| {
            let ignored = Rc::new(Cell::new(0));
            let input = BufReader::with_capacity(buffer, Cursor::new(bytes.clone()));
            let mut text = String::new();
            Gzip::new(Box::new(input), Rc::clone(&ignored)).read_to_string(&mut text)?;
            Ok((text, ignored.get()))
        };
        let whole: io::Result<_> = read(1 << 16);
        for buffer in [1, 2, 3, 7] {
            assert_eq!(read(buffer).ok(), whole.as_ref().ok().cloned());
        }
        whole
    }

    #[test]
    fn streams_follow_each_other_and_what_is_behind_them_is_ignored() {
        let (one, two) = (packed("user\n"), packed("7\n"));
        let text = |text: &str, ignored| Some((text.to_owned(), ignored));
        assert_eq!(unpacked(&[&one]).ok(), text("user\n", 0));
        assert_eq!(unpacked(&[&one, &two, &packed("")]).ok(), text("user\n7\n", 0));
        assert_eq!(unpacked(&[&one, &[0; 512]]).ok(), text("user\n", 0));
        assert_eq!(unpacked(&[&one, b"rest"]).ok(), text("user\n", 4));
        assert_eq!(unpacked(&[&one, &[0, 0], b"x"]).ok(), text("user\n", 3));
        assert_eq!(unpacked(&[&one, &[0x1f]]).ok(), text("user\n", 1));
        let cut = unpacked(&[&one, &two[..two.len() - 3]]).unwrap_err();
        assert_eq!(cut.kind(), io::ErrorKind::UnexpectedEof);
        assert!(unpacked(&[b"rest"]).is_err(), "where there is no stream, nothing is behind it");
    }
}
