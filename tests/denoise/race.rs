//! Trainings that race.

use crate::engines::ENGINE;
use crate::replicas::{config, key, options};
use crate::world::{World, job, run};
use autodenoise::backbone::{BackboneConfig, Fit, FitOptions, Rows, TensorFile, Track, TrainingData};
use autodenoise::selection::{Entrant, Keep, PassMetrics, Race, Standing, Treatment, Winner};
use autodenoise::types::{Arm, BackboneKind, EpochRow, Phase};
use serde_json::json;

const DECAYS: [f64; 5] = [1e-6, 1e-3, 1e-2, 1.0, 10.0];

fn entrants(treatment: Treatment) -> Vec<Entrant> {
    let entrant = |decay: &f64| Entrant { options: options(3).tuned(*decay, 6), keys: vec![key(0)], treatment };
    DECAYS.iter().map(entrant).collect()
}

/// Runs the race to its end, but saves, forgets and takes it up again after each of these steps; where everyone stood after
/// each step.
fn race(track: &Track, entrants: &[Entrant], interrupted: &[u32]) -> Vec<Vec<Standing>> {
    race_keeping(track, entrants, Keep::Nothing, interrupted).0
}

/// The same, and the race when it was over.
fn race_keeping(track: &Track, entrants: &[Entrant], keep: Keep, interrupted: &[u32]) -> (Vec<Vec<Standing>>, Race) {
    let (mut race, mut standings) = (Race::new(track, entrants, keep), Vec::new());
    loop {
        let over = race.step(track, entrants, &mut || ()).unwrap();
        standings.push(race.standings());
        if over {
            return (standings, race);
        }
        if interrupted.contains(&race.passes()) {
            let mut file = TensorFile::new();
            let state = race.save("race/", &mut file).unwrap();
            race = Race::load(track, entrants, "race/", &file, state).unwrap();
        }
    }
}

/// A training to its end, and what its passes came to.
fn train_alone(config: &BackboneConfig, data: &TrainingData, options: FitOptions) -> (Fit, Vec<PassMetrics>) {
    let (mut fit, mut passes) = (Fit::new(ENGINE, config, &[key(0)], options), Vec::new());
    while !fit.is_done() {
        let summary = fit.run_pass(&data.train, &data.valid, &Treatment::default().pass(), &mut || ()).unwrap();
        passes.push(PassMetrics::new(&summary, 0.0));
    }
    (fit, passes)
}

#[test]
fn those_who_fall_behind_are_given_up() {
    let dataset = World::new().dataset();
    let data = TrainingData::new(&dataset);
    let config = config(BackboneKind::DeepFm, &[8], 0.2);
    let entrants = entrants(Treatment::default());
    let standings = race(&Track::new(ENGINE, &config, &data, 2), &entrants, &[]);
    let out = |step: usize| standings[step].iter().filter(|standing| standing.is_out).count();
    assert_eq!([out(2), out(3), out(6), out(7)], [0, 2, 2, 3], "half of five after 4 passes, of three after 8");
    let ended = standings.last().unwrap();
    for (at, standing) in ended.iter().enumerate() {
        let rivals = ended.iter().filter(|rival| !rival.is_out);
        assert!(!standing.is_out || rivals.clone().all(|rival| rival.score >= standing.score), "{at}: {ended:?}");
        // Whoever was not given up was trained as it would have been alone.
        let alone = || {
            let (fit, _) = train_alone(&config, &data, entrants[at].options);
            (fit.best_auc(0), fit.passes())
        };
        assert!(standing.is_out || (standing.score, standing.passes) == alone(), "{at}");
    }
}

#[test]
fn a_race_depends_neither_on_threads_nor_on_being_interrupted() {
    let dataset = World::new().dataset();
    let data = TrainingData::new(&dataset);
    let weights: Vec<f32> = (0..data.train.len()).map(|row| [1.0, 0.5, 0.25][row % 3]).collect();
    let subset: Vec<u32> = (0..data.train.len() as u32).filter(|row| row % 4 != 0).collect();
    let treatment = Treatment { subset: Some(&subset), weights: Some(&weights), ..Treatment::default() };
    let entrants = entrants(treatment);
    let config = config(BackboneKind::DeepFm, &[8], 0.2);
    let track = |threads| Track::new(ENGINE, &config, &data, threads);
    let whole = race(&track(1), &entrants, &[]);
    assert_eq!(race(&track(8), &entrants, &[]), whole);
    assert_eq!(race(&track(2), &entrants, &[1, 3, 4, 5, 9]), whole);
}

