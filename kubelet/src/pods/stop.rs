//! Stops containers and pods: preStop hooks, order, grace, the kill.

use std::sync::Arc;
use std::time::{Duration, Instant};

use api_types::core::v1::{Container, Lifecycle, LifecycleHandler, Pod};
use futures_util::future::join_all;
use hashbrown::HashMap;
use kubelet_core::observed::{
    DELETION_GRACE_PERIOD, ObservedPod, PRE_STOP_HANDLER, TERMINATION_GRACE_PERIOD,
};
use kubelet_core::pod::{self, ContainerKind};
use kubelet_core::ports::{ContainerStatus, RuntimeError, SandboxState};
use kubelet_core::termination::{KillReason, MINIMUM_GRACE_SECONDS, grace_seconds, stops_after};
use machinery::Message;
use tokio::sync::watch;

use super::hooks;
use crate::context::Context;
use crate::events::Kind;

/// How one container is to be stopped.
pub(super) struct Kill<'a> {
    pub id: &'a str,
    pub name: &'a str,
    /// Of the `Killing` event; empty for the usual one.
    pub message: &'a str,
    pub reason: KillReason,
    /// Seconds, in place of what the pod says.
    pub grace: Option<i64>,
}

/// Who waits for whom: one switch per container, on when it has ended.
type Ended = HashMap<String, watch::Sender<bool>>;

/// Stops a container of a pod whose spec is known.
pub(super) async fn kill_container(
    context: &Context,
    pod: &Pod,
    pod_ip: &str,
    kill: Kill<'_>,
) -> Result<(), RuntimeError> {
    kill_in_order(context, pod, pod_ip, kill, None).await
}

async fn kill_in_order(
    context: &Context,
    pod: &Pod,
    pod_ip: &str,
    kill: Kill<'_>,
    ended: Option<&Ended>,
) -> Result<(), RuntimeError> {
    let found = pod::find_container(pod, kill.name);
    let kind = found.as_ref().map_or(ContainerKind::Regular, |(kind, ..)| *kind);
    let unknown = Container { name: kill.name.to_owned(), ..Container::default() };
    let container = found.as_ref().map_or(&unknown, |(_, _, container)| container.as_ref());
    let message = if kill.message.is_empty() {
        format!("Stopping container {}", kill.name)
    } else {
        kill.message.to_owned()
    };
    context.recorder.container(pod, (kind, kill.name), Kind::Normal, "Killing", message);

    let grace = kill.grace.unwrap_or_else(|| grace_seconds(pod, container, kill.reason));
    let begun = Instant::now();
    let left = |grace: i64| grace - i64::try_from(begun.elapsed().as_secs()).unwrap_or(i64::MAX);
    let pre_stop = container.lifecycle.as_ref().and_then(|lifecycle| lifecycle.pre_stop.as_deref());
    if let Some(handler) = pre_stop.filter(|_| grace > 0) {
        run_pre_stop(context, pod, kind, container, kill.id, pod_ip, handler, grace).await;
    }
    if let Some(ended) = ended {
        for name in stops_after(pod, kill.name) {
            let Some(switch) = ended.get(name) else { continue };
            let Ok(seconds) = u64::try_from(left(grace)) else { break };
            let mut receiver = switch.subscribe();
            let wait = receiver.wait_for(|is_ended| *is_ended);
            if tokio::time::timeout(Duration::from_secs(seconds), wait).await.is_err() {
                break;
            }
        }
    }
    let seconds = u64::try_from(left(grace).max(MINIMUM_GRACE_SECONDS)).unwrap_or(2);
    let outcome = context.ports.runtime.stop_container(kill.id, Duration::from_secs(seconds)).await;
    if let Some(switch) = ended.and_then(|ended| ended.get(kill.name)) {
        switch.send_replace(true);
    }
    match outcome {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}

async fn run_pre_stop(
    context: &Context,
    pod: &Pod,
    kind: ContainerKind,
    container: &Container,
    id: &str,
    pod_ip: &str,
    handler: &LifecycleHandler,
    grace: i64,
) {
    let limit = Duration::from_secs(u64::try_from(grace).unwrap_or(0));
    let hook = hooks::run(context, pod, container, id, pod_ip, handler);
    match tokio::time::timeout(limit, hook).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(pod = %pod.metadata.name, container = %container.name, error, "preStop hook failed");
            // The error may hold secrets: not in the event.
            let place = (kind, container.name.as_str());
            context.recorder.container(pod, place, Kind::Warning, "FailedPreStopHook", "PreStopHook failed");
        }
        Err(_) => {
            tracing::info!(pod = %pod.metadata.name, container = %container.name, "preStop hook ran out of grace")
        }
    }
}

