//! Actions and rewards by tensor operations: `denoise::actions` and `denoise::reward` on a device.

use crate::policy::keep_prob;
use autodenoise::types::{Action, DeselectedReward, Options, Reward, RewardNorm, UpdateAction};
use tch::{Kind, Tensor};

/// Which rows `[B]` are selected in the reward step, by logits `[B, 2]` and uniform numbers `[B]`.
pub fn act(options: &Options, logits: &Tensor, u: &Tensor) -> Tensor {
    match options.action {
        Action::Sample => u.lt_tensor(&keep_prob(logits)),
        Action::EpsGreedy => greedy(logits).logical_xor(&u.le(f64::from(options.epsilon as f32))),
    }
}

/// Which rows are selected for the model's update.
pub fn act_again(options: &Options, logits: &Tensor, u: &Tensor) -> Tensor {
    match options.update_action {
        UpdateAction::Sample => u.lt_tensor(&keep_prob(logits)),
        UpdateAction::Greedy => greedy(logits),
    }
}

fn greedy(logits: &Tensor) -> Tensor {
    logits.select(1, 1).gt_tensor(&logits.select(1, 0))
}

/// The rewards of one batch.
pub struct Rewards {
    /// `[B]` f32: what the policy learns from; 0 for a row without a reward.
    pub values: Tensor,
    /// Scalars in f64: how many rows have a reward; sum and sum of squares, before any centring.
    pub count: Tensor,
    pub sum: Tensor,
    pub sum_of_squares: Tensor,
}

