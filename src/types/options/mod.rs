//! Every option of the search and of the training, by name (spec `autodenoise.md`, sections 4 and 6).

mod faults;
mod words;

pub use words::{
    Action, AucOn, DeselectedReward, LmatDeselected, LmatLoss, OnFewSelected, Optimizer, PolicyReduction, Preset,
    Reinit, Reward, RewardForward, RewardNorm, Select, SelectBy, UpdateAction,
};

use super::faults::Faults;
use super::overrides::{overridden, to_map};
use super::{BackboneKind, FieldError, Structure};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// Every option of the method, resolved. In a spec's `options` each is optional and overrides the preset.
/// What is absent in a stored spec, because its version had no such option, has the value of preset `paper`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// C: rows of the loss history, and look-back of the reward. 1 to 64.
    pub warmup_epochs: u32,
    /// Passes over the data for each row of the warm-up, each from fresh weights.
    pub warmup_passes_per_row: u32,
    /// T: outer epochs of search and validation. 1 to 10,000.
    pub epochs: u32,
    /// Share of rows kept, above 0 and at most 1.
    pub select_ratio: f64,
    /// M: rows of a mini-batch, 2 to 1,048,576.
    pub batch_size: u32,
    /// Learning rate of the recommender model.
    pub lr: f64,
    /// Coupled L2 penalty of the recommender model.
    pub weight_decay: f64,
    /// Learning rate of the policy, as a multiple of `lr`.
    pub policy_lr_mult: f64,
    /// L2 penalty of the policy, as a multiple of `weight_decay`.
    pub policy_wd_mult: f64,
    pub optimizer: Optimizer,
    /// Width of an embedding, in the model and in the policy.
    pub embed_dim: u32,
    /// Hidden layers of the model.
    pub mlp_dims: Vec<u32>,
    /// Dropout of the model's hidden layers, and of what `afm` pools.
    pub dropout: f64,
    /// Dropout before the tower: of the products of `nfm` and `fnfm`, and of the attention of `afm` and `autoint`.
    pub interaction_dropout: f64,
    /// Cross layers of `dcn`, `dcnv2` and `gdcn`.
    pub cross_layers: u32,
    /// How the parts of `dcnv2`, `gdcn` and `masknet` stand to each other.
    pub structure: Structure,
    /// Highest order of the interactions of `hofm`, 2 to 8.
    pub hofm_order: u32,
    /// The interaction layers of `xdeepfm`.
    pub cin_dims: Vec<u32>,
    /// Whether one half of each of them feeds the next and the other half the output; else all of it does both.
    pub cin_split_half: bool,
    /// Width of the attention of `afm` and `autoint`.
    pub attention_dim: u32,
    /// Attention layers of `autoint`.
    pub attention_layers: u32,
    /// Heads of the attention of `autoint`, and of the product of the towers of `finalmlp`.
    pub heads: u32,
    /// Logarithmic neurons of `afn`.
    pub lnn_dim: u32,
    /// Parallel blocks of `masknet`, and how wide they are.
    pub mask_blocks: u32,
    pub mask_block_dim: u32,
    /// The second tower of `finalmlp`; `mlp_dims` is the first.
    pub second_mlp_dims: Vec<u32>,
    /// Hidden layers of the gates before the towers of `finalmlp`.
    pub gate_dims: Vec<u32>,
    /// The field that is the user to `ncf`, by name. Absent: the first field that is not `item_field`.
    pub user_field: Option<String>,
    /// The field that is the item to `ncf`, by name. Absent: the first field that is not the user's.
    pub item_field: Option<String>,
    /// Hidden layers of the policy.
    pub policy_mlp_dims: Vec<u32>,
    /// BatchNorm in the policy.
    pub policy_bn: bool,
    pub policy_dropout: f64,
    /// Whether the policy sees the label, as one more field.
    pub policy_label_field: bool,
    /// Policy updates per batch.
    pub policy_repeats: u32,
    pub action: Action,
    /// Flip probability of `eps_greedy`.
    pub epsilon: f64,
    pub update_action: UpdateAction,
    pub reward: Reward,
    pub deselected_reward: DeselectedReward,
    pub policy_reduction: PolicyReduction,
    pub reward_norm: RewardNorm,
    pub reward_forward: RewardForward,
    pub lmat_loss: LmatLoss,
    pub lmat_deselected: LmatDeselected,
    pub select: Select,
    pub select_by: SelectBy,
    pub restore_best: bool,
    pub retrain_shuffle: bool,
    /// Most passes of a retrain.
    pub retrain_max_epoch: u32,
    /// Passes without a better validation AUC after which a retrain stops.
    pub patience: u32,
    pub reinit: Reinit,
    /// Fewest rows a model update may use; at least 2, because BatchNorm needs two.
    pub min_selected: u32,
    pub on_few_selected: OnFewSelected,
    /// A search epoch that selects a smaller share is reported as a warning.
    pub min_selected_fraction: f64,
    pub auc_on: AucOn,
    /// Probabilities are clipped to [eps, 1 - eps] before the logarithm.
    pub logloss_eps: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self::preset(Preset::Paper, BackboneKind::DeepFm)
    }
}

