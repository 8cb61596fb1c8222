//! The methods a job can run and compare, and what each can be told beside the training's options (spec `baselines.md`).

use super::options::choice;
use super::{BackboneKind, BdisInit, Distance, EnemyTies, FieldError, Knn, Preset};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

choice!(
    /// How the rows are chosen.
    MethodName {
        /// The paper's system.
        Autodenoise = "autodenoise",
        /// The paper's ablation: the validation phase draws each row by itself instead of the likeliest of each batch.
        AutodenoiseV = "autodenoise_v",
        /// All rows: only the reference model is trained.
        None = "none",
        /// Control: `select_ratio` of the rows at random.
        RandomDrop = "random_drop",
        /// Control: drops the rows of the highest mean loss over the warm-up.
        LossDrop = "loss_drop",
        /// Edited nearest neighbours (Wilson 1972): drops rows that their neighbours outvote.
        Enn = "enn",
        /// Condensed nearest neighbours (Hart 1968): keeps what a nearest-neighbour rule needs.
        Cnn = "cnn",
        /// Wilson and Martinez 2000: ENN, then drops rows that their associates do not need.
        Drop3 = "drop3",
        /// Local-set smoother (Leyva et al. 2015): drops rows that harm more than they help.
        Lssm = "lssm",
        /// Local-set border selector (Leyva et al. 2015).
        Lsbo = "lsbo",
        /// Bayesian decision instance selection (Chen et al. 2022), by 2-means clusters of one label.
        Bdis = "bdis",
        /// Truncated cross-entropy (Wang et al. 2021): each batch's highest losses of label 1 count nothing. Its subset is
        /// what the final drop rate keeps of each batch by the trained model's losses.
        TCe = "t_ce",
        /// Reweighted cross-entropy (Wang et al. 2021): a row weighs as much as the model believes it. Its subset leaves out
        /// as many rows as the weights take away, those of smallest weight.
        RCe = "r_ce",
        /// Confident learning (Northcutt et al. 2021) from cross-fitted probabilities.
        ConfidentLearning = "confident_learning",
    }
);
choice!(
    /// What the losses `t_ce` and `r_ce` train on (spec `baselines.md`, section 6).
    CeData {
        /// The labelled rows.
        Explicit = "explicit",
        /// The official protocol: rows labelled 1, and in each pass anew other items for the same users as rows
        /// labelled 0.
        Sampled = "sampled",
    }
);
choice!(
    /// Which rows confident learning leaves out (spec `baselines.md`, section 7). With two classes the last three find the
    /// same.
    ClFilter {
        /// Those counted with another label than their own.
        ConfidentLearning = "confident_learning",
        /// Of each label as many as are counted with the other, those that most probably are.
        PruneByNoiseRate = "prune_by_noise_rate",
        /// Of each label as many as are not counted with it, those that least probably are.
        PruneByClass = "prune_by_class",
        /// Those of the two before alike.
        Both = "both",
    }
);

