//! Replacing objects: read, change, check, write under the condition that nothing happened in between.
//!
//! The first attempt starts from the watch cache, which may lag behind: when it fails for a reason that an older
//! state can explain, the store itself is asked and the change is made again from there.

use apiserver_registry::ErasedView;
use apiserver_storage::StorageError;
use async_trait::async_trait;
use bytes::Bytes;
use machinery::GroupKind;
use machinery::field::{self, ErrorList, Path};
use machinery::names::name_is_path_segment;
use machinery::object::Object;
use machinery::status::StatusError;

use super::create::settle;
use super::errors::OPTIMISTIC_LOCK;
use super::metadata::fill_system_fields;
use super::{Store, Stored, WriteContext, ensure_namespace, status_of};

/// Which rules judge an update.
#[derive(Clone, Copy)]
pub enum UpdateRules {
    /// Those of the resource itself.
    Main,
    /// Those of a subresource that shows the whole object.
    View(&'static dyn ErasedView),
    /// Those of the resource, for a write the server derives from something else (scale); hooks are left out.
    Derived,
}

/// How the new object comes about. Called again, from a newer state, when a write lost a race.
#[async_trait]
pub trait Change: Send {
    /// The uid the object must have, if the request names one.
    fn uid_precondition(&self) -> Option<String> {
        None
    }

    /// The object that should replace `current`; `current` is `None` when there is nothing yet.
    async fn apply(&mut self, current: Option<&dyn Object>) -> Result<Box<dyn Object>, StatusError>;

    /// Whether the caller may create, and validating admission of a create.
    async fn validate_create(&mut self, new: &dyn Object) -> Result<(), StatusError>;

    /// Validating admission of an update.
    async fn validate_update(&mut self, new: &dyn Object, old: &dyn Object) -> Result<(), StatusError>;
}

/// The outcome of an update.
pub struct Updated {
    /// The object as it is now.
    pub stored: Stored,
    /// True when it did not exist before.
    pub created: bool,
}

/// What one attempt came to.
enum Attempt {
    Done(Updated),
    /// The store had another value than expected: this one, or none.
    Again(Option<Stored>),
}

impl Store {
    /// Updates an object. A missing one is created when the strategy or `allow_create` says so.
    pub async fn update(
        &self,
        context: &WriteContext,
        update_rules: UpdateRules,
        allow_create: bool,
        change: &mut dyn Change,
    ) -> Result<Updated, StatusError> {
        let (namespace, name) = (&context.rules.namespace, &context.rules.name);
        let cached = self.cacher().peek(&self.path(namespace, name));
        let (mut current, mut from_cache) = match cached {
            Some(cached) => (Some(self.decode_cached(&cached)?), true),
            None => (self.get_live(namespace, name).await?, false),
        };
        loop {
            let attempt =
                self.attempt(context, update_rules, allow_create, change, current.as_ref(), from_cache).await;
            current = match attempt {
                Ok(Attempt::Done(updated)) => return Ok(updated),
                Ok(Attempt::Again(live)) => live,
                Err(error) if from_cache => {
                    let live = self.get_live(namespace, name).await?;
                    let revision = |stored: &Option<Stored>| stored.as_ref().map(|stored| stored.revision);
                    if revision(&live) == revision(&current) {
                        return Err(error);
                    }
                    live
                }
                Err(error) => return Err(error),
            };
            from_cache = false;
        }
    }

    async fn attempt(
        &self,
        context: &WriteContext,
        update_rules: UpdateRules,
        allow_create: bool,
        change: &mut dyn Change,
        current: Option<&Stored>,
        from_cache: bool,
    ) -> Result<Attempt, StatusError> {
        let name = &context.rules.name;
        let Some(current) = current else {
            if !allow_create && !self.rules().allow_create_on_update() {
                return Err(StatusError::not_found(context.resource(self), name));
            }
            return self.create_by_update(context, change).await;
        };
        let old = current.object.as_ref();
        if let Some(uid) = change.uid_precondition().filter(|uid| *uid != old.meta().uid) {
            return Err(StatusError::conflict(
                context.resource(self),
                name,
                self.uid_mismatch(context, &uid, &old.meta().uid),
            ));
        }
        let mut new = change.apply(Some(old)).await?;
        self.check_version(context, update_rules, new.as_mut(), old)?;
        let reservation = match (&self.options.hooks, update_rules) {
            (Some(hooks), UpdateRules::Main) => hooks.begin_update(&context.rules, new.as_mut(), old).await?,
            _ => None,
        };
        let outcome = self.update_reserved(context, update_rules, change, new, current, from_cache).await;
        let kept = matches!(outcome, Ok(Attempt::Done(_))) && !context.rules.dry_run;
        settle(reservation, kept).await;
        outcome
    }

