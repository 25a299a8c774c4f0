//! The end of a definition: its instances are deleted, and when none is left its finalizer goes.

use std::sync::Arc;
use std::time::Duration;

use api_types::apiextensions::v1::CustomResourceDefinition;
use apiserver_registry::Context;
use apiserver_registry::apiextensions::customresourcedefinitions::conditions::{
    self, CLEANUP_FINALIZER, ESTABLISHED, TERMINATING, is_true,
};
use apiserver_storage::Freshness;
use async_trait::async_trait;
use machinery::meta::v1::DeleteOptions;
use machinery::object::Object;
use machinery::status::StatusError;

use super::CustomResources;
use crate::store::{DeleteValidation, Store, WriteContext, status_of};
use crate::system::typed::Silent;

/// How soon is looked again while instances wait for finalizers of their own.
pub const RETRY: Duration = Duration::from_millis(500);

struct Unjudged;

#[async_trait]
impl DeleteValidation for Unjudged {
    async fn validate(&self, _object: &dyn Object) -> Result<(), StatusError> {
        Ok(())
    }
}

impl CustomResources {
    /// Does what a definition that is being deleted waits for; false while instances are left.
    pub(super) async fn clean_up(&self, definition: &CustomResourceDefinition) -> Result<bool, StatusError> {
        let name = definition.metadata.name.as_str();
        if !definition.metadata.finalizers.iter().any(|finalizer| finalizer == CLEANUP_FINALIZER) {
            return Ok(true);
        }
        if !is_true(definition, ESTABLISHED) {
            let message = "resource was never established";
            self.finish(name, "NeverEstablished", message).await?;
            return Ok(true);
        }
        let store = self.served.lock().get(name).map(|served| served.store.clone());
        let Some(store) = store else {
            return Err(StatusError::internal_error(format!("the instances of {name} cannot be read")));
        };
        if delete_all(&store).await? > 0 {
            self.note(name, "True", "InstanceDeletionInProgress", "CustomResource deletion is in progress")
                .await?;
            return Ok(false);
        }
        self.finish(name, "InstanceDeletionCompleted", "removed all instances").await?;
        Ok(true)
    }

    async fn note(&self, name: &str, status: &str, reason: &str, message: &str) -> Result<(), StatusError> {
        let now = jiff::Timestamp::now();
        let change = |definition: &mut CustomResourceDefinition| {
            conditions::set(definition, TERMINATING, status, reason, message, now);
        };
        self.means.typed.update_status::<CustomResourceDefinition>("", name, change).await.map(|_| ())
    }

    async fn finish(&self, name: &str, reason: &str, message: &str) -> Result<(), StatusError> {
        let now = jiff::Timestamp::now();
        let change = |definition: &mut CustomResourceDefinition| {
            conditions::set(definition, TERMINATING, "False", reason, message, now);
            definition.metadata.finalizers.retain(|finalizer| finalizer != CLEANUP_FINALIZER);
        };
        match self.means.typed.update_status::<CustomResourceDefinition>("", name, change).await {
            Err(error) if error.is_not_found() => Ok(()),
            other => other.map(|_| ()),
        }
    }
}

/// Asks for the deletion of every instance; how many there were.
async fn delete_all(store: &Arc<Store>) -> Result<usize, StatusError> {
    let snapshot = store.cacher().snapshot(Freshness::Consistent).await;
    let snapshot = snapshot.map_err(|error| status_of(&error, store.resource(), ""))?;
    let mut count = 0;
    for object in snapshot.objects.iter_from("") {
        count += 1;
        let mut rules = Context::system(jiff::Timestamp::now());
        rules.namespace = object.namespace().to_owned();
        rules.name = object.name().to_owned();
        let context = WriteContext::new(rules, Arc::new(Silent));
        match store.delete(&context, &DeleteOptions::default(), &Unjudged).await {
            Err(error) if !error.is_not_found() => return Err(error),
            _ => {}
        }
    }
    Ok(count)
}
