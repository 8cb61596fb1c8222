//! What is wrong with a judge, or with a run of it, is said with what it is about.

use super::{READING, World, autodenoise, said};
use std::{
    fs,
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

/// A method that takes no time.
const QUICK: [&str; 6] = ["--method", "random_drop", "-O", "retrain_max_epoch=1", "--certify-seeds", "2"];

#[test]
fn a_judge_that_cannot_be_right_is_refused_before_anything_runs() {
    let world = World::new();
    let all = "{train} {test} {seed} {predictions}";
    for (judge, flags, words) in [
        (format!("python3 x.py {all} {{labels}}"), &[][..], "`{labels}` stands for nothing"),
        ("python3 x.py {train} {test} {seed}".to_owned(), &[], "`{predictions}` is missing"),
        (format!("no-such-program {all}"), &[], "there is no program `no-such-program`"),
        (format!("python3 'x.py {all}"), &[], "a quote is left open"),
        (format!("python3 x.py {all}"), &["--no-certify"], "cannot be used with"),
        (format!("python3 x.py {all}"), &["--method", "none"], "nothing to judge"),
    ] {
        let run = world.denoise(&judge, flags);
        assert_eq!(run.status.code(), Some(2), "{judge}: {}", said(&run));
        assert!(said(&run).contains(words) && !said(&run).contains("reading"), "{}", said(&run));
    }
    assert!(!world.path("results").exists() && !world.path("kept.csv").exists());
}

#[test]
fn a_run_that_comes_to_nothing_is_named_by_its_seed_and_arm() {
    let world = World::new();
    // What it is handed is $1 to $4, whatever stands in it.
    let shell = |script: &str| format!("sh -c '{script}' judge {{train}} {{test}} {{seed}} {{predictions}}");
    let half = r#"tail -n +2 "$2" | sed "s/.*/0.5/" > "$4""#;
    let in_second = |script: &str| format!(r#"{half}; if [ "$3" = 43 ]; then {script}; fi"#);
    for (script, flags, words) in [
        (
            "echo one >&2; echo two >&2; exit 3".to_owned(),
            &[][..],
            "the judge, seed 42, all rows: the command failed (exit status: 3); the end of its standard error:\n  one\n  two",
        ),
        ("kill -9 $$".to_owned(), &[], "(signal: 9 (SIGKILL)); it wrote nothing to its standard error"),
        (in_second("exit 1"), &[], "the judge, seed 43, all rows: the command failed"),
        // One model, whatever the seed: a proof could not tell a gain from chance, and would be sure of it.
        (half.to_owned(), &[], "the models of seeds 42 and 43 (all rows) are the same"),
        ("true".to_owned(), &[], "there is no file"),
        (format!("{half}; echo 0.5 >> \"$4\""), &[], "predictions, and there are"),
        (
            format!("{half}; sed -i \"3s/.*/NaN/\" \"$4\""),
            &[],
            "predictions.csv`, line 3: the prediction is not a number (NaN)",
        ),
        (format!("{half}; sed -i \"4s/.*/-2/\" \"$4\""), &[], "predictions.csv`, line 4: -2 is not from 0 to 1"),
        (
            format!("{half}; sed -i \"2s/.*/1,0.5/\" \"$4\""),
            &[],
            "line 2: \"1,0.5\" is not a number; write one probability a line",
        ),
        ("sleep 60".to_owned(), &["--judge-timeout", "1"], "was ended after 1 seconds"),
    ] {
        let run = world.denoise(&shell(&script), &[&QUICK[..], flags].concat());
        assert_eq!(run.status.code(), Some(5), "{script}: {}", said(&run));
        assert!(
            said(&run).contains("error: the job failed: the judge") && said(&run).contains(words),
            "{script}: {}",
            said(&run)
        );
        assert!(!world.path("kept.csv").exists(), "nothing is handed out that was not judged");
        let folder = run_folder(&world);
        assert!(said(&run).contains(&format!("denoise --resume {}", folder.display())), "{}", said(&run));
        fs::remove_dir_all(folder).unwrap();
    }
    // The choice is kept, and has no verdict yet.
    assert_eq!(world.read_json("results/report.json")["verdict"], "not_evaluated");
    let [table, results, arms] = ["clicks.csv", "results", "arms"].map(|name| world.text(name));
    let more = autodenoise(&[&["judge", "arms", &table, &results, "-o", &arms][..], &READING].concat());
    assert!(more.status.success(), "{}", said(&more));
}

#[test]
fn what_no_judge_could_show_is_told_before_the_rows_are_chosen() {
    let world = World::new();
    let run = world.denoise(&world.script(""), &[&QUICK[..], &["--trusted", "user = nobody"]].concat());
    assert_eq!(run.status.code(), Some(5), "{}", said(&run));
    assert!(said(&run).contains("no test row is trusted") && !said(&run).contains("computing on"), "{}", said(&run));
}

#[test]
fn an_interrupted_judge_takes_its_command_along() {
    let world = World::new();
    let sign = world.text("pid");
    let judge = format!("sh -c 'sleep 300 & echo $! > {sign}; wait' x {{train}} {{test}} {{seed}} {{predictions}}");
    let mut command = world.denoise_command(&judge, &QUICK);
    let mut running = command.stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    let pid = loop {
        if let Some(pid) = fs::read_to_string(&sign).ok().and_then(|text| text.trim().parse::<i32>().ok()) {
            break pid;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "the judge does not start");
        std::thread::sleep(Duration::from_millis(50));
    };
    // SAFETY: sends a signal to a child that is not waited for yet.
    unsafe { libc::kill(running.id() as i32, libc::SIGINT) };
    assert_eq!(running.wait().unwrap().code(), Some(130));
    let is_running = || fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "));
    let ended = Instant::now();
    while is_running() {
        assert!(ended.elapsed() < Duration::from_secs(5), "what the command started goes on");
        std::thread::sleep(Duration::from_millis(20));
    }
    run_folder(&world);
}

/// The folder to take the run up from, which is all that is left in --work-dir.
fn run_folder(world: &World) -> PathBuf {
    let left: Vec<PathBuf> = fs::read_dir(world.path("work")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [folder] = &left[..] else { panic!("{left:?}") };
    folder.clone()
}
