//! The policy of the method `robust`: the keep probability of a row from what the loss history says of it, learned by
//! REINFORCE with an entropy term.
//!
//! The reward of keeping a row is the log-odds that its label is true: its loss under the other label less its loss under
//! the one it has, by models that have not seen it, and a constant for how common noise is. With an entropy term of weight
//! 1 the expected update vanishes where the policy's logit is the expected reward, so the policy learns the posterior
//! itself, smoothed over rows alike. A row's state comes from one half of the history and its reward from the other: what a
//! policy could only repeat is not learned.

use super::streams;

const BATCH: usize = 2048;
const EPOCHS: u32 = 3;
const LEARNING_RATE: f32 = 0.01;
const DECAY: [f32; 2] = [0.9, 0.99];
/// The mean reward of a value is drawn towards that of all rows, as by so many rows more.
const PRIOR_ROWS: f32 = 20.0;
/// Scale of the values' means: they differ less than single rewards do.
const VALUE_SCALE: f32 = 3.0;

/// Rows as the policy sees them.
pub(super) struct States<'r> {
    /// `[N, F]`: ids below `cardinality`.
    pub ids: &'r [i32],
    pub fields: usize,
    pub cardinality: usize,
    /// `[N]`.
    pub labels: &'r [u8],
    /// `[2][N]`: rewards of keeping each row by either half of the history.
    pub rewards: [&'r [f32]; 2],
    /// `[N]`: rows the policy learns from.
    pub inside: &'r [bool],
}

/// What a search epoch came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Searched {
    pub kept: f64,
    pub reward_mean: f64,
    pub reward_std: f64,
}

/// A linear policy with its optimiser (Adam).
pub(super) struct Policy {
    pub weights: Vec<f32>,
    momentum: Vec<f32>,
    squares: Vec<f32>,
    steps: i32,
}

/// Sums of rewards over the rows of each id, by one half.
struct Means<'s, 'r> {
    states: &'s States<'r>,
    half: usize,
    sums: Vec<f32>,
    counts: Vec<f32>,
    mean: f32,
}

impl<'s, 'r> Means<'s, 'r> {
    fn new(states: &'s States<'r>, half: usize) -> Self {
        let (mut sums, mut counts) = (vec![0.0; states.cardinality], vec![0.0; states.cardinality]);
        let (mut sum, mut count) = (0.0_f64, 0.0_f64);
        let rows = states.ids.chunks_exact(states.fields).zip(states.rewards[half]).zip(states.inside);
        for ((ids, reward), _) in rows.filter(|(_, inside)| **inside) {
            for id in ids {
                sums[*id as usize] += reward;
                counts[*id as usize] += 1.0;
            }
            sum += f64::from(*reward);
            count += 1.0;
        }
        Self { states, half, sums, counts, mean: (sum / count.max(1.0)) as f32 }
    }

    /// The state of a row: 1, its reward and the square of it, its label, and for each field how the other rows of its value
    /// fare.
    fn fill_state(&self, row: usize, out: &mut [f32]) {
        let States { ids, fields, labels, rewards, inside, .. } = self.states;
        let reward = rewards[self.half][row];
        out[..4].copy_from_slice(&[1.0, reward, (reward * reward - 3.0) / 3.0, 2.0 * f32::from(labels[row]) - 1.0]);
        let own = if inside[row] { (reward, 1.0) } else { (0.0, 0.0) };
        for (out, id) in out[4..].iter_mut().zip(&ids[row * fields..][..*fields]) {
            let (sum, count) = (self.sums[*id as usize] - own.0, self.counts[*id as usize] - own.1);
            *out = VALUE_SCALE * ((sum + PRIOR_ROWS * self.mean) / (count + PRIOR_ROWS) - self.mean);
        }
    }
}

impl Policy {
    pub fn new(fields: usize) -> Self {
        let zeros = vec![0.0; 4 + fields];
        Self { weights: zeros.clone(), momentum: zeros.clone(), squares: zeros, steps: 0 }
    }

    fn logit(&self, state: &[f32]) -> f32 {
        self.weights.iter().zip(state).map(|(weight, x)| weight * x).sum()
    }

