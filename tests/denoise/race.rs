//! Trainings that race.

use crate::engines::ENGINE;
use crate::replicas::{config, key, options};
use crate::world::World;
use autodenoise::backbone::{Fit, FitOptions, TensorFile, Track, TrainingData};
use autodenoise::selection::{Entrant, Race, Standing, Treatment};
use autodenoise::types::BackboneKind;

const DECAYS: [f64; 5] = [1e-6, 1e-3, 1e-2, 1.0, 10.0];

fn entrants(treatment: Treatment) -> Vec<Entrant> {
    let entrant = |decay: &f64| Entrant { options: options(3).tuned(*decay, 6), keys: vec![key(0)], treatment };
    DECAYS.iter().map(entrant).collect()
}

/// Runs the race to its end, but saves, forgets and takes it up again after each of these steps; where everyone stood after
/// each step.
fn run(track: &Track, entrants: &[Entrant], interrupted: &[u32]) -> Vec<Vec<Standing>> {
    let (mut race, mut standings) = (Race::new(track, entrants), Vec::new());
    loop {
        let over = race.step(track, entrants, &mut || ()).unwrap();
        standings.push(race.standings());
        if over {
            return standings;
        }
        if interrupted.contains(&race.passes()) {
            let mut file = TensorFile::new();
            let state = race.save("race/", &mut file).unwrap();
            race = Race::load(track, entrants, "race/", &file, state).unwrap();
        }
    }
}

#[test]
fn those_who_fall_behind_are_given_up() {
    let dataset = World::new().dataset();
    let data = TrainingData::new(&dataset);
    let config = config(BackboneKind::DeepFm, &[8], 0.2);
    let entrants = entrants(Treatment::default());
    let standings = run(&Track::new(ENGINE, &config, &data, 2), &entrants, &[]);
    let out = |step: usize| standings[step].iter().filter(|standing| standing.is_out).count();
    assert_eq!([out(2), out(3), out(6), out(7)], [0, 2, 2, 3], "half of five after 4 passes, of three after 8");
    let ended = standings.last().unwrap();
    for (at, standing) in ended.iter().enumerate() {
        let rivals = ended.iter().filter(|rival| !rival.is_out);
        assert!(!standing.is_out || rivals.clone().all(|rival| rival.score >= standing.score), "{at}: {ended:?}");
        // Whoever was not given up was trained as it would have been alone.
        let alone = || {
            let mut fit = Fit::new(ENGINE, &config, &[key(0)], entrants[at].options);
            while !fit.is_done() {
                fit.run_pass(&data.train, &data.valid, &Treatment::default().pass(), &mut || ()).unwrap();
            }
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
    let whole = run(&track(1), &entrants, &[]);
    assert_eq!(run(&track(8), &entrants, &[]), whole);
    assert_eq!(run(&track(2), &entrants, &[1, 3, 4, 5, 9]), whole);
}

#[test]
fn an_entrant_of_several_models_is_judged_by_their_mean() {
    let dataset = World::new().dataset();
    let data = TrainingData::new(&dataset);
    let config = config(BackboneKind::Fm, &[8], 0.0);
    let of = |keys| {
        let options = FitOptions { max_passes: 2, ..options(3) };
        let entrants = [Entrant { options, keys, treatment: Treatment::default() }];
        run(&Track::new(ENGINE, &config, &data, 1), &entrants, &[1]).pop().unwrap()[0].score
    };
    let (first, second) = (of(vec![key(0)]), of(vec![key(1)]));
    assert!((of(vec![key(0), key(1)]) - (first + second) / 2.0).abs() < 1e-12);
}
