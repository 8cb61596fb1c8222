//! AutoDenoise: a service that finds the rows of a click dataset worth training on.
//!
//! The rooms, and which way dependence goes (`docs/architecture.md` has the reasons):
//!
//! ```text
//! simd <- random <- ingest; types <- {metrics, random, ingest} <- backbone <- selection
//! selection <- {denoise, baseline} <- evaluate <- trainer
//! ingest <- import <- cli; evaluate <- reproduce <- cli
//! types <- {store, files, certificate} <- {api, worker} <- cli; store <- webhooks <- {api, cli}
//! ```
//!
//! `api` and `store` never see libtorch, only `store` holds SQL, only `config` reads the environment.

pub mod api;
pub mod backbone;
pub mod baseline;
pub mod certificate;
pub mod cli;
pub mod config;
pub mod denoise;
pub mod evaluate;
pub mod files;
pub mod import;
pub mod ingest;
pub mod metrics;
pub mod random;
pub mod reproduce;
pub mod selection;
pub mod simd;
pub mod store;
pub mod synth;
pub mod telemetry;
pub mod trainer;
pub mod types;
pub mod webhooks;
pub mod worker;
