//! Headers of requests as the OpenAPI document describes them, where more than one route takes them or their pattern is long:
//! utoipa's macros take a pattern only as a literal, and here it is put together of named pieces.

use super::tus::MAX_METADATA;
use utoipa::{
    IntoParams,
    openapi::{
        ObjectBuilder, Required, Type,
        path::{Parameter, ParameterBuilder, ParameterIn},
    },
};

/// Base64 with its padding. Bits of the last digit that no byte takes are zero.
const BASE64: &str = "([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?";
/// The same of the 32 bytes of a sha-256.
const BASE64_OF_SHA256: &str = "[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=";
/// The same of the 20 bytes of a sha-1.
const BASE64_OF_SHA1: &str = "[A-Za-z0-9+/]{26}[AEIMQUYcgkosw048]=";

/// A header of text.
fn describe(name: &str, required: Required, schema: ObjectBuilder, description: &str) -> Vec<Parameter> {
    let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Header).required(required);
    vec![parameter.description(Some(description)).schema(Some(schema.schema_type(Type::String))).build()]
}

fn matching(pattern: impl Into<String>) -> ObjectBuilder {
    ObjectBuilder::new().pattern(Some(pattern))
}

/// `Tus-Resumable`, on every request of an upload in parts but OPTIONS.
pub struct TusResumable;

impl IntoParams for TusResumable {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        describe("tus-resumable", Required::True, matching("^1[.]0[.]0$"), "1.0.0")
    }
}

/// `Upload-Metadata`: pairs of a key and its value.
pub struct UploadMetadata;

impl IntoParams for UploadMetadata {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let pair = format!("[!-+.-~-]+( {BASE64})?");
        let schema = matching(format!("^{pair}(,{pair})*$")).max_length(Some(MAX_METADATA));
        let description = "`filename` and `filetype` in base64 help to tell the format";
        describe("upload-metadata", Required::False, schema, description)
    }
}

/// `Upload-Checksum`: the digest of a part.
pub struct UploadChecksum;

impl IntoParams for UploadChecksum {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let schema = matching(format!("^(sha256 {BASE64_OF_SHA256}|sha1 {BASE64_OF_SHA1})$"));
        describe("upload-checksum", Required::False, schema, "Of the body: `sha256` and the digest in base64")
    }
}

/// `Content-Digest`: the digest of a table that is the body.
pub struct ContentDigest;

impl IntoParams for ContentDigest {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let description = "`sha-256=:base64:` or `sha-512=:base64:` of the body (RFC 9530); checked where given";
        describe("content-digest", Required::False, ObjectBuilder::new(), description)
    }
}
