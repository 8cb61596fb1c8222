//! Which jobs make a table: each line of the table names the job whose report has its numbers, and the line of that
//! report. A job is run once for all lines and tables that need it, such as AutoDenoise with DeepFM.

use super::{
    protocol::Protocol,
    published::{PAPER_BACKBONES, Published, published, transferred},
    settings::Settings,
    target::Target,
};
use crate::types::{BackboneKind, DatasetId, JobSpec, MethodName, MethodSpec, Report, TableLine};
use serde_json::{Map, Value, json};

/// A line of a table, and where its numbers come from.
#[derive(Debug, Clone)]
pub struct PlannedLine {
    pub title: String,
    pub backbone: BackboneKind,
    pub method: MethodName,
    /// Whether the paper has such a line.
    pub in_paper: bool,
    pub published: Option<Published>,
    /// Position of the line it is compared with: training on all rows.
    pub against: Option<usize>,
    /// Option and value, in a sweep.
    pub point: Option<(&'static str, f64)>,
    job: Job,
    pick: Pick,
}

/// Which line of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pick {
    /// The job's own method.
    Own,
    /// All rows.
    Reference,
}

/// A job, without what the protocol decides.
#[derive(Debug, Clone)]
struct Job {
    method: MethodName,
    backbone: BackboneKind,
    options: Map<String, Value>,
    transfer: Vec<BackboneKind>,
}

const DEEPFM: BackboneKind = BackboneKind::DeepFm;
/// Figure 4.
const WARMUPS: [u32; 5] = [2, 3, 4, 5, 6];
const RATIOS: [f64; 5] = [0.95, 0.96, 0.97, 0.98, 0.99];
const DEFAULT_WARMUP: u32 = 4;
const DEFAULT_RATIO: f64 = 0.98;

/// The lines of a table or figure, in order; for the case study, what it needs to be trained.
pub fn lines(target: Target, settings: &Settings) -> Vec<PlannedLine> {
    let mut plan = Plan { settings, lines: Vec::new() };
    match target {
        Target::Table1 => plan.add_table1(),
        Target::Table2 => plan.add_table2(),
        Target::Table3 => plan.add_table3(),
        Target::Figure3 => plan.add_figure3(),
        Target::Figure4 => plan.add_figure4(),
        Target::CaseStudy => plan.add_case_study(),
    }
    plan.lines
}

struct Plan<'s> {
    settings: &'s Settings,
    lines: Vec<PlannedLine>,
}

impl Plan<'_> {
    fn add_table1(&mut self) {
        for backbone in self.settings.backbones.clone() {
            let job = Job::new(MethodName::Autodenoise, backbone);
            let without = self.add_reference(backbone, &job);
            self.add_own(format!("{} w", title_of(backbone)), &job, without);
        }
    }

    fn add_table2(&mut self) {
        use MethodName::*;
        let autodenoise = Job::new(Autodenoise, DEEPFM);
        let without = self.add_reference(DEEPFM, &autodenoise);
        for method in [Drop3, Bdis, Lsbo, Lssm] {
            self.add_own(method.title().to_owned(), &Job::new(method, DEEPFM), without);
        }
        for method in [TCe, RCe] {
            let title = method.title();
            self.add_own(format!("{title}, explicit"), &Job::new(method, DEEPFM), without);
            if let Some((user, item)) = &self.settings.user_item {
                let options = json!({"ce_data": "sampled", "user_column": user, "item_column": item});
                self.add_own(format!("{title}, sampled"), &Job::new(method, DEEPFM).with_options(options), without);
            }
        }
        self.add_own(Autodenoise.title().to_owned(), &autodenoise, without);
        for method in [RandomDrop, LossDrop, Enn, Cnn, ConfidentLearning] {
            self.add_own(method.title().to_owned(), &Job::new(method, DEEPFM), without);
            self.last_line().in_paper = false;
        }
        // A control: like AutoDenoise it chooses the best of T subsets, but the subsets are random.
        let tries = self.settings.epochs();
        let tried = Job::new(RandomDrop, DEEPFM).with_options(json!({"tries": tries}));
        self.add_own(format!("random drop, best of {tries}"), &tried, without);
        self.last_line().in_paper = false;
    }

    fn add_table3(&mut self) {
        let others: Vec<_> = self.settings.backbones.iter().copied().filter(|kind| *kind != DEEPFM).collect();
        let job = Job { transfer: others.clone(), ..Job::new(MethodName::Autodenoise, DEEPFM) };
        for backbone in others {
            let normal = self.add_reference(backbone, &job);
            self.add_own(format!("{} AutoDenoise", title_of(backbone)), &job, normal);
            let published = transferred(self.settings.dataset, backbone);
            let line = self.last_line();
            (line.backbone, line.published) = (backbone, published);
        }
    }

    fn add_figure3(&mut self) {
        for backbone in self.settings.backbones.clone() {
            let job = Job::new(MethodName::Autodenoise, backbone);
            let without = self.add_reference(backbone, &job);
            let name = title_of(backbone);
            self.add_own(format!("{name} AutoDenoise-v"), &Job::new(MethodName::AutodenoiseV, backbone), without);
            self.add_own(format!("{name} AutoDenoise"), &job, without);
        }
    }

    fn add_figure4(&mut self) {
        let job = Job::new(MethodName::Autodenoise, DEEPFM);
        let without = self.add_reference(DEEPFM, &job);
        for epochs in WARMUPS {
            self.add_own(format!("C = {epochs}"), &job.clone().with_options(json!({"warmup_epochs": epochs})), without);
            self.make_point(("warmup_epochs", epochs.into()), epochs == DEFAULT_WARMUP);
        }
        for ratio in RATIOS {
            self.add_own(format!("ratio {ratio}"), &job.clone().with_options(json!({"select_ratio": ratio})), without);
            self.make_point(("select_ratio", ratio), ratio == DEFAULT_RATIO);
        }
    }

    fn add_case_study(&mut self) {
        let job = Job::new(MethodName::Autodenoise, DEEPFM);
        let without = self.add_reference(DEEPFM, &job);
        self.add_own(MethodName::Autodenoise.title().to_owned(), &job, without);
    }

    /// Adds the line of training on all rows; returns its position.
    fn add_reference(&mut self, backbone: BackboneKind, job: &Job) -> Option<usize> {
        let word = if job.transfer.is_empty() { "w/o" } else { "normal" };
        let method = MethodName::None;
        self.lines.push(PlannedLine {
            title: format!("{} {word}", title_of(backbone)),
            backbone,
            method,
            in_paper: PAPER_BACKBONES.contains(&backbone),
            published: published(self.settings.dataset, backbone, method),
            against: None,
            point: None,
            job: job.clone(),
            pick: Pick::Reference,
        });
        Some(self.lines.len() - 1)
    }

    /// Adds a line of a job's own method.
    fn add_own(&mut self, title: String, job: &Job, against: Option<usize>) {
        self.lines.push(PlannedLine {
            title,
            backbone: job.backbone,
            method: job.method,
            in_paper: PAPER_BACKBONES.contains(&job.backbone),
            published: published(self.settings.dataset, job.backbone, job.method),
            against,
            point: None,
            job: job.clone(),
            pick: Pick::Own,
        });
    }

    /// Makes the last line a point of a sweep. The paper prints a number only for the default setting, in table 1.
    fn make_point(&mut self, point: (&'static str, f64), default: bool) {
        let line = self.last_line();
        line.point = Some(point);
        line.published = line.published.filter(|_| default);
    }

    fn last_line(&mut self) -> &mut PlannedLine {
        self.lines.last_mut().expect("a line was just added")
    }
}

