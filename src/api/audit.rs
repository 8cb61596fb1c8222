//! Writes down who did what: every request that may change something, once somebody was let in for it, and every sign-in.

use super::{error::REQUEST_ID, state::AppState};
use crate::{
    store::{
        Store, answered,
        audit::{self, NewEntry},
    },
    types::{AuditOutcome, KeyId, TenantId, UploadId},
};
use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    middleware::Next,
    response::Response,
};
use std::{
    net::IpAddr,
    sync::{Arc, Mutex, OnceLock},
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// A write that takes longer is given up; the log has the entry then.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two sweeps.
const SWEEP: Duration = Duration::from_secs(3600);
/// A sweep that takes longer is given up.
const SWEEP_PATIENCE: Duration = Duration::from_secs(600);
/// What is kept of a text that a client chooses.
const LONGEST: usize = 200;
/// The route where people sign in.
const SIGN_IN: &str = "/sign-in";
/// Refused sign-ins that are written down in a minute. They need no key, so that anybody could fill the table with them.
const REFUSED_SIGN_INS: u32 = 60;
/// Requests that change nothing, whatever their method says.
const READS: [&str; 1] = ["/v1/jobs/plan"];

/// Whom a connection comes from, in a request's extensions; absent where it is no network's.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub Option<IpAddr>);

/// Who was let in for a request. It stands in the request's extensions, and is filled in by whoever lets in.
#[derive(Debug, Clone, Default)]
pub struct Witness(Arc<OnceLock<(TenantId, Option<KeyId>)>>);

impl Witness {
    /// Notes who was let in, by which key. The first one counts.
    pub fn saw(&self, tenant: &TenantId, key: Option<KeyId>) {
        let _ = self.0.set((tenant.clone(), key));
    }
}

/// Middleware: writes an entry before the answer goes out. One whose client went away is written down all the same, because
/// what it asked for may have been done.
pub async fn record_writes(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("", |path| path.as_str()).to_owned();
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE);
    if reads || READS.contains(&&route[..]) {
        return next.run(request).await;
    }
    let witness = Witness::default();
    request.extensions_mut().insert(witness.clone());
    let mut deed = Deed::of(&request, route, witness, state.clone());
    let response = next.run(request).await;
    if let Some(entry) = deed.end(&response) {
        write_down(&state.store, entry).await;
    }
    response
}

/// A request that is being answered. Where it is dropped before its end, its client went away.
struct Deed {
    state: AppState,
    witness: Witness,
    /// What is known of it so far; taken once it is written down.
    entry: Option<NewEntry>,
    is_sign_in: bool,
}

impl Deed {
    fn of(request: &Request, route: String, witness: Witness, state: AppState) -> Self {
        let headers = request.headers();
        let object = find_object(&route, request.uri().path());
        let entry = NewEntry {
            tenant: None,
            key: None,
            address: request.extensions().get::<Peer>().and_then(|peer| peer.0).map(|address| address.to_string()),
            forwarded_for: read_text(headers, "x-forwarded-for"),
            action: format!("{} {route}", request.method()),
            object,
            status: None,
            outcome: AuditOutcome::Unknown,
            request_id: read_text(headers, REQUEST_ID.as_str()),
        };
        Self { state, witness, entry: Some(entry), is_sign_in: route == SIGN_IN }
    }

    /// The entry, if this is one to write down.
    fn take(&mut self) -> Option<NewEntry> {
        let mut entry = self.entry.take()?;
        match self.witness.0.get() {
            Some((tenant, key)) => (entry.tenant, entry.key) = (Some(tenant.clone()), *key),
            None if self.is_sign_in && self.state.sign_ins.may_record() => {}
            None => return None,
        }
        Some(entry)
    }

    /// The entry of a request that was answered so.
    fn end(&mut self, response: &Response) -> Option<NewEntry> {
        let mut entry = self.take()?;
        let status = response.status();
        entry.status = Some(status.as_u16());
        entry.outcome = AuditOutcome::of_status(status.as_u16());
        entry.object = entry.object.or_else(|| find_made(response));
        Some(entry)
    }
}

