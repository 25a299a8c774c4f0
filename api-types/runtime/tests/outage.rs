//! The API server is away for a while: it is asked again soon, and users are told once.

use std::sync::Arc;
use std::time::Duration;

use api_types::core::v1::{ConfigMap, Secret};
use client::fake::{Answer, FakeServer};
use client::{Client, Config, RequestObserver};
use component_base::Shutdown;
use http::{Method, StatusCode};
use parking_lot::Mutex;
use runtime::{Informer, Store};
use serde_json::json;
use tracing::{Level, Metadata, Subscriber, span};

/// Collects the levels of what is told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Level>>>);

impl Subscriber for Told {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        self.0.lock().push(*event.metadata().level());
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// Counts attempts that nobody answered.
#[derive(Default)]
struct Unanswered(Mutex<u32>);

impl RequestObserver for Unanswered {
    fn attempted(&self, _: &Method, _: &str, code: Option<StatusCode>) {
        *self.0.lock() += u32::from(code.is_none());
    }
    fn retried(&self, _: &Method, _: &str, _: Option<StatusCode>) {}
    fn limited(&self, _: &Method, _: &str, _: Duration) {}
    fn answered(&self, _: &Method, _: &str, _: client::observer::Answered) {}
}

fn empty(kind: &str) -> Answer {
    let annotations = json!({"k8s.io/initial-events-end": "true"});
    let metadata = json!({"resourceVersion": "5", "annotations": annotations});
    let object = json!({"apiVersion": "v1", "kind": kind, "metadata": metadata});
    Answer::watch(&[json!({"type": "BOOKMARK", "object": object})])
}

#[tokio::test]
async fn an_outage_is_told_once_for_all_kinds_and_ends_soon() {
    let told = Told::default();
    let guard = tracing::subscriber::set_default(told.clone());
    // A port that was free a moment ago.
    let address =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port");
    let client = Client::new(Config::new(&format!("http://{address}")).expect("address")).expect("client");
    let unanswered = Arc::new(Unanswered::default());
    client.observe(unanswered.clone());
    let shutdown = Shutdown::new();
    let maps: Store<ConfigMap> = Informer::new(client.all()).start(&shutdown);
    let secrets: Store<Secret> = Informer::new(client.all()).start(&shutdown);

    let tried = async {
        while *unanswered.0.lock() < 4 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), tried).await.expect("more than one try for each kind");
    assert_eq!(*told.0.lock(), [Level::WARN]);

    let server = FakeServer::start_at(address).await.expect("server");
    server.on(Method::GET, "/api/v1/configmaps", empty("ConfigMap")).on(
        Method::GET,
        "/api/v1/secrets",
        empty("Secret"),
    );
    let synced = async {
        maps.synced().await;
        secrets.synced().await;
    };
    tokio::time::timeout(Duration::from_secs(10), synced).await.expect("both kinds, soon");
    assert_eq!(*told.0.lock(), [Level::WARN, Level::INFO]);
    shutdown.trigger();
    drop(guard);
}
