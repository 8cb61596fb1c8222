//! Every option of the method and of the training, by name (spec `autodenoise.md`, sections 4 and 6), and where a job runs.

use super::FieldError;
use super::backbone::{BackboneKind, Structure, widths};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

macro_rules! choice {
    ($(#[doc = $doc:literal])* $name:ident { $($(#[doc = $vdoc:literal])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[doc = $vdoc])* #[serde(rename = $word)] $variant),+
        }

        impl $name {
            pub const ALL: &'static [$name] = &[$(Self::$variant),+];

            /// The word in a spec.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(word: &str) -> Result<Self, String> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(format!("`{word}` is not one of {}", [$($word),+].join(", "))),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        // By hand: a derive does not see the words through the macro.
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                let words = concat!($("- `", $word, "`", $($vdoc,)* "\n"),+);
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .enum_values(Some([$($word),+]))
                    .description(Some(format!("{}\n{words}", concat!($($doc, "\n"),*).trim())))
                    .into()
            }
        }

        impl ToSchema for $name {}
    };
}
pub(super) use choice;

choice!(
    /// A set of option values to start from.
    Preset {
        /// As the paper writes, with the safe choices of spec section 6.
        Paper = "paper",
        /// As the authors' released code computes.
        ReleasedCode = "released_code",
        /// Ours: AutoDenoise with a loss history that is cross-fitted, rewards that see the label, and a subset that keeps
        /// models calibrated; it may keep every row. `docs/robust.md` has what it is worth.
        Robust = "robust",
    }
);
choice!(
    /// Section 6 row 1: how the first action is drawn.
    Action {
        Sample = "sample",
        /// The likelier action, flipped with probability `epsilon`.
        EpsGreedy = "eps_greedy",
    }
);
choice!(
    /// Row 2: how the second action, the one the model's update uses, is drawn.
    UpdateAction { Sample = "sample", Greedy = "greedy" }
);
choice!(
    /// Row 4: what a reward is.
    Reward {
        /// One per row.
        Instance = "instance",
        /// The sum over the batch's selected rows, given to every row.
        BatchSum = "batch_sum",
        /// The mean over the batch's selected rows, given to every row.
        BatchMean = "batch_mean",
    }
);
choice!(
    /// Row 5: the reward of a deselected row.
    DeselectedReward {
        Zero = "zero",
        /// Minus the reward it would have had.
        Negate = "negate",
        /// The batch's.
        Batch = "batch",
    }
);
choice!(
    /// Row 6.
    PolicyReduction { Mean = "mean", Sum = "sum" }
);
choice!(
    /// Row 7: centring and scaling of rewards within a batch.
    RewardNorm { None = "none", Center = "center", Standardize = "standardize" }
);
choice!(
    /// Row 8: mode of the model when its loss makes a reward.
    RewardForward {
        /// Running BatchNorm statistics, no dropout.
        Eval = "eval",
        /// Batch statistics and dropout; running statistics stay as they are.
        TrainNograd = "train_nograd",
    }
);
choice!(
    /// Row 9: which loss the history stores.
    LmatLoss { Eval = "eval", Train = "train" }
);
choice!(
    /// Row 10: what the history holds for a deselected row.
    LmatDeselected {
        EvaluateAll = "evaluate_all",
        Carry = "carry",
        KeepRow = "keep_row",
        FillMean = "fill_mean",
    }
);
choice!(
    /// Row 13.
    Optimizer {
        Adam = "adam",
        /// Adam that moves only those rows of a table that the batch read: much cheaper on a CPU where vocabularies are
        /// large, and another algorithm (momentum and weight decay of the other rows rest).
        LazyAdam = "lazy_adam",
        Sgd = "sgd",
    }
);
choice!(
    /// Row 15: how the validation phase selects rows.
    Select {
        /// The k likeliest of each batch.
        Topk = "topk",
        /// Keep probability above one half.
        Threshold = "threshold",
        /// A draw for each row.
        Sample = "sample",
        /// The k likeliest of all rows.
        TopkGlobal = "topk_global",
    }
);
choice!(
    /// Row 18: what makes an epoch's subset the best.
    SelectBy { ValidAuc = "valid_auc", TestAuc = "test_auc", ValidLogloss = "valid_logloss" }
);
choice!(
    /// Row 23: the initial weights of each fresh model.
    Reinit { Fresh = "fresh", SameSeed = "same_seed" }
);
choice!(
    /// Section 7: a model update with fewer than `min_selected` rows.
    OnFewSelected {
        Skip = "skip",
        AdamZeroGrad = "adam_zero_grad",
        SelectAll = "select_all",
        Error = "error",
    }
);
choice!(
    /// What computes a job.
    Engine {
        /// `fused` on a CPU for the backbones it has, else `tch`.
        Auto = "auto",
        /// libtorch, every backbone on any device: the reference.
        Tch = "tch",
        /// For CPUs, several times faster than libtorch on one; has the paper's five backbones.
        Fused = "fused",
    }
);
choice!(
    /// What AUC ranks.
    AucOn { Prob = "prob", Logit = "logit" }
);

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
        match preset {
            Preset::Paper | Preset::Robust => paper,
            Preset::ReleasedCode => Self {
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
            },
        }
    }

    /// The preset's values with `overrides` put over them; every key that is unknown, of the wrong type or out of range
    /// is named.
    pub fn resolve(
        preset: Preset,
        backbone: BackboneKind,
        overrides: &Map<String, Value>,
    ) -> Result<Self, Vec<FieldError>> {
        let mut merged = Self::preset(preset, backbone).to_map();
        let mut errors = Vec::new();
        for (key, value) in overrides {
            let pointer = format!("/method/options/{key}");
            if !merged.contains_key(key) {
                let known: Vec<_> = merged.keys().map(String::as_str).collect();
                errors.push(FieldError::new(pointer, format!("no such option; there are {}", known.join(", "))));
                continue;
            }
            // Each option is tried alone, so that every wrong one is reported and by its own name.
            let previous = merged.insert(key.clone(), value.clone());
            if let Err(error) = Self::deserialize(&merged) {
                errors.push(FieldError::new(pointer, error.to_string()));
                merged.insert(key.clone(), previous.expect("the key was there"));
            }
        }
        let options = Self::deserialize(&merged).expect("every override was tried");
        errors.extend(options.out_of_range(backbone));
        if errors.is_empty() { Ok(options) } else { Err(errors) }
    }

    /// Every option by its name.
    pub(super) fn to_map(&self) -> Map<String, Value> {
        match serde_json::to_value(self).expect("options are plain data") {
            Value::Object(map) => map,
            _ => unreachable!("a struct serialises to an object"),
        }
    }

    /// Whether a search epoch needs the losses of whole batches in evaluation mode.
    pub fn search_evaluates(&self) -> bool {
        self.reward_forward == RewardForward::Eval
            || self.lmat_loss == LmatLoss::Eval
            || self.lmat_deselected == LmatDeselected::EvaluateAll
    }

    fn out_of_range(&self, backbone: BackboneKind) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut check = |name: &str, holds: bool, rule: &str| {
            if !holds {
                errors.push(FieldError::new(format!("/method/options/{name}"), rule));
            }
        };
        let probability = |p: f64| (0.0..1.0).contains(&p);
        let not_negative = |x: f64| x.is_finite() && x >= 0.0;
        check("warmup_epochs", (1..=64).contains(&self.warmup_epochs), "from 1 to 64");
        check("warmup_passes_per_row", (1..=100).contains(&self.warmup_passes_per_row), "from 1 to 100");
        check("epochs", (1..=10_000).contains(&self.epochs), "from 1 to 10000");
        check("select_ratio", self.select_ratio > 0.0 && self.select_ratio <= 1.0, "above 0 and at most 1");
        check("batch_size", (2..=1 << 20).contains(&self.batch_size), "from 2 to 1048576");
        check("lr", self.lr.is_finite() && self.lr > 0.0 && self.lr <= 10.0, "above 0 and at most 10");
        check("weight_decay", not_negative(self.weight_decay), "0 or more");
        check("policy_lr_mult", self.policy_lr_mult.is_finite() && self.policy_lr_mult > 0.0, "above 0");
        check("policy_wd_mult", not_negative(self.policy_wd_mult), "0 or more");
        check("policy_mlp_dims", widths(&self.policy_mlp_dims), "at most 8 widths, each from 1 to 4096");
        check("policy_dropout", probability(self.policy_dropout), "at least 0 and below 1");
        check("policy_repeats", (1..=100).contains(&self.policy_repeats), "from 1 to 100");
        check("epsilon", (0.0..=1.0).contains(&self.epsilon), "from 0 to 1");
        check("retrain_max_epoch", (1..=10_000).contains(&self.retrain_max_epoch), "from 1 to 10000");
        check("patience", (1..=10_000).contains(&self.patience), "from 1 to 10000");
        check(
            "min_selected",
            self.min_selected >= 2 && self.min_selected <= self.batch_size,
            "at least 2 and at most batch_size",
        );
        check("min_selected_fraction", (0.0..=1.0).contains(&self.min_selected_fraction), "from 0 to 1");
        check("logloss_eps", self.logloss_eps > 0.0 && self.logloss_eps <= 0.01, "above 0 and at most 0.01");
        check(
            "lmat_deselected",
            self.lmat_loss != LmatLoss::Eval || self.lmat_deselected == LmatDeselected::EvaluateAll,
            "evaluate_all, because lmat_loss is eval; set lmat_loss to train for the others",
        );
        check(
            "deselected_reward",
            (self.deselected_reward == DeselectedReward::Batch) == (self.reward != Reward::Instance)
                || self.deselected_reward == DeselectedReward::Zero,
            "`batch` or `zero` where reward is batch_sum or batch_mean, `zero` or `negate` where it is instance",
        );
        errors.extend(self.model_faults(backbone));
        errors
    }
}

