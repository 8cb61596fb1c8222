//! What a step tells the world, and the one way it trains: a pass, and its row of metrics.

use super::progress::{Meter, Spent};
use super::{Context, Reading, SealedTest, SelectError};
use crate::backbone::{Fit, Model, PassOptions, PassSummary, Rows};
use crate::types::{Arm, EpochRow, Metrics, Phase, Progress, TrainerEvent, Warning};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// One step's dealings with the outside.
pub struct Session<'s, 'a> {
    pub emit: &'s mut (dyn FnMut(TrainerEvent) + Send),
    pub spent: &'s mut Spent,
    pub warnings: &'s mut Vec<Warning>,
    pub test: &'s mut SealedTest<'a>,
    /// How far the job was before the step.
    pub progress: Progress,
}

/// What a pass belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub arm: Arm,
    pub phase: Phase,
    /// Counted from 1.
    pub epoch: u32,
}

impl Place {
    /// A pass that serves the choice of rows.
    pub fn denoised(phase: Phase, epoch: u32) -> Self {
        Self { arm: Arm::Denoised, phase, epoch }
    }
}

/// What a pass of a training of one replica came to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PassMetrics {
    /// Of the predictions made on the way.
    pub train: Option<Metrics>,
    pub valid: Option<Metrics>,
    pub seconds: f64,
}

impl PassMetrics {
    pub fn new(summary: &PassSummary, seconds: f64) -> Self {
        Self { train: summary.train[0], valid: summary.valid[0], seconds }
    }

    /// The AUC on the validation rows; 0 where there is none.
    pub fn auc(&self) -> f64 {
        self.valid.and_then(|valid| valid.auc).unwrap_or(0.0)
    }
}

impl Session<'_, '_> {
    /// Calls `work` with a tick that reports progress now and then.
    pub fn with_ticks<T>(&mut self, work: impl FnOnce(&mut (dyn FnMut() + Send)) -> T) -> T {
        let mut meter = Meter::new(self.spent, self.progress);
        let emit = &mut self.emit;
        work(&mut || {
            if let Some(progress) = meter.due() {
                emit(TrainerEvent::Progress(progress));
            }
        })
    }

    /// A pass of a training of one replica over the rows, judged by the validation rows, and its row of metrics.
    pub fn train_pass(
        &mut self,
        context: &Context,
        place: Place,
        fit: &mut Fit,
        [rows, valid]: [&Rows; 2],
        what: &PassOptions,
    ) -> Result<PassSummary, SelectError> {
        let (started, Place { phase, epoch, .. }) = (Instant::now(), place);
        let summary = self
            .with_ticks(|tick| fit.run_pass(rows, valid, what, tick))
            .map_err(|source| SelectError::Fit { phase, epoch, source })?;
        let share = what.share_of(rows.len());
        self.report_pass(
            context,
            place,
            fit.passes(),
            share,
            &PassMetrics::new(&summary, started.elapsed().as_secs_f64()),
        );
        Ok(summary)
    }

    /// The row of metrics of a training's pass (from 1) over a share of the rows.
    pub fn report_pass(&mut self, context: &Context, place: Place, pass: u32, share: f64, metrics: &PassMetrics) {
        let PassMetrics { train, valid, seconds } = *metrics;
        self.report_row(EpochRow { seconds, train, valid, kept: Some(share), ..empty_row(context, place, pass) });
    }

    pub fn report_row(&mut self, row: EpochRow) {
        (self.emit)(TrainerEvent::Epoch(row));
    }

    /// How a (single) model does on the test rows; counted.
    pub fn read_test(
        &mut self,
        context: &Context,
        place: Place,
        model: &mut dyn Model,
    ) -> Result<Reading, SelectError> {
        let Place { phase, epoch, .. } = place;
        self.test.read(model, context.options()).map_err(|source| SelectError::Fit { phase, epoch, source })
    }

    /// Warns of a thing once for each method of the job.
    pub fn warn_once(&mut self, context: &Context, code: &str, message: impl FnOnce() -> String) {
        let contender = context.contender;
        if self.warnings.iter().all(|warning| warning.code != code || warning.contender != contender) {
            let name = if contender == 0 { String::new() } else { format!("{}: ", context.method.label) };
            let warning = Warning { code: code.to_owned(), contender, message: name + &message() };
            self.warnings.push(warning.clone());
            (self.emit)(TrainerEvent::Warning(warning));
        }
    }
}

/// A pass's row without its results.
pub fn empty_row(context: &Context, place: Place, pass: u32) -> EpochRow {
    EpochRow {
        contender: context.contender,
        arm: place.arm,
        seed: context.seed,
        phase: place.phase,
        epoch: place.epoch,
        pass,
        seconds: 0.0,
        train: None,
        valid: None,
        kept: None,
        reward_mean: None,
        reward_std: None,
        skipped_updates: None,
    }
}
