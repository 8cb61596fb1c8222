//! The recommender models by name, and what the options say about them (spec `backbones.md`, sections 2 to 4).

use super::words::{choice, enumerated};

choice!(
    /// The recommender model (spec `backbones.md`). The engine `fused` has the paper's five: `fm`, `wide_deep`, `dcn`,
    /// `ipnn` and `deepfm`.
    BackboneKind {
        /// Factorisation machine.
        Fm = "fm",
        /// Wide & Deep: first-order weights and a tower.
        WideDeep = "wide_deep",
        /// Deep & Cross with vectors for weights.
        Dcn = "dcn",
        /// Tower over embeddings and their inner products.
        Ipnn = "ipnn",
        /// Factorisation machine and tower.
        DeepFm = "deepfm",
        /// Logistic regression.
        Lr = "lr",
        /// Factorisation machine of a higher order.
        Hofm = "hofm",
        /// Field-aware factorisation machine.
        Ffm = "ffm",
        /// Tower over embeddings.
        Fnn = "fnn",
        /// Tower over embeddings and their products through a matrix for each pair.
        Opnn = "opnn",
        /// Tower over the sum of all pairs' products.
        Nfm = "nfm",
        /// Tower over the field-aware products of all pairs.
        Fnfm = "fnfm",
        /// Neural collaborative filtering: the product of user and item, and a tower over all fields.
        Ncf = "ncf",
        /// Compressed interactions and a tower.
        XDeepFm = "xdeepfm",
        /// Factorisation machine with attention over the pairs.
        Afm = "afm",
        /// Self-attention over the fields and a tower.
        AutoInt = "autoint",
        /// Interactions of learned orders through logarithms.
        Afn = "afn",
        /// Deep & Cross with matrices for weights.
        DcnV2 = "dcnv2",
        /// Deep & Cross with gates.
        Gdcn = "gdcn",
        /// Layers behind masks made from the embeddings.
        MaskNet = "masknet",
        /// Two towers over gated embeddings, and the product of what they give.
        FinalMlp = "finalmlp",
    }
);
choice!(
    /// How the cross or mask part of a model and its tower stand to each other.
    Structure {
        /// `dcnv2`, `gdcn`: side by side over the embeddings. `masknet`: `mask_blocks` blocks side by side, then the tower.
        Parallel = "parallel",
        /// `dcnv2`, `gdcn`: the tower over the cross part.
        Stacked = "stacked",
        /// `dcnv2`: one tower over the cross part and one beside it.
        StackedParallel = "stacked_parallel",
        /// `dcnv2`: no tower.
        CrossnetOnly = "crossnet_only",
        /// `masknet`: blocks one over the other, as wide as `mlp_dims` says.
        Serial = "serial",
    }
);

impl BackboneKind {
    /// The models that the engine `fused` has.
    pub const FUSED: &'static [Self] = &[Self::Fm, Self::WideDeep, Self::Dcn, Self::Ipnn, Self::DeepFm];

    /// Whether the engine `fused` has it.
    pub fn is_fused(self) -> bool {
        Self::FUSED.contains(&self)
    }

    /// Whether it has one table of embeddings for all its fields.
    pub fn has_embedding(self) -> bool {
        !matches!(self, Self::Lr | Self::Ffm | Self::Fnfm)
    }

    /// Why the engine `fused` is not to be had with this model, if so.
    pub fn why_not_fused(self) -> Option<String> {
        (!self.is_fused()).then(|| {
            format!("auto or tch, because fused has the backbones {}, not {self}", enumerated(Self::FUSED, "and"))
        })
    }

    /// The structures there are, for a model that has several.
    pub(super) fn structures(self) -> Option<&'static [Structure]> {
        use Structure::{CrossnetOnly, Parallel, Serial, Stacked, StackedParallel};
        match self {
            Self::DcnV2 => Some(&[Parallel, Stacked, StackedParallel, CrossnetOnly]),
            Self::Gdcn => Some(&[Parallel, Stacked]),
            Self::MaskNet => Some(&[Serial, Parallel]),
            _ => None,
        }
    }

    /// Passes that a training makes until it has not become better for `patience` passes, where no job on the table has shown. On
    /// samples of MovieLens-1M of 20 thousand rows to all of them, with a patience of 6, FM took 40 to 100, models with a
    /// tower 9 to 30, and IPNN about 8.
    pub fn usual_passes(self, patience: u32) -> u64 {
        match self {
            Self::Lr | Self::Fm | Self::Hofm | Self::Ffm => 55,
            Self::Ipnn => 3 + 3 * u64::from(patience) / 2,
            _ => 3 + 11 * u64::from(patience) / 5,
        }
    }

    /// Nanoseconds that a training pass takes for each cell of the table (rows x fields), on two cores of x86-64: measured
    /// on MovieLens-1M (`docs/measurements.md`), good to a factor of three elsewhere.
    pub fn nanoseconds_per_cell(self) -> f64 {
        let seconds = match self {
            Self::Fm | Self::Ipnn => 0.1,
            Self::WideDeep | Self::Dcn | Self::DeepFm => 0.2,
            Self::Lr | Self::Fnn | Self::Ncf | Self::Ffm => 1.0,
            Self::Hofm | Self::Fnfm | Self::Nfm | Self::FinalMlp | Self::Afm | Self::Opnn => 2.0,
            Self::DcnV2 | Self::MaskNet | Self::Gdcn => 5.0,
            Self::XDeepFm => 15.0,
            Self::AutoInt => 52.0,
            Self::Afn => 1200.0,
        };
        seconds / (800_167.0 * 8.0) * 1e9
    }
}
