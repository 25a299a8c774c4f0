//! Cases of slices.

use std::collections::BTreeMap;
use std::sync::Arc;

use api_types::core::v1::{Pod, Service};
use api_types::discovery::v1::EndpointSlice;
use machinery::Message;
use runtime::Plan;
use runtime::plan::Verb;
use serde_json::{Value, json};

use super::gather::Inputs;
use super::plan::{MOST, plan};

fn service(extra: Value) -> Service {
    let mut spec = json!({"selector": {"app": "web"}, "clusterIP": "10.96.0.9", "ipFamilies": ["IPv4"],
        "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": "web"}]});
    if let (Some(spec), Value::Object(extra)) = (spec.as_object_mut(), extra) {
        spec.extend(extra);
    }
    Service::from_value(&json!({"metadata": {"namespace": "ns", "name": "web", "uid": "s", "labels": {"team": "a"}}, "spec": spec})).unwrap()
}

/// `flags`: r ready, t terminating, x ended.
fn pod(number: usize, flags: &str) -> Arc<Pod> {
    let has = |flag: char| flags.contains(flag);
    let mut metadata = json!({"namespace": "ns", "name": format!("p{number}"), "uid": format!("u{number:04}"), "labels": {"app": "web"}});
    if has('t') {
        metadata["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    }
    let ready = if has('r') { "True" } else { "False" };
    let value = json!({"metadata": metadata,
        "spec": {"nodeName": "n", "containers": [{"name": "c", "ports": [{"name": "web", "containerPort": 8080, "protocol": "TCP"}]}]},
        "status": {"phase": if has('x') { "Succeeded" } else { "Running" }, "podIP": format!("10.1.{}.{}", number / 200, number % 200 + 1),
            "conditions": [{"type": "Ready", "status": ready}]}});
    Arc::new(Pod::from_value(&value).unwrap())
}

fn inputs(service: Service, pods: Vec<Arc<Pod>>, slices: Vec<EndpointSlice>) -> Inputs {
    let slices = slices.into_iter().map(Arc::new).collect();
    Inputs { service: Arc::new(service), pods, slices, zones: BTreeMap::new() }
}

/// The slices as they are once the plan was carried out.
fn carry_out(plan: &Plan, before: &[EndpointSlice]) -> Vec<EndpointSlice> {
    let mut slices = before.to_vec();
    for action in plan.actions() {
        match &action.verb {
            Verb::Create { .. } => {
                let mut slice = action.created::<EndpointSlice>().unwrap().clone();
                slice.metadata.name = format!("web-{}", slices.len());
                slice.metadata.uid.clone_from(&slice.metadata.name);
                slices.push(slice);
            }
            Verb::Replace { .. } => {
                let (_, slice) = action.replaced::<EndpointSlice>().unwrap();
                let old = slices.iter_mut().find(|old| old.metadata.name == slice.metadata.name).unwrap();
                *old = slice.clone();
            }
            Verb::Delete { target, .. } => slices.retain(|slice| slice.metadata.name != target.name),
            verb => panic!("{verb:?}"),
        }
    }
    slices
}

fn shown(slices: &[EndpointSlice]) -> Vec<String> {
    let endpoint = |endpoint: &api_types::discovery::v1::Endpoint| {
        let conditions = &endpoint.conditions;
        let flag = |value: Option<bool>, sign| if value == Some(true) { sign } else { "" };
        let flags =
            [flag(conditions.ready, "r"), flag(conditions.serving, "s"), flag(conditions.terminating, "t")]
                .concat();
        format!("{}={flags}", endpoint.addresses[0])
    };
    let slice = |slice: &EndpointSlice| {
        let ports: Vec<String> = slice.ports.iter().map(|port| port.port.unwrap_or(0).to_string()).collect();
        format!("{}: {}", ports.join(","), slice.endpoints.iter().map(endpoint).collect::<Vec<_>>().join(" "))
    };
    slices.iter().map(slice).collect()
}

#[test]
fn members_have_their_conditions() {
    let pods = vec![pod(0, "r"), pod(1, ""), pod(2, "rt"), pod(3, "x")];
    let plan = plan(&inputs(service(json!({})), pods, Vec::new()));
    let slices = carry_out(&plan, &[]);
    assert_eq!(shown(&slices), ["8080: 10.1.0.1=rs 10.1.0.2= 10.1.0.3=st"]);
    let labels = &slices[0].metadata.labels;
    assert_eq!((labels["kubernetes.io/service-name"].as_str(), labels["team"].as_str()), ("web", "a"));
}

#[test]
fn a_service_without_pods_has_an_empty_slice() {
    let slices = carry_out(&plan(&inputs(service(json!({})), Vec::new(), Vec::new())), &[]);
    assert_eq!(shown(&slices), [": "]);
    let filled = carry_out(&plan(&inputs(service(json!({})), vec![pod(0, "r")], slices.clone())), &slices);
    assert_eq!(shown(&filled), ["8080: 10.1.0.1=rs"]);
}

#[test]
fn one_pod_more_or_less_changes_one_slice() {
    let pods: Vec<_> = (0..MOST + 20).map(|number| pod(number, "r")).collect();
    let first = carry_out(&plan(&inputs(service(json!({})), pods.clone(), Vec::new())), &[]);
    assert_eq!(first.iter().map(|slice| slice.endpoints.len()).collect::<Vec<_>>(), [MOST, 20]);
    let fewer = plan(&inputs(service(json!({})), pods[1..].to_vec(), first.clone()));
    assert_eq!(fewer.actions().count(), 1);
    let more: Vec<_> = pods.iter().cloned().chain([pod(500, "r")]).collect();
    assert_eq!(plan(&inputs(service(json!({})), more, first)).actions().count(), 1);
}

#[test]
fn planning_again_gives_nothing_whatever_the_order() {
    let mut pods: Vec<_> = (0..MOST + 20).map(|number| pod(number, "r")).collect();
    let slices = carry_out(&plan(&inputs(service(json!({})), pods.clone(), Vec::new())), &[]);
    pods.reverse();
    assert!(plan(&inputs(service(json!({})), pods.clone(), slices.clone())).is_empty());
    let mut reversed = slices;
    reversed.reverse();
    assert!(plan(&inputs(service(json!({})), pods, reversed)).is_empty());
}

#[test]
fn a_going_service_makes_nothing() {
    let mut going = service(json!({}));
    going.metadata.deletion_timestamp = Some("2026-01-01T00:00:00Z".parse().unwrap());
    assert!(plan(&inputs(going, vec![pod(0, "r")], Vec::new())).is_empty());
    assert!(plan(&inputs(service(json!({"selector": {}})), vec![pod(0, "r")], Vec::new())).is_empty());
}
