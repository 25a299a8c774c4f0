//! Namespaces in every state, and what may be written into them.

use api_types::authorization::v1::LocalSubjectAccessReview;
use api_types::core::v1::{Node, Pod};
use serde_json::json;

use super::*;
use crate::testing::{Known, create, object, request};

fn namespace(name: &str, phase: &str) -> Namespace {
    object(json!({"metadata": {"name": name}, "status": {"phase": phase}}))
}

fn pod(namespace: &str) -> Pod {
    object(json!({"metadata": {"name": "p", "namespace": namespace}}))
}

async fn ask(plugin: &NamespaceLifecycle, mut attributes: Attributes) -> Result<(), String> {
    plugin.admit(&mut attributes).await.map_err(|error| error.to_string())
}

fn about_namespace(operation: Operation, name: &str) -> Attributes {
    let mut attributes = request(operation, Some(namespace(name, "Active")), None);
    attributes.namespace = name.to_owned();
    attributes
}

#[tokio::test]
async fn content_needs_its_namespace() {
    let known = Known::new()
        .with(namespace("here", "Active"))
        .with(namespace("going", "Terminating"))
        .only_live(namespace("new", "Active"));
    let plugin = NamespaceLifecycle::new(known.lookup());
    let going = "pods \"p\" is forbidden: unable to create new content in namespace going because it is being \
                 terminated";
    let missing = "namespaces \"gone\" not found";
    let cases = [
        (Operation::Create, "here", None),
        (Operation::Create, "new", None),
        (Operation::Create, "going", Some(going)),
        (Operation::Create, "gone", Some(missing)),
        (Operation::Update, "here", None),
        (Operation::Update, "going", None),
        (Operation::Update, "gone", Some(missing)),
        (Operation::Delete, "going", None),
        (Operation::Delete, "gone", None),
    ];
    for (operation, namespace, expected) in cases {
        let answer = ask(&plugin, request(operation, Some(pod(namespace)), None)).await;
        assert_eq!(answer.err().as_deref(), expected, "{operation:?} in {namespace}");
    }
}

#[tokio::test]
async fn refusals_say_why_to_machines() {
    let known = Known::new().with(namespace("going", "Terminating"));
    let plugin = NamespaceLifecycle::new(known.lookup());
    let refused = plugin.admit(&mut create(pod("going"))).await.unwrap_err();
    let cause = refused.cause("NamespaceTerminating").unwrap();
    assert_eq!(cause.message, "namespace going is being terminated");
    assert_eq!(cause.field, "metadata.namespace");
    let missing = plugin.admit(&mut create(pod("gone"))).await.unwrap_err();
    assert_eq!((missing.code(), missing.reason()), (404, "NotFound"));
}

#[tokio::test]
async fn what_is_in_no_namespace_passes() {
    let plugin = NamespaceLifecycle::new(Known::new().lookup());
    let node: Node = object(json!({"metadata": {"name": "n"}}));
    assert_eq!(ask(&plugin, create(node)).await, Ok(()));
    let review: LocalSubjectAccessReview = object(json!({"metadata": {"namespace": "gone"}}));
    assert_eq!(ask(&plugin, create(review)).await, Ok(()));
    assert_eq!(ask(&plugin, about_namespace(Operation::Create, "new")).await, Ok(()));
}

#[tokio::test]
async fn the_namespaces_of_the_system_stay() {
    let plugin = NamespaceLifecycle::new(Known::new().lookup());
    for name in IMMORTAL {
        let answer = ask(&plugin, about_namespace(Operation::Delete, name)).await;
        let expected = format!("namespaces \"{name}\" is forbidden: this namespace may not be deleted");
        assert_eq!(answer, Err(expected));
        assert_eq!(ask(&plugin, about_namespace(Operation::Update, name)).await, Ok(()));
    }
    assert_eq!(ask(&plugin, about_namespace(Operation::Delete, "kube-node-lease")).await, Ok(()));
}

#[tokio::test]
async fn a_deletion_is_known_before_the_cache_has_it() {
    let known = Known::new().only_cached(namespace("x", "Active")).only_live(namespace("x", "Terminating"));
    let plugin = NamespaceLifecycle::new(known.lookup());
    assert_eq!(ask(&plugin, create(pod("x"))).await, Ok(()), "the cache is believed");
    assert_eq!(ask(&plugin, about_namespace(Operation::Delete, "x")).await, Ok(()));
    assert!(ask(&plugin, create(pod("x"))).await.is_err(), "the store is asked");
    let mut later = create(pod("x"));
    later.now += DISTRUST;
    assert_eq!(ask(&plugin, later).await, Ok(()), "the cache has had time enough");
}

#[test]
fn memory_is_bounded() {
    let plugin = NamespaceLifecycle::new(Known::new().lookup());
    let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    for number in 0..=REMEMBERED {
        let at = now + SignedDuration::from_millis(i64::try_from(number).unwrap());
        plugin.remember(&number.to_string(), at);
    }
    assert_eq!(plugin.deleted.lock().len(), REMEMBERED);
    assert!(!plugin.is_deleted("0", now) && plugin.is_deleted("1", now));
}
