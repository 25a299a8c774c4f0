//! Reports this node's status: when something changed, and now and then anyway.

use std::sync::Arc;
use std::time::Duration;

use api_types::core::v1::{Node, NodeStatus};
use client::{Client, Patch, PatchParams};
use component_base::{Shutdown, version};
use jiff::Timestamp;
use kubelet_core::backoff::elapsed;
use kubelet_core::node_status::{self, StatusFacts};
use tokio::sync::Notify;

use super::addresses::{self, NodeIpFlag};
use super::{reserved, runtime};
use crate::context::Context;
use crate::events::Kind;
use crate::observing::{self, PodCache};
use client::outage::Outage;

/// Tries of one report before it is put off to the next period.
const ATTEMPTS: usize = 5;
/// While the node is not ready, changes are looked for this often: a node should not wait for its first pods.
const UNREADY_PERIOD: Duration = Duration::from_millis(500);

/// What the reporter works with.
pub struct Reporter {
    pub client: Client,
    pub context: Arc<Context>,
    pub cache: Arc<PodCache>,
    pub node_ip: NodeIpFlag,
    /// Told when something the status shows may have changed.
    pub changed: Arc<Notify>,
}

/// What users have been told of the node beside its conditions.
#[derive(Default)]
struct Told {
    rebooted: bool,
    unschedulable: bool,
}

