//! The loop every controller shares: gather, plan, execute, conclude.
//!
//! A key is not planned again until the caches have seen the controller's own last writes for it; this
//! replaces upstream's expectations. An event only says "look at this key": nothing it carried is kept.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use component_base::Shutdown;
use futures_util::FutureExt as _;
use hashbrown::HashMap;
use jiff::Timestamp;
use machinery::Resource;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::executor::{Executor, Promise};
use crate::key::ObjectKey;
use crate::plan::{Action, Kind, Outcome, Plan};
use crate::queue::Queue;
use crate::store::{Event, Store};

/// A promise no cache kept for this long is given up (a write that was undone by a restore of etcd, for
/// instance): upstream's expectations time out alike.
const PROMISE_TIMEOUT: Duration = Duration::from_secs(300);
/// How soon a key whose caches are behind is looked at again if no event does it.
const BEHIND_DELAY: Duration = Duration::from_millis(100);

/// A controller: pure decisions over what the caches show.
pub trait Controller: Send + Sync + 'static {
    /// Everything a decision about one key is made from.
    type Inputs: Send + Sync;

    /// Collects the inputs from caches alone; `None` when the key needs no decision (its object is gone).
    fn gather(&self, key: &ObjectKey) -> Option<Self::Inputs>;

    /// Decides. The same inputs and time give the same plan; once a plan was applied the next is empty.
    fn plan(inputs: &Self::Inputs, now: Timestamp) -> Plan;

    /// Decides what remains to be done when it is known what became of the plan; mostly a status that
    /// reports failures. Called also when the plan was empty.
    fn conclude(_inputs: &Self::Inputs, _outcome: &Outcome, _now: Timestamp) -> Vec<Action> {
        Vec::new()
    }

    /// After so many failures in a row a key is dropped until its next event; none for never.
    const MAX_FAILURES: Option<u32> = None;
}

/// A cache as the driver sees it.
trait Cache: Send + Sync {
    fn version(&self) -> u64;
    /// UID of the object and whether it is going, `None` when it is not there.
    fn state(&self, key: &ObjectKey) -> Option<(String, bool)>;
}

impl<T: Resource> Cache for Store<T> {
    fn version(&self) -> u64 {
        Store::version(self)
    }

    fn state(&self, key: &ObjectKey) -> Option<(String, bool)> {
        let object = self.get(key)?;
        let metadata = object.metadata();
        Some((metadata.uid.clone(), metadata.deletion_timestamp.is_some()))
    }
}

#[derive(Default)]
struct Promises {
    open: HashMap<ObjectKey, (Vec<Promise>, Instant)>,
}

/// Runs one controller.
pub struct Driver<C> {
    name: &'static str,
    controller: Arc<C>,
    queue: Queue<ObjectKey>,
    executor: Executor,
    caches: HashMap<Kind, Arc<dyn Cache>>,
    workers: usize,
    promises: Mutex<Promises>,
}

impl<C> std::fmt::Debug for Driver<C> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Driver")
            .field("name", &self.name)
            .field("workers", &self.workers)
            .finish_non_exhaustive()
    }
}

impl<C: Controller> Driver<C> {
    /// With upstream's default of five workers.
    pub fn new(name: &'static str, controller: C, queue: Queue<ObjectKey>, executor: Executor) -> Driver<C> {
        Driver {
            name,
            controller: Arc::new(controller),
            queue,
            executor,
            caches: HashMap::new(),
            workers: 5,
            promises: Mutex::default(),
        }
    }

    /// Keys handled at once.
    pub fn workers(mut self, workers: usize) -> Driver<C> {
        self.workers = workers.max(1);
        self
    }

    /// Own writes of this kind are waited for in `store` before a key is planned again.
    pub fn waits_for<T: Resource>(mut self, store: &Store<T>) -> Driver<C> {
        self.caches.insert(Kind::of::<T>(), Arc::new(store.clone()));
        self
    }

    /// Works until `shutdown`; plans under way are finished.
    pub async fn run(self, shutdown: Shutdown) {
        let driver = Arc::new(self);
        let workers: Vec<_> = (0..driver.workers)
            .map(|_| {
                let (driver, shutdown) = (Arc::clone(&driver), shutdown.clone());
                tokio::spawn(async move {
                    // Waiting for a key is safe to drop; handling one is not interrupted.
                    while let Some(Some(key)) = shutdown.run_until(driver.queue.get()).await {
                        // A panic is a bug in the plan of one key; the others must not wait for ever.
                        if AssertUnwindSafe(driver.handle(&key)).catch_unwind().await.is_err() {
                            tracing::error!(controller = driver.name, %key, "planning panicked, trying again");
                            driver.queue.add_rate_limited(key.clone());
                        }
                        driver.queue.done(&key);
                    }
                })
            })
            .collect();
        shutdown.wait().await;
        driver.queue.close();
        for worker in workers {
            if let Err(error) = worker.await {
                tracing::error!(controller = driver.name, %error, "worker died");
            }
        }
    }

