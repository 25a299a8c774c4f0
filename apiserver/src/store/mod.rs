//! The generic store: typed objects over the watch cache and the storage, with the rules of their resource.
//!
//! ```text
//! endpoints ──► create / update / delete ──► strategy (prepare, validate) ──► validating admission ──► storage
//!           └─► cacher (get, list, watch) on encoded bytes
//! ```
//!
//! One [`Store`] serves all versions of a resource; objects here are always of the stored version.

mod codec;
mod create;
mod delete;
mod errors;
mod indexer;
mod json_form;
mod measured;
mod metadata;
mod objects;
mod update;

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use apiserver_registry::{ErasedStrategy, WriteHooks};
use apiserver_storage::cacher::CachedObject;
use apiserver_storage::{Cacher, CacherOptions, Freshness, KeyValue, Revision, Storage};
use bytes::Bytes;
use machinery::object::Object;
use machinery::status::StatusError;
use machinery::{GroupKind, GroupResource};

pub use codec::{BuiltinCodec, StoredCodec};
pub use create::{CreateValidation, NoValidation};
pub use delete::{DeleteOutcome, DeleteValidation};
pub use errors::status_of;
pub use indexer::StrategyIndexer;
pub use measured::StorageMetrics;
pub use metadata::{ensure_namespace, generate_name, wipe_system_fields};
pub use objects::{StoreObjects, Stores};
pub use update::{Change, UpdateRules, Updated};

/// What a write may know of its request.
#[derive(Clone)]
pub struct WriteContext {
    /// What strategies see.
    pub rules: apiserver_registry::Context,
    /// Where warnings for the client go.
    pub notes: Arc<dyn apiserver_admission::Notes>,
    /// The resource as the request calls it, for errors; versions of one store may be of different groups.
    resource: Option<GroupResource>,
}

impl WriteContext {
    /// The context of a write that is not about a particular version.
    pub fn new(
        rules: apiserver_registry::Context,
        notes: Arc<dyn apiserver_admission::Notes>,
    ) -> WriteContext {
        WriteContext { rules, notes, resource: None }
    }

    /// The same with errors that name this resource.
    pub fn about(self, resource: GroupResource) -> WriteContext {
        WriteContext { resource: Some(resource), ..self }
    }

    fn resource<'a>(&'a self, store: &'a Store) -> &'a GroupResource {
        self.resource.as_ref().unwrap_or(&store.options.resource)
    }
}

/// A strategy that lives as long as the program (built-in kinds) or as its definition (custom resources).
#[derive(Clone)]
pub enum Rules {
    /// Of a row of the table.
    Builtin(&'static dyn ErasedStrategy),
    /// Made at run time.
    Custom(Arc<dyn ErasedStrategy>),
}

impl Deref for Rules {
    type Target = dyn ErasedStrategy;

    fn deref(&self) -> &Self::Target {
        match self {
            Rules::Builtin(strategy) => *strategy,
            Rules::Custom(strategy) => &**strategy,
        }
    }
}

/// Everything a store is made of.
pub struct StoreOptions {
    /// Group and plural name, as errors print them.
    pub resource: GroupResource,
    /// Group and kind, as validation errors print them.
    pub kind: GroupKind,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// Key prefix with a `/` at the end, e.g. `/registry/pods/`.
    pub prefix: String,
    /// Where the bytes are.
    pub storage: Arc<dyn Storage>,
    /// How objects become bytes.
    pub codec: Arc<dyn StoredCodec>,
    /// The rules of the resource.
    pub rules: Rules,
    /// Work around writes that needs state outside the object.
    pub hooks: Option<Arc<dyn WriteHooks>>,
    /// How long objects live, when it is not what the rules say (`--event-ttl`).
    pub time_to_live: Option<Duration>,
}

/// The objects of one resource.
pub struct Store {
    options: StoreOptions,
    cacher: Cacher,
    /// Names of the selectable fields, in the order of the cached summaries.
    field_names: Vec<String>,
}

/// An object with the bytes it is stored as.
#[derive(Clone)]
pub struct Stored {
    /// The object, `metadata.resourceVersion` set.
    pub object: Box<dyn Object>,
    /// Its stored form with the resourceVersion spliced in; on dry run what would be stored.
    pub value: Bytes,
    /// Its revision; 0 for an object that a dry run would have created.
    pub revision: Revision,
    /// True when it must be written again even if nothing changes.
    pub stale: bool,
}

impl Store {
    /// Starts the watch cache of the resource.
    pub fn start(options: StoreOptions) -> Arc<Store> {
        let field_names: Vec<String> =
            options.rules.selectable_names().into_iter().map(|name| name.into_owned()).collect();
        let indexer = StrategyIndexer::new(options.codec.clone(), options.rules.clone(), field_names.clone());
        let cacher = Cacher::start(CacherOptions {
            storage: options.storage.clone(),
            prefix: options.prefix.clone(),
            indexer: Arc::new(indexer),
        });
        Arc::new(Store { options, cacher, field_names })
    }

