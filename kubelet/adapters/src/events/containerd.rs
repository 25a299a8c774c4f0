//! Events by containerd's event service, for versions whose CRI has no events (before 2.0).
//!
//! containerd tells of a process's end before its CRI plugin has noticed. A listener who looks at once would still
//! see a running container and miss the change, so an end is passed on only when CRI shows it.

use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use async_trait::async_trait;
use containerd_client::events as messages;
use containerd_client::services::v1::events_client::EventsClient;
use containerd_client::services::v1::{PublishRequest, SubscribeRequest};
use containerd_client::types::Envelope;
use kubelet_core::ports::{RuntimeError, RuntimeErrorCode, RuntimeEvent, RuntimeEventKind, RuntimeEvents};
use prost::Message;
use proto::cri;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};

use crate::cri::{Client, from_status};

/// The containerd namespace in which its CRI plugin keeps everything.
const NAMESPACE: &str = "k8s.io";

/// Events on their way to one listener; a burst of a full node's containers fits.
const BUFFERED_EVENTS: usize = 1024;

/// How long CRI may lag behind; past it the event is passed on and the listener's relist finds the truth.
const SETTLE_WITHIN: Duration = Duration::from_secs(2);
const SETTLE_STEP: Duration = Duration::from_millis(10);

/// Topic of the event by which a subscription is known to work.
const GREETING_TOPIC: &str = "/kubelet/subscribed";
const GREETING_STEP: Duration = Duration::from_millis(50);
const SUBSCRIBE_WITHIN: Duration = Duration::from_secs(30);

/// One subscription to containerd's events.
#[derive(Debug)]
pub struct ContainerdEvents {
    receiver: mpsc::Receiver<RuntimeEvent>,
    /// Ends the subscription with its listener.
    _forwarder: AbortOnDropHandle<()>,
}

impl ContainerdEvents {
    /// Subscribes at containerd's socket; `client` is asked whether an end is visible by CRI.
    pub async fn subscribe(socket: &Path, client: Client) -> Result<ContainerdEvents, RuntimeError> {
        let channel = containerd_client::connect(socket)
            .await
            .map_err(|error| RuntimeError::new(RuntimeErrorCode::Unavailable, error.to_string()))?;
        let stream = subscribed(&channel).await.map_err(|status| from_status(&status))?;
        let (sender, receiver) = mpsc::channel(BUFFERED_EVENTS);
        let forwarder = tokio::spawn(forward(stream, client, sender));
        Ok(ContainerdEvents { receiver, _forwarder: AbortOnDropHandle::new(forwarder) })
    }
}

#[async_trait]
impl RuntimeEvents for ContainerdEvents {
    async fn next(&mut self) -> Option<RuntimeEvent> {
        self.receiver.recv().await
    }
}

/// Subscribes, and returns when containerd surely delivers from now on.
///
/// containerd answers a subscription with its first event, however late that is. So a greeting is published again and
/// again until it, or something before it, comes back; nobody else knows its topic.
async fn subscribed(channel: &Channel) -> Result<Streaming<Envelope>, Status> {
    let filters = ["/tasks/", "/containers/", GREETING_TOPIC]
        .map(|topics| format!("namespace=={NAMESPACE},topic~=^{topics}"));
    let request = SubscribeRequest { filters: filters.to_vec() };
    let mut subscriber = EventsClient::new(channel.clone());
    let mut publisher = EventsClient::new(channel.clone());
    let mut subscription = pin!(subscriber.subscribe(request));
    let mut greetings = tokio::time::interval(GREETING_STEP);
    let deadline = tokio::time::sleep(SUBSCRIBE_WITHIN);
    let mut deadline = pin!(deadline);
    loop {
        tokio::select! {
            // Pinned outside the loop: losing a round loses nothing.
            answer = &mut subscription => return Ok(answer?.into_inner()),
            _ = greetings.tick() => {
                let event = Some(prost_types::Any::default());
                let mut greeting = Request::new(PublishRequest { topic: GREETING_TOPIC.to_owned(), event });
                let namespace = AsciiMetadataValue::from_static(NAMESPACE);
                greeting.metadata_mut().insert("containerd-namespace", namespace);
                publisher.publish(greeting).await?;
            }
            () = &mut deadline => return Err(Status::deadline_exceeded("containerd does not answer the subscription")),
        }
    }
}

