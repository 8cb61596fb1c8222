//! Live progress of a job: a bar on a terminal, a line per pass elsewhere.

use crate::types::{Arm, BackboneKind, EpochRow, Phase, Progress, ResolvedMethod, ResolvedSpec};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{io::IsTerminal, time::Duration};

pub struct JobView {
    bar: ProgressBar,
    live: bool,
    /// No line for each pass.
    quiet: bool,
    /// Validation AUC last seen.
    auc: Option<f64>,
    /// What each method of the job is called.
    methods: Vec<String>,
    /// Backbones tried on the rows chosen, beside the method's own.
    transfer: Vec<BackboneKind>,
}

impl JobView {
    pub fn new() -> Self {
        let live = std::io::stderr().is_terminal();
        let bar = ProgressBar::with_draw_target(
            None,
            if live { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() },
        );
        Self { bar, live, quiet: false, auc: None, methods: Vec::new(), transfer: Vec::new() }
    }

    /// Shows progress on a terminal, and no line for each pass.
    pub fn quiet() -> Self {
        Self { quiet: true, ..Self::new() }
    }

    /// Tells it which methods the job has.
    pub fn name_methods(&mut self, spec: &ResolvedSpec) {
        let contenders = spec.contenders();
        let one_backbone = contenders.iter().all(|method| method.backbone == spec.method.backbone);
        let name = |method: &ResolvedMethod| {
            if one_backbone { method.label.clone() } else { format!("{} {}", method.backbone, method.label) }
        };
        self.methods = contenders.into_iter().map(name).collect();
        self.transfer = spec.transfer.iter().map(|trainee| trainee.backbone).collect();
    }

    /// The method's name, where there are several, and what is done.
    fn name_work(&self, contender: u32, what: String) -> String {
        // All rows are a method of every job, and "evaluate" says which rows are meant.
        match self.methods.get(contender as usize) {
            Some(name) if self.methods.len() > 2 || contender > 0 => format!("{name}: {what}"),
            _ => what,
        }
    }

    fn name_evaluation(&self, epoch: u32) -> String {
        match (epoch as usize).checked_sub(2).and_then(|number| self.transfer.get(number)) {
            Some(backbone) => format!("evaluate {backbone}"),
            None => "evaluate".to_owned(),
        }
    }

    /// What is being done, while no progress can be given.
    pub fn show_waiting(&self, message: impl Into<String>) {
        let message = message.into();
        if self.live {
            self.bar.set_style(ProgressStyle::with_template("{spinner} {msg}").expect("a fixed template"));
            self.bar.enable_steady_tick(Duration::from_millis(120));
            self.bar.set_message(message);
        } else {
            eprintln!("{message}");
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
        if self.live {
            self.bar.disable_steady_tick();
            let template = format!("{doing} {{wide_bar}} {{bytes}}/{{total_bytes}}  {{eta}} left");
            self.bar.set_style(ProgressStyle::with_template(&template).expect("a fixed template"));
            self.bar.set_length(total);
            self.bar.set_position(done);
        }
    }

    pub fn show_phase(&self, contender: u32, phase: Phase, epoch: u32) {
        let what = match phase {
            Phase::Warmup => format!("warmup {epoch}"),
            Phase::Search => format!("search, epoch {epoch}"),
            Phase::Validate => format!("validate, epoch {epoch}"),
            Phase::Select => "select rows".to_owned(),
            Phase::Tune => "tune".to_owned(),
            Phase::Evaluate => self.name_evaluation(epoch),
            Phase::SelfCheck => "self-check".to_owned(),
            Phase::Certify => "certify".to_owned(),
            Phase::Export => "write results".to_owned(),
        };
        if self.live {
            self.bar.set_message(self.name_work(contender, what));
        }
    }

    pub fn show_progress(&self, progress: Progress) {
        if self.live {
            self.bar.disable_steady_tick();
            self.bar.set_style(
                ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} passes  {prefix}")
                    .expect("a fixed template"),
            );
            let left = progress.eta_seconds.map(|s| format!("{} left  ", human_seconds(s))).unwrap_or_default();
            let auc = self.auc.map(|auc| format!("AUC {auc:.4}")).unwrap_or_default();
            self.bar.set_prefix(left + &auc);
            self.bar.set_length(progress.total);
            self.bar.set_position(progress.done);
        }
    }

    pub fn show_epoch(&mut self, row: &EpochRow) {
        self.auc = row.valid.and_then(|valid| valid.auc).or(self.auc);
        if self.quiet {
            return;
        }
        if row.phase == Phase::Certify {
            // Many trainings of many passes: a line for each training.
            if row.pass == 1 {
                let backbone = row.epoch.checked_sub(2).and_then(|number| self.transfer.get(number as usize));
                let backbone = backbone.map(|backbone| format!(" {backbone}")).unwrap_or_default();
                self.print_line(&format!("certify{backbone}: seed {}, {}", row.seed, arm_words(row.arm)));
            }
            return;
        }
        let what = match row.phase {
            Phase::Validate => format!("validate {}, pass {}", row.epoch, row.pass),
            Phase::Evaluate => format!("{}, pass {}", self.name_evaluation(row.epoch), row.pass),
            phase => format!("{} {}", phase.as_str(), row.epoch),
        };
        let longest = self.methods.iter().map(String::len).max().unwrap_or(0);
        let tried = self.transfer.iter().map(|backbone| backbone.as_str().len() + 1).max().unwrap_or(0);
        let width = if self.methods.len() > 2 { longest + tried + 22 } else { 25 + tried };
        self.print_line(&describe_epoch(&self.name_work(row.contender, what), width, row));
    }

    /// A line that stays.
    pub fn print_line(&self, text: &str) {
        if self.live { self.bar.println(text) } else { eprintln!("{text}") }
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

fn describe_epoch(what: &str, width: usize, row: &EpochRow) -> String {
    let metrics = |m: &crate::types::Metrics| match m.auc {
        Some(auc) => format!("AUC {auc:.4}  log-loss {:.4}", m.logloss),
        None => format!("AUC    nan  log-loss {:.4}", m.logloss),
    };
    let mut text = format!("{what:<width$}");
    if let Some(train) = &row.train {
        text += &format!("train {}  ", metrics(train));
    }
    if let Some(valid) = &row.valid {
        text += &format!("valid {}  ", metrics(valid));
    }
    if let Some(kept) = row.kept {
        text += &format!("{} {:.1} %  ", if row.phase == Phase::Search { "selected" } else { "kept" }, 100.0 * kept);
    }
    let digits = if row.seconds < 9.995 { 2 } else { 1 };
    text + &format!("{:.digits$} s", row.seconds)
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
