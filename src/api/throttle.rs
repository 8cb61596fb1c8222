//! How often a tenant may ask.

use super::error::{ApiError, Kind};
use crate::types::{Quota, TenantId};
use std::{
    collections::HashMap,
    sync::Mutex,
    time::{Duration, Instant},
};

/// Counts the requests of each tenant.
#[derive(Default)]
pub struct Throttle {
    buckets: Mutex<HashMap<TenantId, Bucket>>,
}

/// Requests a tenant may make at once; refills over a minute.
struct Bucket {
    left: f64,
    /// When `left` was counted.
    at: Instant,
}

impl Throttle {
    /// Counts a request, or refuses it and says when to come again.
    pub fn count_request(&self, tenant: &TenantId, quota: Quota) -> Result<(), ApiError> {
        let Some(limit) = quota.requests_per_minute else { return Ok(()) };
        let wait = self.take_request(tenant, f64::from(limit), Instant::now());
        wait.map_err(|wait| {
            let detail = format!("{tenant} may make {limit} requests a minute");
            ApiError::new(Kind::TooManyRequests, detail).retry_after(wait)
        })
    }

    /// Takes a request out of the tenant's bucket, or says how long until there is one.
    fn take_request(&self, tenant: &TenantId, per_minute: f64, now: Instant) -> Result<(), Duration> {
        let mut buckets = self.buckets.lock().expect("no holder panics");
        let bucket = buckets.entry(tenant.clone()).or_insert(Bucket { left: per_minute, at: now });
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        *bucket = Bucket { left: (bucket.left + passed * per_minute / 60.0).min(per_minute), at: now };
        if bucket.left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - bucket.left) * 60.0 / per_minute));
        }
        bucket.left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_come_back_over_a_minute_and_each_tenant_has_its_own() {
        let throttle = Throttle::default();
        let (one, two) = (TenantId::default(), "two".parse().unwrap());
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        for _ in 0..6 {
            assert_eq!(throttle.take_request(&one, 6.0, at(0)), Ok(()));
        }
        assert_eq!(throttle.take_request(&one, 6.0, at(0)), Err(Duration::from_secs(10)));
        assert_eq!(throttle.take_request(&two, 6.0, at(0)), Ok(()));
        assert_eq!(throttle.take_request(&one, 6.0, at(10)), Ok(()));
        assert!(throttle.take_request(&one, 6.0, at(11)).is_err());
        for _ in 0..6 {
            assert_eq!(throttle.take_request(&one, 6.0, at(1000)), Ok(()));
        }
        assert!(throttle.take_request(&one, 6.0, at(1000)).is_err(), "no more than a minute's are saved up");
    }
}
