//! Carries decisions about single objects out.

use std::sync::Arc;

use api_types::core::v1::ObjectReference;
use client::{Client, DeleteParams, DynamicResource, Patch, PatchParams};
use component_base::Shutdown;
use machinery::meta::v1::{ObjectMeta, OwnerReference, PartialObjectMetadata};
use parking_lot::{Mutex, RwLock};
use runtime::Queue;
use runtime::events::Recorder;
use serde_json::json;

use super::decide::{Decision, Owner, Policy, decide};
use super::graph::{Dirty, FOREGROUND, Graph, Identity, ORPHAN};

/// Shared by all workers.
#[derive(Clone)]
pub(super) struct Worker {
    pub client: Client,
    pub recorder: Recorder,
    pub graph: Arc<Mutex<Graph>>,
    pub resources: Arc<RwLock<Resources>>,
    pub delete: Queue<String>,
    pub orphan: Queue<String>,
}

/// The resources that are followed.
#[derive(Debug, Default)]
pub(super) struct Resources {
    known: Vec<Arc<DynamicResource>>,
    /// All caches were filled once: decisions may begin.
    open: bool,
    early: Vec<Dirty>,
}

impl Worker {
    /// Takes over what is served.
    pub fn set_resources(&self, known: Vec<Arc<DynamicResource>>) {
        self.resources.write().known = known;
    }

    /// Lets decisions begin.
    pub fn open(&self) {
        let early = {
            let mut resources = self.resources.write();
            resources.open = true;
            std::mem::take(&mut resources.early)
        };
        early.into_iter().for_each(|dirty| self.enqueue(dirty));
    }

    /// Puts nodes into the queues.
    pub fn enqueue(&self, dirty: Dirty) {
        if dirty == Dirty::default() {
            return;
        }
        {
            let mut resources = self.resources.write();
            if !resources.open {
                resources.early.push(dirty);
                return;
            }
        }
        dirty.delete.into_iter().for_each(|uid| self.delete.add(uid));
        dirty.orphan.into_iter().for_each(|uid| self.orphan.add(uid));
    }

    /// Looks at objects that may have to go, until `shutdown`.
    pub async fn deletes(self, shutdown: Shutdown) {
        // Waiting for a key is safe to drop; handling one is not interrupted.
        while let Some(Some(uid)) = shutdown.run_until(self.delete.get()).await {
            let result = self.look_at(&uid).await;
            conclude(&self.delete, &uid, result);
        }
    }

    /// Looks at objects that leave behind what they own, until `shutdown`.
    pub async fn orphans(self, shutdown: Shutdown) {
        // Waiting for a key is safe to drop; handling one is not interrupted.
        while let Some(Some(uid)) = shutdown.run_until(self.orphan.get()).await {
            let result = self.leave_behind(&uid).await;
            conclude(&self.orphan, &uid, result);
        }
    }

