//! A webhook of either kind, with the name of its configuration.

use api_types::admissionregistration::v1::{
    MatchCondition, MutatingWebhookConfiguration, RuleWithOperations, ValidatingWebhookConfiguration,
    WebhookClientConfig,
};
use hashbrown::HashMap;
use machinery::meta::v1::LabelSelector;
use std::time::Duration;

/// Upstream's default of `timeoutSeconds`.
const TIMEOUT_SECONDS: u64 = 10;

/// One webhook.
#[derive(Clone, Debug)]
pub struct Hook {
    /// Its name, which is a domain.
    pub name: String,
    /// The configuration it stands in.
    pub configuration: String,
    /// Tells webhooks of one plugin apart.
    pub key: String,
    /// Where it is.
    pub client: WebhookClientConfig,
    /// Requests it wants to see.
    pub rules: Vec<RuleWithOperations>,
    /// Whether requests pass when it cannot be asked.
    pub fails_open: bool,
    /// Whether it sees requests for other versions of the resources in its rules.
    pub equivalent: bool,
    /// Labels of namespaces.
    pub namespace_selector: Option<Box<LabelSelector>>,
    /// Labels of objects.
    pub object_selector: Option<Box<LabelSelector>>,
    /// Whether it may be asked about requests that write nothing.
    pub side_effects: Option<String>,
    /// How long it may take.
    pub timeout: Duration,
    /// Versions of reviews it reads, best first.
    pub review_versions: Vec<String>,
    /// Whether it is asked again when others have changed the object after it.
    pub reinvoked: bool,
    /// CEL expressions that must all be true for it to be asked.
    pub conditions: Vec<MatchCondition>,
}

macro_rules! hook {
    ($configuration:expr, $webhook:expr, $seen:expr, $reinvoked:expr) => {{
        let webhook = $webhook;
        let configuration = &$configuration.metadata.name;
        let index: &mut usize = $seen.entry(webhook.name.clone()).or_insert(0);
        let key = format!("{configuration}/{}/{index}", webhook.name);
        *index += 1;
        let seconds = webhook.timeout_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        Hook {
            name: webhook.name.clone(),
            configuration: configuration.clone(),
            key,
            client: webhook.client_config.clone(),
            rules: webhook.rules.clone(),
            fails_open: webhook.failure_policy.as_deref() == Some("Ignore"),
            equivalent: webhook.match_policy.as_deref() == Some("Equivalent"),
            namespace_selector: webhook.namespace_selector.clone(),
            object_selector: webhook.object_selector.clone(),
            side_effects: webhook.side_effects.clone(),
            timeout: Duration::from_secs(seconds.unwrap_or(TIMEOUT_SECONDS)),
            review_versions: webhook.admission_review_versions.clone(),
            reinvoked: $reinvoked,
            conditions: webhook.match_conditions.clone(),
        }
    }};
}

impl Hook {
    /// The webhooks of a mutating configuration, in its order.
    pub fn of_mutating(configuration: &MutatingWebhookConfiguration) -> Vec<Hook> {
        let mut seen = HashMap::new();
        let webhooks = configuration.webhooks.iter();
        webhooks
            .map(|webhook| {
                let reinvoked = webhook.reinvocation_policy.as_deref() == Some("IfNeeded");
                hook!(configuration, webhook, seen, reinvoked)
            })
            .collect()
    }

    /// The webhooks of a validating configuration, in its order.
    pub fn of_validating(configuration: &ValidatingWebhookConfiguration) -> Vec<Hook> {
        let mut seen = HashMap::new();
        let webhooks = configuration.webhooks.iter();
        webhooks.map(|webhook| hook!(configuration, webhook, seen, false)).collect()
    }

    /// Whether it may be asked about requests that write nothing.
    pub fn takes_dry_runs(&self) -> bool {
        matches!(self.side_effects.as_deref(), Some("None" | "NoneOnDryRun"))
    }
}
