//! The methods the paper compares with, and controls (spec `baselines.md`), each a [`Selector`](crate::selection::Selector).

mod controls;

pub use controls::{LossDrop, RandomDrop};
