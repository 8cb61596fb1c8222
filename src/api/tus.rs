//! The headers of tus 1.0.0, resumable uploads (<https://tus.io/protocols/resumable-upload>), read and written by pure
//! functions. A header that does not have its form is an error, which says what it must be.

use super::error::{ApiError, Kind};
use aws_lc_rs::digest::{self, Algorithm};
use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::{DateTime, Utc};

/// The version of the protocol spoken here; the only one there is.
pub const VERSION: &str = "1.0.0";
/// What the server can do beyond the core protocol.
pub const EXTENSIONS: [&str; 6] =
    ["creation", "creation-defer-length", "creation-with-upload", "termination", "expiration", "checksum"];
/// Media type of a part.
pub const PART: &str = "application/offset+octet-stream";
/// Longest Upload-Metadata header, in bytes.
pub const MAX_METADATA: usize = 4096;

pub const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
pub const TUS_VERSION: HeaderName = HeaderName::from_static("tus-version");
pub const TUS_EXTENSION: HeaderName = HeaderName::from_static("tus-extension");
pub const TUS_MAX_SIZE: HeaderName = HeaderName::from_static("tus-max-size");
pub const TUS_CHECKSUM_ALGORITHM: HeaderName = HeaderName::from_static("tus-checksum-algorithm");
pub const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
pub const UPLOAD_DEFER_LENGTH: HeaderName = HeaderName::from_static("upload-defer-length");
pub const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
pub const UPLOAD_METADATA: HeaderName = HeaderName::from_static("upload-metadata");
pub const UPLOAD_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
pub const UPLOAD_CHECKSUM: HeaderName = HeaderName::from_static("upload-checksum");

/// Middleware of the upload addresses: every request but OPTIONS says which version it speaks, and so does every answer.
pub async fn check_version(request: Request, next: Next) -> Response {
    let discovers = request.method() == Method::OPTIONS;
    let ours = request.headers().get(TUS_RESUMABLE).is_some_and(|version| version == VERSION);
    let mut response = if discovers || ours {
        next.run(request).await
    } else {
        let detail = format!("Tus-Resumable must be {VERSION}, the version of tus spoken here");
        ([(TUS_VERSION, VERSION)], ApiError::new(Kind::UnsupportedVersion, detail)).into_response()
    };
    response.headers_mut().insert(TUS_RESUMABLE, HeaderValue::from_static(VERSION));
    response
}

/// A method that a client cannot send itself is named in a header of a POST to an upload (tus, "X-HTTP-Method-Override").
pub fn override_method(mut request: Request) -> Request {
    let named =
        request.headers().get("x-http-method-override").and_then(|value| Method::from_bytes(value.as_bytes()).ok());
    if let Some(method) = named
        && request.method() == Method::POST
        && request.uri().path().starts_with("/v1/uploads/")
        && [Method::PATCH, Method::DELETE, Method::HEAD].contains(&method)
    {
        *request.method_mut() = method;
    }
    request
}

/// A header's text; None where it is not there.
pub fn read_text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, String> {
    let read = |value: &'h HeaderValue| value.to_str().map_err(|_| format!("{name} must be visible ASCII characters"));
    headers.get(name).map(read).transpose()
}

/// Upload-Length and Upload-Offset: a number of bytes in decimal digits.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    // FromStr takes a sign too. Postgres counts to 2^63.
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse::<u64>().ok().filter(|number| digits && i64::try_from(*number).is_ok());
    number.ok_or_else(|| "must be a number of bytes in decimal digits".to_owned())
}

/// Upload-Length and Upload-Defer-Length of an upload that is begun: how long it is, or None where a later part says it.
pub fn read_length(headers: &HeaderMap) -> Result<Option<u64>, String> {
    match (read_text(headers, &UPLOAD_LENGTH)?, read_text(headers, &UPLOAD_DEFER_LENGTH)?) {
        (Some(length), None) => read_declared_length(length).map(Some),
        (None, Some("1")) => Ok(None),
        (None, Some(_)) => Err(format!("{UPLOAD_DEFER_LENGTH} must be 1")),
        (Some(_), Some(_)) => Err(format!("give {UPLOAD_LENGTH} or {UPLOAD_DEFER_LENGTH}, not both")),
        (None, None) => Err(format!("{UPLOAD_LENGTH} is needed, or {UPLOAD_DEFER_LENGTH}")),
    }
}

/// Upload-Length, of which there must be some.
pub fn read_declared_length(text: &str) -> Result<u64, String> {
    match parse_bytes(text).map_err(|rule| format!("{UPLOAD_LENGTH} {rule}"))? {
        0 => Err(format!("{UPLOAD_LENGTH} is 0, and an empty file is no table")),
        length => Ok(length),
    }
}

