//! The kubelet as its server sees it: answers from the pod list, the runtime's last list and the statuses.

use std::path::PathBuf;
use std::sync::Arc;

use api_types::core::v1::Pod;
use jiff::Timestamp;
use kubelet_core::observed::ObservedPod;
use kubelet_core::pod::{self, CONFIG_MIRROR};
use kubelet_core::ports::ContainerState;

use crate::context::Context;
use crate::observing::{self, PodCache};
use crate::pods::ManagerHandle;
use crate::statuses::{ApiPods, Statuses};
use crate::view::{ContainerLookup, KubeletView, ViewError};

/// Answers the server's questions.
pub struct Observer {
    pub context: Arc<Context>,
    pub cache: Arc<PodCache>,
    pub manager: Arc<ManagerHandle>,
    pub statuses: Arc<Statuses>,
    pub api_pods: Arc<ApiPods>,
}

impl Observer {
    /// The pod of that name; a mirror's uid means its static pod.
    fn find(&self, namespace: &str, name: &str, uid: Option<&str>) -> Result<Arc<Pod>, ViewError> {
        let uid = uid.filter(|uid| !uid.is_empty()).map(|uid| self.uid_of_mirror(namespace, name, uid));
        self.manager
            .pods()
            .into_iter()
            .filter(|pod| pod.metadata.namespace == namespace && pod.metadata.name == name)
            .filter(|pod| uid.as_ref().is_none_or(|uid| *uid == pod.metadata.uid))
            // Two of a name while the older one ends: the one that is wanted.
            .max_by_key(|pod| {
                (pod.metadata.deletion_timestamp.is_none(), pod.metadata.creation_timestamp.seconds)
            })
            .ok_or_else(|| ViewError::PodNotFound { namespace: namespace.to_owned(), pod: name.to_owned() })
    }

    fn uid_of_mirror(&self, namespace: &str, name: &str, uid: &str) -> String {
        self.api_pods
            .get(namespace, name)
            .filter(|mirror| mirror.metadata.uid == uid)
            .and_then(|mirror| mirror.metadata.annotations.get(CONFIG_MIRROR).cloned())
            .unwrap_or_else(|| uid.to_owned())
    }

    fn observed(&self, pod: &Pod) -> Arc<ObservedPod> {
        self.cache.get(&pod.metadata.uid)
    }
}

impl KubeletView for Observer {
    fn node_name(&self) -> String {
        self.context.node_name.clone()
    }

    fn pods(&self) -> Vec<Arc<Pod>> {
        let with_status = |pod: Arc<Pod>| match self.statuses.get(&pod.metadata.uid) {
            Some(status) => Arc::new(Pod { status, ..pod.as_ref().clone() }),
            None => pod,
        };
        self.manager.pods().into_iter().map(with_status).collect()
    }

    fn container(
        &self,
        namespace: &str,
        pod: &str,
        uid: Option<&str>,
        container: &str,
    ) -> Result<ContainerLookup, ViewError> {
        let missing =
            || ViewError::ContainerNotFound { pod: pod.to_owned(), container: container.to_owned() };
        let found = self.find(namespace, pod, uid)?;
        let (_, _, spec) = pod::find_container(&found, container).ok_or_else(missing)?;
        let observed = self.observed(&found);
        let of_name: Vec<_> = observed.containers.iter().filter(|status| status.name == container).collect();
        let waiting = self.statuses.get(&found.metadata.uid).and_then(|status| {
            let known = pod::find_status(&status, container)?;
            Some(known.state.waiting.as_ref()?.reason.clone())
        });
        let Some(newest) = of_name.first() else {
            return match waiting {
                Some(reason) => Err(ViewError::ContainerWaiting {
                    pod: pod.to_owned(),
                    container: container.to_owned(),
                    reason,
                }),
                None => Err(missing()),
            };
        };
        // Running now: the one before it is the previous. Down: the newest itself ended last.
        let previous = of_name.get(1).map(|status| PathBuf::from(&status.log_path));
        Ok(ContainerLookup {
            container_id: newest.id.clone(),
            running: newest.state == ContainerState::Running,
            log_path: PathBuf::from(&newest.log_path),
            previous_log_path: previous,
            tty: spec.tty,
            stdin: spec.stdin,
            waiting_reason: waiting.filter(|_| newest.state == ContainerState::Created),
        })
    }

    fn sandbox_id(&self, namespace: &str, pod: &str, uid: Option<&str>) -> Result<String, ViewError> {
        let found = self.find(namespace, pod, uid)?;
        self.observed(&found).ready_sandbox().map(|sandbox| sandbox.summary.id.clone()).ok_or_else(|| {
            ViewError::SandboxNotReady { namespace: namespace.to_owned(), pod: pod.to_owned() }
        })
    }

    fn configuration(&self) -> String {
        // A configuration that was read can be written.
        serde_json::to_string(&self.context.config).unwrap_or_default()
    }

    fn sync_loop_healthy(&self) -> Result<(), String> {
        observing::healthy(&self.cache, Timestamp::now())
    }

    fn root_directory(&self) -> PathBuf {
        self.context.root.clone()
    }

    fn pod_logs_directory(&self) -> PathBuf {
        PathBuf::from(&self.context.config.pod_logs_dir)
    }
}
