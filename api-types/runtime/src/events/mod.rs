//! Events: what users see in `kubectl describe`.
//!
//! [`Recorder`] writes core/v1 events as upstream's controllers and kubelet do, [`SeriesRecorder`] writes
//! events.k8s.io/v1 as upstream's scheduler does. Both hand over to a task: saying something never waits
//! and is lost only when a thousand events wait already.

mod correlate;
mod series;

use api_types::core::v1::{Event, EventSource, ObjectReference};
use client::{Client, Error, Patch, PatchParams};
use component_base::Shutdown;
use jiff::Timestamp;
use machinery::Time;
use serde_json::json;
use tokio::sync::mpsc;

use correlate::{Correlated, Correlator};
pub use series::SeriesRecorder;

/// Events that wait for the writing task, as upstream.
const QUEUED: usize = 1000;
/// How often an event is tried when the server cannot be reached.
const TRIES: u32 = 12;
/// Pause between tries.
const PAUSE: std::time::Duration = std::time::Duration::from_secs(10);

/// One thing to say.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// The object it is about.
    pub regarding: ObjectReference,
    /// `Normal` or `Warning`.
    pub kind: String,
    /// Reason in one CamelCase word.
    pub reason: String,
    /// Message for people.
    pub message: String,
    /// When it happened.
    pub at: Timestamp,
}

/// Says events in the name of one component; clones share the queue.
#[derive(Clone, Debug)]
pub struct Recorder {
    sender: mpsc::Sender<Said>,
}

impl Recorder {
    /// Starts the writing task. `host` is the node's name for the kubelet and empty elsewhere. Must be
    /// called inside a tokio runtime.
    pub fn start(client: Client, component: &str, host: &str, shutdown: &Shutdown) -> Recorder {
        let (sender, queue) = mpsc::channel(QUEUED);
        let source = EventSource { component: component.to_owned(), host: host.to_owned() };
        let writer = Writer { client, source, correlator: Correlator::default() };
        tokio::spawn(writer.run(queue, shutdown.clone()));
        Recorder { sender }
    }

    /// Says nothing to anybody.
    pub fn discarding() -> Recorder {
        Recorder { sender: mpsc::channel(1).0 }
    }

    /// Hands what is said to the test that holds the receiver.
    pub fn capturing() -> (Recorder, mpsc::Receiver<Said>) {
        let (sender, receiver) = mpsc::channel(QUEUED);
        (Recorder { sender }, receiver)
    }

    /// Says something about an object; `kind` is `Normal` or `Warning`.
    pub fn event(&self, regarding: ObjectReference, kind: &str, reason: &str, message: &str) {
        let (kind, reason, message) = (kind.to_owned(), reason.to_owned(), message.to_owned());
        let said = Said { regarding, kind, reason, message, at: Timestamp::now() };
        if let Err(mpsc::error::TrySendError::Full(said)) = self.sender.try_send(said) {
            tracing::warn!(
                reason = said.reason,
                message = said.message,
                "too many events wait, one is dropped"
            );
        }
    }
}

struct Writer {
    client: Client,
    source: EventSource,
    correlator: Correlator,
}

impl Writer {
    async fn run(mut self, mut queue: mpsc::Receiver<Said>, shutdown: Shutdown) {
        // Safe to drop while waiting; writing is dropped only at the end of the process.
        while let Some(Some(said)) = shutdown.run_until(queue.recv()).await {
            let now = Timestamp::now();
            if let Some(correlated) = self.correlator.take(self.event(said), now) {
                shutdown.run_until(self.write(correlated)).await;
            }
        }
    }

    fn event(&self, said: Said) -> Event {
        let namespace = match said.regarding.namespace.as_str() {
            "" => "default".to_owned(),
            namespace => namespace.to_owned(),
        };
        let mut event = Event {
            reason: said.reason,
            message: said.message,
            source: self.source.clone(),
            first_timestamp: Time::from(said.at),
            last_timestamp: Time::from(said.at),
            count: 1,
            type_: said.kind,
            reporting_component: self.source.component.clone(),
            reporting_instance: self.source.host.clone(),
            ..Event::default()
        };
        event.metadata.name = event_name(&said.regarding.name, said.at);
        event.metadata.namespace = namespace;
        event.involved_object = said.regarding;
        event
    }

