//! How long a request may take.

use std::time::{Duration, Instant};

use machinery::status::StatusError;

use super::request_info::{RequestInfo, query_value};

/// The moment by which an answer must be ready; `None` for long-running requests.
pub fn of(
    info: &RequestInfo,
    query: &str,
    started: Instant,
    maximum: Duration,
) -> Result<Option<Instant>, StatusError> {
    if info.is_long_running() {
        return Ok(None);
    }
    let asked = query_value(query, "timeout").filter(|text| !text.is_empty());
    let nanoseconds = match asked {
        None => 0,
        Some(text) => component_base::flags::parse_signed_nanoseconds(&text).map_err(|reason| {
            StatusError::bad_request(format!("invalid timeout specified in the request URL - {reason}"))
        })?,
    };
    let asked = u64::try_from(nanoseconds).ok().filter(|asked| *asked > 0).map(Duration::from_nanos);
    Ok(Some(started + asked.unwrap_or(maximum).min(maximum)))
}

/// The answer when the time is over.
pub fn exceeded() -> StatusError {
    StatusError::timeout("request did not complete within the allotted timeout", 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, query: &str, expected: Result<Option<u64>, &str>) {
        let started = Instant::now();
        let info = RequestInfo::parse(&http::Method::GET, path, query).unwrap();
        let got = of(&info, query, started, Duration::from_secs(60))
            .map(|deadline| deadline.map(|at| (at - started).as_secs()))
            .map_err(|error| error.status.message);
        match (&got, expected) {
            (Err(message), Err(start)) => assert!(message.starts_with(start), "{message}"),
            (got, expected) => assert_eq!(got.clone(), expected.map_err(str::to_string), "{path}?{query}"),
        }
    }

    #[test]
    fn timeouts() {
        check("/api/v1/pods", "", Ok(Some(60)));
        check("/api/v1/pods", "timeout=10s", Ok(Some(10)));
        check("/api/v1/pods", "timeout=10m", Ok(Some(60)));
        check("/api/v1/pods", "timeout=0s", Ok(Some(60)));
        check("/api/v1/pods", "timeout=-1s", Ok(Some(60)));
        check("/api/v1/pods", "timeout=x", Err("invalid timeout specified in the request URL - "));
        check("/api/v1/pods", "watch=1&timeout=x", Ok(None));
        check("/api/v1/namespaces/n/pods/p/log", "", Ok(None));
    }
}
