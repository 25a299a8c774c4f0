//! What every controller is started with.

use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::Arc;

use api_types::core::v1::{Node, Pod};
use client::Client;
use component_base::Shutdown;
use component_base::metrics::Metrics;
use runtime::events::Recorder;
use runtime::{Controller, Driver, Executor, Informer, Informers, ObjectKey, Queue, Store};

use crate::clients::Clients;
use crate::controllers::Entry;
use crate::options::Options;
use crate::ownership::{BY_OWNER_OR_ORPHAN, owner_or_orphan};

/// Index of pods by the name of their node.
pub(crate) const BY_NODE: &str = "node";

/// A controller at work; it ends when leadership ends.
pub(crate) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Shared by all controllers of one term of leadership.
pub(crate) struct Context {
    /// The command line.
    pub options: Arc<Options>,
    /// The shared caches; filled with the program's own rights.
    pub informers: Informers,
    /// Where metrics are registered.
    pub metrics: Metrics,
    /// Triggered when leadership ends.
    pub shutdown: Shutdown,
    clients: Clients,
}

impl Context {
    pub(crate) fn new(
        options: Arc<Options>,
        clients: Clients,
        metrics: Metrics,
        shutdown: Shutdown,
    ) -> Context {
        let informers = Informers::new(clients.root().clone());
        Context { options, informers, metrics, shutdown, clients }
    }

    /// The client of a controller, under its own service account.
    pub(crate) fn client(&self, entry: &Entry) -> Result<Client, client::Error> {
        self.clients.of(entry.service_account)
    }

    /// The client with the program's own rights.
    pub(crate) fn root_client(&self) -> &Client {
        self.clients.root()
    }

    /// The cache of pods, trimmed to what controllers read and indexed by owner.
    pub(crate) fn pods(&self) -> Store<Pod> {
        let informer = Informer::new(self.informers.client().all::<Pod>())
            .with_transform(crate::pods::trim)
            .with_index(BY_OWNER_OR_ORPHAN, owner_or_orphan)
            .with_index(BY_NODE, |pod| vec![pod.spec.node_name.clone()]);
        self.informers.register(informer)
    }

    /// The cache of nodes, without their lists of images and volumes.
    pub(crate) fn nodes(&self) -> Store<Node> {
        let informer = Informer::new(self.informers.client().all::<Node>()).with_transform(|node| {
            node.metadata.managed_fields = Vec::new();
            node.status.images = Vec::new();
            node.status.volumes_in_use = Vec::new();
            node.status.volumes_attached = Vec::new();
        });
        self.informers.register(informer)
    }

    /// An event recorder; `component` is what upstream's events name as source.
    pub(crate) fn recorder(&self, client: Client, component: &str) -> Recorder {
        Recorder::start(client, component, "", &self.shutdown)
    }

    /// A queue; `name` is the label upstream's metrics carry.
    pub(crate) fn queue<K: Clone + Eq + Hash + Send + 'static>(&self, name: &str) -> Queue<K> {
        Queue::new(name, &self.metrics)
    }

    /// The driver of a controller, to be completed with the caches it waits for.
    pub(crate) fn driver<C: Controller>(
        &self,
        entry: &Entry,
        controller: C,
        queue: Queue<ObjectKey>,
    ) -> Result<Driver<C>, client::Error> {
        let client = self.client(entry)?;
        let recorder = self.recorder(client.clone(), entry.event_source);
        let executor = Executor::new(entry.name, client, recorder, &self.metrics);
        Ok(Driver::new(entry.name, controller, queue, executor))
    }

    /// The task of a driver.
    pub(crate) fn task<C: Controller>(&self, driver: Driver<C>) -> Task {
        Box::pin(driver.run(self.shutdown.clone()))
    }
}
