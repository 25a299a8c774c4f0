//! The configuration of a container.

use std::collections::BTreeMap;

use api_types::core::v1::{Container, Pod};
use machinery::Message;
use serde_json::Value;

use crate::environment::expand_command;
use crate::observed::{
    CONTAINER_HASH, CONTAINER_NAME_LABEL, CONTAINER_PORTS, DELETION_GRACE_PERIOD, POD_NAME_LABEL,
    POD_NAMESPACE_LABEL, POD_UID_LABEL, PRE_STOP_HANDLER, RESTART_COUNT, TERMINATION_GRACE_PERIOD,
    TERMINATION_MESSAGE_PATH, TERMINATION_MESSAGE_POLICY,
};
use crate::pod::container_hash;
use crate::ports::{ContainerConfig, Device, Mount};
use crate::qos::{self, ResourcePolicy};
use crate::security::{self, SecurityError, SecurityFacts};

/// What the node adds to the container's spec.
#[derive(Clone, Debug, Default)]
pub struct ContainerFacts<'a> {
    /// How often it was started before.
    pub restart_count: i32,
    /// Reference of the pulled image.
    pub image_ref: &'a str,
    pub runtime_handler: &'a str,
    pub environment: Vec<(String, String)>,
    pub mounts: Vec<Mount>,
    pub devices: Vec<Device>,
    pub cdi_devices: Vec<String>,
    /// From device plugins.
    pub annotations: BTreeMap<String, String>,
    pub security: SecurityFacts<'a>,
    pub policy: ResourcePolicy,
}

/// Where a container's log is, relative to the pod's.
pub fn log_path(container: &str, restart_count: i32) -> String {
    format!("{container}/{restart_count}.log")
}

/// The configuration of the container.
pub fn build(
    pod: &Pod,
    container: &Container,
    facts: ContainerFacts<'_>,
) -> Result<ContainerConfig, SecurityError> {
    let security = security::container_security(pod, container, &facts.security)?;
    Ok(ContainerConfig {
        name: container.name.clone(),
        attempt: u32::try_from(facts.restart_count).unwrap_or_default(),
        image: facts.image_ref.to_owned(),
        user_specified_image: container.image.clone(),
        runtime_handler: facts.runtime_handler.to_owned(),
        command: expand_command(&container.command, &facts.environment),
        args: expand_command(&container.args, &facts.environment),
        working_dir: container.working_dir.clone(),
        mounts: facts.mounts,
        devices: facts.devices,
        cdi_devices: facts.cdi_devices,
        labels: labels(pod, container),
        annotations: annotations(pod, container, facts.restart_count, facts.annotations),
        log_path: log_path(&container.name, facts.restart_count),
        stdin: container.stdin,
        stdin_once: container.stdin_once,
        tty: container.tty,
        resources: qos::container_resources(pod, container, &facts.policy),
        security,
        stop_signal: container
            .lifecycle
            .as_ref()
            .and_then(|lifecycle| lifecycle.stop_signal.clone())
            .unwrap_or_default(),
        env: facts.environment,
    })
}

fn labels(pod: &Pod, container: &Container) -> BTreeMap<String, String> {
    [
        (POD_NAME_LABEL, &pod.metadata.name),
        (POD_NAMESPACE_LABEL, &pod.metadata.namespace),
        (POD_UID_LABEL, &pod.metadata.uid),
        (CONTAINER_NAME_LABEL, &container.name),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value.clone()))
    .collect()
}

/// What a kubelet needs to know of a container whose pod it no longer knows, in upstream's form.
fn annotations(
    pod: &Pod,
    container: &Container,
    restart_count: i32,
    mut annotations: BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut set = |key: &str, value: String| annotations.insert(key.to_owned(), value);
    set(CONTAINER_HASH, format!("{:x}", container_hash(container)));
    set(RESTART_COUNT, restart_count.to_string());
    set(TERMINATION_MESSAGE_PATH, container.termination_message_path.clone());
    set(TERMINATION_MESSAGE_POLICY, container.termination_message_policy.clone());
    if let Some(seconds) = pod.metadata.deletion_grace_period_seconds {
        set(DELETION_GRACE_PERIOD, seconds.to_string());
    }
    if let Some(seconds) = pod.spec.termination_grace_period_seconds {
        set(TERMINATION_GRACE_PERIOD, seconds.to_string());
    }
    if let Some(handler) = container.lifecycle.as_ref().and_then(|lifecycle| lifecycle.pre_stop.as_ref()) {
        set(PRE_STOP_HANDLER, handler.to_value().to_string());
    }
    if !container.ports.is_empty() {
        let ports: Vec<Value> = container.ports.iter().map(Message::to_value).collect();
        set(CONTAINER_PORTS, Value::Array(ports).to_string());
    }
    annotations
}