#[allow(clippy::derivable_impls, reason = "the words are made by a macro")]
impl Default for Engine {
    fn default() -> Self {
        Self::Auto
    }
}

/// Where a job runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Device {
    /// A GPU where the worker has one, else the CPU.
    #[default]
    Auto,
    Cpu,
    /// The GPU of this number.
    Cuda(u32),
}

impl std::str::FromStr for Device {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => word
                .strip_prefix("cuda:")
                .and_then(|number| number.parse().ok())
                .filter(|number| *number < 1024)
                .map(Self::Cuda)
                .ok_or_else(|| format!("`{word}` is not a device: write auto, cpu, or cuda:0")),
        }
    }
}

impl TryFrom<String> for Device {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        word.parse()
    }
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

impl From<Device> for String {
    fn from(device: Device) -> String {
        device.to_string()
    }
}

impl utoipa::PartialSchema for Device {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .pattern(Some("^(auto|cpu|cuda(:[0-9]+)?)$"))
            .description(Some("`auto` takes a GPU where the worker has one."))
            .into()
    }
}

impl ToSchema for Device {}

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
                assert_eq!(Options::preset(*preset, *backbone).out_of_range(*backbone), []);
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
    fn the_api_document_names_the_words_that_are_read() {
        fn words<T: utoipa::PartialSchema>() -> serde_json::Value {
            serde_json::to_value(T::schema()).unwrap()["enum"].clone()
        }
        assert_eq!(words::<Engine>(), json!(["auto", "tch", "fused"]));
        assert_eq!(words::<Optimizer>(), json!(["adam", "lazy_adam", "sgd"]));
        assert_eq!(words::<BackboneKind>(), json!(BackboneKind::ALL));
    }

    #[test]
    fn an_override_wins_over_the_preset() {
        let options = resolve(json!({"epochs": 3, "mlp_dims": [8]})).unwrap();
        assert_eq!((options.epochs, options.mlp_dims, options.warmup_epochs), (3, vec![8], 4));
    }
}
