//! `ValidatingAdmissionWebhook`: webhooks that judge objects, all at once.
//!
//! Source: `k8s.io/apiserver/pkg/admission/plugin/webhook/validating/dispatcher.go`.

use std::time::Instant;

use api_types::admissionregistration::v1::ValidatingWebhookConfiguration;
use async_trait::async_trait;
use futures_util::future::join_all;
use machinery::status::StatusError;
use serde_json::Value;

use super::call::{self, Settled, Shown};
use super::hook::Hook;
use super::matching::{self, Invocation};
use super::{Tools, conditions, refused_configuration};
use crate::attributes::{Attributes, Operation};
use crate::configuration::ConfigurationError;
use crate::metrics::Step;
use crate::plugin::Plugin;

const FAILED_OPEN: &str = "failed-open.validating.webhook.admission.k8s.io/";

/// The plugin.
pub struct ValidatingAdmissionWebhook {
    tools: Tools,
}

/// A webhook that is to be asked, and what it is shown.
struct Task {
    hook: Hook,
    invocation: Invocation,
    object: Option<Value>,
    old_object: Option<Value>,
}

impl ValidatingAdmissionWebhook {
    /// With its configuration, which must not ask for what is not there.
    pub fn new(tools: Tools, configuration: Option<Value>) -> Result<Self, ConfigurationError> {
        refused_configuration(configuration)?;
        Ok(ValidatingAdmissionWebhook { tools })
    }

    async fn tasks(&self, attributes: &Attributes) -> Result<Vec<Task>, StatusError> {
        let Tools { lookup, kinds, .. } = &self.tools;
        let configurations = lookup.list::<ValidatingWebhookConfiguration>("").await?;
        let mut tasks = Vec::new();
        for hook in configurations.iter().flat_map(Hook::of_validating) {
            let invocation = matching::invocation(&hook, attributes, lookup, kinds.as_ref()).await?;
            let Some(invocation) = invocation else { continue };
            if !conditions::are_met(&self.tools, &hook, attributes, &invocation, Step::Validate)? {
                continue;
            }
            let shown = self.tools.shown(attributes, &invocation);
            let (object, old_object) = shown.map_err(StatusError::internal_error)?;
            tasks.push(Task { hook, invocation, object, old_object });
        }
        Ok(tasks)
    }

    async fn ask(&self, index: usize, task: &Task, attributes: &Attributes) -> Result<(), StatusError> {
        let Task { hook, invocation, object, old_object } = task;
        let shown = Shown { object: object.as_ref(), old_object: old_object.as_ref() };
        let (caller, started) = (self.tools.caller.as_ref(), Instant::now());
        let outcome = call::call(caller, hook, attributes, invocation, shown, Step::Validate).await;
        let (metrics, operation) = (&self.tools.metrics, attributes.operation);
        let outcome = outcome.map(drop);
        let settled = call::settle(metrics, hook, Step::Validate, operation, started, outcome)?;
        if settled == Settled::FailedOpen {
            attributes.notes.annotate(&format!("{FAILED_OPEN}round_0_index_{index}"), &hook.name);
        }
        Ok(())
    }
}

#[async_trait]
impl Plugin for ValidatingAdmissionWebhook {
    fn name(&self) -> &'static str {
        "ValidatingAdmissionWebhook"
    }

    fn handles(&self, _: Operation) -> bool {
        true
    }

    async fn validate(&self, attributes: &Attributes) -> Result<(), StatusError> {
        if matching::is_exempt(attributes) {
            return Ok(());
        }
        let tasks = self.tasks(attributes).await?;
        let calls = tasks.iter().enumerate().map(|(index, task)| self.ask(index, task, attributes));
        // All are asked to the end; of several refusals the client hears the first in the order of webhooks.
        join_all(calls).await.into_iter().collect()
    }
}
