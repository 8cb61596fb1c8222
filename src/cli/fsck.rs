//! `fsck`: whether the files are what the database says, beside a running server or without one.

use super::{
    error::CliError,
    json::{JsonArgs, print_json},
    runtime,
    screen::note,
    storage::Storage,
    tables,
};
use crate::{
    config::StorageConfig,
    files::{Files, FilesError, Key},
    report::number,
    store::{
        Store, artifacts,
        objects::{self, NamedObject},
        uploads,
    },
};
use clap::Args;
use serde::Serialize;
use std::time::Duration;

/// Rows read at once.
const BATCH: u32 = 500;
/// A younger object without a row may be one whose row is not written yet; an older one is an orphan.
const ORPHAN_AGE: Duration = Duration::from_secs(3600);

#[derive(Args)]
pub struct FsckArgs {
    /// Delete orphans: objects that nothing names, an hour old or older
    #[arg(long)]
    repair_orphans: bool,
    #[command(flatten)]
    json: JsonArgs,
    #[command(flatten)]
    storage: StorageConfig,
}

/// One thing that is not as it should be: the object, its fault, and what was found.
type Fault = [String; 3];

pub fn fsck(args: FsckArgs) -> Result<(), CliError> {
    let folder = args.storage.data_dir().map_err(CliError::usage)?;
    if !folder.is_dir() {
        return Err(CliError::failed_because(format!("there is no data folder {}", folder.display())));
    }
    runtime::run_service(async {
        let storage = Storage::attach(&args.storage).await?;
        let check = Check { store: &storage.store, files: &storage.files };
        let found = check.run(args.repair_orphans).await;
        storage.close().await;
        let found = found?;
        if args.json.json {
            print_json(&found);
        }
        let Found { objects, bytes, uploads, faults, removed } = found;
        if !args.json.json && (!faults.is_empty() || !removed.is_empty()) {
            let lines = faults.iter().chain(&removed).map(|fault| fault.to_vec());
            println!("{}", tables::table(&["object", "fault", "found"], lines, 3));
        }
        note(&format!(
            "checked {} objects of {} bytes, and {} unfinished uploads",
            number(objects),
            number(bytes),
            number(uploads)
        ));
        if faults.is_empty() { Ok(()) } else { Err(CliError::not_verified(format!("{} faults", faults.len()))) }
    })
}

#[derive(Default, Serialize)]
struct Found {
    objects: u64,
    bytes: u64,
    uploads: u64,
    faults: Vec<Fault>,
    /// Orphans that are gone now.
    removed: Vec<Fault>,
}

struct Check<'a> {
    store: &'a Store,
    files: &'a Files,
}

impl Check<'_> {
    async fn run(&self, repair_orphans: bool) -> Result<Found, CliError> {
        let mut found = Found::default();
        self.check_objects(&mut found).await?;
        self.check_uploads(&mut found).await?;
        self.find_orphans(repair_orphans, &mut found).await?;
        Ok(found)
    }

    async fn check_objects(&self, found: &mut Found) -> Result<(), CliError> {
        let mut after = String::new();
        loop {
            let mut conn = self.store.acquire().await.map_err(CliError::failed)?;
            let page = objects::list(&mut conn, Key::UPLOAD_PREFIX, &after, BATCH).await.map_err(CliError::failed)?;
            // Reading the objects may take long, and would keep a connection from others.
            drop(conn);
            let Some(last) = page.last() else { return Ok(()) };
            after.clone_from(&last.name);
            for object in page {
                found.objects += 1;
                found.bytes += object.bytes as u64;
                if let Some([fault, detail]) = self.fault_of(&object).await?
                    && self.is_still_named(&object).await?
                {
                    found.faults.push([object.name, fault, detail]);
                }
            }
        }
    }

    async fn fault_of(&self, object: &NamedObject) -> Result<Option<[String; 2]>, CliError> {
        let Ok(key) = Key::parse(&*object.name) else {
            return Ok(Some(["misnamed".to_owned(), "the name cannot be an object's".to_owned()]));
        };
        let missing = || Ok(Some(["missing".to_owned(), format!("nothing; {} bytes were stored", object.bytes)]));
        match self.files.size(&key).await {
            Ok(size) if size == object.bytes as u64 => {}
            Ok(size) => return Ok(Some(["size".to_owned(), format!("{size} bytes; {} were stored", object.bytes)])),
            Err(error) if error.is_not_found() => return missing(),
            Err(error) => return Err(CliError::failed(error)),
        }
        match self.files.verify(&key, &object.sha256).await {
            Ok(()) => Ok(None),
            Err(FilesError::Damaged { found, expected, .. }) => {
                Ok(Some(["damaged".to_owned(), format!("sha256 {found}; {expected} was stored")]))
            }
            Err(error) if error.is_not_found() => missing(),
            Err(error) => Err(CliError::failed(error)),
        }
    }

    /// Whether the row is still there: beside a running server it and its object may be deleted during the check.
    async fn is_still_named(&self, object: &NamedObject) -> Result<bool, CliError> {
        let conn = &mut *self.store.acquire().await.map_err(CliError::failed)?;
        let now = objects::find(conn, Key::UPLOAD_PREFIX, &object.name).await.map_err(CliError::failed)?;
        Ok(now.as_ref() == Some(object))
    }

    async fn check_uploads(&self, found: &mut Found) -> Result<(), CliError> {
        let mut after = None;
        loop {
            let conn = &mut *self.store.acquire().await.map_err(CliError::failed)?;
            let page = uploads::unfinished(conn, after, BATCH).await.map_err(CliError::failed)?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.id);
            for row in page {
                found.uploads += 1;
                let detail = match self.files.partial_bytes(row.id).await.map_err(CliError::failed)? {
                    Some(bytes) if bytes >= row.received as u64 => continue,
                    Some(bytes) => format!("{bytes} bytes; {} were acknowledged", row.received),
                    None => format!("nothing; {} bytes were acknowledged", row.received),
                };
                if uploads::unneeded(conn, &[row.id]).await.map_err(CliError::failed)?.is_empty() {
                    found.faults.push([row.id.to_string(), "missing".to_owned(), detail]);
                }
            }
        }
    }

    async fn find_orphans(&self, repair: bool, found: &mut Found) -> Result<(), CliError> {
        let aged = self.files.aged_objects(ORPHAN_AGE).await.map_err(CliError::failed)?;
        for keys in aged.chunks(BATCH as usize) {
            let names: Vec<String> = keys.iter().map(Key::to_string).collect();
            let conn = &mut *self.store.acquire().await.map_err(CliError::failed)?;
            let orphans = artifacts::unreferenced(conn, &names, Key::UPLOAD_PREFIX).await.map_err(CliError::failed)?;
            for name in orphans {
                if repair && self.remove_orphan(&name).await? {
                    found.removed.push([name, "orphan".to_owned(), "nothing named it; it was deleted".to_owned()]);
                } else {
                    found.faults.push([name, "orphan".to_owned(), "nothing names it".to_owned()]);
                }
            }
        }
        Ok(())
    }

    async fn remove_orphan(&self, name: &str) -> Result<bool, CliError> {
        let Ok(key) = Key::parse(name) else { return Ok(false) };
        let mut tx = self.store.begin().await.map_err(CliError::failed)?;
        let free = objects::claim(&mut tx, name, Key::UPLOAD_PREFIX).await.map_err(CliError::failed)?;
        if free {
            self.files.delete_aged(&key, ORPHAN_AGE).await.map_err(CliError::failed)?;
        }
        // The lock goes with the transaction.
        tx.commit().await.map_err(CliError::failed)?;
        Ok(free)
    }
}
