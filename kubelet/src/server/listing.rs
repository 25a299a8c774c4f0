//! Pods as the kubelet and as the runtime know them, and the configuration in force.

use std::collections::BTreeMap;
use std::sync::Arc;

use api_types::core::v1::{Container, Pod, PodList};
use http::StatusCode;
use kubelet_core::ports::{ContainerState, Runtime, SandboxState};
use machinery::Message as _;
use serde_json::Value;

use super::reply::{self, Reply};
use crate::view::KubeletView;

/// `/pods`.
pub fn pods(view: &dyn KubeletView) -> Reply {
    let items = view.pods().iter().map(|pod| Pod::clone(pod)).collect();
    list(items)
}

/// `/runningpods`: one pod for each ready sandbox, with the containers that run.
pub async fn running_pods(runtime: &Arc<dyn Runtime>) -> Reply {
    let (sandboxes, containers) = match tokio::try_join!(runtime.list_sandboxes(), runtime.list_containers())
    {
        Ok(found) => found,
        Err(error) => return reply::text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    };
    let mut by_sandbox: BTreeMap<String, Vec<Container>> = BTreeMap::new();
    for container in containers.into_iter().filter(|container| container.state == ContainerState::Running) {
        let listed = Container { name: container.name, image: container.image, ..Default::default() };
        by_sandbox.entry(container.sandbox_id).or_default().push(listed);
    }
    let ready = sandboxes.into_iter().filter(|sandbox| sandbox.state == SandboxState::Ready);
    let pods = ready.map(|sandbox| {
        let mut pod = Pod::default();
        pod.metadata.name = sandbox.name;
        pod.metadata.namespace = sandbox.namespace;
        pod.metadata.uid = sandbox.uid;
        pod.spec.containers = by_sandbox.remove(&sandbox.id).unwrap_or_default();
        pod
    });
    list(pods.collect())
}

fn list(items: Vec<Pod>) -> Reply {
    let mut value = PodList { items, ..Default::default() }.to_value();
    let mut head = serde_json::json!({"kind": "PodList", "apiVersion": "v1"});
    if let (Some(head), Some(rest)) = (head.as_object_mut(), value.as_object_mut()) {
        head.append(rest);
    }
    reply::json(head.to_string())
}

/// `/configz`.
pub fn configuration(view: &dyn KubeletView) -> Reply {
    match serde_json::from_str::<Value>(&view.configuration()) {
        Ok(configuration) => reply::json(serde_json::json!({"kubeletconfig": configuration}).to_string()),
        Err(error) => reply::text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}
