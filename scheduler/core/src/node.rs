//! A node as the scheduler sees it: what it has, what is taken, and by whom.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use api_types::core::v1::{Node, Taint};

use crate::amounts::Amounts;
use crate::pod::PodInfo;

/// A node with the pods on it.
#[derive(Clone, Debug, Default)]
pub struct NodeInfo {
    /// Name.
    pub name: Arc<str>,
    /// The API has the node; false while only pods on it are known.
    pub known: bool,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Taints.
    pub taints: Vec<Taint>,
    /// `spec.unschedulable`.
    pub unschedulable: bool,
    /// What pods may use.
    pub allocatable: Amounts,
    /// Sum of the requests of its pods.
    pub requested: Amounts,
    /// Sum of [`PodInfo::scored_cpu`].
    pub scored_cpu: i64,
    /// Sum of [`PodInfo::scored_memory`].
    pub scored_memory: i64,
    /// Pods on it, those assumed included.
    pub pods: Vec<Arc<PodInfo>>,
    /// How many of them have terms about other pods.
    pub with_affinity: usize,
    /// How many of them have required anti-affinity.
    pub with_required_anti_affinity: usize,
    /// Host ports in use: (protocol, port) → addresses.
    pub ports: HashMap<(String, i32), HashSet<String>>,
    /// Images on it by every name, with their size in bytes.
    pub images: HashMap<String, i64>,
}

impl NodeInfo {
    /// Takes over what the API says of the node; pods stay.
    pub fn set_node(&mut self, node: &Node) {
        self.name = node.metadata.name.as_str().into();
        self.known = true;
        self.labels.clone_from(&node.metadata.labels);
        self.taints.clone_from(&node.spec.taints);
        self.unschedulable = node.spec.unschedulable;
        self.allocatable = Amounts::from_list(&node.status.allocatable);
        self.images = node
            .status
            .images
            .iter()
            .flat_map(|image| image.names.iter().map(|name| (name.clone(), image.size_bytes)))
            .collect();
    }

    /// Counts a pod in.
    pub fn add(&mut self, pod: Arc<PodInfo>) {
        self.count(&pod, 1);
        for (address, protocol, port) in &pod.host_ports {
            self.ports.entry((protocol.clone(), *port)).or_default().insert(address.clone());
        }
        self.pods.push(pod);
    }

    /// Counts a pod out; false when it is not here.
    pub fn remove(&mut self, uid: &str) -> bool {
        let Some(at) = self.pods.iter().position(|pod| pod.uid == uid) else { return false };
        let pod = self.pods.swap_remove(at);
        self.count(&pod, -1);
        for (address, protocol, port) in &pod.host_ports {
            let slot = (protocol.clone(), *port);
            let shared = self
                .pods
                .iter()
                .any(|other| other.host_ports.contains(&(address.clone(), protocol.clone(), *port)));
            if let (false, Some(addresses)) = (shared, self.ports.get_mut(&slot)) {
                addresses.remove(address);
                if addresses.is_empty() {
                    self.ports.remove(&slot);
                }
            }
        }
        true
    }

    fn count(&mut self, pod: &PodInfo, sign: i64) {
        self.requested.change(&pod.requests, sign);
        self.scored_cpu += sign * pod.scored_cpu;
        self.scored_memory += sign * pod.scored_memory;
        let change = |counter: &mut usize, counts: bool| {
            if counts {
                *counter = counter.wrapping_add_signed(sign as isize);
            }
        };
        change(&mut self.with_affinity, pod.has_affinity());
        change(&mut self.with_required_anti_affinity, !pod.affinity.required_anti.is_empty());
    }

    /// True when a host port is taken: the same address, or either of them every address.
    pub fn port_taken(&self, address: &str, protocol: &str, port: i32) -> bool {
        const EVERY: &str = "0.0.0.0";
        self.ports.get(&(protocol.to_owned(), port)).is_some_and(|addresses| {
            address == EVERY || addresses.contains(EVERY) || addresses.contains(address)
        })
    }
}