impl Options {
    /// The preset's values for a backbone.
    pub fn preset(preset: Preset, backbone: BackboneKind) -> Self {
        let paper = Self {
            warmup_epochs: 4,
            warmup_passes_per_row: 1,
            epochs: 50,
            select_ratio: 0.98,
            batch_size: 2048,
            lr: 1e-3,
            weight_decay: 1e-6,
            policy_lr_mult: 10.0,
            policy_wd_mult: 10.0,
            optimizer: Optimizer::Adam,
            embed_dim: 16,
            mlp_dims: vec![16, 16],
            dropout: 0.2,
            interaction_dropout: 0.2,
            cross_layers: 3,
            structure: Structure::Parallel,
            hofm_order: 3,
            cin_dims: vec![16, 16],
            cin_split_half: false,
            attention_dim: 16,
            attention_layers: 3,
            heads: 2,
            lnn_dim: 1500,
            mask_blocks: 3,
            mask_block_dim: 64,
            second_mlp_dims: vec![64, 64],
            gate_dims: vec![64],
            user_field: None,
            item_field: None,
            policy_mlp_dims: vec![16, 16],
            policy_bn: true,
            policy_dropout: 0.2,
            policy_label_field: false,
            policy_repeats: 1,
            action: Action::Sample,
            epsilon: 0.2,
            update_action: UpdateAction::Sample,
            reward: Reward::Instance,
            deselected_reward: DeselectedReward::Zero,
            policy_reduction: PolicyReduction::Mean,
            reward_norm: RewardNorm::None,
            reward_forward: RewardForward::Eval,
            lmat_loss: LmatLoss::Eval,
            lmat_deselected: LmatDeselected::EvaluateAll,
            select: Select::Topk,
            select_by: SelectBy::ValidAuc,
            restore_best: true,
            retrain_shuffle: true,
            retrain_max_epoch: 100,
            patience: 2,
            reinit: Reinit::Fresh,
            min_selected: 2,
            on_few_selected: OnFewSelected::Skip,
            min_selected_fraction: 0.05,
            auc_on: AucOn::Prob,
            logloss_eps: 1e-15,
        }
        .of_backbone(backbone);
        if preset != Preset::ReleasedCode {
            return paper;
        }
        Self {
            action: Action::EpsGreedy,
            update_action: UpdateAction::Greedy,
            policy_repeats: 3,
            reward: Reward::BatchSum,
            deselected_reward: DeselectedReward::Batch,
            policy_reduction: PolicyReduction::Sum,
            lmat_loss: LmatLoss::Train,
            lmat_deselected: LmatDeselected::Carry,
            select_by: SelectBy::TestAuc,
            restore_best: false,
            retrain_shuffle: false,
            ..paper
        }
    }

