//! Defaults of webhook configurations.

use api_types::admissionregistration::v1::{
    MutatingWebhookConfiguration, RuleWithOperations, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use machinery::meta::v1::LabelSelector;

struct Parts<'a> {
    failure_policy: &'a mut Option<String>,
    match_policy: &'a mut Option<String>,
    selectors: [&'a mut Option<Box<LabelSelector>>; 2],
    timeout_seconds: &'a mut Option<i32>,
    rules: &'a mut [RuleWithOperations],
    client: &'a mut WebhookClientConfig,
}

fn set_parts(parts: Parts<'_>) {
    parts.failure_policy.get_or_insert_with(|| "Fail".to_owned());
    parts.match_policy.get_or_insert_with(|| "Equivalent".to_owned());
    for selector in parts.selectors {
        selector.get_or_insert_default();
    }
    parts.timeout_seconds.get_or_insert(10);
    for rule in parts.rules {
        rule.rule.scope.get_or_insert_with(|| "*".to_owned());
    }
    if let Some(service) = &mut parts.client.service {
        service.port.get_or_insert(443);
    }
}

/// Defaults of a validating webhook configuration.
pub fn set_validating(configuration: &mut ValidatingWebhookConfiguration) {
    for webhook in &mut configuration.webhooks {
        set_parts(Parts {
            failure_policy: &mut webhook.failure_policy,
            match_policy: &mut webhook.match_policy,
            selectors: [&mut webhook.namespace_selector, &mut webhook.object_selector],
            timeout_seconds: &mut webhook.timeout_seconds,
            rules: &mut webhook.rules,
            client: &mut webhook.client_config,
        });
    }
}

/// Defaults of a mutating webhook configuration.
pub fn set_mutating(configuration: &mut MutatingWebhookConfiguration) {
    for webhook in &mut configuration.webhooks {
        webhook.reinvocation_policy.get_or_insert_with(|| "Never".to_owned());
        set_parts(Parts {
            failure_policy: &mut webhook.failure_policy,
            match_policy: &mut webhook.match_policy,
            selectors: [&mut webhook.namespace_selector, &mut webhook.object_selector],
            timeout_seconds: &mut webhook.timeout_seconds,
            rules: &mut webhook.rules,
            client: &mut webhook.client_config,
        });
    }
}