impl Drop for Deed {
    fn drop(&mut self) {
        if let Some(entry) = self.take() {
            let store = self.state.store.clone();
            tokio::spawn(async move { write_down(&store, entry).await });
        }
    }
}

async fn write_down(store: &Store, entry: NewEntry) {
    let written = async { audit::record(&mut *store.acquire().await?, &entry).await };
    if let Err(error) = answered(PATIENCE, written).await {
        let NewEntry { tenant, key, action, object, status, .. } = &entry;
        tracing::error!(%error, ?tenant, ?key, action, ?object, ?status, "what somebody did could not be written into the audit");
    }
}

/// The part of the address that the route leaves open, which is the id of what it is about.
fn find_object(route: &str, path: &str) -> Option<String> {
    let open = route.split('/').zip(path.split('/')).filter(|(part, _)| part.starts_with('{'));
    let named: Vec<_> = open.map(|(_, value)| value).collect();
    (!named.is_empty()).then(|| cut(&named.join("/")))
}

/// The id of what the request has made.
fn find_made(response: &Response) -> Option<String> {
    let is_made = matches!(response.status(), StatusCode::CREATED | StatusCode::SEE_OTHER);
    let location = response.headers().get(header::LOCATION).filter(|_| is_made)?.to_str().ok()?;
    let last = location.split('?').next()?.rsplit('/').next()?;
    let (_, digits) = last.split_once('_')?;
    // Ids of all kinds are alike but for their prefix.
    format!("up_{digits}").parse::<UploadId>().ok().map(|_| last.to_owned())
}

fn read_text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(cut)
}

fn cut(text: &str) -> String {
    text.chars().take(LONGEST).filter(|c| !c.is_control()).collect()
}

/// How many refused sign-ins were written down in the current minute.
#[derive(Default)]
pub struct SignIns(Mutex<Option<(Instant, u32)>>);

impl SignIns {
    fn may_record(&self) -> bool {
        let mut minute = self.0.lock().expect("no holder panics");
        let (begun, recorded) = match *minute {
            Some((begun, recorded)) if begun.elapsed() < Duration::from_secs(60) => (begun, recorded),
            _ => (Instant::now(), 0),
        };
        *minute = Some((begun, recorded + 1));
        recorded < REFUSED_SIGN_INS
    }
}

/// Forgets entries older than `kept`, at the start and every hour, until it is dropped.
pub async fn sweep_audit(store: Store, kept: Duration) {
    loop {
        let sweep = async { audit::sweep(&mut *store.acquire().await?, kept).await };
        match answered(SWEEP_PATIENCE, sweep).await {
            Ok(0) => {}
            Ok(entries) => tracing::info!(entries, "old entries of the audit were forgotten"),
            Err(error) => tracing::warn!(%error, "old entries of the audit could not be forgotten"),
        }
        sleep(SWEEP).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse;

    #[test]
    fn what_a_request_is_about_stands_in_its_address_or_its_answer() {
        assert_eq!(find_object("/v1/jobs/{id}/cancel", "/v1/jobs/job_1/cancel").unwrap(), "job_1");
        assert_eq!(find_object("/a/{id}/b/{message}", "/a/x/b/y").unwrap(), "x/y");
        assert_eq!(find_object("/v1/jobs", "/v1/jobs"), None);
        assert_eq!(find_object("/x/{id}", &format!("/x/{}", "a".repeat(5000))).unwrap().len(), LONGEST);
        let made = |location: &str| find_made(&(StatusCode::CREATED, [(header::LOCATION, location)]).into_response());
        let id = format!("job_{}", "0".repeat(32));
        assert_eq!(made(&format!("jobs/{id}")), Some(id.clone()));
        assert_eq!(made("/jobs"), None);
        assert_eq!(made(&format!("/x?secret=adk_{id}")), None);
    }

    #[test]
    fn refused_sign_ins_cannot_fill_the_table() {
        let sign_ins = SignIns::default();
        assert_eq!((0..1000).filter(|_| sign_ins.may_record()).count(), REFUSED_SIGN_INS as usize);
    }
}
