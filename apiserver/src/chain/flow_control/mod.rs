//! Station: how many requests are served at one time, and whose turn it is.
//!
//! Two forms: plain limits for reading and changing requests (`in_flight`), or priority and fairness:
//! `schemas` (which level and flow a request belongs to) → `fair_queues` (a state machine of levels with
//! queues) ← `dispatcher` (waits for a turn). `defaults` is the configuration every cluster begins with.

pub mod defaults;
pub mod dispatcher;
pub mod fair_queues;
pub mod in_flight;
pub mod schemas;

use std::sync::Arc;
use std::time::Instant;

use apiserver_auth::UserInfo;
use apiserver_auth::authz::Attributes;
use http::HeaderMap;
use machinery::status::StatusError;

use super::authorization;
use super::request_info::RequestInfo;
use dispatcher::Dispatcher;
use in_flight::InFlightLimits;

/// Seconds after which a refused client may try again.
const RETRY_AFTER_SECONDS: i32 = 1;

fn too_many_requests() -> StatusError {
    StatusError::too_many_requests("Too many requests, please try again later.", RETRY_AFTER_SECONDS)
}

/// One of the two forms.
pub enum FlowControl {
    /// Plain limits.
    InFlight(InFlightLimits),
    /// Priority and fairness.
    Fair(Arc<Dispatcher>),
}

/// Leave to be served; the place is free again when this is dropped.
pub enum Seat {
    /// Under plain limits.
    InFlight(in_flight::Seat),
    /// Under priority and fairness.
    Fair(dispatcher::Seat),
}

impl Seat {
    /// Tells the client which configuration decided.
    pub fn describe(&self, headers: &mut HeaderMap) {
        if let Seat::Fair(seat) = self {
            seat.describe(headers);
        }
    }
}

impl FlowControl {
    /// Waits for a place; an error when there is none within the time. Long-running requests need none:
    /// their number is limited by connections, and a watch that waits costs next to nothing.
    pub async fn enter(
        &self,
        info: &RequestInfo,
        user: &UserInfo,
        deadline: Option<Instant>,
    ) -> Result<Option<Seat>, StatusError> {
        if info.is_long_running() {
            return Ok(None);
        }
        match self {
            FlowControl::InFlight(limits) => Ok(Some(Seat::InFlight(limits.enter(info, user)?))),
            FlowControl::Fair(dispatcher) => {
                let attributes: Attributes<'_> = authorization::attributes(info, user, &[]);
                Ok(Some(Seat::Fair(dispatcher.enter(&attributes, info.is_read_only(), deadline).await?)))
            }
        }
    }
}
