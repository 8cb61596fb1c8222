use crate::{close, ints, numbers, vector};
use autodenoise::backbone::Stopper;
use autodenoise::denoise::{History, eps_greedy, keep_count, rewards, sample, top_k};
use autodenoise::types::{BackboneKind, LmatDeselected, Options, Preset};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

fn floats(value: &Value) -> Tensor {
    Tensor::from_slice(&numbers(value)).to_kind(Kind::Float)
}

#[test]
fn top_k_keeps_the_lower_position_of_a_tie_and_rounds_half_to_even() {
    let vector = vector("selection_rules");
    for case in vector["topk"].as_array().unwrap() {
        let scores: Vec<f32> = numbers(&case["p_select"]).iter().map(|p| *p as f32).collect();
        let k = keep_count(scores.len(), case["ratio"].as_f64().unwrap());
        assert_eq!(k as i64, case["k"].as_i64().unwrap(), "{case}");
        let kept: Vec<i64> = top_k(&scores, k).iter().map(|at| i64::from(*at)).collect();
        assert_eq!(kept, ints(&case["kept_indices"]), "{case}");
    }
    for case in vector["k_rounding_half_even"].as_array().unwrap() {
        let k = keep_count(case["len"].as_u64().unwrap() as usize, case["ratio"].as_f64().unwrap());
        // Never nothing: the reference's 0 becomes 1.
        assert_eq!(k as u64, case["k"].as_u64().unwrap().max(1), "{case}");
    }
}

#[test]
fn actions_follow_the_rules_at_their_edges() {
    let vector = vector("selection_rules");
    let one = |x: f64| Tensor::from_slice(&[x]).to_kind(Kind::Float);
    for case in vector["epsilon_greedy"].as_array().unwrap() {
        let argmax = case["argmax"].as_f64().unwrap();
        let logits = Tensor::from_slice(&[1.0 - argmax, argmax]).to_kind(Kind::Float).view([1, 2]);
        let action = eps_greedy(&logits, &one(case["u"].as_f64().unwrap()), case["epsilon"].as_f64().unwrap());
        close(&case.to_string(), &action, &case["action"]);
    }
    for case in vector["categorical_sampling"].as_array().unwrap() {
        let action = sample(&one(case["p_select"].as_f64().unwrap()), &one(case["u"].as_f64().unwrap()));
        close(&case.to_string(), &action, &case["action"]);
    }
}

#[test]
fn early_stopping_wants_strict_improvement() {
    for case in vector("selection_rules")["early_stopper"].as_array().unwrap() {
        let mut stopper = Stopper::new(case["patience"].as_u64().unwrap() as u32);
        let (mut best, mut stops) = (None, None);
        for (epoch, auc) in numbers(&case["valid_auc"]).into_iter().enumerate() {
            if stopper.improves(auc) {
                best = Some(epoch as u64);
            }
            if stopper.stopped() {
                stops = Some(epoch as u64);
                break;
            }
        }
        assert_eq!((stops, best), (case["stops_after_epoch"].as_u64(), case["best_epoch"].as_u64()), "{case}");
    }
}

#[test]
fn the_history_evolves_as_traced_in_every_mode() {
    let vector = vector("reward_matrix_trace");
    let (look_back, rows) = (vector["C"].as_u64().unwrap() as u32, vector["MN"].as_u64().unwrap() as usize);
    let options = Options::preset(Preset::Paper, BackboneKind::DeepFm);
    for (name, mode) in [
        ("carry", LmatDeselected::Carry),
        ("keep_row", LmatDeselected::KeepRow),
        ("fill_mean", LmatDeselected::FillMean),
        ("evaluate_all", LmatDeselected::EvaluateAll),
    ] {
        let mut history = History::new(look_back, rows, mode, Device::Cpu);
        for (c, row) in vector["lmat_after_warmup"].as_array().unwrap().iter().enumerate() {
            history.set(c as u32, &floats(row));
        }
        let epochs = vector["search_epochs"].as_array().unwrap().iter().zip(vector[name].as_array().unwrap());
        for (number, (epoch, expected)) in epochs.enumerate() {
            let mean = history.look_back();
            close(&format!("{name} look-back {number}"), &mean, &expected["prev_avg"]);
            let mut entries = history.start(number as u32 + 1, &mean);
            for (b, batch) in epoch["batches"].as_array().unwrap().iter().enumerate() {
                let offset = b * 3;
                let index = ints(&batch["selected"]).iter().map(|at| at - offset as i64).collect::<Vec<_>>();
                let index = Tensor::from_slice(&index);
                let all = floats(&batch["loss_all_eval"]);
                let own = floats(&batch["loss_selected"]);
                let actions = Tensor::zeros([3], tch::kind::FLOAT_CPU).index_fill(0, &index, 1.0);

                let losses = all.index_copy(0, &index, &own);
                let given = rewards(&options, &mean.narrow(0, offset as i64, 3), &losses, &actions);
                close(
                    &format!("{name} rewards {number}.{b}"),
                    &given.values.index_select(0, &index),
                    &expected["rewards"][b]["R_instance"],
                );
                assert!((given.sum - expected["rewards"][b]["R_sum"].as_f64().unwrap()).abs() < 1e-6);

                if mode == LmatDeselected::EvaluateAll {
                    entries.put(offset, &all);
                } else {
                    entries.put_selected(offset, &index, &own);
                }
            }
            history.finish(number as u32 + 1, entries);
            close(&format!("{name} history {number}"), history.rows(), &expected["lmat_after"]);
        }
    }
}
