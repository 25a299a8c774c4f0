//! events.k8s.io/v1: an event that goes on becomes a series (`client-go/tools/events`).

use std::time::Duration;

use api_types::core::v1::ObjectReference;
use api_types::events::v1::{Event, EventSeries};
use client::{Client, Error, Patch, PatchParams};
use component_base::Shutdown;
use hashbrown::HashMap;
use jiff::{SignedDuration, Timestamp};
use machinery::MicroTime;
use serde_json::json;
use tokio::sync::mpsc;

use super::{QUEUED, TRIES, event_name};

/// A series nothing was added to for this long has ended.
const FINISHED_AFTER: SignedDuration = SignedDuration::from_secs(6 * 60);
/// How often the counts of running series are written.
const REFRESH: Duration = Duration::from_secs(30 * 60);
/// How often ended series are looked for.
const FINISH: Duration = Duration::from_secs(6 * 60);
/// Pause between tries when the server cannot be reached.
const PAUSE: Duration = Duration::from_secs(10);

/// Says events in the name of one component; clones share the queue.
#[derive(Clone, Debug)]
pub struct SeriesRecorder {
    sender: mpsc::Sender<Event>,
    controller: String,
    instance: String,
}

impl SeriesRecorder {
    /// Starts the writing task; `controller` is the reporting controller (`default-scheduler`). Must be
    /// called inside a tokio runtime.
    pub fn start(client: Client, controller: &str, hostname: &str, shutdown: &Shutdown) -> SeriesRecorder {
        let (sender, queue) = mpsc::channel(QUEUED);
        let writer = Writer { client, series: HashMap::new() };
        tokio::spawn(writer.run(queue, shutdown.clone()));
        SeriesRecorder {
            sender,
            controller: controller.to_owned(),
            instance: format!("{controller}-{hostname}"),
        }
    }

    /// Says nothing to anybody.
    pub fn discarding() -> SeriesRecorder {
        SeriesRecorder { sender: mpsc::channel(1).0, controller: String::new(), instance: String::new() }
    }

    /// The same queue in the name of another reporting controller (a scheduler profile).
    pub fn for_controller(&self, controller: &str, hostname: &str) -> SeriesRecorder {
        SeriesRecorder {
            sender: self.sender.clone(),
            controller: controller.to_owned(),
            instance: format!("{controller}-{hostname}"),
        }
    }

    /// Says something about an object; `kind` is `Normal` or `Warning`, `action` what was being done.
    pub fn event(
        &self,
        regarding: ObjectReference,
        related: Option<ObjectReference>,
        kind: &str,
        reason: &str,
        action: &str,
        note: &str,
    ) {
        let now = Timestamp::now();
        let mut event = Event {
            event_time: MicroTime::from(now),
            reporting_controller: self.controller.clone(),
            reporting_instance: self.instance.clone(),
            action: action.to_owned(),
            reason: reason.to_owned(),
            related: related.map(Box::new),
            note: note.to_owned(),
            type_: kind.to_owned(),
            ..Event::default()
        };
        event.metadata.name = event_name(&regarding.name, now);
        event.metadata.namespace =
            if regarding.namespace.is_empty() { "default".to_owned() } else { regarding.namespace.clone() };
        event.regarding = regarding;
        if let Err(mpsc::error::TrySendError::Full(event)) = self.sender.try_send(event) {
            tracing::warn!(reason = event.reason, note = event.note, "too many events wait, one is dropped");
        }
    }
}

/// What makes two events the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key(Vec<String>);

fn key(event: &Event) -> Key {
    let related = event.related.as_deref();
    let mut parts = vec![
        event.type_.clone(),
        event.action.clone(),
        event.reason.clone(),
        event.reporting_controller.clone(),
        event.reporting_instance.clone(),
    ];
    for object in [Some(&event.regarding), related].into_iter().flatten() {
        parts.extend(
            [
                &object.kind,
                &object.namespace,
                &object.name,
                &object.uid,
                &object.api_version,
                &object.resource_version,
                &object.field_path,
            ]
            .map(String::clone),
        );
    }
    Key(parts)
}

struct Writer {
    client: Client,
    series: HashMap<Key, Event>,
}

