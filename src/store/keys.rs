//! API keys: made and shown once, found again by what a client presents, revoked.
//!
//! A key reads `adk_<id>_<secret>`. The database has the secret's sha256: 256 random bits need no slow hash, and nothing in
//! the database lets anyone in.

use super::StoreError;
use crate::types::{KeyId, Quota, Scope, TenantId};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::{FromRow, PgConnection, Row};
use std::{fmt, str::FromStr};
use subtle::ConstantTimeEq;
use uuid::Uuid;

const PREFIX: &str = "adk_";

/// A key as clients present it. Printing it shows the id alone.
pub struct ApiKey {
    id: KeyId,
    secret: [u8; 32],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no API key; one reads adk_, 32 hexadecimal digits, _ and 64 more")]
pub struct ParseKeyError;

impl ApiKey {
    fn new() -> Self {
        let mut secret = [0; 32];
        aws_lc_rs::rand::fill(&mut secret).expect("the kernel has random bytes");
        Self { id: KeyId::new(), secret }
    }

    /// The whole key, for the one who asked for it.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}_{}", self.id.0.simple(), hex::encode(self.secret))
    }

    pub fn id(&self) -> KeyId {
        self.id
    }

    fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.secret).into()
    }
}

impl FromStr for ApiKey {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        let (id, hex_secret) = text.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_')).ok_or(ParseKeyError)?;
        let id = Some(id).filter(|id| id.len() == 32).and_then(|id| Uuid::try_parse(id).ok()).ok_or(ParseKeyError)?;
        let mut secret = [0; 32];
        hex::decode_to_slice(hex_secret, &mut secret).map_err(|_| ParseKeyError)?;
        Ok(Self { id: KeyId(id), secret })
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({})", self.id)
    }
}

/// A key as the operator sees it.
#[derive(Debug, Clone, FromRow, Serialize)]
pub struct KeyRow {
    pub id: KeyId,
    pub tenant: TenantId,
    /// What it is for.
    pub name: String,
    pub scope: Scope,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
    /// To within five minutes.
    pub last_used_at: Option<DateTime<Utc>>,
    /// Neither revoked nor expired.
    pub usable: bool,
}

macro_rules! columns {
    () => {
        "id, tenant, name, scope, created_at, expires_at, revoked_at, last_used_at, \
         revoked_at is null and coalesce(expires_at > now(), true) as usable"
    };
}

#[derive(Debug, Clone)]
pub struct NewKey {
    /// Must be there.
    pub tenant: TenantId,
    pub name: String,
    pub scope: Scope,
    pub expires_in_days: Option<u32>,
}

