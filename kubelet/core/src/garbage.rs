//! Which dead containers and sandboxes are removed from the runtime.

use std::time::Duration;

use hashbrown::{HashMap, HashSet};
use jiff::Timestamp;

use crate::backoff::elapsed;
use crate::observed::{CONTAINER_NAME_LABEL, POD_UID_LABEL};
use crate::ports::{ContainerState, ContainerSummary, SandboxState, SandboxSummary};

/// How many dead containers stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContainerGcPolicy {
    /// Dead containers kept per container of a pod (for `lastState` and `--previous`).
    pub keep_per_container: usize,
    /// Younger dead containers are left alone.
    pub minimum_age: Duration,
}

impl Default for ContainerGcPolicy {
    fn default() -> ContainerGcPolicy {
        ContainerGcPolicy { keep_per_container: 1, minimum_age: Duration::ZERO }
    }
}

/// The pods the kubelet knows, by uid.
#[derive(Clone, Debug, Default)]
pub struct KnownPods {
    /// Pods whose containers may run, or whose status still needs them.
    pub active: HashSet<String>,
}

/// Ids of the containers to remove.
///
/// Of a known pod the newest dead containers stay; of a pod nobody knows none does. What runs is not touched: stopping
/// it is the pod worker's business.
pub fn containers_to_remove(
    containers: &[ContainerSummary],
    pods: &KnownPods,
    policy: &ContainerGcPolicy,
    now: Timestamp,
) -> Vec<String> {
    let mut units: HashMap<(&str, &str), Vec<&ContainerSummary>> = HashMap::new();
    for container in containers {
        if container.state == ContainerState::Running {
            continue;
        }
        // Just created ones are about to be started.
        if elapsed(container.created_at, now) < policy.minimum_age.max(created_grace(container)) {
            continue;
        }
        let label = |key: &str| container.labels.get(key).map_or("", String::as_str);
        units.entry((label(POD_UID_LABEL), label(CONTAINER_NAME_LABEL))).or_default().push(container);
    }
    let mut remove = Vec::new();
    for ((uid, _), mut dead) in units {
        dead.sort_by_key(|container| std::cmp::Reverse((container.created_at, container.attempt)));
        let keep = if pods.active.contains(uid) { policy.keep_per_container } else { 0 };
        remove.extend(dead.into_iter().skip(keep).map(|container| container.id.clone()));
    }
    remove.sort();
    remove
}

/// A created container has this long to be started before it counts as left over.
fn created_grace(container: &ContainerSummary) -> Duration {
    if container.state == ContainerState::Created { Duration::from_secs(60) } else { Duration::ZERO }
}

/// Ids of the sandboxes to remove: not ready, without containers, and not the newest of a known pod.
pub fn sandboxes_to_remove(
    sandboxes: &[SandboxSummary],
    containers: &[ContainerSummary],
    pods: &KnownPods,
) -> Vec<String> {
    let with_containers: HashSet<&str> =
        containers.iter().map(|container| container.sandbox_id.as_str()).collect();
    let mut newest: HashMap<&str, &SandboxSummary> = HashMap::new();
    for sandbox in sandboxes {
        let known = newest.entry(&sandbox.uid).or_insert(sandbox);
        if (sandbox.created_at, sandbox.attempt) > (known.created_at, known.attempt) {
            *known = sandbox;
        }
    }
    let is_newest = |sandbox: &SandboxSummary| {
        newest.get(sandbox.uid.as_str()).is_some_and(|known| known.id == sandbox.id)
    };
    sandboxes
        .iter()
        .filter(|sandbox| sandbox.state == SandboxState::NotReady)
        .filter(|sandbox| !with_containers.contains(sandbox.id.as_str()))
        .filter(|sandbox| !(pods.active.contains(&sandbox.uid) && is_newest(sandbox)))
        .map(|sandbox| sandbox.id.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ago, now};

    fn container(id: &str, uid: &str, state: ContainerState, age: i64) -> ContainerSummary {
        ContainerSummary {
            id: id.into(),
            sandbox_id: format!("s-{uid}"),
            state,
            created_at: ago(age),
            labels: [
                (POD_UID_LABEL.to_owned(), uid.to_owned()),
                (CONTAINER_NAME_LABEL.to_owned(), "c".to_owned()),
            ]
            .into(),
            ..ContainerSummary::default()
        }
    }

    #[test]
    fn keeps_the_newest_dead_container_of_known_pods() {
        use ContainerState::{Created, Exited, Running};
        let containers = [
            container("a-new", "a", Exited, 10),
            container("a-old", "a", Exited, 20),
            container("a-run", "a", Running, 5),
            container("gone", "b", Exited, 10),
            container("gone-run", "b", Running, 10),
            container("starting", "b", Created, 10),
            container("stuck", "b", Created, 100),
        ];
        let pods = KnownPods { active: HashSet::from(["a".to_owned()]) };
        let remove = containers_to_remove(&containers, &pods, &ContainerGcPolicy::default(), now());
        assert_eq!(remove, ["a-old", "gone", "stuck"]);
    }

    #[test]
    fn sandboxes() {
        let sandbox = |id: &str, uid: &str, ready: bool, age: i64| SandboxSummary {
            id: id.into(),
            uid: uid.into(),
            state: if ready { SandboxState::Ready } else { SandboxState::NotReady },
            created_at: ago(age),
            ..SandboxSummary::default()
        };
        let sandboxes = [
            sandbox("a-now", "a", false, 1),
            sandbox("a-before", "a", false, 9),
            sandbox("s-b", "b", false, 1),
            sandbox("c-ready", "c", true, 1),
            sandbox("d", "d", false, 1),
        ];
        let containers = [container("x", "b", ContainerState::Exited, 1)];
        let pods = KnownPods { active: HashSet::from(["a".to_owned()]) };
        assert_eq!(sandboxes_to_remove(&sandboxes, &containers, &pods), ["a-before", "d"]);
    }
}
