//! Jobs whose parts are done by several processes, in any order.

use crate::engines;
use crate::world::{World, job, read_report, run, sorted, with_run_of};
use autodenoise::evaluate::{NextPart, PartBoard, PartInput, Step, run_part};
use autodenoise::ingest::Dataset;
use autodenoise::random::{Purpose, Stream};
use autodenoise::types::{OfferedPart, PartWork, Phase, ResolvedSpec, TrainerEvent};
use serde_json::json;
use std::{cell::RefCell, collections::BTreeMap, path::PathBuf, rc::Rc};

/// What is known of a job's parts outside of its process: it outlives the process.
#[derive(Default)]
struct Crowd {
    offered: BTreeMap<u32, OfferedPart>,
    /// What came of parts, wherever they were done.
    done: BTreeMap<u32, PathBuf>,
    /// Parts done by others than the job's own process.
    elsewhere: Vec<PartWork>,
    draws: u32,
}

/// Deals parts out by chance.
struct CrowdBoard {
    crowd: Rc<RefCell<Crowd>>,
    dataset: Dataset,
    spec: ResolvedSpec,
    out: PathBuf,
}

impl Crowd {
    /// A number below `end`.
    fn draw(&mut self, end: usize) -> usize {
        self.draws += 1;
        (Stream::new(9, Purpose::Select, &[self.draws]).uniform_at(0) * end as f32) as usize
    }
}

impl CrowdBoard {
    fn do_elsewhere(&self, part: &OfferedPart) -> PathBuf {
        let file = self.out.join(format!("elsewhere-{}", part.number));
        let rows = part.rows.as_ref().map(|rows| self.out.join(rows));
        let input = PartInput {
            spec: &self.spec,
            dataset: &self.dataset,
            engines: &engines::open(self.spec.engine, self.spec.device),
            threads: 2,
            order: &part.order,
            rows: rows.as_deref(),
        };
        run_part(&input, &file).unwrap();
        file
    }
}

impl PartBoard for CrowdBoard {
    fn is_shared(&self) -> bool {
        true
    }

    fn offer(&mut self, parts: Vec<OfferedPart>) {
        for part in parts {
            let before = self.crowd.borrow_mut().offered.insert(part.number, part.clone());
            assert!(before.is_none_or(|before| before == part), "every attempt lays out the same");
        }
    }

    fn next(&mut self, open: &[u32], begun: Option<u32>, waits: bool) -> NextPart {
        let crowd = &mut *self.crowd.borrow_mut();
        if let Some(number) = open.iter().find(|number| crowd.done.contains_key(number)) {
            return NextPart::Take { number: *number, file: crowd.done[number].clone() };
        }
        if !waits && crowd.draw(4) == 0 {
            return NextPart::Nothing;
        }
        let number = open[crowd.draw(open.len())];
        if crowd.draw(3) == 0 {
            return NextPart::Do(begun.filter(|begun| open.contains(begun)).unwrap_or(number));
        }
        let part = crowd.offered[&number].clone();
        let file = self.do_elsewhere(&part);
        crowd.elsewhere.push(part.work);
        crowd.done.insert(number, file.clone());
        NextPart::Take { number, file }
    }

    fn finish(&mut self, number: u32, file: &str) {
        let before = self.crowd.borrow_mut().done.insert(number, self.out.join(file));
        assert!(before.is_none(), "part {number} was done twice");
    }
}

/// Runs the spec with its parts dealt out, by processes with so many threads that go on from a checkpoint after every `steps` steps;
/// where `alone` says so every second one does all parts itself.
fn run_by_many(
    world: &World,
    spec: &ResolvedSpec,
    threads: usize,
    steps: usize,
    alone: bool,
) -> (Vec<TrainerEvent>, tempfile::TempDir, Crowd) {
    let (dataset, out) = (world.dataset(), tempfile::tempdir().unwrap());
    let crowd = Rc::<RefCell<Crowd>>::default();
    let (mut events, mut saved, mut ended) = (Vec::new(), None::<String>, false);
    for process in 0.. {
        if ended {
            break;
        }
        with_run_of(threads, None, &dataset, spec, out.path(), |mut run| {
            if !(alone && process % 2 == 1) {
                run.share_parts(CrowdBoard {
                    crowd: crowd.clone(),
                    dataset: world.dataset(),
                    spec: spec.clone(),
                    out: out.path().to_owned(),
                });
            }
            if let Some(saved) = &saved {
                run.resume(&out.path().join(saved)).unwrap();
            }
            for _ in 0..steps {
                if run.step(&mut |event| events.push(event)).unwrap() == Step::Done {
                    ended = true;
                    return;
                }
            }
            saved = Some(run.save_checkpoint().unwrap());
        });
    }
    (events, out, crowd.take())
}

#[test]
fn a_job_done_by_many_comes_to_what_one_process_comes_to() {
    let world = World::new();
    let grid = json!({"weight_decay": [0.0, 0.001, 0.1]});
    let specs = [
        json!({
            "method": {"name": "loss_drop"}, "compare": [{"name": "none"}], "transfer": ["fm", "dcn"], "tuning": grid,
            "certify": {"seeds": 2, "alpha": 0.2},
        }),
        json!({"method": {"name": "random_drop"}, "certify": {"seeds": 3, "reselect": true}, "seed": 5}),
        json!({"method": {"name": "t_ce"}, "transfer": ["fm"], "tuning": grid, "certify": {"seeds": 2}}),
    ];
    for spec in specs.map(job) {
        let alone = run(&world, &spec).unwrap();
        let expected = read_report(alone.out.path());
        let cases = [
            (1, usize::MAX, false),
            (1, 3, false),
            (1, 1, false),
            (1, 5, true),
            (3, usize::MAX, false),
            (2, 2, false),
            (4, 1, false),
            (3, 3, true),
        ];
        for (threads, steps, on_its_own) in cases {
            let (events, out, crowd) = run_by_many(&world, &spec, threads, steps, on_its_own);
            let place =
                format!("{}, {threads} threads, {steps} steps a process, on its own: {on_its_own}", spec.method.label);
            assert_eq!(sorted(&events), sorted(&alone.events), "{place}");
            assert!(read_report(out.path()) == expected, "{place}: the report differs");
            for name in ["indices.parquet", "denoised.csv", "model.safetensors"] {
                assert!(std::fs::read(out.path().join(name)).unwrap() == alone.file(name), "{place}: {name} differs");
            }
            let trained = |phase| crowd.elsewhere.iter().filter(|work| work.phase == phase).count();
            assert!(on_its_own || trained(Phase::Certify) >= 3, "{place}: {:?}", crowd.elsewhere);
            if !on_its_own && !spec.transfer.is_empty() {
                assert!(trained(Phase::Tune) > 0, "{place}: {:?}", crowd.elsewhere);
            }
        }
    }
}
