//! Actions of the policy over the rows of a batch: true selects a row (spec `autodenoise.md`, section 6, rows 1 and 2).

use crate::backbone::action_stream;
use crate::types::{Action, UpdateAction};

/// The uniform numbers of one draw of actions.
pub fn draw_uniforms(seed: u64, epoch: u32, batch: u32, draw: u32, rows: usize) -> Vec<f32> {
    let mut numbers = vec![0.0; rows];
    action_stream(seed, epoch, batch, draw).fill_uniform(&mut numbers);
    numbers
}

/// The likelier action; a tie leaves the row out, as argmax does.
pub fn greedy(logits: &[f32; 2]) -> bool {
    logits[1] > logits[0]
}

/// Whether a row is selected in the reward step: drawn where u < p, so that a probability of 0 never is; or the likelier
/// action, flipped where u <= epsilon.
pub fn act(action: Action, epsilon: f64, logits: &[f32; 2], keep_prob: f32, u: f32) -> bool {
    match action {
        Action::Sample => u < keep_prob,
        Action::EpsGreedy => greedy(logits) != (u <= epsilon as f32),
    }
}

/// Whether a row is selected for the model's update.
pub fn act_again(action: UpdateAction, logits: &[f32; 2], keep_prob: f32, u: f32) -> bool {
    match action {
        UpdateAction::Sample => u < keep_prob,
        UpdateAction::Greedy => greedy(logits),
    }
}