/// Rewards `[B]` from the look-back, the present losses, the actions, and `known`, a scalar: whether there are such losses at all.
pub fn rewards(options: &Options, look_back: &Tensor, losses: &Tensor, actions: &Tensor, known: &Tensor) -> Rewards {
    let each = look_back - losses;
    let (value, given) = match options.reward {
        Reward::Instance => {
            let negate = options.deselected_reward == DeselectedReward::Negate;
            let given = if negate { actions.ones_like() } else { actions.shallow_clone() };
            (each.where_self(actions, &-&each), given)
        }
        Reward::BatchSum | Reward::BatchMean => {
            let total = each.where_scalarother(actions, 0.0).sum(Kind::Double).to_kind(Kind::Float);
            let selected = actions.sum(Kind::Int64);
            let mean = options.reward == Reward::BatchMean;
            let shared = if mean { total / selected.clamp_min(1).to_kind(Kind::Float) } else { total };
            let to_all = options.deselected_reward != DeselectedReward::Zero;
            let given = if to_all { actions.ones_like() } else { actions.shallow_clone() };
            (shared.expand_as(&each), given.logical_and(&selected.gt(0)))
        }
    };
    let (value, given) = (value.to_kind(Kind::Double), given.logical_and(known));
    let over_given = |values: &Tensor| values.where_scalarother(&given, 0.0).sum(Kind::Double);
    let count = given.sum(Kind::Double);
    let sum = over_given(&value);
    let mean = &sum / count.clamp_min(1.0);
    let values = match options.reward_norm {
        RewardNorm::None => value.shallow_clone(),
        RewardNorm::Center => &value - &mean,
        RewardNorm::Standardize => {
            let centred = &value - &mean;
            let variance = over_given(&centred.square()) / count.clamp_min(1.0);
            // Equal rewards have no scale: they stay 0.
            let scale = variance.sqrt().reciprocal().where_scalarother(&variance.gt(0.0), 1.0);
            centred * scale
        }
    };
    let values = values.where_scalarother(&given, 0.0).to_kind(Kind::Float);
    Rewards { values, count, sum, sum_of_squares: over_given(&value.square()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use autodenoise::denoise::{self, compute_rewards};
    use autodenoise::random::{Purpose, Stream};
    use autodenoise::types::{BackboneKind, Preset};

    const ROWS: usize = 50;

    fn numbers(of: u32) -> Vec<f32> {
        let mut all = vec![0.0; ROWS];
        Stream::new(2, Purpose::Actions, &[of]).fill_uniform(&mut all);
        all
    }

    fn scalar(tensor: &Tensor) -> f64 {
        f64::try_from(tensor).unwrap()
    }

    #[test]
    fn rewards_are_those_of_the_processor() {
        let (look_back, losses) = (numbers(0), numbers(1));
        let [some, none, all] =
            [0.6, 0.0, 2.0].map(|share| numbers(2).iter().map(|u| *u < share).collect::<Vec<bool>>());
        let known = Tensor::from(true);
        for reward in [Reward::Instance, Reward::BatchSum, Reward::BatchMean] {
            for deselected_reward in [DeselectedReward::Zero, DeselectedReward::Negate, DeselectedReward::Batch] {
                for reward_norm in [RewardNorm::None, RewardNorm::Center, RewardNorm::Standardize] {
                    for actions in [&some, &none, &all] {
                        let preset = Options::preset(Preset::Paper, BackboneKind::DeepFm);
                        let options = Options { reward, deselected_reward, reward_norm, ..preset };
                        let expected = compute_rewards(&options, &look_back, &losses, actions);
                        let [then, now] = [&look_back, &losses].map(|values| Tensor::from_slice(values));
                        let found = rewards(&options, &then, &now, &Tensor::from_slice(actions), &known);
                        let what = format!("{reward:?} {deselected_reward:?} {reward_norm:?}");
                        assert_eq!(scalar(&found.count), expected.count as f64, "{what}");
                        assert!((scalar(&found.sum) - expected.sum).abs() < 1e-12, "{what}");
                        assert!((scalar(&found.sum_of_squares) - expected.sum_of_squares).abs() < 1e-12, "{what}");
                        let values = Vec::<f32>::try_from(&found.values).unwrap();
                        for (found, expected) in values.iter().zip(&expected.values) {
                            assert!(
                                (found - expected).abs() <= 1e-6 * expected.abs().max(1e-6),
                                "{what}: {found} {expected}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn without_losses_no_row_has_a_reward() {
        let options = Options::preset(Preset::Paper, BackboneKind::DeepFm);
        let given = Tensor::from_slice(&numbers(0));
        let found = rewards(&options, &given, &given.zeros_like(), &given.gt(0.5), &Tensor::from(false));
        assert_eq!((scalar(&found.count), scalar(&found.sum), scalar(&found.values.abs().max())), (0.0, 0.0, 0.0));
    }

    #[test]
    fn actions_are_those_of_the_processor() {
        let (u, z) = (numbers(3), [numbers(4), numbers(5)]);
        let mut each: Vec<[f32; 2]> = z[0].iter().zip(&z[1]).map(|(one, other)| [*one, *other]).collect();
        each[7] = [0.5, 0.5];
        let logits = Tensor::from_slice(each.as_flattened()).view([-1, 2]);
        let p = Vec::<f32>::try_from(keep_prob(&logits)).unwrap();
        let [drawn, flags] = [Tensor::from_slice(&u), logits];
        for (action, update_action) in
            [(Action::Sample, UpdateAction::Sample), (Action::EpsGreedy, UpdateAction::Greedy)]
        {
            let preset = Options::preset(Preset::Paper, BackboneKind::DeepFm);
            let options = Options { action, update_action, epsilon: f64::from(u[3]), ..preset };
            let rows = || each.iter().zip(&p).zip(&u);
            let first: Vec<bool> = rows().map(|((z, p), u)| denoise::act(action, options.epsilon, z, *p, *u)).collect();
            let second: Vec<bool> = rows().map(|((z, p), u)| denoise::act_again(update_action, z, *p, *u)).collect();
            assert_eq!(Vec::<bool>::try_from(act(&options, &flags, &drawn)).unwrap(), first);
            assert_eq!(Vec::<bool>::try_from(act_again(&options, &flags, &drawn)).unwrap(), second);
        }
    }
}
