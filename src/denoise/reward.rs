//! Rewards (spec `autodenoise.md`, equation 3 and section 6, rows 4, 5 and 7): how much lower a row's loss is now than its
//! mean over the look-back.

use crate::types::{DeselectedReward, Options, Reward, RewardNorm};

/// The rewards of one batch.
pub struct Rewards {
    /// What the policy learns from; 0 for a row without a reward.
    pub values: Vec<f32>,
    /// How many rows have a reward.
    pub count: usize,
    /// Sum and sum of squares, before any centring.
    pub sum: f64,
    pub sum_of_squares: f64,
}

/// Rewards from the look-back mean, the present losses and the actions of the batch's rows. The losses of deselected rows
/// count only where `deselected_reward` is `negate`; elsewhere they may be anything finite.
pub fn compute_rewards(options: &Options, look_back: &[f32], losses: &[f32], actions: &[bool]) -> Rewards {
    let each = look_back.iter().zip(losses).map(|(mean, loss)| mean - loss);
    let selected = actions.iter().filter(|action| **action).count();
    // Of each row: its reward, if it has one.
    let given: Vec<Option<f32>> = match options.reward {
        Reward::Instance => {
            let negate = options.deselected_reward == DeselectedReward::Negate;
            let give = |(reward, action): (f32, &bool)| if *action { Some(reward) } else { negate.then_some(-reward) };
            each.zip(actions).map(give).collect()
        }
        Reward::BatchSum | Reward::BatchMean => {
            let own = each.zip(actions).filter(|(_, action)| **action).map(|(reward, _)| f64::from(reward));
            let total = own.sum::<f64>() as f32;
            let mean = options.reward == Reward::BatchMean;
            let shared = if mean { total / (selected as f32).max(1.0) } else { total };
            let to_all = options.deselected_reward != DeselectedReward::Zero;
            // Without a selected row there is no batch reward to hand out.
            actions.iter().map(|action| (selected > 0 && (*action || to_all)).then_some(shared)).collect()
        }
    };
    let rewarded = || given.iter().flatten().map(|reward| f64::from(*reward));
    let (count, sum) = (rewarded().count(), rewarded().sum::<f64>());
    let sum_of_squares = rewarded().map(|reward| reward * reward).sum();
    Rewards { values: normalise(options.reward_norm, &given, count, sum), count, sum, sum_of_squares }
}

/// Centring and scaling over the rows that have a reward.
fn normalise(norm: RewardNorm, given: &[Option<f32>], count: usize, sum: f64) -> Vec<f32> {
    let (mean, scale) = match norm {
        RewardNorm::None => (0.0, 1.0),
        _ if count == 0 => (0.0, 1.0),
        RewardNorm::Center => (sum / count as f64, 1.0),
        RewardNorm::Standardize => {
            let mean = sum / count as f64;
            let squares = given.iter().flatten().map(|reward| (f64::from(*reward) - mean).powi(2)).sum::<f64>();
            let variance = squares / count as f64;
            // Equal rewards have no scale: they stay 0.
            (mean, if variance > 0.0 { 1.0 / variance.sqrt() } else { 1.0 })
        }
    };
    let value = |reward: &Option<f32>| reward.map_or(0.0, |reward| ((f64::from(reward) - mean) * scale) as f32);
    given.iter().map(value).collect()
}
