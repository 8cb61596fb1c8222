//! Text in other encodings than UTF-8, on its way in and back.
//!
//! Bytes that mean nothing in the encoding are kept: each becomes three bytes that are no UTF-8 (a lone surrogate, as Python's
//! `surrogateescape` has it). So the row that holds them is told as one that is not text, with its line, does no harm in a column
//! that is not read, and comes out again as it went in.

use encoding_rs::{DecoderResult, EncoderResult, Encoding, UTF_16BE, UTF_16LE};
use std::io::{self, Read, Write};

const BUFFER: usize = 1 << 16;
/// No sequence that decoders know is longer, with what they read beyond it.
const LONGEST: usize = 8;

/// UTF-8 of what another reader gives in some encoding, a byte order mark with it.
pub(super) struct Decoder<R> {
    inner: R,
    decoder: encoding_rs::Decoder,
    /// The last bytes that were decoded, then those to decode from `start` to `end`.
    input: Vec<u8>,
    start: usize,
    end: usize,
    at_end: bool,
    /// A decoder that has decoded the last bytes must not be used again.
    finished: bool,
    output: Vec<u8>,
    /// What of the output has been handed out.
    given: usize,
}

impl<R: Read> Decoder<R> {
    pub fn new(inner: R, encoding: &'static Encoding) -> Self {
        Self {
            inner,
            decoder: encoding.new_decoder_without_bom_handling(),
            input: vec![0; LONGEST + BUFFER],
            start: LONGEST,
            end: LONGEST,
            at_end: false,
            finished: false,
            output: Vec::with_capacity(2 * BUFFER),
            given: 0,
        }
    }

    /// Decodes more, in place of what was handed out; nothing is more at the end.
    fn decode(&mut self) -> io::Result<()> {
        self.output.clear();
        self.given = 0;
        while self.output.is_empty() && !self.finished {
            if self.start == self.end && !self.at_end {
                self.refill()?;
            }
            // So much is room for any sequence.
            self.output.resize(2 * BUFFER, 0);
            let input = &self.input[self.start..self.end];
            let (result, read, written) =
                self.decoder.decode_to_utf8_without_replacement(input, &mut self.output, self.at_end);
            self.start += read;
            self.output.truncate(written);
            match result {
                DecoderResult::InputEmpty => self.finished = self.at_end,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(bytes, beyond) => {
                    let end = self.start - usize::from(beyond);
                    for byte in &self.input[end - usize::from(bytes)..end] {
                        self.output.extend(escaped(*byte));
                    }
                }
            }
        }
        Ok(())
    }

    fn refill(&mut self) -> io::Result<()> {
        self.input.copy_within(self.end - LONGEST..self.end, 0);
        (self.start, self.end) = (LONGEST, LONGEST);
        let n = self.inner.read(&mut self.input[LONGEST..])?;
        self.end += n;
        self.at_end = n == 0;
        Ok(())
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.given == self.output.len() {
            self.decode()?;
        }
        let n = out.len().min(self.output.len() - self.given);
        out[..n].copy_from_slice(&self.output[self.given..self.given + n]);
        self.given += n;
        Ok(n)
    }
}

/// The lone surrogate that stands for a byte.
fn escaped(byte: u8) -> [u8; 3] {
    [0xed, 0xb0 | byte >> 6, 0x80 | byte & 0x3f]
}

/// The byte that a lone surrogate stands for.
fn unescaped(bytes: &[u8]) -> Option<u8> {
    match bytes {
        [0xed, high @ 0xb0..=0xb3, low @ 0x80..=0xbf] => Some(high << 6 | low & 0x3f),
        _ => None,
    }
}

/// Writes UTF-8 that a `Decoder` made back in the encoding it came in.
pub(super) struct Encoder<W> {
    inner: W,
    encoding: &'static Encoding,
    encoder: encoding_rs::Encoder,
    /// The start of a character whose rest is still to come.
    begun: Vec<u8>,
}

impl<W: Write> Encoder<W> {
    pub fn new(inner: W, encoding: &'static Encoding) -> Self {
        Self { inner, encoding, encoder: encoding.new_encoder(), begun: Vec::new() }
    }

    /// Writes what an encoding has to end with.
    pub fn finish(mut self) -> io::Result<()> {
        let rest = std::mem::take(&mut self.begun);
        self.inner.write_all(&rest)?;
        if self.encoding.output_encoding() == self.encoding {
            let mut out = [0; 64];
            let (_, _, written) = self.encoder.encode_from_utf8_without_replacement("", &mut out, true);
            self.inner.write_all(&out[..written])?;
        }
        Ok(())
    }

