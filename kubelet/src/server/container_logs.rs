//! `/containerLogs`: what a container wrote, as far as it was kept.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use kubelet_adapters::logs::{self, LogOptions, LogStreams, StillWriting};
use kubelet_core::ports::{ContainerState, Runtime};
use tokio::sync::mpsc;

use super::query::Query;
use super::reply::{self, Reply};
use super::routes::Parameters;
use crate::view::{KubeletView, ViewError};

/// Batches on their way to a slow reader; the file waits, not the memory.
const QUEUED_BATCHES: usize = 4;

/// How long the first bytes are waited for, so that an error can still be told by the status.
const FIRST_BYTES: Duration = Duration::from_millis(100);

const CONTENT_TYPE: &str = "text/plain";

/// The query of a request for logs.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Asked {
    options: LogOptions,
    previous: bool,
}

/// Answers a request.
pub async fn answer(
    view: &dyn KubeletView,
    runtime: &Arc<dyn Runtime>,
    parameters: &Parameters,
    query: &Query,
) -> Reply {
    let (namespace, pod, container) =
        (parameters.get("namespace"), parameters.get("pod"), parameters.get("container"));
    let asked = match parse(query, Timestamp::now()) {
        Ok(asked) => asked,
        Err((status, message)) => return reply::text(status, message),
    };
    let found = match view.container(namespace, pod, None, container) {
        Ok(found) => found,
        Err(error) => return refused(&error, pod, container),
    };
    if let (false, Some(reason)) = (asked.previous, &found.waiting_reason) {
        let message = format!("container {container:?} in pod {pod:?} is waiting to start: {reason}");
        return reply::text(StatusCode::BAD_REQUEST, message);
    }
    let path = match (asked.previous, found.previous_log_path) {
        (false, _) => found.log_path,
        (true, Some(path)) => path,
        (true, None) => {
            let message = format!("previous terminated container {container:?} in pod {pod:?} not found");
            return reply::text(StatusCode::BAD_REQUEST, message);
        }
    };
    // A container that ended before does not write any more, whatever the present one does.
    let ended = asked.previous || !found.running;
    let writing = Writing { runtime: Arc::clone(runtime), container_id: found.container_id, ended };
    let (sender, receiver) = mpsc::channel(QUEUED_BATCHES);
    let options = asked.options;
    let reading = tokio::spawn(async move { logs::read(&path, &options, &writing, &sender).await });
    stream(receiver, reading).await
}

/// Sends what is read; an error before the first byte becomes the answer.
async fn stream(
    mut batches: mpsc::Receiver<Bytes>,
    reading: tokio::task::JoinHandle<Result<(), logs::LogError>>,
) -> Reply {
    let first = match tokio::time::timeout(FIRST_BYTES, batches.recv()).await {
        Ok(Some(first)) => Some(first),
        Ok(None) => {
            return match reading.await {
                Ok(Ok(())) => reply::typed(StatusCode::OK, CONTENT_TYPE, Bytes::new()),
                Ok(Err(error)) => reply::text(StatusCode::BAD_REQUEST, error.to_string()),
                Err(panic) => reply::text(StatusCode::INTERNAL_SERVER_ERROR, panic.to_string()),
            };
        }
        // Nothing is written yet, and maybe not for a long time: the client shall know that we listen.
        Err(_) => None,
    };
    let (sender, pieces) = mpsc::channel(QUEUED_BATCHES);
    tokio::spawn(async move {
        if let Some(first) = first
            && sender.send(Ok(first)).await.is_err()
        {
            return;
        }
        while let Some(batch) = batches.recv().await {
            if sender.send(Ok(batch)).await.is_err() {
                return;
            }
        }
        if let Ok(Err(error)) = reading.await {
            // Cuts the answer short; the reader sees that it is not whole.
            let _ = sender.send(Err(io::Error::other(error))).await;
        }
    });
    reply::streamed(CONTENT_TYPE, pieces)
}

fn refused(error: &ViewError, pod: &str, container: &str) -> Reply {
    match error {
        ViewError::PodNotFound { .. } => {
            reply::text(StatusCode::NOT_FOUND, format!("pod {pod:?} does not exist"))
        }
        ViewError::ContainerNotFound { .. } => {
            let message = format!("container {container:?} not found in pod {pod:?}");
            reply::text(StatusCode::NOT_FOUND, message)
        }
        other => reply::text(StatusCode::BAD_REQUEST, other.to_string()),
    }
}

