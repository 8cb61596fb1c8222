//! A job as it was given: nothing here changes while it runs.

use super::clusters::RowClusters;
use super::denoised::DenoisedWriter;
use super::planted::Planted;
use super::tasks::{Contender, Task, find_trainee, list_tasks};
use super::training::Training;
use super::trusted::Trusted;
use crate::backbone::{BackboneConfig, Engines, TrainingData};
use crate::ingest::{Dataset, ReadColumn};
use crate::selection::{Context, SelectError};
use crate::types::{FeatureMap, JudgedRows, KeptShare, Origin, ResolvedSpec, Split};
use std::path::Path;

/// What a run is about.
pub struct RunInput<'a> {
    pub spec: &'a ResolvedSpec,
    /// What the readers of its report call the table and the job.
    pub origin: &'a Origin,
    pub dataset: &'a Dataset,
    pub engines: &'a Engines,
    pub threads: usize,
    /// Noise in the labels of the whole job, and of its self-check.
    pub planted: Option<&'a Planted<'a>>,
    pub check: Option<&'a Planted<'a>>,
    /// Verdicts on the table's test rows before this one.
    pub earlier_reads: u32,
    /// Folder for checkpoints and results.
    pub out_dir: &'a Path,
    /// Reads a column of the table.
    pub read_column: &'a ReadColumn<'a>,
    /// Writes the table without the dropped rows.
    pub denoised: &'a DenoisedWriter<'a>,
}

pub(super) struct Job<'a> {
    pub input: RunInput<'a>,
    pub data: TrainingData<'a>,
    /// The same with the labels of the self-check.
    pub check_data: Option<TrainingData<'a>>,
    pub tasks: Vec<Task>,
    /// What the test rows of a proof are clustered by.
    pub clusters: Option<RowClusters>,
    /// The test rows that a proof holds on.
    pub judged: JudgedRows,
    /// The rows that a rule trusts. Absent: there is no rule.
    pub trusted: Option<Trusted>,
}

/// What every training of a job stands on.
#[derive(Clone, Copy)]
pub(super) struct Ground<'a> {
    pub spec: &'a ResolvedSpec,
    pub map: &'a FeatureMap,
    pub engines: &'a Engines,
    pub threads: usize,
}

/// What the passes of a task are about.
pub(super) struct Work<'j> {
    pub context: Context<'j>,
    pub kind: WorkKind<'j>,
}

pub(super) enum WorkKind<'j> {
    /// A method chooses rows.
    Select,
    /// A backbone is trained.
    Train(Box<Training<'j>>),
}

impl<'a> Job<'a> {
    /// `trusted`: the rows whose labels count in a verdict; absent: all.
    pub fn new(input: RunInput<'a>, trusted: Option<Trusted>) -> Self {
        let (certify, tested) = (input.spec.certify.as_ref(), input.dataset.len(Split::Test));
        let counted = trusted.as_ref().map(|trusted| &trusted.test[..]);
        Self {
            data: input.planted.map_or_else(|| TrainingData::new(input.dataset), Planted::data),
            check_data: input.check.map(Planted::data),
            tasks: list_tasks(input.spec, input.planted.is_some()),
            clusters: certify.and_then(|certify| RowClusters::new(input.dataset, counted, certify.cluster.as_deref())),
            judged: JudgedRows {
                trusted: certify.and_then(|certify| certify.trusted.clone()),
                rows: KeptShare { rows: counted.map_or(tested, <[u32]>::len) as u64, of: tested as u64 },
            },
            trusted,
            input,
        }
    }

    /// The task of this number. After the export there is nothing more to do.
    pub fn task(&self, number: usize) -> Task {
        self.tasks.get(number).copied().unwrap_or(Task::Export)
    }

    /// What the passes of a task work on, and how. An export has no passes.
    pub fn prepare(&self, task: Task) -> Result<Work<'_>, SelectError> {
        let data = match task {
            Task::SelfCheck => self.check_data.as_ref().unwrap_or(&self.data),
            _ => &self.data,
        };
        self.ground().prepare(task, data)
    }

    fn ground(&self) -> Ground<'_> {
        let RunInput { spec, dataset, engines, threads, .. } = self.input;
        Ground { spec, map: &dataset.feature_map, engines, threads }
    }
}

impl<'j> Ground<'j> {
    /// What the passes of a task work on, and how.
    pub fn prepare(self, task: Task, data: &'j TrainingData<'j>) -> Result<Work<'j>, SelectError> {
        let (contender, trainee) = task.subject(self.spec);
        let context = self.make_context(contender, trainee, data)?;
        let kind = match task {
            task if task.chooses_rows(self.spec) => WorkKind::Select,
            Task::Train(..) | Task::SelfCheck | Task::Reselect(_) => {
                WorkKind::Train(Box::new(Training::new(&context)?))
            }
            _ => WorkKind::Train(Box::new(Training::plain())),
        };
        Ok(Work { context, kind })
    }

    fn make_context(
        self,
        contender: Contender,
        trainee: usize,
        data: &'j TrainingData<'j>,
    ) -> Result<Context<'j>, SelectError> {
        let Self { spec, map, engines, threads } = self;
        let method = contender.method(spec);
        let (backbone, options) = find_trainee(spec, method, trainee);
        Ok(Context {
            data,
            map,
            engine: engines.for_model(backbone)?,
            threads,
            contender: contender.number as u32,
            method,
            options,
            config: BackboneConfig::new(backbone, map, options)?,
            seed: contender.seed,
        })
    }
}
