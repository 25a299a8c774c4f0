//! Deleting objects: preconditions, grace, finalizers, and finally the key itself.
//!
//! ```text
//!            not graceful, no finalizers            key removed, 200
//! DELETE ──► finalizers (own or of propagation) ──► marked, waits for the last finalizer
//!            graceful (pods)                    ──► marked with a grace period, waits for the kubelet
//! ```

use apiserver_registry::GarbageCollection;
use apiserver_storage::StorageError;
use async_trait::async_trait;
use machinery::meta::v1::{DeleteOptions, ObjectMeta};
use machinery::object::Object;
use machinery::status::StatusError;
use machinery::{GroupResource, Time};

use super::metadata::in_seconds;
use super::{Store, Stored, WriteContext, status_of};

const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";

/// Admission of a delete, asked with the object that would go.
#[async_trait]
pub trait DeleteValidation: Send + Sync {
    /// Judges the deletion.
    async fn validate(&self, object: &dyn Object) -> Result<(), StatusError>;
}

/// What a delete came to.
pub struct DeleteOutcome {
    /// The object as it was deleted, or as it waits now.
    pub stored: Stored,
    /// True when it is gone; otherwise finalizers or its grace period hold it.
    pub deleted: bool,
    /// True when the response shows the object rather than a status.
    pub shows_object: bool,
}

/// What one look at an object decided.
enum Decision {
    /// Remove the key.
    Now,
    /// Write the marked object and let it wait.
    Mark(Box<dyn Object>),
    /// Write the marked object, then remove the key: grace was shortened to nothing.
    MarkThenNow(Box<dyn Object>),
    /// It waits already.
    Waits(Answer),
}

/// What the response shows of an object that waits already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// The object.
    Object,
    /// What the resource shows of deleted objects.
    AsDeleted,
}

/// Resources whose deletion is answered with the object; all others answer with a status. Upstream's
/// `ReturnDeletedObject`.
const SHOWN: &[(&str, &str)] = &[
    ("", "namespaces"),
    ("", "persistentvolumeclaims"),
    ("", "persistentvolumes"),
    ("", "pods"),
    ("", "podtemplates"),
    ("", "resourcequotas"),
    ("", "serviceaccounts"),
    ("", "services"),
    ("resource.k8s.io", "deviceclasses"),
    ("resource.k8s.io", "devicetaintrules"),
    ("resource.k8s.io", "resourceclaims"),
    ("resource.k8s.io", "resourceclaimtemplates"),
    ("resource.k8s.io", "resourcepoolstatusrequests"),
    ("resource.k8s.io", "resourceslices"),
    ("storage.k8s.io", "csidrivers"),
    ("storage.k8s.io", "csinodes"),
    ("storage.k8s.io", "storageclasses"),
    ("storage.k8s.io", "volumeattachments"),
    ("storage.k8s.io", "volumeattributesclasses"),
];

impl Store {
    /// Deletes the object that `context` names.
    pub async fn delete(
        &self,
        context: &WriteContext,
        options: &DeleteOptions,
        validation: &dyn DeleteValidation,
    ) -> Result<DeleteOutcome, StatusError> {
        let (namespace, name) = (&context.rules.namespace, &context.rules.name);
        let missing = || StatusError::not_found(context.resource(self), name);
        let cached = self.cacher().peek(&self.path(namespace, name));
        let (mut current, mut from_cache) = match cached {
            Some(cached) => (self.decode_cached(&cached)?, true),
            None => (self.get_live(namespace, name).await?.ok_or_else(missing)?, false),
        };
        loop {
            match self.delete_attempt(context, options, validation, &current, from_cache).await {
                Ok(Some(outcome)) => return Ok(outcome),
                Ok(None) => current = self.get_live(namespace, name).await?.ok_or_else(missing)?,
                Err(error) if from_cache => {
                    let live = self.get_live(namespace, name).await?.ok_or_else(missing)?;
                    if live.revision == current.revision {
                        return Err(error);
                    }
                    current = live;
                }
                Err(error) => return Err(error),
            }
            from_cache = false;
        }
    }