/// Options of the baselines beside those of the training. Each method has some of them, see [`MethodName::own_options`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BaselineOptions {
    /// Whether `random_drop` and `loss_drop` drop the same share of every batch.
    pub per_batch: bool,
    /// Draws of `random_drop`. With several, a model is trained on each and the best by `select_by` is kept, as AutoDenoise
    /// keeps the best of its epochs: the fair control of its best of T. 1 to 10,000.
    pub tries: u32,
    /// Neighbours that vote. 1 to 100.
    pub k: u32,
    pub distance: Distance,
    /// Rows of the prior that smooth the label rate of a value. 0 is the textbook's; 10 suits rare values.
    pub hvdm_smoothing: f64,
    /// Rows of a block: the method runs within random blocks of equal label shares, and what they keep is joined. 0: one
    /// block, the default of BDIS.
    pub block_size: u32,
    /// Most distances a run may compute; a larger one is refused.
    pub max_distances: u64,
    /// CNN starts from a random row of each label, drawn with this seed, instead of the first.
    pub cnn_seed: Option<u64>,
    /// Does not change what is kept.
    pub knn: Knn,
    /// Whether rows that DROP3's first step removed stay associates.
    pub drop3_enn_associates: bool,
    /// Whether a row belongs to its own local set.
    pub lss_include_self: bool,
    pub enemy_ties: EnemyTies,
    /// BDIS keeps one row of clusters larger than floor(log10 n) + `bdis_t1`..
    pub bdis_t1: i32,
    /// ..and smaller than floor(log10 n) * `bdis_t2`.
    pub bdis_t2: u32,
    pub bdis_init: BdisInit,
    /// Rows that 2-means is trained on; 0: all.
    pub bdis_subsample: u32,
    /// T-CE: share of a batch left out once the ramp is over.
    pub drop_rate: f64,
    /// T-CE: passes over which the share rises from 0.
    pub ramp_epochs: f64,
    /// T-CE: the ramp rises to `drop_rate` to this power.
    pub ramp_exponent: f64,
    /// T-CE: leave out rows of label 1 only, also where there are fewer of them than the share asks for.
    pub protect_negatives: bool,
    /// R-CE: the power of the model's belief that is a row's weight.
    pub beta: f64,
    pub ce_data: CeData,
    /// Rows of label 0 drawn for each of label 1, with `ce_data = sampled`.
    pub num_neg: u32,
    /// The field that names the user, with `ce_data = sampled`.
    pub user_column: String,
    /// The field that names the item, with `ce_data = sampled`.
    pub item_column: String,
    /// Parts of the cross-fitting. 2 to 20.
    pub folds: u32,
    pub filter: ClFilter,
    /// Preset `robust`: the backbone that judges rows it has not seen, and its weight decay. A model that barely trusts a single
    /// row is the better judge.
    pub teacher: BackboneKind,
    pub teacher_weight_decay: f64,
    /// Preset `robust`: times that all rows are judged; from the second on by models that trust rows as far as the round
    /// before does. 1 to 5.
    pub rounds: u32,
}

impl Default for BaselineOptions {
    fn default() -> Self {
        Self {
            per_batch: true,
            tries: 1,
            k: 3,
            distance: Distance::Hvdm,
            hvdm_smoothing: 0.0,
            block_size: 10_000,
            max_distances: 100_000_000_000,
            cnn_seed: None,
            knn: Knn::Brute,
            drop3_enn_associates: false,
            lss_include_self: false,
            enemy_ties: EnemyTies::Lowest,
            bdis_t1: -1,
            bdis_t2: 7,
            bdis_init: BdisInit::Farthest,
            bdis_subsample: 0,
            drop_rate: 0.2,
            ramp_epochs: 5.0,
            ramp_exponent: 1.0,
            protect_negatives: false,
            beta: 0.2,
            ce_data: CeData::Explicit,
            num_neg: 1,
            user_column: String::new(),
            item_column: String::new(),
            folds: 5,
            filter: ClFilter::PruneByNoiseRate,
            teacher: BackboneKind::Ipnn,
            teacher_weight_decay: 5e-4,
            rounds: 2,
        }
    }
}

/// Options of [`super::Options`] that only a search has.
const SEARCH: &[&str] = &[
    "epochs",
    "policy_lr_mult",
    "policy_wd_mult",
    "policy_mlp_dims",
    "policy_bn",
    "policy_dropout",
    "policy_label_field",
    "policy_repeats",
    "action",
    "epsilon",
    "update_action",
    "reward",
    "deselected_reward",
    "policy_reduction",
    "reward_norm",
    "reward_forward",
    "lmat_deselected",
    "select",
    "select_by",
    "on_few_selected",
    "min_selected_fraction",
];
/// Options of the warm-up.
const WARMUP: &[&str] = &["warmup_epochs", "warmup_passes_per_row", "lmat_loss"];
/// Options of `autodenoise` with the preset `robust`.
const ROBUST: &[&str] = &["folds", "rounds", "teacher", "teacher_weight_decay"];
const NEIGHBOURS: &[&str] = &["distance", "hvdm_smoothing", "block_size", "max_distances", "knn"];
const SAMPLED: &[&str] = &["ce_data", "num_neg", "user_column", "item_column"];

impl MethodName {
    /// Whether a policy searches.
    pub fn searches(self) -> bool {
        matches!(self, Self::Autodenoise | Self::AutodenoiseV)
    }

    /// Whether it selects by distances between rows.
    pub fn is_instance_selection(self) -> bool {
        matches!(self, Self::Enn | Self::Cnn | Self::Drop3 | Self::Lssm | Self::Lsbo | Self::Bdis)
    }

