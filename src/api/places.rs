//! How many requests are answered at once, how many wait, and how much of both one tenant may hold.
//!
//! Waiting for news costs nearly nothing and may last a minute or hours, so it has places of its own: whoever begins to wait
//! gives the place among the requests back. Without that, clients that wait would shut out those that work.

use super::error::{ApiError, Kind};
use crate::types::TenantId;
use axum::{extract::FromRequestParts, http::request::Parts};
use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::OwnedSemaphorePermit;

/// When a tenant that holds all it may is to ask again.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Places, some of which each tenant may hold.
pub struct Pool {
    /// What whoever has a place does, for messages.
    doing: &'static str,
    most: usize,
    most_of_tenant: usize,
    held: Mutex<HashMap<TenantId, usize>>,
}

impl Pool {
    pub fn new(doing: &'static str, most: usize, most_of_tenant: usize) -> Arc<Self> {
        Arc::new(Self { doing, most, most_of_tenant: most_of_tenant.max(1), held: Mutex::default() })
    }

    /// A place for a request of the tenant, until it is dropped.
    pub fn take(self: &Arc<Self>, tenant: &TenantId) -> Result<Place, ApiError> {
        let mut held = self.held.lock().expect("no holder panics");
        let (all, own) = (held.values().sum::<usize>(), held.get(tenant).copied().unwrap_or_default());
        if own >= self.most_of_tenant {
            let detail = format!("{own} requests of {tenant} {} already, which is as many as may", self.doing);
            return Err(ApiError::new(Kind::TooManyRequests, detail).retry_after(LOOK_AGAIN));
        }
        if all >= self.most {
            let detail = format!("as many requests {} as the server takes at once", self.doing);
            return Err(ApiError::new(Kind::Unavailable, detail).retry_after(LOOK_AGAIN));
        }
        *held.entry(tenant.clone()).or_default() += 1;
        Ok(Place { pool: self.clone(), tenant: tenant.clone() })
    }
}

/// Given back when it is dropped.
pub struct Place {
    pool: Arc<Pool>,
    tenant: TenantId,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.pool.held.lock().expect("no holder panics");
        if let Some(own) = held.get_mut(&self.tenant) {
            *own -= 1;
            if *own == 0 {
                held.remove(&self.tenant);
            }
        }
    }
}

/// What a request holds while it is answered: a place among all requests, and one among its tenant's.
#[derive(Clone, Default)]
pub struct Seat(Arc<Mutex<Option<(OwnedSemaphorePermit, Option<Place>)>>>);

impl Seat {
    pub fn new(place: OwnedSemaphorePermit) -> Self {
        Self(Arc::new(Mutex::new(Some((place, None)))))
    }

    /// Counts the request among its tenant's, now that the tenant is known.
    pub fn count(&self, requests: &Arc<Pool>, tenant: &TenantId) -> Result<(), ApiError> {
        if let Some((_, place)) = &mut *self.0.lock().expect("no holder panics") {
            *place = Some(requests.take(tenant)?);
        }
        Ok(())
    }

    /// Takes a place among those that wait, and gives the places of this request back.
    pub fn wait(&self, waits: &Arc<Pool>, tenant: &TenantId) -> Result<Place, ApiError> {
        let waiting = waits.take(tenant)?;
        drop(self.0.lock().expect("no holder panics").take());
        Ok(waiting)
    }
}

impl<S: Sync> FromRequestParts<S> for Seat {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Seat>().cloned().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_holds_its_share_and_gives_it_back() {
        let pool = Pool::new("wait", 3, 2);
        let (one, two) = (TenantId::default(), "two".parse().unwrap());
        let status = |tenant| pool.take(tenant).map_err(|error| error.kind());
        let first = status(&one).unwrap_or_else(|_| panic!("there are three"));
        let _second = status(&one);
        assert_eq!(status(&one).err(), Some(Kind::TooManyRequests), "the tenant has its two");
        let _third = status(&two);
        assert_eq!(status(&two).err(), Some(Kind::Unavailable), "there are three");
        drop(first);
        assert!(status(&one).is_ok());
    }
}