impl Reporter {
    /// Reports until shutdown.
    pub async fn run(self, shutdown: Shutdown) {
        let period = self.context.config.node_status_update_frequency.0;
        let unready = UNREADY_PERIOD.min(period);
        let mut outage = Outage::new("report the status of this node", unready, period);
        let mut last_report: Option<Timestamp> = None;
        let mut told = Told::default();
        loop {
            let now = self.context.now();
            let due = last_report
                .is_none_or(|at| elapsed(at, now) >= self.context.config.node_status_report_frequency.0);
            let wait = match self.report(due, &mut told).await {
                Ok(sent) => {
                    outage.over();
                    if sent {
                        last_report = Some(now);
                    }
                    if self.is_ready() { period } else { unready }
                }
                Err(error) => outage.failed(&error),
            };
            // Cancel-safe: all arms only wait.
            tokio::select! {
                () = shutdown.wait() => return,
                () = self.changed.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    fn is_ready(&self) -> bool {
        let node = self.context.node.load();
        node.status.conditions.iter().any(|known| known.type_ == "Ready" && known.status == "True")
    }

    /// Makes the status and sends it when it changed, or when it is due. Returns whether it was sent.
    async fn report(&self, due: bool, told: &mut Told) -> Result<bool, String> {
        let made = self.status().await;
        let mut failure = String::new();
        for attempt in 0..ATTEMPTS {
            let node =
                self.current(attempt).await.map_err(|error| component_base::run::error_chain(&error))?;
            self.tell_once(&node, &made.machine.boot_id, told);
            let status = node_status::status(&node.status, &made.facts(&self.context), self.context.now());
            if !due && !node_status::has_changed(&node.status, &status) {
                return Ok(false);
            }
            let Some(patch) = node_status::patch(&node.status, &status) else { return Ok(true) };
            let nodes = self.client.all::<Node>();
            match nodes
                .patch_status(&self.context.node_name, &Patch::Strategic(patch), &PatchParams::default())
                .await
            {
                Ok(updated) => {
                    self.tell(&node.status, &updated.status);
                    self.context.node.store(Arc::new(updated));
                    return Ok(true);
                }
                Err(error) => failure = component_base::run::error_chain(&error),
            }
        }
        Err(failure)
    }

    /// The node as known, or as the API has it after a failed attempt.
    async fn current(&self, attempt: usize) -> Result<Arc<Node>, client::Error> {
        let known = self.context.node.load_full();
        if attempt == 0 && !known.metadata.resource_version.is_empty() {
            return Ok(known);
        }
        self.client.all::<Node>().get(&self.context.node_name).await.map(Arc::new)
    }

    /// Tells of a reboot, and of a node that is cordoned or no longer is.
    fn tell_once(&self, node: &Node, boot_id: &str, told: &mut Told) {
        let (name, recorder) = (&self.context.node_name, &self.context.recorder);
        let before = &node.status.node_info.boot_id;
        if !told.rebooted && !before.is_empty() && before != boot_id {
            told.rebooted = true;
            let message = format!("Node {name} has been rebooted, boot id: {boot_id}");
            recorder.node(Kind::Warning, "Rebooted", message);
        }
        if told.unschedulable != node.spec.unschedulable {
            told.unschedulable = node.spec.unschedulable;
            let event = if told.unschedulable { "NodeNotSchedulable" } else { "NodeSchedulable" };
            recorder.node(Kind::Normal, event, format!("Node {name} status is now: {event}"));
        }
    }

    fn tell(&self, old: &NodeStatus, new: &NodeStatus) {
        for event in node_status::condition_events(old, new) {
            let message = format!("Node {} status is now: {event}", self.context.node_name);
            self.context.recorder.node(Kind::Normal, event, message);
        }
    }

    async fn status(&self) -> Made {
        let context = &self.context;
        let mut errors = runtime::errors(&context.runtime_status.load());
        if let Err(error) = observing::healthy(&self.cache, context.now()) {
            errors.push(error);
        }
        match addresses::find(context.ports.machine.as_ref(), &self.node_ip, &context.node_name).await {
            Ok(ips) => {
                let ips: Vec<String> = ips.iter().map(ToString::to_string).collect();
                if **context.host_ips.load() != ips {
                    context.host_ips.store(Arc::new(ips));
                }
            }
            Err(error) => errors.push(error.to_string()),
        }
        let facts = context.ports.machine.facts().await.unwrap_or_else(|_| context.facts.clone());
        let disk =
            context.ports.machine.filesystem(&context.root).await.ok().map(|usage| usage.capacity_bytes);
        let capacity = node_status::capacity(&facts, disk, reserved::pod_limits(&context.config));
        let allocatable = match reserved::reserved(&context.config) {
            Ok(reserved) => node_status::allocatable(&capacity, &reserved),
            Err(_) => capacity.clone(),
        };
        Made {
            capacity,
            allocatable,
            machine: facts,
            ips: context.host_ips.load().as_ref().clone(),
            runtime_version: context.ports.runtime.version().await.unwrap_or_default(),
            runtime_status: context.runtime_status.load_full(),
            images: context.ports.images.list().await.unwrap_or_default(),
            errors,
        }
    }
}

/// What the status is made from, held while it is compared and sent.
struct Made {
    capacity: std::collections::BTreeMap<String, machinery::Quantity>,
    allocatable: std::collections::BTreeMap<String, machinery::Quantity>,
    machine: kubelet_core::ports::MachineFacts,
    ips: Vec<String>,
    runtime_version: kubelet_core::ports::RuntimeVersion,
    runtime_status: Arc<Result<kubelet_core::ports::RuntimeStatus, String>>,
    images: Vec<kubelet_core::ports::ImageSummary>,
    errors: Vec<String>,
}

impl Made {
    fn facts<'a>(&'a self, context: &'a Context) -> StatusFacts<'a> {
        StatusFacts {
            machine: Some(&self.machine),
            capacity: self.capacity.clone(),
            allocatable: self.allocatable.clone(),
            ips: self.ips.clone(),
            hostname: context.node_name.clone(),
            kubelet_version: version::git_version(),
            runtime_version: self.runtime_version.clone(),
            runtime_status: self.runtime_status.as_ref().as_ref().ok(),
            kubelet_port: context.config.port,
            images: self.images.clone(),
            max_images: context.config.node_status_max_images,
            pressures: context.pressures.load().as_ref().clone(),
            errors: self.errors.clone(),
        }
    }
}
