//! AutoDenoise: a service that finds the rows of a click dataset worth training on.
//!
//! The rooms, and which way dependence goes (`docs/architecture.md` has the reasons):
//!
//! ```text
//! simd <- random <- ingest; types <- remote <- {ingest, certificate}; types <- {metrics, random, ingest} <- backbone <- selection
//! selection <- {denoise, baseline} <- evaluate <- {trainer, judge <- cli}; metrics <- audit <- denoise
//! ingest <- import <- cli; ingest <- plant <- {trainer, cli}; {backbone, chart, ingest, metrics} <- reproduce <- cli
//! {chart, metrics} <- report <- {evaluate, api, cli}
//! types <- {store, files, certificate} <- {api, worker} <- cli; store <- webhooks <- {api, cli}; {api, chart} <- web <- cli
//! {ingest, trainer, worker} <- reader <- {api, cli}; {judge, predictions, worker} <- judging <- cli
//! ```
//!
//! Only `store` holds SQL, only `config` reads the environment. libtorch is in a package of its own, `torch/`, which depends on
//! this one: it puts its models behind the traits of `backbone`, and runs `trainer` with them.

pub mod api;
pub mod audit;
pub mod backbone;
pub mod baseline;
pub mod certificate;
pub mod chart;
pub mod cli;
pub mod config;
pub mod denoise;
pub mod evaluate;
pub mod files;
pub mod import;
pub mod ingest;
pub mod judge;
pub mod judging;
pub mod metrics;
pub mod plan;
pub mod plant;
pub mod predictions;
pub mod random;
pub mod reader;
pub mod remote;
pub mod report;
pub mod reproduce;
pub mod selection;
pub mod simd;
pub mod store;
pub mod synth;
pub mod telemetry;
pub mod trainer;
pub mod types;
pub mod web;
pub mod webhooks;
pub mod worker;
