//! What `describe` says of each kind: a table of pages, each a pure function of the object and what was gathered
//! around it (`kubectl/pkg/describe`).

pub mod autoscaler;
pub mod classes;
pub mod config_map;
pub mod containers;
pub mod controllers;
pub mod deployment;
pub mod disruption_budget;
pub mod endpoint_slice;
pub mod endpoints;
pub mod environment;
pub mod events;
pub mod gather;
pub mod generic;
pub mod ingress;
pub mod jobs;
pub mod namespace;
pub mod network;
pub mod network_policy;
pub mod node;
pub mod node_resources;
pub mod page;
pub mod persistent_volume;
pub mod persistent_volume_claim;
pub mod pod;
pub mod quotas;
pub mod read;
pub mod roles;
pub mod secret;
pub mod service;
pub mod service_account;
pub mod signing_request;
pub mod template;
pub mod volume_sources;
pub mod volumes;

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::Result;
use crate::values;
pub use gather::{Around, Needs};
pub use page::Page;

/// How one kind is described.
pub struct Row {
    /// Its group.
    pub group: &'static str,
    /// Its kind.
    pub kind: &'static str,
    /// What else its page shows.
    pub needs: Needs,
    /// Whether events follow.
    pub events: bool,
    /// Writes the page, but for the events.
    pub describe: fn(&Value, &Around, &mut Page) -> Result<()>,
}

const fn row(
    group: &'static str,
    kind: &'static str,
    needs: Needs,
    describe: fn(&Value, &Around, &mut Page) -> Result<()>,
) -> Row {
    Row { group, kind, needs, events: true, describe }
}

const fn quiet(
    group: &'static str,
    kind: &'static str,
    needs: Needs,
    describe: fn(&Value, &Around, &mut Page) -> Result<()>,
) -> Row {
    Row { group, kind, needs, events: false, describe }
}

/// The kinds with a page of their own.
pub fn all() -> &'static [Row] {
    static ALL: &[Row] = &[
        row("", "Pod", Needs::Nothing, pod::describe),
        row("", "Node", Needs::PodsOfNode, node::describe),
        row("", "Service", Needs::EndpointSlices, service::describe),
        row("", "Endpoints", Needs::Nothing, endpoints::describe),
        row("", "ServiceAccount", Needs::Nothing, service_account::describe),
        row("", "ConfigMap", Needs::Nothing, config_map::describe),
        quiet("", "Secret", Needs::Nothing, secret::describe),
        quiet("", "Namespace", Needs::QuotasAndLimits, namespace::describe),
        quiet("", "ResourceQuota", Needs::Nothing, quotas::describe_quota),
        quiet("", "LimitRange", Needs::Nothing, quotas::describe_limits),
        row("", "PersistentVolume", Needs::Nothing, persistent_volume::describe),
        row("", "PersistentVolumeClaim", Needs::PodsOfNamespace, persistent_volume_claim::describe),
        row("", "ReplicationController", Needs::ControlledPods, controllers::replication_controller),
        row("apps", "ReplicaSet", Needs::ControlledPods, controllers::replica_set),
        row("apps", "DaemonSet", Needs::ControlledPods, controllers::daemon_set),
        row("apps", "StatefulSet", Needs::ControlledPods, controllers::stateful_set),
        row("apps", "Deployment", Needs::ReplicaSets, deployment::describe),
        row("batch", "Job", Needs::Nothing, jobs::job),
        row("batch", "CronJob", Needs::Nothing, jobs::cron_job),
        row("autoscaling", "HorizontalPodAutoscaler", Needs::Nothing, autoscaler::describe),
        row("certificates.k8s.io", "CertificateSigningRequest", Needs::Nothing, signing_request::describe),
        row("discovery.k8s.io", "EndpointSlice", Needs::Nothing, endpoint_slice::describe),
        row("networking.k8s.io", "Ingress", Needs::Backends, ingress::describe),
        row("networking.k8s.io", "IngressClass", Needs::Nothing, network::ingress_class),
        row("networking.k8s.io", "ServiceCIDR", Needs::Nothing, network::service_cidr),
        row("networking.k8s.io", "IPAddress", Needs::Nothing, network::ip_address),
        quiet("networking.k8s.io", "NetworkPolicy", Needs::Nothing, network_policy::describe),
        row("policy", "PodDisruptionBudget", Needs::Nothing, disruption_budget::describe),
        quiet("rbac.authorization.k8s.io", "Role", Needs::Nothing, roles::role),
        quiet("rbac.authorization.k8s.io", "ClusterRole", Needs::Nothing, roles::role),
        quiet("rbac.authorization.k8s.io", "RoleBinding", Needs::Nothing, roles::binding),
        quiet("rbac.authorization.k8s.io", "ClusterRoleBinding", Needs::Nothing, roles::binding),
        row("scheduling.k8s.io", "PriorityClass", Needs::Nothing, classes::priority_class),
        row("storage.k8s.io", "StorageClass", Needs::Nothing, classes::storage_class),
        row("storage.k8s.io", "VolumeAttributesClass", Needs::Nothing, classes::volume_attributes_class),
        row("storage.k8s.io", "CSINode", Needs::Nothing, classes::csi_node),
    ];
    ALL
}

static GENERIC: Row = row("", "", Needs::Nothing, generic::describe);

/// The row of a kind; the generic one when it has none.
pub fn row_of(group: &str, kind: &str) -> &'static Row {
    all().iter().find(|row| row.group == group && row.kind == kind).unwrap_or(&GENERIC)
}

/// The description of an object with its events, when they were asked for.
pub fn text(object: &Value, around: &Around, now: Timestamp, zone: TimeZone) -> Result<String> {
    let mut page = Page::new(now, zone);
    let (group, _) = values::group_version(object);
    let row = row_of(group, values::text(object, "/kind"));
    (row.describe)(object, around, &mut page)?;
    if let Some(events) = around.events.as_ref().filter(|_| row.events) {
        events::describe(events, &mut page);
    }
    Ok(page.finish())
}
