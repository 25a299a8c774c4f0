//! Webhooks: admission by servers of the user.
//!
//! `hook` (one webhook of a configuration) → `matching` (does it want to see the request, and in which version) → `conditions`
//! (its expressions) → `review` (question and answer) → `call` (one call and what its failure means) → `mutating`, `validating` (the plugins).

mod call;
mod conditions;
mod hook;
mod kinds;
mod matching;
mod mutating;
mod review;
mod validating;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use self::matching::Invocation;
use crate::attributes::Attributes;
use crate::configuration::{ConfigurationError, decode};
use crate::lookup::Lookup;
use crate::metrics::AdmissionMetrics;

pub use call::{CallError, Caller};
pub use conditions::Programs;
pub use kinds::Kinds;
pub use mutating::MutatingAdmissionWebhook;
pub use validating::ValidatingAdmissionWebhook;

/// What both plugins work with.
#[derive(Clone)]
pub struct Tools {
    /// Configurations and namespaces.
    pub lookup: Lookup,
    /// Objects in the versions webhooks want to see.
    pub kinds: Arc<dyn Kinds>,
    /// The way to webhooks.
    pub caller: Arc<dyn Caller>,
    /// Where calls are counted.
    pub metrics: AdmissionMetrics,
    /// Expressions of conditions.
    pub programs: Programs,
}

impl Tools {
    /// The object and the stored object of a request, as the invocation wants to see them.
    fn shown(
        &self,
        attributes: &Attributes,
        invocation: &Invocation,
    ) -> Result<(Option<Value>, Option<Value>), String> {
        let Invocation { resource, kind } = invocation;
        if let Some(asked) = mutating::conversation(attributes) {
            return Ok((Some(asked.clone()), None));
        }
        let value = |object: &dyn machinery::object::Object| self.kinds.to_value(resource, kind, object);
        let object = attributes.object.as_deref().map(value).transpose()?;
        let old_object = attributes.old_object.as_deref().map(value).transpose()?;
        Ok((object, old_object))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WebhookAdmissionConfiguration {
    #[serde(default)]
    kube_config_file: String,
    #[serde(default)]
    static_manifests_dir: String,
}

/// Refuses what a configuration of one of the plugins asks for and is not there.
fn refused_configuration(configuration: Option<Value>) -> Result<(), ConfigurationError> {
    let Some(value) = configuration else { return Ok(()) };
    let accepted = [
        ("apiserver.config.k8s.io/v1", "WebhookAdmissionConfiguration"),
        ("apiserver.config.k8s.io/v1alpha1", "WebhookAdmission"),
    ];
    let read: WebhookAdmissionConfiguration = decode(value, &accepted)?;
    for (field, value) in
        [("kubeConfigFile", &read.kube_config_file), ("staticManifestsDir", &read.static_manifests_dir)]
    {
        if !value.is_empty() {
            return Err(ConfigurationError::Rules(format!(
                "{field}: Forbidden: {value:?}: not part of this program; webhooks are called without credentials of \
                 their own (the certificate of --proxy-client-cert-file is shown to those who ask for one) and \
                 configured through the API; leave it empty"
            )));
        }
    }
    Ok(())
}
