//! Search epochs of many batches with everything kept on the device, beside the same epochs that go batch by batch. Both are run on
//! the processor, and draw the same numbers, so they differ by rounding alone.

#[path = "numerics/table.rs"]
#[allow(dead_code, reason = "the tests of the arithmetic use more of it")]
mod table;

use autodenoise::backbone::{Engine, OptimizerConfig, PolicyConfig, TensorFile};
use autodenoise::denoise::{History, SearchEpoch, SearchError, SearchSummary, search_epoch};
use autodenoise::types::{
    BackboneKind, DeselectedReward, LmatDeselected, LmatLoss, OnFewSelected, Optimizer, Options, Preset, RewardForward,
};
use autodenoise_torch::{TorchEngine, staged_steps};
use table::{Table, config, keys};

/// 41 batches of 8, the last of a single row.
const ROWS: u32 = 321;

fn options(optimizer: Optimizer) -> Options {
    Options {
        batch_size: 8,
        lr: 1e-3,
        weight_decay: 1e-4,
        embed_dim: 4,
        policy_mlp_dims: vec![8],
        policy_dropout: 0.2,
        optimizer,
        ..Options::preset(Preset::Paper, BackboneKind::DeepFm)
    }
}

/// What an epoch comes to: its summary, the history's row, and all that the policy and the model learned.
fn run(engine: TorchEngine, options: &Options) -> Result<(SearchSummary, Vec<f32>, [TensorFile; 4]), SearchError> {
    let table = Table::new(ROWS);
    let (rows, key, config) = (table.rows(), keys(1)[0], config(BackboneKind::DeepFm, 0.2));
    let policy = PolicyConfig {
        ranges: config.ranges.clone(),
        label_field: None,
        embed_dim: 4,
        mlp_dims: vec![8],
        dropout: options.policy_dropout,
        batch_norm: true,
        reduction: options.policy_reduction,
        optimizer: OptimizerConfig { kind: options.optimizer, lr: options.lr, weight_decay: options.weight_decay },
    };
    let mut policy = engine.policy(&policy, key);
    let mut history = History::new(1, rows.len(), options.lmat_deselected);
    history.set(0, (0..rows.len()).map(|row| 0.6 + (row % 7) as f32 / 10.0).collect());
    let search = SearchEpoch { options, config: &config, rows: &rows, seed: 1, epoch: 1, key };
    let mut batches = 0;
    let (summary, model) = search_epoch(&engine, &mut *policy, &search, &mut history, &mut || batches += 1)?;
    assert_eq!(batches, rows.len().div_ceil(options.batch_size as usize));
    let learned = [policy.weights(), policy.optimizer_state(), model.weights(), model.optimizer_state()];
    Ok((summary, history.rows()[0].clone(), learned))
}

fn close(what: &str, found: Option<f64>, expected: Option<f64>) {
    let (found, expected) = (found.unwrap(), expected.unwrap());
    // Sums of f32 in another order, over an epoch of steps: libtorch's kernels for an Intel Xeon come to 1.1e-4.
    assert!((found - expected).abs() <= 5e-4 * expected.abs().max(1.0), "{what}: {found} for {expected}");
}

/// Every way of an epoch to learn.
fn ways() -> [Options; 11] {
    let few = |on_few_selected| Options { on_few_selected, min_selected: 4, ..options(Optimizer::Adam) };
    [
        options(Optimizer::Adam),
        options(Optimizer::LazyAdam),
        options(Optimizer::Sgd),
        few(OnFewSelected::Skip),
        few(OnFewSelected::AdamZeroGrad),
        few(OnFewSelected::SelectAll),
        Options { optimizer: Optimizer::LazyAdam, ..few(OnFewSelected::AdamZeroGrad) },
        // The paper's preset evaluates all rows.
        Options { lmat_loss: LmatLoss::Train, lmat_deselected: LmatDeselected::Carry, ..options(Optimizer::Adam) },
        Options { lmat_loss: LmatLoss::Train, lmat_deselected: LmatDeselected::FillMean, ..options(Optimizer::Adam) },
        Options {
            policy_repeats: 2,
            reward_forward: RewardForward::TrainNograd,
            deselected_reward: DeselectedReward::Negate,
            ..options(Optimizer::Adam)
        },
        Options { reward_forward: RewardForward::TrainNograd, ..options(Optimizer::Adam) },
    ]
}

#[test]
fn an_epoch_comes_to_the_same_wherever_it_runs() {
    for options in ways() {
        let (here, there) = (run(TorchEngine::CPU, &options).unwrap(), run(TorchEngine::LIKE_A_GPU, &options).unwrap());
        assert_eq!(there.0.kept, here.0.kept);
        assert_eq!(there.0.skipped_updates, here.0.skipped_updates);
        assert_eq!(there.0.skipped_policy_updates, here.0.skipped_policy_updates);
        close("mean reward", there.0.reward_mean, here.0.reward_mean);
        close("deviation of rewards", there.0.reward_std, here.0.reward_std);
        let [found, expected] = [there.0.train, here.0.train].map(Option::unwrap);
        close("log-loss", Some(found.logloss), Some(expected.logloss));
        close("AUC", found.auc, expected.auc);
        for (found, expected) in there.1.iter().zip(&here.1) {
            close("history", Some(f64::from(*found)), Some(f64::from(*expected)));
        }
    }
}

#[test]
fn an_epoch_of_staged_batches_comes_to_the_same_bits() {
    for options in ways() {
        let before = staged_steps();
        let plain = run(TorchEngine::LIKE_A_GPU, &options).unwrap();
        assert_eq!(staged_steps(), before);
        let staged = run(TorchEngine::LIKE_A_GPU.with_staged_steps(), &options).unwrap();
        // The first batch is plain, and the last, which is smaller.
        assert_eq!(staged_steps() - before, 39);
        assert_eq!(format!("{:?}", staged.0), format!("{:?}", plain.0), "{options:?}");
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert!(bits(&staged.1) == bits(&plain.1), "another row of the history: {options:?}");
        for (what, (found, expected)) in
            ["policy", "its optimiser", "model", "its optimiser"].into_iter().zip(staged.2.iter().zip(&plain.2))
        {
            assert!(found.to_bytes().unwrap() == expected.to_bytes().unwrap(), "{what}: {options:?}");
        }
    }
}

#[test]
fn an_epoch_fails_by_the_same_batch_wherever_it_runs() {
    let plain = options(Optimizer::Sgd);
    for options in [
        Options { on_few_selected: OnFewSelected::Error, min_selected: 7, ..plain.clone() },
        Options { lr: 1e20, ..plain.clone() },
        Options { lr: 1e20, weight_decay: 1e-30, lmat_loss: LmatLoss::Eval, ..plain },
    ] {
        let [here, there] = [TorchEngine::CPU, TorchEngine::LIKE_A_GPU].map(|engine| run(engine, &options).map(drop));
        assert_eq!(there.unwrap_err().to_string(), here.unwrap_err().to_string());
    }
}
