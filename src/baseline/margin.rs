//! The area under the margin (Pleiss et al. 2020, "Identifying mislabeled data using the area under the margin ranking").

use crate::backbone::{TensorFile, WeightsError};
use crate::selection::{Context, SelectError, Selected, Selector, Session, Warmup, keep_count, top_k};
use crate::types::Phase;
use serde_json::Value;

/// Keeps `select_ratio` of the rows, those of the highest mean margin over the warm-up. The margin is the logit of the own
/// label less that of the other.
#[derive(Default)]
pub struct Aum {
    warmup: Warmup,
    /// `[N]`: the sum over the rows of the warm-up so far; empty before the first.
    margins: Vec<f32>,
}

/// ln(p / (1 - p)) of a loss -ln p.
fn margin(loss: f32) -> f32 {
    // Below it a loss is 0 to the last bit, and its margin would not be finite.
    -loss.max(f32::MIN_POSITIVE).exp_m1().ln()
}

fn add(margins: &mut Vec<f32>, losses: &[f32]) {
    margins.resize(losses.len(), 0.0);
    margins.iter_mut().zip(losses).for_each(|(sum, loss)| *sum += margin(*loss));
}

impl Selector for Aum {
    fn step(&mut self, context: &Context, session: &mut Session) -> Result<Option<Selected>, SelectError> {
        let margins = &mut self.margins;
        self.warmup.step(context, session, &mut |_, losses| add(margins, &losses))?;
        if !self.warmup.is_over(context) {
            return Ok(None);
        }
        let rows = self.warmup.done() as f32;
        let scores: Vec<f32> = self.margins.iter().map(|sum| sum / rows).collect();
        let kept = top_k(&scores, keep_count(scores.len(), context.options().select_ratio));
        Ok(Some(Selected::scored(kept, "area_under_margin", scores)))
    }

    fn position(&self) -> (Phase, u32) {
        (Phase::Warmup, self.warmup.done() + 1)
    }

    fn save(&self, prefix: &str, file: &mut TensorFile) -> Result<Value, WeightsError> {
        file.put_values(format!("{prefix}margins"), &[self.margins.len()], &self.margins);
        self.warmup.save(prefix, file)
    }

    fn load(&mut self, context: &Context, prefix: &str, file: &TensorFile, state: Value) -> Result<(), WeightsError> {
        self.warmup.load(context, prefix, file, state)?;
        let rows = if self.warmup.done() == 0 { 0 } else { context.data.train.len() };
        self.margins = file.values(&format!("{prefix}margins"), &[rows])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn margins_are_logits_of_the_own_label() {
        for z in [-20.0_f32, -1.0, 0.0, 0.5, 10.0] {
            let loss = (-f64::from(z)).exp().ln_1p() as f32;
            assert!((margin(loss) - z).abs() < 1e-3 * (1.0 + z.abs()), "{z}: {}", margin(loss));
        }
        assert!(margin(0.0).is_finite() && margin(0.0) > 50.0);
    }
}
