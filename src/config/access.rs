//! Who may use the API, over what, and how much of it.

use super::days;
use crate::types::Quota;
use clap::{Args, builder::FalseyValueParser};
use std::path::PathBuf;

/// Keys, TLS and limits of the HTTP API.
#[derive(Debug, Clone, Args)]
pub struct AccessConfig {
    /// Ask for API keys on a loopback address also while there are none; otherwise the first key made does that
    #[arg(long, env = "AUTODENOISE_REQUIRE_KEYS", value_parser = FalseyValueParser::new())]
    pub require_keys: bool,

    /// File with a key that is made good at the first start, of scope admin: adk_, 32 random hexadecimal digits, _ and 64 more
    #[arg(long, env = "AUTODENOISE_FIRST_KEY_FILE", value_name = "FILE")]
    pub first_key_file: Option<PathBuf>,

    /// Origins whose pages may use the API from browsers, with a key: https://HOST or https://HOST:PORT (repeatable) [default: none]
    #[arg(long = "cors-origin", env = "AUTODENOISE_CORS_ORIGINS", value_delimiter = ',', value_name = "ORIGIN", value_parser = origin)]
    pub cors_origins: Vec<String>,

    /// Serve HTTPS with this certificate, followed by those that vouch for it (PEM)
    #[arg(long, env = "AUTODENOISE_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// Private key of --tls-cert (PEM)
    #[arg(long, env = "AUTODENOISE_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// Days that who did what is kept for (`GET /v1/audit`)
    #[arg(long, env = "AUTODENOISE_AUDIT_DAYS", value_name = "DAYS", default_value_t = 90.0, value_parser = days)]
    pub audit_days: f64,

    /// Bytes a tenant's uploads, finished or not, and its encoded tables may have together [default: no limit]
    #[arg(long, env = "AUTODENOISE_TENANT_MAX_BYTES", value_name = "BYTES", value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    pub tenant_max_bytes: Option<u64>,

    /// Unfinished jobs a tenant may have
    #[arg(long, env = "AUTODENOISE_TENANT_MAX_JOBS", value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(..=i32::MAX as i64))]
    pub tenant_max_jobs: u32,

    /// Requests a tenant may make in a minute, of each server
    #[arg(long, env = "AUTODENOISE_TENANT_MAX_REQUESTS", value_name = "N", default_value_t = 6000, value_parser = clap::value_parser!(u32).range(1..=i32::MAX as i64))]
    pub tenant_max_requests: u32,

    /// Requests answered at once; one more is refused with 503
    #[arg(long, env = "AUTODENOISE_MAX_REQUESTS", value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    pub max_requests: u32,

    /// Requests that wait for news of a job and streams of events at once, beside those answered
    #[arg(long, env = "AUTODENOISE_MAX_WAITS", value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    pub max_waits: u32,

    /// The same of one tenant
    #[arg(long, env = "AUTODENOISE_TENANT_MAX_WAITS", value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    pub tenant_max_waits: u32,

    /// Connections at once; for one more the one that has been idle for longest is closed
    #[arg(long, env = "AUTODENOISE_MAX_CONNECTIONS", value_name = "N", default_value_t = 2048, value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    pub max_connections: u32,
}

impl AccessConfig {
    /// What a tenant may have that has no limits of its own.
    pub fn quota(&self) -> Quota {
        Quota {
            max_bytes: self.tenant_max_bytes,
            max_jobs: Some(self.tenant_max_jobs),
            requests_per_minute: Some(self.tenant_max_requests),
        }
    }
}

/// A scheme, a host and perhaps a port. A `*` would let pages of anybody in.
fn origin(text: &str) -> Result<String, String> {
    match text.split_once("://") {
        Some(("http" | "https", host)) if !host.is_empty() && !host.contains(['/', '*', '?', '#', '@']) => {
            Ok(text.to_owned())
        }
        _ => Err("expected https://HOST or https://HOST:PORT".to_owned()),
    }
}
