//! Where the service's state lies, opened for a command.

use super::error::CliError;
use crate::{
    api::Chain,
    certificate::SigningKey,
    config::{StorageConfig, bucket_settings},
    files::Files,
    store::{Durability, EmbeddedPostgres, Store, keys, parse_address, place_of},
};
use std::{fs::Permissions, os::unix::fs::PermissionsExt, path::PathBuf, sync::Arc, time::Duration};
use tokio::time::timeout;

/// How long connections to the database may take to end, once nobody should use them any more.
const CLOSE: Duration = Duration::from_secs(3);
/// Database connections: requests of the API, and a few of the worker's.
const CONNECTIONS: u32 = 20;
/// Database connections of a command beside a running server.
const CONNECTIONS_BESIDE: u32 = 2;

/// The database, migrated, and the files beside it.
pub struct Storage {
    pub store: Store,
    pub files: Files,
    pub signing_key: Arc<SigningKey>,
    /// Stopped last.
    embedded: Option<EmbeddedPostgres>,
}

impl Storage {
    /// Opens the files and the database, which is started where it is private, and brings its schema up to date.
    pub async fn open(config: &StorageConfig) -> Result<Self, CliError> {
        let (files, signing_key) = open_folder(config)?;
        let (options, embedded) = match &config.database_url {
            Some(url) => {
                let wrong = |error| CliError::usage(format!("--database-url is not a PostgreSQL address: {error}"));
                (parse_address(url).map_err(wrong)?, None)
            }
            None => {
                let bin = config.postgres_bin.as_deref();
                let started = EmbeddedPostgres::start(&private_database(config)?, bin, Durability::Full).await;
                let embedded = started.map_err(CliError::failed)?;
                (embedded.connect_options(), Some(embedded))
            }
        };
        let address = place_of(&options);
        let store = Store::connect(options, CONNECTIONS).await.map_err(|error| {
            CliError::failed_because(format!("cannot use the database at {address}: {}", Chain(&error)))
        })?;
        store.migrate().await.map_err(CliError::failed)?;
        Ok(Self { store, files, signing_key, embedded })
    }

    /// As `open`, for a command that may run beside a server: where the private database is up already, that is used.
    pub async fn attach(config: &StorageConfig) -> Result<Self, CliError> {
        if config.database_url.is_some() {
            return Self::open(config).await;
        }
        let running = EmbeddedPostgres::running(&private_database(config)?).await.map_err(CliError::failed)?;
        let Some(options) = running else { return Self::open(config).await };
        let (files, signing_key) = open_folder(config)?;
        let store = Store::connect(options, CONNECTIONS_BESIDE).await.map_err(CliError::failed)?;
        Ok(Self { store, files, signing_key, embedded: None })
    }

    pub async fn has_usable_key(&self) -> Result<bool, CliError> {
        let mut connection = self.store.acquire().await.map_err(CliError::failed)?;
        keys::any_usable(&mut connection).await.map_err(CliError::failed)
    }

    /// Ends the connections, then the private database.
    pub async fn close(self) {
        if timeout(CLOSE, self.store.close()).await.is_err() {
            tracing::warn!("connections to the database were broken off");
        }
        if let Some(embedded) = self.embedded {
            embedded.stop().await;
        }
    }
}

fn private_database(config: &StorageConfig) -> Result<PathBuf, CliError> {
    Ok(config.data_dir().map_err(CliError::usage)?.join("postgres"))
}

/// Opens the data folder, made where it is missing: its files, and the key that signs certificates.
fn open_folder(config: &StorageConfig) -> Result<(Files, Arc<SigningKey>), CliError> {
    let folder = config.data_dir().map_err(CliError::usage)?;
    let is_new = !folder.exists();
    std::fs::create_dir_all(&folder).map_err(|error| {
        CliError::failed_because(format!(
            "cannot make the data folder {}: {error}; choose another with --data-dir",
            folder.display()
        ))
    })?;
    if is_new {
        // Others may pass through it, because the private database may run as another user; what lies in it they can neither
        // list nor read.
        std::fs::set_permissions(&folder, Permissions::from_mode(0o711)).map_err(CliError::failed)?;
    }
    let files = match &config.object_store {
        None => Files::open(&folder),
        Some(url) => Files::open_with_bucket(&folder, url, &bucket_settings()),
    };
    let files = files.map_err(CliError::failed)?;
    let key = config.signing_key.clone().unwrap_or_else(|| folder.join("signing.key"));
    Ok((files, Arc::new(SigningKey::open(&key).map_err(CliError::failed)?)))
}
