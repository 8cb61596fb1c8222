//! Choices by the rank of a row's cross-fitted loss: each row is judged by a model that has not seen it.

use super::confident::folds;
use crate::backbone::{TensorFile, WeightsError};
use crate::selection::{
    Context, CrossFit, CrossFitPlan, Place, Role, SelectError, Selected, Selector, Session, keep_count, top_k,
};
use crate::types::Phase;
use crate::types::method::{EardOptions, TrimOptions};
use serde_json::Value;

/// A cross-fitting, and what is made of its losses.
pub struct Ranked {
    rule: Rule,
    count: u32,
    /// `[N]`: the part each row is in.
    folds: Vec<u8>,
    models: CrossFit,
}

enum Rule {
    /// The share of the largest losses is dropped: trimming in one line.
    Trim { rate: f64 },
    /// Much as EARD: a row is worth the rank of its loss times the reliability of its user and of its item, and `select_ratio`
    /// of the rows, those worth most, are kept.
    Eard { user: usize, item: usize },
}

impl Ranked {
    pub fn trim(own: &TrimOptions, context: &Context) -> Self {
        Self::new(Rule::Trim { rate: own.trim_rate }, own.folds, context)
    }

    pub fn eard(own: &EardOptions, context: &Context) -> Self {
        let user = find_field(context, &own.user_column, &own.item_column);
        let item = find_field(context, &own.item_column, &context.map.fields[user].name);
        Self::new(Rule::Eard { user, item }, own.folds, context)
    }

    fn new(rule: Rule, count: u32, context: &Context) -> Self {
        let labels = context.data.train.labels;
        Self { rule, count, folds: folds(labels, count as u8, context.seed), models: CrossFit::new(labels.len()) }
    }

    fn make_choice(&self, context: &Context) -> Selected {
        let rows = &context.data.train;
        // The margin of the own label falls as the loss rises, and does not round where the loss is near 0.
        let of_own_label = |(z, label): (&f32, &u8)| if *label == 1 { *z } else { -*z };
        let margins: Vec<f32> = self.models.logits().iter().zip(rows.labels).map(of_own_label).collect();
        let keep = |scores: &[f32], ratio: f64| top_k(scores, keep_count(scores.len(), ratio));
        match self.rule {
            Rule::Trim { rate } => Selected::scored(keep(&margins, 1.0 - rate), "margin", margins),
            Rule::Eard { user, item } => {
                let ids = |field: usize| {
                    let fields = context.map.fields.len();
                    rows.ids.iter().skip(field).step_by(fields).map(|id| *id as u32).collect::<Vec<_>>()
                };
                let scores = weigh_ranks(&rank(&margins), &ids(user), &ids(item));
                Selected::scored(keep(&scores, context.options().select_ratio), "reliability", scores)
            }
        }
    }
}

/// The field of a name; without one, of the fields not named `other` the one of most values.
fn find_field(context: &Context, name: &str, other: &str) -> usize {
    let fields = &context.map.fields;
    let named = fields.iter().position(|field| field.name == name);
    named.unwrap_or_else(|| {
        let others = (0..fields.len()).rev().filter(|at| fields[*at].name != other);
        others.max_by_key(|at| fields[*at].cardinality).unwrap_or(0)
    })
}

/// `[N]`: the share of the rows that have at most the row's score; equal scores share the mean of their places.
fn rank(scores: &[f32]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_unstable_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    let mut ranks = vec![0.0; scores.len()];
    let mut first = 0;
    for tied in order.chunk_by(|a, b| scores[*a] == scores[*b]) {
        let place = first as f64 + 0.5 * (tied.len() + 1) as f64;
        tied.iter().for_each(|row| ranks[*row] = place / scores.len() as f64);
        first += tied.len();
    }
    ranks
}

/// `[N]`: each row's rank times the reliability of its two values, which is the mean rank of the value's other rows; of a value
/// without others, that of all rows.
fn weigh_ranks(ranks: &[f64], users: &[u32], items: &[u32]) -> Vec<f32> {
    let (users, items) = (reliability(ranks, users), reliability(ranks, items));
    ranks.iter().zip(users.iter().zip(&items)).map(|(rank, (user, item))| (rank * user * item) as f32).collect()
}

fn reliability(ranks: &[f64], ids: &[u32]) -> Vec<f64> {
    let mut sums = vec![(0.0, 0_u32); ids.iter().max().map_or(0, |id| *id as usize + 1)];
    for (id, rank) in ids.iter().zip(ranks) {
        let (sum, rows) = &mut sums[*id as usize];
        *sum += rank;
        *rows += 1;
    }
    let all = ranks.iter().sum::<f64>() / ranks.len().max(1) as f64;
    let of_others = |(id, rank): (&u32, &f64)| match sums[*id as usize] {
        (_, 1) => all,
        (sum, rows) => (sum - rank) / f64::from(rows - 1),
    };
    ids.iter().zip(ranks).map(of_others).collect()
}

impl Selector for Ranked {
    fn step(&mut self, context: &Context, session: &mut Session) -> Result<Option<Selected>, SelectError> {
        let name = |part| {
            let part = u32::from(part);
            (context.key(Role::CrossFit, part), Place::denoised(Phase::Select, part + 1))
        };
        let plan = CrossFitPlan::of_job(context, &self.folds, self.count);
        let over = self.models.step(&plan, name, context, session)?;
        Ok(over.then(|| self.make_choice(context)))
    }

    fn position(&self) -> (Phase, u32) {
        (Phase::Select, u32::from(self.models.done()) + 1)
    }

    fn save(&self, prefix: &str, file: &mut TensorFile) -> Result<Value, WeightsError> {
        self.models.save(prefix, file)
    }

    fn load(&mut self, context: &Context, prefix: &str, file: &TensorFile, state: Value) -> Result<(), WeightsError> {
        self.models.load(&CrossFitPlan::of_job(context, &self.folds, self.count), prefix, file, state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_go_up_to_1_and_ties_share() {
        assert_eq!(rank(&[3.0, -1.0, 2.0, 2.0]), [1.0, 0.25, 0.625, 0.625]);
    }

    #[test]
    fn a_row_is_worth_less_where_its_users_other_rows_fit_badly() {
        // Users 0 and 1 have two rows each, user 2 one; every item is of one row.
        let ranks = [0.8, 0.2, 0.8, 1.0, 0.4];
        let reliable = reliability(&ranks, &[0, 0, 1, 1, 2]);
        for (found, expected) in reliable.iter().zip([0.2, 0.8, 1.0, 0.8, 0.64]) {
            assert!((found - expected).abs() < 1e-12, "{reliable:?}");
        }
        let scores = weigh_ranks(&ranks, &[0, 0, 1, 1, 2], &[0, 1, 2, 3, 4]);
        assert!(scores[0] < scores[2], "as good a rank, beside a worse row: {scores:?}");
    }
}