    /// `None` when the store had another value than `current`.
    async fn delete_attempt(
        &self,
        context: &WriteContext,
        options: &DeleteOptions,
        validation: &dyn DeleteValidation,
        current: &Stored,
        from_cache: bool,
    ) -> Result<Option<DeleteOutcome>, StatusError> {
        self.check_preconditions(options, current.object.meta())?;
        let decision = self.decide(context, options, current.object.as_ref());
        if let Decision::Waits(answer) = decision {
            if from_cache {
                // Nothing will be written that could find out that the cache lags behind.
                return Ok(None);
            }
            let shows_object = answer == Answer::Object || self.shows_deleted();
            return Ok(Some(DeleteOutcome { stored: current.clone(), deleted: false, shows_object }));
        }
        validation.validate(current.object.as_ref()).await?;
        match decision {
            Decision::Now | Decision::Waits(_) => self.remove(context, current.clone()).await,
            Decision::Mark(marked) => {
                let Some(stored) = self.mark(context, marked, current).await? else { return Ok(None) };
                Ok(Some(DeleteOutcome { stored, deleted: false, shows_object: true }))
            }
            Decision::MarkThenNow(marked) => {
                let Some(stored) = self.mark(context, marked, current).await? else { return Ok(None) };
                if context.rules.dry_run {
                    return Ok(Some(DeleteOutcome { stored, deleted: true, shows_object: true }));
                }
                self.remove_marked(context, stored).await.map(Some)
            }
        }
    }

    fn shows_deleted(&self) -> bool {
        let resource = self.resource();
        SHOWN.iter().any(|(group, plural)| *group == resource.group && *plural == resource.resource)
    }

    fn check_preconditions(&self, options: &DeleteOptions, meta: &ObjectMeta) -> Result<(), StatusError> {
        let Some(preconditions) = &options.preconditions else { return Ok(()) };
        // Upstream names the kind here where other conflicts name the resource.
        let resource = GroupResource::new(self.kind().group.clone(), self.kind().kind.clone());
        if let Some(uid) = preconditions.uid.as_ref().filter(|uid| **uid != meta.uid) {
            let text = format!(
                "the UID in the precondition ({uid}) does not match the UID in record ({}). The object might have \
                 been deleted and then recreated",
                meta.uid
            );
            return Err(StatusError::conflict(&resource, &meta.name, text));
        }
        let version = preconditions.resource_version.as_ref();
        if let Some(version) = version.filter(|version| **version != meta.resource_version) {
            let text = format!(
                "the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record \
                 ({}). The object might have been modified",
                meta.resource_version
            );
            return Err(StatusError::conflict(&resource, &meta.name, text));
        }
        Ok(())
    }

    fn decide(&self, context: &WriteContext, options: &DeleteOptions, current: &dyn Object) -> Decision {
        let mut marked = current.clone_box();
        let now = in_seconds(context.rules.now);
        // A negative period means one second, in requests and in old objects.
        let requested = options.grace_period_seconds.map(|seconds| if seconds < 0 { 1 } else { seconds });
        let meta = marked.meta_mut();
        if meta.deletion_grace_period_seconds.is_some_and(|seconds| seconds < 0) {
            meta.deletion_grace_period_seconds = Some(1);
        }
        let first = current.meta().deletion_timestamp.is_none();
        let grace = match self.grace(context, marked.as_mut(), requested, now) {
            Grace::Waits => return Decision::Waits(Answer::AsDeleted),
            Grace::Period(seconds) => Some(seconds),
            Grace::None => None,
        };
        let finalizers = self.finalizers(marked.meta(), options);
        if let Some(finalizers) = finalizers {
            marked.meta_mut().finalizers = finalizers;
        }
        let pending = !marked.meta().finalizers.is_empty();
        match grace {
            Some(seconds) if pending || seconds > 0 => Decision::Mark(marked),
            Some(_) => Decision::MarkThenNow(marked),
            None => {
                // Namespaces and the like are held by something of their own.
                let held = if first {
                    self.rules().begin_termination(&context.rules, marked.as_mut())
                } else {
                    self.rules().is_held(current)
                };
                if !pending && !held {
                    return Decision::Now;
                }
                if held && !pending && !first {
                    return Decision::Waits(Answer::Object);
                }
                mark_as_deleting(marked.meta_mut(), now, !held);
                // Nothing to write when the object waits just like this.
                let unchanged = !first && marked.encode() == current.encode();
                if unchanged { Decision::Waits(Answer::Object) } else { Decision::Mark(marked) }
            }
        }
    }