/// Reads the stream to its end. Ends of processes wait in tasks of their own, so that others are not held up.
async fn forward(mut stream: Streaming<Envelope>, client: Client, sender: mpsc::Sender<RuntimeEvent>) {
    let mut settling = JoinSet::new();
    loop {
        let envelope = match stream.message().await {
            Ok(Some(envelope)) => envelope,
            Ok(None) => return,
            Err(status) => {
                tracing::warn!(error = %status, "stream of containerd events broke");
                return;
            }
        };
        while settling.try_join_next().is_some() {}
        let Some(event) = event(&envelope) else { continue };
        if event.kind == RuntimeEventKind::Stopped {
            let (client, sender) = (client.clone(), sender.clone());
            settling.spawn(async move {
                // A timeout is no failure: the listener looks anyway.
                let _ = tokio::time::timeout(SETTLE_WITHIN, settled(&client, &event.container_id)).await;
                // The listener may be gone.
                let _ = sender.send(event).await;
            });
        } else if sender.send(event).await.is_err() {
            return;
        }
    }
}

/// Waits until CRI no longer says that the container or sandbox runs.
async fn settled(client: &Client, id: &str) {
    loop {
        let running = match client.container_status(id, false).await {
            Ok((status, _)) => status.state() == cri::ContainerState::ContainerRunning,
            Err(error) if error.is_not_found() => match client.pod_sandbox_status(id, false).await {
                Ok(answer) => {
                    answer.status.is_some_and(|status| status.state() == cri::PodSandboxState::SandboxReady)
                }
                Err(_) => false,
            },
            Err(_) => false,
        };
        if !running {
            return;
        }
        tokio::time::sleep(SETTLE_STEP).await;
    }
}

/// What the kubelet wants to know of an event; `None` for commands run in containers and for topics without meaning.
fn event(envelope: &Envelope) -> Option<RuntimeEvent> {
    let value = envelope.event.as_ref()?.value.as_slice();
    let (kind, container_id) = match envelope.topic.as_str() {
        "/containers/create" => {
            (RuntimeEventKind::Created, messages::ContainerCreate::decode(value).ok()?.id)
        }
        "/containers/delete" => {
            (RuntimeEventKind::Deleted, messages::ContainerDelete::decode(value).ok()?.id)
        }
        "/tasks/start" => (RuntimeEventKind::Started, messages::TaskStart::decode(value).ok()?.container_id),
        "/tasks/oom" => (RuntimeEventKind::OutOfMemory, messages::TaskOom::decode(value).ok()?.container_id),
        "/tasks/exit" => {
            let exit = messages::TaskExit::decode(value).ok()?;
            // Another id is that of a command run in the container.
            if exit.id != exit.container_id {
                return None;
            }
            (RuntimeEventKind::Stopped, exit.container_id)
        }
        _ => return None,
    };
    Some(RuntimeEvent { kind, container_id, pod_uid: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(topic: &str, message: impl Message, expected: Option<(RuntimeEventKind, &str)>) {
        let envelope = Envelope {
            topic: topic.to_owned(),
            event: Some(prost_types::Any { type_url: String::new(), value: message.encode_to_vec() }),
            ..Default::default()
        };
        let got = event(&envelope).map(|event| (event.kind, event.container_id));
        assert_eq!(got, expected.map(|(kind, id)| (kind, id.to_owned())), "{topic}");
    }

    fn exit(container: &str, process: &str) -> messages::TaskExit {
        messages::TaskExit {
            container_id: container.to_owned(),
            id: process.to_owned(),
            ..Default::default()
        }
    }

    #[test]
    fn topics() {
        check("/tasks/exit", exit("c", "c"), Some((RuntimeEventKind::Stopped, "c")));
        check("/tasks/exit", exit("c", "exec-1"), None);
        let start = messages::TaskStart { container_id: "c".to_owned(), pid: 1 };
        check("/tasks/start", start, Some((RuntimeEventKind::Started, "c")));
        let oom = messages::TaskOom { container_id: "c".to_owned() };
        check("/tasks/oom", oom, Some((RuntimeEventKind::OutOfMemory, "c")));
        let delete = messages::ContainerDelete { id: "c".to_owned() };
        check("/containers/delete", delete, Some((RuntimeEventKind::Deleted, "c")));
        check("/tasks/paused", exit("c", "c"), None);
    }

    #[test]
    fn garbage_is_no_event() {
        let mut envelope = Envelope { topic: "/tasks/exit".to_owned(), ..Default::default() };
        assert_eq!(event(&envelope), None);
        envelope.event = Some(prost_types::Any { type_url: String::new(), value: vec![0xff; 3] });
        assert_eq!(event(&envelope), None);
    }
}
