//! The judge's parent: starts it, hears it out, and says what its end means.

use crate::trainer::pass_environment;
use crate::worker::{Judge, JudgeAnswer, JudgeFailure, JudgeTask};
use std::{
    io,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Command,
    time::timeout,
};

/// The work is minutes at most, for the largest table; a judge that takes longer is stuck.
const LONGEST: Duration = Duration::from_secs(2 * 3600);
/// An answer is some kilobytes a seed.
const MAX_ANSWER: u64 = 64 << 20;
/// Of a process's last words so many bytes are kept.
const MAX_LAST_WORDS: u64 = 4 << 10;

/// The judge of a worker: each task in a process of this program.
pub fn make_judge() -> io::Result<Arc<Judge>> {
    let program = std::env::current_exe()?;
    Ok(Arc::new(move |task| {
        let program: PathBuf = program.clone();
        Box::pin(async move {
            let failed = |what: String| Err(JudgeFailure::Failed(format!("the process that judges {what}")));
            match timeout(LONGEST, run(&program, &task)).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(error)) => failed(format!("failed: {error}")),
                Err(_) => failed(format!("was given up after {} seconds", LONGEST.as_secs())),
            }
        })
    }))
}

/// Dropping the future kills the process.
async fn run(program: &Path, task: &JudgeTask) -> io::Result<Result<JudgeAnswer, JudgeFailure>> {
    let mut command = Command::new(program);
    command.arg("judging").env_clear().envs(pass_environment()).process_group(0).kill_on_drop(true);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (Some(mut stdin), Some(stdout), Some(mut stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        unreachable!("all three are piped")
    };
    let mut line = serde_json::to_vec(task)?;
    line.push(b'\n');
    match stdin.write_all(&line).await {
        // One that ended before it read its task says why on its other pipes.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
        _ => {}
    }
    let mut answer = Vec::new();
    let listen = async { stdout.take(MAX_ANSWER).read_to_end(&mut answer).await };
    let hear_last_words = async {
        let mut said = Vec::new();
        (&mut stderr).take(MAX_LAST_WORDS).read_to_end(&mut said).await?;
        // The rest is read, so that the process does not wait.
        tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await?;
        io::Result::Ok(said)
    };
    let (listened, last_words) = tokio::join!(listen, hear_last_words);
    listened?;
    // Stdin stays open until here: the process ends where it closes.
    let status = child.wait().await?;
    drop(stdin);
    if answer.is_empty() {
        let last_words = String::from_utf8_lossy(&last_words?).trim().to_owned();
        return Err(io::Error::other(format!("it ended without an answer ({status}): {last_words}")));
    }
    Ok(serde_json::from_slice(&answer)?)
}
