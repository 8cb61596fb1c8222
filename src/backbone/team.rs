//! Threads that share out the stages of a batch. A stage takes tens of microseconds, and to wake a thread that sleeps takes as
//! long: so they wait awake for the next one, and go to sleep only where none comes.
//!
//! A piece of work is a number of tasks. Each thread begins with a share of its own, the same from stage to stage, so that what a
//! task works on stays in one core's cache; whoever is done takes from the shares of others. Who starts a piece never waits for
//! a thread that has not begun with it: where other programs have the cores, it does all tasks itself.

use std::any::Any;
use std::cell::Cell;
use std::hint::spin_loop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, TryLockError};
use std::thread::{self, Thread};

/// Looks for work before a thread lets others have its core, each a few dozen nanoseconds after the one before.
const SPINS: u32 = 1000;
/// Times that it lets others have its core before it sleeps.
const YIELDS: u32 = 200;

thread_local! {
    static KEEPS_TO_ITSELF: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread does all of its work itself: it was told to, or there are no others.
pub fn is_alone() -> bool {
    KEEPS_TO_ITSELF.get() || rayon::current_num_threads() == 1
}

/// Does a piece of work; `keeps` tells this thread to share out no stage of it. Where the other threads have work of their own
/// none could help, and what it works on stays in its core's cache. Results do not depend on it.
pub fn alone<T>(keeps: bool, work: impl FnOnce() -> T) -> T {
    /// Sets back what was there, also if the work panics.
    struct Before(bool);

    impl Drop for Before {
        fn drop(&mut self) {
            KEEPS_TO_ITSELF.set(self.0);
        }
    }

    let before = Before(KEEPS_TO_ITSELF.get());
    KEEPS_TO_ITSELF.set(keeps || before.0);
    work()
}

/// Works on each of the items once, on as many threads as rayon has here; on this thread alone, where it [is](is_alone), or the
/// others are busy with another piece of work.
pub fn for_each<T: Send>(items: &mut [T], work: impl Fn(&mut T) + Sync) {
    if !is_alone() && items.len() > 1 {
        static TEAM: OnceLock<Mutex<Team>> = OnceLock::new();
        match TEAM.get_or_init(|| Mutex::new(Team::new(rayon::current_num_threads()))).try_lock() {
            Ok(mut team) => return team.for_each(items, work),
            // A task that panicked leaves a team that is whole.
            Err(TryLockError::Poisoned(team)) => return team.into_inner().for_each(items, work),
            Err(TryLockError::WouldBlock) => {}
        }
    }
    items.iter_mut().for_each(work);
}

/// The caller and the threads that help it.
struct Team {
    shared: Arc<Shared>,
    helpers: Vec<Thread>,
}

struct Shared {
    /// Number of the piece of work (from bit 32 on), whether threads may still begin with it, and how many of the helpers are at
    /// it.
    state: AtomicU64,
    /// The present piece; written while no thread is at work.
    work: Mutex<Option<Work>>,
    /// Of each thread, the caller first: the next task of its share.
    next: Vec<Share>,
    asleep: AtomicUsize,
    is_closed: AtomicBool,
    /// What a helper panicked with.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

/// In a cache line of its own.
#[repr(align(128))]
struct Share(AtomicUsize);

#[derive(Clone, Copy)]
struct Work {
    task: &'static (dyn Fn(usize) + Sync),
    tasks: usize,
}

const OPEN: u64 = 1 << 31;
const AT_WORK: u64 = OPEN - 1;
const PIECE: u64 = 1 << 32;

/// Items that tasks take one each of.
struct Items<T>(*mut T);

// SAFETY: every item is taken by one thread alone, and may be sent there.
unsafe impl<T: Send> Sync for Items<T> {}

impl<T> Items<T> {
    /// # Safety
    ///
    /// There is an item of this number, and nobody else takes it.
    #[allow(clippy::mut_from_ref, reason = "each item is taken once")]
    unsafe fn take(&self, number: usize) -> &mut T {
        // SAFETY: as promised by the caller.
        unsafe { &mut *self.0.add(number) }
    }
}

impl Team {
    fn new(threads: usize) -> Self {
        let shared = Arc::new(Shared {
            state: AtomicU64::new(0),
            work: Mutex::new(None),
            next: (0..threads).map(|_| Share(AtomicUsize::new(0))).collect(),
            asleep: AtomicUsize::new(0),
            is_closed: AtomicBool::new(false),
            panic: Mutex::new(None),
        });
        let start = |own: usize| {
            let shared = shared.clone();
            thread::Builder::new().name("team".to_owned()).spawn(move || shared.help(own))
        };
        // Where no more threads can be had, the others do all the work.
        let helpers = (1..threads).map_while(|own| start(own).ok()).map(|helper| helper.thread().clone()).collect();
        Self { shared, helpers }
    }

    fn for_each<T: Send>(&mut self, items: &mut [T], work: impl Fn(&mut T) + Sync) {
        let (shared, tasks) = (&*self.shared, items.len());
        let items = Items(items.as_mut_ptr());
        // SAFETY: a task is handed out once, and tasks are as many as items.
        let task = |number: usize| work(unsafe { items.take(number) });
        let task: &(dyn Fn(usize) + Sync) = &task;
        // SAFETY: no thread has it any more when this function returns or unwinds: `Piece` waits for all that began.
        let task: &'static (dyn Fn(usize) + Sync) = unsafe { std::mem::transmute(task) };
        for (thread, next) in shared.next.iter().enumerate() {
            next.0.store(shared.share(thread, tasks).start, Ordering::Relaxed);
        }
        let work = Work { task, tasks };
        *shared.panic.lock().unwrap_or_else(PoisonError::into_inner) = None;
        *shared.work.lock().unwrap_or_else(PoisonError::into_inner) = Some(work);
        let piece = Piece::open(shared);
        if shared.asleep.load(Ordering::SeqCst) > 0 {
            self.helpers.iter().for_each(Thread::unpark);
        }
        shared.run(0, work);
        drop(piece);
        if let Some(panic) = shared.panic.lock().unwrap_or_else(PoisonError::into_inner).take() {
            resume_unwind(panic);
        }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.is_closed.store(true, Ordering::SeqCst);
        self.helpers.iter().for_each(Thread::unpark);
    }
}

/// A piece of work that is under way; dropped, it lets nobody else begin and waits for those who have.
struct Piece<'s>(&'s Shared);

impl<'s> Piece<'s> {
    fn open(shared: &'s Shared) -> Self {
        let before = shared.state.load(Ordering::Relaxed);
        shared.state.store((before & !(PIECE - 1)).wrapping_add(PIECE) | OPEN, Ordering::SeqCst);
        Self(shared)
    }
}

impl Drop for Piece<'_> {
    fn drop(&mut self) {
        self.0.state.fetch_and(!OPEN, Ordering::SeqCst);
        let mut spins = 0;
        while self.0.state.load(Ordering::Acquire) & AT_WORK != 0 {
            // A helper that began has a task in hand, and may wait for its core.
            spins += 1;
            if spins < SPINS { spin_loop() } else { thread::yield_now() }
        }
        *self.0.work.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Shared {
    /// The tasks that a thread begins with.
    fn share(&self, thread: usize, tasks: usize) -> std::ops::Range<usize> {
        let threads = self.next.len();
        thread * tasks / threads..(thread + 1) * tasks / threads
    }

    /// Does the tasks of a thread's own share, then what is left of the others'.
    fn run(&self, own: usize, work: Work) {
        let threads = self.next.len();
        for of in (0..threads).map(|further| (own + further) % threads) {
            let end = self.share(of, work.tasks).end;
            loop {
                let number = self.next[of].0.fetch_add(1, Ordering::Relaxed);
                if number >= end {
                    break;
                }
                (work.task)(number);
            }
        }
    }

    /// A helper's life.
    fn help(&self, own: usize) {
        let (mut done, mut idle) = (0, 0);
        while !self.is_closed.load(Ordering::Relaxed) {
            let state = self.state.load(Ordering::SeqCst);
            let piece = state / PIECE;
            if state & OPEN != 0 && piece != done {
                if self.state.compare_exchange(state, state + 1, Ordering::SeqCst, Ordering::Relaxed).is_ok() {
                    (done, idle) = (piece, 0);
                    let work = *self.work.lock().unwrap_or_else(PoisonError::into_inner);
                    let ended =
                        catch_unwind(AssertUnwindSafe(|| work.into_iter().for_each(|work| self.run(own, work))));
                    if let Err(panic) = ended {
                        *self.panic.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic);
                    }
                    self.state.fetch_sub(1, Ordering::SeqCst);
                }
                continue;
            }
            idle += 1;
            if idle < SPINS {
                spin_loop();
            } else if idle < SPINS + YIELDS {
                thread::yield_now();
            } else {
                self.sleep(state);
                idle = 0;
            }
        }
    }

    /// Sleeps, unless the state has changed meanwhile. A wake-up for nothing does no harm.
    fn sleep(&self, seen: u64) {
        self.asleep.fetch_add(1, Ordering::SeqCst);
        if self.state.load(Ordering::SeqCst) == seen && !self.is_closed.load(Ordering::SeqCst) {
            thread::park();
        }
        self.asleep.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;
    use std::time::Duration;

    #[test]
    fn each_item_is_worked_on_once() {
        for threads in [1, 2, 3, 8] {
            let mut team = Team::new(threads);
            for count in [0, 1, 2, 5, 16, 1000] {
                let mut items = vec![0; count];
                for round in 1..50 {
                    team.for_each(&mut items, |item| *item += 1);
                    assert!(items.iter().all(|item| *item == round), "{threads} threads, {count} items");
                }
            }
        }
    }

    /// Two tasks that wait for each other come to an end only if two threads do them; also after the helper went to sleep.
    #[test]
    fn helpers_take_part_and_are_woken() {
        let mut team = Team::new(2);
        for _ in 0..3 {
            let arrived = AtomicU32::new(0);
            team.for_each(&mut [(); 2], |()| {
                arrived.fetch_add(1, Ordering::SeqCst);
                while arrived.load(Ordering::SeqCst) < 2 {
                    thread::yield_now();
                }
            });
            while team.shared.asleep.load(Ordering::SeqCst) == 0 {
                thread::sleep(Duration::from_millis(1));
            }
        }
    }

    #[test]
    fn a_panic_of_any_task_reaches_the_caller_and_the_team_goes_on() {
        let mut team = Team::new(3);
        for bad in [0, 7, 15] {
            let mut items: Vec<usize> = (0..16).collect();
            let ended = catch_unwind(AssertUnwindSafe(|| {
                team.for_each(&mut items, |item| assert_ne!(*item, bad, "this one"));
            }));
            assert!(ended.is_err(), "task {bad}");
            team.for_each(&mut items, |item| *item += 1);
            assert!(items.iter().enumerate().all(|(at, item)| *item == at + 1));
        }
    }

    /// Work within work is done by the thread that comes to it.
    #[test]
    fn pieces_may_lie_in_each_other() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let mut outer = vec![[0; 8]; 8];
        pool.install(|| for_each(&mut outer, |inner| for_each(inner, |number| *number += 1)));
        assert_eq!(outer, vec![[1; 8]; 8]);
    }

    #[test]
    fn a_thread_that_keeps_to_itself_does_all_until_the_work_ends() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        pool.install(|| {
            let own = thread::current().id();
            let mut by = vec![None; 64];
            alone(true, || for_each(&mut by, |by| *by = Some(thread::current().id())));
            assert!(by.iter().all(|by| *by == Some(own)));
            assert!(alone(true, || alone(false, is_alone)), "what lies in it keeps to itself, too");
            assert!(catch_unwind(|| alone(true, || panic!("as a task does"))).is_err());
            assert!(!is_alone());
        });
    }
}
