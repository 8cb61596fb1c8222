//! The first stage: values of fields (users, items) whose labels do not follow what models that have not seen them say are
//! found, and their rows left out.

use super::machine::{Machine, as_damaged};
use super::reliable::ReliableRows;
use super::streams;
use super::values::find_unreliable;
use crate::backbone::{FitOptions, TensorFile, WeightsError};
use crate::selection::{Context, CrossFit, CrossFitPlan, Place, Role, SelectError, Session};
use crate::types::method::RobustOptions;
use crate::types::{Field, FieldKind, Phase};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Fields whose values are examined have at least so many values, of so many rows each. Of several fields, those with the
/// most values are examined.
const FEWEST_VALUES: u32 = 200;
const FEWEST_ROWS: u64 = 20;
/// Shares of the rows that may be left out. Below the first the values may well be honest and flagged by mistake; above the
/// second nobody can tell who is honest.
const FLAGGED: std::ops::RangeInclusive<f64> = 0.02..=0.5;

pub(super) struct Examine {
    /// Columns whose values are examined, never none.
    columns: Vec<usize>,
    /// Of them, the one under way.
    current: usize,
    cross: CrossFit,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    current: usize,
    cross: Value,
}

impl Examine {
    /// Absent where no field has values to examine.
    pub fn new(context: &Context) -> Option<Self> {
        let columns = find_columns(context);
        (!columns.is_empty()).then(|| Self { columns, current: 0, cross: CrossFit::new(context.data.train.len()) })
    }

    /// Trains a pass of a model that judges values it has not seen; after the last of a field, its unreliable values are
    /// left out. Whether all fields are examined.
    pub fn step(
        &mut self,
        reliable: &mut ReliableRows,
        context: &Context,
        session: &mut Session,
    ) -> Result<bool, SelectError> {
        let column = self.columns[self.current];
        let number = self.current as u32 * u32::from(RobustOptions::VALUE_PARTS) + u32::from(self.cross.done());
        let parts = divide_values(column, context);
        let machine = Machine::fm(context)?;
        let plan = plan_cross_fit(&machine, &parts, context);
        let key = context.key(Role::Values, number);
        if !self.cross.step(&plan, key, Place::denoised(Phase::Select, number + 1), context, session)? {
            return Ok(false);
        }
        leave_out_unreliable(column, self.cross.logits(), reliable, context, session);
        self.cross = CrossFit::new(parts.len());
        self.current += 1;
        Ok(self.current == self.columns.len())
    }

    pub fn save(&self, prefix: &str, file: &mut TensorFile) -> Result<Value, WeightsError> {
        let cross = self.cross.save(&format!("{prefix}cross/"), file)?;
        Ok(serde_json::to_value(Saved { current: self.current, cross })?)
    }

    pub fn load(context: &Context, prefix: &str, file: &TensorFile, state: Value) -> Result<Self, WeightsError> {
        let saved: Saved = serde_json::from_value(state)?;
        let machine = Machine::fm(context).map_err(as_damaged)?;
        let mut cross = CrossFit::new(context.data.train.len());
        cross.load(&plan_cross_fit(&machine, &[], context), &format!("{prefix}cross/"), file, saved.cross)?;
        Ok(Self { columns: find_columns(context), current: saved.current, cross })
    }
}

/// How models that judge values are trained.
fn plan_cross_fit<'m>(machine: &'m Machine, parts: &'m [u8], context: &Context<'m>) -> CrossFitPlan<'m> {
    CrossFitPlan {
        engine: context.engine,
        config: &machine.config,
        options: FitOptions { max_passes: RobustOptions::VALUE_PASSES, patience: 1, ..machine.options },
        parts,
        count: RobustOptions::VALUE_PARTS,
        trained: None,
        weights: None,
    }
}

/// Columns of fields with many values of many rows, the most values first.
fn find_columns(context: &Context) -> Vec<usize> {
    let rows = context.data.train.len() as u64;
    let fields = &context.map.fields;
    let has_enough = |column: &usize| {
        let field = &fields[*column];
        let values = u64::from(field.cardinality);
        field.kind == FieldKind::Category && field.cardinality >= FEWEST_VALUES && rows >= FEWEST_ROWS * values
    };
    let mut columns: Vec<usize> = (0..fields.len()).filter(has_enough).collect();
    columns.sort_by_key(|column| std::cmp::Reverse(fields[*column].cardinality));
    columns.truncate(RobustOptions::MOST_FIELDS);
    columns
}

/// `[N]`: the part that each row is in for judging a field's values. All rows of a value are in one part.
fn divide_values(column: usize, context: &Context) -> Vec<u8> {
    let Field { cardinality, offset, .. } = context.map.fields[column];
    let mut draws = vec![0.0; cardinality as usize];
    streams::value_parts(context.seed, column as u32).fill_uniform(&mut draws);
    let part = |id: i32| (draws[(id as u32 - offset) as usize] * f32::from(RobustOptions::VALUE_PARTS)) as u8;
    context.data.train.ids.iter().skip(column).step_by(context.data.train.fields).map(|id| part(*id)).collect()
}

/// Marks the rows of a field's unreliable values, by logits `[N]` of models that have not seen the values.
fn leave_out_unreliable(
    column: usize,
    logits: &[f32],
    reliable: &mut ReliableRows,
    context: &Context,
    session: &mut Session,
) {
    let field = &context.map.fields[column];
    let fields = context.data.train.fields;
    let ids = |ids: &'_ [i32]| ids.iter().skip(column).step_by(fields).map(|id| *id as u32).collect::<Vec<u32>>();
    let (train, valid) = (ids(context.data.train.ids), ids(context.data.valid.ids));
    let rows = train.iter().zip(logits).zip(context.data.train.labels).map(|((id, z), label)| (*id, *z, *label));
    let unreliable = find_unreliable(field.offset..field.offset + field.cardinality, rows);
    let is_out = |id: &u32| unreliable[(id - field.offset) as usize] > 0.5;
    let share = train.iter().filter(|id| is_out(id)).count() as f64 / train.len() as f64;
    if !FLAGGED.contains(&share) {
        return;
    }
    reliable.train.iter_mut().zip(&train).for_each(|(reliable, id)| *reliable &= !is_out(id));
    reliable.valid.iter_mut().zip(&valid).for_each(|(reliable, id)| *reliable &= !is_out(id));
    let count = unreliable.iter().filter(|p| **p > 0.5).count();
    session.warn_once(context, &format!("unreliable_{}", field.name), || {
        format!(
            "the labels of {count} values of {} ({:.1} % of the training rows) do not follow what is known of their rows \
             otherwise: they are at random, or turned round; the method leaves those rows out",
            field.name,
            100.0 * share
        )
    });
}
