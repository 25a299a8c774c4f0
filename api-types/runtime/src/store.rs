//! A cache of the objects of one kind, with indexes and subscribers.
//!
//! One reflector writes, everyone reads. Readers get shared objects and never block the writer for
//! longer than a look-up. Subscribers are called by the writer in the order of the events and must not
//! block: they put a key into a queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hashbrown::{HashMap, HashSet};
use machinery::Resource;
use parking_lot::RwLock;
use tokio::sync::Notify;

use crate::key::ObjectKey;

/// A change of the cache.
#[derive(Debug)]
pub enum Event<T> {
    /// An object the cache did not have.
    Added(Arc<T>),
    /// A new state of an object, or the same one again after the cache was filled anew.
    Updated {
        /// State before.
        old: Arc<T>,
        /// State now.
        new: Arc<T>,
    },
    /// An object that is gone, in its last known state.
    Deleted(Arc<T>),
}

impl<T> Clone for Event<T> {
    fn clone(&self) -> Self {
        match self {
            Event::Added(object) => Event::Added(Arc::clone(object)),
            Event::Updated { old, new } => Event::Updated { old: Arc::clone(old), new: Arc::clone(new) },
            Event::Deleted(object) => Event::Deleted(Arc::clone(object)),
        }
    }
}

impl<T> Event<T> {
    /// The newest known state.
    pub fn object(&self) -> &Arc<T> {
        match self {
            Event::Added(object) | Event::Updated { new: object, .. } | Event::Deleted(object) => object,
        }
    }

    /// The state before, for updates.
    pub fn old(&self) -> Option<&Arc<T>> {
        match self {
            Event::Updated { old, .. } => Some(old),
            _ => None,
        }
    }
}

/// The values an object has in an index.
pub type IndexFunction<T> = fn(&T) -> Vec<String>;

/// Index by namespace.
pub const BY_NAMESPACE: &str = "namespace";
/// Index by the UID of every owner.
pub const BY_OWNER: &str = "owner";
/// Index by the UID of the controlling owner.
pub const BY_CONTROLLER: &str = "controller";

/// Index function of [`BY_NAMESPACE`].
pub fn namespace_of<T: Resource>(object: &T) -> Vec<String> {
    vec![object.metadata().namespace.clone()]
}

/// Index function of [`BY_OWNER`].
pub fn owners_of<T: Resource>(object: &T) -> Vec<String> {
    object.metadata().owner_references.iter().map(|owner| owner.uid.clone()).collect()
}

/// Index function of [`BY_CONTROLLER`].
pub fn controller_of<T: Resource>(object: &T) -> Vec<String> {
    let owners = &object.metadata().owner_references;
    owners.iter().filter(|owner| owner.controller == Some(true)).map(|owner| owner.uid.clone()).collect()
}

struct Index<T> {
    name: &'static str,
    function: IndexFunction<T>,
    keys: HashMap<String, HashSet<ObjectKey>>,
}

type Subscriber<T> = Box<dyn Fn(&Event<T>) + Send + Sync>;

struct Inner<T> {
    objects: HashMap<ObjectKey, Arc<T>>,
    indexes: Vec<Index<T>>,
}

struct Shared<T> {
    inner: RwLock<Inner<T>>,
    /// Held while events are delivered, so that a new subscriber sees each object exactly once.
    subscribers: RwLock<Vec<Subscriber<T>>>,
    synced: AtomicBool,
    synced_notify: Notify,
    version: AtomicU64,
}

/// The cache; clones share it.
pub struct Store<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Clone for Store<T> {
    fn clone(&self) -> Self {
        Store { shared: Arc::clone(&self.shared) }
    }
}

impl<T: Resource> std::fmt::Debug for Store<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Store").field("kind", &T::KIND).field("objects", &self.len()).finish()
    }
}

impl<T: Resource> Default for Store<T> {
    fn default() -> Self {
        Store::new()
    }
}

impl<T: Resource> Store<T> {
    /// An empty cache that is not synced yet.
    pub fn new() -> Store<T> {
        let inner = RwLock::new(Inner { objects: HashMap::new(), indexes: Vec::new() });
        Store {
            shared: Arc::new(Shared {
                inner,
                subscribers: RwLock::default(),
                synced: AtomicBool::new(false),
                synced_notify: Notify::new(),
                version: AtomicU64::new(0),
            }),
        }
    }

    /// A synced cache with these objects, for tests of what reads caches.
    pub fn with_objects(objects: impl IntoIterator<Item = T>) -> Store<T> {
        let store = Store::new();
        for (name, function) in [
            (BY_NAMESPACE, namespace_of::<T> as IndexFunction<T>),
            (BY_OWNER, owners_of::<T>),
            (BY_CONTROLLER, controller_of::<T>),
        ] {
            store.add_index(name, function);
        }
        store.replace(objects.into_iter().collect(), "");
        store
    }

