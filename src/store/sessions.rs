//! Sessions of people who signed in to the pages with a key: begun, found again by what the browser's cookie holds, ended.

use super::{StoreError, keys::Holder, tenants};
use crate::types::KeyId;
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, Row};
use std::{fmt, str::FromStr};

/// What a browser's cookie holds. Printing it shows nothing.
#[derive(Clone)]
pub struct SessionToken([u8; 32]);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no session; one is 64 hexadecimal digits")]
pub struct ParseSessionError;

impl SessionToken {
    fn new() -> Self {
        let mut token = [0; 32];
        aws_lc_rs::rand::fill(&mut token).expect("the kernel has random bytes");
        Self(token)
    }

    /// The whole token, for the cookie.
    pub fn reveal(&self) -> String {
        hex::encode(self.0)
    }

    fn digest(&self) -> Vec<u8> {
        Sha256::digest(self.0).to_vec()
    }
}

impl FromStr for SessionToken {
    type Err = ParseSessionError;

    fn from_str(text: &str) -> Result<Self, ParseSessionError> {
        let mut token = [0; 32];
        hex::decode_to_slice(text, &mut token).map_err(|_| ParseSessionError)?;
        Ok(Self(token))
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionToken(..)")
    }
}

/// Begins a session of a key that lasts so many seconds. Sessions whose time is over are removed on the way.
pub async fn begin(conn: &mut PgConnection, key: KeyId, seconds: u32) -> Result<SessionToken, StoreError> {
    sqlx::query("delete from sessions where expires_at <= now()").execute(&mut *conn).await?;
    let token = SessionToken::new();
    sqlx::query(
        "insert into sessions (token_sha256, key_id, expires_at) values ($1, $2, now() + make_interval(secs => $3))",
    )
    .bind(token.digest())
    .bind(key)
    .bind(f64::from(seconds))
    .execute(conn)
    .await?;
    Ok(token)
}

/// Who holds the key of this session; none where it is unknown or over, or the key is revoked or expired.
pub async fn find_holder(conn: &mut PgConnection, token: &SessionToken) -> Result<Option<Holder>, StoreError> {
    let row = sqlx::query(
        "select k.id, k.tenant, k.scope, t.max_bytes, t.max_jobs, t.requests_per_minute
         from sessions s join api_keys k on k.id = s.key_id join tenants t on t.name = k.tenant
         where s.token_sha256 = $1 and s.expires_at > now()
           and k.revoked_at is null and coalesce(k.expires_at > now(), true)",
    )
    .bind(token.digest())
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Holder {
        key: row.try_get("id")?,
        tenant: row.try_get("tenant")?,
        scope: row.try_get("scope")?,
        quota: tenants::read_quota(&row)?,
    }))
}

/// Ends a session; the next request with its cookie is refused.
pub async fn end(conn: &mut PgConnection, token: &SessionToken) -> Result<(), StoreError> {
    sqlx::query("delete from sessions where token_sha256 = $1").bind(token.digest()).execute(conn).await?;
    Ok(())
}

/// Ends every session of the key that this one is of, on whatever machine.
pub async fn end_all(conn: &mut PgConnection, token: &SessionToken) -> Result<(), StoreError> {
    sqlx::query("delete from sessions where key_id = (select key_id from sessions where token_sha256 = $1)")
        .bind(token.digest())
        .execute(conn)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_its_text_form_and_is_not_printed() {
        let token = SessionToken::new();
        let read: SessionToken = token.reveal().parse().unwrap();
        assert_eq!(read.0, token.0);
        assert!(!format!("{token:?}").contains(&token.reveal()));
        for wrong in ["", "12", &token.reveal()[1..], &format!("{}0", token.reveal()), &"x".repeat(64)] {
            assert_eq!(wrong.parse::<SessionToken>().unwrap_err(), ParseSessionError, "{wrong}");
        }
    }
}
