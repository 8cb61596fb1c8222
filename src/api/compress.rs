//! Answers as zstd or gzip, for clients that take it: JSON and text come down to a fifth.

use super::{accept::Preferences, error::ApiError};
use axum::{
    body::{Body, HttpBody, to_bytes},
    extract::Request,
    http::{HeaderMap, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use flate2::{Compression, write::GzEncoder};
use std::io::{self, Write};

/// Smaller answers fit a packet anyhow.
const LEAST: u64 = 1024;
/// Larger ones are sent as they are: they would have to be held in memory.
const MOST: u64 = 16 << 20;

/// Middleware: compresses answers of text whose length is known. Results and streams are sent as they are, because `Range` and
/// each event's own arrival are worth more there.
pub async fn compress(request: Request, next: Next) -> Response {
    let wanted = request.headers().get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    let codec = wanted.and_then(|text| Codec::choose(&Preferences::read(text)));
    let response = next.run(request).await;
    let length = response.body().size_hint().exact().unwrap_or(0);
    if !is_text(response.headers()) || !(LEAST..=MOST).contains(&length) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    parts.headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    let Some(codec) = codec else { return Response::from_parts(parts, body) };
    let bytes = match to_bytes(body, MOST as usize).await {
        Ok(bytes) => bytes,
        Err(error) => return ApiError::internal(&error).into_response(),
    };
    let compressed = codec.pack(&bytes).expect("a vector takes every byte");
    let headers = &mut parts.headers;
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(codec.name()));
    headers.remove(header::CONTENT_LENGTH);
    // Other bytes of the same thing: equal in meaning only.
    let weak =
        headers.get(header::ETAG).and_then(|tag| HeaderValue::try_from(format!("W/{}", tag.to_str().ok()?)).ok());
    if let Some(weak) = weak {
        headers.insert(header::ETAG, weak);
    }
    Response::from_parts(parts, Body::from(compressed))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Codec {
    Zstd,
    Gzip,
}

impl Codec {
    /// The one that the client likes better; zstd, which is smaller and quicker, where it likes both alike. Whoever takes
    /// anything (`*`) and names neither gets gzip, which everything reads.
    fn choose(preferences: &Preferences) -> Option<Self> {
        let zstd = if preferences.names("zstd") { preferences.weight("zstd") } else { 0.0 };
        let gzip = preferences.weight("gzip");
        match () {
            () if zstd > 0.0 && zstd >= gzip => Some(Self::Zstd),
            () if gzip > 0.0 => Some(Self::Gzip),
            () => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }

    fn pack(self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Zstd => zstd::bulk::compress(bytes, zstd::DEFAULT_COMPRESSION_LEVEL),
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
                encoder.write_all(bytes)?;
                encoder.finish()
            }
        }
    }
}

/// JSON of any kind, and texts; not what is a file of its own, or encoded already.
fn is_text(headers: &HeaderMap) -> bool {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    let is_text =
        essence.ends_with("json") || ["text/plain", "text/html", "text/css", "text/javascript"].contains(&essence);
    is_text && !headers.contains_key(header::CONTENT_DISPOSITION) && !headers.contains_key(header::CONTENT_ENCODING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_says_which_form_it_likes() {
        let chosen = |header: &str| Codec::choose(&Preferences::read(header));
        for (header, codec) in [
            ("gzip, deflate, br, zstd", Some(Codec::Zstd)),
            ("zstd;q=0.5, gzip", Some(Codec::Gzip)),
            ("zstd;q=0, gzip", Some(Codec::Gzip)),
            ("gzip", Some(Codec::Gzip)),
            ("*", Some(Codec::Gzip)),
            ("ZSTD", Some(Codec::Zstd)),
            ("identity", None),
            ("", None),
        ] {
            assert_eq!(chosen(header), codec, "{header}");
        }
        let text = "{\"a\": 1}".repeat(200);
        assert_eq!(zstd::decode_all(&Codec::Zstd.pack(text.as_bytes()).unwrap()[..]).unwrap(), text.as_bytes());
    }
}
