//! Rewards (spec `autodenoise.md`, equation 3 and section 6, rows 4, 5 and 7): how much lower a row's loss is now than
//! its mean over the look-back.

use crate::types::{DeselectedReward, Options, Reward, RewardNorm};
use tch::{Kind, Tensor};

/// The rewards of one batch, `[B]`.
pub struct Rewards {
    /// What the policy learns from; 0 for a row without a reward.
    pub values: Tensor,
    /// How many rows have a reward.
    pub count: i64,
    /// Sum and sum of squares, before any centring.
    pub sum: f64,
    pub sum_of_squares: f64,
}

/// Rewards from the look-back mean `[B]`, the present losses `[B]` and the actions `[B]`. The losses of deselected rows
/// count only where `deselected_reward` is `negate`; elsewhere they may be anything finite.
pub fn rewards(options: &Options, look_back: &Tensor, losses: &Tensor, actions: &Tensor) -> Rewards {
    let each = look_back - losses;
    let selected = actions.sum(Kind::Double).double_value(&[]);
    let (given, rewarded) = match options.reward {
        Reward::Instance => match options.deselected_reward {
            DeselectedReward::Negate => (each * (actions * 2.0 - 1.0), actions.ones_like()),
            DeselectedReward::Zero | DeselectedReward::Batch => (each * actions, actions.shallow_clone()),
        },
        Reward::BatchSum | Reward::BatchMean => {
            let total = (each * actions).sum(Kind::Float);
            let shared = if options.reward == Reward::BatchMean { total / selected.max(1.0) } else { total };
            let rewarded = match options.deselected_reward {
                DeselectedReward::Zero => actions.shallow_clone(),
                // Without a selected row there is no batch reward to hand out.
                _ if selected == 0.0 => actions.zeros_like(),
                _ => actions.ones_like(),
            };
            (shared * &rewarded, rewarded)
        }
    };
    let given_f64 = given.to_kind(Kind::Double);
    let count = rewarded.sum(Kind::Double).double_value(&[]);
    let sum = given_f64.sum(Kind::Double).double_value(&[]);
    let sum_of_squares = given_f64.square().sum(Kind::Double).double_value(&[]);
    let values = normalise(options.reward_norm, given, &rewarded, count, sum);
    Rewards { values, count: count as i64, sum, sum_of_squares }
}

/// Centring and scaling over the rows that have a reward.
fn normalise(norm: RewardNorm, given: Tensor, rewarded: &Tensor, count: f64, sum: f64) -> Tensor {
    if norm == RewardNorm::None || count == 0.0 {
        return given;
    }
    let centred = (given - sum / count) * rewarded;
    match norm {
        RewardNorm::Standardize => {
            let variance = centred.square().sum(Kind::Double).double_value(&[]) / count;
            // Equal rewards have no scale: they stay 0.
            if variance > 0.0 { centred / variance.sqrt() } else { centred }
        }
        _ => centred,
    }
}
