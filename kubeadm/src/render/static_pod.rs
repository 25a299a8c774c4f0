//! Building blocks of the static pods of a control plane.

use std::collections::BTreeMap;

use api_types::core::v1::{
    Container, ContainerPort, EnvVar, HTTPGetAction, HostPathVolumeSource, Pod, PodSecurityContext, PodSpec,
    Probe, ProbeHandler, ResourceRequirements, SeccompProfile, Volume, VolumeMount, VolumeSource,
};
use machinery::{IntOrString, Message as _, Quantity, Resource as _, meta::v1::ObjectMeta};

use super::yaml;
use crate::{
    config::v1beta4::{self, HostPathMount},
    constants,
};

/// The priority of the class `system-node-critical`, which a static pod must state itself: no admission
/// looks it up.
const NODE_CRITICAL_PRIORITY: i32 = 2_000_001_000;
const PROBE_TIMEOUT_SECONDS: i32 = 15;
const PROBE_PERIOD_SECONDS: i32 = 10;

/// Host folders and files as volumes and their mounts, by name; a later one of the same name replaces.
#[derive(Default)]
pub struct HostMounts {
    by_name: BTreeMap<String, HostPathMount>,
}

impl HostMounts {
    /// A path seen at the same place inside the container.
    pub fn add(&mut self, name: &str, path: &str, path_type: &str, read_only: bool) {
        self.add_extra(&HostPathMount {
            name: name.to_owned(),
            host_path: path.to_owned(),
            mount_path: path.to_owned(),
            read_only,
            path_type: path_type.to_owned(),
        });
    }

    pub fn add_extra(&mut self, mount: &HostPathMount) {
        self.by_name.insert(mount.name.clone(), mount.clone());
    }

    fn volumes(&self) -> Vec<Volume> {
        self.by_name
            .values()
            .map(|mount| Volume {
                name: mount.name.clone(),
                volume_source: VolumeSource {
                    host_path: Some(Box::new(HostPathVolumeSource {
                        path: mount.host_path.clone(),
                        type_: Some(mount.path_type.clone()),
                    })),
                    ..VolumeSource::default()
                },
            })
            .collect()
    }

    fn mounts(&self) -> Vec<VolumeMount> {
        self.by_name
            .values()
            .map(|mount| VolumeMount {
                name: mount.name.clone(),
                mount_path: mount.mount_path.clone(),
                read_only: mount.read_only,
                ..VolumeMount::default()
            })
            .collect()
    }
}

/// What differs between the pods of the control plane.
pub struct Component<'a> {
    pub name: &'a str,
    pub image: String,
    pub command: Vec<String>,
    pub mounts: HostMounts,
    pub requests: &'a [(&'a str, &'a str)],
    pub environment: Vec<EnvVar>,
    pub annotations: BTreeMap<String, String>,
    pub probe_port: i32,
    /// Probes by the role they play.
    pub liveness: Option<Probe>,
    pub readiness: Option<Probe>,
    pub startup: Option<Probe>,
}

/// The static pod of a component.
pub fn pod(component: Component<'_>) -> Pod {
    let labels = BTreeMap::from([
        ("component".to_owned(), component.name.to_owned()),
        ("tier".to_owned(), "control-plane".to_owned()),
    ]);
    let requests = component
        .requests
        .iter()
        .map(|(name, amount)| ((*name).to_owned(), Quantity((*amount).to_owned())))
        .collect();
    let container = Container {
        name: component.name.to_owned(),
        image: component.image,
        image_pull_policy: "IfNotPresent".to_owned(),
        command: component.command,
        volume_mounts: component.mounts.mounts(),
        liveness_probe: component.liveness.map(Box::new),
        readiness_probe: component.readiness.map(Box::new),
        startup_probe: component.startup.map(Box::new),
        resources: ResourceRequirements { requests, ..ResourceRequirements::default() },
        env: component.environment,
        ports: vec![ContainerPort {
            name: constants::PROBE_PORT.to_owned(),
            container_port: component.probe_port,
            protocol: "TCP".to_owned(),
            ..ContainerPort::default()
        }],
        ..Container::default()
    };
    Pod {
        metadata: ObjectMeta {
            name: component.name.to_owned(),
            namespace: constants::KUBE_SYSTEM.to_owned(),
            labels,
            annotations: component.annotations,
            ..ObjectMeta::default()
        },
        spec: PodSpec {
            containers: vec![container],
            priority: Some(NODE_CRITICAL_PRIORITY),
            priority_class_name: "system-node-critical".to_owned(),
            host_network: true,
            volumes: component.mounts.volumes(),
            security_context: Some(Box::new(PodSecurityContext {
                seccomp_profile: Some(Box::new(SeccompProfile {
                    type_: "RuntimeDefault".to_owned(),
                    ..SeccompProfile::default()
                })),
                ..PodSecurityContext::default()
            })),
            ..PodSpec::default()
        },
        ..Pod::default()
    }
}

