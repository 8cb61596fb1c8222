//! The method `robust`, ours: it finds corruption with a structure, and does what a tuned model gains by.
//!
//! 1. **Judge** ([`judge`]). Every row is judged by a model that has not seen it.
//! 2. **Audit** (`crate::audit`, [`audited`]). Values, cells and windows of time whose labels do not follow what is expected are found.
//! 3. **Tune and try** ([`trial`]). A student's weight decay is chosen on validation rows; then each finding's remedy is tried
//!    beside those already taken. Those that earn their place are the choice; where none does, every row stays.
//!
//! Fields are taken in the order of their names ([`view`]), so the order of columns changes nothing. There is no policy: on the
//! tables of `docs/robust.md` one lost a little against the closed form it was rewarded by.

mod audited;
mod cure;
mod judge;
mod machine;
mod posterior;
mod trial;
mod view;

use crate::backbone::{TensorFile, WeightsError};
use crate::selection::{Context, SelectError, Selected, Selector, Session};
use crate::types::Phase;
use crate::types::method::RobustOptions;
use audited::Audited;
use judge::Judge;
use machine::as_damaged;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use trial::Trial;
use view::View;

pub struct Robust {
    options: RobustOptions,
    view: View,
    stage: Stage,
}

/// What the next step is of.
enum Stage {
    Judge(Box<Judge>),
    Trial(Box<Trial>),
}

/// A stage in a checkpoint, beside its tensors.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Saved {
    Judge(Value),
    Trial(Value),
}

impl Robust {
    pub fn new(own: &RobustOptions, context: &Context) -> Self {
        let stage = Stage::Judge(Box::new(Judge::new(context.data.train.len())));
        Self { options: own.clone(), view: View::new(context), stage }
    }
}

impl Selector for Robust {
    fn step(&mut self, given: &Context, session: &mut Session) -> Result<Option<Selected>, SelectError> {
        let Self { options, view, stage } = self;
        let data = view.data(given);
        let context = view.context(&data, given)?;
        match stage {
            Stage::Judge(judge) => {
                if let Some(logits) = judge.step(options, &context, session)? {
                    let audited = session.with_ticks(|tick| Audited::new(logits, given, tick));
                    *stage = Stage::Trial(Box::new(Trial::new(audited, &context)));
                }
                Ok(None)
            }
            Stage::Trial(trial) => trial.step(options, &context, session),
        }
    }

    fn position(&self) -> (Phase, u32) {
        match &self.stage {
            Stage::Judge(judge) => (Phase::Warmup, judge.part()),
            Stage::Trial(trial) => trial.position(),
        }
    }

    fn save(&self, prefix: &str, file: &mut TensorFile) -> Result<Value, WeightsError> {
        Ok(serde_json::to_value(match &self.stage {
            Stage::Judge(judge) => Saved::Judge(judge.save(prefix, file)?),
            Stage::Trial(trial) => Saved::Trial(trial.save(prefix, file)?),
        })?)
    }

    fn load(&mut self, given: &Context, prefix: &str, file: &TensorFile, state: Value) -> Result<(), WeightsError> {
        let Self { options, view, stage } = self;
        let data = view.data(given);
        let context = view.context(&data, given).map_err(as_damaged)?;
        *stage = match serde_json::from_value(state)? {
            Saved::Judge(state) => Stage::Judge(Box::new(Judge::load(options, &context, prefix, file, state)?)),
            Saved::Trial(state) => Stage::Trial(Box::new(Trial::load(options, given, &context, prefix, file, state)?)),
        };
        Ok(())
    }
}
