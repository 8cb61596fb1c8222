//! How predictions are measured: those a pass makes on its way, and those of a trained model. Here it is done from logits in the
//! machine's memory; an engine whose logits lie on a device may do the same there.

use super::{FitError, Rows, Seen, TrainPass};
use crate::metrics::of_logits;
use crate::types::{AucOn, Metrics};

/// What predictions are ranked by, and where log-loss is clipped.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measure {
    pub auc_on: AucOn,
    pub logloss_eps: f64,
}

/// What a measured pass came to.
pub struct Measured {
    /// A replica: metrics of the predictions made on the way; none for one that is not active.
    pub train: Vec<Option<Metrics>>,
    /// `[R, n]`, where asked for.
    pub losses: Option<Vec<f32>>,
}

impl Measure {
    /// Of what a pass saw. Fails where a loss or a prediction is not finite.
    pub fn of_pass(self, pass: &TrainPass, seen: Seen) -> Result<Measured, FitError> {
        let Seen { logits, losses } = seen;
        let train = self.of_predictions_on_the_way(pass, &logits)?;
        if let Some(losses) = &losses {
            first_not_finite(losses, pass.len(), pass.batch_size)?;
        }
        Ok(Measured { train, losses })
    }

    fn of_predictions_on_the_way(self, pass: &TrainPass, logits: &[f32]) -> Result<Vec<Option<Metrics>>, FitError> {
        let (n, labels) = (pass.len(), pass.rows.labels_in(pass.order));
        let mut all = Vec::with_capacity(pass.active.len());
        for (r, logits) in logits.chunks(n.max(1)).enumerate() {
            if !pass.active[r] {
                all.push(None);
                continue;
            }
            first_not_finite(logits, n, pass.batch_size)?;
            let metrics = match pass.weights {
                None => of_logits(&labels, logits, self.auc_on, self.logloss_eps),
                Some(weights) => {
                    let weights = &weights[r * pass.rows.len()..][..pass.rows.len()];
                    let kept = |i: &usize| weights[pass.order.map_or(*i, |order| order[*i] as usize)] > 0.0;
                    let labels: Vec<u8> = (0..n).filter(kept).map(|i| labels[i]).collect();
                    let logits: Vec<f32> = (0..n).filter(kept).map(|i| logits[i]).collect();
                    of_logits(&labels, &logits, self.auc_on, self.logloss_eps)
                }
            };
            all.push(Some(metrics?));
        }
        Ok(all)
    }

    /// Of each replica's predictions `[R, n]` of the rows.
    pub fn of_predictions(self, rows: &Rows, logits: &[f32]) -> Result<Vec<Metrics>, FitError> {
        if logits.iter().any(|z| !z.is_finite()) {
            return Err(FitError::NotFinitePrediction);
        }
        let each = logits.chunks(rows.len().max(1));
        let metrics = each.map(|logits| of_logits(rows.labels, logits, self.auc_on, self.logloss_eps));
        Ok(metrics.collect::<Result<_, _>>()?)
    }
}

/// Names the batch of the first value that is not finite. `values` are `rows` a replica.
pub fn first_not_finite(values: &[f32], rows: usize, batch_size: usize) -> Result<(), FitError> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(at) => Err(FitError::NotFinite { batch: at % rows / batch_size + 1 }),
    }
}
