//! Decides whether a range may go, and what its status says.

use std::net::IpAddr;
use std::time::Duration;

use api_types::networking::v1::{IPAddress, ServiceCIDR};
use client::Patch;
use ipnet::IpNet;
use jiff::{SignedDuration, Timestamp};
use machinery::Time;
use runtime::plan::reference_to;
use runtime::{Action, Note, Plan};
use serde_json::json;

use super::gather::Inputs;

const FINALIZER: &str = "networking.k8s.io/service-cidr-finalizer";
const READY: &str = "Ready";
/// Until then every API server has seen that nothing more may be taken from the range.
const GRACE: SignedDuration = SignedDuration::from_secs(10);

/// True for addresses that API servers gave to Services.
pub(super) fn is_of_service(address: &IPAddress) -> bool {
    let manager = address.metadata.labels.get("ipaddress.kubernetes.io/managed-by");
    manager.is_some_and(|manager| manager == "ipallocator.k8s.io")
}

/// A range that is not going is held and ready; one that is going waits for its addresses.
pub(super) fn plan(inputs: &Inputs, now: Timestamp) -> Plan {
    let range = inputs.range.as_ref();
    let held = range.metadata.finalizers.iter().any(|finalizer| finalizer == FINALIZER);
    let Some(since) = range.metadata.deletion_timestamp else {
        let hold = json!({"metadata": {"uid": range.metadata.uid, "finalizers": [FINALIZER]}});
        let holds = (!held).then(|| Action::patch(range, Patch::Strategic(hold)));
        let message = "Kubernetes Service CIDR is ready";
        let failed = "The ServiceCIDR Status can not be set to Ready=True: ";
        let note = Note::warning(reference_to(range), "KubernetesServiceCIDRError", failed);
        let ready = condition(range, true, "", message, now).map(|action| action.on_failure(note));
        return Plan::of(holds.into_iter().collect()).then(ready.into_iter().collect());
    };
    if !held {
        return Plan::nothing();
    }
    if !may_go(inputs) {
        let message = "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR";
        return Plan::of(condition(range, false, "Terminating", message, now).into_iter().collect());
    }
    let left = GRACE - since.to_timestamp().map_or(GRACE, |since| now.duration_since(since));
    if left.is_positive() {
        return Plan::nothing().requeue_after(Duration::try_from(left).unwrap_or_default());
    }
    let list = "$deleteFromPrimitiveList/finalizers";
    let release = json!({"metadata": {"uid": range.metadata.uid, list: [FINALIZER]}});
    Plan::of(vec![Action::patch(range, Patch::Strategic(release))])
}

fn condition(
    range: &ServiceCIDR,
    ready: bool,
    reason: &str,
    message: &str,
    now: Timestamp,
) -> Option<Action> {
    let status = if ready { "True" } else { "False" };
    let same = range.status.conditions.iter().any(|known| {
        (known.type_.as_str(), known.status.as_str(), known.reason.as_str(), known.message.as_str())
            == (READY, status, reason, message)
    });
    let entry = json!({"type": READY, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": Time::from(now).to_string()});
    let patch = json!({"metadata": {"uid": range.metadata.uid}, "status": {"conditions": [entry]}});
    (!same).then(|| Action::patch_status(range, Patch::Strategic(patch)))
}

fn networks(range: &ServiceCIDR) -> impl Iterator<Item = IpNet> {
    // The server has validated them.
    range.spec.cidrs.iter().filter_map(|cidr| cidr.parse().ok())
}

/// True when no address would be left without a range.
fn may_go(inputs: &Inputs) -> bool {
    let others: Vec<IpNet> = inputs.others.iter().flat_map(|other| networks(other)).collect();
    let own: Vec<IpNet> = networks(&inputs.range).collect();
    if own.iter().all(|network| others.iter().any(|other| other.contains(network))) {
        return true;
    }
    let addresses = inputs.addresses.iter().filter_map(|address| address.metadata.name.parse().ok());
    let within = |networks: &[IpNet], ip: IpAddr| networks.iter().any(|network| gives(network, ip));
    !addresses.into_iter().any(|ip| within(&own, ip) && !within(&others, ip))
}

/// Neither the address of the network itself nor that for all of its hosts is ever given.
fn gives(network: &IpNet, ip: IpAddr) -> bool {
    network.contains(&ip) && ip != network.network() && (ip.is_ipv6() || ip != network.broadcast())
}
