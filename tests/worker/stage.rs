//! A database, a data folder, and workers with a scripted trainer and a scripted ingest.

use crate::common::{self, dataset_spec, feature_map, job_spec, profile, report, tenant};
use autodenoise::{
    certificate::SigningKey,
    config::WorkerConfig,
    files::{Files, Stored},
    store::{JOB_EVENT, datasets, jobs, testing::TestDb},
    trainer::{TrainerCommand, Trainers},
    types::{DatasetId, DatasetStatus, JobId, JobState, ProblemItem, ResolvedSpec, RowError},
    worker::{Encoded, Ingest, IngestFailure, Worker},
};
use bytes::Bytes;
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Stage {
    pub db: TestDb,
    pub files: Files,
    pub config: WorkerConfig,
    /// How often a dataset was read.
    pub reads: Arc<AtomicU32>,
    dir: tempfile::TempDir,
}

pub struct Running {
    pub shutdown: CancellationToken,
    pub task: JoinHandle<()>,
    /// What keeps it from claiming.
    pub unfit: watch::Receiver<Vec<String>>,
}

impl Running {
    /// Waits until it is unfit, and gives the reasons.
    pub async fn until_unfit(&mut self) -> String {
        timeout(PATIENCE, self.unfit.wait_for(|reasons| !reasons.is_empty())).await.unwrap().unwrap().join("; ")
    }

    /// Waits until it claims again.
    pub async fn until_fit(&mut self) {
        timeout(PATIENCE, self.unfit.wait_for(Vec::is_empty)).await.unwrap().unwrap();
    }

    pub async fn stop(self) {
        self.shutdown.cancel();
        timeout(PATIENCE, self.task).await.expect("the worker stops").unwrap();
    }
}

