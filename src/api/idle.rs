//! Connections that nobody works at, which give way where there is no place for a new one.
//!
//! Whoever opens connections and says nothing, or asks for much and does not take it, would else keep everybody out.

use super::{
    protocol::Protocol,
    watched::{Watch, watch},
};
use axum::response::Response;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

/// How long a client may leave an answer lying before its connection may be taken for left.
const LEFT_LYING: Duration = Duration::from_secs(10);
/// Requests of a connection that its client may give up before their end, and more only where it took more answers than that.
const MOST_GIVEN_UP: u32 = 100;

/// The connections of a server that nobody works at, those first that have been so for longest.
#[derive(Default)]
pub struct IdleLine(Mutex<Line>);

#[derive(Default)]
struct Line {
    /// The next number to give out.
    next: u64,
    waiting: BTreeMap<u64, Waiting>,
}

struct Waiting {
    since: Instant,
    /// Whether there are answers that the client does not take.
    has_answers: bool,
    closed: CancellationToken,
}

impl IdleLine {
    /// Closes the connection that has been idle for longest, or has left its answers lying for long, if there is one.
    pub fn close_longest(&self) {
        let mut line = self.0.lock().expect("no holder panics");
        let may_go = |waiting: &Waiting| !waiting.has_answers || waiting.since.elapsed() >= LEFT_LYING;
        let longest = line.waiting.iter().find(|(_, waiting)| may_go(waiting)).map(|(number, _)| *number);
        if let Some(waiting) = longest.and_then(|number| line.waiting.remove(&number)) {
            waiting.closed.cancel();
        }
    }

    fn enter(&self, closed: &CancellationToken, has_answers: bool) -> u64 {
        let mut line = self.0.lock().expect("no holder panics");
        line.next += 1;
        let number = line.next;
        line.waiting.insert(number, Waiting { since: Instant::now(), has_answers, closed: closed.clone() });
        number
    }

    fn leave(&self, number: u64) {
        self.0.lock().expect("no holder panics").waiting.remove(&number);
    }
}

/// One connection, and its place in the line while there is nothing to do for it: no request is under way, or the answers of all
/// of them wait for the client to take them.
pub struct Connection {
    line: Arc<IdleLine>,
    state: Mutex<State>,
    /// Cancelled where the connection must end.
    pub closed: CancellationToken,
}

struct State {
    /// The place in the line.
    number: Option<u64>,
    /// Requests under way.
    requests: usize,
    /// Those of them whose answers wait to be taken.
    lying: usize,
    /// Since when no request has been under way.
    idle_since: Option<Instant>,
    given_up: u32,
    taken: u32,
}

impl Connection {
    pub fn new(line: Arc<IdleLine>) -> Arc<Self> {
        let closed = CancellationToken::new();
        let number = Some(line.enter(&closed, false));
        let idle_since = Some(Instant::now());
        let state = Mutex::new(State { number, requests: 0, lying: 0, idle_since, given_up: 0, taken: 0 });
        Arc::new(Self { line, state, closed })
    }

    /// To be called when a request begins; it ends when what comes back is dropped. The place is one among the requests that all
    /// connections may have under way.
    pub fn begin(self: &Arc<Self>, protocol: Protocol, place: Option<OwnedSemaphorePermit>) -> Busy {
        self.change(|state| {
            state.requests += 1;
            state.idle_since = None;
        });
        Busy { connection: self.clone(), protocol, is_lying: false, is_taken: false, _place: place }
    }

    /// Has another connection give way.
    pub fn make_room(&self) {
        self.line.close_longest();
    }

    /// Returns once no request has been under way for so long.
    pub async fn idle_for(&self, time: Duration) {
        loop {
            let since = self.lock().idle_since;
            let left = since.map_or(time, |since| time.saturating_sub(since.elapsed()));
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }

    /// Changes what is under way, and stands in the line or not by what comes of it.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let state = &mut *self.lock();
        change(state);
        if let Some(number) = state.number.take() {
            self.line.leave(number);
        }
        if state.requests == state.lying {
            state.number = Some(self.line.enter(&self.closed, state.requests > 0));
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(number) = self.lock().number.take() {
            self.line.leave(number);
        }
    }
}

/// A request under way.
pub struct Busy {
    connection: Arc<Connection>,
    protocol: Protocol,
    /// Whether the answer waits for the client to take it.
    is_lying: bool,
    /// Whether the client took the whole answer.
    is_taken: bool,
    _place: Option<OwnedSemaphorePermit>,
}

impl Busy {
    /// Lasts until the answer's last byte was taken.
    pub fn until_sent(mut self, response: Response) -> Response {
        self.lie(true);
        response.map(|body| watch(body, self))
    }