    async fn update_reserved(
        &self,
        context: &WriteContext,
        update_rules: UpdateRules,
        change: &mut dyn Change,
        mut new: Box<dyn Object>,
        current: &Stored,
        from_cache: bool,
    ) -> Result<Attempt, StatusError> {
        let old = current.object.as_ref();
        self.before_update(context, update_rules, new.as_mut(), old)?;
        ignore_managed_times(new.as_mut(), old);
        change.validate_update(new.as_ref(), old).await?;
        if deletes_during_update(new.as_ref(), old) && !self.rules().is_held(new.as_ref()) {
            return self.delete_finalized(context, new, current).await;
        }
        let bytes = self.encode(new.as_mut());
        if !current.stale && self.is_same(&bytes, current)? {
            // What the cache says may be old: nothing is written only if the store has the same.
            if from_cache {
                let live = self.get_live(&context.rules.namespace, &context.rules.name).await?;
                if live.as_ref().map(|live| live.revision) != Some(current.revision) {
                    return Ok(Attempt::Again(live));
                }
            }
            return Ok(Attempt::Done(Updated { stored: current.clone(), created: false }));
        }
        if context.rules.dry_run {
            let mut stored = self.written(new, bytes, current.revision)?;
            stored.stale = current.stale;
            return Ok(Attempt::Done(Updated { stored, created: false }));
        }
        let key = self.key(&context.rules.namespace, &context.rules.name);
        let swapped = self
            .options
            .storage
            .compare_and_swap(&key, current.revision, bytes.clone(), self.time_to_live())
            .await;
        match swapped {
            Ok(revision) => {
                Ok(Attempt::Done(Updated { stored: self.written(new, bytes, revision)?, created: false }))
            }
            Err(StorageError::Conflict { current, .. }) => {
                Ok(Attempt::Again(current.map(|pair| self.stored(*pair)).transpose()?))
            }
            Err(error) => Err(status_of(&error, context.resource(self), &context.rules.name)),
        }
    }

    async fn create_by_update(
        &self,
        context: &WriteContext,
        change: &mut dyn Change,
    ) -> Result<Attempt, StatusError> {
        let mut object = change.apply(None).await?;
        fill_system_fields(object.meta_mut(), context.rules.now);
        let reservation = match &self.options.hooks {
            Some(hooks) => hooks.begin_create(&context.rules, object.as_mut()).await?,
            None => None,
        };
        let outcome = self.create_by_update_reserved(context, change, object).await;
        let kept = matches!(outcome, Ok(Attempt::Done(_))) && !context.rules.dry_run;
        settle(reservation, kept).await;
        outcome
    }

    async fn create_by_update_reserved(
        &self,
        context: &WriteContext,
        change: &mut dyn Change,
        mut object: Box<dyn Object>,
    ) -> Result<Attempt, StatusError> {
        self.before_create(context, object.as_mut())?;
        change.validate_create(object.as_ref()).await?;
        let key = self.key(&context.rules.namespace, &context.rules.name);
        let bytes = self.encode(object.as_mut());
        if context.rules.dry_run {
            return Ok(Attempt::Done(Updated { stored: self.written(object, bytes, 0)?, created: true }));
        }
        match self.options.storage.create(&key, bytes.clone(), self.time_to_live()).await {
            Ok(revision) => {
                Ok(Attempt::Done(Updated { stored: self.written(object, bytes, revision)?, created: true }))
            }
            // Someone else was faster: now it is an update.
            Err(StorageError::KeyExists { .. }) => {
                Ok(Attempt::Again(self.get_live(&context.rules.namespace, &context.rules.name).await?))
            }
            Err(error) => Err(status_of(&error, context.resource(self), &context.rules.name)),
        }
    }

