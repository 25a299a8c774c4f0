//! Pod sandboxes: run, stop, remove, look.

use std::collections::BTreeMap;

use proto::cri;

use super::{Client, Error, during};

impl Client {
    /// Creates and starts a sandbox and answers its id. Twice the usual deadline, as the network may be slow to set up.
    pub async fn run_pod_sandbox(
        &self,
        config: cri::PodSandboxConfig,
        handler: &str,
    ) -> Result<String, Error> {
        let message = cri::RunPodSandboxRequest { config: Some(config), runtime_handler: handler.to_owned() };
        let request = self.request_within(message, self.timeout * 2);
        let answer = self.runtime().run_pod_sandbox(request).await.map_err(during("RunPodSandbox"))?;
        let id = answer.into_inner().pod_sandbox_id;
        if id.is_empty() {
            return Err(Error::Incomplete { call: "RunPodSandbox", field: "pod_sandbox_id" });
        }
        Ok(id)
    }

    /// Stops a sandbox: its containers are killed and its network is torn down. A missing sandbox is a success.
    pub async fn stop_pod_sandbox(&self, id: &str) -> Result<(), Error> {
        let request = self.request(cri::StopPodSandboxRequest { pod_sandbox_id: id.to_owned() });
        done_when_gone(self.runtime().stop_pod_sandbox(request).await.map_err(during("StopPodSandbox")))
    }

    /// Removes a sandbox and its containers, by force. A missing sandbox is a success.
    pub async fn remove_pod_sandbox(&self, id: &str) -> Result<(), Error> {
        let request = self.request(cri::RemovePodSandboxRequest { pod_sandbox_id: id.to_owned() });
        done_when_gone(self.runtime().remove_pod_sandbox(request).await.map_err(during("RemovePodSandbox")))
    }

    /// Status of one sandbox; with `verbose`, also the runtime's own facts.
    pub async fn pod_sandbox_status(
        &self,
        id: &str,
        verbose: bool,
    ) -> Result<cri::PodSandboxStatusResponse, Error> {
        let request = self.request(cri::PodSandboxStatusRequest { pod_sandbox_id: id.to_owned(), verbose });
        let answer = self.runtime().pod_sandbox_status(request).await.map_err(during("PodSandboxStatus"))?;
        let answer = answer.into_inner();
        if answer.status.is_none() {
            return Err(Error::Incomplete { call: "PodSandboxStatus", field: "status" });
        }
        Ok(answer)
    }

    /// All sandboxes whose labels contain `labels`, in any state or in one.
    pub async fn list_pod_sandboxes(
        &self,
        labels: BTreeMap<String, String>,
        state: Option<cri::PodSandboxState>,
    ) -> Result<Vec<cri::PodSandbox>, Error> {
        let state = state.map(|state| cri::PodSandboxStateValue { state: state.into() });
        let filter = cri::PodSandboxFilter { id: String::new(), state, label_selector: labels };
        let request = self.request(cri::ListPodSandboxRequest { filter: Some(filter) });
        let answer = self.runtime().list_pod_sandbox(request).await.map_err(during("ListPodSandbox"))?;
        Ok(answer.into_inner().items)
    }

    /// Tells the runtime the pod-level resources after an in-place resize; runtimes before CRI 1.32 lack the call.
    pub async fn update_pod_sandbox_resources(
        &self,
        id: &str,
        overhead: Option<cri::LinuxContainerResources>,
        resources: Option<cri::LinuxContainerResources>,
    ) -> Result<(), Error> {
        let message =
            cri::UpdatePodSandboxResourcesRequest { pod_sandbox_id: id.to_owned(), overhead, resources };
        let answer = self.runtime().update_pod_sandbox_resources(self.request(message)).await;
        answer.map_err(during("UpdatePodSandboxResources"))?;
        Ok(())
    }
}

/// Stop and remove are asked again and again until they hold: gone is what was wanted.
pub(super) fn done_when_gone<T>(answer: Result<T, Error>) -> Result<(), Error> {
    match answer {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}