/// Whoever presented a good key.
#[derive(Debug, Clone)]
pub struct Holder {
    pub key: KeyId,
    pub tenant: TenantId,
    pub scope: Scope,
    /// The tenant's own limits; where it has none, the server's hold.
    pub quota: Quota,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocation {
    Revoked,
    /// It was revoked already.
    Unchanged,
    Missing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adoption {
    /// It lets its holder in from now on.
    Adopted,
    /// It is there already, good or not.
    Known,
    /// A key of its id is there, with another secret.
    Differs,
}

/// Makes a key. Its secret is in the `ApiKey` returned and nowhere else, so it can be shown this once only.
pub async fn create(conn: &mut PgConnection, new: &NewKey) -> Result<(KeyRow, ApiKey), StoreError> {
    let key = ApiKey::new();
    let row = sqlx::query_as(concat!(
        "insert into api_keys (id, tenant, name, scope, secret_sha256, expires_at)
         values ($1, $2, $3, $4, $5, now() + make_interval(days => $6)) returning ",
        columns!()
    ))
    .bind(key.id)
    .bind(&new.tenant)
    .bind(&new.name)
    .bind(new.scope)
    .bind(&key.digest()[..])
    .bind(new.expires_in_days.map(|days| super::error::int("the days", days)).transpose()?)
    .fetch_one(conn)
    .await?;
    Ok((row, key))
}

/// Lets a key in that was made elsewhere, unless one of its id is there: that one stays as it is. The tenant must be there.
pub async fn adopt(
    conn: &mut PgConnection,
    key: &ApiKey,
    tenant: &TenantId,
    name: &str,
    scope: Scope,
) -> Result<Adoption, StoreError> {
    let made = sqlx::query(
        "insert into api_keys (id, tenant, name, scope, secret_sha256) values ($1, $2, $3, $4, $5)
         on conflict (id) do nothing",
    )
    .bind(key.id)
    .bind(tenant)
    .bind(name)
    .bind(scope)
    .bind(&key.digest()[..])
    .execute(&mut *conn)
    .await?;
    if made.rows_affected() > 0 {
        return Ok(Adoption::Adopted);
    }
    let stored: Vec<u8> =
        sqlx::query_scalar("select secret_sha256 from api_keys where id = $1").bind(key.id).fetch_one(conn).await?;
    Ok(if stored[..].ct_eq(&key.digest()[..]).into() { Adoption::Known } else { Adoption::Differs })
}

/// Keys, newest first; of one tenant where it is given.
pub async fn list(conn: &mut PgConnection, tenant: Option<&TenantId>) -> Result<Vec<KeyRow>, StoreError> {
    let rows = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from api_keys where $1::text is null or tenant = $1 order by created_at desc, id desc"
    ))
    .bind(tenant)
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// The next request with the key is refused.
pub async fn revoke(conn: &mut PgConnection, id: KeyId) -> Result<Revocation, StoreError> {
    let revoked = sqlx::query("update api_keys set revoked_at = now() where id = $1 and revoked_at is null")
        .bind(id)
        .execute(&mut *conn)
        .await?;
    if revoked.rows_affected() > 0 {
        return Ok(Revocation::Revoked);
    }
    let exists: bool =
        sqlx::query_scalar("select exists (select from api_keys where id = $1)").bind(id).fetch_one(conn).await?;
    Ok(if exists { Revocation::Unchanged } else { Revocation::Missing })
}

/// Whether there is a key that lets anyone in.
pub async fn any_usable(conn: &mut PgConnection) -> Result<bool, StoreError> {
    let sql = "select exists (select from api_keys where revoked_at is null and coalesce(expires_at > now(), true))";
    Ok(sqlx::query_scalar(sql).fetch_one(conn).await?)
}

/// Who holds this key; none where it is unknown, revoked or expired.
pub async fn find_holder(conn: &mut PgConnection, presented: &ApiKey) -> Result<Option<Holder>, StoreError> {
    let row = sqlx::query(
        "select k.secret_sha256, k.tenant, k.scope, t.max_bytes, t.max_jobs, t.requests_per_minute,
                coalesce(k.last_used_at < now() - interval '5 minutes', true) as note_use
         from api_keys k join tenants t on t.name = k.tenant
         where k.id = $1 and k.revoked_at is null and coalesce(k.expires_at > now(), true)",
    )
    .bind(presented.id)
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let stored: Vec<u8> = row.try_get("secret_sha256")?;
    if !bool::from(stored[..].ct_eq(&presented.digest()[..])) {
        return Ok(None);
    }
    if row.try_get("note_use")? {
        sqlx::query("update api_keys set last_used_at = now() where id = $1").bind(presented.id).execute(conn).await?;
    }
    Ok(Some(Holder {
        key: presented.id,
        tenant: row.try_get("tenant")?,
        scope: row.try_get("scope")?,
        quota: super::tenants::read_quota(&row)?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_text_form_and_shows_its_secret_only_when_asked() {
        let key = ApiKey::new();
        let text = key.reveal();
        let read: ApiKey = text.parse().unwrap();
        assert_eq!((read.id, read.secret), (key.id, key.secret));
        assert!(!format!("{key:?}").contains(&hex::encode(key.secret)));
        assert_ne!(ApiKey::new().secret, key.secret);
        for wrong in ["", "adk_", &text[1..], &text[..text.len() - 1], &format!("{text}0"), &text.replace('_', "-")] {
            let error = wrong.parse::<ApiKey>().unwrap_err();
            assert!(!error.to_string().contains(&text[40..60]), "the message repeats no secret");
        }
    }
}
