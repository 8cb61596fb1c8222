//! What a client may do, and how much of it.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use utoipa::ToSchema;

/// What an API key is good for. Each scope includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "key_scope", rename_all = "snake_case")]
pub enum Scope {
    /// Look at what is there, and download it.
    Read,
    /// Make, cancel and delete.
    Write,
    /// What concerns the whole server: its figures.
    Admin,
}

impl Scope {
    pub const ALL: [Scope; 3] = [Self::Read, Self::Write, Self::Admin];

    /// The word on the command line and in Postgres.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or_else(|| "expected read, write or admin; each includes those before it".to_owned())
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How much a tenant may have and ask for; nothing where there is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Quota {
    /// Bytes of the uploads its datasets were read from, each counted once, of its unfinished uploads, and of its encoded
    /// tables.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_bytes: Option<u64>,
    /// Jobs that have not ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_jobs: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub requests_per_minute: Option<u32>,
}

impl Quota {
    /// What is set here, and else what the server has.
    pub fn or(self, server: Quota) -> Self {
        Self {
            max_bytes: self.max_bytes.or(server.max_bytes),
            max_jobs: self.max_jobs.or(server.max_jobs),
            requests_per_minute: self.requests_per_minute.or(server.requests_per_minute),
        }
    }
}
