//! Instance selection by distances between rows (spec `baselines.md`, sections 0 to 5).

use super::own::{OwnOptions, Setting};
use crate::types::faults::{Faults, not_negative};
use crate::types::words::choice;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

choice!(
    /// How far two rows are apart (section 0.1).
    Distance {
        /// Between the target means of their values: the heterogeneous value difference metric.
        Hvdm = "hvdm",
        /// The number of fields in which they differ.
        Hamming = "hamming",
        /// Euclidean, between what a trained model embeds them as.
        Embedding = "embedding",
        /// Euclidean on the codes themselves, which mean nothing: for attempts to reproduce others' figures.
        EuclideanCodes = "euclidean_codes",
    }
);
choice!(
    /// How neighbours are searched for (section 0.2); each gives the same neighbours.
    Knn {
        /// Every row of the block.
        Brute = "brute",
        /// A k-d tree: for any distance but `hamming`, and few dimensions.
        Kdtree = "kdtree",
        /// Rows that share a value, the rarest value (as a rule the user) first: for `hamming`.
        PerUser = "per_user",
    }
);
choice!(
    /// Who is blamed where several rows of the other class are equally near (section 4).
    EnemyTies {
        /// The first of them.
        Lowest = "lowest",
        /// Each for its share.
        Split = "split",
    }
);
choice!(
    /// Where 2-means starts (section 5).
    BdisInit {
        /// The row farthest from the mean, and the row farthest from that one.
        Farthest = "farthest",
        /// Two rows, drawn.
        Random = "random",
    }
);

impl Knn {
    /// Whether this search knows a distance.
    pub fn serves(self, distance: Distance) -> bool {
        match self {
            Self::Brute => true,
            Self::Kdtree => distance != Distance::Hamming,
            Self::PerUser => distance == Distance::Hamming,
        }
    }
}

/// Distances, and the rows between which they are taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct SpaceOptions {
    pub distance: Distance,
    /// Rows of the prior that smooth the label rate of a value. 0 is the textbook's; 10 suits rare values.
    pub hvdm_smoothing: f64,
    /// Rows of a block: the method runs within random blocks of equal label shares, and what they keep is joined. 0: one
    /// block, the default of BDIS.
    pub block_size: u32,
}

/// How the neighbours of each row are found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct NeighbourOptions {
    #[serde(flatten)]
    #[schema(inline)]
    pub space: SpaceOptions,
    /// Most distances a run may compute; a larger one is refused.
    pub max_distances: u64,
    /// Does not change what is kept.
    pub knn: Knn,
}

