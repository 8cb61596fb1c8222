//! Uploaded bytes and results.
