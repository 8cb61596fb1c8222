//! The methods AutoDenoise is compared with (spec `baselines.md`).

pub mod instance;
