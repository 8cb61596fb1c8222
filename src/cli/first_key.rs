//! A key that the operator chose, so that a server can be started for the first time without a command in between.

use super::error::CliError;
use crate::{
    store::{
        Store,
        keys::{self, Adoption, ApiKey},
        tenants,
    },
    types::{Scope, TenantId},
};
use std::{fs::File, io::Read, path::Path};

/// What the key is listed as.
const NAME: &str = "first key";
/// A key and the end of its line have fewer bytes: a file of more holds something else.
const MOST_BYTES: u64 = 256;

/// Makes the key in the file good, with scope admin for the default tenant, unless it was once: one that was revoked since
/// stays revoked. Neither log nor messages have the key.
pub async fn adopt(store: &Store, file: &Path) -> Result<(), CliError> {
    let key = read(file)?;
    let mut connection = store.acquire().await.map_err(CliError::failed)?;
    let tenant = TenantId::default();
    tenants::create(&mut connection, &tenant).await.map_err(CliError::failed)?;
    match keys::adopt(&mut connection, &key, &tenant, NAME, Scope::Admin).await.map_err(CliError::failed)? {
        Adoption::Adopted => tracing::info!(key = %key.id(), "the first key is good from now on"),
        Adoption::Known => tracing::debug!(key = %key.id(), "the first key was made good before"),
        Adoption::Differs => {
            return Err(CliError::failed_because(format!(
                "there is a key {} with another secret than the one in {}; put a key with an id of its own there",
                key.id(),
                file.display()
            )));
        }
    }
    Ok(())
}

fn read(file: &Path) -> Result<ApiKey, CliError> {
    let wrong =
        |why: &dyn std::fmt::Display| CliError::failed_because(format!("--first-key-file {}: {why}", file.display()));
    let mut text = String::new();
    let opened = File::open(file).map_err(|error| wrong(&error))?;
    opened.take(MOST_BYTES).read_to_string(&mut text).map_err(|error| wrong(&error))?;
    text.trim().parse().map_err(|error| wrong(&error))
}
