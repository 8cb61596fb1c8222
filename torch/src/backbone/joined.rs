//! Single models that go through a pass together: for the pass they are the replicas of one model, and each has its own rows, in its
//! own order, with its own weights. A batch is one batch of each: where one has fewer rows left, rows of weight 0 stand in. So
//! each takes the steps that it takes alone.

use super::feed::on_device;
use super::joint_feed::JointFeed;
use super::model::stacked;
use super::steps::{Now, Steps};
use super::{Adam, Backbone, BatchMasks, Masks, Params, Pass, TorchModel, predict_rows};
use crate::host::{fetch, to_host_at_once, upload};
use crate::metrics::{SUMS, metrics_of, sums};
use crate::place::Place;
use autodenoise::backbone::{FitError, Joined, Measure, Member, Rows, RowsApart, Seen, Tick, TrainPass};
use std::any::Any;
use tch::Tensor;

/// Trains the members' models for a pass each and judges them; one read-back tells what all came to.
pub fn train_together(members: &mut [Member], valid: &Rows, tick: Tick) -> Vec<Joined> {
    let mut models: Vec<&mut TorchModel> = Vec::with_capacity(members.len());
    let mut rest: Vec<Told> = Vec::with_capacity(members.len());
    for Member { model, pass, judged, measure } in members {
        let model: &mut dyn Any = &mut **model;
        models.push(model.downcast_mut().expect("a model of this engine"));
        rest.push((&*pass, *judged, *measure));
    }
    let place = models[0].place;
    let passes: Vec<&TrainPass> = rest.iter().map(|(pass, ..)| *pass).collect();
    let mut replicas = Replicas::join(&mut models, place);
    let mut feed = JointFeed::new(&passes, place);
    let seen = replicas.run_pass(&mut feed, tick);
    let table = on_device(valid, place);
    let predicted = predict_rows(&replicas.backbone, table);
    replicas.part(&mut models);
    if feed.streams() || table.streams() {
        return measure_here(&rest, valid, [&seen, &predicted]);
    }
    let mut all = Vec::with_capacity(2 * rest.len());
    for (r, (pass, judged, measure)) in rest.iter().enumerate() {
        let (labels, counted) = feed.judged(r);
        all.push(sums(&seen.get(r as i64).narrow(0, 0, pass.len() as i64), &labels, counted.as_ref(), *measure));
        let predicted = predicted.get(r as i64);
        all.push(match judged {
            None => sums(&predicted, table.labels(), None, *measure),
            Some(places) => {
                let places: Vec<i32> = places.iter().map(|place| *place as i32).collect();
                let index = upload(&places, place.device);
                let [predicted, labels] = [&predicted, table.labels()].map(|all| all.index_select(0, &index));
                sums(&predicted, &labels, None, *measure)
            }
        });
    }
    let all = fetch(&all.iter().collect::<Vec<_>>()).f64s(all.len() * SUMS);
    rest.iter().zip(all.chunks(2 * SUMS)).map(|(told, sums)| read(*told, sums, valid)).collect()
}

/// What is known of a member beside its model.
type Told<'p> = (&'p TrainPass<'p>, Option<&'p [u32]>, Measure);

/// What a member's pass came to, from the sums of its predictions.
fn read((pass, judged, _): Told, sums: &[f64], valid: &Rows) -> Joined {
    let (train, after) = sums.split_at(SUMS);
    let (not_finite, train) = metrics_of(train, pass.len());
    if let Some(at) = not_finite {
        return Err(FitError::NotFinite { batch: at / pass.batch_size + 1 });
    }
    let (not_finite, after) = metrics_of(after, judged.map_or(valid.len(), <[u32]>::len));
    if not_finite.is_some() {
        return Err(FitError::NotFinitePrediction);
    }
    Ok([train?, after?])
}

/// The same where the device has no room to sort predictions: from logits `[R, n]` of the passes and `[R, V]` of the validation rows,
/// in the machine's memory.
fn measure_here(members: &[Told], valid: &Rows, [seen, predicted]: [&Tensor; 2]) -> Vec<Joined> {
    let [seen, predicted] = to_host_at_once([seen, predicted]);
    let (longest, count) = (seen.len() / members.len(), valid.len());
    let of_member = |(r, (pass, judged, measure)): (usize, &Told)| {
        let logits = seen[r * longest..][..pass.len()].to_vec();
        let train = measure.of_pass(pass, Seen { logits, losses: None })?.train[0].expect("it was trained");
        let predicted = &predicted[r * count..][..count];
        let after = match judged {
            None => measure.of_predictions(valid, predicted)?,
            Some(places) => {
                let own: Vec<f32> = places.iter().map(|place| predicted[*place as usize]).collect();
                measure.of_predictions(&RowsApart::new(valid, places).rows(), &own)?
            }
        };
        Ok([train, after[0]])
    };
    members.iter().enumerate().map(of_member).collect()
}

/// Single models as the replicas of one.
struct Replicas {
    backbone: Backbone,
    optimizer: Adam,
    steps: Steps,
}

impl Replicas {
    fn join(models: &mut [&mut TorchModel], place: Place) -> Self {
        let params: Vec<&Params> = models.iter().map(|model| &model.backbone.params).collect();
        let backbone = Backbone::joining(&models[0].config, params);
        let optimizers: Vec<&mut Adam> = models.iter_mut().map(|model| &mut model.optimizer).collect();
        Self { backbone, optimizer: Adam::joining(optimizers), steps: Steps::new(place) }
    }

    fn part(self, models: &mut [&mut TorchModel]) {
        self.optimizer.part(models.iter_mut().map(|model| &mut model.optimizer));
    }

    /// Logits `[R, n]` from before each batch's update, each replica's in the order of its pass; behind those of a shorter pass
    /// stand others.
    fn run_pass(&mut self, feed: &mut JointFeed, tick: Tick) -> Tensor {
        let device = feed.device();
        let logits = stacked(feed.replicas(), feed.len(), device);
        let streams = feed.dropout_streams();
        let masks = Masks::new(feed.batches(), streams);
        for number in 0..feed.batches() {
            let (batch, counted) = feed.batch(number);
            let active: Vec<bool> = counted.iter().map(|rows| *rows >= 2).collect();
            let mut seen = active.contains(&true).then(|| {
                let (loss, masks) = (feed.loss_of(number), BatchMasks::drawn(&masks, number));
                let now = Now { batch: &batch, loss, masks, is_first: number == 0, active: &active };
                self.steps.take(&self.backbone, &mut self.optimizer, &now).logits
            });
            // BatchNorm cannot learn from a single row: such a batch is only predicted.
            if seen.is_none() || counted.contains(&1) {
                let predicted = tch::no_grad(|| self.backbone.forward(&batch.ids, &mut Pass::eval()));
                seen = Some(match seen {
                    None => predicted,
                    Some(seen) => {
                        let trained = upload(&active, device).unsqueeze(-1);
                        seen.where_self(&trained, &predicted)
                    }
                });
            }
            let seen = seen.expect("trained or predicted");
            let (first, len) = feed.range(number);
            logits.narrow(-1, first, len).copy_(&seen);
            tick();
        }
        logits
    }
}
