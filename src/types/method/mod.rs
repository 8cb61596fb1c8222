//! The methods that a job can run and compare, and what each can be told beside the training's options (spec
//! `baselines.md`). A method is a type: its own options, which say what is wrong with them, which options of the training it
//! uses, and what it costs.

mod confident;
mod controls;
mod instance;
mod losses;
mod own;
mod ranked;
mod robust;
mod schema;
mod search;

pub use confident::{ClFilter, ConfidentOptions};
pub use controls::{AllRowsOptions, LabelSmoothingOptions, LossDropOptions, RandomDropOptions};
pub use instance::{
    BdisInit, BdisOptions, CnnOptions, Distance, Drop3Options, EnemyTies, EnnOptions, Knn, LocalSetOptions,
    LsboOptions, LssmOptions, NeighbourOptions, SpaceOptions,
};
pub use losses::{CeData, RCeOptions, SampledOptions, TCeOptions};
pub use own::{Cost, TrainingPasses};
pub use ranked::{AumOptions, EardOptions, TrimOptions};
pub use robust::RobustOptions;
pub use search::{AblationOptions, SearchOptions};

pub(super) use own::Setting;

use super::faults::Faults;
use super::overrides::{overridden, to_map};
use super::words::{choice, enumerated, nearest};
use super::{FieldError, Options, Preset};
use own::OwnOptions;
use schema::OwnSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::{borrow::Cow, collections::BTreeMap, sync::LazyLock};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, schema::Schema},
};

/// Makes the words that name the methods, the methods with their own options, and the way from the one to the other.
macro_rules! methods {
    ($($(#[doc = $doc:literal])* $variant:ident($own:ty) = $word:literal),+ $(,)?) => {
        choice!(
            /// How the rows are chosen.
            MethodName { $($(#[doc = $doc])* $variant = $word),+ }
        );

        /// A method with its own options.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Method {
            $($(#[doc = $doc])* $variant($own)),+
        }

        impl Method {
            pub fn name(&self) -> MethodName {
                match self { $(Self::$variant(_) => MethodName::$variant),+ }
            }

            /// Its own options by name.
            pub(super) fn own(&self) -> Map<String, Value> {
                match self { $(Self::$variant(own) => to_map(own)),+ }
            }

            /// What choosing rows takes, where a training to early stopping takes `training` passes.
            pub fn cost(&self, options: &Options, training: TrainingPasses) -> Cost {
                match self { $(Self::$variant(own) => own.cost(options, training)),+ }
            }

            /// What does not suit the dataset or the backbone.
            pub(super) fn check_setting(&self, setting: &Setting, faults: &mut Faults) {
                match self { $(Self::$variant(own) => own.check_setting(setting, faults)),+ }
            }
        }

        impl MethodName {
            /// What it keeps or does, in a sentence.
            pub fn purpose(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),*).trim_ascii()),+ }
            }

            /// What it is called in tables for people.
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => <$own>::TITLE),+ }
            }

            /// Whether it chooses rows before a model is trained on them; the losses choose while it is.
            pub fn chooses_first(self) -> bool {
                match self { $(Self::$variant => <$own>::CHOOSES_FIRST),+ }
            }

            /// Whether an option of [`Options`] makes any difference to the method.
            pub fn uses(self, option: &str) -> bool {
                match self { $(Self::$variant => <$own>::uses(option)),+ }
            }

            /// Whether a resolved spec shows an option of [`Options`].
            pub(super) fn shows(self, option: &str) -> bool {
                match self { $(Self::$variant => <$own>::shows(option)),+ }
            }

            /// Options of the training and their words that it starts from, whatever the preset has.
            pub(super) fn starts_from(self) -> &'static [(&'static str, &'static str)] {
                match self { $(Self::$variant => <$own>::STARTS_FROM),+ }
            }

            /// Names of the method's own options, in the order they are declared.
            pub fn own_options(self) -> Vec<String> {
                match self { $(Self::$variant => schema::names(&<$own>::default())),+ }
            }

            /// The method with `overrides` put over its own options.
            pub(super) fn with(self, overrides: &Map<String, Value>, faults: &mut Faults) -> Method {
                match self {
                    $(Self::$variant => {
                        let own = overridden(&<$own>::default(), overrides, faults);
                        own.check(faults);
                        Method::$variant(own)
                    })+
                }
            }

            /// The method with own options as they are stored; what is absent has its default.
            pub(super) fn stored(self, own: Map<String, Value>) -> Result<Method, serde_json::Error> {
                match self { $(Self::$variant => <$own>::deserialize(own).map(Method::$variant)),+ }
            }
        }

        impl AnyOwnOptions {
            fn all() -> Vec<OwnSchema> {
                vec![$(OwnSchema::of::<$own>()),+]
            }
        }
    };
}

