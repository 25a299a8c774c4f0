//! A pod as checks see it: all its containers alike, and the words of findings.

use std::collections::{BTreeMap, BTreeSet};

use api_types::core::v1::{ContainerPort, Lifecycle, PodSecurityContext, PodSpec, Probe, SecurityContext};

/// A pod, or the template of one.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// Annotations of the pod.
    pub annotations: &'a BTreeMap<String, String>,
    /// The pod.
    pub spec: &'a PodSpec,
}

/// A container of any sort.
#[derive(Clone, Copy)]
pub(super) struct Held<'a> {
    pub name: &'a str,
    pub security: Option<&'a SecurityContext>,
    pub ports: &'a [ContainerPort],
    pub probes: [Option<&'a Probe>; 3],
    pub lifecycle: Option<&'a Lifecycle>,
}

/// Why a pod is not within a level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// In few words, the same for all pods.
    pub reason: String,
    /// Which parts of this pod are meant.
    pub detail: String,
}

impl Finding {
    pub(super) fn new(reason: &str, detail: String) -> Option<Finding> {
        Some(Finding { reason: reason.to_owned(), detail })
    }
}

impl<'a> Subject<'a> {
    /// Init containers, containers and ephemeral containers.
    pub(super) fn containers(self) -> impl Iterator<Item = Held<'a>> {
        let spec = self.spec;
        let lasting = spec.init_containers.iter().chain(&spec.containers).map(|container| Held {
            name: &container.name,
            security: container.security_context.as_deref(),
            ports: &container.ports,
            probes: [
                container.liveness_probe.as_deref(),
                container.readiness_probe.as_deref(),
                container.startup_probe.as_deref(),
            ],
            lifecycle: container.lifecycle.as_deref(),
        });
        let ephemeral = spec.ephemeral_containers.iter().map(|container| {
            let container = &container.ephemeral_container_common;
            Held {
                name: &container.name,
                security: container.security_context.as_deref(),
                ports: &container.ports,
                probes: [
                    container.liveness_probe.as_deref(),
                    container.readiness_probe.as_deref(),
                    container.startup_probe.as_deref(),
                ],
                lifecycle: container.lifecycle.as_deref(),
            }
        });
        lasting.chain(ephemeral)
    }

    /// Names of the containers of which `is_bad` is true.
    pub(super) fn containers_where(self, mut is_bad: impl FnMut(Held<'a>) -> bool) -> Vec<&'a str> {
        self.containers().filter(|container| is_bad(*container)).map(|container| container.name).collect()
    }

    /// What the pod says for all its containers.
    pub(super) fn security(self) -> Option<&'a PodSecurityContext> {
        self.spec.security_context.as_deref()
    }

    /// Pods of Windows cannot say what some checks ask for.
    pub(super) fn is_windows(self) -> bool {
        self.spec.os.as_deref().is_some_and(|os| os.name == "windows")
    }

    /// Root in a user namespace is nobody outside of it.
    pub(super) fn has_user_namespace(self) -> bool {
        self.spec.host_users == Some(false)
    }
}

/// `singular` for one, else `plural`.
pub(super) fn plural(singular: &'static str, plural: &'static str, count: usize) -> &'static str {
    if count == 1 { singular } else { plural }
}

/// `"a", "b"`
pub(super) fn quoted<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| format!("\"{}\"", item.as_ref())).collect();
    items.join(", ")
}

/// `container "a"` or `containers "a", "b"`
pub(super) fn containers(names: &[&str]) -> String {
    format!("{} {}", plural("container", "containers", names.len()), quoted(names))
}

/// Who set something: `pod and container "a"`; `None` when nobody did.
pub(super) fn setters(pod: bool, names: &[&str]) -> Option<String> {
    let pod = pod.then(|| "pod".to_owned());
    let named = (!names.is_empty()).then(|| containers(names));
    let all: Vec<String> = pod.into_iter().chain(named).collect();
    (!all.is_empty()).then(|| all.join(" and "))
}

/// Puts what is wrong into `found`; whether anything was.
pub(super) fn note(found: &mut BTreeSet<String>, wrong: Option<&str>) -> bool {
    if let Some(wrong) = wrong {
        found.insert(wrong.to_owned());
    }
    wrong.is_some()
}
