//! What several tests make: datasets and jobs for those of the store and the worker, requests of uploads in parts.

#![allow(dead_code, reason = "each test binary uses a part")]

pub mod tus;

use autodenoise::{
    store::{Store, datasets, endings, ingest_queue, jobs, queue},
    types::{
        Ability, Arm, ArmResult, DatasetFacts, DatasetId, DatasetSpec, EpochRow, FeatureMap, Field, FieldKind, JobId,
        JobSpec, JobState, KeptShare, LabelRule, Metrics, Phase, Profile, Report, ResolvedSpec, RunResult, SkippedRows,
        SplitCounts, TableLine, TenantId, Verdict, Vocabulary,
    },
};
use serde_json::json;
use std::{collections::BTreeMap, time::Duration};

pub const LEASE: Duration = Duration::from_secs(30);
pub const MAX_DEATHS: i32 = 3;
/// Tried again at once.
pub const RETRIES: endings::Retries = endings::Retries { max_deaths: MAX_DEATHS, pause: Duration::ZERO };

/// Whose things are, where nothing else is said.
pub fn tenant() -> TenantId {
    TenantId::default()
}

pub fn dataset_spec(label: &str) -> DatasetSpec {
    serde_json::from_value(json!({"label": label})).unwrap()
}

pub fn feature_map() -> FeatureMap {
    FeatureMap {
        fields: vec![Field {
            name: "user".to_owned(),
            column: "user".to_owned(),
            kind: FieldKind::Category,
            cardinality: 2,
            offset: 0,
            unknown: Some(0),
            padding: None,
        }],
        total_cardinality: 2,
        rows: SplitCounts { train: 8, valid: 1, test: 1 },
        label: LabelRule { column: "click".to_owned(), rule: None },
        vocabulary: Vocabulary::Train,
        time: None,
    }
}

pub fn profile() -> Profile {
    Profile {
        rows: SplitCounts { train: 8, valid: 1, test: 1 },
        positives: SplitCounts { train: 4, valid: 1, test: 0 },
        duplicate_rows: 0,
        contradicting_rows: 0,
        unknown_cells: BTreeMap::new(),
        columns: vec!["user".to_owned(), "click".to_owned()],
        fields: vec![],
        skipped: SkippedRows::default(),
        notes: vec![],
        warnings: vec![],
        parts: vec![],
        bytes: 20,
        digest: "d1".to_owned(),
    }
}

pub fn new_dataset(content: &str) -> datasets::NewDataset {
    datasets::NewDataset {
        tenant: tenant(),
        name: Some("clicks".to_owned()),
        sha256: format!("{:0>64}", content.bytes().map(|byte| format!("{byte:02x}")).collect::<String>()),
        bytes: content.len() as u64,
        parts: vec![],
        spec: dataset_spec("click"),
        media_type: Some("text/csv".to_owned()),
        file_name: None,
    }
}

/// A dataset that was read.
pub async fn ready_dataset(store: &Store, content: &str) -> DatasetId {
    let conn = &mut *store.acquire().await.unwrap();
    let id = datasets::create(conn, &new_dataset(content)).await.unwrap().row.id;
    let claimed = ingest_queue::claim(conn, "reader", LEASE).await.unwrap().unwrap();
    assert_eq!(claimed.lease.dataset, id);
    ingest_queue::finish_ready(conn, &claimed.lease, &claimed.spec, &feature_map(), &profile()).await.unwrap();
    id
}

pub fn job_spec(dataset: DatasetId, labels: &[(&str, &str)]) -> ResolvedSpec {
    let spec = JobSpec {
        labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        ..serde_json::from_value(json!({"dataset_id": dataset})).unwrap()
    };
    spec.resolve(&DatasetFacts { digest: "d1".to_owned(), ..DatasetFacts::default() }).unwrap()
}

pub async fn create_job(store: &Store, spec: &ResolvedSpec) -> JobId {
    let mut tx = store.begin().await.unwrap();
    let creation = jobs::create(&mut tx, &tenant(), spec, None, None).await.unwrap();
    tx.commit().await.unwrap();
    match creation {
        jobs::Creation::New(row) => row.id,
        other => panic!("{other:?}"),
    }
}