    /// Adds an index; objects already there are indexed. A name that exists already is kept as it is.
    pub fn add_index(&self, name: &'static str, function: IndexFunction<T>) {
        let mut inner = self.shared.inner.write();
        if inner.indexes.iter().any(|index| index.name == name) {
            return;
        }
        let mut index = Index { name, function, keys: HashMap::new() };
        for (key, object) in &inner.objects {
            index.insert(key, object);
        }
        inner.indexes.push(index);
    }

    /// The object of a key.
    pub fn get(&self, key: &ObjectKey) -> Option<Arc<T>> {
        self.shared.inner.read().objects.get(key).cloned()
    }

    /// The object of a namespace (empty outside namespaces) and name.
    pub fn get_by(&self, namespace: &str, name: &str) -> Option<Arc<T>> {
        self.get(&ObjectKey::new(namespace, name))
    }

    /// All objects, in no order.
    pub fn list(&self) -> Vec<Arc<T>> {
        self.shared.inner.read().objects.values().cloned().collect()
    }

    /// All keys, in no order.
    pub fn keys(&self) -> Vec<ObjectKey> {
        self.shared.inner.read().objects.keys().cloned().collect()
    }

    /// The objects with `value` in the index `name`, in the order of their keys; none when there is no
    /// such index.
    pub fn by_index(&self, name: &str, value: &str) -> Vec<Arc<T>> {
        let inner = self.shared.inner.read();
        let Some(index) = inner.indexes.iter().find(|index| index.name == name) else {
            tracing::error!(kind = T::KIND, index = name, "cache is asked for an index it does not have");
            return Vec::new();
        };
        let mut keys: Vec<&ObjectKey> = index.keys.get(value).into_iter().flatten().collect();
        keys.sort();
        keys.into_iter().filter_map(|key| inner.objects.get(key).cloned()).collect()
    }

    /// The objects of a namespace.
    pub fn in_namespace(&self, namespace: &str) -> Vec<Arc<T>> {
        self.by_index(BY_NAMESPACE, namespace)
    }

    /// Number of objects.
    pub fn len(&self) -> usize {
        self.shared.inner.read().objects.len()
    }

    /// Whether there is no object.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the cache was filled at least once.
    pub fn is_synced(&self) -> bool {
        self.shared.synced.load(Ordering::Acquire)
    }

    /// Returns once the cache was filled.
    pub async fn synced(&self) {
        loop {
            let notified = self.shared.synced_notify.notified();
            if self.is_synced() {
                return;
            }
            notified.await;
        }
    }

    /// The newest resource version seen, as a number; 0 before the first.
    pub fn version(&self) -> u64 {
        self.shared.version.load(Ordering::Acquire)
    }

    /// Calls `subscriber` with every change from now on, after one `Added` for each object already there.
    pub fn subscribe(&self, subscriber: impl Fn(&Event<T>) + Send + Sync + 'static) {
        // Taken before the list is read: changes wait, so none is missed and none comes twice.
        let mut subscribers = self.shared.subscribers.write();
        for object in self.list() {
            subscriber(&Event::Added(object));
        }
        subscribers.push(Box::new(subscriber));
    }

    /// Replaces everything: objects not listed are deleted, and the cache is synced.
    pub fn replace(&self, objects: Vec<T>, resource_version: &str) {
        let subscribers = self.shared.subscribers.read();
        let mut seen: HashSet<ObjectKey> = HashSet::with_capacity(objects.len());
        let mut events = Vec::with_capacity(objects.len());
        {
            let mut inner = self.shared.inner.write();
            for object in objects {
                let key = ObjectKey::of(object.metadata());
                seen.insert(key.clone());
                events.push(inner.put(key, Arc::new(object)));
            }
            let gone: Vec<ObjectKey> =
                inner.objects.keys().filter(|key| !seen.contains(*key)).cloned().collect();
            events.extend(gone.iter().filter_map(|key| inner.take(key)).map(Event::Deleted));
        }
        self.advance(resource_version);
        for event in &events {
            subscribers.iter().for_each(|subscriber| subscriber(event));
        }
        drop(subscribers);
        self.shared.synced.store(true, Ordering::Release);
        self.shared.synced_notify.notify_waiters();
    }

    /// Takes in a new or changed object.
    pub fn apply(&self, object: T) {
        let subscribers = self.shared.subscribers.read();
        let (key, version) = (ObjectKey::of(object.metadata()), object.metadata().resource_version.clone());
        let event = self.shared.inner.write().put(key, Arc::new(object));
        self.advance(&version);
        subscribers.iter().for_each(|subscriber| subscriber(&event));
    }

