//! A client of uploads in parts (tus 1.0.0): its requests, and what their answers say. It sends nothing by itself, so that a test
//! says what may come back and what is tried again.

use base64::{Engine, prelude::BASE64_STANDARD};
use reqwest::{
    Method,
    blocking::{Client, RequestBuilder},
    header::HeaderMap,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// Media type of a part.
pub const PART: &str = "application/offset+octet-stream";

/// Makes requests to one server.
pub struct Tus {
    pub http: Client,
    url: String,
}

impl Tus {
    pub fn new(url: &str, patience: Duration) -> Self {
        Self { http: Client::builder().timeout(patience).build().unwrap(), url: url.to_owned() }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url)).header("tus-resumable", "1.0.0")
    }

    /// Begins an upload of `length` bytes; `location` of the answer is its address.
    pub fn begin(&self, length: usize) -> RequestBuilder {
        self.request(Method::POST, "/v1/uploads").header("upload-length", length)
    }

    /// Asks how far the upload has come.
    pub fn head(&self, upload: &str) -> RequestBuilder {
        self.request(Method::HEAD, upload)
    }

    /// Sends a part.
    pub fn patch(&self, upload: &str, offset: usize, part: &[u8]) -> RequestBuilder {
        let request = self.request(Method::PATCH, upload).header("upload-offset", offset);
        request.header("content-type", PART).body(part.to_vec())
    }
}

/// The address of an upload that was begun.
pub fn location_of(headers: &HeaderMap) -> String {
    let location = headers["location"].to_str().unwrap();
    assert!(location.starts_with("uploads/"), "relative to /v1/uploads: {location}");
    format!("/v1/{location}")
}

/// How far an upload has come.
pub fn offset_of(headers: &HeaderMap) -> usize {
    headers["upload-offset"].to_str().unwrap().parse().unwrap()
}

/// Upload-Checksum of a part.
pub fn checksum(part: &[u8]) -> String {
    format!("sha256 {}", BASE64_STANDARD.encode(Sha256::digest(part)))
}

pub fn hex_sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The body that makes a dataset of an upload with these bytes, whose label is the column `click`.
pub fn dataset_of(upload: &str, bytes: &[u8]) -> Value {
    json!({"upload_id": id_of(upload), "sha256": hex_sha256(bytes), "label": "click"})
}

/// The upload's id, which ends its address.
pub fn id_of(upload: &str) -> &str {
    upload.rsplit('/').next().unwrap()
}
