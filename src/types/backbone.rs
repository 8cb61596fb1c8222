//! The recommender models by name, and what the options say about them (spec `backbones.md`, sections 2 to 4).

use super::FieldError;
use super::options::{Options, choice};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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
        let fused: Vec<_> = Self::FUSED.iter().map(|kind| kind.as_str()).collect();
        let (last, others) = fused.split_last().expect("the engine has models");
        (!self.is_fused()).then(|| {
            format!("auto or tch, because fused has the backbones {} and {last}, not {self}", others.join(", "))
        })
    }

    /// The structures there are, for a model that has several.
    fn structures(self) -> Option<&'static [Structure]> {
        use Structure::{CrossnetOnly, Parallel, Serial, Stacked, StackedParallel};
        match self {
            Self::DcnV2 => Some(&[Parallel, Stacked, StackedParallel, CrossnetOnly]),
            Self::Gdcn => Some(&[Parallel, Stacked]),
            Self::MaskNet => Some(&[Serial, Parallel]),
            _ => None,
        }
    }
}

impl Options {
    /// The options with a backbone's own defaults: its row of the tables in spec sections 2 and 3.
    ///
    /// Section 4's models get the paper's E = 16, dropout and number of cross layers, and towers of (64, 64): theirs are 400
    /// to 1024 wide and go with E = 40, which costs minutes a pass on a CPU and would compare sizes more than structures.
    pub(super) fn of_backbone(self, backbone: BackboneKind) -> Self {
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
            BackboneKind::Fm
            | BackboneKind::WideDeep
            | BackboneKind::Dcn
            | BackboneKind::DeepFm
            | BackboneKind::Lr
            | BackboneKind::Hofm
            | BackboneKind::Fnn
            | BackboneKind::Ncf
            | BackboneKind::XDeepFm
            | BackboneKind::Afm => self,
        }
    }

    /// What of the model's options is out of range, or does not fit the others.
    pub(super) fn model_faults(&self, backbone: BackboneKind) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut check = |name: &str, holds: bool, rule: &str| {
            if !holds {
                errors.push(FieldError::new(format!("/method/options/{name}"), rule));
            }
        };
        let probability = |p: f64| (0.0..1.0).contains(&p);
        let some_widths = |dims: &[u32]| widths(dims) && !dims.is_empty();
        let some = "1 to 8 widths, each from 1 to 4096";
        check("embed_dim", (1..=1024).contains(&self.embed_dim), "from 1 to 1024");
        check("mlp_dims", some_widths(&self.mlp_dims), some);
        check("second_mlp_dims", some_widths(&self.second_mlp_dims), some);
        check("gate_dims", widths(&self.gate_dims), "at most 8 widths, each from 1 to 4096");
        check("dropout", probability(self.dropout), "at least 0 and below 1");
        check("interaction_dropout", probability(self.interaction_dropout), "at least 0 and below 1");
        check("cross_layers", (1..=16).contains(&self.cross_layers), "from 1 to 16");
        check("hofm_order", (2..=8).contains(&self.hofm_order), "from 2 to 8");
        check("cin_dims", some_widths(&self.cin_dims), some);
        check("attention_dim", (1..=1024).contains(&self.attention_dim), "from 1 to 1024");
        check("attention_layers", (1..=16).contains(&self.attention_layers), "from 1 to 16");
        check("lnn_dim", (1..=4096).contains(&self.lnn_dim), "from 1 to 4096");
        check("mask_blocks", (1..=16).contains(&self.mask_blocks), "from 1 to 16");
        check("mask_block_dim", (1..=4096).contains(&self.mask_block_dim), "from 1 to 4096");
        check("heads", (1..=64).contains(&self.heads), "from 1 to 64");
        let divided = |width: Option<&u32>| width.is_none_or(|width| width.is_multiple_of(self.heads.max(1)));
        match backbone {
            BackboneKind::AutoInt => {
                check("heads", divided(Some(&self.attention_dim)), "a divisor of attention_dim");
            }
            BackboneKind::FinalMlp => check(
                "heads",
                divided(self.mlp_dims.last()) && divided(self.second_mlp_dims.last()),
                "a divisor of the last width of mlp_dims and of second_mlp_dims",
            ),
            BackboneKind::XDeepFm => {
                let halved = self.cin_dims.split_last().map_or(&[][..], |(_, halved)| halved);
                check(
                    "cin_dims",
                    !self.cin_split_half || halved.iter().all(|dim| dim.is_multiple_of(2)),
                    "even widths before the last, because cin_split_half halves them",
                );
            }
            _ => {}
        }
        if let Some(known) = backbone.structures() {
            let words: Vec<_> = known.iter().map(|structure| structure.as_str()).collect();
            check(
                "structure",
                known.contains(&self.structure),
                &format!("one of {}, for {backbone}", words.join(", ")),
            );
        }
        errors
    }
}

/// Whether these can be the widths of layers.
pub(super) fn widths(dims: &[u32]) -> bool {
    dims.len() <= 8 && dims.iter().all(|dim| (1..=4096).contains(dim))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Engine, Preset};
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

    #[test]
    fn a_model_that_fused_has_not_is_refused_with_the_models_it_has() {
        let spec = |engine| {
            let spec =
                json!({"dataset_id": crate::types::DatasetId::new(), "method": {"backbone": "afm"}, "engine": engine});
            serde_json::from_value::<crate::types::JobSpec>(spec).unwrap().resolve(&Default::default())
        };
        let errors = spec(Engine::Fused).unwrap_err();
        assert_eq!(errors[0].pointer, "/engine");
        assert_eq!(
            errors[0].rule,
            "auto or tch, because fused has the backbones fm, wide_deep, dcn, ipnn and deepfm, not afm"
        );
        assert!(spec(Engine::Auto).is_ok() && spec(Engine::Tch).is_ok());
    }
}