    /// Learns by acting on every row a few times, in shuffled batches: keep or drop, rewards centred within the batch and
    /// label.
    pub fn search(&mut self, states: &States, seed: u64) -> Searched {
        let rows: Vec<u32> = (0..states.labels.len() as u32).filter(|row| states.inside[*row as usize]).collect();
        let halves = [0, 1].map(|half| Means::new(states, half));
        let mut state = vec![0.0; self.weights.len()];
        let mut draws = vec![0.0; rows.len()];
        let (mut kept, mut acted) = (0_u64, 0_u64);
        for epoch in 0..EPOCHS {
            // State and reward change halves from one epoch's batch to the next.
            let mut order = rows.clone();
            streams::policy_order(seed, epoch).shuffle(&mut order);
            streams::policy_actions(seed, epoch).fill_uniform(&mut draws);
            for (number, (batch, draws)) in order.chunks(BATCH).zip(draws.chunks(BATCH)).enumerate() {
                let (seen, rewarded) = (number % 2, 1 - number % 2);
                let rewards = states.rewards[rewarded];
                // What a coin would earn on rows of each label: what a policy earns more than that is learned from.
                let mut base = [(0.0_f32, 0.0_f32); 2];
                for row in batch {
                    let of_label = &mut base[usize::from(states.labels[*row as usize])];
                    *of_label = (of_label.0 + rewards[*row as usize], of_label.1 + 1.0);
                }
                let mut gradient = vec![0.0; state.len()];
                for (row, draw) in batch.iter().zip(draws) {
                    let row = *row as usize;
                    halves[seen].fill_state(row, &mut state);
                    let logit = self.logit(&state);
                    let keep = 1.0 / (1.0 + (-logit).exp());
                    let action = f32::from(u8::from(*draw < keep));
                    let (sum, count) = base[usize::from(states.labels[row])];
                    let baseline = keep * sum / count.max(1.0);
                    // REINFORCE, and the slope of the entropy.
                    let slope = (action * rewards[row] - baseline) * (action - keep) - keep * (1.0 - keep) * logit;
                    for (gradient, x) in gradient.iter_mut().zip(&state) {
                        *gradient += slope * x / batch.len() as f32;
                    }
                    kept += u64::from(action == 1.0);
                    acted += 1;
                }
                self.step(&gradient);
            }
        }
        let all = || rows.iter().map(|row| f64::from(states.rewards[0][*row as usize]));
        let n = rows.len().max(1) as f64;
        let mean = all().sum::<f64>() / n;
        let variance = all().map(|reward| (reward - mean).powi(2)).sum::<f64>() / n;
        Searched { kept: kept as f64 / acted.max(1) as f64, reward_mean: mean, reward_std: variance.sqrt() }
    }

    /// A step uphill.
    fn step(&mut self, gradient: &[f32]) {
        self.steps += 1;
        let correct = DECAY.map(|decay| 1.0 - decay.powi(self.steps));
        for (at, slope) in gradient.iter().enumerate() {
            self.momentum[at] = DECAY[0] * self.momentum[at] + (1.0 - DECAY[0]) * slope;
            self.squares[at] = DECAY[1] * self.squares[at] + (1.0 - DECAY[1]) * slope * slope;
            let (mean, spread) = (self.momentum[at] / correct[0], (self.squares[at] / correct[1]).sqrt());
            self.weights[at] += LEARNING_RATE * mean / (spread + 1e-6);
        }
    }

    /// The keep logit `[N]` of every row: the mean over both halves as its state.
    pub fn logits(&self, states: &States) -> Vec<f32> {
        let mut logits = vec![0.0; states.labels.len()];
        let mut state = vec![0.0; self.weights.len()];
        for half in [0, 1] {
            let means = Means::new(states, half);
            for (row, logit) in logits.iter_mut().enumerate() {
                means.fill_state(row, &mut state);
                *logit += 0.5 * self.logit(&state);
            }
        }
        logits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::auc;
    use crate::random::{Purpose, Stream};

    /// Two noisy views of a row's true reward: the policy's logit comes closer to it than either.
    #[test]
    fn the_policy_learns_the_reward_it_can_foresee() {
        let n = 40_000;
        let mut numbers = vec![0.0; 4 * n];
        Stream::new(5, Purpose::Init, &[]).fill_normal(&mut numbers);
        let (truth, rest) = numbers.split_at(n);
        let view = |noise: &[f32]| -> Vec<f32> {
            truth.iter().zip(noise).map(|(truth, noise)| 1.0 + 1.5 * truth + 0.8 * noise).collect()
        };
        let (one, other) = (view(&rest[..n]), view(&rest[n..2 * n]));
        let ids: Vec<i32> = rest[2 * n..].iter().map(|x| (x.abs() * 3.0) as i32).collect();
        let labels: Vec<u8> = (0..n).map(|row| (row % 2) as u8).collect();
        let inside = vec![true; n];
        let states =
            States { ids: &ids, fields: 1, cardinality: 20, labels: &labels, rewards: [&one, &other], inside: &inside };
        let mut policy = Policy::new(1);
        for epoch in 0..4 {
            policy.search(&states, epoch);
        }
        let logits = policy.logits(&states);
        // The best linear guess of one view's mean by the other: shrunk towards the mean by the share that is not noise.
        let shrink = 1.5_f32.powi(2) / (1.5_f32.powi(2) + 0.8_f32.powi(2));
        assert!((policy.weights[1] - shrink).abs() < 0.12, "{:?}", policy.weights);
        let good: Vec<u8> = truth.iter().map(|truth| u8::from(*truth > -0.5)).collect();
        let of = |scores: &[f32]| auc(&good, scores).unwrap().unwrap();
        assert!(of(&logits) > of(&one) + 0.01 && of(&logits) > of(&other) + 0.01);
    }
}
