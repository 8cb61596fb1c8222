//! `autodenoise keys`: who may use the service, straight on its database.

use super::{
    error::CliError,
    json::JsonArgs,
    runtime,
    screen::note,
    storage::Storage,
    tables::{table, table_that_fits},
};
use crate::{
    config::StorageConfig,
    store::{
        audit::{self, NewEntry},
        keys::{self, KeyRow, NewKey, Revocation},
        tenants::{self, TenantRow},
    },
    types::{AuditOutcome, KeyId, Quota, Scope, TenantId},
};
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use sqlx::PgConnection;

#[derive(Subcommand)]
pub enum KeysCommand {
    /// Make a key and print it, once: it cannot be shown again
    Create(CreateArgs),
    /// List keys, newest first
    List(ListArgs),
    /// Revoke a key: it is refused from the next request on
    Revoke(RevokeArgs),
    /// List tenants with their limits and usage, or change the limits of one
    Tenants(TenantsArgs),
}

#[derive(Args)]
pub struct CreateArgs {
    /// What the key is for
    #[arg(long, value_name = "TEXT", default_value = "", value_parser = short)]
    name: String,
    /// The tenant the key belongs to; made if it does not exist
    #[arg(long, value_name = "NAME", default_value_t)]
    tenant: TenantId,
    /// What the key may do: read, write or admin, each including those before it
    #[arg(long, visible_alias = "scopes", value_name = "SCOPE", default_value = "write")]
    scope: Scope,
    /// Days after which the key expires [default: never]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    expires_in_days: Option<u32>,
    #[command(flatten)]
    storage: StorageConfig,
}

#[derive(Args)]
pub struct ListArgs {
    /// Only keys of this tenant
    #[arg(long, value_name = "NAME")]
    tenant: Option<TenantId>,
    #[command(flatten)]
    json: JsonArgs,
    #[command(flatten)]
    storage: StorageConfig,
}

#[derive(Args)]
pub struct RevokeArgs {
    /// The key's id, as listed
    id: KeyId,
    #[command(flatten)]
    storage: StorageConfig,
}

#[derive(Args)]
#[command(group = clap::ArgGroup::new("limit").multiple(true))]
pub struct TenantsArgs {
    /// The tenant whose limits to change; made if it does not exist
    #[arg(requires = "limit")]
    tenant: Option<TenantId>,
    /// Bytes that its uploads may take together, or `default` for the server's limit
    #[arg(long, value_name = "BYTES", value_parser = limit::<u64>, group = "limit", requires = "tenant")]
    max_bytes: Option<Limit<u64>>,
    /// Unfinished jobs it may have, or `default`
    #[arg(long, value_name = "N", value_parser = limit::<u32>, group = "limit", requires = "tenant")]
    max_jobs: Option<Limit<u32>>,
    /// Requests it may make in a minute, or `default`
    #[arg(long, value_name = "N", value_parser = positive_limit, group = "limit", requires = "tenant")]
    max_requests: Option<Limit<u32>>,
    #[command(flatten)]
    json: JsonArgs,
    #[command(flatten)]
    storage: StorageConfig,
}

/// A limit of a tenant's own, or none.
#[derive(Debug, Clone, Copy)]
struct Limit<T>(Option<T>);

fn limit<T: std::str::FromStr>(text: &str) -> Result<Limit<T>, String> {
    match text {
        "default" => Ok(Limit(None)),
        text => text.parse().map(Some).map(Limit).map_err(|_| "expected a number, or `default`".to_owned()),
    }
}

fn positive_limit(text: &str) -> Result<Limit<u32>, String> {
    limit(text).and_then(|limit| match limit {
        Limit(Some(0)) => Err("expected at least 1".to_owned()),
        limit => Ok(limit),
    })
}

fn short(text: &str) -> Result<String, String> {
    if text.len() <= 200 { Ok(text.to_owned()) } else { Err("at most 200 bytes".to_owned()) }
}

pub fn run(command: KeysCommand) -> Result<(), CliError> {
    match command {
        KeysCommand::Create(args) => with_database(&args.storage, async |conn| create(conn, &args).await),
        KeysCommand::List(args) => with_database(&args.storage, async |conn| {
            let rows = keys::list(conn, args.tenant.as_ref()).await.map_err(CliError::failed)?;
            args.json.print(&rows, || key_table(&rows).to_string());
            Ok(())
        }),
        KeysCommand::Revoke(args) => with_database(&args.storage, async |conn| {
            match keys::revoke(conn, args.id).await.map_err(CliError::failed)? {
                Revocation::Revoked => {
                    record(conn, "keys revoke", None, Some(args.id.to_string())).await?;
                    note(&format!("revoked {}", args.id));
                }
                Revocation::Unchanged => note(&format!("{} was revoked before", args.id)),
                Revocation::Missing => return Err(CliError::failed_because(format!("there is no key `{}`", args.id))),
            }
            Ok(())
        }),
        KeysCommand::Tenants(args) => with_database(&args.storage, async |conn| set_limits(conn, &args).await),
    }
}

