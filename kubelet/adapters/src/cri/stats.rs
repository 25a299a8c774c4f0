//! Resource use as the runtime measures it.

use std::collections::BTreeMap;

use proto::cri;

use super::{Client, Error, during};

impl Client {
    /// Use of one container.
    pub async fn container_stats(&self, id: &str) -> Result<cri::ContainerStats, Error> {
        let request = self.request(cri::ContainerStatsRequest { container_id: id.to_owned() });
        let answer = self.runtime().container_stats(request).await.map_err(during("ContainerStats"))?;
        answer.into_inner().stats.ok_or(Error::Incomplete { call: "ContainerStats", field: "stats" })
    }

    /// Use of every running container.
    pub async fn list_container_stats(&self) -> Result<Vec<cri::ContainerStats>, Error> {
        let request = self.request(cri::ListContainerStatsRequest { filter: None });
        let answer =
            self.runtime().list_container_stats(request).await.map_err(during("ListContainerStats"))?;
        Ok(answer.into_inner().stats)
    }

    /// Use of every ready sandbox with its containers.
    pub async fn list_pod_sandbox_stats(&self) -> Result<Vec<cri::PodSandboxStats>, Error> {
        let filter = cri::PodSandboxStatsFilter { id: String::new(), label_selector: BTreeMap::new() };
        let request = self.request(cri::ListPodSandboxStatsRequest { filter: Some(filter) });
        let answer = self.runtime().list_pod_sandbox_stats(request).await;
        Ok(answer.map_err(during("ListPodSandboxStats"))?.into_inner().stats)
    }
}
