//! Finds the few bytes of a CSV that mean something, 64 at a time.

const WINDOW: usize = 64;

/// Goes over the positions of separators, quotes and line ends of a text, ascending.
///
/// No function that is not inlined takes it by reference: it stays in registers while a record is divided. In memory, where its
/// parts are written one by one and then copied as a whole, each copy would wait for the writes before it (a sixth of the time).
#[derive(Clone, Copy)]
pub(super) struct Specials {
    bytes: SpecialBytes,
    /// Which bytes of the window have not been given yet; the lowest bit is the first byte.
    left: u64,
    /// Where the window ends.
    end: usize,
}

#[derive(Clone, Copy)]
struct SpecialBytes {
    separator: u8,
    /// The separator again where nothing is quoted.
    quote: u8,
}

impl Specials {
    pub fn new(separator: u8, quote: Option<u8>) -> Self {
        let bytes = SpecialBytes { separator, quote: quote.unwrap_or(separator) };
        Self { bytes, left: 0, end: 0 }
    }

    /// The same, from a position of the text on.
    pub fn starting_at(self, at: usize) -> Self {
        Self { left: 0, end: at, ..self }
    }

    /// The next position; none at the end. The text is the same each time.
    #[inline(always)]
    pub fn next(&mut self, text: &[u8]) -> Option<usize> {
        if self.left == 0 {
            (self.left, self.end) = self.bytes.advance(text, self.end);
            if self.left == 0 {
                return None;
            }
        }
        let place = self.left.trailing_zeros() as usize;
        self.left &= self.left - 1;
        Some(self.end - WINDOW + place)
    }
}

impl SpecialBytes {
    /// The bytes of the next window that has any, looking from `start` on, and where it ends.
    #[inline(never)]
    fn advance(self, text: &[u8], mut start: usize) -> (u64, usize) {
        while let Some(rest) = text.get(start..)
            && !rest.is_empty()
        {
            start += WINDOW;
            let left = match rest.first_chunk::<WINDOW>() {
                Some(window) => self.find(window),
                None => {
                    let mut window = [0; WINDOW];
                    window[..rest.len()].copy_from_slice(rest);
                    self.find(&window) & ((1 << rest.len()) - 1)
                }
            };
            if left != 0 {
                return (left, start);
            }
        }
        (0, start)
    }

    /// One bit a byte. Written so that compilers compare many bytes in one instruction.
    #[inline]
    fn find(self, window: &[u8; WINDOW]) -> u64 {
        let mut found = [0_u8; WINDOW];
        for (found, byte) in found.iter_mut().zip(window) {
            let special = (*byte == self.separator) | (*byte == self.quote) | (*byte == b'\n') | (*byte == b'\r');
            *found = u8::from(special);
        }
        // Eight bytes of 0 or 1 to eight bits: the product moves byte k's bit to bit 56 + k, and no two sums meet.
        let eights = found.as_chunks::<8>().0.iter();
        let bits = eights.map(|eight| u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56);
        bits.enumerate().fold(0, |all, (place, bits)| all | bits << (8 * place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_special_byte_is_found_and_no_other() {
        for len in [0, 1, 63, 64, 65, 200] {
            let text: Vec<u8> = (0..len).map(|at: usize| b"a,\"\n\r;b0\x7f\xff\0"[at * at % 11]).collect();
            let expected: Vec<usize> = (0..len).filter(|at| b";\"\n\r".contains(&text[*at])).collect();
            let mut specials = Specials::new(b';', Some(b'"'));
            let found: Vec<usize> = std::iter::from_fn(|| specials.next(&text)).collect();
            assert_eq!(found, expected);
            assert_eq!(specials.next(&text), None);
            let unquoted: Vec<usize> = expected.into_iter().filter(|at| text[*at] != b'"').collect();
            let mut specials = Specials::new(b';', None);
            assert_eq!(std::iter::from_fn(|| specials.next(&text)).collect::<Vec<_>>(), unquoted);
            let mut specials = Specials::new(b';', None).starting_at(len / 3);
            let behind: Vec<usize> = unquoted.into_iter().filter(|at| *at >= len / 3).collect();
            assert_eq!(std::iter::from_fn(|| specials.next(&text)).collect::<Vec<_>>(), behind);
        }
    }
}
