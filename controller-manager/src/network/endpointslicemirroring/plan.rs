//! Decides what the slices say: one for each family and set of ports.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use api_types::core::v1::{EndpointAddress, EndpointSubset, Endpoints};
use api_types::discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice};
use machinery::meta::v1::ObjectMeta;
use rules::addresses::parse_ip_sloppy;
use runtime::plan::reference_to;
use runtime::{Action, Note, Plan};

use super::super::subsets::{address_key, repack};
use super::super::{LAST_CHANGE, LEADER, MANAGED_BY, SERVICE_NAME};
use super::gather::Inputs;
use crate::ownership::reference;

/// This controller's name in the label of its slices.
const MANAGER: &str = "endpointslicemirroring-controller.k8s.io";
const SKIP: &str = "endpointslice.kubernetes.io/skip-mirror";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Addresses of a subset that are mirrored at most (upstream's `--mirroring-max-endpoints-per-subset`).
pub(super) const MOST: usize = 1000;

type Ports = Vec<(String, String, i32, Option<String>)>;
/// Slices are kept apart by family and ports.
type Group = (&'static str, Ports);

/// True for slices that this controller made.
pub(super) fn is_mirror(slice: &EndpointSlice) -> bool {
    slice.metadata.labels.get(MANAGED_BY).is_some_and(|by| by == MANAGER)
}

/// Endpoints to mirror are a user's: not marked, no lock, and for a Service without a selector.
fn to_mirror(inputs: &Inputs) -> Option<&Endpoints> {
    let endpoints = inputs.endpoints.as_deref()?;
    let service = inputs.service.as_deref()?;
    let metadata = &endpoints.metadata;
    let skipped = metadata.labels.get(SKIP).is_some_and(|skip| skip == "true");
    let lock = metadata.annotations.contains_key(LEADER);
    (!skipped && !lock && service.spec.selector.is_empty()).then_some(endpoints)
}

/// Creates, changes and deletes slices, in one stage.
pub(super) fn plan(inputs: &Inputs) -> Plan {
    let slices = inputs.slices.iter().filter(|slice| slice.metadata.deletion_timestamp.is_none());
    let Some(endpoints) = to_mirror(inputs) else {
        return Plan::of(slices.map(|slice| Action::delete(slice.as_ref())).collect());
    };
    let (wanted, mut notes) = wanted(endpoints);
    let mut existing: BTreeMap<Group, Vec<&Arc<EndpointSlice>>> = BTreeMap::new();
    for slice in slices {
        let family = if slice.address_type == "IPv6" { "IPv6" } else { "IPv4" };
        existing.entry((family, port_key(&slice.ports))).or_default().push(slice);
    }
    let (mut actions, mut missing, mut spare) = (Vec::new(), Vec::new(), Vec::new());
    for (group, made) in wanted {
        let mut known = existing.remove(&group).unwrap_or_default().into_iter();
        match known.next() {
            Some(first) => actions.extend(replaced(first, made)),
            None => missing.push((group.0, made)),
        }
        spare.extend(known);
    }
    spare.extend(existing.into_values().flatten());
    // A slice that nothing needs any more is filled anew rather than replaced by another.
    for (family, made) in missing {
        match spare.iter().position(|slice| slice.address_type == family) {
            Some(position) => actions.extend(replaced(spare.remove(position), made)),
            None if endpoints.metadata.deletion_timestamp.is_none() => actions.push(Action::create(made)),
            None => {}
        }
    }
    actions.extend(spare.into_iter().map(|slice| Action::delete(slice.as_ref())));
    if actions.is_empty() {
        // Said with the change that left them out.
        notes.clear();
    }
    Plan { notes, ..Plan::of(actions) }
}

/// The slice with new content; none when it says so already.
fn replaced(old: &Arc<EndpointSlice>, made: EndpointSlice) -> Option<Action> {
    let mut new = old.as_ref().clone();
    new.metadata.labels = made.metadata.labels;
    new.metadata.annotations = made.metadata.annotations;
    new.metadata.owner_references = made.metadata.owner_references;
    let same_ports = port_key(&new.ports) == port_key(&made.ports);
    if !same_ports {
        new.ports = made.ports;
    }
    let mut said = new.endpoints.clone();
    said.sort_by(|a, b| a.addresses.cmp(&b.addresses));
    if said != made.endpoints {
        new.endpoints = made.endpoints;
    }
    (new != *old.as_ref()).then(|| Action::replace(new))
}

fn wanted(endpoints: &Endpoints) -> (BTreeMap<Group, EndpointSlice>, Vec<Note>) {
    let mut wanted: BTreeMap<Group, EndpointSlice> = BTreeMap::new();
    let (mut invalid, mut skipped) = (0, 0);
    for subset in repack(&endpoints.subsets) {
        let mut added = BTreeMap::new();
        let ready = subset.addresses.iter().map(|address| (address, true));
        for (address, ready) in ready.chain(subset.not_ready_addresses.iter().map(|a| (a, false))) {
            if added.len() >= MOST {
                break;
            }
            match parse_ip_sloppy(&address.ip) {
                Some(ip) => drop(added.insert(address_key(address), (ip, endpoint(address, ip, ready)))),
                None => invalid += 1,
            }
        }
        skipped += subset.addresses.len() + subset.not_ready_addresses.len() - added.len();
        for (ip, endpoint) in added.into_values() {
            let family = if ip.is_ipv6() { "IPv6" } else { "IPv4" };
            let ports = ports(&subset);
            let slice = wanted
                .entry((family, port_key(&ports)))
                .or_insert_with(|| new_slice(endpoints, family, ports));
            slice.endpoints.push(endpoint);
        }
    }
    for slice in wanted.values_mut() {
        slice.endpoints.sort_by(|a, b| a.addresses.cmp(&b.addresses));
    }
    let warn = |reason, message: String| Note::warning(reference_to(endpoints), reason, message);
    let mut notes = Vec::new();
    if invalid > 0 {
        let message = format!("Skipped {invalid} invalid IP addresses when mirroring to EndpointSlices");
        notes.push(warn("InvalidIPAddress", message));
    }
    if skipped > invalid {
        let message = format!(
            "A max of {MOST} addresses can be mirrored to EndpointSlices per Endpoints subset. {skipped} addresses were skipped"
        );
        notes.push(warn("TooManyAddressesToMirror", message));
    }
    (wanted, notes)
}

fn new_slice(endpoints: &Endpoints, family: &str, ports: Vec<EndpointPort>) -> EndpointSlice {
    let from = &endpoints.metadata;
    let mut labels = from.labels.clone();
    labels.insert(SERVICE_NAME.to_owned(), from.name.clone());
    labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
    let mut annotations = from.annotations.clone();
    annotations.retain(|key, _| key != LAST_CHANGE && key != LAST_APPLIED);
    EndpointSlice {
        metadata: ObjectMeta {
            generate_name: crate::pods::name_prefix(&from.name),
            namespace: from.namespace.clone(),
            labels,
            annotations,
            owner_references: vec![reference(endpoints)],
            ..ObjectMeta::default()
        },
        address_type: family.to_owned(),
        ports,
        endpoints: Vec::new(),
    }
}

fn endpoint(address: &EndpointAddress, ip: IpAddr, ready: bool) -> Endpoint {
    Endpoint {
        // In the one form that addresses have in slices.
        addresses: vec![ip.to_string()],
        conditions: EndpointConditions { ready: Some(ready), ..EndpointConditions::default() },
        hostname: Some(address.hostname.clone()).filter(|name| !name.is_empty()),
        target_ref: address.target_ref.clone(),
        node_name: address.node_name.clone(),
        ..Endpoint::default()
    }
}

fn ports(subset: &EndpointSubset) -> Vec<EndpointPort> {
    let port = |port: &api_types::core::v1::EndpointPort| EndpointPort {
        name: Some(port.name.clone()),
        protocol: Some(port.protocol.clone()),
        port: Some(port.port),
        app_protocol: port.app_protocol.clone(),
    };
    subset.ports.iter().map(port).collect()
}

fn port_key(ports: &[EndpointPort]) -> Ports {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let key = |port: &EndpointPort| {
        (text(&port.name), text(&port.protocol), port.port.unwrap_or(0), port.app_protocol.clone())
    };
    let mut keys: Ports = ports.iter().map(key).collect();
    keys.sort();
    keys
}
