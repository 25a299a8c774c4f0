//! Two limits: for requests that change something and for those that do not.

use std::sync::Arc;

use apiserver_auth::UserInfo;
use apiserver_auth::user::SYSTEM_PRIVILEGED_GROUP;
use machinery::status::StatusError;
use prometheus::IntGaugeVec;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::too_many_requests;
use crate::chain::request_info::RequestInfo;

/// The limits.
pub struct InFlightLimits {
    mutating: Option<Arc<Semaphore>>,
    reading: Option<Arc<Semaphore>>,
    in_flight: IntGaugeVec,
}

/// Leave to be served; the place is free again when this is dropped.
pub struct Seat {
    _permit: Option<OwnedSemaphorePermit>,
    gauge: prometheus::IntGauge,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.gauge.dec();
    }
}

impl InFlightLimits {
    /// Limits as in `--max-requests-inflight` and `--max-mutating-requests-inflight`; 0 is no limit.
    pub fn new(reading: usize, mutating: usize, in_flight: IntGaugeVec) -> Self {
        let limit = |places: usize| (places > 0).then(|| Arc::new(Semaphore::new(places)));
        InFlightLimits { mutating: limit(mutating), reading: limit(reading), in_flight }
    }

    /// A place for the request, or why there is none.
    pub fn enter(&self, info: &RequestInfo, user: &UserInfo) -> Result<Seat, StatusError> {
        let (kind, limit) =
            if info.is_read_only() { ("readOnly", &self.reading) } else { ("mutating", &self.mutating) };
        let permit = match limit {
            None => None,
            Some(limit) => match limit.clone().try_acquire_owned() {
                Ok(permit) => Some(permit),
                // Whoever repairs the cluster gets in when it is overloaded.
                Err(_) if user.in_group(SYSTEM_PRIVILEGED_GROUP) => None,
                Err(_) => return Err(too_many_requests()),
            },
        };
        let gauge = self.in_flight.with_label_values(&[kind]);
        gauge.inc();
        Ok(Seat { _permit: permit, gauge })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(method: &str, path: &str) -> RequestInfo {
        RequestInfo::parse(&method.parse().unwrap(), path, "").unwrap()
    }

    #[test]
    fn places_are_limited_and_given_back() {
        let gauge = IntGaugeVec::new(prometheus::Opts::new("g", "h"), &["request_kind"]).unwrap();
        let control = InFlightLimits::new(1, 1, gauge.clone());
        let user = UserInfo::new("u", ["g"]);
        let admin = UserInfo::new("a", [SYSTEM_PRIVILEGED_GROUP]);
        let list = info("GET", "/api/v1/pods");
        let seat = control.enter(&list, &user).unwrap();
        let refused = control.enter(&list, &user).err().unwrap();
        assert_eq!((refused.code(), refused.suggested_delay()), (429, Some(1)));
        assert!(control.enter(&list, &admin).is_ok(), "administrators always get in");
        assert!(control.enter(&info("POST", "/api/v1/namespaces/n/pods"), &user).is_ok(), "another limit");
        assert_eq!(gauge.with_label_values(&["readOnly"]).get(), 1);
        drop(seat);
        assert_eq!(gauge.with_label_values(&["readOnly"]).get(), 0);
        assert!(control.enter(&list, &user).is_ok());
    }
}
