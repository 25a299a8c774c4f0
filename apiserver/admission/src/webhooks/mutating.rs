//! `MutatingAdmissionWebhook`: webhooks that may change objects, asked one after the other.
//!
//! Source: `k8s.io/apiserver/pkg/admission/plugin/webhook/mutating/dispatcher.go`.

use std::time::Instant;

use api_types::admissionregistration::v1::MutatingWebhookConfiguration;
use async_trait::async_trait;
use machinery::patch;
use machinery::quote::go_quote;
use machinery::status::StatusError;
use serde_json::{Value, json};

use super::call::{self, Failure, Settled, Shown};
use super::hook::Hook;
use super::matching::{self, Invocation};
use super::{Tools, conditions, refused_configuration};
use crate::attributes::{Attributes, Operation, Options};
use crate::configuration::ConfigurationError;
use crate::metrics::Step;
use crate::plugin::Plugin;
use crate::rounds::Rounds;

const MUTATED: &str = "mutation.webhook.admission.k8s.io/";
const PATCHED: &str = "patch.webhook.admission.k8s.io/";
const FAILED_OPEN: &str = "failed-open.mutation.webhook.admission.k8s.io/";

/// The plugin.
pub struct MutatingAdmissionWebhook {
    tools: Tools,
}

impl MutatingAdmissionWebhook {
    /// With its configuration, which must not ask for what is not there.
    pub fn new(tools: Tools, configuration: Option<Value>) -> Result<Self, ConfigurationError> {
        refused_configuration(configuration)?;
        Ok(MutatingAdmissionWebhook { tools })
    }

    async fn hooks(&self) -> Result<Vec<Hook>, StatusError> {
        let configurations = self.tools.lookup.list::<MutatingWebhookConfiguration>("").await?;
        Ok(configurations.iter().flat_map(Hook::of_mutating).collect())
    }

    async fn dispatch(&self, attributes: &mut Attributes, rounds: &mut Rounds) -> Result<(), StatusError> {
        for (index, hook) in self.hooks().await?.iter().enumerate() {
            let Tools { lookup, kinds, .. } = &self.tools;
            let Some(invocation) = matching::invocation(hook, attributes, lookup, kinds.as_ref()).await?
            else {
                continue;
            };
            if !conditions::are_met(&self.tools, hook, attributes, &invocation, Step::Admit)? {
                continue;
            }
            // A webhook that was not asked in the first round is not asked in the second.
            if !rounds.asks(&hook.key) {
                continue;
            }
            let started = Instant::now();
            let place = format!("round_{}_index_{index}", rounds.number());
            let outcome = self.ask(hook, &invocation, attributes, &place).await;
            let changed = matches!(outcome, Ok(true));
            let mutated = json!({
                "configuration": hook.configuration, "webhook": hook.name, "mutated": changed,
            });
            attributes.notes.annotate(&format!("{MUTATED}{place}"), &mutated.to_string());
            if changed {
                rounds.changed_by_others();
                rounds.want_second();
            }
            if hook.reinvoked {
                rounds.asked(&hook.key);
            }
            let (metrics, outcome) = (&self.tools.metrics, outcome.map(|_| ()));
            let settled = call::settle(metrics, hook, Step::Admit, attributes.operation, started, outcome)?;
            if settled == Settled::FailedOpen {
                attributes.notes.annotate(&format!("{FAILED_OPEN}{place}"), &hook.name);
            }
        }
        Ok(())
    }

    /// Asks one webhook and makes its changes; true when the object is another one now.
    async fn ask(
        &self,
        hook: &Hook,
        invocation: &Invocation,
        attributes: &mut Attributes,
        place: &str,
    ) -> Result<bool, Failure> {
        let internal = |error: String| Failure::Other(StatusError::internal_error(error));
        let (object, old_object) = self.tools.shown(attributes, invocation).map_err(internal)?;
        let shown = Shown { object: object.as_ref(), old_object: old_object.as_ref() };
        let answer =
            call::call(self.tools.caller.as_ref(), hook, attributes, invocation, shown, Step::Admit).await?;
        if answer.patch.is_empty() {
            return Ok(false);
        }
        let operations: Value = serde_json::from_slice(&answer.patch)
            .ok()
            .filter(Value::is_array)
            .ok_or_else(|| Failure::Calling {
                reason:
                    "received undecodable patch in webhook response: a JSON patch is a list of operations"
                        .to_owned(),
                code: 503,
            })?;
        if operations.as_array().is_some_and(Vec::is_empty) {
            return Ok(false);
        }
        let (Some(object), Some(before)) = (object, attributes.object.as_deref()) else {
            return Err(internal(format!(
                "admission webhook {} attempted to modify the object, which is not supported for this operation",
                go_quote(&hook.name)
            )));
        };
        if answer.patch_type != "JSONPatch" {
            let reason = format!("unsupported patch type {}", go_quote(&answer.patch_type));
            return Err(Failure::Calling { reason, code: 400 });
        }
        let patched =
            patch::json::apply(&object, &operations).map_err(|error| internal(error.to_string()))?;
        let Invocation { resource, kind } = invocation;
        let after = self
            .tools
            .kinds
            .to_object(resource, &attributes.subresource, kind, &patched)
            .map_err(internal)?;
        let changed = before.encode() != after.encode();
        let patched = json!({
            "configuration": hook.configuration, "webhook": hook.name, "patch": operations,
            "patchType": "JSONPatch",
        });
        attributes.notes.annotate(&format!("{PATCHED}{place}"), &patched.to_string());
        attributes.object = Some(after);
        Ok(changed)
    }
}

#[async_trait]
impl Plugin for MutatingAdmissionWebhook {
    fn name(&self) -> &'static str {
        "MutatingAdmissionWebhook"
    }

    fn handles(&self, _: Operation) -> bool {
        true
    }

    async fn admit_in_round(
        &self,
        attributes: &mut Attributes,
        rounds: &mut Rounds,
    ) -> Result<(), StatusError> {
        if matching::is_exempt(attributes) {
            return Ok(());
        }
        // The protobuf is made only where there may be a second round.
        let encoded = |attributes: &Attributes| attributes.object.as_deref().map(|object| object.encode());
        if rounds.is_second() {
            rounds.begin_webhooks(encoded(attributes));
        }
        let outcome = self.dispatch(attributes, rounds).await;
        if !rounds.is_second() && rounds.is_second_wanted() {
            rounds.end_webhooks(encoded(attributes));
        }
        outcome
    }
}

/// What a conversation asks for is the object webhooks see.
pub(super) fn conversation(attributes: &Attributes) -> Option<&Value> {
    match &attributes.options {
        Options::Connect(asked) => Some(asked),
        _ => None,
    }
}
