//! Mirror pods: what the API shows of static pods. Created when missing, replaced when the manifest changed, deleted when
//! the static pod is gone.

use std::sync::Arc;
use std::time::Duration;

use api_types::core::v1::{Node, Pod, PodStatus};
use component_base::Shutdown;
use kubelet_core::pod::{self, CONFIG_HASH, CONFIG_MIRROR};
use machinery::Resource;
use machinery::meta::v1::OwnerReference;

use crate::context::Context;
use crate::pods::ManagerHandle;
use crate::statuses::{ApiPods, PodApi, PodApiError};
use client::outage::Outage;

/// How often to look although nothing was heard.
const PERIOD: Duration = Duration::from_secs(10);

/// One thing to do.
#[derive(Debug, PartialEq)]
enum Step {
    Create(Box<Pod>),
    Delete { namespace: String, name: String, uid: String },
}

/// Keeps mirrors equal to static pods until shutdown.
pub async fn run(
    context: Arc<Context>,
    handle: Arc<ManagerHandle>,
    api_pods: Arc<ApiPods>,
    api: Arc<dyn PodApi>,
    shutdown: Shutdown,
) {
    let mut outage = Outage::new("keep mirror pods", PERIOD, PERIOD);
    loop {
        // Cancel-safe: all arms only wait.
        tokio::select! {
            () = shutdown.wait() => return,
            () = handle.statics_changed.notified() => {}
            () = tokio::time::sleep(PERIOD) => {}
        }
        // Before both sources have spoken, a mirror may look like nobody's. Without a Node, pods are refused.
        let node = context.node.load_full();
        if !handle.is_complete() || node.metadata.uid.is_empty() {
            continue;
        }
        let statics: Vec<Arc<Pod>> = handle.pods().into_iter().filter(|pod| pod::is_static(pod)).collect();
        for step in plan(&statics, &api_pods.mirrors(), &node) {
            match carry_out(api.as_ref(), step).await {
                Ok(()) => outage.over(),
                // The period is the wait.
                Err(error) => _ = outage.failed(&error),
            }
        }
    }
}

async fn carry_out(api: &dyn PodApi, step: Step) -> Result<(), String> {
    match step {
        Step::Create(pod) => match api.create(&pod).await {
            Ok(_) => tracing::info!(pod = %pod::full_name(&pod), "created a mirror pod"),
            Err(PodApiError::AlreadyExists) => {}
            Err(error) => return Err(format!("{}: {error}", pod::full_name(&pod))),
        },
        Step::Delete { namespace, name, uid } => match api.delete(&namespace, &name, &uid).await {
            Ok(()) | Err(PodApiError::NotFound) => tracing::info!(namespace, name, "deleted a mirror pod"),
            Err(error) => return Err(format!("{namespace}/{name}: {error}")),
        },
    }
    Ok(())
}

/// What to do so that every static pod has the mirror it should have, and no other is left.
fn plan(statics: &[Arc<Pod>], mirrors: &[Arc<Pod>], node: &Node) -> Vec<Step> {
    let mut steps = Vec::new();
    for mirror in mirrors {
        let own = statics.iter().any(|pod| {
            pod::full_name(pod) == pod::full_name(mirror)
                && mirror.metadata.deletion_timestamp.is_none()
                && mirror.metadata.annotations.get(CONFIG_MIRROR) == pod.metadata.annotations.get(CONFIG_HASH)
                && is_owned_by(mirror, node)
        });
        if !own {
            let meta = &mirror.metadata;
            steps.push(Step::Delete {
                namespace: meta.namespace.clone(),
                name: meta.name.clone(),
                uid: meta.uid.clone(),
            });
        }
    }
    for pod in statics {
        // One that is to be replaced is created in the round after its deletion was seen.
        if !mirrors.iter().any(|mirror| pod::full_name(mirror) == pod::full_name(pod)) {
            steps.push(Step::Create(Box::new(mirror_of(pod, node))));
        }
    }
    steps
}

/// A mirror left by a Node of the same name that was deleted meanwhile is collected as garbage: it is replaced.
fn is_owned_by(mirror: &Pod, node: &Node) -> bool {
    mirror
        .metadata
        .owner_references
        .iter()
        .all(|owner| owner.kind != Node::KIND || owner.uid == node.metadata.uid)
}

/// The mirror of a static pod.
fn mirror_of(pod: &Pod, node: &Node) -> Pod {
    let mut mirror = pod.clone();
    let hash = pod.metadata.annotations.get(CONFIG_HASH).cloned().unwrap_or_default();
    let meta = &mut mirror.metadata;
    meta.annotations.insert(CONFIG_MIRROR.to_owned(), hash);
    meta.uid = String::new();
    meta.generation = 0;
    meta.resource_version = String::new();
    meta.owner_references = vec![OwnerReference {
        api_version: "v1".to_owned(),
        kind: Node::KIND.to_owned(),
        name: node.metadata.name.clone(),
        uid: node.metadata.uid.clone(),
        controller: Some(true),
        ..OwnerReference::default()
    }];
    mirror.status = PodStatus::default();
    mirror
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> Node {
        let mut node = Node::default();
        node.metadata.name = "n".into();
        node.metadata.uid = "node-uid".into();
        node
    }

    fn static_pod(hash: &str) -> Arc<Pod> {
        let mut pod = Pod::default();
        pod.metadata.name = "web-n".into();
        pod.metadata.namespace = "default".into();
        pod.metadata.uid = hash.into();
        pod.metadata.annotations = [(CONFIG_HASH.to_owned(), hash.to_owned())].into();
        Arc::new(pod)
    }

    fn mirror(hash: &str) -> Arc<Pod> {
        let mut mirror = mirror_of(&static_pod(hash), &node());
        mirror.metadata.uid = "mirror-uid".into();
        Arc::new(mirror)
    }

    fn check(statics: &[Arc<Pod>], mirrors: &[Arc<Pod>], expected: &str) {
        let words: Vec<&str> = plan(statics, mirrors, &node())
            .iter()
            .map(|step| match step {
                Step::Create(_) => "create",
                Step::Delete { .. } => "delete",
            })
            .collect();
        assert_eq!(words.join(" "), expected);
    }

    #[test]
    fn mirrors_follow_static_pods() {
        check(&[static_pod("a")], &[], "create");
        check(&[static_pod("a")], &[mirror("a")], "");
        check(&[static_pod("b")], &[mirror("a")], "delete");
        check(&[], &[mirror("a")], "delete");
        let mut deleted = mirror("a").as_ref().clone();
        deleted.metadata.deletion_timestamp = Some(machinery::Time { seconds: 1, nanos: 0 });
        check(&[static_pod("a")], &[Arc::new(deleted)], "delete");
        let mut foreign = mirror("a").as_ref().clone();
        foreign.metadata.owner_references[0].uid = "other".into();
        check(&[static_pod("a")], &[Arc::new(foreign)], "delete");
    }
}
