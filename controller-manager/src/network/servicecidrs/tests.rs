//! Cases of ranges.

use std::sync::Arc;
use std::time::Duration;

use api_types::networking::v1::{IPAddress, ServiceCIDR};
use jiff::Timestamp;
use machinery::Message;
use serde_json::{Value, json};

use super::gather::Inputs;
use super::plan::{is_of_service, plan};

fn now() -> Timestamp {
    "2026-01-01T01:00:00Z".parse().unwrap()
}

fn range(name: &str, cidr: &str, held: bool, deleted: Option<&str>, conditions: Value) -> ServiceCIDR {
    let finalizers: &[&str] = if held { &["networking.k8s.io/service-cidr-finalizer"] } else { &[] };
    let mut metadata = json!({"name": name, "finalizers": finalizers});
    if let Some(deleted) = deleted {
        metadata["deletionTimestamp"] = json!(deleted);
    }
    let value =
        json!({"metadata": metadata, "spec": {"cidrs": [cidr]}, "status": {"conditions": conditions}});
    ServiceCIDR::from_value(&value).unwrap()
}

fn inputs(range: ServiceCIDR, others: &[&str], addresses: &[&str]) -> Inputs {
    let address = |name: &&str| {
        let labels = json!({"ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io"});
        Arc::new(IPAddress::from_value(&json!({"metadata": {"name": name, "labels": labels}})).unwrap())
    };
    let other = |cidr: &&str| Arc::new(self::range("other", cidr, true, None, json!([])));
    Inputs {
        range: Arc::new(range),
        others: others.iter().map(other).collect(),
        addresses: addresses.iter().map(address).collect(),
    }
}

#[test]
fn a_new_range_is_held_and_ready() {
    let plan_of =
        |held, conditions| plan(&inputs(range("a", "10.0.0.0/24", held, None, conditions), &[], &[]), now());
    let first = plan_of(false, json!([]));
    let patches: Vec<_> = first.actions().filter_map(|action| action.patched()).collect();
    assert_eq!(patches.iter().map(|(_, subresource, _)| *subresource).collect::<Vec<_>>(), ["", "status"]);
    let conditions = patches[1].2.value()["status"]["conditions"].clone();
    assert_eq!(conditions[0]["status"], "True");
    assert!(plan_of(true, conditions).is_empty());
}

#[test]
fn a_going_range_waits_for_its_addresses() {
    let check = |others: &[&str], addresses: &[&str], expected: &str| {
        let going = range("a", "10.0.0.0/24", true, Some("2026-01-01T00:59:00Z"), json!([]));
        let inputs = inputs(going, others, addresses);
        assert!(inputs.addresses.iter().all(|address| is_of_service(address)));
        let plan = plan(&inputs, now());
        let (_, subresource, patch) = plan.actions().next().unwrap().patched().unwrap();
        let freed = patch.value().to_string().contains("$deleteFromPrimitiveList/finalizers");
        assert_eq!(if freed { "goes" } else { subresource }, expected, "{others:?} {addresses:?}");
    };
    check(&[], &[], "goes");
    check(&[], &["10.0.1.7", "fd00::1"], "goes");
    check(&[], &["10.0.0.7"], "status");
    check(&["10.0.0.0/16"], &["10.0.0.7"], "goes");
    check(&["10.0.0.0/28"], &["10.0.0.7"], "goes");
    check(&["10.0.0.0/28"], &["10.0.0.15"], "status");
}

#[test]
fn a_range_that_may_go_stays_a_while() {
    let going = range("a", "10.0.0.0/24", true, Some("2026-01-01T00:59:56Z"), json!([]));
    let plan = plan(&inputs(going, &[], &[]), now());
    assert_eq!((plan.stages.len(), plan.requeue_after), (0, Some(Duration::from_secs(6))));
    let free = range("a", "10.0.0.0/24", false, Some("2026-01-01T00:00:00Z"), json!([]));
    assert!(super::plan::plan(&inputs(free, &[], &[]), now()).is_empty());
}