impl Stage {
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::open(&dir.path().join("data")).unwrap();
        std::fs::create_dir(dir.path().join("shared")).unwrap();
        let stage = Self {
            db: TestDb::new().await,
            files,
            config: WorkerConfig {
                slots: 1,
                threads: Some(1),
                lease_seconds: 30.0,
                checkpoint_seconds: 0.0,
                max_attempts: 3,
                retry_seconds: 0.0,
                stall_seconds: 60.0,
                labels: Vec::new(),
                gpus: Some(Vec::new()),
                torch_trainer: None,
                job_max_memory: None,
                table_max_memory: 2 << 30,
                spread: true,
                keep_results_days: None,
            },
            reads: Arc::default(),
            dir,
        };
        let example = report(job_spec(DatasetId::new(), &[]));
        std::fs::write(stage.shared("report.json"), serde_json::to_vec(&example).unwrap()).unwrap();
        stage
    }

    /// A file the test and the trainer share.
    pub fn shared(&self, name: &str) -> PathBuf {
        self.dir.path().join("shared").join(name)
    }

    /// Lets a trainer that waits go on.
    pub fn go(&self) {
        std::fs::write(self.shared("go"), "").unwrap();
    }

    /// Starts a worker whose trainer does `mode`.
    pub fn start(&self, mode: &str) -> Running {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/worker/trainer.py");
        let trainer = TrainerCommand {
            program: "python3".into(),
            args: vec![script.into(), mode.into(), self.dir.path().join("shared").into()],
        };
        self.start_with(trainer)
    }

    pub fn start_with(&self, trainer: TrainerCommand) -> Running {
        let key = Arc::new(SigningKey::ephemeral().unwrap());
        let worker = Worker::new(
            self.db.store.clone(),
            self.files.clone(),
            self.config.clone(),
            Trainers::only(trainer),
            self.ingest(),
            key,
        );
        let shutdown = CancellationToken::new();
        let unfit = worker.watch_fitness();
        let task = tokio::spawn(worker.run(shutdown.clone()));
        Running { shutdown, task, unfit }
    }

    /// Reads any table; one whose label is called `bad` is invalid, `panic` panics, `slow` waits to be stopped.
    fn ingest(&self) -> Arc<Ingest> {
        let reads = self.reads.clone();
        Arc::new(move |source, spec, out, progress| {
            reads.fetch_add(1, Ordering::SeqCst);
            assert_eq!(std::fs::read_to_string(&source.parts[0].path).unwrap(), "user,click\n");
            match spec.label.column.as_str() {
                "bad" => {
                    let rule = "0 or 1".to_owned();
                    let error = RowError { row: 0, part: None, line: None, column: None, value: None, rule };
                    return Err(IngestFailure::Invalid { errors: vec![ProblemItem::Row(error)], total: 5 });
                }
                "panic" => panic!("a bug"),
                "slow" => {
                    while progress(3).is_continue() {
                        std::thread::sleep(Duration::from_millis(5));
                    }
                    return Err(IngestFailure::Stopped);
                }
                _ => {}
            }
            std::fs::create_dir(out).unwrap();
            std::fs::write(out.join("feature_map.json"), "{}").unwrap();
            let spec = autodenoise::types::DatasetSpec { separator: Some(",".to_owned()), ..spec.clone() };
            Ok(Encoded { spec, feature_map: feature_map(), profile: profile() })
        })
    }

    /// Bytes that a client sent, which no row names.
    pub async fn store_upload(&self, content: &'static str) -> Stored {
        let stream = futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::from(content))]);
        let received = self.files.receive(stream, 1000).await.unwrap();
        self.files.prepare_received(&received).await.unwrap();
        self.files.store_received(&received).await.unwrap();
        received.stored.clone()
    }

    /// An uploaded table, not read yet.
    pub async fn upload(&self, label: &str) -> DatasetId {
        let stored = self.store_upload("user,click\n").await;
        let new = datasets::NewDataset {
            sha256: stored.sha256,
            bytes: stored.bytes,
            spec: dataset_spec(label),
            ..common::new_dataset("")
        };
        datasets::create(&mut self.db.store.acquire().await.unwrap(), &new).await.unwrap().row.id
    }

    pub async fn dataset(&self, id: DatasetId) -> datasets::DatasetRow {
        datasets::find(&mut self.db.store.acquire().await.unwrap(), &tenant(), id).await.unwrap().unwrap()
    }

    /// Waits until the dataset has left `status`. There are no events of datasets to wait for.
    pub async fn dataset_after(&self, status: DatasetStatus, id: DatasetId) -> datasets::DatasetRow {
        let waiting = async {
            loop {
                let row = self.dataset(id).await;
                if row.status != status {
                    return row;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, waiting).await.expect("the dataset is read")
    }

    /// A job of a dataset a worker has read.
    pub async fn queue_job(&self) -> JobId {
        self.queue_job_with(|_| {}).await
    }

    pub async fn queue_job_with(&self, change: impl FnOnce(&mut ResolvedSpec)) -> JobId {
        let dataset = self.upload("click").await;
        let reader = self.start("succeed");
        assert_eq!(self.dataset_after(DatasetStatus::Processing, dataset).await.status, DatasetStatus::Ready);
        reader.stop().await;
        let mut spec = job_spec(dataset, &[]);
        change(&mut spec);
        common::create_job(&self.db.store, &spec).await
    }

    pub async fn job(&self, id: JobId) -> jobs::JobRow {
        common::find_job(&self.db.store, id).await
    }

    /// Waits for events until the job is as wanted.
    pub async fn until(&self, id: JobId, wanted: impl Fn(&jobs::JobRow) -> bool) -> jobs::JobRow {
        let mut listener = self.db.store.listen(&[JOB_EVENT]).await.unwrap();
        let waiting = async {
            loop {
                let row = self.job(id).await;
                if wanted(&row) {
                    return row;
                }
                listener.try_recv().await.unwrap();
            }
        };
        match timeout(PATIENCE, waiting).await {
            Ok(row) => row,
            Err(_) => panic!("waited in vain; the job is {:?}", self.job(id).await),
        }
    }

    pub async fn until_ended(&self, id: JobId) -> jobs::JobRow {
        self.until(id, |row| row.state.is_terminal()).await
    }

    /// Waits until the trainer of an attempt hangs.
    pub async fn until_hanging(&self, id: JobId, attempt: i32) {
        self.until(id, |row| row.state == JobState::Running && row.attempt == attempt && row.phase.is_some()).await;
    }

    /// Waits until the trainer of an attempt and its child are gone.
    pub async fn until_dead(&self, attempt: i32) {
        let pids = std::fs::read_to_string(self.shared(&format!("pids-{attempt}"))).unwrap();
        for pid in pids.split(' ') {
            let gone = async {
                // A zombie is dead too; who reaps it is not ours to say.
                while std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            timeout(PATIENCE, gone).await.expect("the process is gone");
        }
    }
}
