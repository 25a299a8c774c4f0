//! The watch cache over the memory store, and its freshness over a real etcd.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::etcd::test_server::TestServer;
use crate::indexer::{Indexed, Summary};
use crate::memory::MemoryStorage;

const PREFIX: &str = "/registry/pods/";

struct TestIndexer(Vec<String>);

/// Reads `"app":"…"` as the only label and `"node":"…"` as the only field.
impl ObjectIndexer for TestIndexer {
    fn field_names(&self) -> &[String] {
        &self.0
    }

    fn read(&self, value: &[u8]) -> Result<Indexed, String> {
        let text = std::str::from_utf8(value).map_err(|error| error.to_string())?;
        let part = |name: &str| {
            let rest = text.split_once(&format!("\"{name}\":\"")).ok_or(format!("no {name}"))?.1;
            Ok::<_, String>(rest.split('"').next().unwrap_or_default())
        };
        let summary = Summary::new([("app", part("app")?)], [part("node")?]);
        let completed =
            text.contains("incomplete").then(|| text.replace("incomplete", "complete").into_bytes());
        Ok(Indexed { summary, completed })
    }
}

fn value(app: &str, node: &str) -> Bytes {
    Bytes::from(format!(r#"{{"metadata":{{}},"app":"{app}","node":"{node}"}}"#))
}

fn indexer() -> Arc<dyn ObjectIndexer> {
    Arc::new(TestIndexer(vec!["node".to_owned()]))
}

/// An object for the tests of the parts.
pub(super) fn object(path: &str, revision: Revision) -> Arc<CachedObject> {
    CachedObject::load(path, &value("a", "n"), revision, false, &*indexer()).unwrap()
}

fn cacher(storage: Arc<dyn Storage>) -> Cacher {
    Cacher::start(CacherOptions { storage, prefix: PREFIX.to_owned(), indexer: indexer() })
}

fn memory() -> (Arc<dyn Storage>, Cacher) {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    (storage.clone(), cacher(storage))
}

async fn put(storage: &Arc<dyn Storage>, path: &str, app: &str, node: &str) -> Revision {
    let key = format!("{PREFIX}{path}");
    let current = storage.get(&key).await.unwrap().0.map_or(0, |current| current.revision);
    storage.compare_and_swap(&key, current, value(app, node), None).await.unwrap()
}

async fn remove(storage: &Arc<dyn Storage>, path: &str) -> Revision {
    storage.delete(&format!("{PREFIX}{path}"), None).await.unwrap()
}

fn paths(snapshot: &Snapshot) -> Vec<String> {
    snapshot.objects.iter().map(|object| format!("{object:?}")).collect()
}

fn request(start: WatchStart) -> WatchRequest {
    WatchRequest { scope: WatchScope::All, filter: None, start, bookmarks: false, deadline: None }
}

fn labelled(app: &'static str) -> Option<Filter> {
    Some(Arc::new(move |object| object.summary().label("app") == Some(app)))
}

fn show(item: &WatchItem) -> String {
    match item {
        WatchItem::Change(kind, object) => format!("{kind:?} {object:?}"),
        WatchItem::Bookmark { revision, initial_events_end } => {
            format!("Bookmark {revision} {initial_events_end}")
        }
    }
}

/// Reads until `count` items have come.
async fn read(watcher: &mut Watcher, count: usize) -> Vec<String> {
    let mut items = Vec::new();
    while items.len() < count {
        let more = tokio::time::timeout(Duration::from_secs(300), watcher.next(&mut items)).await;
        assert!(more.expect("items come"), "the watch ended after {items:?}");
    }
    items.iter().map(show).collect()
}

#[tokio::test]
async fn fresh_reads_see_every_write_made_before() {
    let check = async |storage: Arc<dyn Storage>| {
        let cacher = cacher(storage.clone());
        for round in 0..30 {
            let path = format!("a/{}", round % 7);
            let revision = put(&storage, &path, "x", "n").await;
            storage.create(&format!("/registry/secrets/{round}"), Bytes::new(), None).await.unwrap();
            let found = cacher.get(&path, Freshness::Consistent).await.unwrap().unwrap();
            assert_eq!(found.revision(), revision);
            let text = format!(r#"{{"metadata":{{"resourceVersion":"{revision}"}},"app":"x","node":"n"}}"#);
            assert_eq!(found.value(), &Bytes::from(text));
            let snapshot = cacher.snapshot(Freshness::Consistent).await.unwrap();
            assert!(snapshot.revision > revision, "the revision of other resources' writes counts too");
            assert_eq!(snapshot.objects.len(), 7.min(round + 1));
            if round % 5 == 4 {
                remove(&storage, &path).await;
                assert!(cacher.get(&path, Freshness::Consistent).await.unwrap().is_none());
                put(&storage, &path, "x", "n").await;
            }
        }
    };
    check(Arc::new(MemoryStorage::new())).await;
    if let Some(server) = TestServer::start().await {
        check(Arc::new(server.storage().await)).await;
    }
}

#[tokio::test]
async fn many_waiting_reads_share_questions() {
    let Some(server) = TestServer::start().await else { return };
    let storage: Arc<dyn Storage> = Arc::new(server.storage().await);
    let cacher = Arc::new(cacher(storage.clone()));
    put(&storage, "a/1", "x", "n").await;
    let tasks: Vec<_> = (0..200)
        .map(|_| {
            let cacher = cacher.clone();
            tokio::spawn(async move {
                cacher.snapshot(Freshness::Consistent).await.map(|snapshot| snapshot.objects.len())
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap(), 1);
    }
}

#[tokio::test]
async fn initial_events_then_bookmark_then_live() {
    let (storage, cacher) = memory();
    let one = put(&storage, "a/1", "x", "n").await;
    let two = put(&storage, "b/2", "x", "n").await;
    let initial = WatchStart::Initial { freshness: Freshness::Consistent, bookmark: true };
    let mut watcher = cacher.watch(request(initial)).await.unwrap();
    let expected = [format!("Added a/1@{one}"), format!("Added b/2@{two}"), format!("Bookmark {two} true")];
    assert_eq!(read(&mut watcher, 3).await, expected);
    let gone = remove(&storage, "a/1").await;
    assert_eq!(read(&mut watcher, 1).await, [format!("Deleted a/1@{gone}")]);
    let mut namespaced = request(initial);
    namespaced.scope = WatchScope::Namespace("b".to_owned());
    let mut watcher = cacher.watch(namespaced).await.unwrap();
    assert_eq!(read(&mut watcher, 2).await, [format!("Added b/2@{two}"), format!("Bookmark {gone} true")]);
    put(&storage, "a/1", "x", "n").await;
    let three = put(&storage, "b/3", "x", "n").await;
    assert_eq!(read(&mut watcher, 1).await, [format!("Added b/3@{three}")]);
}

#[tokio::test]
async fn watches_from_a_revision_see_exactly_what_follows() {
    let (storage, cacher) = memory();
    cacher.ready().await.unwrap();
    let mut revisions = Vec::new();
    for number in 0..10 {
        revisions.push(put(&storage, &format!("a/{number}"), "x", "n").await);
    }
    cacher.snapshot(Freshness::Consistent).await.unwrap();
    let mut watcher = cacher.watch(request(WatchStart::After(revisions[6]))).await.unwrap();
    let expected: Vec<_> = (7..10).map(|number| format!("Added a/{number}@{}", revisions[number])).collect();
    assert_eq!(read(&mut watcher, 3).await, expected);
    // A revision of the future: what comes before it is not for this watcher.
    let mut future = cacher.watch(request(WatchStart::After(revisions[9] + 1))).await.unwrap();
    let mut now = cacher.watch(request(WatchStart::Now)).await.unwrap();
    let skipped = put(&storage, "a/skipped", "x", "n").await;
    assert_eq!(read(&mut now, 1).await, [format!("Added a/skipped@{skipped}")]);
    let seen = put(&storage, "a/seen", "x", "n").await;
    assert_eq!(read(&mut future, 1).await, [format!("Added a/seen@{seen}")]);
    let late = Cacher::start(CacherOptions { storage, prefix: PREFIX.to_owned(), indexer: indexer() });
    let error = late.watch(request(WatchStart::After(revisions[6]))).await.err().unwrap();
    assert_eq!(error.to_string(), format!("too old resource version: {} ({seen})", revisions[6]));
}

#[tokio::test]
async fn objects_that_enter_or_leave_a_selector_are_added_or_deleted() {
    let (storage, cacher) = memory();
    cacher.ready().await.unwrap();
    let filtered = WatchRequest { filter: labelled("x"), ..request(WatchStart::Now) };
    let mut watcher = cacher.watch(filtered).await.unwrap();
    let mut expected = Vec::new();
    put(&storage, "a/1", "y", "n").await;
    expected.push(format!("Added a/1@{}", put(&storage, "a/1", "x", "n").await));
    expected.push(format!("Modified a/1@{}", put(&storage, "a/1", "x", "m").await));
    let left = put(&storage, "a/1", "y", "m").await;
    expected.push(format!("Deleted a/1@{left}"));
    remove(&storage, "a/1").await;
    expected.push(format!("Added a/2@{}", put(&storage, "a/2", "x", "n").await));
    expected.push(format!("Deleted a/2@{}", remove(&storage, "a/2").await));
    let mut items = Vec::new();
    while items.len() < expected.len() {
        assert!(watcher.next(&mut items).await);
    }
    assert_eq!(items.iter().map(show).collect::<Vec<_>>(), expected);
    // The object that left is shown as it was last seen, under the revision at which it left.
    let WatchItem::Change(_, object) = &items[2] else { panic!() };
    let text = format!(r#"{{"metadata":{{"resourceVersion":"{left}"}},"app":"x","node":"m"}}"#);
    assert_eq!(object.value(), &Bytes::from(text));
}

#[tokio::test]
async fn field_watchers_follow_objects_in_and_out() {
    let (storage, cacher) = memory();
    cacher.ready().await.unwrap();
    let on_node = |node: &'static str| WatchRequest {
        scope: WatchScope::Field(0, node.to_owned()),
        filter: Some(Arc::new(move |object| object.summary().field(0) == Some(node))),
        ..request(WatchStart::Now)
    };
    let mut first = cacher.watch(on_node("n1")).await.unwrap();
    let mut second = cacher.watch(on_node("n2")).await.unwrap();
    let added = put(&storage, "a/1", "x", "n1").await;
    assert_eq!(read(&mut first, 1).await, [format!("Added a/1@{added}")]);
    cacher.snapshot(Freshness::Consistent).await.unwrap();
    // Both are live now, so the move reaches them through the index.
    let third = put(&storage, "a/2", "x", "n2").await;
    assert_eq!(read(&mut second, 1).await, [format!("Added a/2@{third}")]);
    let moved = put(&storage, "a/1", "x", "n2").await;
    assert_eq!(read(&mut first, 1).await, [format!("Deleted a/1@{moved}")]);
    assert_eq!(read(&mut second, 1).await, [format!("Added a/1@{moved}")]);
    drop((first, second));
    assert_eq!(cacher.watcher_count(), 0);
}

#[tokio::test]
async fn replaying_a_watch_gives_the_list() {
    let (storage, cacher) = memory();
    let initial = WatchStart::Initial { freshness: Freshness::Any, bookmark: false };
    let mut early = cacher.watch(WatchRequest { filter: labelled("x"), ..request(initial) }).await.unwrap();
    let mut seed = 99u64;
    for step in 0..2000 {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let path = format!("{}/{}", ["a", "b", "c"][(seed >> 40) as usize % 3], (seed >> 33) % 20);
        let exists = storage.get(&format!("{PREFIX}{path}")).await.unwrap().0.is_some();
        if exists && seed >> 20 & 3 == 0 {
            remove(&storage, &path).await;
        } else {
            put(&storage, &path, ["x", "y"][(seed >> 50) as usize % 2], &step.to_string()).await;
        }
        if step % 400 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let end = put(&storage, "zz/end", "x", "n").await;
    let mut model = BTreeMap::new();
    let mut items = Vec::new();
    while !model.contains_key("zz/end") {
        assert!(early.next(&mut items).await);
        for item in items.drain(..) {
            let WatchItem::Change(kind, object) = item else { panic!("no bookmarks wanted") };
            let before = match kind {
                ChangeKind::Deleted => model.remove(object.path()),
                _ => model.insert(object.path().to_owned(), object.revision()),
            };
            assert_eq!(before.is_some(), kind != ChangeKind::Added, "{kind:?} {object:?}");
        }
    }
    let snapshot = cacher.snapshot(Freshness::AtLeast(end)).await.unwrap();
    let listed: BTreeMap<_, _> = snapshot
        .objects
        .iter()
        .filter(|object| object.summary().label("app") == Some("x"))
        .map(|object| (object.path().to_owned(), object.revision()))
        .collect();
    assert_eq!(model, listed);
}

#[tokio::test]
async fn old_states_are_rebuilt_from_history_or_read_from_the_store() {
    let (storage, cacher) = memory();
    cacher.ready().await.unwrap();
    let mut expected = Vec::new();
    put(&storage, "a/1", "x", "n").await;
    put(&storage, "a/2", "x", "n").await;
    for round in 0..20 {
        match round % 3 {
            0 => put(&storage, "a/1", "x", "n").await,
            1 => remove(&storage, "a/2").await,
            _ => put(&storage, "a/2", "y", "n").await,
        };
        let snapshot = cacher.snapshot(Freshness::Consistent).await.unwrap();
        expected.push((snapshot.revision, paths(&snapshot)));
    }
    for (revision, paths_then) in expected.iter().rev() {
        let snapshot = cacher.snapshot(Freshness::Exactly(*revision)).await.unwrap();
        assert_eq!(&paths(&snapshot), paths_then, "at {revision}");
        let (stored, remaining) = cacher.stored_page(*revision, "", 1).await.unwrap();
        assert_eq!(format!("{:?}", stored[0]), paths_then[0]);
        assert_eq!(remaining as usize, paths_then.len() - 1);
    }
    let late = Cacher::start(CacherOptions { storage, prefix: PREFIX.to_owned(), indexer: indexer() });
    let error = late.snapshot(Freshness::Exactly(expected[0].0)).await.err().unwrap();
    assert!(matches!(error, StorageError::TooOld { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn revisions_of_the_future_are_waited_for_and_then_refused() {
    let (storage, cacher) = memory();
    let current = put(&storage, "a/1", "x", "n").await;
    let error = cacher.snapshot(Freshness::AtLeast(current + 5)).await.err().unwrap();
    assert_eq!(error.to_string(), format!("Too large resource version: {}, current: {current}", current + 5));
    let later = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        put(&storage, "a/2", "x", "n").await
    };
    let (snapshot, revision) = tokio::join!(cacher.snapshot(Freshness::AtLeast(current + 1)), later);
    assert_eq!(snapshot.unwrap().revision, revision);
}

#[tokio::test]
async fn a_watcher_that_does_not_read_is_ended_and_others_are_not() {
    let (storage, cacher) = memory();
    cacher.ready().await.unwrap();
    let mut slow = cacher.watch(request(WatchStart::Now)).await.unwrap();
    let first = put(&storage, "a/first", "x", "n").await;
    assert_eq!(read(&mut slow, 1).await, [format!("Added a/first@{first}")]);
    let mut quick = cacher.watch(request(WatchStart::Now)).await.unwrap();
    let mut items = Vec::new();
    let second = put(&storage, "a/second", "x", "n").await;
    // The slow one goes live by waiting once in vain.
    assert_eq!(read(&mut quick, 1).await, [format!("Added a/second@{second}")]);
    assert_eq!(read(&mut slow, 1).await, [format!("Added a/second@{second}")]);
    assert!(tokio::time::timeout(Duration::from_millis(1), slow.next(&mut items)).await.is_err());
    for number in 0..5000 {
        let last = put(&storage, "a/1", "x", "n").await;
        if number % 100 == 99 {
            let mut seen = Vec::new();
            while !seen
                .iter()
                .any(|item| matches!(item, WatchItem::Change(_, object) if object.revision() == last))
            {
                assert!(quick.next(&mut seen).await);
            }
        }
    }
    while slow.next(&mut items).await {}
    assert!(items.len() < 5000, "{}", items.len());
    assert_eq!(cacher.watcher_count(), 1);
}

#[tokio::test(start_paused = true)]
async fn bookmarks_come_every_minute_and_before_the_end() {
    let (storage, cacher) = memory();
    cacher.ready().await.unwrap();
    let started = Instant::now();
    let deadline = Some(started + Duration::from_secs(100));
    let mut watcher =
        cacher.watch(WatchRequest { bookmarks: true, deadline, ..request(WatchStart::Now) }).await.unwrap();
    for seconds in [60, 98] {
        let revision =
            storage.create(&format!("/registry/other/{seconds}"), Bytes::new(), None).await.unwrap();
        assert_eq!(read(&mut watcher, 1).await, [format!("Bookmark {revision} false")]);
        assert_eq!(started.elapsed().as_secs(), seconds);
    }
}

#[tokio::test]
async fn a_new_list_ends_watchers_and_keeps_answers_right() {
    let (storage, cacher) = memory();
    let one = put(&storage, "a/1", "x", "n").await;
    cacher.snapshot(Freshness::Consistent).await.unwrap();
    let mut watcher = cacher.watch(request(WatchStart::After(one))).await.unwrap();
    let mut items = Vec::new();
    assert!(tokio::time::timeout(Duration::from_millis(1), watcher.next(&mut items)).await.is_err());
    cacher.inner.restart.notify_one();
    assert!(!watcher.next(&mut items).await);
    let two = put(&storage, "a/2", "x", "n").await;
    let snapshot = cacher.snapshot(Freshness::Consistent).await.unwrap();
    assert_eq!(paths(&snapshot), [format!("a/1@{one}"), format!("a/2@{two}")]);
}

#[tokio::test]
async fn values_that_cannot_be_read_are_named() {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    storage.create("/registry/pods/a/broken", Bytes::from_static(b"\x01\x02"), None).await.unwrap();
    let cacher = cacher(storage);
    while cacher.inner.last_failure.lock().is_none() {
        tokio::task::yield_now().await;
    }
    let shown = cacher.inner.last_failure.lock().clone().unwrap().to_string();
    assert_eq!(
        shown,
        "value of key \"a/broken\" cannot be read: value is neither Kubernetes protobuf nor a JSON object"
    );
}

#[tokio::test]
async fn values_are_served_as_the_indexer_completes_them() {
    let (storage, cacher) = memory();
    let revision = put(&storage, "a/1", "incomplete", "n").await;
    let found = cacher.get("a/1", Freshness::Consistent).await.unwrap().unwrap();
    let text = format!(r#"{{"metadata":{{"resourceVersion":"{revision}"}},"app":"complete","node":"n"}}"#);
    assert_eq!(found.value(), &Bytes::from(text));
}

#[test]
fn encodings_are_made_once_and_dropped_when_unused() {
    let object = object("a/1", 5);
    let mut made = 0;
    for _ in 0..3 {
        let encoded: Result<_, ()> = object.encoding(7, |object| {
            made += 1;
            Ok(object.value().slice(0..3))
        });
        assert_eq!(encoded.unwrap().len(), 3);
    }
    assert_eq!(made, 1);
    assert!(object.sweep(), "it was used since the last sweep");
    assert!(!object.sweep());
    let _: Result<_, ()> = object.encoding(7, |_| {
        made += 1;
        Ok(Bytes::new())
    });
    assert_eq!(made, 2);
}
