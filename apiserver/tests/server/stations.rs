//! The walk of a request: its stations are tracing spans, under the names and in the order of ARCHITECTURE.md.

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::json;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Subscriber;
use tracing::{Dispatch, Event, Metadata};

use super::support::TestServer;

/// Writes down the names of spans in the order in which they begin.
#[derive(Clone, Default)]
struct Stations(Arc<Mutex<Vec<&'static str>>>);

impl Subscriber for Stations {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span() && metadata.target().starts_with("apiserver")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.0.lock().push(span.metadata().name());
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// The stations of the API server, as the table has them.
fn documented() -> Vec<String> {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../ARCHITECTURE.md");
    let page = std::fs::read_to_string(page).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
    let names: Vec<String> = rows
        .skip_while(|(name, _)| *name != "request_info")
        .take_while(|(_, place)| place.starts_with("`apiserver/"))
        .map(|(name, _)| name.to_owned())
        .collect();
    assert_eq!(names.last().map(String::as_str), Some("watch_cache"), "{names:?}");
    names
}

const POLICY: &str = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: Metadata\n";

#[tokio::test]
async fn a_request_passes_the_documented_stations_in_order() {
    let stations = Stations::default();
    // The runtime of this test has one thread, so what the server does is seen here and nothing else is.
    let seen_by = Dispatch::new(stations.clone());
    // While there is one subscriber only, the thread that first comes by a span decides for all whether it is wanted:
    // other tests, which have none, would decide for this one. A second one makes each ask both.
    let _another = Dispatch::new(Stations::default());
    let _guard = tracing::dispatcher::set_default(&seen_by);
    let server = TestServer::start(|options, folder| {
        let policy = folder.join("policy.yaml");
        std::fs::write(&policy, POLICY).unwrap();
        options.audit.audit_policy_file = Some(policy);
        options.audit.audit_log_path = Some(folder.join("audit.log").display().to_string());
    })
    .await;
    let admin = server.admin();
    let map = json!({"metadata": {"name": "walk"}, "data": {"a": "b"}});
    stations.0.lock().clear();
    let answer = admin.post("/api/v1/namespaces/default/configmaps", map).await;
    assert_eq!(answer.code, 201, "{}", answer.text);
    let seen = stations.0.lock().clone();
    let mut walked = seen.iter();
    for station in documented() {
        let found = walked.any(|name| *name == station);
        // The watch cache learns of the write by itself, maybe after the answer.
        if !found && station == "watch_cache" {
            let again = || stations.0.lock().iter().skip(seen.len()).any(|name| *name == "watch_cache");
            server.eventually("the watch cache has the object", async || again()).await;
            continue;
        }
        assert!(found, "{station:?} is missing or out of order in {seen:?}");
    }
}