/// A job in the queue, of a dataset of its own.
pub async fn queued_job(store: &Store) -> JobId {
    let dataset = ready_dataset(store, &uuid::Uuid::now_v7().simple().to_string()).await;
    create_job(store, &job_spec(dataset, &[])).await
}

pub async fn claim(store: &Store, worker: &str) -> Option<queue::ClaimedJob> {
    claim_for(store, worker, LEASE).await
}

pub async fn claim_for(store: &Store, worker: &str, lease: Duration) -> Option<queue::ClaimedJob> {
    queue::claim(&mut store.acquire().await.unwrap(), worker, &Ability::default(), lease).await.unwrap()
}

/// Ends the claims that ran out.
pub async fn recover(store: &Store) -> Vec<(JobId, JobState)> {
    let conn = &mut *store.acquire().await.unwrap();
    let now = sqlx::query_scalar("select clock_timestamp()").fetch_one(&mut *conn).await.unwrap();
    endings::recover_expired(conn, now, RETRIES).await.unwrap()
}

pub async fn find_job(store: &Store, id: JobId) -> jobs::JobRow {
    jobs::find(&mut store.acquire().await.unwrap(), &tenant(), id).await.unwrap().unwrap()
}

/// Types of the job's events, in order; fails where their numbers have a gap.
pub async fn event_types(store: &Store, id: JobId) -> Vec<String> {
    let rows =
        autodenoise::store::events::list(&mut store.acquire().await.unwrap(), &tenant(), id, 0, 10_000).await.unwrap();
    for (index, row) in rows.iter().enumerate() {
        assert_eq!(row.seq, index as i64 + 1);
    }
    rows.into_iter().map(|row| row.kind).collect()
}

pub fn metrics() -> Metrics {
    Metrics { auc: Some(0.75), logloss: 0.5, clipped: 2 }
}

pub fn epoch(epoch: u32) -> EpochRow {
    EpochRow {
        contender: 0,
        arm: Arm::Denoised,
        seed: 42,
        phase: Phase::Search,
        epoch,
        pass: 1,
        seconds: 1.5,
        train: Some(metrics()),
        valid: None,
        kept: Some(0.98),
        reward_mean: Some(0.1),
        reward_std: Some(0.2),
        skipped_updates: Some(0),
    }
}

pub fn report(spec: ResolvedSpec) -> Report {
    let kept = KeptShare { rows: 7, of: 8 };
    let arm = ArmResult {
        arm: Arm::Full,
        seed: 42,
        train_rows: 8,
        passes: 3,
        best_pass: 2,
        valid: metrics(),
        test: metrics(),
        seconds: 3.0,
    };
    let run = RunResult {
        seed: 42,
        kept,
        kept_positive: kept,
        kept_negative: kept,
        best_epoch: None,
        trained_rows: 8,
        passes: 3,
        best_pass: 2,
        valid: metrics(),
        test: metrics(),
        calibration: None,
        as_selected: None,
        found: None,
        select_seconds: 1.0,
        train_seconds: 3.0,
    };
    let line = |contender| TableLine {
        contender,
        method: spec.contenders()[contender as usize].name(),
        label: spec.contenders()[contender as usize].label.clone(),
        chosen_with: spec.method.backbone,
        backbone: spec.method.backbone,
        runs: vec![run.clone()],
    };
    Report {
        table: vec![line(0), line(1)],
        spec,
        device: "cpu".to_owned(),
        engine: "fused".to_owned(),
        threads: 1,
        kept,
        kept_positive: kept,
        kept_negative: kept,
        kept_valid: None,
        relabelled: 0,
        softened: 0,
        reweighted: 0,
        label_columns: None,
        best_epoch: Some(1),
        arms: vec![arm.clone(), ArmResult { arm: Arm::Denoised, ..arm }],
        test_reads: 2,
        warnings: vec![],
        seconds: 9.0,
        peak_memory_bytes: None,
        verdict: Verdict::NotEvaluated,
        certification: None,
        transfers: Vec::new(),
        tuned: Vec::new(),
        self_check: None,
        findings: None,
        guard: None,
        stability: None,
        oracle: Vec::new(),
    }
}