/// Whom a row is near to, and who is blamed for what is amiss there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct LocalSetOptions {
    /// Whether a row belongs to its own local set.
    pub lss_include_self: bool,
    pub enemy_ties: EnemyTies,
    #[serde(flatten)]
    #[schema(inline)]
    pub neighbours: NeighbourOptions,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct EnnOptions {
    /// Neighbours that vote. 1 to 100.
    pub k: u32,
    #[serde(flatten)]
    #[schema(inline)]
    pub neighbours: NeighbourOptions,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct CnnOptions {
    /// CNN starts from a random row of each label, drawn with this seed, instead of the first.
    pub cnn_seed: Option<u64>,
    #[serde(flatten)]
    #[schema(inline)]
    pub neighbours: NeighbourOptions,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Drop3Options {
    /// Neighbours that vote. 1 to 100.
    pub k: u32,
    /// Whether rows that DROP3's first step removed stay associates.
    pub drop3_enn_associates: bool,
    #[serde(flatten)]
    #[schema(inline)]
    pub neighbours: NeighbourOptions,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct LssmOptions {
    #[serde(flatten)]
    #[schema(inline)]
    pub local_sets: LocalSetOptions,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct LsboOptions {
    #[serde(flatten)]
    #[schema(inline)]
    pub local_sets: LocalSetOptions,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct BdisOptions {
    /// BDIS keeps one row of clusters larger than floor(log10 n) + `bdis_t1`..
    pub bdis_t1: i32,
    /// ..and smaller than floor(log10 n) * `bdis_t2`.
    pub bdis_t2: u32,
    pub bdis_init: BdisInit,
    /// Rows that 2-means is trained on; 0: all.
    pub bdis_subsample: u32,
    #[serde(flatten)]
    #[schema(inline)]
    pub space: SpaceOptions,
}

impl Default for SpaceOptions {
    fn default() -> Self {
        Self { distance: Distance::Hvdm, hvdm_smoothing: 0.0, block_size: 10_000 }
    }
}

impl Default for NeighbourOptions {
    fn default() -> Self {
        Self { space: SpaceOptions::default(), max_distances: 100_000_000_000, knn: Knn::Brute }
    }
}

impl Default for LocalSetOptions {
    fn default() -> Self {
        Self { lss_include_self: false, enemy_ties: EnemyTies::Lowest, neighbours: NeighbourOptions::default() }
    }
}

impl Default for EnnOptions {
    fn default() -> Self {
        Self { k: 3, neighbours: NeighbourOptions::default() }
    }
}

impl Default for Drop3Options {
    fn default() -> Self {
        Self { k: 3, drop3_enn_associates: false, neighbours: NeighbourOptions::default() }
    }
}

/// The cost of BDIS does not grow with the square of the rows, so it takes them all at once.
impl Default for BdisOptions {
    fn default() -> Self {
        let space = SpaceOptions { block_size: 0, ..SpaceOptions::default() };
        Self { bdis_t1: -1, bdis_t2: 7, bdis_init: BdisInit::Farthest, bdis_subsample: 0, space }
    }
}

impl SpaceOptions {
    fn check(&self, faults: &mut Faults) {
        faults.check("hvdm_smoothing", not_negative(self.hvdm_smoothing), "0 or more");
        faults.check("block_size", self.block_size != 1, "0 for one block, or at least 2");
    }

    fn check_setting(&self, setting: &Setting, faults: &mut Faults) {
        let there = self.distance != Distance::Embedding || setting.backbone.has_embedding();
        let rule = format!("hvdm, hamming or euclidean_codes: {} has no table of embeddings", setting.backbone);
        faults.check("distance", there, &rule);
    }
}

impl NeighbourOptions {
    fn check(&self, faults: &mut Faults) {
        self.space.check(faults);
        let rule = "kdtree for any distance but hamming, per_user for hamming alone";
        faults.check("knn", self.knn.serves(self.space.distance), rule);
    }

    fn check_setting(&self, setting: &Setting, faults: &mut Faults) {
        if let Some(rows) = setting.dataset.train_rows {
            let block = if self.space.block_size == 0 { rows } else { rows.min(self.space.block_size.into()) };
            let distances = rows.saturating_mul(block);
            if distances > self.max_distances {
                let rule = format!(
                    "{} compares {rows} training rows with {block} each, {distances} distances, more than max_distances = {}; \
                     set block_size to at most {}, or max_distances to at least {distances}",
                    setting.method,
                    self.max_distances,
                    (self.max_distances / rows).max(2),
                );
                faults.add("block_size", rule);
            }
        }
        self.space.check_setting(setting, faults);
    }
}

fn check_votes(k: u32, faults: &mut Faults) {
    faults.check("k", (1..=100).contains(&k), "from 1 to 100");
}

impl OwnOptions for EnnOptions {
    const TITLE: &'static str = "ENN";

    fn check(&self, faults: &mut Faults) {
        check_votes(self.k, faults);
        self.neighbours.check(faults);
    }

    fn check_setting(&self, setting: &Setting, faults: &mut Faults) {
        self.neighbours.check_setting(setting, faults);
    }
}

impl OwnOptions for CnnOptions {
    const TITLE: &'static str = "CNN";

    fn check(&self, faults: &mut Faults) {
        self.neighbours.check(faults);
    }

    fn check_setting(&self, setting: &Setting, faults: &mut Faults) {
        self.neighbours.check_setting(setting, faults);
    }
}

impl OwnOptions for Drop3Options {
    const TITLE: &'static str = "DROP3";

    fn check(&self, faults: &mut Faults) {
        check_votes(self.k, faults);
        self.neighbours.check(faults);
    }

    fn check_setting(&self, setting: &Setting, faults: &mut Faults) {
        self.neighbours.check_setting(setting, faults);
    }
}

impl OwnOptions for LssmOptions {
    const TITLE: &'static str = "LSSm";

    fn check(&self, faults: &mut Faults) {
        self.local_sets.neighbours.check(faults);
    }

    fn check_setting(&self, setting: &Setting, faults: &mut Faults) {
        self.local_sets.neighbours.check_setting(setting, faults);
    }
}

impl OwnOptions for LsboOptions {
    const TITLE: &'static str = "LSBo";

    fn check(&self, faults: &mut Faults) {
        self.local_sets.neighbours.check(faults);
    }

    fn check_setting(&self, setting: &Setting, faults: &mut Faults) {
        self.local_sets.neighbours.check_setting(setting, faults);
    }
}

impl OwnOptions for BdisOptions {
    const TITLE: &'static str = "BDIS";

    fn check(&self, faults: &mut Faults) {
        self.space.check(faults);
        faults.check("bdis_t1", (-100..=1_000_000).contains(&self.bdis_t1), "from -100 to 1000000");
        faults.check("bdis_t2", (1..=1_000_000).contains(&self.bdis_t2), "from 1 to 1000000");
        faults.check("bdis_subsample", self.bdis_subsample != 1, "0 for all rows, or at least 2");
        let centres = self.space.distance != Distance::Hamming;
        faults.check("distance", centres, "one with centres: hvdm, embedding or euclidean_codes");
    }

    fn check_setting(&self, setting: &Setting, faults: &mut Faults) {
        self.space.check_setting(setting, faults);
    }
}
