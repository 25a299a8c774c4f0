//! Custom resources: definitions are followed, named, and served like built-in resources.
//!
//! ```text
//! definitions ──► names, conditions ──► compiled ──► store, versions ──► resources, discovery, OpenAPI
//!                                                └─► being deleted: instances go, then the finalizer
//! ```

pub mod catalog;
pub mod codec;
pub mod document;
pub mod lifecycle;

use std::collections::BTreeMap;
use std::sync::Arc;

use api_types::apiextensions::v1::CustomResourceDefinition;
use apiserver_registry::apiextensions::customresourcedefinitions::conditions::{
    ESTABLISHED, Taken, accept_names, is_true,
};
use apiserver_registry::custom::{CUSTOM_SCALING, CustomKind, CustomStrategy, CustomVersion, STATUS_VIEW};
use apiserver_registry::{Subresource, SubresourceKind};
use apiserver_storage::Storage;
use component_base::Shutdown;
use machinery::status::StatusError;
use parking_lot::Mutex;
use tokio::sync::Notify;

use self::codec::{CustomServed, CustomStored};
use crate::discovery::Discovery;
use crate::discovery::catalog::Catalog;
use crate::endpoints::{Describe, Resources, ServedResource};
use crate::store::{Rules, Store, StoreOptions};
use crate::system::follow::{Index, follow};
use crate::system::typed::Typed;

/// What one can do with objects, in upstream's order.
pub const VERBS: [&str; 8] =
    ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];

/// The storage of a resource by group and plural name.
pub type MakeStorage = Box<dyn Fn(&str, &str) -> Arc<dyn Storage> + Send + Sync>;

/// What serving is made of.
pub struct Means {
    /// Where served resources are put.
    pub resources: Arc<Resources>,
    /// Where they are shown.
    pub discovery: Arc<Discovery>,
    /// What is shown without custom resources.
    pub builtin: Catalog,
    /// The definitions.
    pub typed: Typed,
    /// Where objects are.
    pub storage: MakeStorage,
    /// Root of all keys, without a slash at the end.
    pub root: String,
    /// Documentation of the fields that all objects have.
    pub describe: Describe,
}

/// A definition that is served.
struct Served {
    /// What it was compiled from.
    definition: CustomResourceDefinition,
    kind: Arc<CustomKind>,
    store: Arc<Store>,
    /// Nothing new is taken in any more.
    terminating: bool,
}

/// Follows the definitions.
pub struct CustomResources {
    means: Means,
    definitions: Mutex<BTreeMap<String, CustomResourceDefinition>>,
    served: Mutex<BTreeMap<String, Served>>,
    changed: Notify,
}

impl Index<CustomResourceDefinition> for CustomResources {
    fn put(&self, definition: &CustomResourceDefinition) {
        self.definitions.lock().insert(definition.metadata.name.clone(), definition.clone());
        self.changed.notify_one();
    }

    fn remove(&self, _namespace: &str, name: &str) {
        self.definitions.lock().remove(name);
        self.changed.notify_one();
    }
}

/// Starts to serve what is defined. Nothing happens when definitions themselves are not served.
pub fn start(means: Means, loops: &Shutdown) {
    if !means.typed.serves::<CustomResourceDefinition>() {
        return;
    }
    let typed = means.typed.clone();
    let custom = Arc::new(CustomResources {
        means,
        definitions: Mutex::default(),
        served: Mutex::default(),
        changed: Notify::new(),
    });
    follow::<CustomResourceDefinition>(&typed, custom.clone(), loops);
    let ending = loops.clone();
    tokio::spawn(async move { ending.run_until(custom.run()).await });
}

impl CustomResources {
    async fn run(self: Arc<Self>) {
        let mut failed = false;
        loop {
            if failed {
                // What failed is tried again, also when nothing changes.
                let pause = tokio::time::sleep(lifecycle::RETRY);
                tokio::select! { () = self.changed.notified() => {}, () = pause => {} }
            } else {
                self.changed.notified().await;
            }
            failed = false;
            let definitions = self.definitions.lock().clone();
            for definition in definitions.values() {
                if let Err(error) = self.settle_names(definition, &definitions).await {
                    let name = &definition.metadata.name;
                    tracing::warn!(definition = name, %error, "names and conditions cannot be written");
                    failed = true;
                }
            }
            self.serve(&definitions);
            for definition in definitions.values().filter(|it| it.metadata.deletion_timestamp.is_some()) {
                let name = &definition.metadata.name;
                match self.clean_up(definition).await {
                    Ok(done) => failed |= !done,
                    Err(error) => {
                        tracing::warn!(definition = name, %error, "instances cannot be removed yet");
                        failed = true;
                    }
                }
            }
        }
    }

