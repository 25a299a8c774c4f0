//! Keeps a store equal to a collection of the API server.
//!
//! Starts by a watch that sends the present objects first (`sendInitialEvents`), or by pages of a list
//! where the server cannot, then follows the watch. An expired version starts over; any other failure
//! goes on from the last version seen after a pause.

use std::time::Duration;

use client::outage::Outage;
use client::{Api, Error, ListParams, WatchEvent};
use component_base::Shutdown;
use futures_util::StreamExt as _;
use machinery::Resource;

use crate::backoff::Backoff;
use crate::store::Store;

/// First and longest pause after failures; each is stretched by up to itself, so that they do not meet.
///
/// client-go goes up to 30 s. Here it is 5 s: after an outage nothing of a cluster moves before its caches follow again,
/// and a program of ours asks over one connection for all kinds, so that a try costs an idle server next to nothing and
/// a server that is away one refused connection.
const FIRST_PAUSE: Duration = Duration::from_millis(800);
const LONGEST_PAUSE: Duration = Duration::from_millis(2500);
/// A watch is ended by the server after 5 to 10 minutes, so that watches spread over servers.
const WATCH_SECONDS: u32 = 300;
/// Objects per page of a list.
const PAGE: u32 = 500;

/// Changes an object before it is stored: what nobody reads is taken out and costs no memory.
pub type Transform<T> = fn(&mut T);

/// Takes out what no component reads.
pub fn drop_managed_fields<T: Resource>(object: &mut T) {
    object.metadata_mut().managed_fields = Vec::new();
}

/// Follows `api` into `store` until `shutdown`.
pub async fn run<T: Resource>(
    api: Api<T>,
    params: ListParams,
    store: Store<T>,
    transform: Transform<T>,
    shutdown: Shutdown,
) {
    let mut reflector = Reflector {
        api,
        params,
        store,
        transform,
        version: String::new(),
        streams: true,
        watching: false,
        outage: Outage::new(format!("watch {}", T::KIND), FIRST_PAUSE, LONGEST_PAUSE),
        backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
    };
    // Dropping a request half way leaves the store as it was.
    let endless = async {
        loop {
            let outcome = reflector.round().await;
            reflector.after(outcome).await;
        }
    };
    shutdown.run_until(endless).await;
}

struct Reflector<T> {
    api: Api<T>,
    params: ListParams,
    store: Store<T>,
    transform: Transform<T>,
    /// Version to watch from; empty when everything must be read first.
    version: String,
    /// Whether the server sends initial events.
    streams: bool,
    /// Whether the watch of this round was granted.
    watching: bool,
    /// What the server says instead of letting this kind be watched.
    outage: Outage,
    backoff: Backoff,
}

impl<T: Resource> Reflector<T> {
    /// One watch, with the reading of everything before it where needed.
    async fn round(&mut self) -> Result<(), Error> {
        self.watching = false;
        if self.version.is_empty() && !self.streams {
            self.list().await?;
        }
        let initial = self.version.is_empty();
        let params = ListParams {
            send_initial_events: initial,
            allow_bookmarks: true,
            timeout_seconds: WATCH_SECONDS + rand::random_range(0..WATCH_SECONDS),
            ..self.params.clone()
        };
        let mut events = self.api.watch(&params, &self.version).await?;
        self.watching = true;
        let mut objects = initial.then(Vec::new);
        while let Some(event) = events.next().await {
            let event = event?;
            self.outage.over();
            match (event, &mut objects) {
                (WatchEvent::Added(mut object) | WatchEvent::Modified(mut object), Some(objects)) => {
                    (self.transform)(&mut object);
                    objects.push(object);
                }
                (WatchEvent::Deleted(object), Some(objects)) => {
                    objects.retain(|known: &T| known.metadata().uid != object.metadata().uid);
                }
                (WatchEvent::Bookmark { resource_version, initial_events_end: true }, Some(_)) => {
                    let whole = objects.take().unwrap_or_default();
                    self.replace(whole, resource_version);
                }
                (WatchEvent::Bookmark { .. }, Some(_)) => {}
                (WatchEvent::Added(mut object) | WatchEvent::Modified(mut object), None) => {
                    self.version.clone_from(&object.metadata().resource_version);
                    (self.transform)(&mut object);
                    self.store.apply(object);
                }
                (WatchEvent::Deleted(mut object), None) => {
                    self.version.clone_from(&object.metadata().resource_version);
                    (self.transform)(&mut object);
                    self.store.remove(object);
                }
                (WatchEvent::Bookmark { resource_version, .. }, None) => {
                    self.store.advance(&resource_version);
                    self.version = resource_version;
                }
            }
        }
        Ok(())
    }

