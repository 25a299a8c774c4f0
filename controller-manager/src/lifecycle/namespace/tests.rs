//! What remains decides conditions and verdict; a whole round against a scripted server.

use std::collections::BTreeMap;
use std::time::Duration;

use api_types::core::v1::Namespace;
use client::fake::{Answer, FakeServer};
use http::Method;
use jiff::Timestamp;
use machinery::Time;
use runtime::{ObjectKey, Store};
use serde_json::json;

use super::gather::Emptier;
use super::plan::{Observed, Remaining, Verdict, set_conditions, verdict};

fn remaining(count: usize, finalizers: &[&str], grace_seconds: i64) -> Remaining {
    let finalizers = finalizers.iter().map(|name| ((*name).to_owned(), count)).collect::<BTreeMap<_, _>>();
    Remaining { count, finalizers, grace_seconds }
}

fn observed(parts: &[(&str, &str, Remaining)]) -> Observed {
    let remaining = parts
        .iter()
        .map(|(plural, group, remaining)| (((*plural).into(), (*group).into()), remaining.clone()));
    Observed { remaining: remaining.collect(), ..Observed::default() }
}

#[test]
fn verdicts_follow_what_remains() {
    let wait = |seconds| Verdict::Wait(Duration::from_secs(seconds));
    assert_eq!(verdict(&Observed::default()), Verdict::Finalize);
    assert_eq!(verdict(&observed(&[("pods", "", remaining(0, &[], 0))])), Verdict::Finalize);
    assert_eq!(verdict(&observed(&[("pods", "", remaining(2, &[], 30))])), wait(16));
    assert_eq!(verdict(&observed(&[("things", "x.io", remaining(1, &["x.io/hold"], 0))])), wait(8));
    let stuck = verdict(&observed(&[("jobs", "batch", remaining(1, &[], 0))]));
    assert_eq!(
        stuck,
        Verdict::Failed("unexpected items still remain in namespace for resource: jobs.batch".to_owned())
    );
    let failed = Observed { discovery_error: Some("down".into()), ..Observed::default() };
    assert_eq!(verdict(&failed), Verdict::Failed("down".to_owned()));
}

#[test]
fn conditions_say_what_remains() {
    let mut namespace = Namespace::default();
    let seen =
        observed(&[("things", "x.io", remaining(2, &["x.io/hold"], 0)), ("pods", "", remaining(0, &[], 0))]);
    assert!(set_conditions(&mut namespace, &seen, Timestamp::UNIX_EPOCH));
    let message = |namespace: &Namespace, index: usize| {
        let condition = &namespace.status.conditions[index];
        format!("{} {} {}: {}", condition.type_, condition.status, condition.reason, condition.message)
    };
    assert_eq!(
        message(&namespace, 3),
        "NamespaceContentRemaining True SomeResourcesRemain: Some resources are remaining: things.x.io has 2 resource instances"
    );
    assert_eq!(
        message(&namespace, 4),
        "NamespaceFinalizersRemaining True SomeFinalizersRemain: Some content in the namespace has finalizers remaining: x.io/hold in 2 resource instances"
    );
    assert!(!set_conditions(&mut namespace, &seen, Timestamp::UNIX_EPOCH), "nothing changed");
    assert!(set_conditions(&mut namespace, &Observed::default(), Timestamp::UNIX_EPOCH));
    assert_eq!(
        message(&namespace, 3),
        "NamespaceContentRemaining False ContentRemoved: All content successfully removed"
    );
}

#[tokio::test]
async fn a_round_deletes_and_finalizes() {
    let server = FakeServer::start().await.expect("server");
    let mut namespace = Namespace::default();
    namespace.metadata.name = "work".into();
    namespace.metadata.deletion_timestamp = Some(Time::from(Timestamp::UNIX_EPOCH));
    namespace.spec.finalizers = vec!["kubernetes".into(), "other".into()];
    namespace.status.phase = "Terminating".into();
    let resource = |name: &str| json!({"resource": name, "responseKind": {"kind": "X"}, "scope": "Namespaced", "verbs": ["delete", "deletecollection", "list"]});
    let core = json!({"kind": "APIGroupDiscoveryList", "items": [{"metadata": {}, "versions": [
        {"version": "v1", "resources": [resource("configmaps"), resource("pods")]}]}]});
    let list = |names: &[&str]| {
        let items: Vec<_> = names.iter().map(|name| json!({"metadata": {"name": name}})).collect();
        Answer::json(200, &json!({"kind": "PartialObjectMetadataList", "metadata": {}, "items": items}))
    };
    let path = |plural: &str| format!("/api/v1/namespaces/work/{plural}");
    server
        .on(Method::GET, "/api/v1/namespaces/work", Answer::object(&namespace))
        .on(Method::GET, "/api", Answer::json(200, &core))
        .on(Method::GET, "/apis", Answer::json(200, &json!({"kind": "APIGroupDiscoveryList"})))
        .on(Method::GET, &path("pods"), list(&[]))
        .on(Method::GET, &path("configmaps"), list(&["a", "b"]))
        .on(Method::GET, &path("configmaps"), list(&[]))
        .on(Method::DELETE, &path("configmaps"), Answer::json(200, &json!({"kind": "Status"})))
        .on(Method::PUT, "/api/v1/namespaces/work/status", Answer::object(&namespace))
        .on(Method::PUT, "/api/v1/namespaces/work/finalize", Answer::object(&namespace));
    let emptier = Emptier { client: server.client().expect("client"), pods: Store::with_objects([]) };
    let next = super::empty(&emptier, &ObjectKey::new("", "work"), Duration::from_secs(60)).await;
    assert_eq!(next, runtime::worker::Next::Done);
    assert!(server.unexpected().is_empty(), "{:?}", server.unexpected());
    let received = server.received();
    let deleted = received.iter().find(|request| request.method == Method::DELETE).expect("deleted");
    assert_eq!(deleted.json()["propagationPolicy"], "Background");
    assert!(received.last().expect("request").target.ends_with("/finalize"));
}
