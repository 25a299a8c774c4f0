//! The contract of [`Storage`], run over every implementation: memory, etcd, and each behind encryption.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;

use crate::error::StorageError;
use crate::etcd::test_server::TestServer;
use crate::memory::MemoryStorage;
use crate::storage::{EventKind, ListQuery, Revision, Storage, WatchStream};
use crate::transform::{AesGcm, Transformed};

const DEADLINE: Duration = Duration::from_secs(20);

/// Runs a case over all implementations.
async fn check<F: Future<Output = ()>>(case: impl Fn(Arc<dyn Storage>) -> F) {
    let encrypted = |inner: Arc<dyn Storage>| -> Arc<dyn Storage> {
        let provider = AesGcm::provider(&[("one".to_owned(), vec![7; 32])]).unwrap();
        Arc::new(Transformed::new(inner, Arc::new(provider)))
    };
    case(Arc::new(MemoryStorage::new())).await;
    case(encrypted(Arc::new(MemoryStorage::new()))).await;
    if let Some(server) = TestServer::start().await {
        case(Arc::new(server.storage().await)).await;
    }
    if let Some(server) = TestServer::start().await {
        case(encrypted(Arc::new(server.storage().await))).await;
    }
}

fn text(value: &str) -> Bytes {
    Bytes::copy_from_slice(value.as_bytes())
}

async fn create(storage: &Arc<dyn Storage>, key: &str, value: &str) -> Revision {
    storage.create(key, text(value), None).await.unwrap()
}

async fn keys(storage: &Arc<dyn Storage>, query: ListQuery<'_>) -> (Vec<String>, u64) {
    let page = storage.list(query).await.unwrap();
    (
        page.items.into_iter().map(|item| format!("{}={}", item.key, item.value.escape_ascii())).collect(),
        page.remaining,
    )
}

/// Reads events until the watch has reported `revision`, written as `+key=value(previous)@n` / `-key`.
async fn events_until(watch: &mut WatchStream, revision: Revision) -> Vec<String> {
    let mut seen = Vec::new();
    let read = async {
        loop {
            let batch = watch.next().await.expect("the watch goes on").expect("without error");
            for event in batch.events {
                let previous =
                    event.previous.map(|value| format!("({})", value.escape_ascii())).unwrap_or_default();
                seen.push(match event.kind {
                    EventKind::Put(value) => format!("+{}={}{previous}", event.key, value.escape_ascii()),
                    EventKind::Delete => format!("-{}{previous}", event.key),
                });
            }
            if batch.revision >= revision {
                return;
            }
        }
    };
    tokio::time::timeout(DEADLINE, read)
        .await
        .unwrap_or_else(|_| panic!("no batch reached revision {revision}"));
    seen
}

#[tokio::test]
async fn values_are_written_once_read_and_removed() {
    check(|storage| async move {
        let first = create(&storage, "/registry/pods/a/x", "one").await;
        let again = storage.create("/registry/pods/a/x", text("two"), None).await;
        assert!(matches!(again, Err(StorageError::KeyExists { .. })), "{again:?}");
        let (found, revision) = storage.get("/registry/pods/a/x").await.unwrap();
        let found = found.unwrap();
        assert_eq!((found.value, found.revision, found.stale), (text("one"), first, false));
        assert_eq!(revision, first);
        assert_eq!(storage.get("/registry/pods/a/y").await.unwrap().0, None);
        let removed = storage.delete("/registry/pods/a/x", None).await.unwrap();
        assert!(removed > first);
        assert_eq!(storage.get("/registry/pods/a/x").await.unwrap(), (None, removed));
        let gone = storage.delete("/registry/pods/a/x", None).await;
        assert!(matches!(gone, Err(StorageError::NotFound { .. })), "{gone:?}");
    })
    .await;
}

