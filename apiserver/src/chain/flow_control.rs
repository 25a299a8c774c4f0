//! Station: how many requests are served at one time.

use std::sync::Arc;

use apiserver_auth::UserInfo;
use apiserver_auth::user::SYSTEM_PRIVILEGED_GROUP;
use machinery::status::StatusError;
use prometheus::IntGaugeVec;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::request_info::RequestInfo;

/// Seconds after which a refused client may try again.
const RETRY_AFTER_SECONDS: i32 = 1;

/// Two limits: for requests that change something and for those that do not.
pub struct FlowControl {
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

impl FlowControl {
    /// Limits as in `--max-requests-inflight` and `--max-mutating-requests-inflight`; 0 is no limit.
    pub fn new(reading: usize, mutating: usize, in_flight: IntGaugeVec) -> Self {
        let limit = |places: usize| (places > 0).then(|| Arc::new(Semaphore::new(places)));
        FlowControl { mutating: limit(mutating), reading: limit(reading), in_flight }
    }

    /// A place for the request, or why there is none. Long-running requests need none: their number
    /// is limited by connections, and a watch that waits costs next to nothing.
    pub fn enter(&self, info: &RequestInfo, user: &UserInfo) -> Result<Option<Seat>, StatusError> {
        if info.is_long_running() {
            return Ok(None);
        }
        let (kind, limit) =
            if info.is_read_only() { ("readOnly", &self.reading) } else { ("mutating", &self.mutating) };
        let permit = match limit {
            None => None,
            Some(limit) => match limit.clone().try_acquire_owned() {
                Ok(permit) => Some(permit),
                // Whoever repairs the cluster gets in when it is overloaded.
                Err(_) if user.in_group(SYSTEM_PRIVILEGED_GROUP) => None,
                Err(_) => {
                    let text = "Too many requests, please try again later.";
                    return Err(StatusError::too_many_requests(text, RETRY_AFTER_SECONDS));
                }
            },
        };
        let gauge = self.in_flight.with_label_values(&[kind]);
        gauge.inc();
        Ok(Some(Seat { _permit: permit, gauge }))
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
        let control = FlowControl::new(1, 1, gauge.clone());
        let user = UserInfo::new("u", ["g"]);
        let admin = UserInfo::new("a", [SYSTEM_PRIVILEGED_GROUP]);
        let list = info("GET", "/api/v1/pods");
        let seat = control.enter(&list, &user).unwrap();
        let refused = control.enter(&list, &user).err().unwrap();
        assert_eq!((refused.code(), refused.suggested_delay()), (429, Some(1)));
        assert!(control.enter(&list, &admin).is_ok(), "administrators always get in");
        assert!(control.enter(&info("POST", "/api/v1/namespaces/n/pods"), &user).is_ok(), "another limit");
        assert!(control.enter(&info("GET", "/api/v1/watch/pods"), &user).unwrap().is_none());
        assert_eq!(gauge.with_label_values(&["readOnly"]).get(), 1);
        drop(seat);
        assert_eq!(gauge.with_label_values(&["readOnly"]).get(), 0);
        assert!(control.enter(&list, &user).is_ok());
    }
}
