//! The warm-up: C rows of losses, each of a fresh model's pass over all rows (spec `autodenoise.md`, section 3). The policy
//! starts from them, and `loss_drop` drops by them.

use super::{Context, Place, Role, SelectError, Session, empty_row};
use crate::backbone::{Fit, FitOptions, PassOptions, Recorded, TensorFile, WeightsError};
use crate::types::{EpochRow, LmatLoss, Phase};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// The warm-up between two passes.
#[derive(Default)]
pub struct Warmup {
    /// Rows done.
    done: u32,
    fit: Option<Fit>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    done: u32,
    fit: Option<serde_json::Value>,
}

impl Warmup {
    /// Rows done.
    pub fn done(&self) -> u32 {
        self.done
    }

    pub fn is_over(&self, context: &Context) -> bool {
        self.done >= context.options().warmup_epochs
    }

    /// Trains the next pass; finished rows are handed to `keep` with their numbers from 0.
    pub fn step(
        &mut self,
        context: &Context,
        session: &mut Session,
        keep: &mut dyn FnMut(u32, Vec<f32>),
    ) -> Result<(), SelectError> {
        let (options, first) = (context.options(), self.done);
        let started = Instant::now();
        let mut fit = self.fit.take().unwrap_or_else(|| {
            // Rows of the warm-up do not depend on each other, so several are trained side by side.
            let side_by_side = context.engine.side_by_side(&context.config, context.threads);
            let last = first.saturating_add(side_by_side.try_into().unwrap_or(u32::MAX));
            let rows = first..options.warmup_epochs.min(last);
            let keys: Vec<_> = rows.map(|row| context.key(Role::Warmup, row)).collect();
            Fit::new(context.engine, &context.config, &keys, FitOptions::warmup(options))
        });
        // Search epochs compare their own losses with these, so both must be of one kind.
        let record = match options.lmat_loss {
            LmatLoss::Eval => Recorded::Eval,
            LmatLoss::Train => Recorded::Train,
        };
        let what = PassOptions { record: Some(record), ..PassOptions::default() };
        let summary = session
            .with_ticks(|tick| fit.run_pass(&context.data.train, &context.data.valid, &what, tick))
            .map_err(|source| SelectError::Fit { phase: Phase::Warmup, epoch: first + 1, source })?;
        let rows = summary.train.len() as u32;
        let seconds = started.elapsed().as_secs_f64() / f64::from(rows);
        for (number, (train, valid)) in (first..).zip(summary.train.iter().zip(&summary.valid)) {
            let place = Place::denoised(Phase::Warmup, number + 1);
            session.report_row(EpochRow {
                seconds,
                train: *train,
                valid: *valid,
                ..empty_row(context, place, fit.passes())
            });
        }
        session.spent.passes += u64::from(rows) - 1;
        if fit.is_done() {
            let losses = summary.losses.expect("losses were asked for");
            for (number, losses) in (first..).zip(losses.chunks(context.data.train.len())) {
                keep(number, losses.to_vec());
            }
            self.done += rows;
        } else {
            self.fit = Some(fit);
        }
        Ok(())
    }

    pub fn save(&self, prefix: &str, file: &mut TensorFile) -> Result<serde_json::Value, WeightsError> {
        let fit = self.fit.as_ref().map(|fit| fit.save(&format!("{prefix}fit/"), file)).transpose()?;
        Ok(serde_json::to_value(Saved { done: self.done, fit })?)
    }

    pub fn load(
        &mut self,
        context: &Context,
        prefix: &str,
        file: &TensorFile,
        state: serde_json::Value,
    ) -> Result<(), WeightsError> {
        let saved: Saved = serde_json::from_value(state)?;
        self.done = saved.done;
        let load = |state| {
            let options = FitOptions::warmup(context.options());
            Fit::load(context.engine, &context.config, options, &format!("{prefix}fit/"), file, state)
        };
        self.fit = saved.fit.map(load).transpose()?;
        Ok(())
    }
}
