//! What a method that chooses rows is to the job that runs it: a state machine whose steps are single passes, like the
//! job's own. The methods are in `denoise` and `baseline`; `evaluate` runs them.

mod contest;
mod context;
mod crossfit;
mod error;
mod pick;
mod progress;
mod race;
mod sealed;
mod selected;
mod selector;
mod session;
mod treatment;
mod warmup;

pub use contest::Contest;
pub use context::{Context, Role};
pub use crossfit::{CrossFit, CrossFitPlan};
pub use error::SelectError;
pub use pick::{keep_count, top_k, top_k_per_batch};
pub use progress::Spent;
pub use race::{Entrant, Keep, Race, Standing, Winner};
pub use sealed::{Reading, SealedTest};
pub use selected::{CorruptPlace, Scores, Selected, SelectedNote};
pub use selector::Selector;
pub use session::{PassMetrics, Place, Session, empty_row};
pub use treatment::Treatment;
pub use warmup::Warmup;
