//! Connections without a request under way, which give way where there is no place for a new one.
//!
//! Whoever opens connections and says nothing would else keep everybody out, and needs no key for it.

use super::watched::{Watch, watch};
use axum::response::Response;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};
use tokio_util::sync::CancellationToken;

/// The idle connections of a server, those first that have been idle for longest.
#[derive(Default)]
pub struct IdleLine(Mutex<Line>);

#[derive(Default)]
struct Line {
    /// The next number to give out.
    next: u64,
    waiting: BTreeMap<u64, CancellationToken>,
}

impl IdleLine {
    /// Closes the connection that has been idle for longest, if one is idle.
    pub fn close_longest(&self) {
        if let Some((_, closed)) = self.0.lock().expect("no holder panics").waiting.pop_first() {
            closed.cancel();
        }
    }

    fn enter(&self, closed: &CancellationToken) -> u64 {
        let mut line = self.0.lock().expect("no holder panics");
        line.next += 1;
        let number = line.next;
        line.waiting.insert(number, closed.clone());
        number
    }

    fn leave(&self, number: u64) {
        self.0.lock().expect("no holder panics").waiting.remove(&number);
    }
}

/// One connection's place in the line: it has one while no request is under way.
pub struct Connection {
    line: Arc<IdleLine>,
    number: Mutex<Option<u64>>,
    /// Cancelled where the connection must give way.
    pub closed: CancellationToken,
}

impl Connection {
    pub fn new(line: Arc<IdleLine>) -> Arc<Self> {
        let closed = CancellationToken::new();
        let number = Mutex::new(Some(line.enter(&closed)));
        Arc::new(Self { line, number, closed })
    }

    /// To be called when a request begins; the connection is idle again when what comes back is dropped.
    pub fn begin(self: &Arc<Self>) -> Busy {
        self.leave();
        Busy(self.clone())
    }

    fn leave(&self) {
        if let Some(number) = self.number.lock().expect("no holder panics").take() {
            self.line.leave(number);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.leave();
    }
}

/// A request under way.
pub struct Busy(Arc<Connection>);

impl Drop for Busy {
    fn drop(&mut self) {
        let number = self.0.line.enter(&self.0.closed);
        *self.0.number.lock().expect("no holder panics") = Some(number);
    }
}

impl Busy {
    /// Lasts until the answer's last byte was taken.
    pub fn until_sent(self, response: Response) -> Response {
        response.map(|body| watch(body, self))
    }
}

impl Watch for Busy {}