/// A pod as the text of its manifest file.
pub fn manifest(pod: &Pod) -> String {
    yaml::document(&pod.to_object_value())
}

/// Restarts the container after eight failures in a row.
pub fn liveness(host: &str, path: &str, scheme: &str) -> Probe {
    probe(host, path, scheme, PROBE_PERIOD_SECONDS, 8, PROBE_PERIOD_SECONDS)
}

/// Tells within a second whether the component serves.
pub fn readiness(host: &str, path: &str, scheme: &str) -> Probe {
    probe(host, path, scheme, 0, 3, 1)
}

/// Gives a component the whole time limit of the control plane to come up.
pub fn startup(host: &str, path: &str, scheme: &str, timeouts: &v1beta4::Timeouts) -> Probe {
    let limit = timeouts.control_plane_component_health_check.unwrap_or_default().to_std().as_secs_f64();
    let failures = (limit / f64::from(PROBE_PERIOD_SECONDS)).ceil() as i32;
    probe(host, path, scheme, PROBE_PERIOD_SECONDS, failures.max(1), PROBE_PERIOD_SECONDS)
}

fn probe(host: &str, path: &str, scheme: &str, delay: i32, failures: i32, period: i32) -> Probe {
    Probe {
        handler: ProbeHandler {
            http_get: Some(Box::new(HTTPGetAction {
                host: host.to_owned(),
                path: path.to_owned(),
                port: IntOrString::String(constants::PROBE_PORT.to_owned()),
                scheme: scheme.to_owned(),
                ..HTTPGetAction::default()
            })),
            ..ProbeHandler::default()
        },
        initial_delay_seconds: delay,
        timeout_seconds: PROBE_TIMEOUT_SECONDS,
        failure_threshold: failures,
        period_seconds: period,
        ..Probe::default()
    }
}

/// The address to probe for a component bound to an address; empty means the pod's own.
pub fn probe_address(bound: &str) -> String {
    if bound == "0.0.0.0" || bound == "::" { String::new() } else { bound.to_owned() }
}

/// The user's variables, after those that name the host's proxies.
pub fn environment(extra: &[v1beta4::EnvVar]) -> Vec<EnvVar> {
    let mut variables: Vec<EnvVar> = proxy_variables(std::env::vars());
    for variable in extra {
        let mut value = serde_json::json!({"name": variable.name, "value": variable.value});
        if let (Some(from), Some(fields)) = (&variable.value_from, value.as_object_mut()) {
            fields.insert("valueFrom".to_owned(), from.clone());
            fields.shift_remove("value");
        }
        let converted = EnvVar::from_value(&value).unwrap_or_else(|_| EnvVar {
            name: variable.name.clone(),
            value: variable.value.clone(),
            ..EnvVar::default()
        });
        variables.retain(|other| other.name != converted.name);
        variables.push(converted);
    }
    variables
}

/// Variables such as `HTTPS_PROXY` that tell programs about proxies.
fn proxy_variables(host: impl Iterator<Item = (String, String)>) -> Vec<EnvVar> {
    let mut found: Vec<EnvVar> = host
        .filter(|(name, value)| name.to_lowercase().ends_with("_proxy") && !value.is_empty())
        .map(|(name, value)| EnvVar { name, value, ..EnvVar::default() })
        .collect();
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}
