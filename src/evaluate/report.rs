//! The report of a job that is done.

use super::artifacts::ExportError;
use super::book::{Book, shares};
use super::choice::Choice;
use super::engines::describe_engines;
use super::guard::measure_slices;
use super::job::Job;
use super::names::name_values;
use super::proof::Trial;
use super::relabelling::RelabelCounts;
use super::state::State;
use super::table::{list_arms, make_table};
use super::tasks::{Task, find_trainee};
use super::tune::{Tunee, find_student};
use super::verdict::{certify_gains, give_verdicts, list_certified_arms};
use crate::ingest::Dataset;
use crate::types::{Arm, Certification, Findings, KeptShare, LabelColumns, Report, TestRead, Verdict, Warning};

/// `counts` are the rows of the choice that are changed, `label_columns` those of the denoised table that say so.
pub(super) fn make_report(
    job: &Job,
    state: &State,
    choice: &Choice,
    counts: RelabelCounts,
    label_columns: Option<LabelColumns>,
) -> Result<Report, ExportError> {
    let (input, book, own) = (&job.input, &state.book, state.outcome.own.as_ref());
    let labels = job.data.train.labels;
    let [kept, kept_positive, kept_negative] = shares(labels, own.map(|own| &own.kept[..]));
    let (certification, transfers) = make_certifications(job, book, [kept.rows, kept.of]).unzip();
    let table = make_table(input.spec, &book.results);
    let guard = choice.drops_rows().then(|| measure_slices(input.dataset, labels, &choice.kept));
    Ok(Report {
        spec: input.spec.clone(),
        device: input.engines.device_name(),
        engine: describe_engines(input.engines, input.spec),
        threads: input.threads,
        kept,
        kept_positive,
        kept_negative,
        kept_valid: own.filter(|own| !own.left_out.is_empty()).map(|own| {
            let of = job.data.valid.len();
            KeptShare { rows: (of - own.left_out.len()) as u64, of: of as u64 }
        }),
        relabelled: counts.relabelled,
        softened: counts.softened,
        reweighted: counts.reweighted,
        label_columns,
        best_epoch: own.and_then(|own| own.note.best_epoch),
        arms: list_arms(input.spec, &table),
        table,
        verdict: certification.as_ref().map_or(Verdict::NotEvaluated, |own| own.verdict),
        certification,
        transfers: transfers.unwrap_or_default(),
        tuned: book.tuned.iter().map(|tuned| tuned.student.clone()).collect(),
        self_check: book.self_check.clone(),
        findings: own
            .and_then(|own| own.note.findings.clone())
            .map(|found| name_examples(input.dataset, found))
            .transpose()?,
        guard: guard.transpose()?,
        stability: choice.votes.as_ref().map(|(stability, _)| stability.clone()),
        oracle: book.oracle.clone(),
        test_reads: book.test_reads,
        warnings: skipped_rows(input.dataset).into_iter().chain(book.warnings.iter().cloned()).collect(),
        seconds: book.spent.seconds,
        peak_memory_bytes: peak_memory(),
    })
}

/// Says that rows of the table could not be read, where that is so: nothing of the report is of them.
fn skipped_rows(dataset: &Dataset) -> Option<Warning> {
    let message = dataset.profile.skipped.describe()?;
    Some(Warning { code: "bad_rows_skipped".to_owned(), contender: 0, message })
}

/// What the proof came to, where the job asked for one: for its own backbone, and for those of a transfer. `kept` of `all`
/// training rows were kept.
fn make_certifications(job: &Job, book: &Book, [kept, all]: [u64; 2]) -> Option<(Certification, Vec<Certification>)> {
    let (spec, clusters) = (job.input.spec, job.clusters.as_ref());
    let asked = spec.certify.as_ref()?;
    let rows = |arm| if matches!(arm, Arm::Full | Arm::Untuned) { all } else { kept };
    let certify = |number: usize| {
        let row_errors = |over| {
            let part = book.row_parts.iter().find(|part| part.trainee == number && part.over == over);
            part.map(|part| part.errors).unwrap_or_default()
        };
        let (backbone, options) = find_trainee(spec, &spec.method, number);
        let trained_with = |arm| {
            let task = Task::Certify(Trial { trainee: number, number: 0, arm });
            let tuned = Tunee::of(task, spec).and_then(|(tunee, _)| find_student(&book.tuned, tunee));
            Some(tuned.map_or((options.weight_decay, options.patience), |tuned| (tuned.weight_decay, tuned.patience)))
        };
        let arms = list_certified_arms(&book.proven, number, &rows, &trained_with);
        let clusters = clusters.map(|by| by.clusters.clone());
        let judged = Some(job.judged.clone());
        let read = TestRead::new(job.input.earlier_reads + 1, asked.alpha);
        Certification { clusters, judged, ..certify_gains(asked, read, backbone, arms, &row_errors) }
    };
    let mut own = certify(0);
    let mut transfers: Vec<_> = (1..=spec.transfer.len()).map(certify).collect();
    give_verdicts(&mut own, &mut transfers);
    Some((own, transfers))
}

/// Findings with the names of their examples.
fn name_examples(dataset: &Dataset, mut findings: Findings) -> Result<Findings, ExportError> {
    let examples = || findings.corruptions.iter().flat_map(|found| &found.examples);
    let names = name_values(dataset, &examples().flat_map(|example| example.ids.iter().copied()).collect())?;
    for example in findings.corruptions.iter_mut().flat_map(|found| &mut found.examples) {
        example.names = example.ids.iter().map(|id| names.get(id).cloned().unwrap_or_default()).collect();
    }
    Ok(findings)
}

/// The most memory this process has had resident, in bytes; absent where the system does not say.
fn peak_memory() -> Option<u64> {
    // SAFETY: all zero is a valid `rusage`, and the call only fills it.
    let (status, usage) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        (libc::getrusage(libc::RUSAGE_SELF, &mut usage), usage)
    };
    // Linux counts in KiB.
    (status == 0 && cfg!(target_os = "linux")).then(|| usage.ru_maxrss as u64 * 1024)
}
