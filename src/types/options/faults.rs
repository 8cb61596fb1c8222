//! What of the options is out of range, or does not fit the others.

use super::Options;
use super::words::{DeselectedReward, LmatDeselected, LmatLoss, Reward};
use crate::types::BackboneKind;
use crate::types::faults::{Faults, not_negative};

impl Options {
    pub(super) fn check(&self, backbone: BackboneKind, faults: &mut Faults) {
        self.check_training(faults);
        self.check_model(backbone, faults);
    }

    fn check_training(&self, faults: &mut Faults) {
        let probability = |p: f64| (0.0..1.0).contains(&p);
        faults.check("warmup_epochs", (1..=64).contains(&self.warmup_epochs), "from 1 to 64");
        faults.check("warmup_passes_per_row", (1..=100).contains(&self.warmup_passes_per_row), "from 1 to 100");
        faults.check("epochs", (1..=10_000).contains(&self.epochs), "from 1 to 10000");
        faults.check("select_ratio", self.select_ratio > 0.0 && self.select_ratio <= 1.0, "above 0 and at most 1");
        faults.check("batch_size", (2..=1 << 20).contains(&self.batch_size), "from 2 to 1048576");
        faults.check("lr", self.lr.is_finite() && self.lr > 0.0 && self.lr <= 10.0, "above 0 and at most 10");
        faults.check("weight_decay", not_negative(self.weight_decay), "0 or more");
        faults.check("policy_lr_mult", self.policy_lr_mult.is_finite() && self.policy_lr_mult > 0.0, "above 0");
        faults.check("policy_wd_mult", not_negative(self.policy_wd_mult), "0 or more");
        faults.check("policy_mlp_dims", widths(&self.policy_mlp_dims), "at most 8 widths, each from 1 to 4096");
        faults.check("policy_dropout", probability(self.policy_dropout), "at least 0 and below 1");
        faults.check("policy_repeats", (1..=100).contains(&self.policy_repeats), "from 1 to 100");
        faults.check("epsilon", (0.0..=1.0).contains(&self.epsilon), "from 0 to 1");
        faults.check("retrain_max_epoch", (1..=10_000).contains(&self.retrain_max_epoch), "from 1 to 10000");
        faults.check("patience", (1..=10_000).contains(&self.patience), "from 1 to 10000");
        faults.check(
            "min_selected",
            self.min_selected >= 2 && self.min_selected <= self.batch_size,
            "at least 2 and at most batch_size",
        );
        faults.check("min_selected_fraction", (0.0..=1.0).contains(&self.min_selected_fraction), "from 0 to 1");
        faults.check("logloss_eps", self.logloss_eps > 0.0 && self.logloss_eps <= 0.01, "above 0 and at most 0.01");
        faults.check(
            "lmat_deselected",
            self.lmat_loss != LmatLoss::Eval || self.lmat_deselected == LmatDeselected::EvaluateAll,
            "evaluate_all, because lmat_loss is eval; set lmat_loss to train for the others",
        );
        faults.check(
            "deselected_reward",
            (self.deselected_reward == DeselectedReward::Batch) == (self.reward != Reward::Instance)
                || self.deselected_reward == DeselectedReward::Zero,
            "`batch` or `zero` where reward is batch_sum or batch_mean, `zero` or `negate` where it is instance",
        );
    }

