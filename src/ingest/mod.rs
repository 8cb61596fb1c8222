//! From an uploaded table to an encoded dataset, and from a keep mask back to a table.

mod dataset;

pub use dataset::{Dataset, DatasetError, FORMAT_VERSION, SplitData};