    /// An update names the version it was made from, or none where that is allowed.
    fn check_version(
        &self,
        context: &WriteContext,
        update_rules: UpdateRules,
        new: &mut dyn Object,
        old: &dyn Object,
    ) -> Result<(), StatusError> {
        let name = &context.rules.name;
        let unconditional = match update_rules {
            UpdateRules::Main | UpdateRules::Derived => self.rules().allow_unconditional_update(),
            UpdateRules::View(view) => view.allow_unconditional_update(),
        };
        let given = &new.meta().resource_version;
        if given.is_empty() || given == "0" {
            if unconditional {
                new.meta_mut().resource_version = old.meta().resource_version.clone();
                return Ok(());
            }
            // Upstream puts the resource where the kind should be.
            let kind =
                GroupKind::new(context.resource(self).group.clone(), context.resource(self).resource.clone());
            let path = Path::new("metadata").child("resourceVersion");
            let error = field::Error::invalid(&path, 0i64, "must be specified for an update");
            return Err(StatusError::invalid(&kind, name, &[error]));
        }
        if given.parse::<u64>().is_err() {
            let path = Path::new("metadata").child("resourceVersion");
            let detail =
                format!("strconv.ParseUint: parsing {}: invalid syntax", machinery::quote::go_quote(given));
            return Err(StatusError::invalid(
                &GroupKind::default(),
                "",
                &[field::Error::invalid(&path, given.as_str(), detail)],
            ));
        }
        if *given != old.meta().resource_version {
            return Err(StatusError::conflict(context.resource(self), name, OPTIMISTIC_LOCK));
        }
        Ok(())
    }

    /// The checks every update makes, in upstream's order.
    fn before_update(
        &self,
        context: &WriteContext,
        update_rules: UpdateRules,
        new: &mut dyn Object,
        old: &dyn Object,
    ) -> Result<(), StatusError> {
        let _station = tracing::debug_span!("strategy").entered();
        let namespace = if self.namespaced() { context.rules.namespace.as_str() } else { "" };
        ensure_namespace(namespace, new.meta_mut())?;
        // Only strategies change the generation.
        new.meta_mut().generation = old.meta().generation;
        match update_rules {
            UpdateRules::Main | UpdateRules::Derived => {
                self.rules().prepare_for_update(&context.rules, new, old)
            }
            UpdateRules::View(view) => view.prepare_for_update(&context.rules, new, old),
        }
        keep_system_fields(new, old);
        let path = Path::new("metadata");
        let mut errors: ErrorList =
            rules::meta::validate(new.meta(), self.namespaced(), name_is_path_segment, &path);
        errors.extend(rules::meta::validate_update(new.meta(), old.meta(), &path));
        errors.extend(match update_rules {
            UpdateRules::Main | UpdateRules::Derived => {
                self.rules().validate_update(&context.rules, new, old)
            }
            UpdateRules::View(view) => view.validate_update(&context.rules, new, old),
        });
        if !errors.is_empty() {
            return Err(StatusError::invalid(self.kind(), &new.meta().name, &errors));
        }
        let warnings = match update_rules {
            UpdateRules::Main | UpdateRules::Derived => {
                self.rules().warnings_on_update(&context.rules, new, old)
            }
            UpdateRules::View(view) => view.warnings_on_update(&context.rules, new, old),
        };
        for warning in warnings {
            context.notes.warn(&warning);
        }
        self.rules().canonicalize(new);
        Ok(())
    }

    /// Whether the bytes to store are those already stored. The stored ones carry a resourceVersion.
    fn is_same(&self, bytes: &Bytes, current: &Stored) -> Result<bool, StatusError> {
        let text = current.revision.to_string();
        // The spliced form is longer by the text and at most a few bytes of lengths.
        if !(bytes.len()..=bytes.len() + text.len() + 40).contains(&current.value.len()) {
            return Ok(false);
        }
        let spliced = apiserver_storage::revision_splice::with_resource_version(bytes, &text)
            .map_err(StatusError::internal_error)?;
        Ok(spliced == current.value)
    }