/// Upload-Metadata: `key base64,key base64`, the value optional. Gives keys with their values, in order.
pub fn parse_metadata(text: &str) -> Result<Vec<(&str, Vec<u8>)>, String> {
    if text.len() > MAX_METADATA {
        return Err(format!("has at most {MAX_METADATA} bytes here"));
    }
    let mut pairs: Vec<(&str, Vec<u8>)> = Vec::new();
    for pair in text.split(',').map(str::trim).filter(|_| !text.trim().is_empty()) {
        let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(
                "must be pairs of a key and a value in base64, with a space between the two and a comma between \
                        pairs"
                    .to_owned(),
            );
        }
        if pairs.iter().any(|(earlier, _)| *earlier == key) {
            return Err(format!("has the key `{key}` twice"));
        }
        let decoded = BASE64_STANDARD.decode(value.trim());
        pairs.push((key, decoded.map_err(|_| format!("must have the value of `{key}` in base64"))?));
    }
    Ok(pairs)
}

/// One of the metadata's values, where it is short printable text.
pub fn find_word(metadata: &str, key: &str) -> Option<String> {
    let pairs = parse_metadata(metadata).ok()?;
    let (_, value) = pairs.into_iter().find(|(name, _)| *name == key)?;
    String::from_utf8(value).ok().filter(|word| (1..=255).contains(&word.len()) && !word.contains(char::is_control))
}

/// A digest a part must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum {
    algorithm: &'static Algorithm,
    digest: Vec<u8>,
}

impl Checksum {
    /// Names of the algorithms; the standard demands sha1.
    pub const ALGORITHMS: [&str; 2] = ["sha256", "sha1"];

    /// Upload-Checksum: the algorithm, a space, and the digest in base64.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, encoded) = text.split_once(' ').unwrap_or((text, ""));
        let algorithm = match name {
            "sha256" => &digest::SHA256,
            "sha1" => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            _ => return Err(format!("must begin with one of {}", Self::ALGORITHMS.join(", "))),
        };
        match BASE64_STANDARD.decode(encoded.trim()) {
            Ok(digest) if digest.len() == algorithm.output_len() => Ok(Self { algorithm, digest }),
            _ => Err(format!("must be `{name}`, a space, and {} bytes in base64", algorithm.output_len())),
        }
    }

    /// Takes in the bytes of a part as they come.
    pub fn start_digest(&self) -> digest::Context {
        digest::Context::new(self.algorithm)
    }

    pub fn matches(&self, bytes: digest::Context) -> bool {
        bytes.finish().as_ref() == self.digest
    }
}

/// Upload-Expires, as RFC 9110 writes times.
pub fn format_time(at: DateTime<Utc>) -> HeaderValue {
    HeaderValue::try_from(at.format("%a, %d %b %Y %H:%M:%S GMT").to_string()).expect("words and numbers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_bytes_are_digits_alone() {
        assert_eq!(parse_bytes("0"), Ok(0));
        assert_eq!(parse_bytes("9223372036854775807"), Ok(i64::MAX as u64));
        for wrong in ["", "+1", "-1", "1.0", "0x10", " 1", "9223372036854775808", "99999999999999999999", "١"] {
            assert!(parse_bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_length_is_given_or_deferred() {
        let read = |pairs: &[(HeaderName, &str)]| {
            let pairs = pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::try_from(*value).unwrap()));
            read_length(&HeaderMap::from_iter(pairs))
        };
        assert_eq!(read(&[(UPLOAD_LENGTH, "5")]), Ok(Some(5)));
        assert_eq!(read(&[(UPLOAD_DEFER_LENGTH, "1")]), Ok(None));
        for wrong in [
            &[][..],
            &[(UPLOAD_LENGTH, "0")],
            &[(UPLOAD_DEFER_LENGTH, "0")],
            &[(UPLOAD_DEFER_LENGTH, "true")],
            &[(UPLOAD_LENGTH, "5"), (UPLOAD_DEFER_LENGTH, "1")],
        ] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn metadata_is_pairs_of_key_and_base64() {
        let pairs = parse_metadata("filename Y2xpY2tzLmNzdg==, is_private,note Yf8=").unwrap();
        let expected = [("filename", b"clicks.csv".to_vec()), ("is_private", vec![]), ("note", vec![b'a', 0xff])];
        assert_eq!(pairs, expected);
        assert_eq!(parse_metadata(""), Ok(vec![]));
        for wrong in [",", "a b c", "a !", "a YQ==,a YQ==", "a YQ==,,b YQ==", &"a".repeat(MAX_METADATA + 1)] {
            assert!(parse_metadata(wrong).is_err(), "{wrong}");
        }
        let metadata = "filename Y2xpY2tzLmNzdg==,nul AA==,note Yf8=";
        assert_eq!(find_word(metadata, "filename").as_deref(), Some("clicks.csv"));
        assert_eq!(
            (find_word(metadata, "nul"), find_word(metadata, "note"), find_word(metadata, "other")),
            (None, None, None)
        );
    }

    #[test]
    fn checksums_hold_for_their_bytes_alone() {
        for text in ["sha256 ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=", "sha1 qZk+NkcGgWq6PiVxeFDCbJzQ2J0="] {
            let checksum = Checksum::parse(text).unwrap();
            for (bytes, expected) in [("abc", true), ("abd", false)] {
                let mut context = checksum.start_digest();
                context.update(bytes.as_bytes());
                assert_eq!(checksum.matches(context), expected, "{text} of {bytes}");
            }
        }
        for wrong in ["", "sha256", "md5 YQ==", "sha256 YQ==", "SHA256 ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="] {
            assert!(Checksum::parse(wrong).is_err(), "{wrong}");
        }
    }
}
