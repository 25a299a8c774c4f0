//! Writing new objects.

use apiserver_registry::Reservation;
use apiserver_storage::StorageError;
use async_trait::async_trait;
use machinery::field::Path;
use machinery::names::name_is_path_segment;
use machinery::object::Object;
use machinery::status::StatusError;

use super::metadata::fill_system_fields;
use super::{Store, Stored, WriteContext, ensure_namespace, generate_name, status_of};

/// Upstream's `maxNameGenerationCreateAttempts`: with eight, a million names fit under one `generateName`.
const NAME_ATTEMPTS: usize = 8;

/// The last word before a create: validating admission.
#[async_trait]
pub trait CreateValidation: Send + Sync {
    /// Judges the object as it would be stored.
    async fn validate(&self, object: &dyn Object) -> Result<(), StatusError>;
}

/// Nothing is judged: for the server's own writes and for updates that have their own judge.
pub struct NoValidation;

#[async_trait]
impl CreateValidation for NoValidation {
    async fn validate(&self, _object: &dyn Object) -> Result<(), StatusError> {
        Ok(())
    }
}

impl Store {
    /// Stores a new object after its rules have been applied. Generated names are tried again when taken.
    pub async fn create(
        &self,
        context: &WriteContext,
        object: Box<dyn Object>,
        validation: &dyn CreateValidation,
    ) -> Result<Stored, StatusError> {
        let meta = object.meta();
        let attempts = if meta.name.is_empty() && !meta.generate_name.is_empty() { NAME_ATTEMPTS } else { 1 };
        for _ in 1..attempts {
            match self.create_once(context, object.clone(), validation).await {
                Err(error) if error.is_already_exists() => {}
                other => return other,
            }
        }
        self.create_once(context, object, validation).await
    }

    async fn create_once(
        &self,
        context: &WriteContext,
        mut object: Box<dyn Object>,
        validation: &dyn CreateValidation,
    ) -> Result<Stored, StatusError> {
        let meta = object.meta_mut();
        fill_system_fields(meta, context.rules.now);
        let generated = meta.name.is_empty() && !meta.generate_name.is_empty();
        if generated {
            meta.name = generate_name(&meta.generate_name);
        }
        let reservation = match &self.options.hooks {
            Some(hooks) => hooks.begin_create(&context.rules, object.as_mut()).await?,
            None => None,
        };
        let outcome = self.create_reserved(context, object, validation).await;
        settle(reservation, outcome.is_ok() && !context.rules.dry_run).await;
        outcome
    }

    async fn create_reserved(
        &self,
        context: &WriteContext,
        mut object: Box<dyn Object>,
        validation: &dyn CreateValidation,
    ) -> Result<Stored, StatusError> {
        self.before_create(context, object.as_mut())?;
        validation.validate(object.as_ref()).await?;
        if !object.meta().resource_version.is_empty() {
            // Upstream's storage layer says so without a reason.
            return Err(StatusError::new(
                500,
                "",
                "resourceVersion should not be set on objects to be created",
            ));
        }
        let (namespace, name) = (object.meta().namespace.clone(), object.meta().name.clone());
        let key = self.key(&namespace, &name);
        let bytes = self.encode(object.as_mut());
        let written = if context.rules.dry_run {
            match self.options.storage.get(&key).await {
                Ok((Some(pair), _)) => {
                    Err(StorageError::KeyExists { key: key.clone(), revision: pair.revision })
                }
                Ok((None, _)) => Ok(0),
                Err(error) => Err(error),
            }
        } else {
            self.options.storage.create(&key, bytes.clone(), self.time_to_live()).await
        };
        match written {
            Ok(revision) => self.written(object, bytes, revision),
            Err(StorageError::KeyExists { .. }) => Err(self.taken(context, object.as_ref()).await),
            Err(error) => Err(status_of(&error, context.resource(self), &name)),
        }
    }

    /// The checks every create makes, in upstream's order.
    pub(super) fn before_create(
        &self,
        context: &WriteContext,
        object: &mut dyn Object,
    ) -> Result<(), StatusError> {
        let _station = tracing::debug_span!("strategy").entered();
        let namespace = if self.namespaced() { context.rules.namespace.as_str() } else { "" };
        ensure_namespace(namespace, object.meta_mut())?;
        let rules = self.rules();
        rules.prepare_for_create(&context.rules, object);
        let invalid = |errors: &[machinery::field::Error], object: &dyn Object| {
            Err(StatusError::invalid(self.kind(), &object.meta().name, errors))
        };
        let errors = rules.validate(&context.rules, object);
        if !errors.is_empty() {
            return invalid(&errors, object);
        }
        // After the kind's own rules, whose messages say more.
        let errors = rules::meta::validate(
            object.meta(),
            self.namespaced(),
            name_is_path_segment,
            &Path::new("metadata"),
        );
        if !errors.is_empty() {
            return invalid(&errors, object);
        }
        for warning in rules.warnings_on_create(&context.rules, object) {
            context.notes.warn(&warning);
        }
        rules.canonicalize(object);
        Ok(())
    }

    /// The error of a create whose name is taken.
    pub(super) async fn taken(&self, context: &WriteContext, object: &dyn Object) -> StatusError {
        let meta = object.meta();
        let mut error = if meta.generate_name.is_empty() {
            StatusError::already_exists(context.resource(self), &meta.name)
        } else {
            StatusError::generate_name_conflict(context.resource(self), &meta.name, 1)
        };
        if let Ok(Some(existing)) = self.get_live(&meta.namespace, &meta.name).await
            && existing.object.meta().deletion_timestamp.is_some()
        {
            error.status.message = format!("object is being deleted: {}", error.status.message);
        }
        error
    }
}

/// Keeps or gives back what a write had reserved.
pub(super) async fn settle(reservation: Option<Box<dyn Reservation>>, kept: bool) {
    match (reservation, kept) {
        (Some(reservation), true) => reservation.keep().await,
        (Some(reservation), false) => reservation.give_back().await,
        (None, _) => {}
    }
}
