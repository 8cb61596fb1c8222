//! Whether a request may come without a key.

use crate::{
    store::{StoreError, tenants},
    types::{Quota, TenantId},
};
use sqlx::PgConnection;
use std::sync::atomic::{AtomicBool, Ordering};

/// Remembers that keys are asked for, so that the database is not asked with every request.
pub struct Keyless {
    /// Never false again once it was true: revoked keys stay in the database.
    keys_asked_for: AtomicBool,
}

impl Keyless {
    pub fn new(require_keys: bool) -> Self {
        Self { keys_asked_for: AtomicBool::new(require_keys) }
    }

    /// The limits of a tenant whom no key speaks for; nothing where keys are asked for. A key made by another process is
    /// noticed with the next request.
    pub async fn find_quota(
        &self,
        connection: &mut PgConnection,
        tenant: &TenantId,
    ) -> Result<Option<Quota>, StoreError> {
        if self.keys_asked_for.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let quota = tenants::quota_without_keys(connection, tenant).await?;
        if quota.is_none() {
            self.keys_asked_for.store(true, Ordering::Relaxed);
        }
        Ok(quota)
    }
}