    fn grace(
        &self,
        context: &WriteContext,
        marked: &mut dyn Object,
        requested: Option<i64>,
        now: Time,
    ) -> Grace {
        let meta = marked.meta();
        let Some(deletion) = meta.deletion_timestamp else {
            let period = self.rules().grace_period_seconds(&context.rules, marked, requested);
            let Some(period) = period else { return Grace::None };
            let meta = marked.meta_mut();
            meta.deletion_timestamp = Some(Time { seconds: now.seconds.saturating_add(period), nanos: 0 });
            meta.deletion_grace_period_seconds = Some(period);
            if meta.generation > 0 {
                meta.generation += 1;
            }
            return Grace::Period(period);
        };
        // Marked before: the period can only become shorter.
        let Some(left) = meta.deletion_grace_period_seconds.filter(|seconds| *seconds != 0) else {
            return Grace::None;
        };
        // Resources without graceful deletion never have a period; the strategy is asked all the same so that
        // one that lost it deletes at once.
        let Some(mut period) = requested else { return Grace::Waits };
        if self.rules().grace_period_seconds(&context.rules, marked, requested).is_none() {
            return Grace::None;
        }
        if period >= left {
            return Grace::Waits;
        }
        let mut until = deletion.seconds.saturating_sub(left).saturating_add(period);
        if until < now.seconds {
            until = now.seconds;
            if period != 0 {
                // The whole period is over already: the shortest one that still is graceful.
                period = 1;
            }
        }
        let meta = marked.meta_mut();
        meta.deletion_timestamp = Some(Time { seconds: until, nanos: 0 });
        meta.deletion_grace_period_seconds = Some(period);
        Grace::Period(period)
    }

    /// The finalizers after the propagation policy; `None` when they stay as they are.
    fn finalizers(&self, meta: &ObjectMeta, options: &DeleteOptions) -> Option<Vec<String>> {
        let default = self.rules().default_garbage_collection();
        let orphan = orphans(meta, options, default);
        let foreground = deletes_in_foreground(meta, options, default);
        let mut finalizers: Vec<String> = meta
            .finalizers
            .iter()
            .filter(|name| !matches!(name.as_str(), ORPHAN | FOREGROUND))
            .cloned()
            .collect();
        finalizers.extend(orphan.then(|| ORPHAN.to_owned()));
        finalizers.extend(foreground.then(|| FOREGROUND.to_owned()));
        let same = |left: &[String], right: &[String]| left.iter().all(|name| right.contains(name));
        if same(&finalizers, &meta.finalizers) && same(&meta.finalizers, &finalizers) {
            return None;
        }
        Some(finalizers)
    }

    /// Writes the marked object; `None` when the store had another value.
    async fn mark(
        &self,
        context: &WriteContext,
        mut marked: Box<dyn Object>,
        current: &Stored,
    ) -> Result<Option<Stored>, StatusError> {
        let bytes = self.encode(marked.as_mut());
        if context.rules.dry_run {
            return self.written(marked, bytes, current.revision).map(Some);
        }
        let key = self.key(&context.rules.namespace, &context.rules.name);
        let swapped = self
            .options
            .storage
            .compare_and_swap(&key, current.revision, bytes.clone(), self.time_to_live())
            .await;
        match swapped {
            Ok(revision) => self.written(marked, bytes, revision).map(Some),
            Err(StorageError::Conflict { .. }) => Ok(None),
            Err(error) => Err(status_of(&error, context.resource(self), &context.rules.name)),
        }
    }