    async fn handle(&self, key: &ObjectKey) {
        if !self.caches_show_own_writes(key) {
            self.queue.add_after(key.clone(), BEHIND_DELAY);
            return;
        }
        let Some(inputs) = self.controller.gather(key) else {
            self.queue.forget(key);
            return;
        };
        let now = Timestamp::now();
        let plan = C::plan(&inputs, now);
        let requeue_after = plan.requeue_after;
        self.executor.say(plan.notes);
        let mut executed = self.executor.run(plan.stages).await;
        let conclusion = C::conclude(&inputs, &executed.outcome, now);
        if !conclusion.is_empty() && !executed.conflict {
            let later = self.executor.run(vec![conclusion]).await;
            executed.merge(later);
        }
        self.remember(key, executed.promises);
        if executed.conflict {
            tracing::debug!(controller = self.name, %key, "object changed meanwhile, planning again");
            self.queue.add_rate_limited(key.clone());
            return;
        }
        if let Some(error) = executed.error {
            let failures = self.queue.failures(key);
            let error = component_base::run::error_chain(&error);
            if C::MAX_FAILURES.is_some_and(|limit| failures >= limit) {
                tracing::warn!(controller = self.name, %key, failures, error, "giving up until the next event");
                self.queue.forget(key);
            } else {
                tracing::info!(controller = self.name, %key, failures, error, "not done, trying again");
                self.queue.add_rate_limited(key.clone());
            }
            return;
        }
        self.queue.forget(key);
        if let Some(delay) = requeue_after {
            self.queue.add_after(key.clone(), delay);
        }
    }

    fn remember(&self, key: &ObjectKey, promises: Vec<Promise>) {
        // Only what a cache can show; of several versions of a kind the newest says it all.
        let mut kept: Vec<Promise> = Vec::new();
        for promise in promises {
            match (&promise, kept.iter_mut().find(|known| same_kind(known, &promise))) {
                (Promise::Version(_, new), Some(Promise::Version(_, known))) => *known = (*known).max(*new),
                (Promise::Version(kind, _) | Promise::Gone(kind, ..), _)
                    if self.caches.contains_key(kind) =>
                {
                    kept.push(promise);
                }
                _ => {}
            }
        }
        if !kept.is_empty() {
            self.promises.lock().open.insert(key.clone(), (kept, Instant::now()));
        }
    }

    fn caches_show_own_writes(&self, key: &ObjectKey) -> bool {
        let mut promises = self.promises.lock();
        let Some((open, since)) = promises.open.get_mut(key) else { return true };
        open.retain(|promise| !self.is_kept(promise));
        if open.is_empty() {
            promises.open.remove(key);
            return true;
        }
        if since.elapsed() > PROMISE_TIMEOUT {
            tracing::warn!(controller = self.name, %key, ?open, "caches never showed own writes, planning anyway");
            promises.open.remove(key);
            return true;
        }
        false
    }

    fn is_kept(&self, promise: &Promise) -> bool {
        match promise {
            Promise::Version(kind, version) => {
                self.caches.get(kind).is_none_or(|cache| cache.version() >= *version)
            }
            Promise::Gone(kind, key, uid) => self.caches.get(kind).is_none_or(|cache| {
                cache.state(key).is_none_or(|(found, going)| going || !uid.is_empty() && found != *uid)
            }),
        }
    }
}

fn same_kind(known: &Promise, new: &Promise) -> bool {
    matches!((known, new), (Promise::Version(known, _), Promise::Version(new, _)) if known == new)
}

/// Puts the keys `keys_of` finds for each change of `store` into `queue`.
pub fn enqueue<T: Resource>(
    store: &Store<T>,
    queue: &Queue<ObjectKey>,
    keys_of: impl Fn(&Event<T>) -> Vec<ObjectKey> + Send + Sync + 'static,
) {
    let queue = queue.clone();
    store.subscribe(move |event| {
        for key in keys_of(event) {
            queue.add(key);
        }
    });
}

/// Puts the key of each changed object into `queue`.
pub fn enqueue_self<T: Resource>(store: &Store<T>, queue: &Queue<ObjectKey>) {
    enqueue(store, queue, |event| vec![ObjectKey::of(event.object().metadata())]);
}

