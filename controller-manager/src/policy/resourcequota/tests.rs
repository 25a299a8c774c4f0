//! Usage is counted by scope; planning again after applying gives nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use api_types::core::v1::{Container, Pod, ResourceQuota, Service};
use jiff::Timestamp;
use machinery::Quantity;
use runtime::{Controller, Event};

use super::gather::{Inputs, Quotas};

fn quota(hard: &[(&str, &str)], scopes: &[&str]) -> ResourceQuota {
    let mut quota = ResourceQuota::default();
    quota.spec.hard =
        hard.iter().map(|(name, value)| ((*name).to_owned(), Quantity((*value).to_owned()))).collect();
    quota.spec.scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    quota
}

fn pod(cpu: &str) -> Arc<Pod> {
    let mut container = Container::default();
    if !cpu.is_empty() {
        container.resources.requests.insert("cpu".into(), Quantity(cpu.into()));
    }
    let mut pod = Pod::default();
    pod.spec.containers = vec![container];
    Arc::new(pod)
}

/// The quota as written; `None` when nothing is.
fn written(quota: ResourceQuota, counts: &[(&str, usize)]) -> Option<ResourceQuota> {
    let mut pods = vec![pod("500m"), pod("500m"), pod("")];
    let mut found = Vec::new();
    for _ in 0..2 {
        pods.reverse();
        let inputs = Inputs {
            quota: Arc::new(quota.clone()),
            pods: pods.clone(),
            services: vec![Arc::new(Service::default())],
            claims: vec![],
            counts: counts
                .iter()
                .map(|(name, count)| ((*name).to_owned(), *count))
                .collect::<BTreeMap<_, _>>(),
            period: Duration::from_secs(300),
        };
        let plan = Quotas::plan(&inputs, Timestamp::UNIX_EPOCH);
        assert_eq!(plan.requeue_after, Some(Duration::from_secs(300)));
        found.push(
            plan.actions()
                .next()
                .and_then(|action| action.replaced::<ResourceQuota>())
                .map(|(_, quota)| quota.clone()),
        );
    }
    assert_eq!(found[0], found[1], "order does not matter");
    found.remove(0)
}

fn used(quota: &ResourceQuota) -> Vec<String> {
    quota.status.used.iter().map(|(name, quantity)| format!("{name}={}", quantity.0)).collect()
}

#[test]
fn usage_is_counted() {
    let hard = [
        ("pods", "10"),
        ("requests.cpu", "2"),
        ("services", "5"),
        ("secrets", "9"),
        ("requests.memory", "1Gi"),
    ];
    let first = written(quota(&hard, &[]), &[("secrets", 4)]).expect("written");
    assert_eq!(used(&first), ["pods=3", "requests.cpu=1", "requests.memory=0", "secrets=4", "services=1"]);
    assert_eq!(first.status.hard, first.spec.hard);
    assert!(written(first.clone(), &[("secrets", 4)]).is_none());
    assert_eq!(used(&written(first, &[("secrets", 3)]).expect("written"))[3], "secrets=3");
}

#[test]
fn scopes_limit_what_is_counted() {
    let hard = [("pods", "10"), ("services", "5")];
    assert_eq!(
        used(&written(quota(&hard, &["BestEffort"]), &[]).expect("written")),
        ["pods=1", "services=0"]
    );
    assert_eq!(
        used(&written(quota(&hard, &["NotBestEffort"]), &[]).expect("written")),
        ["pods=2", "services=0"]
    );
}

#[test]
fn what_is_not_known_is_not_said() {
    let mut quota = quota(&[("count/jobs.batch", "3"), ("pods", "9")], &[]);
    assert_eq!(used(&written(quota.clone(), &[]).expect("written")), ["pods=3"]);
    quota.status.used.insert("count/jobs.batch".into(), Quantity("2".into()));
    assert_eq!(used(&written(quota, &[]).expect("written")), ["count/jobs.batch=2", "pods=3"]);
}

#[test]
fn charges_of_admission_are_not_counted_again() {
    let old = Arc::new(quota(&[("pods", "2")], &[]));
    let mut charged = ResourceQuota::clone(&old);
    charged.status.used.insert("pods".into(), Quantity("1".into()));
    let limited = quota(&[("pods", "3")], &[]);
    let updated = |new: ResourceQuota| Event::Updated { old: old.clone(), new: Arc::new(new) };
    assert!(!super::counts_anew(&updated(charged)));
    assert!(super::counts_anew(&updated(limited)));
    assert!(super::counts_anew(&Event::Added(old.clone())));
}