    /// The watch cache, for reads.
    pub fn cacher(&self) -> &Cacher {
        &self.cacher
    }

    /// The rules of the resource.
    pub fn rules(&self) -> &Rules {
        &self.options.rules
    }

    /// Group and plural name.
    pub fn resource(&self) -> &GroupResource {
        &self.options.resource
    }

    /// Group and kind.
    pub fn kind(&self) -> &GroupKind {
        &self.options.kind
    }

    /// Whether objects live in namespaces.
    pub fn namespaced(&self) -> bool {
        self.options.namespaced
    }

    /// Selectable fields beyond name and namespace, in the order of the cached summaries.
    pub fn field_names(&self) -> &[String] {
        &self.field_names
    }

    /// How objects become bytes.
    pub fn codec(&self) -> &dyn StoredCodec {
        &*self.options.codec
    }

    /// `namespace/name`, or `name` for cluster-scoped resources.
    pub fn path(&self, namespace: &str, name: &str) -> String {
        if self.options.namespaced { format!("{namespace}/{name}") } else { name.to_owned() }
    }

    fn key(&self, namespace: &str, name: &str) -> String {
        format!("{}{}", self.options.prefix, self.path(namespace, name))
    }

    /// One object from the watch cache.
    pub async fn get(
        &self,
        namespace: &str,
        name: &str,
        freshness: Freshness,
    ) -> Result<Arc<CachedObject>, StatusError> {
        self.get_as(&self.options.resource, namespace, name, freshness).await
    }

    /// One object from the watch cache, with errors that name `resource`.
    pub async fn get_as(
        &self,
        resource: &GroupResource,
        namespace: &str,
        name: &str,
        freshness: Freshness,
    ) -> Result<Arc<CachedObject>, StatusError> {
        let found = self.cacher.get(&self.path(namespace, name), freshness).await;
        found
            .map_err(|error| status_of(&error, resource, name))?
            .ok_or_else(|| StatusError::not_found(resource, name))
    }

    /// One object from the store itself.
    pub async fn get_live(&self, namespace: &str, name: &str) -> Result<Option<Stored>, StatusError> {
        let found = self.options.storage.get(&self.key(namespace, name)).await;
        let (found, _) = found.map_err(|error| status_of(&error, &self.options.resource, name))?;
        found.map(|pair| self.stored(pair)).transpose()
    }

    /// The typed form of a cached object.
    pub fn decode_cached(&self, cached: &CachedObject) -> Result<Stored, StatusError> {
        self.decode_value(cached.value().clone(), cached.revision(), cached.is_stale())
    }

    fn stored(&self, pair: KeyValue) -> Result<Stored, StatusError> {
        let value = apiserver_storage::revision_splice::with_resource_version(
            &pair.value,
            &pair.revision.to_string(),
        )
        .map_err(StatusError::internal_error)?;
        self.decode_value(Bytes::from(value), pair.revision, pair.stale)
    }

    fn decode_value(&self, value: Bytes, revision: Revision, stale: bool) -> Result<Stored, StatusError> {
        let mut object = self.options.codec.decode(&value).map_err(StatusError::internal_error)?;
        self.options.rules.default(object.as_mut());
        Ok(Stored { object, value, revision, stale })
    }

    /// The bytes to store: the object without resourceVersion and self link. What strategies have cleared gets its
    /// defaults here, as every reader would give them.
    fn encode(&self, object: &mut dyn Object) -> Bytes {
        self.options.rules.default(object);
        let meta = object.meta_mut();
        meta.resource_version.clear();
        meta.self_link.clear();
        self.options.codec.encode(object)
    }

    /// The outcome of a write: the object under its new revision. Revision 0 (dry run) leaves it without one.
    fn written(
        &self,
        mut object: Box<dyn Object>,
        bytes: Bytes,
        revision: Revision,
    ) -> Result<Stored, StatusError> {
        if revision == 0 {
            return Ok(Stored { object, value: bytes, revision, stale: false });
        }
        let text = revision.to_string();
        let value = apiserver_storage::revision_splice::with_resource_version(&bytes, &text)
            .map_err(StatusError::internal_error)?;
        object.meta_mut().resource_version = text;
        Ok(Stored { object, value: Bytes::from(value), revision, stale: false })
    }

    fn time_to_live(&self) -> Option<Duration> {
        self.options
            .time_to_live
            .or_else(|| self.options.rules.time_to_live_seconds().map(Duration::from_secs))
    }
}
