//! A method at work: a state machine whose steps are single passes.

use super::{Context, SelectError, Selected, Session};
use crate::backbone::{TensorFile, WeightsError};
use crate::types::Phase;

/// A method at work.
pub trait Selector {
    /// One pass over the training rows, or the choice itself; `Some` ends the work.
    fn step(&mut self, context: &Context, session: &mut Session) -> Result<Option<Selected>, SelectError>;

    /// What the next step is of: a phase, and its epoch counted from 1.
    fn position(&self) -> (Phase, u32);

    /// Puts tensors into the file, below the prefix, and returns all else.
    fn save(&self, prefix: &str, file: &mut TensorFile) -> Result<serde_json::Value, WeightsError>;

    /// Takes up what `save` left. Called on a fresh selector of the same context.
    fn load(
        &mut self,
        context: &Context,
        prefix: &str,
        file: &TensorFile,
        state: serde_json::Value,
    ) -> Result<(), WeightsError>;
}