    /// Upstream's words for a uid precondition that fails in its storage layer.
    pub(super) fn uid_mismatch(&self, context: &WriteContext, wanted: &str, found: &str) -> String {
        format!(
            "StorageError: invalid object, Code: 4, Key: {}, ResourceVersion: 0, AdditionalErrorMsg: Precondition \
             failed: UID in precondition: {wanted}, UID in object meta: {found}",
            self.key(&context.rules.namespace, &context.rules.name),
        )
    }
}

/// What an update can neither change nor remove.
fn keep_system_fields(new: &mut dyn Object, old: &dyn Object) {
    let (new, old) = (new.meta_mut(), old.meta());
    if new.uid.is_empty() {
        new.uid.clone_from(&old.uid);
    }
    if !old.creation_timestamp.is_zero() {
        new.creation_timestamp = old.creation_timestamp;
    }
    if old.deletion_timestamp.is_some_and(|time| !time.is_zero()) {
        new.deletion_timestamp = old.deletion_timestamp;
    }
    if old.deletion_grace_period_seconds.is_some() && new.deletion_grace_period_seconds.is_none() {
        new.deletion_grace_period_seconds = old.deletion_grace_period_seconds;
    }
}

/// A write that changes nothing but the times of managed fields changes nothing.
fn ignore_managed_times(new: &mut dyn Object, old: &dyn Object) {
    let (before, after) = (&old.meta().managed_fields, &new.meta().managed_fields);
    if before == after || before.len() != after.len() {
        return;
    }
    let same_but_time = before.iter().zip(after).all(|(before, after)| {
        let mut after = after.clone();
        after.time = before.time;
        *before == after
    });
    if !same_but_time {
        return;
    }
    let kept = std::mem::replace(&mut new.meta_mut().managed_fields, before.clone());
    // The versions compared must not differ by the resource version alone.
    let version = new.meta().resource_version.clone();
    new.meta_mut().resource_version.clone_from(&old.meta().resource_version);
    let unchanged = new.encode() == old.encode();
    new.meta_mut().resource_version = version;
    if !unchanged {
        new.meta_mut().managed_fields = kept;
    }
}

/// True when the object waits to go and the update leaves nothing to wait for: no finalizers and no grace period.
fn deletes_during_update(new: &dyn Object, old: &dyn Object) -> bool {
    let (new, old) = (new.meta(), old.meta());
    new.finalizers.is_empty()
        && old.deletion_timestamp.is_some()
        && old.deletion_grace_period_seconds.unwrap_or(0) == 0
}

impl Store {
    /// The update took the last finalizer: the object goes instead of being written.
    async fn delete_finalized(
        &self,
        context: &WriteContext,
        new: Box<dyn Object>,
        current: &Stored,
    ) -> Result<Attempt, StatusError> {
        let mut stored = current.clone();
        stored.value = {
            let mut copy = new.clone();
            let bytes = self.encode(copy.as_mut());
            self.written(copy, bytes, current.revision)?.value
        };
        stored.object = new;
        if context.rules.dry_run {
            return Ok(Attempt::Done(Updated { stored, created: false }));
        }
        let key = self.key(&context.rules.namespace, &context.rules.name);
        match self.options.storage.delete(&key, Some(current.revision)).await {
            Ok(_) => {
                self.after_delete(context, stored.object.as_ref()).await;
                Ok(Attempt::Done(Updated { stored, created: false }))
            }
            // Several requests may remove the last finalizer; the others find nothing left to do.
            Err(StorageError::Conflict { current: None, .. }) => {
                Ok(Attempt::Done(Updated { stored, created: false }))
            }
            Err(StorageError::Conflict { current, .. }) => {
                Ok(Attempt::Again(current.map(|pair| self.stored(*pair)).transpose()?))
            }
            Err(error) => Err(status_of(&error, context.resource(self), &context.rules.name)),
        }
    }

    pub(super) async fn after_delete(&self, context: &WriteContext, object: &dyn Object) {
        if let Some(hooks) = &self.options.hooks {
            hooks.after_delete(&context.rules, object).await;
        }
    }
}