/// Stops everything of a pod: containers together, sidecars after those they serve, then sandboxes.
pub(super) async fn kill_pod(
    context: &Arc<Context>,
    pod: &Pod,
    observed: &ObservedPod,
    grace: Option<i64>,
) -> Result<(), RuntimeError> {
    let running: Vec<&ContainerStatus> = observed.running_containers().collect();
    let ended: Ended = pod::containers(pod)
        .map(|(_, _, container)| {
            let runs = running.iter().any(|status| status.name == container.name);
            (container.name.clone(), watch::Sender::new(!runs))
        })
        .collect();
    let pod_ip = observed.ips().first().cloned().unwrap_or_default();
    let kills = running.iter().map(|status| {
        let kill = Kill { id: &status.id, name: &status.name, message: "", reason: KillReason::Other, grace };
        kill_in_order(context, pod, &pod_ip, kill, Some(&ended))
    });
    let mut failure = None;
    for outcome in join_all(kills).await {
        if let Err(error) = outcome {
            failure = Some(error);
        }
    }
    if let Some(error) = failure {
        return Err(error);
    }
    for sandbox in &observed.sandboxes {
        if sandbox.summary.state == SandboxState::Ready || !observed.is_stopped() {
            context.ports.runtime.stop_sandbox(&sandbox.summary.id).await?;
        }
    }
    Ok(())
}

/// What a pod must have been like, from the labels and annotations on its containers: enough to stop it properly.
pub fn restored_pod(observed: &ObservedPod) -> Pod {
    let mut pod = Pod::default();
    pod.metadata.uid.clone_from(&observed.uid);
    pod.metadata.name.clone_from(&observed.name);
    pod.metadata.namespace.clone_from(&observed.namespace);
    for status in &observed.containers {
        let number = |key: &str| status.annotations.get(key).and_then(|text| text.parse::<i64>().ok());
        if let Some(seconds) = number(DELETION_GRACE_PERIOD) {
            pod.metadata.deletion_grace_period_seconds = Some(seconds);
        }
        if let Some(seconds) = number(TERMINATION_GRACE_PERIOD) {
            pod.spec.termination_grace_period_seconds = Some(seconds);
        }
        if pod.spec.containers.iter().any(|container| container.name == status.name) {
            continue;
        }
        let pre_stop = status
            .annotations
            .get(PRE_STOP_HANDLER)
            .and_then(|json| LifecycleHandler::from_json(json.as_bytes()).ok());
        pod.spec.containers.push(Container {
            name: status.name.clone(),
            image: status.image.clone(),
            lifecycle: pre_stop.map(|handler| {
                Box::new(Lifecycle { pre_stop: Some(Box::new(handler)), ..Lifecycle::default() })
            }),
            ..Container::default()
        });
    }
    pod
}

/// Removes the containers, sandboxes and logs of a pod of which nothing runs any more.
pub(super) async fn remove_remains(
    context: &Context,
    pod: &Pod,
    observed: &ObservedPod,
) -> Result<(), RuntimeError> {
    for container in &observed.containers {
        context.ports.runtime.remove_container(&container.id).await?;
    }
    for sandbox in &observed.sandboxes {
        context.ports.runtime.stop_sandbox(&sandbox.summary.id).await?;
        context.ports.runtime.remove_sandbox(&sandbox.summary.id).await?;
    }
    let meta = &pod.metadata;
    let logs = kubelet_core::sandbox_config::logs_directory(
        &context.config.pod_logs_dir,
        &meta.namespace,
        &meta.name,
        &meta.uid,
    );
    match tokio::fs::remove_dir_all(&logs).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(%error, logs, "failed to remove logs");
        }
        _ => {}
    }
    Ok(())
}