impl Writer {
    async fn run(mut self, mut queue: mpsc::Receiver<Event>, shutdown: Shutdown) {
        let mut refresh = tokio::time::interval(REFRESH);
        let mut finish = tokio::time::interval(FINISH);
        loop {
            // Receiving and ticking are safe to drop; writing happens outside of the selection.
            tokio::select! {
                () = shutdown.wait() => return,
                event = queue.recv() => {
                    let Some(event) = event else { return };
                    if let Some(event) = self.observe(event, Timestamp::now()) {
                        self.write(&event).await;
                    }
                }
                _ = refresh.tick() => {
                    let running: Vec<Event> = self.series.values().filter(|event| event.series.is_some()).cloned().collect();
                    for event in running {
                        self.write(&event).await;
                    }
                }
                _ = finish.tick() => {
                    for event in self.finished(Timestamp::now()) {
                        self.write(&event).await;
                    }
                }
            }
        }
    }

    /// What must be written now for an event: itself, or the start of a series. A running series is only
    /// counted.
    fn observe(&mut self, event: Event, now: Timestamp) -> Option<Event> {
        let key = key(&event);
        let Some(known) = self.series.get_mut(&key) else {
            self.series.insert(key, event.clone());
            return Some(event);
        };
        let now = MicroTime::from(now);
        if let Some(series) = &mut known.series {
            series.count = series.count.saturating_add(1);
            series.last_observed_time = now;
            return None;
        }
        known.series = Some(Box::new(EventSeries { count: 2, last_observed_time: now }));
        Some(known.clone())
    }

    /// Takes out what has ended; the series among it get their last count written.
    fn finished(&mut self, now: Timestamp) -> Vec<Event> {
        let ended = |time: &MicroTime| {
            time.to_timestamp().is_none_or(|time| now.duration_since(time) > FINISHED_AFTER)
        };
        let gone: Vec<Key> = self
            .series
            .iter()
            .filter(|(_, event)| match &event.series {
                Some(series) => ended(&series.last_observed_time),
                None => ended(&event.event_time),
            })
            .map(|(key, _)| key.clone())
            .collect();
        gone.iter().filter_map(|key| self.series.remove(key)).filter(|event| event.series.is_some()).collect()
    }

    async fn write(&self, event: &Event) {
        for _ in 0..TRIES {
            match self.send(event).await {
                Ok(()) => return,
                // Said twice in a short time: the second found nothing to change, then something there.
                Err(error) if error.is_already_exists() && event.series.is_some() => {}
                Err(error @ (Error::Status(_) | Error::Request(_) | Error::Decode { .. })) => {
                    tracing::debug!(%error, reason = event.reason, "event was refused");
                    return;
                }
                Err(error) => {
                    tracing::debug!(
                        error = component_base::run::error_chain(&error),
                        "event not written, trying again"
                    );
                }
            }
            tokio::time::sleep(PAUSE.mul_f64(1.0 + 0.25 * rand::random::<f64>())).await;
        }
        tracing::warn!(reason = event.reason, note = event.note, "event not written, retry limit exceeded");
    }

    async fn send(&self, event: &Event) -> Result<(), Error> {
        let api = self.client.namespaced::<Event>(&event.metadata.namespace);
        if let Some(series) = &event.series {
            let series =
                json!({"count": series.count, "lastObservedTime": series.last_observed_time.to_string()});
            let patch = Patch::Strategic(json!({ "series": series }));
            match api.patch(&event.metadata.name, &patch, &PatchParams::default()).await {
                Err(error) if error.is_not_found() => {}
                outcome => return outcome.map(drop),
            }
        }
        api.create(event).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).expect("in range")
    }

    fn event(note: &str, second: i64) -> Event {
        let mut event = Event {
            reason: "Scheduled".into(),
            note: note.into(),
            event_time: at(second).into(),
            ..Event::default()
        };
        event.regarding.name = "p".into();
        event
    }

    #[test]
    fn repetitions_become_a_series() {
        let config = client::Config::new("http://localhost:1").expect("valid");
        let mut writer = Writer { client: Client::new(config).expect("client"), series: HashMap::new() };
        let count = |event: Option<Event>| event.map(|event| event.series.map_or(1, |series| series.count));
        assert_eq!(count(writer.observe(event("a", 0), at(0))), Some(1));
        assert_eq!(count(writer.observe(event("b", 1), at(1))), Some(2));
        assert_eq!(count(writer.observe(event("c", 2), at(2))), None);
        assert!(writer.finished(at(300)).is_empty());
        let finished = writer.finished(at(1000));
        assert_eq!(finished.len(), 1);
        assert_eq!(count(finished.into_iter().next()), Some(3));
        assert_eq!(count(writer.observe(event("a", 2000), at(2000))), Some(1));
        assert!(writer.finished(at(4000)).is_empty() && writer.series.is_empty());
    }
}
