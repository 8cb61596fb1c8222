//! What a judge does: arms out, predictions in, a verdict.

use crate::certificate::describe_job;
use crate::evaluate::{
    OutsideProof, OutsideRun, Predictions, changes_rows, list_outside_runs, read_choice, read_rows_to_show,
    with_arm_rows, write_npy,
};
use crate::ingest::{Dataset, RowMark, column_reader};
use crate::judge::{JobResults, REPORT, put_verdict};
use crate::predictions::read_predictions;
use crate::report::{Heading, PAGE, report_page};
use crate::selection::Selected;
use crate::types::{Arm, Certification, JudgementManifest, Split, TableSource, Training};
use crate::worker::{JudgeAnswer, JudgeFailure, JudgeStep, JudgeTask, PredictionFiles};
use std::{
    collections::{BTreeMap, HashMap},
    fmt::Display,
    fs::File,
    io,
    path::Path,
};

/// Names of the rows to predict.
const VALID: &str = "valid";
const TEST: &str = "test";

pub(super) fn carry_out(task: &JudgeTask) -> Result<JudgeAnswer, JudgeFailure> {
    let dataset = Dataset::open(&task.dataset).map_err(failed)?;
    let results = JobResults::open(&task.results).map_err(refused)?;
    results.check_dataset(&dataset.profile.digest).map_err(refused)?;
    let own = read_choice(&task.results, &dataset).map_err(refused)?;
    let inputs = Inputs { task, dataset: &dataset, results: &results, own: &own };
    match &task.step {
        JudgeStep::HandOut => inputs.hand_out(),
        JudgeStep::Judge { model, earlier_reads, predictions } => {
            inputs.judge(model.clone(), *earlier_reads, predictions)
        }
    }
}

/// No other try can do better.
fn refused(error: impl Display) -> JudgeFailure {
    JudgeFailure::Refused(error.to_string())
}

/// Another try may do better.
fn failed(error: impl Display) -> JudgeFailure {
    JudgeFailure::Failed(error.to_string())
}

/// What both steps are about.
struct Inputs<'a> {
    task: &'a JudgeTask,
    dataset: &'a Dataset,
    results: &'a JobResults,
    /// What the job's method chose.
    own: &'a Selected,
}