impl Job {
    fn new(method: MethodName, backbone: BackboneKind) -> Self {
        Self { method, backbone, options: Map::new(), transfer: Vec::new() }
    }

    fn with_options(mut self, options: Value) -> Self {
        if let Value::Object(options) = options {
            self.options.extend(options);
        }
        self
    }
}

impl PlannedLine {
    /// The job of this line by a protocol.
    pub fn spec(&self, protocol: Protocol, settings: &Settings) -> JobSpec {
        let Job { method, backbone, options, transfer } = &self.job;
        let mut all = protocol.options(*method);
        all.extend(settings.options_of(*method));
        all.extend(options.clone());
        settings.drop_presets(*backbone, &mut all);
        let method = MethodSpec { name: *method, preset: settings.preset, backbone: *backbone, options: all };
        // The same for every run of the command, so that a finished job is recognised.
        let dataset = DatasetId(uuid::Uuid::nil());
        JobSpec {
            transfer: transfer.clone(),
            seed: settings.seed,
            seeds: settings.seeds,
            tuning: settings.tuning.clone(),
            device: settings.device,
            engine: settings.engine,
            ..JobSpec::of(dataset, method)
        }
    }

    /// This line's numbers in its job's report.
    pub fn find_line<'r>(&self, report: &'r Report) -> Option<&'r TableLine> {
        report.table.iter().find(|line| {
            line.backbone == self.backbone
                && match self.pick {
                    Pick::Own => line.contender == 0,
                    Pick::Reference => line.method == MethodName::None,
                }
        })
    }

    /// What the job does, in a few words.
    fn job_title(&self) -> String {
        let options = self.job.options.iter().map(|(key, value)| format!(", {key} = {}", word(value)));
        format!("{} with {}{}", self.job.method, self.job.backbone, options.collect::<String>())
    }
}

/// A job that one line or several need.
#[derive(Debug, Clone)]
pub struct PlannedJob {
    pub title: String,
    /// What its files are called.
    pub name: String,
    pub protocol: Protocol,
    pub spec: JobSpec,
}

/// The jobs of these lines, each once, one protocol after the other.
pub fn jobs(lines: &[PlannedLine], protocols: &[Protocol], settings: &Settings) -> Vec<PlannedJob> {
    let mut jobs: Vec<PlannedJob> = Vec::new();
    for protocol in protocols {
        for line in lines {
            let spec = line.spec(*protocol, settings);
            if !jobs.iter().any(|job| job.spec == spec) {
                let Job { method, backbone, .. } = &line.job;
                let name = format!("{method}-{backbone}-{}", protocol.word());
                jobs.push(PlannedJob { title: line.job_title(), name, protocol: *protocol, spec });
            }
        }
    }
    jobs
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The paper's name of a backbone, or ours.
fn title_of(backbone: BackboneKind) -> &'static str {
    let paper = ["FM", "Wide & Deep", "DCN", "IPNN", "DeepFM"];
    let found = PAPER_BACKBONES.iter().zip(paper).find(|(kind, _)| **kind == backbone);
    found.map_or(backbone.as_str(), |(_, title)| title)
}
