//! The kubelet's [`Machine`] port on procfs, sysfs and the socket interface.

mod facts;
mod network;
mod usage;

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use kubelet_core::ports::{
    FilesystemUsage, Interface, Machine, MachineError, MachineFacts, MemoryUsage, ProcessCount,
};

/// The machine this program runs on, or a copy of its files below some directory.
#[derive(Clone, Debug)]
pub struct NodeMachine {
    root: PathBuf,
}

impl NodeMachine {
    /// The machine itself.
    pub fn new() -> NodeMachine {
        NodeMachine { root: PathBuf::from("/") }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// Content of a file of the machine.
    fn read(&self, path: &str) -> Result<String, MachineError> {
        fs::read_to_string(self.path(path)).map_err(failed(format!("read {path}")))
    }

    /// Trimmed content of a file that need not be there.
    fn read_if_there(&self, path: &str) -> Option<String> {
        let text = fs::read_to_string(self.path(path)).ok()?;
        Some(text.trim().trim_end_matches('\0').to_owned()).filter(|text| !text.is_empty())
    }
}

impl Default for NodeMachine {
    fn default() -> NodeMachine {
        NodeMachine::new()
    }
}

#[async_trait]
impl Machine for NodeMachine {
    async fn facts(&self) -> Result<MachineFacts, MachineError> {
        facts::gather(self)
    }

    async fn memory(&self) -> Result<MemoryUsage, MachineError> {
        usage::memory(self)
    }

    async fn filesystem(&self, path: &Path) -> Result<FilesystemUsage, MachineError> {
        let owned = path.to_owned();
        // A hanging network file system must not hold an async thread.
        let read = tokio::task::spawn_blocking(move || usage::filesystem(&owned)).await;
        read.unwrap_or_else(|panic| Err(io::Error::other(panic)))
            .map_err(failed(format!("stat file system of {}", path.display())))
    }

    async fn processes(&self) -> Result<ProcessCount, MachineError> {
        usage::processes(self)
    }

    async fn cpu_total_nanos(&self) -> Result<u64, MachineError> {
        usage::cpu_total_nanos(self)
    }

    async fn interfaces(&self) -> Result<Vec<Interface>, MachineError> {
        network::interfaces(self)
    }

    async fn interfaces_of(&self, pid: i32) -> Result<Vec<Interface>, MachineError> {
        Ok(network::of_table(&self.read(&format!("/proc/{pid}/net/dev"))?))
    }

    async fn default_route_addresses(&self) -> Result<Vec<IpAddr>, MachineError> {
        let interfaces = network::interfaces(self)?;
        let ipv4 = self.read_if_there("/proc/net/route").unwrap_or_default();
        let ipv6 = self.read_if_there("/proc/net/ipv6_route").unwrap_or_default();
        Ok(network::default_route_addresses(&interfaces, &ipv4, &ipv6))
    }

    async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, MachineError> {
        let found = tokio::net::lookup_host((host, 0)).await.map_err(failed(format!("resolve {host}")))?;
        let mut addresses: Vec<IpAddr> = Vec::new();
        for address in found.map(|address| address.ip()) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        Ok(addresses)
    }

    async fn set_oom_score_adj(&self, pid: i32, value: i32) -> Result<(), MachineError> {
        let process = if pid == 0 { "self".to_owned() } else { pid.to_string() };
        let path = format!("/proc/{process}/oom_score_adj");
        fs::write(self.path(&path), value.to_string()).map_err(failed(format!("write {value} to {path}")))
    }

    async fn sysctl(&self, name: &str) -> Result<String, MachineError> {
        Ok(self.read(&sysctl_path(name)?)?.trim().to_owned())
    }

    async fn set_sysctl(&self, name: &str, value: &str) -> Result<(), MachineError> {
        let path = sysctl_path(name)?;
        fs::write(self.path(&path), value).map_err(failed(format!("set sysctl {name} to {value}")))
    }
}

/// The file of a sysctl. A name with a slash before any dot is written with slashes (`net/ipv4/conf/eth0.1/forwarding`).
fn sysctl_path(name: &str) -> Result<String, MachineError> {
    let slashes_first = name.find('/') < name.find('.') && name.contains('/') || !name.contains('.');
    let path: String = if slashes_first {
        name.to_owned()
    } else {
        name.chars()
            .map(|c| {
                if c == '.' {
                    '/'
                } else if c == '/' {
                    '.'
                } else {
                    c
                }
            })
            .collect()
    };
    if path.split('/').any(|part| part.is_empty() || part == "..") {
        let what = format!("sysctl {name:?}");
        return Err(MachineError { what, message: "not a sysctl's name".to_owned() });
    }
    Ok(format!("/proc/sys/{path}"))
}

fn failed(what: String) -> impl FnOnce(io::Error) -> MachineError {
    move |error| MachineError { what, message: error.to_string() }
}

#[cfg(test)]
mod tests;
