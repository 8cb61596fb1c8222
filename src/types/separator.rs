//! Separators as they are written where a character cannot be typed: `\t`, `\x01`, `\u0001`.

/// The text that is meant: `\t` is a tab, `\\` a backslash, `\xHH` and `\uHHHH` are characters by their number. A backslash
/// before anything else is one.
pub(super) fn unescape(text: &str) -> Result<String, String> {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let digits = match rest.as_bytes().first() {
            Some(b't') => {
                out.push('\t');
                rest = &rest[1..];
                continue;
            }
            Some(b'\\') => {
                out.push('\\');
                rest = &rest[1..];
                continue;
            }
            Some(b'x') => 2,
            Some(b'u') => 4,
            _ => {
                out.push('\\');
                continue;
            }
        };
        let number = rest.get(1..=digits).and_then(|number| u32::from_str_radix(number, 16).ok());
        let character = number.and_then(char::from_u32);
        out.push(character.ok_or_else(|| format!("`{text}`: write \\x and two hexadecimal digits, or \\u and four"))?);
        rest = &rest[digits + 1..];
    }
    Ok(out + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_cannot_be_typed_are_written_by_their_number() {
        for (text, meant) in [
            (",", ","),
            ("\\t", "\t"),
            ("\\x01", "\u{1}"),
            ("\\u0001\\x02", "\u{1}\u{2}"),
            ("\\u00e9", "é"),
            ("\\\\x01", "\\x01"),
            ("\\", "\\"),
            ("\\|", "\\|"),
            ("::", "::"),
        ] {
            assert_eq!(unescape(text).as_deref(), Ok(meant), "{text}");
        }
        for wrong in ["\\x", "\\x1", "\\xzz", "\\u12", "\\xé"] {
            assert!(unescape(wrong).unwrap_err().contains("two hexadecimal digits"), "{wrong}");
        }
    }
}
