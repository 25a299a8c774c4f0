//! Cases of mirrored slices.

use std::sync::Arc;

use api_types::core::v1::{Endpoints, Service};
use api_types::discovery::v1::EndpointSlice;
use machinery::Message;
use runtime::Plan;
use runtime::plan::Verb;
use serde_json::{Value, json};

use super::gather::Inputs;
use super::plan::{MOST, plan};

fn endpoints(subsets: Value) -> Endpoints {
    let metadata = json!({"namespace": "ns", "name": "db", "uid": "e", "labels": {"team": "a"},
        "annotations": {"kept": "yes", "endpoints.kubernetes.io/last-change-trigger-time": "x"}});
    Endpoints::from_value(&json!({"metadata": metadata, "subsets": subsets})).unwrap()
}

fn inputs(endpoints: &Endpoints, slices: &[EndpointSlice]) -> Inputs {
    let service = json!({"metadata": {"namespace": "ns", "name": "db"}, "spec": {}});
    Inputs {
        service: Some(Arc::new(Service::from_value(&service).unwrap())),
        endpoints: Some(Arc::new(endpoints.clone())),
        slices: slices.iter().cloned().map(Arc::new).collect(),
    }
}

/// The slices as they are once the plan was carried out; planning again gives nothing.
fn mirrored(endpoints: &Endpoints, before: &[EndpointSlice]) -> Vec<EndpointSlice> {
    let slices = carry_out(&plan(&inputs(endpoints, before)), before);
    let reversed: Vec<_> = slices.iter().rev().cloned().collect();
    assert!(plan(&inputs(endpoints, &slices)).is_empty());
    assert!(plan(&inputs(endpoints, &reversed)).is_empty());
    slices
}

fn carry_out(plan: &Plan, before: &[EndpointSlice]) -> Vec<EndpointSlice> {
    let mut slices = before.to_vec();
    for action in plan.actions() {
        match &action.verb {
            Verb::Create { .. } => {
                let mut slice = action.created::<EndpointSlice>().unwrap().clone();
                slice.metadata.name = format!("db-{}", slices.len());
                slices.push(slice);
            }
            Verb::Replace { .. } => {
                let (_, slice) = action.replaced::<EndpointSlice>().unwrap();
                *slices.iter_mut().find(|old| old.metadata.name == slice.metadata.name).unwrap() =
                    slice.clone();
            }
            Verb::Delete { target, .. } => slices.retain(|slice| slice.metadata.name != target.name),
            verb => panic!("{verb:?}"),
        }
    }
    slices
}

fn shown(slices: &[EndpointSlice]) -> Vec<String> {
    let show = |slice: &EndpointSlice| {
        let endpoints = slice.endpoints.iter().map(|endpoint| {
            format!("{}={}", endpoint.addresses[0], endpoint.conditions.ready.unwrap_or_default())
        });
        let ports: Vec<_> = slice.ports.iter().map(|port| port.port.unwrap().to_string()).collect();
        let endpoints: Vec<_> = endpoints.collect();
        format!("{} {} {}: {}", slice.metadata.name, slice.address_type, ports.join(","), endpoints.join(" "))
    };
    slices.iter().map(show).collect()
}

fn simple(ip: &str, port: i32) -> Value {
    json!([{"addresses": [{"ip": ip}], "ports": [{"port": port, "protocol": "TCP"}]}])
}

#[test]
fn families_and_ports_are_kept_apart() {
    let both = endpoints(json!([
        {"addresses": [{"ip": "10.0.0.2"}, {"ip": "fd00::1"}], "notReadyAddresses": [{"ip": "010.0.0.1"}], "ports": [{"port": 80}]},
        {"addresses": [{"ip": "10.0.0.3"}], "ports": [{"port": 90}]}]));
    let slices = mirrored(&both, &[]);
    let mut lines = shown(&slices);
    lines.sort();
    assert_eq!(
        lines,
        [
            "db-0 IPv4 80: 10.0.0.1=false 10.0.0.2=true",
            "db-1 IPv4 90: 10.0.0.3=true",
            "db-2 IPv6 80: fd00::1=true"
        ]
    );
    let metadata = &slices[0].metadata;
    assert_eq!(
        metadata.labels["endpointslice.kubernetes.io/managed-by"],
        "endpointslicemirroring-controller.k8s.io"
    );
    assert_eq!(
        (metadata.labels["kubernetes.io/service-name"].as_str(), metadata.labels["team"].as_str()),
        ("db", "a")
    );
    assert_eq!(metadata.annotations.keys().collect::<Vec<_>>(), ["kept"]);
    assert_eq!(metadata.owner_references[0].kind, "Endpoints");
}

#[test]
fn slices_follow_and_are_used_again() {
    let slices = mirrored(&endpoints(simple("10.0.0.1", 80)), &[]);
    let moved = mirrored(&endpoints(simple("10.0.0.9", 80)), &slices);
    assert_eq!(shown(&moved), ["db-0 IPv4 80: 10.0.0.9=true"]);
    let other_port = mirrored(&endpoints(simple("10.0.0.9", 90)), &moved);
    assert_eq!(shown(&other_port), ["db-0 IPv4 90: 10.0.0.9=true"], "filled anew");
    let other_family = mirrored(&endpoints(simple("fd00::9", 90)), &other_port);
    assert_eq!(shown(&other_family), ["db-1 IPv6 90: fd00::9=true"]);
    assert_eq!(mirrored(&endpoints(json!([])), &other_family), []);
}

#[test]
fn what_cannot_be_mirrored_is_told() {
    let addresses: Vec<Value> =
        (0..MOST + 2).map(|n| json!({"ip": format!("10.1.{}.{}", n / 200, n % 200)})).collect();
    let subsets = json!([{"addresses": addresses, "ports": [{"port": 1}]}, {"addresses": [{"ip": "x"}], "ports": [{"port": 2}]}]);
    let plan = plan(&inputs(&endpoints(subsets), &[]));
    let reasons: Vec<_> = plan.notes.iter().map(|note| note.reason.as_str()).collect();
    assert_eq!(reasons, ["InvalidIPAddress", "TooManyAddressesToMirror"]);
    assert_eq!(plan.creates::<EndpointSlice>()[0].endpoints.len(), MOST);
}

#[test]
fn what_shall_not_be_mirrored_is_removed() {
    let object = endpoints(simple("10.0.0.1", 80));
    let slices = mirrored(&object, &[]);
    let check = |change: &dyn Fn(&mut Inputs), expected: usize| {
        let mut inputs = inputs(&object, &slices);
        change(&mut inputs);
        assert_eq!(plan(&inputs).deletes::<EndpointSlice>().len(), expected);
    };
    check(&|_| {}, 0);
    check(&|inputs| inputs.endpoints = None, 1);
    check(&|inputs| inputs.service = None, 1);
    let selecting = json!({"metadata": {"name": "db"}, "spec": {"selector": {"a": "b"}}});
    check(&|inputs| inputs.service = Some(Arc::new(Service::from_value(&selecting).unwrap())), 1);
    let mut skipped = object.clone();
    skipped.metadata.labels.insert("endpointslice.kubernetes.io/skip-mirror".into(), "true".into());
    check(&|inputs| inputs.endpoints = Some(Arc::new(skipped.clone())), 1);
}

#[test]
fn going_endpoints_make_nothing() {
    let mut going = endpoints(simple("10.0.0.1", 80));
    going.metadata.deletion_timestamp = Some("2026-01-01T00:00:00Z".parse().unwrap());
    assert!(plan(&inputs(&going, &[])).is_empty());
}