type Refusal = (StatusCode, &'static str);

const UNDECODABLE: Refusal = (StatusCode::BAD_REQUEST, r#"{"message": "Unable to decode query."}"#);
const INVALID: Refusal = (StatusCode::UNPROCESSABLE_ENTITY, r#"{"message": "Invalid request."}"#);

fn parse(query: &Query, now: Timestamp) -> Result<Asked, Refusal> {
    let number = |name: &str| -> Result<Option<i64>, Refusal> {
        query.get(name).map(|text| text.parse().map_err(|_| UNDECODABLE)).transpose()
    };
    let at_least = |value: Option<i64>, least: i64| match value {
        Some(value) if value < least => Err(INVALID),
        value => Ok(value.map(i64::unsigned_abs)),
    };
    // The old name of tailLines wins; "all" takes the limit away.
    let tail = match query.get("tail") {
        Some("all") => None,
        Some(_) => number("tail")?,
        None => number("tailLines")?,
    };
    let since_time =
        query.get("sinceTime").map(str::parse::<Timestamp>).transpose().map_err(|_| UNDECODABLE)?;
    let since_seconds = at_least(number("sinceSeconds")?, 1)?;
    let streams = match query.get("stream") {
        None | Some("" | "All") => LogStreams::All,
        Some("Stdout") => LogStreams::Stdout,
        Some("Stderr") => LogStreams::Stderr,
        Some(_) => return Err(INVALID),
    };
    let tail_lines = at_least(tail, 0)?;
    let both_since = since_time.is_some() && since_seconds.is_some();
    if both_since || (streams != LogStreams::All && tail_lines.is_some()) {
        return Err(INVALID);
    }
    let since_seconds = since_seconds.map(|seconds| {
        let back = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
        now.checked_sub(back).unwrap_or(Timestamp::MIN)
    });
    Ok(Asked {
        options: LogOptions {
            tail_lines,
            since: since_time.or(since_seconds),
            limit_bytes: at_least(number("limitBytes")?, 1)?,
            timestamps: query.flag("timestamps"),
            follow: query.flag("follow"),
            streams,
        },
        previous: query.flag("previous"),
    })
}

/// Asks the runtime whether a container still runs.
struct Writing {
    runtime: Arc<dyn Runtime>,
    container_id: String,
    ended: bool,
}

#[async_trait]
impl StillWriting for Writing {
    async fn still_writing(&self) -> bool {
        if self.ended {
            return false;
        }
        match self.runtime.container_status(&self.container_id).await {
            Ok(status) => matches!(status.state, ContainerState::Created | ContainerState::Running),
            // A runtime that is being restarted says nothing about its containers.
            Err(error) => !error.is_not_found(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_714_557_600;

    fn check(query: &str, expected: Result<Asked, u16>) {
        let now = Timestamp::from_second(NOW).expect("time");
        let got = parse(&Query::parse(Some(query)), now).map_err(|(status, _)| status.as_u16());
        assert_eq!(got, expected, "{query}");
    }

    fn asked(options: LogOptions) -> Result<Asked, u16> {
        Ok(Asked { options, previous: false })
    }

    #[test]
    fn queries() {
        let default = LogOptions::default;
        check("", asked(default()));
        check(
            "tailLines=5&follow=true",
            asked(LogOptions { tail_lines: Some(5), follow: true, ..default() }),
        );
        check("tailLines=5&tail=7", asked(LogOptions { tail_lines: Some(7), ..default() }));
        check("tailLines=5&tail=all", asked(default()));
        check(
            "timestamps=1&limitBytes=9",
            asked(LogOptions { timestamps: true, limit_bytes: Some(9), ..default() }),
        );
        let since = Timestamp::from_second(NOW - 60).ok();
        check("sinceSeconds=60", asked(LogOptions { since, ..default() }));
        check("sinceTime=2024-05-01T09:59:00Z", asked(LogOptions { since, ..default() }));
        check("stream=Stderr", asked(LogOptions { streams: LogStreams::Stderr, ..default() }));
        check("previous=true", Ok(Asked { options: default(), previous: true }));
    }

    #[test]
    fn refusals() {
        check("tailLines=x", Err(400));
        check("sinceTime=yesterday", Err(400));
        check("tailLines=-1", Err(422));
        check("limitBytes=0", Err(422));
        check("sinceSeconds=0", Err(422));
        check("sinceSeconds=1&sinceTime=2024-05-01T09:59:00Z", Err(422));
        check("stream=Other", Err(422));
        check("stream=Stdout&tailLines=1", Err(422));
    }
}