    fn write_text(&mut self, mut text: &str) -> io::Result<()> {
        let unit: fn(u16) -> [u8; 2] = match self.encoding {
            encoding if encoding == UTF_16LE => u16::to_le_bytes,
            encoding if encoding == UTF_16BE => u16::to_be_bytes,
            _ => {
                let mut out = [0; 4096];
                while !text.is_empty() {
                    let (result, read, written) =
                        self.encoder.encode_from_utf8_without_replacement(text, &mut out, false);
                    self.inner.write_all(&out[..written])?;
                    text = &text[read..];
                    if let EncoderResult::Unmappable(character) = result {
                        let name = self.encoding.name();
                        return Err(io::Error::other(format!("`{character}` cannot be written in {name}")));
                    }
                }
                return Ok(());
            }
        };
        let units: Vec<u8> = text.encode_utf16().flat_map(unit).collect();
        self.inner.write_all(&units)
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let joined;
        let mut rest = if self.begun.is_empty() {
            bytes
        } else {
            joined = [&std::mem::take(&mut self.begun)[..], bytes].concat();
            &joined
        };
        loop {
            let error = match std::str::from_utf8(rest) {
                Ok(text) => {
                    self.write_text(text)?;
                    return Ok(bytes.len());
                }
                Err(error) => error,
            };
            let (valid, other) = rest.split_at(error.valid_up_to());
            if let Ok(text) = std::str::from_utf8(valid) {
                self.write_text(text)?;
            }
            if error.error_len().is_none() || other.len() < 3 && other.starts_with(&[0xed]) {
                self.begun = other.to_vec();
                return Ok(bytes.len());
            }
            let byte = other.get(..3).and_then(unescaped);
            self.inner.write_all(&[byte.unwrap_or(other[0])])?;
            rest = &other[if byte.is_some() { 3 } else { 1 }..];
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use encoding_rs::{GBK, SHIFT_JIS, WINDOWS_1252};
    use proptest::prelude::*;

    /// Gives a few bytes at a time.
    struct Parts<'a>(&'a [u8], usize);

    impl Read for Parts<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let n = self.1.min(self.0.len()).min(out.len());
            out[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }

    fn decoded(bytes: &[u8], encoding: &'static Encoding, part: usize) -> Vec<u8> {
        let mut out = Vec::new();
        Decoder::new(Parts(bytes, part), encoding).read_to_end(&mut out).unwrap();
        out
    }

    fn encoded(text: &[u8], encoding: &'static Encoding, part: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let mut encoder = Encoder::new(&mut out, encoding);
        text.chunks(part).for_each(|part| encoder.write_all(part).unwrap());
        encoder.finish().unwrap();
        out
    }

    #[test]
    fn text_is_decoded() {
        let utf16: Vec<u8> = "Renée,€𝄞\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(decoded(&utf16, UTF_16BE, 3), "Renée,€𝄞\n".as_bytes());
        assert_eq!(decoded(b"Ren\xe9e \x80", WINDOWS_1252, 9), "Renée €".as_bytes());
        assert_eq!(decoded(b"\xd6\xd0\xce\xc4", GBK, 1), "中文".as_bytes());
    }

    #[test]
    fn what_means_nothing_is_no_utf8_and_is_kept() {
        for (bytes, encoding) in [
            (&b"a\0\x00\xd8b\0"[..], UTF_16LE),
            (b"a\0b", UTF_16LE),
            (b"a\xffb\x81", GBK),
            (b"\x81\x20\xfd", SHIFT_JIS),
        ] {
            for part in [1, 2, 3, 100] {
                let text = decoded(bytes, encoding, part);
                assert!(std::str::from_utf8(&text).is_err());
                for written in [1, 2, 5] {
                    assert_eq!(encoded(&text, encoding, written), bytes, "{}", encoding.name());
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn bytes_come_out_as_they_went_in(bytes in proptest::collection::vec(any::<u8>(), 0..300), part in 1_usize..50) {
            for encoding in [UTF_16LE, UTF_16BE, WINDOWS_1252] {
                let text = decoded(&bytes, encoding, part);
                prop_assert_eq!(&decoded(&bytes, encoding, 1000), &text);
                prop_assert_eq!(&encoded(&text, encoding, part), &bytes, "{}", encoding.name());
            }
        }
    }
}
