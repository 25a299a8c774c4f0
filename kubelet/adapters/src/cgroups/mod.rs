//! The kubelet's [`Cgroups`] port on the kernel's cgroup files, v1 and v2, by either driver.

mod details;
mod hierarchy;
mod limits;
mod names;
mod removal;
mod systemd;
mod tree;
mod usage;

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use kubelet_core::ports::{CgroupError, CgroupLimits, CgroupName, CgroupUsage, CgroupVersion, Cgroups};

pub use hierarchy::Hierarchy;
pub use names::Driver;

/// The machine's cgroups.
#[derive(Clone, Debug)]
pub struct NodeCgroups {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    hierarchy: Hierarchy,
    driver: Driver,
}

impl NodeCgroups {
    /// Cgroups in `hierarchy` (see [`Hierarchy::detect`]), made by `driver`.
    pub fn new(hierarchy: Hierarchy, driver: Driver) -> NodeCgroups {
        NodeCgroups { shared: Arc::new(Shared { hierarchy, driver }) }
    }

    /// Does blocking work (file access, waiting for systemd) away from the async threads.
    async fn blocking<T: Send + 'static>(
        &self,
        operation: &'static str,
        name: &CgroupName,
        work: impl FnOnce(&Shared, &CgroupName) -> io::Result<T> + Send + 'static,
    ) -> Result<T, CgroupError> {
        let (shared, owned) = (Arc::clone(&self.shared), name.clone());
        let done = tokio::task::spawn_blocking(move || work(&shared, &owned)).await;
        done.unwrap_or_else(|panic| Err(io::Error::other(panic))).map_err(|error| CgroupError {
            operation,
            name: name.clone(),
            message: error.to_string(),
        })
    }
}

#[async_trait]
impl Cgroups for NodeCgroups {
    fn version(&self) -> CgroupVersion {
        match self.shared.hierarchy {
            Hierarchy::V1(_) => CgroupVersion::V1,
            Hierarchy::V2(_) => CgroupVersion::V2,
        }
    }

    fn runtime_parent(&self, name: &CgroupName) -> String {
        self.shared.driver.runtime_parent(name)
    }

    async fn ensure(&self, name: &CgroupName, limits: &CgroupLimits) -> Result<(), CgroupError> {
        let limits = limits.clone();
        self.blocking("create", name, move |shared, name| shared.ensure(name, &limits)).await
    }

    async fn exists(&self, name: &CgroupName) -> Result<bool, CgroupError> {
        self.blocking("look up", name, |shared, name| Ok(shared.exists(name))).await
    }

    async fn destroy(&self, name: &CgroupName) -> Result<(), CgroupError> {
        self.blocking("remove", name, Shared::destroy).await
    }

    async fn children(&self, name: &CgroupName) -> Result<Vec<String>, CgroupError> {
        self.blocking("list children of", name, |shared, name| Ok(shared.children(name))).await
    }

    async fn processes(&self, name: &CgroupName) -> Result<Vec<i32>, CgroupError> {
        self.blocking("list processes of", name, |shared, name| {
            Ok(removal::processes(&shared.hierarchy.directories(&shared.path(name))))
        })
        .await
    }

    async fn usage(&self, name: &CgroupName) -> Result<CgroupUsage, CgroupError> {
        self.blocking("measure", name, |shared, name| Ok(usage::read(&shared.hierarchy, &shared.path(name))))
            .await
    }

    async fn container_usage(
        &self,
        pod: &CgroupName,
        container_id: &str,
    ) -> Result<Option<CgroupUsage>, CgroupError> {
        let id = container_id.to_owned();
        self.blocking("measure a container of", pod, move |shared, pod| {
            let path = shared.path(pod);
            let own = shared.container(&path, &id);
            Ok(own.map(|own| usage::read(&shared.hierarchy, &format!("{path}/{own}"))))
        })
        .await
    }
}

impl Shared {
    fn path(&self, name: &CgroupName) -> String {
        self.driver.path(name)
    }

    fn exists(&self, name: &CgroupName) -> bool {
        self.hierarchy.required(&self.path(name)).iter().all(|directory| directory.is_dir())
    }

    fn ensure(&self, name: &CgroupName, limits: &CgroupLimits) -> io::Result<()> {
        let unified = matches!(self.hierarchy, Hierarchy::V2(_));
        if self.driver == Driver::Systemd && !name.0.is_empty() {
            if self.exists(name) {
                systemd::update(name, limits, unified)?;
            } else {
                systemd::start(name, limits, unified)?;
            }
        }
        tree::create(&self.hierarchy, &self.path(name))?;
        tree::set(&self.hierarchy, &self.path(name), limits)
    }

    fn destroy(&self, name: &CgroupName) -> io::Result<()> {
        // Removing the root would mean killing everything.
        if name.0.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the root cgroup cannot be removed"));
        }
        let directories = self.hierarchy.directories(&self.path(name));
        removal::kill_all(&directories)?;
        if self.driver == Driver::Systemd {
            systemd::stop(name)?;
        }
        removal::remove_all(&directories)
    }

    /// The directory of a container below its pod's: the runtimes put its id into the name, bare or as
    /// `cri-containerd-<id>.scope`.
    fn container(&self, pod: &str, id: &str) -> Option<String> {
        let directories = self.hierarchy.directories(pod);
        directories.iter().find_map(|directory| below(directory).into_iter().find(|name| name.contains(id)))
    }

    fn children(&self, name: &CgroupName) -> Vec<String> {
        let mut found: Vec<String> = self
            .hierarchy
            .directories(&self.path(name))
            .iter()
            .flat_map(|directory| below(directory))
            .filter_map(|directory| self.driver.component(&directory))
            .collect();
        found.sort();
        found.dedup();
        found
    }
}

/// Names of the directories in a directory; none when it is missing.
fn below(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

#[cfg(test)]
mod tests;