    /// Takes an object out; `object` is its last state.
    pub fn remove(&self, object: T) {
        let subscribers = self.shared.subscribers.read();
        let (key, version) = (ObjectKey::of(object.metadata()), object.metadata().resource_version.clone());
        let known = self.shared.inner.write().take(&key);
        self.advance(&version);
        if known.is_some() {
            let event = Event::Deleted(Arc::new(object));
            subscribers.iter().for_each(|subscriber| subscriber(&event));
        }
    }

    /// Notes a version the cache has reached.
    pub fn advance(&self, resource_version: &str) {
        if let Ok(version) = resource_version.parse::<u64>() {
            self.shared.version.fetch_max(version, Ordering::AcqRel);
        }
    }
}

impl<T> Index<T> {
    fn insert(&mut self, key: &ObjectKey, object: &T) {
        for value in (self.function)(object) {
            self.keys.entry(value).or_default().insert(key.clone());
        }
    }

    fn remove(&mut self, key: &ObjectKey, object: &T) {
        for value in (self.function)(object) {
            if let Some(keys) = self.keys.get_mut(&value) {
                keys.remove(key);
                if keys.is_empty() {
                    self.keys.remove(&value);
                }
            }
        }
    }
}

impl<T> Inner<T> {
    fn put(&mut self, key: ObjectKey, object: Arc<T>) -> Event<T> {
        let old = self.objects.insert(key.clone(), Arc::clone(&object));
        for index in &mut self.indexes {
            if let Some(old) = &old {
                index.remove(&key, old);
            }
            index.insert(&key, &object);
        }
        match old {
            Some(old) => Event::Updated { old, new: object },
            None => Event::Added(object),
        }
    }

    fn take(&mut self, key: &ObjectKey) -> Option<Arc<T>> {
        let old = self.objects.remove(key)?;
        for index in &mut self.indexes {
            index.remove(key, &old);
        }
        Some(old)
    }
}

#[cfg(test)]
mod tests {
    use api_types::core::v1::ConfigMap;
    use parking_lot::Mutex;

    use super::*;

    fn object(namespace: &str, name: &str, version: &str) -> ConfigMap {
        let mut object = ConfigMap::default();
        let metadata = object.metadata_mut();
        (metadata.namespace, metadata.name, metadata.resource_version) =
            (namespace.to_owned(), name.to_owned(), version.to_owned());
        object
    }

    /// What a subscriber saw, as `+a`, `~a`, `-a`.
    fn record(store: &Store<ConfigMap>) -> Arc<Mutex<Vec<String>>> {
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let log = Arc::clone(&seen);
        store.subscribe(move |event| {
            let sign = match event {
                Event::Added(_) => '+',
                Event::Updated { .. } => '~',
                Event::Deleted(_) => '-',
            };
            log.lock().push(format!("{sign}{}", event.object().metadata().name));
        });
        seen
    }

    #[test]
    fn changes_reach_indexes_and_subscribers() {
        let store = Store::with_objects([object("one", "a", "1")]);
        let seen = record(&store);
        store.apply(object("one", "b", "2"));
        store.apply(object("two", "c", "3"));
        store.apply(object("one", "a", "4"));
        store.remove(object("one", "b", "5"));
        store.remove(object("one", "never", "6"));
        assert_eq!(*seen.lock(), ["+a", "+b", "+c", "~a", "-b"]);
        assert_eq!(store.in_namespace("one").len(), 1);
        assert_eq!(store.version(), 6);
        store.replace(vec![object("two", "c", "3"), object("two", "d", "7")], "8");
        let mut last = seen.lock().split_off(5);
        last.sort();
        assert_eq!(last, ["+d", "-a", "~c"]);
        assert_eq!((store.in_namespace("one").len(), store.in_namespace("two").len()), (0, 2));
        assert_eq!(store.version(), 8);
    }

    #[test]
    fn indexes_can_come_late() {
        let store: Store<ConfigMap> = Store::new();
        store.apply(object("one", "a", "1"));
        store.add_index("first-letter", |object| vec![object.metadata().name.chars().take(1).collect()]);
        store.apply(object("one", "ab", "2"));
        let names: Vec<_> =
            store.by_index("first-letter", "a").iter().map(|object| object.metadata().name.clone()).collect();
        assert_eq!(names, ["a", "ab"]);
        assert!(store.by_index("none", "a").is_empty());
    }

    #[tokio::test]
    async fn syncing_is_announced() {
        let store: Store<ConfigMap> = Store::new();
        let waiter = store.clone();
        let waiting = tokio::spawn(async move { waiter.synced().await });
        assert!(!store.is_synced());
        store.replace(Vec::new(), "1");
        waiting.await.expect("synced");
        assert!(store.is_synced());
    }
}