methods!(
    /// The paper's system.
    Autodenoise(SearchOptions) = "autodenoise",
    /// The paper's ablation: the validation phase draws each row by itself instead of the likeliest of each batch.
    AutodenoiseV(AblationOptions) = "autodenoise_v",
    /// All rows: only the reference model is trained.
    None(AllRowsOptions) = "none",
    /// Control: `select_ratio` of the rows at random.
    RandomDrop(RandomDropOptions) = "random_drop",
    /// Control: drops the rows of the highest mean loss over the warm-up.
    LossDrop(LossDropOptions) = "loss_drop",
    /// Edited nearest neighbours (Wilson 1972): drops rows that their neighbours outvote.
    Enn(EnnOptions) = "enn",
    /// Condensed nearest neighbours (Hart 1968): keeps what a nearest-neighbour rule needs.
    Cnn(CnnOptions) = "cnn",
    /// Wilson and Martinez 2000: ENN, then drops rows that their associates do not need.
    Drop3(Drop3Options) = "drop3",
    /// Local-set smoother (Leyva et al. 2015): drops rows that harm more than they help.
    Lssm(LssmOptions) = "lssm",
    /// Local-set border selector (Leyva et al. 2015).
    Lsbo(LsboOptions) = "lsbo",
    /// Bayesian decision instance selection (Chen et al. 2022), by 2-means clusters of one label.
    Bdis(BdisOptions) = "bdis",
    /// Truncated cross-entropy (Wang et al. 2021): each batch's highest losses of label 1 count nothing. Its subset is
    /// what the final drop rate keeps of each batch by the trained model's losses.
    TCe(TCeOptions) = "t_ce",
    /// Reweighted cross-entropy (Wang et al. 2021): a row weighs as much as the model believes it. Its subset leaves out
    /// as many rows as the weights take away, those of smallest weight.
    RCe(RCeOptions) = "r_ce",
    /// Confident learning (Northcutt et al. 2021) from cross-fitted probabilities.
    ConfidentLearning(ConfidentOptions) = "confident_learning",
    /// Control: drops the rows of the highest loss by models that have not seen them.
    Trim(TrimOptions) = "trim",
    /// Much as EARD: keeps the rows of the best rank by loss, times the mean rank of what else their user and their item have.
    Eard(EardOptions) = "eard",
    /// The area under the margin (Pleiss et al. 2020): drops the rows whose label has the lowest mean margin over the warm-up.
    Aum(AumOptions) = "aum",
    /// Control (Szegedy et al. 2016): all rows, every label moved towards one half.
    LabelSmoothing(LabelSmoothingOptions) = "label_smoothing",
    /// Ours: finds corruption with a structure, says where it is, and mends it where a tuned model gains by that; it may keep
    /// every row.
    Robust(RobustOptions) = "robust",
);

/// The own options of whatever method it is, as the API document has them.
pub(super) struct AnyOwnOptions;

impl PartialSchema for AnyOwnOptions {
    fn schema() -> RefOr<Schema> {
        schema::merged(Self::all())
    }
}

impl ToSchema for AnyOwnOptions {
    fn name() -> Cow<'static, str> {
        "BaselineOptions".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.extend(Self::all().into_iter().flat_map(|own| own.referred));
    }
}

impl Method {
    /// How negatives are drawn, where the method trains on such.
    pub fn sampled(&self) -> Option<&SampledOptions> {
        match self {
            Self::TCe(own) => own.data.drawn(),
            Self::RCe(own) => own.data.drawn(),
            _ => None,
        }
    }
}

impl MethodName {
    /// Whether a policy searches, epoch by epoch.
    pub fn searches(self) -> bool {
        matches!(self, Self::Autodenoise | Self::AutodenoiseV)
    }

    /// Whether a spec of the method may give the option, its own or one of the training.
    pub fn has(self, option: &str) -> bool {
        Self::with_option(option).contains(&self)
    }

