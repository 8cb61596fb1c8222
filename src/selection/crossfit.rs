//! Cross-fitting: what a model that has not seen a row says of it. The rows are divided into parts; each part is judged by
//! a model trained on the others.

use super::{Context, PassMetrics, Place, SelectError, Session};
use crate::backbone::{
    BackboneConfig, Engine, Fit, FitError, FitOptions, ModelKey, PassOptions, Runner, TensorFile, Track, WeightsError,
    run_passes,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Instant;

/// A cross-fitting between two passes.
pub struct CrossFit {
    /// Parts whose model has been begun.
    begun: u8,
    /// `[N]`: by the model that has not seen the row; 0 for parts not judged yet.
    logits: Vec<f32>,
    /// The trainings under way, by the part that each will judge, ascending: one, or as many as the engine trains at once.
    fits: Vec<(u8, Fit)>,
}

/// How its models are trained.
pub struct CrossFitPlan<'m> {
    pub engine: &'m dyn Engine,
    pub config: &'m BackboneConfig,
    pub options: FitOptions,
    /// `[N]`: the part each row is in, below `count`.
    pub parts: &'m [u8],
    pub count: u8,
}

impl<'m> CrossFitPlan<'m> {
    /// As the models of the job are, over `count` parts.
    pub fn of_job(context: &'m Context, parts: &'m [u8], count: u32) -> Self {
        let options = FitOptions::retrain(context.options());
        Self { engine: context.engine, config: &context.config, options, parts, count: count as u8 }
    }
}

#[derive(Serialize, Deserialize)]
struct Saved {
    begun: u8,
    fits: Vec<(u8, Value)>,
}

impl CrossFit {
    pub fn new(rows: usize) -> Self {
        Self { begun: 0, logits: vec![0.0; rows], fits: Vec::new() }
    }

    /// Parts judged before the first one that is not.
    pub fn done(&self) -> u8 {
        self.fits.first().map_or(self.begun, |(part, _)| *part)
    }

    /// Trains the next pass of the models under way. `name` has the streams of the model that judges a part (from 0), and what
    /// its passes belong to. After a model's last pass its part is judged. Whether all parts are.
    pub fn step(
        &mut self,
        plan: &CrossFitPlan,
        name: impl Fn(u8) -> (ModelKey, Place),
        context: &Context,
        session: &mut Session,
    ) -> Result<bool, SelectError> {
        let rows = &context.data.train;
        let most = plan.engine.most_at_once(plan.config, rows.len(), context.threads);
        while self.fits.len() < most && self.begun < plan.count {
            self.fits.push((self.begun, Fit::new(plan.engine, plan.config, &[name(self.begun).0], plan.options)));
            self.begun += 1;
        }
        self.train_pass(plan, &name, context, session)?;
        let (ended, under_way): (Vec<_>, _) =
            std::mem::take(&mut self.fits).into_iter().partition(|(_, fit)| fit.is_done());
        self.fits = under_way;
        for (part, mut fit) in ended {
            fit.finish();
            self.judge(plan, part, &fit.model.predict(rows)).map_err(|source| {
                let Place { phase, epoch, .. } = name(part).1;
                SelectError::Fit { phase, epoch, source }
            })?;
        }
        Ok(self.begun == plan.count && self.fits.is_empty())
    }

    /// A pass of every model under way, and their rows of metrics.
    fn train_pass(
        &mut self,
        plan: &CrossFitPlan,
        name: &impl Fn(u8) -> (ModelKey, Place),
        context: &Context,
        session: &mut Session,
    ) -> Result<(), SelectError> {
        let (started, rows) = (Instant::now(), &context.data.train);
        let others = |part: u8| (0..rows.len() as u32).filter(move |row| plan.parts[*row as usize] != part);
        let subsets: Vec<Vec<u32>> = self.fits.iter().map(|(part, _)| others(*part).collect()).collect();
        let what: Vec<_> =
            subsets.iter().map(|subset| PassOptions { subset: Some(subset), ..PassOptions::default() }).collect();
        let fits = self.fits.iter_mut().map(|(_, fit)| fit);
        let runners: Vec<_> = fits.zip(&what).map(|(fit, what)| Runner { fit, what: *what, judged: None }).collect();
        session.spent.passes += runners.len() as u64 - 1;
        let track = Track::new(plan.engine, plan.config, context.data, context.threads);
        let ended = session.with_ticks(|tick| run_passes(&track, runners, tick));
        let seconds = started.elapsed().as_secs_f64() / ended.len() as f64;
        for (((part, fit), what), ended) in self.fits.iter().zip(&what).zip(ended) {
            let place = name(*part).1;
            let failed = |source| SelectError::Fit { phase: place.phase, epoch: place.epoch, source };
            let summary = ended.map_err(failed)?;
            let metrics = PassMetrics::new(&summary, seconds);
            session.report_pass(context, place, fit.passes(), what.share_of(rows.len()), &metrics);
        }
        Ok(())
    }

    /// Takes in what the model that has not seen a part says of all rows.
    fn judge(&mut self, plan: &CrossFitPlan, part: u8, logits: &[f32]) -> Result<(), FitError> {
        if logits.iter().any(|z| !z.is_finite()) {
            return Err(FitError::NotFinitePrediction);
        }
        for ((own, of), z) in self.logits.iter_mut().zip(plan.parts).zip(logits) {
            if *of == part {
                *own = *z;
            }
        }
        Ok(())
    }

    /// `[N]`, once all parts are judged.
    pub fn logits(&self) -> &[f32] {
        &self.logits
    }

    pub fn save(&self, prefix: &str, file: &mut TensorFile) -> Result<Value, WeightsError> {
        file.put_values(format!("{prefix}logits"), &[self.logits.len()], &self.logits);
        let save = |(part, fit): &(u8, Fit)| Ok((*part, fit.save(&format!("{prefix}fit/{part}/"), file)?));
        let fits = self.fits.iter().map(save).collect::<Result<_, WeightsError>>()?;
        Ok(serde_json::to_value(Saved { begun: self.begun, fits })?)
    }

    /// Takes up what `save` left, to go on with models of the same plan.
    pub fn load(
        &mut self,
        plan: &CrossFitPlan,
        prefix: &str,
        file: &TensorFile,
        state: Value,
    ) -> Result<(), WeightsError> {
        let saved: Saved = serde_json::from_value(state)?;
        self.begun = saved.begun;
        self.logits = file.values(&format!("{prefix}logits"), &[self.logits.len()])?;
        let load = |(part, state)| {
            let prefix = format!("{prefix}fit/{part}/");
            Ok((part, Fit::load(plan.engine, plan.config, plan.options, &prefix, file, state)?))
        };
        self.fits = saved.fits.into_iter().map(load).collect::<Result<_, WeightsError>>()?;
        Ok(())
    }
}
