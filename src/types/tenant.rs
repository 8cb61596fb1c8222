//! Whose things are: a tenant sees its own datasets, jobs, uploads and webhooks, and nothing of another's.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Name of a tenant: 1 to 63 lower-case letters, digits and `-`, a letter or digit at either end.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type)]
#[serde(try_from = "String", into = "String")]
#[sqlx(transparent)]
pub struct TenantId(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` cannot name a tenant: 1 to 63 lower-case letters, digits and `-` are needed, with no `-` at either end")]
pub struct ParseTenantError(String);

impl TenantId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The tenant of a server that asks for no keys.
impl Default for TenantId {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

impl FromStr for TenantId {
    type Err = ParseTenantError;

    fn from_str(text: &str) -> Result<Self, ParseTenantError> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let named = (1..=63).contains(&text.len()) && text.bytes().all(allowed);
        if named && !text.starts_with('-') && !text.ends_with('-') {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseTenantError(text.chars().take(100).collect()))
        }
    }
}

impl TryFrom<String> for TenantId {
    type Error = ParseTenantError;

    fn try_from(text: String) -> Result<Self, ParseTenantError> {
        text.parse()
    }
}

impl From<TenantId> for String {
    fn from(tenant: TenantId) -> String {
        tenant.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_word_of_a_host() {
        for good in ["default", "a", "team-2", &"x".repeat(63)] {
            assert_eq!(good.parse::<TenantId>().map(|tenant| tenant.to_string()), Ok(good.to_owned()));
        }
        for wrong in ["", "-a", "a-", "Team", "a_b", "a/b", "ü", &"x".repeat(64)] {
            assert!(wrong.parse::<TenantId>().is_err(), "{wrong}");
        }
    }
}