/// Runs a command on the database of the running server, or on the private database, started for the command where no server
/// runs.
fn with_database(
    config: &StorageConfig,
    command: impl AsyncFnOnce(&mut PgConnection) -> Result<(), CliError>,
) -> Result<(), CliError> {
    runtime::run_service(async {
        let storage = Storage::attach(config).await?;
        let mut connection = storage.store.acquire().await.map_err(CliError::failed)?;
        let done = command(&mut connection).await;
        drop(connection);
        storage.close().await;
        done
    })
}

async fn create(conn: &mut PgConnection, args: &CreateArgs) -> Result<(), CliError> {
    if tenants::create(conn, &args.tenant).await.map_err(CliError::failed)? {
        note(&format!("made the tenant {}", args.tenant));
    }
    let new = NewKey {
        tenant: args.tenant.clone(),
        name: args.name.clone(),
        scope: args.scope,
        expires_in_days: args.expires_in_days,
    };
    let (row, key) = keys::create(conn, &new).await.map_err(CliError::failed)?;
    record(conn, "keys create", Some(&args.tenant), Some(row.id.to_string())).await?;
    note(&format!(
        "made {}, of scope {} for the tenant {}; keep what follows, it cannot be shown again",
        row.id, row.scope, row.tenant
    ));
    println!("{}", key.reveal());
    Ok(())
}

/// Writes down what the operator did, on the machine itself.
async fn record(
    conn: &mut PgConnection,
    action: &str,
    tenant: Option<&TenantId>,
    object: Option<String>,
) -> Result<(), CliError> {
    let entry = NewEntry {
        tenant: tenant.cloned(),
        key: None,
        address: None,
        forwarded_for: None,
        action: action.to_owned(),
        object,
        status: None,
        outcome: AuditOutcome::Done,
        request_id: None,
    };
    audit::record(conn, &entry).await.map_err(CliError::failed)
}

async fn set_limits(conn: &mut PgConnection, args: &TenantsArgs) -> Result<(), CliError> {
    if let Some(tenant) = &args.tenant {
        tenants::create(conn, tenant).await.map_err(CliError::failed)?;
        let own = tenants::quota(conn, tenant).await.map_err(CliError::failed)?;
        let quota = Quota {
            max_bytes: args.max_bytes.map_or(own.max_bytes, |limit| limit.0),
            max_jobs: args.max_jobs.map_or(own.max_jobs, |limit| limit.0),
            requests_per_minute: args.max_requests.map_or(own.requests_per_minute, |limit| limit.0),
        };
        tenants::set_quota(conn, tenant, &quota).await.map_err(CliError::failed)?;
        record(conn, "keys tenants", Some(tenant), None).await?;
    }
    let rows = tenants::list(conn).await.map_err(CliError::failed)?;
    args.json.print(&rows, || tenant_table(&rows).to_string());
    Ok(())
}

fn key_table(rows: &[KeyRow]) -> comfy_table::Table {
    let header = ["id", "tenant", "scope", "state", "made", "expires", "last used", "name"];
    let day = |time: Option<DateTime<Utc>>| time.map_or("never".to_owned(), |time| time.format("%Y-%m-%d").to_string());
    let minute = |time: DateTime<Utc>| time.format("%Y-%m-%d %H:%M").to_string();
    let lines = rows.iter().map(|row| {
        vec![
            row.id.to_string(),
            row.tenant.to_string(),
            row.scope.to_string(),
            match (row.revoked_at, row.usable) {
                (Some(_), _) => "revoked".to_owned(),
                (None, false) => "expired".to_owned(),
                (None, true) => "good".to_owned(),
            },
            day(Some(row.created_at)),
            day(row.expires_at),
            row.last_used_at.map_or("never".to_owned(), minute),
            row.name.clone(),
        ]
    });
    table_that_fits(&header, lines, header.len(), &["made", "expires", "scope", "last used"])
}

fn tenant_table(rows: &[TenantRow]) -> comfy_table::Table {
    fn own(limit: Option<impl ToString>) -> String {
        limit.map_or("default".to_owned(), |limit| limit.to_string())
    }
    let header = [
        "tenant",
        "upload bytes",
        "unfinished",
        "tables",
        "together at most",
        "unfinished jobs",
        "at most",
        "requests a minute at most",
    ];
    let lines = rows.iter().map(|row| {
        vec![
            row.name.to_string(),
            row.usage.bytes.to_string(),
            row.usage.unfinished_bytes.to_string(),
            row.usage.table_bytes.to_string(),
            own(row.quota.max_bytes),
            row.usage.jobs.to_string(),
            own(row.quota.max_jobs),
            own(row.quota.requests_per_minute),
        ]
    });
    table(&header, lines, 1)
}
