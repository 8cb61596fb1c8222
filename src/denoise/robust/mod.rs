//! The method `robust`: AutoDenoise with a loss history that is worth learning from.
//!
//! 1. **Values** ([`examine`]). Values of fields (users, items) whose labels do not follow what models that have not seen
//!    them say are found, and their rows left out ([`values`]).
//! 2. **Warm-up** ([`teach`]). The loss history is cross-fitted: every row is judged by models that have not seen it, twice
//!    over, in rounds; from the second on rows weigh what the round before believes of their labels ([`posterior`]).
//! 3. **Directions** ([`embed`]). A factorisation machine tells how rows resemble each other.
//! 4. **Search** ([`search`]). The policy learns the keep probability of every row by REINFORCE from that history
//!    ([`policy`]).
//! 5. **Validate** ([`validate`]). Subsets that tell a model what the policy believes, more or less sharply ([`balance`]), and
//!    all rows, are each trained on; the best on the validation rows of reliable values is the choice.
//!
//! `docs/robust.md` has what each part is worth, and what was tried and failed.

mod balance;
mod embed;
mod examine;
mod learned;
mod machine;
mod policy;
mod posterior;
mod reliable;
mod search;
mod streams;
mod taught;
mod teach;
mod validate;
mod values;

use crate::backbone::{TensorFile, WeightsError};
use crate::selection::{Context, SelectError, Selected, Selector, Session};
use crate::types::Phase;
use crate::types::method::RobustOptions;
use embed::Embed;
use examine::Examine;
use reliable::ReliableRows;
use search::Search;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use teach::Teach;
use validate::Validate;

pub struct Robust {
    options: RobustOptions,
    reliable: ReliableRows,
    stage: Stage,
}

/// What the next step is of.
enum Stage {
    Examine(Examine),
    Teach(Teach),
    Embed(Embed),
    Search(Search),
    Validate(Box<Validate>),
}

/// A stage in a checkpoint, beside its tensors.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Saved {
    Examine(Value),
    Teach(Value),
    Embed(Value),
    Search(Value),
    Validate(Value),
}

impl Robust {
    pub fn new(own: &RobustOptions, context: &Context) -> Self {
        let rows = context.data.train.len();
        Self {
            options: own.clone(),
            reliable: ReliableRows::all(rows, context.data.valid.len()),
            stage: Examine::new(context).map_or_else(|| Stage::Teach(Teach::new(rows)), Stage::Examine),
        }
    }
}

impl Selector for Robust {
    fn step(&mut self, context: &Context, session: &mut Session) -> Result<Option<Selected>, SelectError> {
        let Self { options, reliable, stage } = self;
        let next = match stage {
            Stage::Examine(stage) => {
                let is_over = stage.step(reliable, context, session)?;
                is_over.then(|| Stage::Teach(Teach::new(context.data.train.len())))
            }
            Stage::Teach(stage) => {
                let taught = stage.step(options, reliable, context, session)?;
                taught.map(|taught| Stage::Embed(Embed::new(taught)))
            }
            Stage::Embed(stage) => {
                let table = stage.step(reliable, context, session)?;
                table.map(|table| Stage::Search(Search { taught: std::mem::take(&mut stage.taught), table }))
            }
            Stage::Search(stage) => {
                let learned = stage.step(reliable, context, session);
                Some(Stage::Validate(Box::new(Validate::new(learned, reliable, context))))
            }
            Stage::Validate(stage) => return stage.step(reliable, context, session),
        };
        if let Some(next) = next {
            self.stage = next;
        }
        Ok(None)
    }

    fn position(&self) -> (Phase, u32) {
        match &self.stage {
            Stage::Examine(_) | Stage::Embed(_) => (Phase::Select, 1),
            Stage::Teach(stage) => (Phase::Warmup, stage.round()),
            Stage::Search(_) => (Phase::Search, 1),
            Stage::Validate(stage) => (Phase::Validate, stage.model_number() + 1),
        }
    }

    fn save(&self, prefix: &str, file: &mut TensorFile) -> Result<Value, WeightsError> {
        self.reliable.save(prefix, file);
        Ok(serde_json::to_value(match &self.stage {
            Stage::Examine(stage) => Saved::Examine(stage.save(prefix, file)?),
            Stage::Teach(stage) => Saved::Teach(stage.save(prefix, file)?),
            Stage::Embed(stage) => Saved::Embed(stage.save(prefix, file)?),
            Stage::Search(stage) => Saved::Search(stage.save(prefix, file)?),
            Stage::Validate(stage) => Saved::Validate(stage.save(prefix, file)?),
        })?)
    }

    fn load(&mut self, context: &Context, prefix: &str, file: &TensorFile, state: Value) -> Result<(), WeightsError> {
        let Self { options, reliable, .. } = self;
        reliable.load(prefix, file)?;
        self.stage = match serde_json::from_value(state)? {
            Saved::Examine(state) => Stage::Examine(Examine::load(context, prefix, file, state)?),
            Saved::Teach(state) => Stage::Teach(Teach::load(options, context, prefix, file, state)?),
            Saved::Embed(state) => Stage::Embed(Embed::load(context, prefix, file, state)?),
            Saved::Search(state) => Stage::Search(Search::load(context, prefix, file, state)?),
            Saved::Validate(state) => {
                Stage::Validate(Box::new(Validate::load(reliable, context, prefix, file, state)?))
            }
        };
        Ok(())
    }
}
