//! The ports beside the runtime: they succeed and remember nothing that no test asks for.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kubelet::context::Ports;
use kubelet_core::ports::*;
use parking_lot::Mutex;

use super::runtime::SimulatedRuntime;

/// All ports of a simulated node.
pub fn simulated(runtime: Arc<SimulatedRuntime>, machine: Arc<SimulatedMachine>) -> Ports {
    Ports {
        images: runtime.clone(),
        prober: runtime.clone(),
        runtime,
        mounts: Arc::new(SimulatedMounts::default()),
        cgroups: Arc::new(SimulatedCgroups::default()),
        machine,
    }
}

/// Mount points in a set.
#[derive(Default)]
pub struct SimulatedMounts {
    points: Mutex<BTreeSet<PathBuf>>,
}

#[async_trait]
impl Mounts for SimulatedMounts {
    async fn mount_tmpfs(&self, target: &Path, _options: &TmpfsOptions) -> Result<(), MountError> {
        self.points.lock().insert(target.to_owned());
        Ok(())
    }

    async fn mount_hugetlbfs(&self, target: &Path, _page_size_bytes: u64) -> Result<(), MountError> {
        self.points.lock().insert(target.to_owned());
        Ok(())
    }

    async fn bind(&self, _source: &Path, target: &Path, _options: BindOptions) -> Result<(), MountError> {
        self.points.lock().insert(target.to_owned());
        Ok(())
    }

    async fn bind_beneath(
        &self,
        _root: &Path,
        _relative: &Path,
        target: &Path,
        _options: BindOptions,
    ) -> Result<(), MountError> {
        self.points.lock().insert(target.to_owned());
        Ok(())
    }

    async fn unmount(&self, target: &Path) -> Result<(), MountError> {
        self.points.lock().remove(target);
        Ok(())
    }

    async fn is_mount_point(&self, target: &Path) -> Result<bool, MountError> {
        Ok(self.points.lock().contains(target))
    }

    async fn mounts_below(&self, directory: &Path) -> Result<Vec<PathBuf>, MountError> {
        Ok(self.points.lock().iter().rev().filter(|point| point.starts_with(directory)).cloned().collect())
    }

    async fn make_shared(&self, _target: &Path) -> Result<(), MountError> {
        Ok(())
    }

    async fn set_group_ownership(
        &self,
        _directory: &Path,
        _change: OwnershipChange,
    ) -> Result<(), MountError> {
        Ok(())
    }

    async fn set_owner(&self, _path: &Path, _uid: Option<u32>, _gid: Option<u32>) -> Result<(), MountError> {
        Ok(())
    }

    async fn directory_usage(&self, _directory: &Path) -> Result<(u64, u64), MountError> {
        Ok((0, 0))
    }
}

/// Cgroups in a set.
#[derive(Default)]
pub struct SimulatedCgroups {
    names: Mutex<BTreeSet<CgroupName>>,
}

#[async_trait]
impl Cgroups for SimulatedCgroups {
    fn version(&self) -> CgroupVersion {
        CgroupVersion::V2
    }

    fn runtime_parent(&self, name: &CgroupName) -> String {
        name.to_string()
    }

    async fn ensure(&self, name: &CgroupName, _limits: &CgroupLimits) -> Result<(), CgroupError> {
        self.names.lock().insert(name.clone());
        Ok(())
    }

    async fn exists(&self, name: &CgroupName) -> Result<bool, CgroupError> {
        Ok(self.names.lock().contains(name))
    }

    async fn destroy(&self, name: &CgroupName) -> Result<(), CgroupError> {
        self.names.lock().remove(name);
        Ok(())
    }

    async fn children(&self, _name: &CgroupName) -> Result<Vec<String>, CgroupError> {
        Ok(Vec::new())
    }

    async fn processes(&self, _name: &CgroupName) -> Result<Vec<i32>, CgroupError> {
        Ok(Vec::new())
    }

    async fn usage(&self, _name: &CgroupName) -> Result<CgroupUsage, CgroupError> {
        Ok(CgroupUsage::default())
    }

    async fn container_usage(
        &self,
        _pod: &CgroupName,
        _container_id: &str,
    ) -> Result<Option<CgroupUsage>, CgroupError> {
        Ok(None)
    }
}

/// A machine that tells nothing but how full its disk is.
#[derive(Default)]
pub struct SimulatedMachine {
    disk: Mutex<FilesystemUsage>,
}

impl SimulatedMachine {
    /// Makes every file system this full.
    pub fn set_disk(&self, capacity_bytes: u64, available_bytes: u64) {
        *self.disk.lock() = FilesystemUsage { capacity_bytes, available_bytes, ..FilesystemUsage::default() };
    }
}

#[async_trait]
impl Machine for SimulatedMachine {
    async fn facts(&self) -> Result<MachineFacts, MachineError> {
        Ok(MachineFacts::default())
    }

    async fn memory(&self) -> Result<MemoryUsage, MachineError> {
        Ok(MemoryUsage::default())
    }

    async fn filesystem(&self, _path: &Path) -> Result<FilesystemUsage, MachineError> {
        Ok(self.disk.lock().clone())
    }

    async fn processes(&self) -> Result<ProcessCount, MachineError> {
        Ok(ProcessCount::default())
    }

    async fn cpu_total_nanos(&self) -> Result<u64, MachineError> {
        Ok(0)
    }

    async fn interfaces(&self) -> Result<Vec<Interface>, MachineError> {
        Ok(Vec::new())
    }

    async fn interfaces_of(&self, _pid: i32) -> Result<Vec<Interface>, MachineError> {
        Ok(Vec::new())
    }

    async fn default_route_addresses(&self) -> Result<Vec<IpAddr>, MachineError> {
        Ok(Vec::new())
    }

    async fn resolve(&self, _host: &str) -> Result<Vec<IpAddr>, MachineError> {
        Ok(Vec::new())
    }

    async fn set_oom_score_adj(&self, _pid: i32, _value: i32) -> Result<(), MachineError> {
        Ok(())
    }

    async fn sysctl(&self, _name: &str) -> Result<String, MachineError> {
        Ok(String::new())
    }

    async fn set_sysctl(&self, _name: &str, _value: &str) -> Result<(), MachineError> {
        Ok(())
    }
}

#[async_trait]
impl Prober for SimulatedRuntime {
    async fn http_get(&self, probe: &HttpProbe, _timeout: Duration) -> ProbeAnswer {
        self.probe_answer(&format!("http {}", probe.path))
    }

    async fn tcp_connect(&self, probe: &TcpProbe, _timeout: Duration) -> ProbeAnswer {
        self.probe_answer(&format!("tcp {}", probe.port))
    }

    async fn grpc_check(&self, probe: &GrpcProbe, _timeout: Duration) -> ProbeAnswer {
        self.probe_answer(&format!("grpc {}", probe.port))
    }
}