    /// The options with a backbone's own defaults: its row of the tables in spec sections 2 and 3.
    ///
    /// Section 4's models get the paper's E = 16, dropout and number of cross layers, and towers of (64, 64): theirs are 400
    /// to 1024 wide and go with E = 40, which costs minutes a pass on a CPU and would compare sizes more than structures.
    fn of_backbone(self, backbone: BackboneKind) -> Self {
        match backbone {
            BackboneKind::Ipnn | BackboneKind::Opnn => Self { mlp_dims: vec![16], ..self },
            BackboneKind::Ffm => Self { embed_dim: 4, ..self },
            BackboneKind::Nfm => Self { embed_dim: 64, mlp_dims: vec![64], ..self },
            BackboneKind::Fnfm => Self { embed_dim: 4, mlp_dims: vec![64], ..self },
            BackboneKind::AutoInt => {
                Self { mlp_dims: vec![400, 400], dropout: 0.0, interaction_dropout: 0.0, attention_dim: 64, ..self }
            }
            BackboneKind::Afn => Self { mlp_dims: vec![400, 400, 400], dropout: 0.0, ..self },
            BackboneKind::DcnV2 | BackboneKind::Gdcn | BackboneKind::FinalMlp => {
                Self { mlp_dims: vec![64, 64], ..self }
            }
            BackboneKind::MaskNet => Self { mlp_dims: vec![64, 64], structure: Structure::Serial, ..self },
            _ => self,
        }
    }

    /// The preset's values with `overrides` put over them; every key that is unknown, of the wrong type or out of range
    /// is named.
    pub fn resolve(
        preset: Preset,
        backbone: BackboneKind,
        overrides: &Map<String, Value>,
    ) -> Result<Self, Vec<FieldError>> {
        let mut faults = Faults::default();
        let options = overridden(&Self::preset(preset, backbone), overrides, &mut faults);
        options.check(backbone, &mut faults);
        faults.into_result(options)
    }

    /// Every option by its name.
    pub(super) fn to_map(&self) -> Map<String, Value> {
        to_map(self)
    }

    /// With the defaults for all options but those that `shows` is true of.
    pub(super) fn only(&self, shows: impl Fn(&str) -> bool) -> Self {
        let mut shown = self.to_map();
        shown.retain(|name, _| shows(name));
        Self::deserialize(shown).expect("options with their own values")
    }

    /// Whether a search epoch needs the losses of whole batches in evaluation mode.
    pub fn search_evaluates(&self) -> bool {
        self.reward_forward == RewardForward::Eval
            || self.lmat_loss == LmatLoss::Eval
            || self.lmat_deselected == LmatDeselected::EvaluateAll
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn resolve(options: serde_json::Value) -> Result<Options, Vec<FieldError>> {
        Options::resolve(Preset::Paper, BackboneKind::DeepFm, options.as_object().unwrap())
    }

    #[test]
    fn the_presets_are_within_their_own_ranges() {
        for preset in Preset::ALL {
            for backbone in BackboneKind::ALL {
                let mut faults = Faults::default();
                let options = Options::preset(*preset, *backbone);
                options.check(*backbone, &mut faults);
                assert_eq!(faults.into_result(()), Ok(()));
            }
        }
    }

    #[test]
    fn every_wrong_option_is_named_at_once() {
        let errors = resolve(json!({"epochz": 3, "lr": "fast", "select_ratio": 1.5, "reward": "best"})).unwrap_err();
        let pointers: Vec<_> = errors.iter().map(|e| e.pointer.as_str()).collect();
        assert_eq!(
            pointers,
            ["/method/options/epochz", "/method/options/lr", "/method/options/reward", "/method/options/select_ratio"]
        );
        assert!(
            errors[0].rule.contains("warmup_epochs"),
            "an unknown option names those there are: {}",
            errors[0].rule
        );
        assert!(errors[2].rule.contains("batch_sum"), "a wrong word names the right ones: {}", errors[2].rule);
    }

    #[test]
    fn an_override_wins_over_the_preset() {
        let options = resolve(json!({"epochs": 3, "mlp_dims": [8]})).unwrap();
        assert_eq!((options.epochs, options.mlp_dims, options.warmup_epochs), (3, vec![8], 4));
    }
}