    /// Names of the method's [`BaselineOptions`].
    pub fn own_options(self, preset: Preset) -> Vec<&'static str> {
        let (shared, own): (&[&str], &[&str]) = match self {
            Self::Autodenoise if preset == Preset::Robust => (&[], ROBUST),
            Self::Autodenoise | Self::AutodenoiseV | Self::None => (&[], &[]),
            Self::RandomDrop => (&[], &["per_batch", "tries"]),
            Self::LossDrop => (&[], &["per_batch"]),
            Self::Enn => (NEIGHBOURS, &["k"]),
            Self::Cnn => (NEIGHBOURS, &["cnn_seed"]),
            Self::Drop3 => (NEIGHBOURS, &["k", "drop3_enn_associates"]),
            Self::Lssm | Self::Lsbo => (NEIGHBOURS, &["lss_include_self", "enemy_ties"]),
            Self::Bdis => {
                (&["distance", "hvdm_smoothing", "block_size"], &["bdis_t1", "bdis_t2", "bdis_init", "bdis_subsample"])
            }
            Self::TCe => (SAMPLED, &["drop_rate", "ramp_epochs", "ramp_exponent", "protect_negatives"]),
            Self::RCe => (SAMPLED, &["beta"]),
            Self::ConfidentLearning => (&[], &["folds", "filter"]),
        };
        [own, shared].concat()
    }

    /// Whether an option of [`super::Options`] makes any difference to the method.
    pub fn uses(self, preset: Preset, option: &str) -> bool {
        match self {
            Self::Autodenoise if preset == Preset::Robust => Self::None.uses(preset, option),
            Self::Autodenoise | Self::AutodenoiseV => true,
            Self::LossDrop => !SEARCH.contains(&option),
            Self::RandomDrop => option == "select_by" || !SEARCH.contains(&option) && !WARMUP.contains(&option),
            _ => !SEARCH.contains(&option) && !WARMUP.contains(&option) && option != "select_ratio",
        }
    }
}

impl BaselineOptions {
    /// The defaults with `overrides` (all of them the method's own) put over them, as a map of the method's own options.
    pub(super) fn resolve(
        name: MethodName,
        preset: Preset,
        overrides: &Map<String, Value>,
    ) -> Result<Map<String, Value>, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut merged = Self::of_method(name).to_map();
        for (key, value) in overrides {
            let previous = merged.insert(key.clone(), value.clone()).expect("one of the options");
            if let Err(error) = Self::deserialize(&merged) {
                errors.push(FieldError::new(format!("/method/options/{key}"), error.to_string()));
                merged.insert(key.clone(), previous);
            }
        }
        errors.extend(Self::deserialize(&merged).expect("every override was tried").out_of_range(name));
        let own = name.own_options(preset);
        merged.retain(|key, _| own.contains(&key.as_str()));
        if errors.is_empty() { Ok(merged) } else { Err(errors) }
    }

    /// From the map that `resolve` made.
    pub(super) fn of(own: &Map<String, Value>) -> Self {
        let mut merged = Self::default().to_map();
        merged.extend(own.clone());
        Self::deserialize(merged).expect("options that were resolved")
    }

    /// A method's defaults.
    fn of_method(name: MethodName) -> Self {
        // The cost of BDIS does not grow with the square of the rows.
        let default = Self::default();
        let block_size = if name == MethodName::Bdis { 0 } else { default.block_size };
        let folds = if name == MethodName::Autodenoise { 8 } else { default.folds };
        Self { block_size, folds, ..default }
    }

    fn to_map(&self) -> Map<String, Value> {
        match serde_json::to_value(self).expect("options are plain data") {
            Value::Object(map) => map,
            _ => unreachable!("a struct serialises to an object"),
        }
    }

    fn out_of_range(&self, name: MethodName) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut check = |name: &str, holds: bool, rule: &str| {
            if !holds {
                errors.push(FieldError::new(format!("/method/options/{name}"), rule));
            }
        };
        let from_0 = |x: f64| x.is_finite() && x >= 0.0;
        check("tries", (1..=10_000).contains(&self.tries), "from 1 to 10000");
        check("k", (1..=100).contains(&self.k), "from 1 to 100");
        check("hvdm_smoothing", from_0(self.hvdm_smoothing), "0 or more");
        check("block_size", self.block_size != 1, "0 for one block, or at least 2");
        check("bdis_t1", (-100..=1_000_000).contains(&self.bdis_t1), "from -100 to 1000000");
        check("bdis_t2", (1..=1_000_000).contains(&self.bdis_t2), "from 1 to 1000000");
        check("bdis_subsample", self.bdis_subsample != 1, "0 for all rows, or at least 2");
        check("drop_rate", (0.0..1.0).contains(&self.drop_rate), "at least 0 and below 1");
        check("ramp_epochs", from_0(self.ramp_epochs) && self.ramp_epochs <= 10_000.0, "from 0 to 10000");
        check("ramp_exponent", self.ramp_exponent.is_finite() && self.ramp_exponent > 0.0, "above 0");
        check("beta", from_0(self.beta) && self.beta <= 100.0, "from 0 to 100");
        check("num_neg", (1..=20).contains(&self.num_neg), "from 1 to 20");
        check("rounds", (1..=5).contains(&self.rounds), "from 1 to 5");
        check(
            "teacher_weight_decay",
            from_0(self.teacher_weight_decay) && self.teacher_weight_decay <= 1.0,
            "from 0 to 1",
        );
        check("folds", (2..=20).contains(&self.folds), "from 2 to 20");
        if name.is_instance_selection() && name != MethodName::Bdis {
            check(
                "knn",
                self.knn.serves(self.distance),
                "kdtree for any distance but hamming, per_user for hamming alone",
            );
        }
        let centres = name != MethodName::Bdis || self.distance != Distance::Hamming;
        check("distance", centres, "one with centres: hvdm, embedding or euclidean_codes");
        if matches!(name, MethodName::TCe | MethodName::RCe) && self.ce_data == CeData::Sampled {
            check("user_column", !self.user_column.is_empty(), "the field of users is needed where ce_data is sampled");
            check("item_column", !self.item_column.is_empty(), "the field of items is needed where ce_data is sampled");
        }
        errors
    }
}