    /// The methods that have an option, their own or of the training.
    fn with_option(option: &str) -> &'static [Self] {
        // Made once: a spec with thousands of wrong options is told of each.
        static BY_OPTION: LazyLock<BTreeMap<String, Vec<MethodName>>> = LazyLock::new(|| {
            let training = Options::default().to_map();
            let mut by_option: BTreeMap<_, Vec<_>> = BTreeMap::new();
            for method in MethodName::ALL.iter().copied() {
                let of_training = training.keys().filter(|option| method.uses(option)).cloned();
                for option in method.own_options().into_iter().chain(of_training) {
                    by_option.entry(option).or_default().push(method);
                }
            }
            by_option
        });
        BY_OPTION.get(option).map_or(&[], Vec::as_slice)
    }

    /// The method and preset that a spec means: `autodenoise` with the preset `robust` is the method of that name, whose models
    /// are trained as in the paper.
    pub fn spelled(self, preset: Preset) -> (Self, Preset) {
        match (self, preset) {
            (Self::Autodenoise | Self::Robust, Preset::Robust) => (Self::Robust, Preset::Paper),
            as_written => as_written,
        }
    }

    /// The method that a preset is of, where none is named.
    pub const fn of_preset(preset: Preset) -> Self {
        match preset {
            Preset::Paper | Preset::ReleasedCode => Self::Autodenoise,
            Preset::Robust => Self::Robust,
        }
    }

    /// What is wrong with the method's having the preset.
    pub(super) fn preset_fault(self, preset: Preset) -> Option<&'static str> {
        let refused = self == Self::AutodenoiseV && preset == Preset::Robust;
        refused.then_some("paper or released_code: robust is a preset of autodenoise")
    }
}

/// What is wrong with options that no part of the method knows or needs; the others, sorted into those of the training and
/// the method's own.
pub(super) fn sort_options(
    name: MethodName,
    known: &Map<String, Value>,
    overrides: &Map<String, Value>,
) -> (Map<String, Value>, Map<String, Value>, Vec<FieldError>) {
    let own = name.own_options();
    let (mut training, mut of_method, mut errors) = (Map::new(), Map::new(), Vec::new());
    for (key, value) in overrides {
        if own.contains(key) {
            of_method.insert(key.clone(), value.clone());
        } else if known.contains_key(key) && name.uses(key) {
            training.insert(key.clone(), value.clone());
        } else {
            let rule = why_not(name, key, known);
            errors.push(FieldError::new(format!("/method/options/{key}"), rule));
        }
    }
    (training, of_method, errors)
}

/// Why the method cannot have the option, and what to do.
fn why_not(name: MethodName, key: &str, known: &Map<String, Value>) -> String {
    let having = MethodName::with_option(key);
    if having.is_empty() {
        let own = name.own_options();
        let all: Vec<_> = own.iter().chain(known.keys().filter(|key| name.uses(key))).map(String::as_str).collect();
        let guess =
            nearest(key, all.iter().copied()).map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
        return format!("`{key}` is no option of method {name}{guess}; there are {}", all.join(", "));
    }
    let of_paper = name == MethodName::Robust && having.contains(&MethodName::Autodenoise);
    let others = match of_paper {
        true => "the paper's method, preset paper (--preset paper), which has it".to_owned(),
        false => format!("a method that has it: {}", enumerated(having, "or")),
    };
    format!("`{key}` makes no difference to method {name}: leave it out, or take {others}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_means_two_things() {
        let training = Options::default().to_map();
        for name in MethodName::ALL {
            let (own, defaults) = (name.own_options(), name.with(&Map::new(), &mut Faults::default()).own());
            assert_eq!(own.len(), defaults.len(), "{name}");
            assert!(own.iter().all(|option| defaults.contains_key(option) && !training.contains_key(option)), "{name}");
        }
    }

    #[test]
    fn defaults_are_within_their_own_ranges_and_survive_being_stored() {
        for name in MethodName::ALL {
            let mut faults = Faults::default();
            let method = name.with(&Map::new(), &mut faults);
            assert_eq!(faults.into_result(()), Ok(()), "{name}");
            assert_eq!((method.name(), &name.stored(method.own()).unwrap()), (*name, &method));
        }
    }
}
