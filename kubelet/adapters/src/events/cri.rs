//! Events by CRI's `GetContainerEvents`.

use async_trait::async_trait;
use kubelet_core::ports::{RuntimeEvent, RuntimeEventKind, RuntimeEvents};
use proto::cri::{ContainerEventResponse, ContainerEventType};
use tonic::Streaming;

/// One stream of events from the runtime.
#[derive(Debug)]
pub struct CriEvents {
    stream: Streaming<ContainerEventResponse>,
}

impl CriEvents {
    pub(crate) fn new(stream: Streaming<ContainerEventResponse>) -> CriEvents {
        CriEvents { stream }
    }
}

#[async_trait]
impl RuntimeEvents for CriEvents {
    async fn next(&mut self) -> Option<RuntimeEvent> {
        match self.stream.message().await {
            Ok(message) => message.map(event),
            Err(status) => {
                tracing::warn!(error = %status, "stream of container events broke");
                None
            }
        }
    }
}

fn event(from: ContainerEventResponse) -> RuntimeEvent {
    let kind = match from.container_event_type() {
        ContainerEventType::ContainerCreatedEvent => RuntimeEventKind::Created,
        ContainerEventType::ContainerStartedEvent => RuntimeEventKind::Started,
        ContainerEventType::ContainerStoppedEvent => RuntimeEventKind::Stopped,
        ContainerEventType::ContainerDeletedEvent => RuntimeEventKind::Deleted,
    };
    let pod_uid = from.pod_sandbox_status.and_then(|status| status.metadata).map(|metadata| metadata.uid);
    RuntimeEvent { kind, container_id: from.container_id, pod_uid: pod_uid.filter(|uid| !uid.is_empty()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::cri;

    #[test]
    fn the_pods_uid_is_told_when_known() {
        let metadata = cri::PodSandboxMetadata { uid: "u1".to_owned(), ..Default::default() };
        let mut from = ContainerEventResponse {
            container_id: "c1".to_owned(),
            container_event_type: ContainerEventType::ContainerStoppedEvent.into(),
            pod_sandbox_status: Some(cri::PodSandboxStatus {
                metadata: Some(metadata),
                ..Default::default()
            }),
            ..Default::default()
        };
        let expected = |uid: Option<&str>| RuntimeEvent {
            kind: RuntimeEventKind::Stopped,
            container_id: "c1".to_owned(),
            pod_uid: uid.map(str::to_owned),
        };
        assert_eq!(event(from.clone()), expected(Some("u1")));
        from.pod_sandbox_status = None;
        assert_eq!(event(from), expected(None));
    }
}