    async fn remove(
        &self,
        context: &WriteContext,
        current: Stored,
    ) -> Result<Option<DeleteOutcome>, StatusError> {
        let outcome = DeleteOutcome { stored: current, deleted: true, shows_object: self.shows_deleted() };
        if context.rules.dry_run {
            return Ok(Some(outcome));
        }
        let key = self.key(&context.rules.namespace, &context.rules.name);
        match self.options.storage.delete(&key, Some(outcome.stored.revision)).await {
            Ok(_) => {
                self.after_delete(context, outcome.stored.object.as_ref()).await;
                Ok(Some(outcome))
            }
            Err(StorageError::Conflict { .. }) => Ok(None),
            Err(error) => Err(status_of(&error, context.resource(self), &context.rules.name)),
        }
    }

    /// Removes what has just been marked. Whoever sees the mark may be faster, which is as good.
    async fn remove_marked(
        &self,
        context: &WriteContext,
        marked: Stored,
    ) -> Result<DeleteOutcome, StatusError> {
        let key = self.key(&context.rules.namespace, &context.rules.name);
        match self.options.storage.delete(&key, None).await {
            Ok(_) | Err(StorageError::NotFound { .. }) => {
                self.after_delete(context, marked.object.as_ref()).await;
                Ok(DeleteOutcome { stored: marked, deleted: true, shows_object: self.shows_deleted() })
            }
            Err(error) => Err(status_of(&error, context.resource(self), &context.rules.name)),
        }
    }
}

enum Grace {
    /// The resource or this request knows no grace.
    None,
    /// Marked with this period.
    Period(i64),
    /// Marked before with a period that is not longer.
    Waits,
}

/// Marks an object that waits for finalizers or for something of its own.
fn mark_as_deleting(meta: &mut ObjectMeta, now: Time, without_grace: bool) {
    if meta.deletion_timestamp.is_none() && meta.generation > 0 {
        meta.generation += 1;
    }
    if meta.deletion_timestamp.is_none_or(|deletion| deletion.seconds > now.seconds) {
        meta.deletion_timestamp = Some(now);
    }
    if without_grace {
        meta.deletion_grace_period_seconds = Some(0);
    }
}

/// Precedence of upstream: the request, then a finalizer the object has, then the resource's default.
fn orphans(meta: &ObjectMeta, options: &DeleteOptions, default: GarbageCollection) -> bool {
    if default == GarbageCollection::Unsupported {
        return false;
    }
    if let Some(orphan) = options.orphan_dependents {
        return orphan;
    }
    match options.propagation_policy.as_deref() {
        Some("Orphan") => return true,
        Some("Background" | "Foreground") => return false,
        _ => {}
    }
    match meta.finalizers.iter().find(|name| matches!(name.as_str(), ORPHAN | FOREGROUND)) {
        Some(name) => name == ORPHAN,
        None => default == GarbageCollection::Orphan,
    }
}

fn deletes_in_foreground(meta: &ObjectMeta, options: &DeleteOptions, default: GarbageCollection) -> bool {
    if default == GarbageCollection::Unsupported || options.orphan_dependents.is_some() {
        return false;
    }
    match options.propagation_policy.as_deref() {
        Some("Foreground") => return true,
        Some("Background" | "Orphan") => return false,
        _ => {}
    }
    let first = meta.finalizers.iter().find(|name| matches!(name.as_str(), ORPHAN | FOREGROUND));
    first.is_some_and(|name| name == FOREGROUND)
}
