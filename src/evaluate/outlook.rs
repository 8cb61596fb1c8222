//! How far a job is, on a scale that stands from its beginning to its end: every part of a task counts for the passes that were
//! foreseen of it, whether it takes more or fewer. What a search finds and when trainings stop is not known beforehand, and a
//! scale that followed it would grow while the job runs.

use super::tasks::Task;
use super::tune::Tunee;
use crate::types::{Progress, ResolvedSpec};
use std::collections::HashSet;

/// The time left is not told before this share of the work is done: a few passes say little of the others.
const TELLING: f64 = 0.05;
/// Up to this share of what was foreseen, work counts as it is done; what is beyond it counts for less and less.
const AS_FORESEEN: f64 = 0.75;

/// The passes that are foreseen of each task.
pub(super) struct Outlook {
    shares: Vec<Share>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Share {
    /// Of the race for a training's setting, where the task has one of its own.
    race: u64,
    /// Of the rest.
    work: u64,
}

/// How far a task is, in passes made; none is left of what is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stand {
    Over,
    /// Its race is over, and so many passes of the rest are made.
    Raced(u64),
    /// So many passes of the race and of the rest are made.
    Begun(u64, u64),
}

impl Outlook {
    pub fn new(spec: &ResolvedSpec, tasks: &[Task]) -> Self {
        let mut tunees = HashSet::new();
        let share = |task: &Task| {
            if let Task::Certify(trial) = task
                && Tunee::repeated_by(*trial, spec).is_some_and(|repeated| tasks.contains(&repeated))
            {
                // It is taken over from the table.
                return Share::default();
            }
            let work = task.expected_passes(spec);
            // The first training of a tunee is that of the race's winner.
            match Tunee::of(*task, spec).filter(|(tunee, _)| tunees.insert(*tunee)) {
                Some((_, grid)) => Share { race: grid.passes(work), work: 0 },
                None => Share { race: 0, work },
            }
        };
        Self { shares: tasks.iter().map(share).collect() }
    }

    /// Of a job that has worked so many seconds; `stand` says how far each task is.
    pub fn progress(&self, seconds: f64, stand: impl Fn(usize) -> Stand) -> Progress {
        let total: u64 = self.shares.iter().map(|share| share.race + share.work).sum();
        let done_of = |(number, share): (usize, &Share)| match stand(number) {
            Stand::Over => (share.race + share.work) as f64,
            Stand::Raced(made) => share.race as f64 + count(made, share.work),
            Stand::Begun(raced, made) => count(raced, share.race) + count(made, share.work),
        };
        let done: f64 = self.shares.iter().enumerate().map(done_of).sum();
        let tells = done > 0.0 && done >= TELLING * total as f64;
        let left = (total as f64 - done).max(0.0);
        Progress { done: done as u64, total, eta_seconds: tells.then(|| left * seconds / done) }
    }
}

/// What `made` passes of something count that `foreseen` passes were foreseen of: never all of it before it is over.
fn count(made: u64, foreseen: u64) -> f64 {
    if foreseen == 0 {
        return 0.0;
    }
    let share = made as f64 / foreseen as f64;
    let beyond = (share - AS_FORESEEN).max(0.0) / (1.0 - AS_FORESEEN);
    let counted = share.min(AS_FORESEEN) + (1.0 - AS_FORESEEN) * (1.0 - (-beyond).exp());
    counted * foreseen as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outlook() -> Outlook {
        Outlook {
            shares: vec![Share { race: 0, work: 200 }, Share { race: 100, work: 50 }, Share { race: 0, work: 50 }],
        }
    }

    #[test]
    fn the_whole_stands_still_whatever_its_parts_take() {
        let outlook = outlook();
        let mut last = 0;
        // The first task takes five times what was foreseen.
        for made in 0..1000 {
            let stand = |number| if number == 0 { Stand::Begun(0, made) } else { Stand::Begun(0, 0) };
            let progress = outlook.progress(1.0, stand);
            assert_eq!(progress.total, 400);
            assert!(progress.done >= last && progress.done <= 200, "{made}: {progress:?}");
            last = progress.done;
        }
        // The second is over before it took what was foreseen of it.
        let stand = |number| if number < 2 { Stand::Over } else { Stand::Begun(0, 0) };
        assert_eq!(outlook.progress(1.0, stand).done, 350);
        assert_eq!(outlook.progress(1.0, |_| Stand::Over).done, 400);
        let raced = |number| if number == 0 { Stand::Over } else { Stand::Raced(0) };
        assert_eq!(outlook.progress(1.0, raced).done, 300);
    }

    #[test]
    fn the_time_left_is_told_once_it_can_be_known() {
        let outlook = outlook();
        let at = |made: u64| outlook.progress(10.0, |number| Stand::Begun(0, if number == 0 { made } else { 0 }));
        assert_eq!((at(0).eta_seconds, at(19).eta_seconds), (None, None));
        assert_eq!(at(100).eta_seconds, Some(30.0), "a quarter took ten seconds");
    }
}