    fn lie(&mut self, is_lying: bool) {
        if self.is_lying != is_lying {
            self.is_lying = is_lying;
            self.connection.change(|state| match is_lying {
                true => state.lying += 1,
                false => state.lying -= 1,
            });
        }
    }
}

impl Watch for Busy {
    fn ask(&mut self) {
        self.lie(false);
    }

    fn see(&mut self, _: usize) {
        self.lie(true);
    }

    fn end(&mut self) {
        self.is_taken = true;
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let (is_lying, is_taken) = (self.is_lying, self.is_taken);
        // A client of HTTP/1.1 gives one up by closing the connection.
        let many = self.protocol == Protocol::Http2;
        self.connection.change(|state| {
            state.requests -= 1;
            state.lying -= usize::from(is_lying);
            state.idle_since = (state.requests == 0).then(Instant::now);
            match is_taken {
                true => state.taken += 1,
                false => state.given_up += 1,
            }
            // Each that is given up costs its client a few bytes, and the server its work until it notices.
            if many && state.given_up > MOST_GIVEN_UP.max(state.taken) {
                self.connection.closed.cancel();
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse;
    use http_body::Body as _;
    use std::{pin::Pin, task::Context};

    fn poll(response: &mut Response) {
        let _ = Pin::new(response.body_mut()).poll_frame(&mut Context::from_waker(std::task::Waker::noop()));
    }

    #[test]
    fn who_works_keeps_the_place_and_who_is_idle_for_longest_goes() {
        let line = Arc::new(IdleLine::default());
        let [busy, first, second] = [(); 3].map(|()| Connection::new(line.clone()));
        let [one, two] = [(); 2].map(|()| busy.begin(Protocol::Http2, None));
        drop(one);
        line.close_longest();
        assert_eq!([&busy, &first, &second].map(|it| it.closed.is_cancelled()), [false, true, false]);
        drop(two);
        line.close_longest();
        line.close_longest();
        assert!(busy.closed.is_cancelled() && second.closed.is_cancelled());
    }

    #[test]
    fn an_answer_that_is_not_taken_keeps_its_place_for_a_while_only() {
        let line = Arc::new(IdleLine::default());
        let connection = Connection::new(line.clone());
        let mut response = connection.begin(Protocol::Http2, None).until_sent("an answer".into_response());
        line.close_longest();
        assert!(!connection.closed.is_cancelled(), "it may be taken yet");
        let age = |line: &IdleLine| {
            let old = Instant::now().checked_sub(LEFT_LYING).unwrap();
            line.0.lock().unwrap().waiting.values_mut().for_each(|waiting| waiting.since = old);
        };
        poll(&mut response);
        age(&line);
        let waits = connection.begin(Protocol::Http2, None);
        line.close_longest();
        assert!(!connection.closed.is_cancelled(), "another request of it is worked at");
        drop(waits);
        age(&line);
        line.close_longest();
        assert!(connection.closed.is_cancelled());
    }

    #[test]
    fn a_client_that_gives_up_all_it_asks_for_is_cut_off() {
        let connection = Connection::new(Arc::default());
        let take = || {
            let mut response = connection.begin(Protocol::Http2, None).until_sent("an answer".into_response());
            poll(&mut response);
        };
        (0..MOST_GIVEN_UP + 50).for_each(|_| take());
        (0..MOST_GIVEN_UP + 50).for_each(|_| drop(connection.begin(Protocol::Http2, None)));
        assert!(!connection.closed.is_cancelled(), "one that reads most answers may give up some");
        drop(connection.begin(Protocol::Http2, None).until_sent("an answer".into_response()));
        assert!(connection.closed.is_cancelled());
    }

    #[tokio::test]
    async fn idle_time_begins_with_the_end_of_the_last_request() {
        let connection = Connection::new(Arc::default());
        let busy = connection.begin(Protocol::Http2, None);
        let patience = Duration::from_millis(200);
        assert!(tokio::time::timeout(patience, connection.idle_for(Duration::from_millis(20))).await.is_err());
        drop(busy);
        assert!(tokio::time::timeout(patience, connection.idle_for(Duration::from_secs(60))).await.is_err());
        let idle = connection.idle_for(Duration::from_millis(20));
        assert!(tokio::time::timeout(Duration::from_secs(5), idle).await.is_ok());
    }
}
