//! Cases of Endpoints.

use std::sync::Arc;

use api_types::core::v1::{Endpoints, Pod, Service};
use machinery::Message;
use runtime::plan::Verb;
use serde_json::{Value, json};

use super::gather::Inputs;
use super::plan::{MOST, plan, shown};

fn service(extra: Value) -> Arc<Service> {
    let mut spec = json!({"selector": {"app": "web"}, "clusterIP": "10.96.0.9", "ipFamilies": ["IPv4"],
        "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": "web"}]});
    if let (Some(spec), Value::Object(extra)) = (spec.as_object_mut(), extra) {
        spec.extend(extra);
    }
    let metadata = json!({"namespace": "ns", "name": "web", "uid": "s", "labels": {"team": "a"},
        "creationTimestamp": "2026-01-01T00:00:00Z"});
    Arc::new(Service::from_value(&json!({"metadata": metadata, "spec": spec})).unwrap())
}

/// `flags`: r ready, t terminating, x ended.
fn pod(number: usize, flags: &str) -> Arc<Pod> {
    let has = |flag: char| flags.contains(flag);
    let mut metadata =
        json!({"namespace": "ns", "name": format!("p{number}"), "uid": format!("u{number:04}")});
    if has('t') {
        metadata["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    }
    let value = json!({"metadata": metadata,
        "spec": {"nodeName": "n", "containers": [{"name": "c", "ports": [{"name": "web", "containerPort": 8080, "protocol": "TCP"}]}]},
        "status": {"phase": if has('x') { "Succeeded" } else { "Running" }, "podIP": format!("10.1.{}.{}", number / 200, number % 200 + 1),
            "conditions": [{"type": "Ready", "status": if has('r') { "True" } else { "False" },
                "lastTransitionTime": format!("2026-01-01T00:01:{:02}Z", number % 60)}]}});
    Arc::new(Pod::from_value(&value).unwrap())
}

fn inputs(service: Option<Arc<Service>>, pods: Vec<Arc<Pod>>, endpoints: Option<&Endpoints>) -> Inputs {
    Inputs { service, pods, endpoints: endpoints.cloned().map(Arc::new) }
}

/// The object as it is once the plan was carried out; planning again gives nothing, whatever the order.
fn made(service: &Arc<Service>, pods: &[Arc<Pod>], before: Option<&Endpoints>) -> Endpoints {
    let plan_of = |pods, before| plan(&inputs(Some(Arc::clone(service)), pods, before));
    let plan = plan_of(pods.to_vec(), before);
    let actions: Vec<_> = plan.actions().collect();
    let [action] = actions[..] else { panic!("{plan:?}") };
    let made = match &action.verb {
        Verb::Create { .. } => action.created::<Endpoints>().unwrap().clone(),
        _ => action.replaced::<Endpoints>().unwrap().1.clone(),
    };
    let reversed = pods.iter().rev().cloned().collect();
    assert!(plan_of(reversed, Some(&made)).is_empty());
    made
}

const TIME: &str = "endpoints.kubernetes.io/last-change-trigger-time";

#[test]
fn pods_are_listed_by_readiness() {
    let endpoints = made(&service(json!({})), &[pod(0, "r"), pod(1, ""), pod(2, "rt"), pod(3, "x")], None);
    assert_eq!(shown(&endpoints), ["10.1.0.1/10.1.0.2 http=8080"]);
    let labels = &endpoints.metadata.labels;
    assert_eq!(labels["endpoints.kubernetes.io/managed-by"], "endpoint-controller");
    assert_eq!((labels["team"].as_str(), labels.len()), ("a", 2));
    assert_eq!(endpoints.metadata.annotations[TIME], "2026-01-01T00:00:00Z");
    assert!(made(&service(json!({})), &[], None).subsets.is_empty());
}

#[test]
fn the_time_is_that_of_what_changed() {
    let before = made(&service(json!({})), &[pod(0, "r"), pod(1, "r")], None);
    let after =
        made(&service(json!({})), &[pod(0, "r"), pod(1, "r"), pod(5, "r"), pod(9, "r")], Some(&before));
    assert_eq!(after.metadata.annotations[TIME], "2026-01-01T00:01:05Z");
    let fewer = made(&service(json!({})), &[pod(0, "r")], Some(&after));
    assert!(!fewer.metadata.annotations.contains_key(TIME), "pods that are gone tell no time");
}

#[test]
fn headless_services_are_marked_and_need_no_ports() {
    let headless = service(json!({"clusterIP": "None", "ports": [], "publishNotReadyAddresses": true}));
    let endpoints = made(&headless, &[pod(0, ""), pod(1, "t")], None);
    assert_eq!(shown(&endpoints), ["10.1.0.1,10.1.0.2/ "]);
    assert_eq!(endpoints.metadata.labels["service.kubernetes.io/headless"], "");
    let normal = made(&service(json!({})), &[pod(0, "r")], Some(&endpoints));
    assert!(!normal.metadata.labels.contains_key("service.kubernetes.io/headless"));
}

#[test]
fn a_thousand_are_enough() {
    let pods: Vec<_> = (0..MOST + 5).map(|number| pod(number, "r")).collect();
    let endpoints = made(&service(json!({})), &pods, None);
    assert_eq!(endpoints.subsets[0].addresses.len(), MOST);
    assert_eq!(endpoints.metadata.annotations["endpoints.kubernetes.io/over-capacity"], "truncated");
    let fewer = made(&service(json!({})), &pods[..10], Some(&endpoints));
    assert!(!fewer.metadata.annotations.contains_key("endpoints.kubernetes.io/over-capacity"));
}

#[test]
fn what_has_no_service_goes() {
    let endpoints = made(&service(json!({})), &[pod(0, "r")], None);
    assert_eq!(plan(&inputs(None, vec![], Some(&endpoints))).deletes::<Endpoints>(), ["web"]);
    let mut lock = endpoints;
    lock.metadata.annotations.insert("control-plane.alpha.kubernetes.io/leader".into(), "{}".into());
    assert!(plan(&inputs(None, vec![], Some(&lock))).is_empty());
}

#[test]
fn others_and_going_services_are_left_alone() {
    for extra in [json!({"selector": {}}), json!({"type": "ExternalName"})] {
        assert!(plan(&inputs(Some(service(extra)), vec![pod(0, "r")], None)).is_empty());
    }
    let mut going = service(json!({})).as_ref().clone();
    going.metadata.deletion_timestamp = Some("2026-01-01T00:00:00Z".parse().unwrap());
    assert!(plan(&inputs(Some(Arc::new(going)), vec![pod(0, "r")], None)).is_empty());
}
