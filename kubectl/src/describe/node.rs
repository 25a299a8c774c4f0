//! Nodes, with their pods and what those take of them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::controllers::said;
use super::read::{present, texts};
use super::{Around, Page, node_resources};
use crate::{Result, values};

/// Pools of devices that are listed.
const POOLS_SHOWN: usize = 10;

/// Writes the page of a node.
pub fn describe(node: &Value, around: &Around, page: &mut Page) -> Result<()> {
    page.field(0, "Name", values::name(node));
    let roles = roles(node);
    page.field(0, "Roles", super::read::or_none(&roles.join(",")));
    page.metadata_maps(node);
    page.field(0, "CreationTimestamp", page.time(node, "/metadata/creationTimestamp"));
    page.column(0, "Taints", &taints(node));
    page.field(0, "Unschedulable", values::flag(node, "/spec/unschedulable"));
    lease(around, page);
    let conditions = values::list(node, "/status/conditions");
    if !conditions.is_empty() {
        page.line(0, "Conditions:\n  Type\tStatus\tLastHeartbeatTime\tLastTransitionTime\tReason\tMessage");
        page.row(1, ["----", "------", "-----------------", "------------------", "------", "-------"]);
    }
    for condition in conditions {
        let text = |pointer: &str| values::text(condition, pointer);
        let (beat, changed) =
            (page.time(condition, "/lastHeartbeatTime"), page.time(condition, "/lastTransitionTime"));
        let (kind, state, reason) = (text("/type"), text("/status"), text("/reason"));
        page.line(1, &format!("{kind} \t{state} \t{beat} \t{changed} \t{reason} \t{}", text("/message")));
    }
    page.line(0, "Addresses:");
    for address in values::list(node, "/status/addresses") {
        page.field(1, values::text(address, "/type"), values::text(address, "/address"));
    }
    for (label, pointer) in [("Capacity", "/status/capacity"), ("Allocatable", "/status/allocatable")] {
        let list = values::entries(node, pointer);
        if !list.is_empty() {
            page.line(0, &format!("{label}:"));
        }
        list.into_iter().for_each(|(resource, amount)| page.field(1, resource, values::plain(amount)));
    }
    pools(&around.resource_slices, page);
    system(node, page);
    match around.pods() {
        Ok(pods) => node_resources::describe(node, pods, page)?,
        Err(error) if error.status().is_some_and(|status| status.reason() == "Forbidden") => {
            page.field(0, "Pods", "not authorized");
        }
        Err(error) => return Err(crate::error::message(said(error))),
    }
    Ok(())
}

/// Roles by the labels `node-role.kubernetes.io/<role>` and `kubernetes.io/role`.
fn roles(node: &Value) -> Vec<String> {
    let labels = values::entries(node, "/metadata/labels").into_iter();
    let roles: BTreeSet<String> = labels
        .filter_map(|(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
            Some(role) => Some(role.to_owned()),
            None => (key == "kubernetes.io/role").then(|| values::plain(value)),
        })
        .filter(|role| !role.is_empty())
        .collect();
    roles.into_iter().collect()
}

fn taints(node: &Value) -> Vec<String> {
    let mut taints: Vec<&Value> = values::list(node, "/spec/taints").iter().collect();
    taints.sort_by_key(|taint| format!("{},{}", values::text(taint, "/effect"), values::text(taint, "/key")));
    let shown = |taint: &Value| {
        let text = |pointer: &str| values::text(taint, pointer);
        match (text("/key"), text("/value"), text("/effect")) {
            (key, "", "") => key.to_owned(),
            (key, "", effect) => format!("{key}:{effect}"),
            (key, value, effect) => format!("{key}={value}:{effect}"),
        }
    };
    taints.into_iter().map(shown).collect()
}

fn lease(around: &Around, page: &mut Page) {
    match &around.lease {
        None => {}
        Some(Err(error)) => page.field(0, "Lease", format!("Failed to get lease: {}", said(error))),
        Some(Ok(lease)) => {
            page.line(0, "Lease:");
            page.field(1, "HolderIdentity", super::read::scalar_or(lease, "/spec/holderIdentity", "<unset>"));
            for (label, pointer) in [("AcquireTime", "/spec/acquireTime"), ("RenewTime", "/spec/renewTime")] {
                let time = match present(lease, pointer) {
                    true => page.time(lease, pointer),
                    false => "<unset>".to_owned(),
                };
                page.field(1, label, time);
            }
        }
    }
}

fn pools(slices: &[Value], page: &mut Page) {
    let mut pools: BTreeMap<String, (&str, &str, usize, usize)> = BTreeMap::new();
    for slice in slices {
        let (driver, pool) = (values::text(slice, "/spec/driver"), values::text(slice, "/spec/pool/name"));
        let entry = pools.entry(format!("{driver}/{pool}")).or_insert((driver, pool, 0, 0));
        entry.2 += 1;
        entry.3 += values::list(slice, "/spec/devices").len();
    }
    if pools.is_empty() {
        return;
    }
    page.line(0, "Node-Local ResourceSlices:");
    page.row(1, ["Driver", "Pool", "Slices", "Devices"]);
    page.row(1, ["------", "----", "------", "-------"]);
    for (driver, pool, slices, devices) in pools.values().take(POOLS_SHOWN) {
        page.row(1, [driver, pool, &slices.to_string(), &devices.to_string()]);
    }
    if let Some(more) = pools.len().checked_sub(POOLS_SHOWN).filter(|more| *more > 0) {
        page.line(1, &format!("...and {more} more pools"));
    }
}

fn system(node: &Value, page: &mut Page) {
    page.line(0, "System Info:");
    for (label, field) in [
        ("Machine ID", "machineID"),
        ("System UUID", "systemUUID"),
        ("Boot ID", "bootID"),
        ("Kernel Version", "kernelVersion"),
        ("OS Image", "osImage"),
        ("Operating System", "operatingSystem"),
        ("Architecture", "architecture"),
        ("Container Runtime Version", "containerRuntimeVersion"),
        ("Kubelet Version", "kubeletVersion"),
    ] {
        page.field(1, label, values::text(node, &format!("/status/nodeInfo/{field}")));
    }
    super::template::named(0, "PodCIDR", node, "/spec/podCIDR", page);
    let ranges = texts(node, "/spec/podCIDRs");
    if !ranges.is_empty() {
        page.field(0, "PodCIDRs", ranges.join(","));
    }
    super::template::named(0, "ProviderID", node, "/spec/providerID", page);
}