impl Inputs<'_> {
    /// The trainings of the proof; none where the method changed nothing.
    fn runs(&self) -> Vec<OutsideRun> {
        match changes_rows(self.dataset, self.own) {
            true => list_outside_runs(self.results.report.spec.seed, &self.task.certify),
            false => Vec::new(),
        }
    }

    fn begin_proof(&self) -> Result<OutsideProof<'_>, JudgeFailure> {
        let source = self.task.source.clone().unwrap_or_else(|| TableSource::from(Path::new("")));
        let read_column = column_reader(&source, &self.task.spec);
        let (spec, asked) = (&self.results.report.spec, &self.task.certify);
        OutsideProof::new(self.dataset, spec, asked, &*read_column).map_err(refused)
    }

    fn hand_out(&self) -> Result<JudgeAnswer, JudgeFailure> {
        // What cannot be shown is said before anybody trains.
        self.begin_proof()?;
        let mut out = Files { folder: &self.task.out, names: Vec::new() };
        let [test, valid] = [Split::Test, Split::Valid].map(|split| self.dataset.split(split).rows);
        out.write(TEST, test)?;
        out.write(VALID, valid)?;
        let mut arms: HashMap<String, Training> = HashMap::new();
        let mut trainings = Vec::new();
        for run in self.runs() {
            // The same rows are written once.
            let name = match run.arm {
                Arm::Random => name_run(run),
                arm => arm.as_str().to_owned(),
            };
            let arm = match arms.get(&name) {
                Some(arm) => arm.clone(),
                None => self.write_arm(&mut out, run, &name)?,
            };
            trainings.push(Training { name: name_run(run), arm: run.arm, seed: run.seed, ..arm.clone() });
            arms.insert(name, arm);
        }
        let manifest = JudgementManifest { trainings, test_rows: test.len() as u64, valid_rows: valid.len() as u64 };
        Ok(JudgeAnswer::HandedOut { manifest, files: out.names })
    }

    /// Writes the rows of an arm, and what they are trained on where that is not their labels alone.
    fn write_arm(&self, out: &mut Files, run: OutsideRun, name: &str) -> Result<Training, JudgeFailure> {
        let train = self.dataset.split(Split::Train).rows;
        let (rows, marks) = with_arm_rows(self.dataset, self.own, run, |changes| {
            let rows: Vec<u32> = train.iter().copied().filter(|row| !(changes.dropped)(*row)).collect();
            let marks: Option<Vec<RowMark>> = changes.marks.map(|mark| rows.iter().map(|row| mark(*row)).collect());
            (rows, marks)
        });
        out.write(name, &rows)?;
        let (mut targets, mut weights) = (None, None);
        if let Some(marks) = marks {
            let names = ["targets", "weights"].map(|what| format!("{name}-{what}"));
            out.write(&names[0], &marks.iter().map(|mark| mark.target).collect::<Vec<_>>())?;
            out.write(&names[1], &marks.iter().map(|mark| mark.weight).collect::<Vec<_>>())?;
            [targets, weights] = names.map(Some);
        }
        Ok(Training { name: name_run(run), arm: run.arm, seed: run.seed, rows: name.to_owned(), targets, weights })
    }

    fn judge(
        &self,
        model: String,
        earlier_reads: u32,
        predictions: &[PredictionFiles],
    ) -> Result<JudgeAnswer, JudgeFailure> {
        let by_training: BTreeMap<&str, &PredictionFiles> =
            predictions.iter().map(|files| (&files.training[..], files)).collect();
        let read = |path: &Path, split| read_predictions(path, self.dataset.len(split)).map_err(refused);
        let mut proof = self.begin_proof()?;
        for run in self.runs() {
            let name = name_run(run);
            let files = by_training.get(&name[..]);
            let files = files.ok_or_else(|| JudgeFailure::Refused(format!("there are no predictions of {name}")))?;
            let valid = files.valid.as_deref().map(|path| read(path, Split::Valid));
            let predictions =
                Predictions { test: read(&files.test, Split::Test)?, valid: valid.transpose()?, seconds: None };
            proof.add(run, &predictions).map_err(refused)?;
        }
        let reads = proof.reads();
        let certification = proof.certify(model, self.results.report.kept, earlier_reads);
        self.write_report(certification, reads)
    }

    /// Writes the report and its page, with a verdict for which the test labels were read so often.
    fn write_report(&self, certification: Certification, reads: u64) -> Result<JudgeAnswer, JudgeFailure> {
        let mut report = self.results.report.clone();
        put_verdict(&mut report, self.task.certify.clone(), certification.clone(), reads);
        let shown = read_rows_to_show(&self.task.results, &report).map_err(failed)?;
        let out = &self.task.out;
        let text = serde_json::to_vec_pretty(&report).expect("a report is plain data");
        std::fs::write(out.join(REPORT), text).map_err(failed)?;
        // The passes of the job's search are not among its results.
        let heading = Heading::new(&self.task.origin, &self.dataset.profile);
        std::fs::write(out.join(PAGE), report_page(&report, heading, &shown, &[])).map_err(failed)?;
        let artifacts = self.results.digests_with_report(out).map_err(failed)?;
        let job = self.results.certificate.job_id;
        let certificate = describe_job(job, &report.spec, &report, self.results.source_digest(), artifacts);
        Ok(JudgeAnswer::Judged { certification: Box::new(certification), certificate: Box::new(certificate) })
    }
}

fn name_run(run: OutsideRun) -> String {
    format!("{}-{}", run.arm.as_str(), run.seed)
}

/// Arrays that are handed out.
struct Files<'a> {
    folder: &'a Path,
    names: Vec<String>,
}

impl Files<'_> {
    fn write<T: npyz::AutoSerialize + Copy>(&mut self, name: &str, values: &[T]) -> Result<(), JudgeFailure> {
        let write = || -> io::Result<()> {
            let mut file = File::create_new(self.folder.join(format!("{name}.npy")))?;
            write_npy(&mut file, values)
        };
        write().map_err(failed)?;
        self.names.push(name.to_owned());
        Ok(())
    }
}