#[tokio::test]
async fn writes_are_conditional() {
    check(|storage| async move {
        let key = "/registry/pods/a/x";
        let absent = storage.compare_and_swap(key, 5, text("v"), None).await;
        assert!(matches!(absent, Err(StorageError::Conflict { current: None, .. })), "{absent:?}");
        let first = storage.compare_and_swap(key, 0, text("one"), None).await.unwrap();
        let second = storage.compare_and_swap(key, first, text("two"), None).await.unwrap();
        assert!(second > first);
        for stale in [first, 0, second + 100] {
            match storage.compare_and_swap(key, stale, text("three"), None).await {
                Err(StorageError::Conflict { current: Some(current), .. }) => {
                    assert_eq!((current.value, current.revision), (text("two"), second));
                }
                other => panic!("{other:?}"),
            }
            match storage.delete(key, Some(stale)).await {
                Err(StorageError::Conflict { current: Some(current), .. }) => {
                    assert_eq!(current.revision, second)
                }
                other => panic!("{other:?}"),
            }
        }
        storage.delete(key, Some(second)).await.unwrap();
        for expected in [second, 0] {
            let gone = storage.delete(key, Some(expected)).await;
            assert!(matches!(gone, Err(StorageError::Conflict { current: None, .. })), "{gone:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn lists_are_states_and_pages_of_states() {
    check(|storage| async move {
        for name in ["a/1", "a/2", "b/1", "c/1"] {
            create(&storage, &format!("/registry/pods/{name}"), name).await;
        }
        create(&storage, "/registry/podsother/a/1", "no").await;
        let pods = ListQuery { prefix: "/registry/pods/", ..ListQuery::default() };
        let all = storage.list(pods).await.unwrap();
        assert_eq!(all.items.len(), 4);
        assert_eq!(all.revision, storage.current_revision().await.unwrap());
        let first = ListQuery { limit: 3, ..pods };
        let (seen, remaining) = keys(&storage, first).await;
        let expected = ["/registry/pods/a/1=a/1", "/registry/pods/a/2=a/2", "/registry/pods/b/1=b/1"];
        assert_eq!((seen, remaining), (expected.map(str::to_owned).to_vec(), 1));
        // The rest of the same state, whatever happened since.
        storage.delete("/registry/pods/c/1", None).await.unwrap();
        create(&storage, "/registry/pods/d/1", "new").await;
        let rest =
            ListQuery { start: Some("/registry/pods/b/1\0"), revision: all.revision, limit: 3, ..pods };
        assert_eq!(keys(&storage, rest).await, (vec!["/registry/pods/c/1=c/1".to_owned()], 0));
        let now = ListQuery { prefix: "/registry/pods/c/", ..pods };
        assert_eq!(keys(&storage, now).await, (vec![], 0));
        assert_eq!(storage.count("/registry/pods/").await.unwrap(), 4);
        assert_eq!(storage.count("/registry/none/").await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn many_objects_are_listed_in_pages_inside() {
    check(|storage| async move {
        let value = "x".repeat(12_000);
        for number in 0..700 {
            create(&storage, &format!("/registry/pods/a/{number:04}"), &value).await;
        }
        let query = ListQuery { prefix: "/registry/pods/", ..ListQuery::default() };
        let page = storage.list(query).await.unwrap();
        assert_eq!(page.items.len(), 700);
        assert!(page.items.is_sorted_by(|left, right| left.key < right.key));
        assert_eq!(page.remaining, 0);
    })
    .await;
}

#[tokio::test]
async fn compaction_forgets_history_but_not_values() {
    check(|storage| async move {
        let first = create(&storage, "/registry/pods/a/x", "one").await;
        let second = storage.compare_and_swap("/registry/pods/a/x", first, text("two"), None).await.unwrap();
        let pods = ListQuery { prefix: "/registry/pods/", ..ListQuery::default() };
        let before = keys(&storage, ListQuery { revision: first, ..pods }).await;
        assert_eq!(before.0, ["/registry/pods/a/x=one"]);
        storage.compact(second).await.unwrap();
        match storage.list(ListQuery { revision: first, ..pods }).await {
            Err(StorageError::Compacted { requested, .. }) => assert_eq!(requested, first),
            other => panic!("{other:?}"),
        }
        assert_eq!(keys(&storage, pods).await.0, ["/registry/pods/a/x=two"]);
        let again = storage.compact(first).await;
        assert!(matches!(again, Err(StorageError::Compacted { .. })), "{again:?}");
        let future = storage.list(ListQuery { revision: second + 1000, ..pods }).await;
        assert!(matches!(future, Err(StorageError::TooLarge { .. })), "{future:?}");
        let mut watch = storage.watch("/registry/pods/", first, false).await.unwrap();
        let event = tokio::time::timeout(DEADLINE, watch.next()).await.unwrap().unwrap();
        assert!(matches!(event, Err(StorageError::Compacted { .. })), "{event:?}");
        assert!(watch.next().await.is_none());
    })
    .await;
}

#[tokio::test]
async fn watches_deliver_past_and_present_in_order() {
    check(|storage| async move {
        let pods = "/registry/pods/";
        let first = create(&storage, "/registry/pods/a/x", "one").await;
        let mut watch = storage.watch(pods, first, true).await.unwrap();
        let mut quiet = storage.watch(pods, first + 1, false).await.unwrap();
        let second = storage.compare_and_swap("/registry/pods/a/x", first, text("two"), None).await.unwrap();
        create(&storage, "/registry/secrets/a/x", "other").await;
        let last = storage.delete("/registry/pods/a/x", None).await.unwrap();
        assert_eq!(
            events_until(&mut watch, last).await,
            ["+/registry/pods/a/x=one", "+/registry/pods/a/x=two(one)", "-/registry/pods/a/x(two)"]
        );
        assert_eq!(events_until(&mut quiet, last).await, ["+/registry/pods/a/x=two", "-/registry/pods/a/x"]);
        assert!(first < second && second < last);
    })
    .await;
}

#[tokio::test]
async fn a_confirmed_reader_has_everything_written_before() {
    check(|storage| async move {
        let pods = "/registry/pods/";
        storage.track(pods);
        storage.track("/registry/secrets/");
        let start = storage.list(ListQuery { prefix: pods, ..ListQuery::default() }).await.unwrap().revision;
        let mut watch = storage.watch(pods, start + 1, false).await.unwrap();
        let mut applied = start;
        for round in 0..20 {
            let mut written = 0;
            if round % 3 == 0 {
                written = create(&storage, &format!("/registry/pods/a/{round}"), "p").await;
            }
            let other = create(&storage, &format!("/registry/secrets/a/{round}"), "s").await;
            let confirmed = storage.confirm(pods).await.unwrap();
            assert!(confirmed.revision >= other);
            assert!(confirmed.reach >= written && confirmed.reach <= confirmed.revision);
            while applied < confirmed.reach {
                storage.request_progress(pods);
                let batch = tokio::time::timeout(DEADLINE, watch.next()).await.unwrap().unwrap().unwrap();
                applied = batch.revision;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn values_with_a_time_to_live_expire() {
    check(|storage| async move {
        let start = create(&storage, "/registry/events/a/stays", "s").await;
        let ttl = Some(Duration::from_secs(1));
        storage.create("/registry/events/a/one", text("1"), ttl).await.unwrap();
        storage.create("/registry/events/a/two", text("2"), ttl).await.unwrap();
        let mut watch = storage.watch("/registry/events/", start + 1, false).await.unwrap();
        let mut removed = Vec::new();
        let wait = async {
            while removed.len() < 2 {
                let batch = watch.next().await.unwrap().unwrap();
                removed.extend(
                    batch
                        .events
                        .into_iter()
                        .filter(|event| event.kind == EventKind::Delete)
                        .map(|event| event.key),
                );
            }
        };
        tokio::time::timeout(DEADLINE, wait).await.expect("both expire");
        removed.sort();
        assert_eq!(removed, ["/registry/events/a/one", "/registry/events/a/two"]);
        assert_eq!(storage.count("/registry/events/").await.unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn values_written_in_the_clear_are_read_back_as_stale_behind_encryption() {
    let inner: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    create(&inner, "/registry/secrets/a/x", "clear").await;
    let provider = AesGcm::provider(&[("one".to_owned(), vec![7; 32])]).unwrap();
    let providers = crate::transform::Providers(vec![
        crate::transform::Provider::Keyed(provider),
        crate::transform::Provider::Identity,
    ]);
    let storage: Arc<dyn Storage> = Arc::new(Transformed::new(inner.clone(), Arc::new(providers)));
    let found = storage.get("/registry/secrets/a/x").await.unwrap().0.unwrap();
    assert_eq!((found.value.clone(), found.stale), (text("clear"), true));
    storage.compare_and_swap(&found.key, found.revision, found.value, None).await.unwrap();
    assert!(!storage.get("/registry/secrets/a/x").await.unwrap().0.unwrap().stale);
    let stored = inner.get("/registry/secrets/a/x").await.unwrap().0.unwrap().value;
    assert!(stored.starts_with(b"k8s:enc:aesgcm:v1:one:"));
}