    /// The resource of a kind as an owner reference names it.
    fn resource_of(&self, api_version: &str, kind: &str) -> Option<Arc<DynamicResource>> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let resources = self.resources.read();
        let of_kind = || resources.known.iter().filter(|r| r.group == group && r.kind == kind);
        of_kind().find(|r| r.version == version).or_else(|| of_kind().next()).cloned()
    }

    fn api(&self, resource: &DynamicResource, namespace: &str) -> client::Api<PartialObjectMetadata> {
        self.client.metadata(resource, resource.namespaced.then_some(namespace))
    }

    /// The object as the server has it; none when it is gone, or another one has its name.
    async fn live(
        &self,
        identity: &Identity,
    ) -> Result<Option<(Arc<DynamicResource>, ObjectMeta)>, client::Error> {
        let resource =
            identity.resource.clone().or_else(|| self.resource_of(&identity.api_version, &identity.kind));
        let Some(resource) = resource else { return Ok(None) };
        match self.api(&resource, &identity.namespace).get(&identity.name).await {
            Ok(object) if object.metadata.uid == identity.uid => Ok(Some((resource, object.metadata))),
            Ok(_) => Ok(None),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn look_at(&self, uid: &str) -> Result<(), client::Error> {
        let found =
            self.graph.lock().get(uid).map(|node| (node.identity.clone(), node.deleting, node.foreground));
        let Some((identity, deleting, foreground)) = found else { return Ok(()) };
        if deleting && !foreground {
            return Ok(());
        }
        let Some((resource, live)) = self.live(&identity).await? else {
            let dirty = self.graph.lock().remove(uid);
            self.enqueue(dirty);
            return Ok(());
        };
        if live.deletion_timestamp.is_some() {
            if live.finalizers.iter().any(|name| name == FOREGROUND) {
                return self.wait_for_dependents(uid, &resource, &live).await;
            }
            return Ok(());
        }
        let mut owners = Vec::new();
        for reference in &live.owner_references {
            let Some(state) = self.owner(&resource, &live, reference).await? else { return Ok(()) };
            owners.push((reference.clone(), state));
        }
        let (has_dependents, dependents_wait) = {
            let graph = self.graph.lock();
            let dependents = graph.dependents(uid);
            (!dependents.is_empty(), dependents.iter().any(|dependent| dependent.foreground))
        };
        match decide(&live, &owners, has_dependents, dependents_wait) {
            Decision::Keep => Ok(()),
            Decision::Release(gone) => self.release(&resource, &live, &gone).await,
            Decision::Delete { policy, unblock } => {
                if unblock {
                    self.unblock(&resource, &live).await?;
                }
                self.delete(&resource, &live, policy).await
            }
        }
    }

    /// The state of an owner; none when nothing can be said, because its kind is not served.
    async fn owner(
        &self,
        resource: &DynamicResource,
        of: &ObjectMeta,
        reference: &OwnerReference,
    ) -> Result<Option<Owner>, client::Error> {
        let seen = {
            let graph = self.graph.lock();
            graph
                .get(&reference.uid)
                .filter(|node| node.seen)
                .map(|node| (node.foreground, node.identity.clone()))
        };
        if let Some((foreground, identity)) = seen {
            let elsewhere = !identity.namespace.is_empty() && identity.namespace != of.namespace;
            if !elsewhere {
                return Ok(Some(if foreground { Owner::Waiting } else { Owner::Solid }));
            }
            let message = format!(
                "ownerRef {}/{}, name: {}, uid: {} does not exist in namespace {:?}",
                reference.api_version, reference.kind, reference.name, reference.uid, of.namespace
            );
            let about = ObjectReference {
                api_version: resource.api_version(),
                kind: resource.kind.clone(),
                namespace: of.namespace.clone(),
                name: of.name.clone(),
                uid: of.uid.clone(),
                ..ObjectReference::default()
            };
            self.recorder.event(about, "Warning", "OwnerRefInvalidNamespace", &message);
            return Ok(Some(Owner::Absent));
        }
        let Some(kind) = self.resource_of(&reference.api_version, &reference.kind) else {
            tracing::warn!(
                kind = %reference.kind, api_version = %reference.api_version, object = %of.name, namespace = %of.namespace,
                "an owner's kind is not served, so what it owns is left alone"
            );
            return Ok(None);
        };
        if kind.namespaced && of.namespace.is_empty() {
            // A cluster's object cannot be owned by one in a namespace; upstream leaves it alone as well.
            return Ok(None);
        }
        match self.api(&kind, &of.namespace).get(&reference.name).await {
            Ok(owner) if owner.metadata.uid != reference.uid => Ok(Some(Owner::Absent)),
            Ok(owner) => {
                let waiting = owner.metadata.deletion_timestamp.is_some()
                    && owner.metadata.finalizers.iter().any(|name| name == FOREGROUND);
                Ok(Some(if waiting { Owner::Waiting } else { Owner::Solid }))
            }
            Err(error) if error.is_not_found() => Ok(Some(Owner::Absent)),
            Err(error) => Err(error),
        }
    }

    /// An object that goes after what it owns: it goes when nothing that blocks is left.
    async fn wait_for_dependents(
        &self,
        uid: &str,
        resource: &DynamicResource,
        live: &ObjectMeta,
    ) -> Result<(), client::Error> {
        let blocking: Vec<String> = {
            let graph = self.graph.lock();
            let blocks = |owners: &[OwnerReference]| {
                owners.iter().any(|owner| owner.uid == uid && owner.block_owner_deletion == Some(true))
            };
            let dependents = graph.dependents(uid);
            dependents
                .iter()
                .filter(|node| blocks(&node.owners))
                .map(|node| node.identity.uid.clone())
                .collect()
        };
        if blocking.is_empty() {
            return self.remove_finalizer(resource, live, FOREGROUND).await;
        }
        blocking.into_iter().for_each(|dependent| self.delete.add(dependent));
        Ok(())
    }

    async fn leave_behind(&self, uid: &str) -> Result<(), client::Error> {
        let Some(identity) = self.graph.lock().get(uid).map(|node| node.identity.clone()) else {
            return Ok(());
        };
        let Some((resource, live)) = self.live(&identity).await? else { return Ok(()) };
        let dependents: Vec<Identity> = {
            let graph = self.graph.lock();
            graph.dependents(uid).iter().map(|node| node.identity.clone()).collect()
        };
        for dependent in dependents {
            if let Some((resource, live)) = self.live(&dependent).await? {
                self.release(&resource, &live, &[uid.to_owned()]).await?;
            }
        }
        self.remove_finalizer(&resource, &live, ORPHAN).await
    }

    /// Takes references to owners off.
    async fn release(
        &self,
        resource: &DynamicResource,
        live: &ObjectMeta,
        owners: &[String],
    ) -> Result<(), client::Error> {
        let left: Vec<&OwnerReference> =
            live.owner_references.iter().filter(|owner| !owners.contains(&owner.uid)).collect();
        self.set_owners(resource, live, &left).await
    }

    /// Stops holding up owners that wait.
    async fn unblock(&self, resource: &DynamicResource, live: &ObjectMeta) -> Result<(), client::Error> {
        let mut owners = live.owner_references.clone();
        owners.iter_mut().for_each(|owner| owner.block_owner_deletion = Some(false));
        self.set_owners(resource, live, &owners.iter().collect::<Vec<_>>()).await
    }

    async fn set_owners(
        &self,
        resource: &DynamicResource,
        live: &ObjectMeta,
        owners: &[&OwnerReference],
    ) -> Result<(), client::Error> {
        let owners: Vec<_> = owners.iter().map(|owner| machinery::Message::to_value(*owner)).collect();
        self.patch(resource, live, json!({"ownerReferences": owners})).await
    }

    async fn remove_finalizer(
        &self,
        resource: &DynamicResource,
        live: &ObjectMeta,
        name: &str,
    ) -> Result<(), client::Error> {
        let left: Vec<&String> = live.finalizers.iter().filter(|finalizer| *finalizer != name).collect();
        if left.len() == live.finalizers.len() {
            return Ok(());
        }
        self.patch(resource, live, json!({"finalizers": left})).await
    }

    /// Merges into the metadata, unless the object has changed since it was read.
    async fn patch(
        &self,
        resource: &DynamicResource,
        live: &ObjectMeta,
        mut metadata: serde_json::Value,
    ) -> Result<(), client::Error> {
        metadata["uid"] = json!(live.uid);
        metadata["resourceVersion"] = json!(live.resource_version);
        let patch = Patch::Merge(json!({"metadata": metadata}));
        let done =
            self.api(resource, &live.namespace).patch(&live.name, &patch, &PatchParams::default()).await;
        match done {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    async fn delete(
        &self,
        resource: &DynamicResource,
        live: &ObjectMeta,
        policy: Policy,
    ) -> Result<(), client::Error> {
        let params = match policy {
            Policy::Background => DeleteParams::background(),
            Policy::Foreground => DeleteParams::foreground(),
            Policy::Orphan => DeleteParams::orphan(),
        };
        tracing::info!(resource = %resource.plural, namespace = %live.namespace, name = %live.name, ?policy, "deleting what nobody owns");
        match self.api(resource, &live.namespace).delete(&live.name, &params.with_uid(live.uid.clone())).await
        {
            Err(error) if !error.is_not_found() && !error.is_conflict() => Err(error),
            _ => Ok(()),
        }
    }
}

/// After a failure the key comes back, later and later.
fn conclude(queue: &Queue<String>, uid: &String, result: Result<(), client::Error>) {
    match result {
        Ok(()) => queue.forget(uid),
        Err(error) => {
            let quiet = error.is_conflict();
            if !quiet {
                tracing::warn!(uid, %error, "garbage collection failed, it is tried again");
            }
            queue.add_rate_limited(uid.clone());
        }
    }
    queue.done(uid);
}
