//! One cache per kind, shared by everyone in a process.

use std::any::{Any, TypeId};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use client::{Api, Client, ListParams};
use component_base::Shutdown;
use hashbrown::HashMap;
use machinery::Resource;
use parking_lot::Mutex;

use crate::reflector::{self, Transform};
use crate::store::{IndexFunction, Store};

/// What to keep of one kind, and how.
pub struct Informer<T> {
    api: Api<T>,
    params: ListParams,
    transform: Transform<T>,
    store: Store<T>,
}

impl<T: Resource> Informer<T> {
    /// All objects of `api`, without managed fields, indexed by namespace.
    pub fn new(api: Api<T>) -> Informer<T> {
        let store = Store::new();
        store.add_index(crate::store::BY_NAMESPACE, crate::store::namespace_of);
        Informer { api, params: ListParams::default(), transform: reflector::drop_managed_fields, store }
    }

    /// Only the objects these parameters select.
    pub fn select(mut self, params: ListParams) -> Informer<T> {
        self.params = params;
        self
    }

    /// Keeps only what `transform` leaves; it replaces the dropping of managed fields.
    pub fn with_transform(mut self, transform: Transform<T>) -> Informer<T> {
        self.transform = transform;
        self
    }

    /// Adds an index.
    pub fn with_index(self, name: &'static str, function: IndexFunction<T>) -> Informer<T> {
        self.store.add_index(name, function);
        self
    }

    /// The cache, empty until the informer was started.
    pub fn store(&self) -> Store<T> {
        self.store.clone()
    }

    /// Starts following and returns the cache. Must be called inside a tokio runtime.
    pub fn start(self, shutdown: &Shutdown) -> Store<T> {
        let store = self.store.clone();
        tokio::spawn(self.run(shutdown.clone()));
        store
    }

    async fn run(self, shutdown: Shutdown) {
        reflector::run(self.api, self.params, self.store, self.transform, shutdown).await;
    }
}

type Start = Box<dyn FnOnce(Shutdown) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;
type Synced = Box<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;
type IsSynced = Box<dyn Fn() -> bool + Send>;

#[derive(Default)]
struct Registered {
    /// `Store<T>` by the type id of `T`.
    stores: HashMap<TypeId, Box<dyn Any + Send>>,
    waiting: Vec<Start>,
    synced: Vec<(&'static str, Synced, IsSynced)>,
    started: Option<Shutdown>,
}

impl Registered {
    fn add<T: Resource>(&mut self, informer: Informer<T>) -> Store<T> {
        let store = informer.store();
        let (waiter, checker) = (store.clone(), store.clone());
        self.synced.push((
            T::KIND,
            Box::new(move || {
                let waiter = waiter.clone();
                Box::pin(async move { waiter.synced().await })
            }),
            Box::new(move || checker.is_synced()),
        ));
        match &self.started {
            Some(shutdown) => drop(tokio::spawn(informer.run(shutdown.clone()))),
            None => self.waiting.push(Box::new(move |shutdown| Box::pin(informer.run(shutdown)))),
        }
        store
    }
}

/// The caches of a process, made on demand; clones share them.
#[derive(Clone)]
pub struct Informers {
    client: Client,
    registered: Arc<Mutex<Registered>>,
}

impl std::fmt::Debug for Informers {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kinds: Vec<_> = self.registered.lock().synced.iter().map(|(kind, _, _)| *kind).collect();
        formatter.debug_struct("Informers").field("kinds", &kinds).finish()
    }
}

impl Informers {
    /// No caches yet.
    pub fn new(client: Client) -> Informers {
        Informers { client, registered: Arc::default() }
    }

    /// The client the caches are filled with.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Says how a kind is kept, before anyone asks for it; what came first stays.
    pub fn register<T: Resource>(&self, informer: Informer<T>) -> Store<T> {
        let mut registered = self.registered.lock();
        if let Some(store) =
            registered.stores.get(&TypeId::of::<T>()).and_then(|store| store.downcast_ref::<Store<T>>())
        {
            return store.clone();
        }
        let store = registered.add(informer);
        registered.stores.insert(TypeId::of::<T>(), Box::new(store.clone()));
        store
    }

    /// Adds a cache of a selection that its user keeps for itself.
    pub fn private<T: Resource>(&self, informer: Informer<T>) -> Store<T> {
        self.registered.lock().add(informer)
    }

    /// The cache of a kind, over all namespaces. It fills after [`Informers::start`].
    pub fn store<T: Resource>(&self) -> Store<T> {
        self.register(Informer::new(self.client.all::<T>()))
    }

    /// The cache of a kind with an index.
    pub fn indexed<T: Resource>(&self, name: &'static str, function: IndexFunction<T>) -> Store<T> {
        let store = self.store::<T>();
        store.add_index(name, function);
        store
    }

    /// Starts all caches, and those asked for later. Must be called inside a tokio runtime.
    pub fn start(&self, shutdown: &Shutdown) {
        let mut registered = self.registered.lock();
        registered.started = Some(shutdown.clone());
        for start in registered.waiting.drain(..) {
            tokio::spawn(start(shutdown.clone()));
        }
    }

    /// Returns once every cache asked for so far was filled.
    pub async fn synced(&self) {
        let waiting: Vec<_> = self.registered.lock().synced.iter().map(|(_, synced, _)| synced()).collect();
        for synced in waiting {
            synced.await;
        }
    }

    /// The kinds whose cache was not filled yet, for the readiness check.
    pub fn not_synced(&self) -> Vec<&'static str> {
        let registered = self.registered.lock();
        registered.synced.iter().filter(|(_, _, is_synced)| !is_synced()).map(|(kind, _, _)| *kind).collect()
    }
}