    /// Writes accepted names and conditions, when they are not there yet.
    async fn settle_names(
        &self,
        definition: &CustomResourceDefinition,
        all: &BTreeMap<String, CustomResourceDefinition>,
    ) -> Result<(), StatusError> {
        let name = definition.metadata.name.as_str();
        if definition.metadata.deletion_timestamp.is_some() {
            return Ok(());
        }
        let taken = Taken::of(all.values(), &definition.spec.group, name);
        let now = jiff::Timestamp::now();
        let mut wanted = definition.clone();
        accept_names(&mut wanted, &taken, now);
        if wanted.status == definition.status {
            return Ok(());
        }
        let change = |current: &mut CustomResourceDefinition| accept_names(current, &taken, now);
        match self.means.typed.update_status::<CustomResourceDefinition>("", name, change).await {
            Err(error) if error.is_not_found() => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// Makes what is served that which is established.
    fn serve(&self, definitions: &BTreeMap<String, CustomResourceDefinition>) {
        let mut served = self.served.lock();
        let mut changed = false;
        let established =
            |name: &str| definitions.get(name).is_some_and(|definition| is_true(definition, ESTABLISHED));
        let gone: Vec<String> = served.keys().filter(|name| !established(name)).cloned().collect();
        for gone in gone.iter().filter_map(|name| served.remove(name)) {
            self.withdraw(&gone.kind);
            changed = true;
        }
        for definition in definitions.values().filter(|definition| is_true(definition, ESTABLISHED)) {
            let name = &definition.metadata.name;
            let terminating = definition.metadata.deletion_timestamp.is_some();
            let before = served.get(name);
            let same = before.is_some_and(|before| {
                before.definition.spec == definition.spec
                    && before.definition.status.accepted_names == definition.status.accepted_names
                    && before.definition.metadata.uid == definition.metadata.uid
            });
            if same && before.is_some_and(|before| before.terminating == terminating) {
                continue;
            }
            let kind = match CustomKind::compile(definition) {
                Ok(kind) => Arc::new(kind),
                Err(error) => {
                    tracing::warn!(definition = name, error, "a definition cannot be served");
                    continue;
                }
            };
            // A store belongs to one form of the definition; watches of an older one end with it.
            let store = match before.filter(|_| same) {
                Some(before) => before.store.clone(),
                None => self.store(&kind),
            };
            if let Some(before) = before {
                self.withdraw(&before.kind);
            }
            self.publish(&kind, &store, terminating);
            served.insert(name.clone(), Served { definition: definition.clone(), kind, store, terminating });
            changed = true;
        }
        if changed {
            let mut catalog = self.means.builtin.clone();
            for served in served.values() {
                catalog::add(&mut catalog, &served.kind, served.terminating);
            }
            catalog.sort();
            self.means.discovery.replace(catalog);
        }
    }

    fn store(&self, kind: &Arc<CustomKind>) -> Arc<Store> {
        let (group, plural) = (kind.group.as_str(), kind.names.plural.as_str());
        Store::start(StoreOptions {
            resource: kind.resource(),
            kind: kind.group_kind(),
            namespaced: kind.namespaced,
            prefix: format!("{}/{group}/{plural}/", self.means.root),
            storage: (self.means.storage)(group, plural),
            codec: Arc::new(CustomStored { kind: kind.clone() }),
            rules: Rules::Custom(Arc::new(CustomStrategy { kind: kind.clone() })),
            hooks: None,
            time_to_live: None,
        })
    }

    fn withdraw(&self, kind: &CustomKind) {
        for version in &kind.versions {
            self.means.resources.remove(&machinery::GroupVersionResource::new(
                kind.group.clone(),
                version.name.clone(),
                kind.names.plural.clone(),
            ));
        }
    }

    fn publish(&self, kind: &Arc<CustomKind>, store: &Arc<Store>, terminating: bool) {
        for (index, version) in (1u32..).zip(kind.versions.iter().filter(|version| version.served)) {
            let is_storage = Arc::ptr_eq(version, &kind.storage);
            self.means.resources.insert(ServedResource {
                resource: machinery::GroupVersionResource::new(
                    kind.group.clone(),
                    version.name.clone(),
                    kind.names.plural.clone(),
                ),
                kind: version.kind.clone(),
                list_kind: kind.names.list_kind.clone(),
                api_version: version.api_version.clone(),
                namespaced: kind.namespaced,
                verbs: verbs(terminating),
                codec: Arc::new(CustomServed { kind: kind.clone(), version: version.clone() }),
                store: Some(store.clone()),
                version_index: if is_storage { 0 } else { index },
                entry: None,
                custom: Some(version.clone()),
                subresources: subresources(version),
                describe: self.means.describe,
            });
        }
    }
}

/// What one can do; nothing is created while the definition goes away.
pub fn verbs(terminating: bool) -> Vec<String> {
    let verbs = VERBS.iter().filter(|verb| !(terminating && **verb == "create"));
    verbs.map(|verb| (*verb).to_owned()).collect()
}

fn subresources(version: &CustomVersion) -> Vec<Subresource> {
    let status = version
        .has_status
        .then_some(Subresource { name: "status", kind: SubresourceKind::View(&STATUS_VIEW) });
    let scale = version
        .scale
        .as_ref()
        .map(|_| Subresource { name: "scale", kind: SubresourceKind::Scale(&CUSTOM_SCALING) });
    status.into_iter().chain(scale).collect()
}
