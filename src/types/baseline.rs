//! Words of the options of instance-selection baselines (spec `baselines.md`, sections 0 to 5).

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
