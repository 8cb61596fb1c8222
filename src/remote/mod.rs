//! Files that are read where they are: a path on this machine, an object of a store (`s3://`, `gs://`, `az://`), a file of the web
//! (`https://`). Of one at an address each read asks for a range of one version, so memory is bounded, no disk is used, and a file
//! that is replaced meanwhile is an error instead of a mixture.
//!
//! Who asks is said by the environment, as the stores' own programs have it: `AWS_*`, `GOOGLE_*`, `AZURE_*`. Clients open addresses
//! with [`Location`]; whoever reads bytes opens a [`SourceFile`](crate::types::SourceFile) with [`open`].

mod fetch;
mod location;
mod pieces;
mod source;

pub use fetch::{RemoteError, check};
pub use location::{Location, open_location};
pub use source::{Reader, byte_count, open, open_columns};