    async fn list(&mut self) -> Result<(), Error> {
        // Version "0" lets the server answer from its cache; after an expiry only the newest will do.
        let resource_version = if self.store.is_synced() { String::new() } else { "0".to_owned() };
        let params = ListParams { resource_version, limit: PAGE, ..self.params.clone() };
        let mut whole = self.api.list_all(&params).await?;
        whole.items.iter_mut().for_each(self.transform);
        self.replace(whole.items, whole.metadata.resource_version);
        Ok(())
    }

    fn replace(&mut self, objects: Vec<T>, resource_version: String) {
        tracing::debug!(kind = T::KIND, count = objects.len(), version = resource_version, "cache filled");
        self.store.replace(objects, &resource_version);
        self.version = resource_version;
        self.backoff.reset();
    }

    /// Decides how to go on, and waits where that is called for.
    async fn after(&mut self, outcome: Result<(), Error>) {
        match outcome {
            // The server ends watches all the time; an initial one that ended early is asked for again.
            Ok(()) if !self.version.is_empty() => {
                self.outage.over();
                self.backoff.reset();
            }
            Ok(()) => self.pause().await,
            Err(error) if error.is_expired() => {
                tracing::debug!(kind = T::KIND, "watch expired, reading everything again");
                self.version.clear();
            }
            Err(error) if self.version.is_empty() && self.streams && refuses_streaming(&error) => {
                tracing::debug!(kind = T::KIND, %error, "the server sends no initial events, listing instead");
                self.streams = false;
            }
            Err(error) => {
                self.tell(&error);
                self.pause().await;
            }
        }
    }

    /// Tells users of a failure once, and of a server that is away once for all kinds.
    fn tell(&mut self, error: &Error) {
        let cause = component_base::run::error_chain(error);
        match Failure::of(error, self.watching) {
            Failure::NotServed => tracing::debug!(kind = T::KIND, error = cause, "resource is not served"),
            Failure::BrokeOff => tracing::debug!(kind = T::KIND, error = cause, "the watch broke off"),
            Failure::Unanswered => self.api.client().note_unanswered(error),
            Failure::Refused => {
                self.outage.failed(&cause);
            }
        }
    }

    async fn pause(&mut self) {
        let pause = self.backoff.next(rand::random());
        tokio::time::sleep(pause).await;
    }
}

/// What a failure means for users.
#[derive(Debug, PartialEq, Eq)]
enum Failure {
    /// The resource may come with a definition or another version of the server.
    NotServed,
    /// A watch that was granted ended early, as all do when a server stops. The next try tells whether it is away.
    BrokeOff,
    /// The server did not answer.
    Unanswered,
    /// The server said no, or something that is not understood.
    Refused,
}

impl Failure {
    fn of(error: &Error, watching: bool) -> Failure {
        match error {
            error if error.is_not_found() => Failure::NotServed,
            Error::Transport { .. } if watching => Failure::BrokeOff,
            Error::Transport { .. } | Error::Timeout { .. } => Failure::Unanswered,
            _ => Failure::Refused,
        }
    }
}

/// Whether an answer means that `sendInitialEvents` is not understood or switched off.
fn refuses_streaming(error: &Error) -> bool {
    error.status().is_some_and(|status| matches!(status.code(), 400 | 422))
}

#[cfg(test)]
mod tests {
    use api_types::core::v1::ConfigMap;
    use client::fake::{Answer, FakeServer};
    use http::Method;
    use serde_json::{Value, json};

    use super::*;

    const PATH: &str = "/api/v1/configmaps";

