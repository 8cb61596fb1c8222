use crate::read::{close_numbers, ints, numbers, vector};
use autodenoise::backbone::Stopper;
use autodenoise::denoise::{History, act, compute_rewards};
use autodenoise::selection::{keep_count, top_k};
use autodenoise::types::{Action, BackboneKind, LmatDeselected, Options, Preset};
use serde_json::Value;

fn floats(value: &Value) -> Vec<f32> {
    numbers(value).iter().map(|number| *number as f32).collect()
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
    for case in vector["epsilon_greedy"].as_array().unwrap() {
        let argmax = case["argmax"].as_f64().unwrap();
        let (u, epsilon) = (case["u"].as_f64().unwrap(), case["epsilon"].as_f64().unwrap());
        let logits = [1.0 - argmax as f32, argmax as f32];
        let action = act(Action::EpsGreedy, epsilon, &logits, 0.5, u as f32);
        assert_eq!(u64::from(action), case["action"].as_u64().unwrap(), "{case}");
    }
    for case in vector["categorical_sampling"].as_array().unwrap() {
        let (p, u) = (case["p_select"].as_f64().unwrap(), case["u"].as_f64().unwrap());
        let action = act(Action::Sample, 0.0, &[0.0; 2], p as f32, u as f32);
        assert_eq!(u64::from(action), case["action"].as_u64().unwrap(), "{case}");
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
        let mut history = History::new(look_back, rows, mode);
        for (c, row) in vector["lmat_after_warmup"].as_array().unwrap().iter().enumerate() {
            history.set(c as u32, floats(row));
        }
        let epochs = vector["search_epochs"].as_array().unwrap().iter().zip(vector[name].as_array().unwrap());
        for (number, (epoch, expected)) in epochs.enumerate() {
            let mean = history.look_back();
            close_numbers(&format!("{name} look-back {number}"), &mean, &expected["prev_avg"]);
            let mut entries = history.start(number as u32 + 1, &mean);
            for (b, batch) in epoch["batches"].as_array().unwrap().iter().enumerate() {
                let offset = b * 3;
                let index: Vec<usize> = ints(&batch["selected"]).iter().map(|at| *at as usize - offset).collect();
                let all = floats(&batch["loss_all_eval"]);
                let (mut losses, mut actions) = (all.clone(), vec![false; 3]);
                for (at, own) in index.iter().zip(floats(&batch["loss_selected"])) {
                    (losses[*at], actions[*at]) = (own, true);
                }

                let mean = &mean[offset..offset + 3];
                let expected = &expected["rewards"][b];
                let what = format!("{name} rewards {number}.{b}");
                let given = compute_rewards(&options, mean, &losses, &actions);
                let own: Vec<f32> = index.iter().map(|at| given.values[*at]).collect();
                close_numbers(&what, &own, &expected["R_instance"]);
                assert!((given.sum - expected["R_sum"].as_f64().unwrap()).abs() < 1e-6);

                for at in 0..3 {
                    if mode == LmatDeselected::EvaluateAll {
                        entries[offset + at] = all[at];
                    } else if actions[at] {
                        entries[offset + at] = losses[at];
                    }
                }
            }
            history.finish(number as u32 + 1, entries);
            close_numbers(&format!("{name} history {number}"), &history.rows().concat(), &expected["lmat_after"]);
        }
    }
}
