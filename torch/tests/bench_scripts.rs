//! The scripts that set this program beside PyTorch, with programs in the place of both that say how long they took.

use std::path::{Path, PathBuf};
use std::process::Command;

const PAGE: &str = "before\n\n<!-- bench:cpu -->\n\nold\n\n<!-- end -->\n\n<!-- bench:backbones-cpu -->\n\nold\n\n<!-- end -->\n\n<!-- bench:graphs-cpu -->\n\nold\n\n<!-- end -->\n\nafter\n";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is in the workspace")
}

/// A program that takes `seconds` for each work it is asked for, with CUDA graphs as long, and comes to another loss then; it is also the
/// Python that runs the PyTorch programs.
fn stub(folder: &Path, name: &str, seconds: f64) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let line = |work: &str| {
        format!(
            "echo '{{\"work\": \"pass/{work}\", \"seconds\": {seconds}, \"loss\": 0.6'\"$AUTODENOISE_CUDA_GRAPHS\"'}}'\n"
        )
    };
    let path = folder.join(name);
    let script = format!(
        "#!/bin/sh\n{}{}echo a line that is no work\n\
         [ \"$AUTODENOISE_CUDA_GRAPHS\" != 1 ] || echo 'now WARN no graph of one' >&2\n",
        line("deepfm"),
        line("afn")
    );
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Runs a script with stubs for PyTorch, which take two seconds for all, and for ours, which take half a second.
fn run(script: &str, arguments: &[&str]) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.md");
    std::fs::write(&page, PAGE).unwrap();
    let out = Command::new("python3")
        .arg(root().join("scripts").join(script))
        .args(arguments)
        .args(["--pairs", "2", "--write"])
        .arg(&page)
        .arg("--python")
        .arg(stub(folder.path(), "python", 2.0))
        .arg("--program")
        .arg(stub(folder.path(), "ours", 0.5))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    (String::from_utf8(out.stdout).unwrap(), std::fs::read_to_string(page).unwrap())
}

#[test]
fn the_tables_of_a_gpu_are_written_between_their_markers() {
    let (_, page) = run("gpu.py", &["--device", "cpu", "--rows", "4096"]);
    assert!(page.starts_with("before\n\n<!-- bench:cpu -->") && page.ends_with("<!-- end -->\n\nafter\n"), "{page}");
    assert!(!page.contains("old") && page.contains("4,096 rows; medians of 2 alternating pairs."), "{page}");
    assert_eq!(page.matches("| pass/afn").count(), 3, "{page}");
    assert!(page.contains("4.0 .. 4.0"), "{page}");
}

#[test]
fn cuda_graphs_stand_beside_the_plain_steps_with_what_their_losses_differ_by_and_what_went_wrong() {
    let (said, page) = run("gpu.py", &["--device", "cpu", "--rows", "4096"]);
    let row = page.lines().rfind(|line| line.starts_with("| pass/deepfm")).unwrap();
    let cells: Vec<&str> = row.split('|').map(str::trim).collect();
    assert_eq!(cells[2..8], ["0.5000", "0.5000", "1.00", "1.00 .. 1.00", "0.600000000", "1.0e-02"], "{page}");
    assert_eq!(page.matches("The trainer warned: `no graph of one`").count(), 1, "{page}");
    assert!(said.contains("with graphs, s"), "{said}");
}

#[test]
fn without_a_gpu_nothing_is_measured() {
    if Path::new("/dev/nvidiactl").exists() || Path::new("/dev/dxg").exists() {
        return;
    }
    let (said, page) = run("gpu.py", &[]);
    assert_eq!(said, "This machine has no NVIDIA GPU, so nothing was measured and no table was written.\n");
    assert_eq!(page, PAGE);
}

#[test]
fn a_backbone_s_seconds_are_of_a_whole_pass() {
    let (_, page) = run("bench-backbones.py", &["--only", "afn"]);
    // Three batches of 2048 rows in two seconds and in half a second, of 800,167.
    assert!(page.contains("| afn ") && page.contains("260.47") && page.contains("65.12"), "{page}");
    assert!(page.contains("4.00"), "{page}");
}
