//! The policy as searches and selections ask for it.

use super::search;
use super::{TorchPolicy, keep_prob};
use crate::backbone::{Gradients, Pass, on_device};
use crate::host::{to_host, to_host_at_once};
use autodenoise::backbone::{Outlook, Picked, Policy, Rows, SearchPass, Searched, TensorFile, Tick, WeightsError};
use tch::Tensor;

/// Rows of one scoring pass.
const SCORE_ROWS: i64 = 4096;

fn outlook(logits: &Tensor) -> Outlook {
    let [each, keep_prob] = to_host_at_once([logits, &keep_prob(logits)]);
    Outlook { logits: each.as_chunks::<2>().0.to_vec(), keep_prob }
}

impl TorchPolicy {
    /// Some rows as the policy sees them.
    fn pick(&self, rows: &Rows, picked: Picked) -> Tensor {
        let (ids, labels) = on_device(rows, self.place).pick(picked);
        self.ids(&ids, &labels)
    }
}

impl Policy for TorchPolicy {
    fn explore(&mut self, rows: &Rows, picked: Picked, pass: u32, batch: u32) -> Outlook {
        let ids = self.pick(rows, picked);
        let mut pass = Pass::train(vec![self.key.dropout(pass, batch)]);
        let logits = self.model.forward(&ids, &mut pass);
        let seen = outlook(&logits);
        self.explored = Some((logits, pass));
        seen
    }

    fn reinforce(&mut self, actions: &[bool], rewards: &[f32]) {
        let (logits, pass) = self.explored.take().expect("`explore` comes before");
        let gradients = Gradients::of(&self.loss(&logits, actions, rewards), &self.model.params, pass);
        self.optimizer.step(&self.model.params, gradients, &[true]);
    }

    fn score_batch(&mut self, rows: &Rows, picked: Picked) -> Outlook {
        outlook(&self.logits(&self.pick(rows, picked)))
    }

    fn search(&mut self, pass: &SearchPass, tick: Tick) -> Option<Searched> {
        self.place.resident.then(|| search::run(self, pass, tick))
    }

    fn keep_prob(&mut self, rows: &Rows) -> Vec<f32> {
        let table = on_device(rows, self.place);
        let of_piece = |first: usize, ids: &Tensor| {
            let labels = table.labels().narrow(0, first as i64, ids.size()[0]);
            let ids = self.ids(ids, &labels).split(SCORE_ROWS, 0);
            ids.iter().map(|ids| keep_prob(&self.logits(ids))).collect::<Vec<_>>()
        };
        let parts = table.map_ids(of_piece).into_iter().flatten().collect::<Vec<_>>();
        to_host(&Tensor::cat(&parts, 0))
    }

    fn weights(&self) -> TensorFile {
        self.model.params.save()
    }

    fn load_weights(&mut self, weights: &TensorFile) -> Result<(), WeightsError> {
        self.model.params.load(weights)
    }

    fn optimizer_state(&self) -> TensorFile {
        self.optimizer.save(&self.model.params)
    }

    fn load_optimizer_state(&mut self, state: &TensorFile) -> Result<(), WeightsError> {
        self.optimizer.load(&self.model.params, state)
    }
}