/// The key of the controlling owner of kind `owner`, before and after the change.
pub fn controller_keys<T: Resource>(event: &Event<T>, owner: Kind) -> Vec<ObjectKey> {
    let mut keys: Vec<ObjectKey> = Vec::new();
    for object in event.old().into_iter().chain([event.object()]) {
        let metadata = object.metadata();
        let group = |api_version: &str| api_version.split_once('/').map_or("", |(group, _)| group).to_owned();
        let found = metadata.owner_references.iter().find(|reference| {
            reference.controller == Some(true)
                && reference.kind == owner.kind
                && group(&reference.api_version) == owner.group
        });
        if let Some(reference) = found {
            let namespace = if owner.namespaced { metadata.namespace.as_str() } else { "" };
            let key = ObjectKey::new(namespace, &reference.name);
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use api_types::core::v1::ConfigMap;
    use client::fake::{Answer, FakeServer};
    use component_base::metrics::Metrics;
    use http::Method;

    use super::*;
    use crate::events::Recorder;
    use crate::plan::Note;

    /// Wants one child config map `<name>-child` for each config map without that ending.
    struct Children {
        objects: Store<ConfigMap>,
    }

    impl Controller for Children {
        type Inputs = (Arc<ConfigMap>, bool);

        fn gather(&self, key: &ObjectKey) -> Option<Self::Inputs> {
            let object = self.objects.get(key).filter(|_| !key.name().ends_with("-child"))?;
            let child = ObjectKey::new(key.namespace(), &format!("{}-child", key.name()));
            Some((object, self.objects.get(&child).is_some()))
        }

        fn plan((object, has_child): &Self::Inputs, _: Timestamp) -> Plan {
            if *has_child {
                return Plan::nothing();
            }
            let child = named(&format!("{}-child", object.metadata().name), "");
            let note = Note::normal(crate::plan::reference_to(object.as_ref()), "Created", "made ");
            Plan::of(vec![Action::create(child).on_success(note)])
        }
    }

    fn named(name: &str, version: &str) -> ConfigMap {
        let mut object = ConfigMap::default();
        let metadata = object.metadata_mut();
        (metadata.namespace, metadata.name, metadata.resource_version) =
            ("d".into(), name.into(), version.into());
        object
    }

    struct World {
        server: FakeServer,
        store: Store<ConfigMap>,
        queue: Queue<ObjectKey>,
        shutdown: Shutdown,
    }

    const PATH: &str = "/api/v1/namespaces/d/configmaps";

    async fn world(answers: Vec<Answer>) -> World {
        let server = FakeServer::start().await.expect("server");
        for answer in answers {
            server.on(Method::POST, PATH, answer);
        }
        let (metrics, shutdown, store) =
            (Metrics::new(), Shutdown::new(), Store::with_objects([named("a", "1")]));
        let queue = Queue::new("test", &metrics);
        let client = server.client().expect("client");
        let executor = Executor::new("test", client, Recorder::discarding(), &metrics);
        let driver = Driver::new("test", Children { objects: store.clone() }, queue.clone(), executor)
            .waits_for(&store);
        enqueue_self(&store, &queue);
        tokio::spawn(driver.run(shutdown.clone()));
        World { server, store, queue, shutdown }
    }

    async fn until(what: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !what() {
            assert!(Instant::now() < deadline, "condition was not met in time");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    #[tokio::test]
    async fn own_writes_are_waited_for() {
        let world = world(vec![Answer::object(&named("a-child", "5"))]).await;
        until(|| world.server.received().len() == 1).await;
        // The cache is behind: looking again must not create again.
        for _ in 0..20 {
            world.queue.add(ObjectKey::new("d", "a"));
            tokio::task::yield_now().await;
        }
        until(|| world.queue.is_empty()).await;
        assert_eq!(world.server.received().len(), 1);
        world.store.apply(named("a-child", "5"));
        world.queue.add(ObjectKey::new("d", "a"));
        until(|| world.queue.is_empty()).await;
        assert_eq!(world.server.received().len(), 1);
        world.shutdown.trigger();
    }

    #[tokio::test]
    async fn failures_are_tried_again() {
        let refused = machinery::status::StatusError::internal_error("try later");
        let answers =
            vec![Answer::status(&refused), Answer::status(&refused), Answer::object(&named("a-child", "5"))];
        let world = world(answers).await;
        until(|| world.server.received().len() == 3).await;
        world.shutdown.trigger();
    }

    #[test]
    fn owners_before_and_after_are_found() {
        let owned = |owner: &str| {
            let mut object = named("x", "1");
            object.metadata_mut().owner_references = vec![machinery::meta::v1::OwnerReference {
                api_version: "apps/v1".into(),
                kind: "ReplicaSet".into(),
                name: owner.into(),
                controller: Some(true),
                ..Default::default()
            }];
            Arc::new(object)
        };
        let kind = Kind::of::<api_types::apps::v1::ReplicaSet>();
        let event = Event::Updated { old: owned("one"), new: owned("two") };
        assert_eq!(controller_keys(&event, kind), [ObjectKey::new("d", "one"), ObjectKey::new("d", "two")]);
        assert!(controller_keys(&event, Kind::of::<api_types::apps::v1::Deployment>()).is_empty());
    }
}