    async fn write(&mut self, correlated: Correlated) {
        let Correlated { mut event, key } = correlated;
        for attempt in 1..=TRIES {
            match self.send(&mut event).await {
                Ok(written) => {
                    self.correlator.written(key, &written);
                    return;
                }
                Err(error @ (Error::Status(_) | Error::Request(_) | Error::Decode { .. })) => {
                    if error.is_already_exists() || error.is_namespace_terminating() {
                        tracing::debug!(%error, "event was refused");
                    } else {
                        tracing::warn!(%error, reason = event.reason, "event was refused");
                    }
                    return;
                }
                Err(error) => {
                    let error = component_base::run::error_chain(&error);
                    tracing::debug!(attempt, error, "event not written, trying again");
                    let fraction = if attempt == 1 { rand::random::<f64>() } else { 1.0 };
                    tokio::time::sleep(PAUSE.mul_f64(fraction)).await;
                }
            }
        }
        tracing::warn!(
            reason = event.reason,
            message = event.message,
            "event not written, retry limit exceeded"
        );
    }

    async fn send(&self, event: &mut Event) -> Result<Event, Error> {
        let api = self.client.namespaced::<Event>(&event.metadata.namespace);
        if event.count > 1 {
            let patch = Patch::Strategic(json!({
                "count": event.count,
                "lastTimestamp": event.last_timestamp.to_string(),
                "message": event.message,
            }));
            match api.patch(&event.metadata.name, &patch, &PatchParams::default()).await {
                // The server forgets events after an hour: then it is said anew.
                Err(error) if error.is_not_found() => {}
                outcome => return outcome,
            }
        }
        event.metadata.resource_version.clear();
        api.create(event).await
    }
}

/// `<object>.<time in hexadecimal nanoseconds>`, or a UUID when that is no valid name.
pub(crate) fn event_name(object: &str, at: Timestamp) -> String {
    let name = format!("{object}.{:x}", at.as_nanosecond());
    if machinery::names::is_dns1123_subdomain(&name).is_empty() {
        name
    } else {
        uuid::Uuid::new_v4().to_string()
    }
}

#[cfg(test)]
mod tests {
    use client::fake::{Answer, FakeServer};
    use http::Method;

    use super::*;

    fn regarding() -> ObjectReference {
        ObjectReference {
            kind: "Pod".into(),
            namespace: "work".into(),
            name: "p".into(),
            uid: "u".into(),
            ..Default::default()
        }
    }

    #[test]
    fn names_are_valid() {
        let at = Timestamp::from_second(1).expect("in range");
        assert_eq!(event_name("p", at), "p.3b9aca00");
        assert_eq!(event_name("system:node", at).len(), 36);
    }

    #[tokio::test]
    async fn repeated_events_are_counted() {
        let server = FakeServer::start().await.expect("server");
        let path = "/api/v1/namespaces/work/events";
        let mut stored = Event { count: 1, ..Event::default() };
        stored.metadata.name = "p.1".into();
        stored.metadata.namespace = "work".into();
        server.on(Method::POST, path, Answer::object(&stored));
        stored.count = 2;
        server.on(Method::PATCH, &format!("{path}/p.1"), Answer::object(&stored));
        let shutdown = Shutdown::new();
        let recorder = Recorder::start(server.client().expect("client"), "test", "", &shutdown);
        recorder.event(regarding(), "Warning", "BackOff", "again");
        recorder.event(regarding(), "Warning", "BackOff", "again");
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
        while server.received().len() < 2 {
            assert!(tokio::time::Instant::now() < deadline, "{:?}", server.unexpected());
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        let patch = &server.received()[1];
        assert_eq!(patch.method, Method::PATCH);
        assert_eq!((&patch.json()["count"], &patch.json()["message"]), (&json!(2), &json!("again")));
        assert!(server.unexpected().is_empty());
        shutdown.trigger();
    }
}