    fn check_model(&self, backbone: BackboneKind, faults: &mut Faults) {
        let probability = |p: f64| (0.0..1.0).contains(&p);
        let some_widths = |dims: &[u32]| widths(dims) && !dims.is_empty();
        let some = "1 to 8 widths, each from 1 to 4096";
        faults.check("embed_dim", (1..=1024).contains(&self.embed_dim), "from 1 to 1024");
        faults.check("mlp_dims", some_widths(&self.mlp_dims), some);
        faults.check("second_mlp_dims", some_widths(&self.second_mlp_dims), some);
        faults.check("gate_dims", widths(&self.gate_dims), "at most 8 widths, each from 1 to 4096");
        faults.check("dropout", probability(self.dropout), "at least 0 and below 1");
        faults.check("interaction_dropout", probability(self.interaction_dropout), "at least 0 and below 1");
        faults.check("cross_layers", (1..=16).contains(&self.cross_layers), "from 1 to 16");
        faults.check("hofm_order", (2..=8).contains(&self.hofm_order), "from 2 to 8");
        faults.check("cin_dims", some_widths(&self.cin_dims), some);
        faults.check("attention_dim", (1..=1024).contains(&self.attention_dim), "from 1 to 1024");
        faults.check("attention_layers", (1..=16).contains(&self.attention_layers), "from 1 to 16");
        faults.check("lnn_dim", (1..=4096).contains(&self.lnn_dim), "from 1 to 4096");
        faults.check("mask_blocks", (1..=16).contains(&self.mask_blocks), "from 1 to 16");
        faults.check("mask_block_dim", (1..=4096).contains(&self.mask_block_dim), "from 1 to 4096");
        faults.check("heads", (1..=64).contains(&self.heads), "from 1 to 64");
        let divided = |width: Option<&u32>| width.is_none_or(|width| width.is_multiple_of(self.heads.max(1)));
        match backbone {
            BackboneKind::AutoInt => {
                faults.check("heads", divided(Some(&self.attention_dim)), "a divisor of attention_dim");
            }
            BackboneKind::FinalMlp => faults.check(
                "heads",
                divided(self.mlp_dims.last()) && divided(self.second_mlp_dims.last()),
                "a divisor of the last width of mlp_dims and of second_mlp_dims",
            ),
            BackboneKind::XDeepFm => {
                let halved = self.cin_dims.split_last().map_or(&[][..], |(_, halved)| halved);
                faults.check(
                    "cin_dims",
                    !self.cin_split_half || halved.iter().all(|dim| dim.is_multiple_of(2)),
                    "even widths before the last, because cin_split_half halves them",
                );
            }
            _ => {}
        }
        if let Some(known) = backbone.structures() {
            let words: Vec<_> = known.iter().map(|structure| structure.as_str()).collect();
            faults.check(
                "structure",
                known.contains(&self.structure),
                &format!("one of {}, for {backbone}", words.join(", ")),
            );
        }
    }
}

/// Whether these can be the widths of layers.
fn widths(dims: &[u32]) -> bool {
    dims.len() <= 8 && dims.iter().all(|dim| (1..=4096).contains(dim))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Preset;
    use serde_json::json;

    fn faults(backbone: BackboneKind, options: serde_json::Value) -> Vec<String> {
        let errors = Options::resolve(Preset::Paper, backbone, options.as_object().unwrap()).err().unwrap_or_default();
        errors.into_iter().map(|error| format!("{}: {}", error.pointer, error.rule)).collect()
    }

    #[test]
    fn options_that_do_not_fit_the_model_are_named() {
        let three_heads = json!({"heads": 3});
        assert_eq!(
            faults(BackboneKind::AutoInt, three_heads.clone()),
            ["/method/options/heads: a divisor of attention_dim"]
        );
        assert_eq!(faults(BackboneKind::FinalMlp, three_heads.clone()).len(), 1);
        assert_eq!(faults(BackboneKind::DeepFm, three_heads), [""; 0]);
        let odd = json!({"cin_dims": [5, 3], "cin_split_half": true});
        assert_eq!(faults(BackboneKind::XDeepFm, odd).len(), 1);
        assert_eq!(faults(BackboneKind::XDeepFm, json!({"cin_dims": [4, 3], "cin_split_half": true})), [""; 0]);
        assert_eq!(
            faults(BackboneKind::Gdcn, json!({"structure": "serial"})),
            ["/method/options/structure: one of parallel, stacked, for gdcn"]
        );
        assert_eq!(faults(BackboneKind::Lr, json!({"heads": 0, "hofm_order": 1})).len(), 2);
    }
}