/// What is wrong with options that no part of the method knows or needs; the others, sorted into those of the training and
/// the method's own.
pub(super) fn sort_options(
    name: MethodName,
    preset: Preset,
    known: &Map<String, Value>,
    overrides: &Map<String, Value>,
) -> (Map<String, Value>, Map<String, Value>, Vec<FieldError>) {
    let own = name.own_options(preset);
    let uses = |key: &str| name.uses(preset, key);
    let (mut training, mut of_method, mut errors) = (Map::new(), Map::new(), Vec::new());
    for (key, value) in overrides {
        if own.contains(&key.as_str()) {
            of_method.insert(key.clone(), value.clone());
        } else if known.contains_key(key) && uses(key) {
            training.insert(key.clone(), value.clone());
        } else {
            let all = own.iter().copied().chain(known.keys().map(String::as_str).filter(|key| uses(key)));
            let all: Vec<_> = all.collect();
            let what = if known.contains_key(key) { "makes no difference to" } else { "is no option of" };
            let rule = format!("`{key}` {what} method {name}; there are {}", all.join(", "));
            errors.push(FieldError::new(format!("/method/options/{key}"), rule));
        }
    }
    (training, of_method, errors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Options;

    #[test]
    fn every_named_option_exists() {
        let Value::Object(all) = serde_json::to_value(BaselineOptions::default()).unwrap() else { panic!() };
        let of = |preset| MethodName::ALL.iter().flat_map(move |name| name.own_options(preset));
        let named: Vec<&str> = of(Preset::Paper).chain(of(Preset::Robust)).collect();
        assert!(named.iter().all(|name| all.contains_key(*name)), "{named:?}");
        assert!(all.keys().all(|key| named.contains(&key.as_str())), "every option is some method's");
        let options = Options::preset(Preset::Paper, BackboneKind::DeepFm);
        let Value::Object(options) = serde_json::to_value(options).unwrap() else { panic!() };
        assert!(SEARCH.iter().chain(WARMUP).all(|name| options.contains_key(*name)));
        assert!(all.keys().all(|key| !options.contains_key(key)), "no name means two things");
    }
}
