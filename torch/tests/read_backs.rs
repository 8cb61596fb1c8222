//! How often numbers are read back from the device: each time the host waits for all the work that it has given to the device,
//! and while it waits it gives it none.

#[path = "numerics/table.rs"]
#[allow(dead_code, reason = "the tests of the arithmetic use more of it")]
mod table;

use autodenoise::backbone::{Engine, Measure, OptimizerConfig, PolicyConfig, Recorded, TrainPass, TrainingLoss};
use autodenoise::denoise::{History, SearchEpoch, search_epoch};
use autodenoise::types::{AucOn, BackboneKind, Optimizer, Options, Preset};
use autodenoise_torch::{TorchEngine, read_backs};
use table::{Table, config, keys, shuffled, weights};

const OPTIMIZER: OptimizerConfig = OptimizerConfig { kind: Optimizer::Adam, lr: 0.01, weight_decay: 1e-4 };

#[test]
fn a_pass_and_a_judgement_read_back_once_however_many_batches_and_replicas_it_has() {
    let table = Table::new(353);
    let rows = table.rows();
    for (replicas, record, weighed, shuffle) in [
        (1, None, false, false),
        (1, Some(Recorded::Train), false, true),
        (1, Some(Recorded::Eval), true, true),
        (3, Some(Recorded::Train), true, false),
    ] {
        let keys = keys(replicas);
        let all: Vec<f32> = (0..replicas as u32).flat_map(|r| weights(r, rows.len(), true)).collect();
        let order = shuffled(rows.len(), 1, rows.len());
        let pass = TrainPass {
            rows: &rows,
            order: shuffle.then_some(&order),
            weights: weighed.then_some(&all),
            targets: None,
            batch_size: 32,
            loss: TrainingLoss::Bce,
            first_batch: 0,
            keys: &keys,
            number: 0,
            active: &vec![true; replicas],
            record,
        };
        let how = Measure { auc_on: AucOn::Prob, logloss_eps: 1e-15 };
        for engine in [TorchEngine::CPU, TorchEngine::LIKE_A_GPU] {
            let mut model = engine.model(&config(BackboneKind::DeepFm, 0.2), &keys, OPTIMIZER);
            let before = read_backs();
            model.train_measured(&pass, how, &mut || ()).unwrap();
            assert_eq!(read_backs() - before, 1, "{replicas} replicas, recorded {record:?}, weights {weighed}");
            let before = read_backs();
            model.measure(&rows, how).unwrap();
            assert_eq!(read_backs() - before, 1, "{replicas} replicas are judged");
        }
    }
}

/// Read-backs of a search epoch of ten batches.
fn of_search(engine: TorchEngine) -> u64 {
    let table = Table::new(320);
    let (rows, key) = (table.rows(), keys(1)[0]);
    let options = Options {
        batch_size: 32,
        embed_dim: 4,
        policy_mlp_dims: vec![8],
        ..Options::preset(Preset::Paper, BackboneKind::DeepFm)
    };
    let policy = PolicyConfig {
        ranges: config(BackboneKind::DeepFm, 0.0).ranges,
        label_field: None,
        embed_dim: 4,
        mlp_dims: vec![8],
        dropout: 0.2,
        batch_norm: true,
        reduction: options.policy_reduction,
        optimizer: OPTIMIZER,
    };
    let mut policy = engine.policy(&policy, key);
    let mut history = History::new(1, rows.len(), options.lmat_deselected);
    history.set(0, vec![0.7; rows.len()]);
    let config = config(BackboneKind::DeepFm, 0.2);
    let search = SearchEpoch { options: &options, config: &config, rows: &rows, seed: 1, epoch: 1, key };
    let before = read_backs();
    search_epoch(&engine, &mut *policy, &search, &mut history, &mut || ()).unwrap();
    read_backs() - before
}

#[test]
fn a_search_on_a_device_reads_back_once() {
    assert_eq!(of_search(TorchEngine::LIKE_A_GPU), 1);
}

#[test]
fn a_search_on_the_processor_reads_four_times_a_batch() {
    // The batch's losses, what the policy thinks before its step and after it, and what the model's step saw.
    assert_eq!(of_search(TorchEngine::CPU), 4 * 10);
}
