//! Live progress of a job: two lines that stand still on a terminal, a line for each stage elsewhere.

use super::{
    countdown::Countdown,
    screen::{Screen, Tone},
    stage::JobNames,
    verbosity::Verbosity,
};
use crate::types::{Arm, EpochRow, Metrics, Phase, Progress, ResolvedSpec};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::{
    fmt::Write,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

pub struct JobView {
    bar: ProgressBar,
    screen: Screen,
    verbosity: Verbosity,
    names: JobNames,
    started: Instant,
    /// What was last said to be begun: phases that alternate are told as one.
    stage: Option<(u32, &'static str)>,
    /// Validation AUC last seen.
    auc: Option<f64>,
    countdown: Arc<Mutex<Countdown>>,
    /// How much is done.
    percent: Arc<AtomicU64>,
    /// Whether the bar shows passes.
    shows_passes: AtomicBool,
}

impl JobView {
    pub fn new(verbosity: Verbosity) -> Self {
        let screen = Screen::stderr();
        let target = match screen.is_terminal() && !verbosity.quiet {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        Self {
            bar: ProgressBar::with_draw_target(None, target),
            screen,
            verbosity,
            names: JobNames::default(),
            started: Instant::now(),
            stage: None,
            auc: None,
            countdown: Arc::default(),
            percent: Arc::default(),
            shows_passes: AtomicBool::new(false),
        }
    }

    fn is_live(&self) -> bool {
        self.screen.is_terminal() && !self.verbosity.quiet
    }

    /// Tells it which methods the job has.
    pub fn name_methods(&mut self, spec: &ResolvedSpec) {
        self.names = JobNames::new(spec);
    }

    /// What is being done, while no progress can be given.
    pub fn show_waiting(&self, message: impl Into<String>) {
        let message = message.into();
        self.shows_passes.store(false, Ordering::Relaxed);
        if self.is_live() {
            self.bar.set_style(ProgressStyle::with_template("{spinner} {wide_msg}").expect("a fixed template"));
            self.bar.enable_steady_tick(Duration::from_millis(120));
            self.bar.set_message(message);
        } else {
            self.print_line(&message);
        }
    }

    /// Progress of reading a table, in bytes.
    pub fn show_reading(&self, done: u64, total: u64) {
        self.show_bytes("reading", done, total);
    }

    /// Progress of an upload, in bytes.
    pub fn show_sending(&self, done: u64, total: u64) {
        self.show_bytes("uploading", done, total);
    }

    fn show_bytes(&self, doing: &str, done: u64, total: u64) {
        if self.is_live() {
            self.bar.disable_steady_tick();
            let template = format!("{doing} {{wide_bar}} {{bytes}}/{{total_bytes}}  {{eta}} left");
            self.bar.set_style(ProgressStyle::with_template(&template).expect("a fixed template"));
            self.bar.set_length(total);
            self.bar.set_position(done);
        }
    }

    /// A stage that begins: the line that stands still, or a line of its own.
    pub fn show_phase(&mut self, contender: u32, phase: Phase, epoch: u32) {
        let words = phase.as_waited_for().words();
        let begins = self.stage.replace((contender, words)) != Some((contender, words));
        let mut what = self.names.name_work(contender, words);
        if let Some(backbone) =
            self.names.transferred(epoch).filter(|_| matches!(phase, Phase::Evaluate | Phase::Certify))
        {
            what += &format!(" ({backbone})");
        }
        if self.is_live() {
            if matches!(phase, Phase::Search | Phase::Validate) {
                what += &format!(", epoch {epoch}");
            }
            self.bar.set_message(what);
        } else if begins {
            let left = self.describe_left().map(|left| format!(", {left}")).unwrap_or_default();
            let after = human_seconds(self.started.elapsed().as_secs_f64());
            self.print_line(&format!("{what} (after {after}{left})"));
        }
    }

    pub fn show_progress(&mut self, progress: Progress) {
        if let Some(seconds) = progress.eta_seconds {
            self.countdown.lock().unwrap_or_else(PoisonError::into_inner).hear(seconds, Instant::now());
        }
        if !self.is_live() {
            return;
        }
        self.percent.store(progress.percent(), Ordering::Relaxed);
        self.bar.set_prefix(self.auc.map(|auc| format!("AUC {auc:.4}")).unwrap_or_default());
        self.bar.set_length(progress.total);
        self.bar.set_position(progress.done);
        if !self.shows_passes.swap(true, Ordering::Relaxed) {
            self.show_bar();
        }
    }

    /// Two lines: what is done, and how far it is.
    fn show_bar(&self) {
        let countdown = Arc::clone(&self.countdown);
        let write_left = move |_: &ProgressState, out: &mut dyn Write| {
            let left = countdown.lock().unwrap_or_else(PoisonError::into_inner).describe(Instant::now());
            // Where nothing can be shown, nothing is lost.
            let _ = out.write_str(&left.unwrap_or_default());
        };
        let percent = Arc::clone(&self.percent);
        let write_percent = move |_: &ProgressState, out: &mut dyn Write| {
            let _ = write!(out, "{} %", percent.load(Ordering::Relaxed));
        };
        let template = "{wide_msg} {prefix}\n{wide_bar} {share}  {left}";
        let style = ProgressStyle::with_template(template).expect("a fixed template");
        self.bar.set_style(style.with_key("left", write_left).with_key("share", write_percent).progress_chars("━╸─"));
        self.bar.enable_steady_tick(Duration::from_millis(500));
    }

    fn describe_left(&self) -> Option<String> {
        self.countdown.lock().unwrap_or_else(PoisonError::into_inner).describe(Instant::now())
    }

    pub fn show_epoch(&mut self, row: &EpochRow) {
        self.auc = row.valid.and_then(|valid| valid.auc).or(self.auc);
        if !self.verbosity.verbose {
            return;
        }
        let evaluated = || match self.names.transferred(row.epoch) {
            Some(backbone) => format!("evaluate {backbone}"),
            None => "evaluate".to_owned(),
        };
        let what = match row.phase {
            Phase::Validate => format!("validate {}, pass {}", row.epoch, row.pass),
            Phase::Tune => format!("tune, {}, pass {}", arm_words(row.arm), row.pass),
            Phase::Evaluate => format!("{}, pass {}", evaluated(), row.pass),
            Phase::Certify => format!("certify {}, {}, pass {}", row.seed, arm_words(row.arm), row.pass),
            phase => format!("{} {}", phase.as_str(), row.epoch),
        };
        let name = self.names.name_work(row.contender, &what);
        self.print_line(&describe_epoch(&name, self.names.width(), row, self.screen.width));
    }

    /// A line that stays, unless nothing is to be said.
    pub fn print_line(&self, text: &str) {
        if !self.verbosity.quiet {
            self.print(&self.screen.wrap(text, 2));
        }
    }

    /// What was found out of the table: a note, or a warning.
    pub fn print_remark(&self, text: &str) {
        match text.strip_prefix("warning: ") {
            Some(warning) => self.warn(warning),
            None => self.print_line(text),
        }
    }

    /// A line that stays and that few readers of a terminal want.
    pub fn print_detail(&self, text: &str) {
        if self.verbosity.verbose || !self.screen.is_terminal() {
            self.print_line(text);
        }
    }

    /// A line that stays, whatever is to be said.
    pub fn warn(&self, text: &str) {
        let text = self.screen.wrap(&format!("warning: {text}"), 2);
        let rest = text.strip_prefix("warning:").unwrap_or_default();
        self.print(&format!("{}{rest}", self.screen.paint(Tone::Unsure, "warning:")));
    }

    fn print(&self, text: &str) {
        if self.is_live() { self.bar.suspend(|| eprintln!("{text}")) } else { eprintln!("{text}") }
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// What an arm is trained on.
pub fn arm_words(arm: Arm) -> &'static str {
    match arm {
        Arm::Untuned => "all rows, untuned",
        Arm::Full => "all rows",
        Arm::Denoised => "kept rows",
        Arm::Random => "random rows",
    }
}

/// A line for a pass, with as much of it as fits into `columns` of a terminal.
fn describe_epoch(what: &str, width: usize, row: &EpochRow, columns: Option<usize>) -> String {
    let auc = |m: &Metrics| m.auc.map_or("AUC    nan".to_owned(), |auc| format!("AUC {auc:.4}"));
    let logloss = |m: &Metrics| format!("log-loss {:.4}", m.logloss);
    let chosen = if row.phase == Phase::Search { "selected" } else { "kept" };
    let digits = if row.seconds < 9.995 { 2 } else { 1 };
    // With each part, when it goes where the line is too long: the least first.
    let parts = [
        (3, row.train.map(|train| format!("train {}", auc(&train)))),
        (1, row.train.map(|train| logloss(&train))),
        (5, row.valid.map(|valid| format!("valid {}", auc(&valid)))),
        (2, row.valid.map(|valid| logloss(&valid))),
        (4, row.kept.map(|kept| format!("{chosen} {:.1} %", 100.0 * kept))),
        (5, Some(format!("{:.digits$} s", row.seconds))),
    ];
    let line = |least: u32| {
        let told = parts.iter().filter(|(worth, _)| *worth >= least).filter_map(|(_, part)| part.as_deref());
        format!("{what:<width$}{}", told.collect::<Vec<_>>().join("  "))
    };
    let fits = |text: &String| columns.is_none_or(|columns| text.chars().count() <= columns);
    (1..5).map(line).find(fits).unwrap_or_else(|| line(5))
}

/// `1 h 02 min`, `3 min 20 s`, `12 s`
pub fn human_seconds(seconds: f64) -> String {
    let s = seconds.round() as u64;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min {:02} s", s / 60, s % 60),
        _ => format!("{} h {:02} min", s / 3600, s / 60 % 60),
    }
}
