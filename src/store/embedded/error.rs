//! What can go wrong with the private database, and what to do about it.

use std::{
    io,
    path::{Path, PathBuf},
};

/// `sun_path` of a Unix socket, without the zero byte at its end.
pub(super) const MAX_SOCKET_PATH: usize = 107;

#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    #[error(
        "no PostgreSQL found: install it (on Debian: apt-get install postgresql), give --postgres-bin the folder of an initdb \
         that is elsewhere, or give --database-url"
    )]
    NoPostgres,
    #[error("`{}` holds no initdb and postgres: give --postgres-bin the folder that does", .0.display())]
    NotAPostgresFolder(PathBuf),
    #[error(
        "the folder `{}` is closed to user `{user}`, which runs the database because postgres refuses to run as root: \
         chmod o+x it, or give --data-dir another place such as /var/lib/autodenoise", parent.display()
    )]
    ClosedToServer { parent: PathBuf, user: String },
    #[error("as root the database must run as another user, and there is neither `postgres` nor `nobody`: add one")]
    NoUser,
    #[error("the socket `{}` would have a path of {length} bytes, and {max} is the most: give a shorter --data-dir",
        path.display(), max = MAX_SOCKET_PATH)]
    SocketPathTooLong { path: PathBuf, length: usize },
    #[error("the database in `{}` is in use by another process: stop that one, or give another --data-dir", .0.display())]
    InUse(PathBuf),
    #[error("the database in `{}` was made by PostgreSQL {version}, which is not installed: apt-get install postgresql-{version}",
        dir.display())]
    OtherVersion { dir: PathBuf, version: String },
    #[error("{what} failed: {output}")]
    Tool { what: &'static str, output: String },
    #[error("the database stopped while starting ({status}); its last words: {log}")]
    Stopped { status: String, log: String },
    #[error("a process of an earlier database still uses `{}` and does not stop; end it and start again", .0.display())]
    StillRunning(PathBuf),
    #[error("the database did not answer within {seconds} s: {source}")]
    NotReady { seconds: u64, source: sqlx::Error },
    #[error("cannot {doing} `{}`: {source}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("the database could not be made: {0}")]
    Database(#[from] sqlx::Error),
}

impl EmbeddedError {
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }
}
