//! The HTTP API.
//!
//! One file per family of addresses, each readable from top to bottom: parameters, then handlers. A handler's name is
//! its OpenAPI operation id. Errors are `ApiError` and nothing else.

mod accept;
mod access;
mod artifacts;
mod attempts;
mod audit;
mod audit_log;
mod browsers;
mod complete_upload;
mod compress;
mod conditional;
mod datasets;
mod document;
mod error;
mod events;
mod extract;
mod from_body;
mod from_upload;
mod gauges;
mod header_params;
mod health;
mod hub;
mod idle;
mod inner;
mod jobs;
mod judgement_views;
mod judgements;
mod keyless;
mod limits;
mod listener;
mod objects_probe;
mod offers;
mod openapi;
mod overlap;
mod pace;
mod page;
mod part_upload;
mod pauses;
mod places;
mod plan;
mod predictions;
mod prefer;
mod protocol;
mod quota;
mod results;
mod routes;
mod row_filter;
mod row_source;
mod rows;
mod server;
mod state;
mod stored;
mod table_parts;
mod throttle;
mod trace;
pub mod tus;
mod upload_parts;
mod upload_sample;
mod uploads;
mod views;
mod watched;
mod webhooks;
mod workers;

pub use crate::types::ProblemItem;
pub use accept::Preferences;
pub use access::Caller;
pub use audit::{Peer, Witness, sweep_audit};
pub use browsers::check_keyless;
pub use error::{Chain, Problem, REQUEST_ID};
pub use gauges::refresh_gauges;
pub use health::{Probes, probes};
pub use hub::EventHub;
pub use inner::{admit, inner_router};
pub use listener::Listener;
pub use objects_probe::ObjectsProbe;
pub use prefer::read_wait;
pub use routes::{openapi_json, router};
pub use row_source::{CellView, RowWithCells};
pub use server::{ConnectionLimits, TlsError, serve, tls};
pub use state::{ApiConfig, AppState};
pub use views::{
    ArtifactList, ArtifactView, AttemptPage, AttemptView, AuditEntryView, Capabilities, CheckpointList, CheckpointView,
    CreatedWebhook, DatasetPart, DatasetView, DeliveryView, EventPage, EventView, Health, JobSummary, JobView,
    MetricsView, OverlapView, Page, PartState, PartView, QueuedMessage, Reproduction, UploadLimits, UploadSample,
    VerdictView, WebhookView, WorkerView,
};
pub use webhooks::{SecretSpec, WebhookSpec};
