//! One training step and one prediction: forward, loss, backward, update.

use super::feed::{Batch, Table};
use super::{Adam, Backbone, Gradients, Pass};
use autodenoise::backbone::BatchLoss;
use tch::{Kind, Reduction, Tensor};

/// Rows of one forward pass in evaluation mode: enough that overhead vanishes, few enough that activations stay in cache.
const EVAL_ROWS: i64 = 4096;

/// Per-row loss of logits `[.., B]` against labels `[B]` or `[.., B]` in f32: max(z, 0) - z y + ln(1 + e^-|z|).
pub fn bce(logits: &Tensor, labels: &Tensor) -> Tensor {
    let labels = if logits.dim() > 1 { labels.expand_as(logits) } else { labels.shallow_clone() };
    logits.binary_cross_entropy_with_logits::<Tensor>(&labels, None, None, Reduction::None)
}

/// What a training step saw, before its update.
pub struct Step {
    /// `[.., B]`, without a graph.
    pub logits: Tensor,
    /// `[.., B]`, without a graph.
    pub losses: Tensor,
}

/// Forward in train mode, backward of the mean loss, update. `weights` `[.., B]` weigh the rows' losses; a row of weight 0
/// counts in nothing. `active` names the replicas that are updated.
pub fn train_step(
    model: &Backbone,
    optimizer: &mut Adam,
    ids: &Tensor,
    labels: &Tensor,
    weights: Option<&Tensor>,
    pass: Pass,
    active: &[bool],
) -> Step {
    let weights = weights.map(Tensor::shallow_clone);
    let batch = Batch { ids: ids.shallow_clone(), labels: labels.shallow_clone(), targets: None, weights };
    train_batch(model, optimizer, &batch, BatchLoss::Mean, pass, active)
}

/// `train_step` of any loss.
pub(super) fn train_batch(
    model: &Backbone,
    optimizer: &mut Adam,
    batch: &Batch,
    loss: BatchLoss,
    mut pass: Pass,
    active: &[bool],
) -> Step {
    let weights = batch.weights.as_ref();
    if let Some(weights) = weights {
        pass.counted = Some(weights.gt(0.0).to_kind(Kind::Float).unsqueeze(-1));
    }
    if active.iter().any(|active| !active) {
        pass.active = Some(active.to_vec());
    }
    let logits = model.forward(&batch.ids, &mut pass);
    let losses = bce(&logits, batch.targets());
    let gradients = Gradients::of(&batch_loss(loss, &losses, &batch.labels, weights), &model.params, pass);
    optimizer.step(&model.params, gradients, active);
    Step { logits: logits.detach(), losses: losses.detach() }
}

/// The loss `[..]` of a batch from its rows' losses `[.., B]`; labels `[B]` or `[.., B]`, weights `[.., B]`. `BatchLoss::shares` says
/// the same over slices.
pub fn batch_loss(loss: BatchLoss, losses: &Tensor, labels: &Tensor, weights: Option<&Tensor>) -> Tensor {
    if let (BatchLoss::Mean, None) = (loss, weights) {
        return losses.mean_dim(-1, false, None);
    }
    let fixed = losses.detach();
    let weights = weights.map_or_else(|| fixed.ones_like(), Tensor::shallow_clone);
    let (shares, counted) = match loss {
        BatchLoss::Mean => (weights.shallow_clone(), weights),
        BatchLoss::Truncated { drop_rate, protect_negatives } => {
            let kept = &weights * truncation(drop_rate, protect_negatives, &fixed, labels, &weights);
            (kept.shallow_clone(), kept)
        }
        BatchLoss::Reweighted { beta } => (&weights * (fixed * -beta).exp(), weights),
    };
    let total = counted.sum_dim_intlist(-1, false, None).clamp_min(f64::from(f32::MIN_POSITIVE));
    (losses * shares).sum_dim_intlist(-1, false, None) / total
}

/// 1 for the rows that T-CE keeps, else 0, `[.., B]`. Without a wait for the device: ranks are compared with counts.
fn truncation(drop_rate: f64, protect_negatives: bool, losses: &Tensor, labels: &Tensor, weights: &Tensor) -> Tensor {
    let rows = |which: &Tensor| which.sum_dim_intlist(-1, true, Kind::Double);
    let counted = weights.gt(0.0);
    let all = rows(&counted);
    let mut stay = (&all * (1.0 - drop_rate)).trunc();
    let mut keys = losses * labels;
    if protect_negatives {
        stay = stay.maximum(&(all - rows(&(&counted * labels))));
        keys += labels - 1.0;
    }
    // Rows that do not count come last.
    let (_, order) = keys.where_scalarother(&counted, f64::INFINITY).sort_stable(true, -1, false);
    let rank = Tensor::arange(*losses.size().last().expect("losses of rows"), (Kind::Double, losses.device()));
    let kept = rank.lt_tensor(&stay).to_kind(Kind::Float);
    losses.zeros_like().scatter(-1, &order, &kept)
}

/// Logits `[.., n]` of all rows of a table in evaluation mode.
pub fn predict_rows(model: &Backbone, table: Table) -> Tensor {
    Tensor::cat(&table.map_ids(|_, ids| predict(model, ids)), -1)
}

/// Logits `[.., n]` of ids `[n, F]` in evaluation mode.
pub fn predict(model: &Backbone, ids: &Tensor) -> Tensor {
    tch::no_grad(|| {
        let slices: Vec<_> = ids.split(EVAL_ROWS, 0).iter().map(|ids| model.forward(ids, &mut Pass::eval())).collect();
        if slices.len() == 1 { slices.into_iter().next().expect("one slice") } else { Tensor::cat(&slices, -1) }
    })
}