/// What a training's passes came to, but for the time they took, and what its best model says of validation rows.
fn outcome(mut fit: Fit, passes: Vec<PassMetrics>, valid: &Rows) -> (Vec<PassMetrics>, Vec<f32>) {
    fit.finish();
    (passes.into_iter().map(|pass| PassMetrics { seconds: 0.0, ..pass }).collect(), fit.model.predict(valid))
}

#[test]
fn the_winner_has_been_trained_as_it_would_have_been_alone() {
    let dataset = World::new().dataset();
    let data = TrainingData::new(&dataset);
    let config = config(BackboneKind::DeepFm, &[8], 0.2);
    let entrants = entrants(Treatment::default());
    let track = Track::new(ENGINE, &config, &data, 2);
    let race_for = |interrupted: &[u32]| {
        let (_, mut race) = race_keeping(&track, &entrants, Keep::Leader, interrupted);
        let Winner { fit, passes } = race.take_winner().unwrap();
        (race.leader(), outcome(fit, passes, &data.valid))
    };
    let whole = race_for(&[]);
    let (fit, passes) = train_alone(&config, &data, entrants[whole.0].options);
    let steps: Vec<u32> = (1..100).collect();
    let alone = (whole.0, outcome(fit, passes, &data.valid));
    for (found, how) in [(whole, "at once"), (race_for(&steps), "taken up again after every pass")] {
        if ENGINE.trains_in_parallel() {
            assert_eq!(found, alone, "{how}");
        } else {
            // Models that share passes differ from single ones by how sums are rounded.
            assert_alike(&found, &alone, how);
        }
    }
}

type Won = (usize, (Vec<PassMetrics>, Vec<f32>));

fn assert_alike((leader, (passes, logits)): &Won, (alone, (passes_alone, logits_alone)): &Won, how: &str) {
    assert_eq!((leader, passes.len(), logits.len()), (alone, passes_alone.len(), logits_alone.len()), "{how}");
    let differs = |a: f64, b: f64| (a - b).abs() > 1e-3;
    for (ours, theirs) in passes.iter().zip(passes_alone) {
        let (valid, of_alone) = (ours.valid.unwrap(), theirs.valid.unwrap());
        assert!(
            !differs(ours.auc(), theirs.auc()) && !differs(valid.logloss, of_alone.logloss),
            "{how}: {ours:?}, {theirs:?}"
        );
    }
    let far = logits.iter().zip(logits_alone).find(|(a, b)| differs(f64::from(**a), f64::from(**b)));
    assert_eq!(far, None, "{how}");
}

#[test]
fn an_entrant_of_several_models_is_judged_by_their_mean() {
    let dataset = World::new().dataset();
    let data = TrainingData::new(&dataset);
    let config = config(BackboneKind::Fm, &[8], 0.0);
    let of = |keys| {
        let options = FitOptions { max_passes: 2, ..options(3) };
        let entrants = [Entrant { options, keys, treatment: Treatment::default() }];
        race(&Track::new(ENGINE, &config, &data, 1), &entrants, &[1]).pop().unwrap()[0].score
    };
    let (first, second) = (of(vec![key(0)]), of(vec![key(1)]));
    assert!((of(vec![key(0), key(1)]) - (first + second) / 2.0).abs() < 1e-12);
}

#[test]
fn a_race_tells_the_best_of_each_pass_and_then_the_passes_of_its_winner() {
    let grid = json!({"weight_decay": [0.0, 0.001, 0.1], "patience": 2});
    let found = run(&World::new(), &job(json!({"method": {"name": "random_drop"}, "tuning": grid}))).unwrap();
    let rows: Vec<_> = found.epochs().collect();
    for (contender, arm) in [(0, Arm::Denoised), (1, Arm::Full)] {
        let of = |phase| {
            let is_one = move |row: &EpochRow| (row.contender, row.arm, row.phase) == (contender, arm, phase);
            rows.iter().enumerate().filter(move |(_, row)| is_one(row))
        };
        let best = |phase| of(phase).map(|(_, row)| row.valid.unwrap().auc.unwrap()).max_by(f64::total_cmp);
        for phase in [Phase::Tune, Phase::Evaluate] {
            assert!(of(phase).zip(1..).all(|((_, row), pass)| row.pass == pass), "{arm:?}, {phase:?}");
        }
        assert!(best(Phase::Tune).is_some());
        assert_eq!(best(Phase::Tune), best(Phase::Evaluate), "the winner had the best of all passes");
        assert!(of(Phase::Tune).map(|(at, _)| at).max() < of(Phase::Evaluate).map(|(at, _)| at).min(), "{arm:?}");
    }
}
