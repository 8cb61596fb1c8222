//! `denoise` that ends before its time: what it says, and that the run goes on to the same bytes, or is refused with what changed.

mod harness;

use harness::{BIN, autodenoise, autodenoise_ok, clicks, scratch};
use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Many short passes, and a checkpoint behind each.
const JOB: &str = "--label click --split-column split --exclude timestamp --method random_drop --backbone fm --seed 7 \
                   -O retrain_max_epoch=3 --certify-seeds 5 --tune off --if-refused kept --threads 1 --checkpoint-seconds 0";

struct World {
    dir: tempfile::TempDir,
    table: PathBuf,
}

impl World {
    fn new() -> Self {
        let dir = scratch();
        let table = clicks(dir.path(), 120, 100);
        fs::create_dir(dir.path().join("work")).unwrap();
        Self { dir, table }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The command of the job that writes into the folder of this name.
    fn command(&self, name: &str, more: &[&str]) -> Command {
        let folder = self.path(name);
        fs::create_dir_all(&folder).unwrap();
        let mut command = Command::new(BIN);
        command.arg("denoise").arg(&self.table).args(JOB.split_whitespace());
        command.arg("-o").arg(folder.join("clean.csv")).arg("--results").arg(folder.join("results"));
        command.arg("--work-dir").arg(self.path("work")).args(more);
        command
    }

    /// Runs the command until the trainer has written so many checkpoints that it must have gone on from one in between.
    #[expect(clippy::zombie_processes, reason = "whoever is handed the child waits for it")]
    fn run_to_checkpoint(&self, mut command: Command) -> (Child, PathBuf) {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            assert!(Instant::now() < deadline, "no checkpoint in two minutes");
            if let Some(folder) = self.folders().into_iter().find(|folder| count_checkpoints(folder) > 1) {
                return (child, folder);
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Folders that runs work in.
    fn folders(&self) -> Vec<PathBuf> {
        let below_work = fs::read_dir(self.path("work")).unwrap().map(|entry| entry.unwrap().path());
        below_work.chain([self.path("run")]).filter(|folder| folder.join("out").exists()).collect()
    }
}

fn count_checkpoints(folder: &Path) -> usize {
    let Ok(entries) = fs::read_dir(folder.join("out")) else { return 0 };
    entries.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("checkpoint-")).count()
}

/// What stands in a folder, without what tells how long things took, and without the headers of models, which name the table by
/// an id of the command's own.
fn read_results(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for below in [folder.to_owned(), folder.join("results")] {
        for entry in fs::read_dir(below).unwrap().map(Result::unwrap) {
            let timed = ["report.json", "report.html", "certificate.json", "results"];
            if !timed.iter().any(|name| entry.file_name() == *name) {
                let mut bytes = fs::read(entry.path()).unwrap();
                if entry.path().extension().is_some_and(|end| end == "safetensors") {
                    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
                    bytes.drain(..8 + header);
                }
                found.insert(entry.path().strip_prefix(folder).unwrap().to_owned(), bytes);
            }
        }
    }
    found
}

fn signal(child: &Child, signal: i32) {
    // SAFETY: sends a signal to a process of this test that nobody has waited for yet.
    unsafe { libc::kill(child.id() as i32, signal) };
}

fn stderr_of(child: &mut Child) -> String {
    let mut text = String::new();
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    text
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_run_that_is_interrupted_or_killed_goes_on_to_the_same_bytes() {
    let world = World::new();
    let whole = world.command("whole", &[]).output().unwrap();
    let exit_code = whole.status.code().unwrap();
    assert!([0, 7, 8].contains(&exit_code), "{}", said(&whole));
    assert!(world.folders().is_empty(), "a run that ends leaves nothing behind");
    let expected = read_results(&world.path("whole"));
    assert!(expected.len() > 4, "{:?}", expected.keys());

    // Ctrl-C of a run whose folder nobody named.
    let (mut child, folder) = world.run_to_checkpoint(world.command("interrupted", &[]));
    signal(&child, libc::SIGINT);
    let text = stderr_of(&mut child);
    assert_eq!(child.wait().unwrap().code(), Some(130), "{text}");
    let how = format!("denoise --resume {}", folder.display());
    assert!(text.contains(&how), "{text}");
    let gone_on = autodenoise(&["denoise", "--resume", folder.to_str().unwrap()]);
    assert_eq!(gone_on.status.code(), Some(exit_code), "{}", said(&gone_on));
    assert!(said(&gone_on).contains("going on from the last checkpoint"), "{}", said(&gone_on));
    assert!(read_results(&world.path("interrupted")) == expected, "other bytes than in one go");
    fs::remove_dir_all(&folder).unwrap();

    // kill -9, and the same command again, as a pipeline gives it.
    let run = world.path("run");
    let resume = ["--resume", run.to_str().unwrap()];
    let (mut child, _) = world.run_to_checkpoint(world.command("killed", &resume));
    let second = world.command("killed", &resume).output().unwrap();
    assert!(said(&second).contains("another process runs in"), "{}", said(&second));
    signal(&child, libc::SIGKILL);
    child.wait().unwrap();
    let gone_on = world.command("killed", &resume).output().unwrap();
    assert_eq!(gone_on.status.code(), Some(exit_code), "{}", said(&gone_on));
    assert!(read_results(&world.path("killed")) == expected, "other bytes than in one go");

    // Finished: the command may be given once more, and nothing is done.
    let began = Instant::now();
    let again = world.command("killed", &resume).output().unwrap();
    assert_eq!(again.status.code(), Some(exit_code));
    let text = said(&again);
    assert!(text.contains("this run is finished") && text.contains("wrote ") && text.contains("verdict: "), "{text}");
    assert!(again.stdout.is_empty() && began.elapsed() < Duration::from_secs(20));
    let alone = autodenoise(&["denoise", "--resume", run.to_str().unwrap()]);
    assert!(said(&alone).contains("this run is finished"), "{}", said(&alone));
}

#[test]
fn what_changed_since_a_run_began_is_named_and_refused() {
    let world = World::new();
    let run = world.path("run");
    let resume = ["--resume", run.to_str().unwrap()];
    let (mut child, _) = world.run_to_checkpoint(world.command("changed", &resume));
    signal(&child, libc::SIGTERM);
    let text = stderr_of(&mut child);
    assert_eq!(child.wait().unwrap().code(), Some(143), "{text}");
    assert!(text.contains("denoise --resume"), "{text}");

    // Put over the command that began it, as the last word.
    let refused = autodenoise(&["denoise", "--seed", "8", "--resume", run.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(3), "{}", said(&refused));
    assert!(said(&refused).contains("job.seed: 7, now 8"), "{}", said(&refused));

    let mut text = fs::read_to_string(&world.table).unwrap();
    let kept = text.clone();
    let last = text.lines().last().unwrap().to_owned();
    text.push_str(&format!("{last}\n"));
    fs::write(&world.table, &text).unwrap();
    let refused = world.command("changed", &resume).output().unwrap();
    assert_eq!(refused.status.code(), Some(3), "{}", said(&refused));
    let sizes = format!("the input: {} bytes, now {}", kept.len(), text.len());
    assert!(said(&refused).contains(&sizes), "{}", said(&refused));

    // What was changed back is as it was, and where results go may differ.
    fs::write(&world.table, &kept).unwrap();
    let other = world.path("other.csv");
    let gone_on = autodenoise(&["denoise", "-q", "-o", other.to_str().unwrap(), "--resume", run.to_str().unwrap()]);
    assert!([0, 7, 8].contains(&gone_on.status.code().unwrap()), "{}", said(&gone_on));
    assert!(other.exists());
}

#[test]
fn a_folder_without_a_run_is_no_place_to_go_on_from() {
    let dir = scratch();
    let nothing = dir.path().join("nothing");
    let refused = autodenoise(&["denoise", "--resume", nothing.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(said(&refused).contains("there is no run in"), "{}", said(&refused));

    let table = clicks(dir.path(), 40, 40);
    let home = dir.path().join("home");
    fs::create_dir(&home).unwrap();
    fs::write(home.join("letter.txt"), "dear").unwrap();
    let args = ["denoise", table.to_str().unwrap(), "-o", "/dev/null", "--label", "click", "--resume"];
    let refused = autodenoise(&[&args[..], &[home.to_str().unwrap()]].concat());
    assert_eq!(refused.status.code(), Some(2));
    assert!(said(&refused).contains("holds other things than a run"), "{}", said(&refused));
    assert_eq!(fs::read_to_string(home.join("letter.txt")).unwrap(), "dear");
    assert!(autodenoise_ok(&["denoise", "--help"]).contains("--resume"));
}