    fn event(kind: &str, name: &str, version: &str) -> Value {
        let metadata = json!({"name": name, "namespace": "d", "uid": name, "resourceVersion": version, "managedFields": [{"manager": "m"}]});
        json!({"type": kind, "object": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}})
    }

    fn bookmark(version: &str, end: bool) -> Value {
        let annotations = if end { json!({"k8s.io/initial-events-end": "true"}) } else { json!({}) };
        json!({"type": "BOOKMARK", "object": {"kind": "ConfigMap", "apiVersion": "v1",
            "metadata": {"resourceVersion": version, "annotations": annotations}}})
    }

    fn expired() -> Value {
        json!({"type": "ERROR", "object": {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410,
            "reason": "Expired", "message": "too old resource version"}})
    }

    async fn start(server: &FakeServer) -> (Store<ConfigMap>, Shutdown) {
        let (store, shutdown) = (Store::new(), Shutdown::new());
        store.add_index(crate::store::BY_NAMESPACE, crate::store::namespace_of);
        let api = server.client().expect("client").all();
        let transform = drop_managed_fields::<ConfigMap>;
        tokio::spawn(run(api, ListParams::default(), store.clone(), transform, shutdown.clone()));
        store.synced().await;
        (store, shutdown)
    }

    /// Waits, with a deadline, until the names in the store are as expected.
    async fn settles(store: &Store<ConfigMap>, expected: &[&str]) {
        let names = || {
            let mut names: Vec<String> =
                store.list().iter().map(|object| object.metadata().name.clone()).collect();
            names.sort();
            names
        };
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        while names() != expected {
            assert!(tokio::time::Instant::now() < deadline, "{:?} instead of {expected:?}", names());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    #[tokio::test]
    async fn initial_events_then_changes() {
        let server = FakeServer::start().await.expect("server");
        let events = [
            event("ADDED", "a", "1"),
            event("ADDED", "b", "2"),
            bookmark("5", true),
            event("ADDED", "c", "6"),
            event("DELETED", "a", "7"),
        ];
        server.on(Method::GET, PATH, Answer::watch(&events));
        let (store, shutdown) = start(&server).await;
        settles(&store, &["b", "c"]).await;
        assert!(store.list().iter().all(|object| object.metadata().managed_fields.is_empty()));
        assert_eq!(store.version(), 7);
        assert!(server.received()[0].target.contains("sendInitialEvents=true"));
        shutdown.trigger();
    }

    #[tokio::test]
    async fn a_watch_that_ends_goes_on_and_one_that_expired_starts_over() {
        let server = FakeServer::start().await.expect("server");
        server
            .on(Method::GET, PATH, Answer::watch(&[event("ADDED", "a", "1"), bookmark("5", true)]).ended())
            .on(Method::GET, PATH, Answer::watch(&[event("ADDED", "b", "6"), expired()]).ended())
            .on(Method::GET, PATH, Answer::watch(&[event("ADDED", "z", "9"), bookmark("10", true)]));
        let (store, shutdown) = start(&server).await;
        settles(&store, &["z"]).await;
        let targets: Vec<String> = server.received().into_iter().map(|request| request.target).collect();
        assert!(
            targets[1].contains("resourceVersion=5") && !targets[1].contains("sendInitialEvents"),
            "{targets:?}"
        );
        assert!(targets[2].contains("sendInitialEvents=true"), "{targets:?}");
        shutdown.trigger();
    }

    #[tokio::test]
    async fn servers_without_initial_events_are_listed() {
        let server = FakeServer::start().await.expect("server");
        let refusal = machinery::status::StatusError::bad_request("sendInitialEvents is forbidden");
        let item = |name: &str| json!({"metadata": {"name": name, "namespace": "d"}});
        let page = |token: &str, name: &str| json!({"kind": "ConfigMapList", "apiVersion": "v1", "metadata": {"resourceVersion": "8", "continue": token}, "items": [item(name)]});
        server
            .on(Method::GET, PATH, Answer::status(&refusal))
            .on(Method::GET, PATH, Answer::json(200, &page("next", "a")))
            .on(Method::GET, PATH, Answer::json(200, &page("", "b")))
            .on(Method::GET, PATH, Answer::watch(&[event("ADDED", "c", "9")]));
        let (store, shutdown) = start(&server).await;
        settles(&store, &["a", "b", "c"]).await;
        let targets: Vec<String> = server.received().into_iter().map(|request| request.target).collect();
        assert!(
            targets[1].contains("resourceVersion=0") && targets[2].contains("continue=next"),
            "{targets:?}"
        );
        assert!(targets[3].contains("resourceVersion=8"), "{targets:?}");
        shutdown.trigger();
    }

    #[test]
    fn failures_are_told_by_what_they_mean() {
        let transport = |connecting| Error::Transport {
            method: Method::GET,
            url: "/api/v1/pods".to_owned(),
            source: "connection refused".into(),
            connecting,
        };
        let forbidden = Error::Status(machinery::status::StatusError::bad_request("no"));
        let cases = [
            (transport(true), false, Failure::Unanswered),
            (transport(false), false, Failure::Unanswered),
            (transport(false), true, Failure::BrokeOff),
            (forbidden, true, Failure::Refused),
        ];
        for (error, watching, expected) in cases {
            assert_eq!(Failure::of(&error, watching), expected, "{error:?}");
        }
    }

    #[test]
    fn no_pause_is_longer_than_five_seconds() {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let longest = (0..20).map(|_| backoff.next(1.0)).max();
        assert_eq!(longest, Some(Duration::from_secs(5)));
    }
}
