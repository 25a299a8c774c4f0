//! Subsets of Endpoints in one canonical form: each address once per set of ports, all in order.

use std::collections::{BTreeMap, BTreeSet};

use api_types::core::v1::{EndpointAddress, EndpointPort, EndpointSubset};

/// An address by IP and UID of its pod.
type AddressKey = (String, String);
/// A port by number, name, protocol and application protocol; number 0 stands for no port.
type PortKey = (i32, String, String, Option<String>);

pub(super) fn address_key(address: &EndpointAddress) -> AddressKey {
    let uid = address.target_ref.as_deref().map(|target| target.uid.clone()).unwrap_or_default();
    (address.ip.clone(), uid)
}

fn port_key(port: &EndpointPort) -> PortKey {
    (port.port, port.name.clone(), port.protocol.clone(), port.app_protocol.clone())
}

/// Puts addresses with the same ports together; an address that is not ready in one place is not ready.
pub(super) fn repack(subsets: &[EndpointSubset]) -> Vec<EndpointSubset> {
    let mut addresses: BTreeMap<AddressKey, &EndpointAddress> = BTreeMap::new();
    let mut by_port: BTreeMap<PortKey, (Option<&EndpointPort>, BTreeMap<AddressKey, bool>)> = BTreeMap::new();
    for subset in subsets {
        let ready = subset.addresses.iter().map(|address| (address, true));
        let all: Vec<_> =
            ready.chain(subset.not_ready_addresses.iter().map(|address| (address, false))).collect();
        let no_port = subset.ports.is_empty().then_some(None);
        for port in subset.ports.iter().map(Some).chain(no_port) {
            let key = port.map(port_key).unwrap_or_default();
            let (_, members) = by_port.entry(key).or_insert_with(|| (port, BTreeMap::new()));
            for (address, ready) in &all {
                let key = address_key(address);
                addresses.entry(key.clone()).or_insert(address);
                let known = members.entry(key).or_insert(*ready);
                *known &= *ready;
            }
        }
    }
    let mut together: BTreeMap<BTreeMap<AddressKey, bool>, Vec<EndpointPort>> = BTreeMap::new();
    for (port, members) in by_port.into_values() {
        together.entry(members).or_default().extend(port.cloned());
    }
    let subset = |(members, ports): (BTreeMap<AddressKey, bool>, Vec<EndpointPort>)| {
        let of = |wanted: bool| {
            let keys = members.iter().filter(|(_, ready)| **ready == wanted);
            keys.filter_map(|(key, _)| addresses.get(key).map(|address| (*address).clone())).collect()
        };
        EndpointSubset { addresses: of(true), not_ready_addresses: of(false), ports }
    };
    together.into_iter().map(subset).collect()
}

/// Addresses whose state differs between the two.
pub(super) fn changed(before: &[EndpointSubset], after: &[EndpointSubset]) -> BTreeSet<AddressKey> {
    let states = |subsets: &[EndpointSubset]| -> BTreeSet<(AddressKey, bool)> {
        let of = |subset: &EndpointSubset| -> Vec<(AddressKey, bool)> {
            let ready = subset.addresses.iter().map(|address| (address_key(address), true));
            ready.chain(subset.not_ready_addresses.iter().map(|a| (address_key(a), false))).collect()
        };
        subsets.iter().flat_map(of).collect()
    };
    let (before, after) = (states(before), states(after));
    before.symmetric_difference(&after).map(|(key, _)| key.clone()).collect()
}

/// Leaves `most` addresses, ready ones first, from each subset in proportion. True when any were left out.
pub(super) fn truncate(subsets: &mut [EndpointSubset], most: usize) -> bool {
    let ready: usize = subsets.iter().map(|subset| subset.addresses.len()).sum();
    let others: usize = subsets.iter().map(|subset| subset.not_ready_addresses.len()).sum();
    if ready + others <= most {
        return false;
    }
    let only_ready = ready > most;
    let (room, total) = if only_ready { (most, ready) } else { (most - ready, others) };
    let mut left = room;
    for subset in subsets {
        if only_ready {
            subset.not_ready_addresses.clear();
        }
        let list = if only_ready { &mut subset.addresses } else { &mut subset.not_ready_addresses };
        list.truncate((list.len() * room).div_ceil(total.max(1)).min(left));
        left -= list.len();
    }
    true
}

#[cfg(test)]
mod tests {
    use machinery::Message;
    use serde_json::{Value, json};

    use super::*;

    fn subset(value: &Value) -> EndpointSubset {
        EndpointSubset::from_value(value).unwrap()
    }

    fn check(subsets: &[Value], expected: &[&str]) {
        let read: Vec<_> = subsets.iter().map(subset).collect();
        let reversed: Vec<_> = read.iter().rev().cloned().collect();
        for subsets in [read, reversed] {
            let shown = repack(&subsets).into_iter().map(|subset| {
                let list = |list: &[EndpointAddress]| {
                    list.iter().map(|a| a.ip.clone()).collect::<Vec<_>>().join(",")
                };
                let ports: Vec<_> = subset.ports.iter().map(|port| port.port.to_string()).collect();
                format!(
                    "{}/{}:{}",
                    list(&subset.addresses),
                    list(&subset.not_ready_addresses),
                    ports.join(",")
                )
            });
            assert_eq!(shown.collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn addresses_with_the_same_ports_are_together() {
        let (a, b) = (json!({"ip": "1.0.0.1"}), json!({"ip": "1.0.0.2"}));
        let ports = |numbers: &[i32]| -> Value { numbers.iter().map(|port| json!({"port": port})).collect() };
        check(
            &[
                json!({"addresses": [a], "ports": ports(&[80])}),
                json!({"addresses": [b], "ports": ports(&[80])}),
                json!({"addresses": [a], "ports": ports(&[443])}),
                json!({"addresses": [b], "ports": ports(&[443])}),
            ],
            &["1.0.0.1,1.0.0.2/:80,443"],
        );
        check(
            &[
                json!({"addresses": [a], "ports": ports(&[80, 90])}),
                json!({"notReadyAddresses": [b], "ports": ports(&[80])}),
            ],
            &["1.0.0.1/:90", "1.0.0.1/1.0.0.2:80"],
        );
        check(&[json!({"addresses": [a]}), json!({"notReadyAddresses": [a]})], &["/1.0.0.1:"]);
    }

    #[test]
    fn ready_addresses_stay_longest() {
        let many = |net: u8, count: u8| -> Value {
            (0..count).map(|host| json!({"ip": format!("10.0.{net}.{host}")})).collect()
        };
        let make = |ready: u8, others: u8| {
            let first = json!({"addresses": many(0, ready), "notReadyAddresses": many(1, others)});
            [subset(&first), subset(&json!({"addresses": many(2, ready)}))]
        };
        let counts = |subsets: &[EndpointSubset]| -> Vec<(usize, usize)> {
            subsets.iter().map(|s| (s.addresses.len(), s.not_ready_addresses.len())).collect()
        };
        for (ready, others, expected) in
            [(3, 4, vec![(3, 4), (3, 0)]), (4, 9, vec![(4, 2), (4, 0)]), (9, 9, vec![(5, 0), (5, 0)])]
        {
            let mut subsets = make(ready, others);
            assert_eq!(truncate(&mut subsets, 10), others != 4);
            assert_eq!(counts(&subsets), expected);
        }
    }
}
