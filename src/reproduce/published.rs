//! The numbers the paper prints (spec `autodenoise.md`, section 8; paper, tables 1 to 5). Figures 3 and 4 print none.

use super::target::DatasetName;
use crate::types::{BackboneKind, MethodName};
use serde::Serialize;

/// Test AUC and log-loss.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Published {
    pub auc: f64,
    pub logloss: f64,
}

impl Published {
    fn new((auc, logloss): (f64, f64)) -> Self {
        Self { auc, logloss }
    }
}

/// The position of a dataset's numbers in the tables below.
fn dataset_index(dataset: DatasetName) -> Option<usize> {
    match dataset {
        DatasetName::Ml1m => Some(0),
        DatasetName::KuaiRec => Some(1),
        DatasetName::Netflix => Some(2),
        DatasetName::Other => None,
    }
}

/// Backbones in the order of the paper's columns.
pub const PAPER_BACKBONES: [BackboneKind; 5] =
    [BackboneKind::Fm, BackboneKind::WideDeep, BackboneKind::Dcn, BackboneKind::Ipnn, BackboneKind::DeepFm];

/// Table 1, without AutoDenoise (w/o).
#[allow(clippy::approx_constant, reason = "a log-loss is near pi / 6 by chance")]
const WITHOUT: [[(f64, f64); 5]; 3] = [
    [(0.8080, 0.5334), (0.7957, 0.5400), (0.8092, 0.5235), (0.8023, 0.5433), (0.8048, 0.5306)],
    [(0.8654, 0.4183), (0.8641, 0.4204), (0.8641, 0.4202), (0.8630, 0.4228), (0.8653, 0.4184)],
    [(0.6523, 0.7835), (0.6575, 0.9350), (0.6711, 0.7742), (0.6682, 0.7760), (0.6604, 0.8926)],
];

/// Table 1, with AutoDenoise (w).
const WITH: [[(f64, f64); 5]; 3] = [
    [(0.8095, 0.5292), (0.8022, 0.5333), (0.8115, 0.5219), (0.8063, 0.5363), (0.8097, 0.5225)],
    [(0.8657, 0.4178), (0.8642, 0.4201), (0.8649, 0.4192), (0.8635, 0.4217), (0.8659, 0.4172)],
    [(0.6541, 0.7803), (0.6620, 0.9115), (0.6761, 0.7434), (0.6734, 0.7542), (0.6683, 0.8800)],
];

/// Table 2's baselines, with DeepFM.
const BASELINES: [(MethodName, [(f64, f64); 3]); 6] = [
    (MethodName::Drop3, [(0.7701, 0.5776), (0.8485, 0.4472), (0.6444, 1.3277)]),
    (MethodName::Bdis, [(0.6995, 0.7996), (0.8018, 0.6694), (0.5726, 1.1192)]),
    (MethodName::Lsbo, [(0.7659, 0.5851), (0.8439, 0.4501), (0.6355, 1.4491)]),
    (MethodName::Lssm, [(0.7752, 0.5841), (0.8566, 0.4931), (0.6471, 1.0330)]),
    (MethodName::TCe, [(0.7814, 1.7886), (0.8140, 1.7509), (0.6785, 2.5780)]),
    (MethodName::RCe, [(0.7817, 1.8263), (0.8189, 1.8955), (0.6832, 2.5801)]),
];

/// Table 3: rows chosen with DeepFM, another backbone trained on them.
const TRANSFERRED: [[(f64, f64); 4]; 3] = [
    [(0.8082, 0.5274), (0.8001, 0.5363), (0.8111, 0.5230), (0.8029, 0.5368)],
    [(0.8657, 0.4179), (0.8645, 0.4202), (0.8648, 0.4193), (0.8644, 0.4206)],
    [(0.6532, 0.7783), (0.6587, 0.9212), (0.6762, 0.7476), (0.6723, 0.7588)],
];

/// The paper's number for a backbone trained on what a method chose with the same backbone; none where it prints none.
pub(super) fn published(dataset: DatasetName, backbone: BackboneKind, method: MethodName) -> Option<Published> {
    let dataset = dataset_index(dataset)?;
    let column = PAPER_BACKBONES.iter().position(|kind| *kind == backbone)?;
    match method {
        MethodName::None => Some(Published::new(WITHOUT[dataset][column])),
        MethodName::Autodenoise => Some(Published::new(WITH[dataset][column])),
        _ => {
            let (_, numbers) = BASELINES.iter().find(|(name, _)| *name == method)?;
            (backbone == BackboneKind::DeepFm).then(|| Published::new(numbers[dataset]))
        }
    }
}

/// The paper's number for a backbone trained on the rows that AutoDenoise chose with DeepFM.
pub(super) fn transferred(dataset: DatasetName, backbone: BackboneKind) -> Option<Published> {
    let column = PAPER_BACKBONES.iter().position(|kind| *kind == backbone)?;
    TRANSFERRED[dataset_index(dataset)?].get(column).map(|numbers| Published::new(*numbers))
}

/// A row of the case study: user 5051 by the authors' codes, UserID 5052 of MovieLens-1M.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct CaseRow {
    /// How MovieLens's title begins.
    pub title: &'static str,
    pub says: &'static str,
}

pub const CASE_USER: &str = "5052";

/// Table 4: the training rows it names.
pub(super) const CASE_TRAIN: [CaseRow; 3] = [
    CaseRow { title: "Patriot, The", says: "kept" },
    CaseRow { title: "Raiders of the Lost Ark", says: "kept" },
    CaseRow { title: "Wizard of Oz, The", says: "dropped as noise" },
];

/// Table 5: predictions of DeepFM trained on all rows, and on the kept rows.
pub(super) const CASE_TEST: [CaseRow; 3] = [
    CaseRow { title: "E.T. the Extra-Terrestrial", says: "0.77 / 0.82" },
    CaseRow { title: "Lawrence of Arabia", says: "0.94 / 0.93" },
    CaseRow { title: "Wonderland", says: "0.46 / 0.57" },
];

/// What the paper says of a row.
pub(super) fn case_row(rows: &[CaseRow], title: &str) -> Option<&'static str> {
    rows.iter().find(|row| title.starts_with(row.title)).map(|row| row.says)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_paper() {
        let number = |dataset, backbone, method| published(dataset, backbone, method).map(|p| (p.auc, p.logloss));
        use {BackboneKind::*, DatasetName::*, MethodName as M};
        assert_eq!(number(Ml1m, DeepFm, M::None), Some((0.8048, 0.5306)));
        assert_eq!(number(Netflix, WideDeep, M::Autodenoise), Some((0.6620, 0.9115)));
        assert_eq!(number(KuaiRec, DeepFm, M::RCe), Some((0.8189, 1.8955)));
        assert_eq!(number(Ml1m, Fm, M::Drop3), None, "table 2 is of DeepFM");
        assert_eq!(number(Ml1m, DeepFm, M::Enn), None);
        assert_eq!(number(Other, DeepFm, M::None), None);
        assert_eq!(transferred(Ml1m, Ipnn), Some(Published { auc: 0.8029, logloss: 0.5368 }));
        assert_eq!(transferred(Ml1m, DeepFm), None);
        assert_eq!(case_row(&CASE_TEST, "Wonderland (1999)"), Some("0.46 / 0.57"));
        assert_eq!(case_row(&CASE_TEST, "Alice in Wonderland (1951)"), None);
    }
}
