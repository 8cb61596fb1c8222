//! Whether the store of objects answers, asked seldom however often somebody wants to know.

use super::error::Chain;
use crate::files::Files;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::Mutex, time::timeout};

/// How long an answer holds.
const HOLDS: Duration = Duration::from_secs(5);
/// A store that takes longer is as good as away.
const PATIENCE: Duration = Duration::from_secs(3);

/// Asks the store; clones share what was answered.
#[derive(Clone)]
pub struct ObjectsProbe {
    files: Files,
    last: Arc<Mutex<Option<Asked>>>,
}

/// When the store was asked, and what was wrong with it.
type Asked = (Instant, Option<String>);

impl ObjectsProbe {
    pub fn new(files: Files) -> Self {
        Self { files, last: Arc::default() }
    }

    /// What is wrong with the store; nothing where it answers. Whoever asks meanwhile waits for the same answer.
    pub async fn find_fault(&self) -> Option<String> {
        let mut last = self.last.lock().await;
        if let Some((at, fault)) = &*last
            && at.elapsed() < HOLDS
        {
            return fault.clone();
        }
        let fault = match timeout(PATIENCE, self.files.check_objects()).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => {
                tracing::warn!(error = %Chain(&error), "readiness: the object store cannot be used");
                Some("the object store cannot be used; the log says why".to_owned())
            }
            Err(_) => Some(format!("the object store did not answer within {} seconds", PATIENCE.as_secs())),
        };
        *last = Some((Instant::now(), fault.clone()));
        fault
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_holds_for_a_while() {
        let dir = tempfile::tempdir().unwrap();
        let probe = ObjectsProbe::new(Files::open(dir.path()).unwrap());
        assert_eq!(probe.find_fault().await, None);
        std::fs::remove_dir(dir.path().join("objects")).unwrap();
        assert_eq!(probe.find_fault().await, None, "it was asked a moment ago");
        *probe.last.lock().await = None;
        assert!(probe.find_fault().await.unwrap().contains("cannot be used"));
    }
}
