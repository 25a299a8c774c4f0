//! Validation of webhook configurations. Expressions of match conditions are compiled by the server.
//!
//! Source: `pkg/apis/admissionregistration/validation/validation.go`.

use super::{client, rules};
use crate::{meta, report::Report};
use api_types::admissionregistration::v1::{
    MatchCondition, MutatingWebhookConfiguration, RuleWithOperations, ValidatingWebhookConfiguration,
    WebhookClientConfig,
};
use machinery::{
    field::{Error, ErrorList, Path},
    meta::v1::{LabelSelector, ObjectMeta},
    names,
};
use std::collections::BTreeSet;

const REVIEW_VERSIONS: &[&str] = &["v1", "v1beta1"];
const SIDE_EFFECTS: &[&str] = &["None", "NoneOnDryRun", "Some", "Unknown"];
const NO_SIDE_EFFECTS: &[&str] = &["None", "NoneOnDryRun"];
const MOST_CONDITIONS: usize = 64;

/// A webhook of either kind.
struct Webhook<'a> {
    name: &'a str,
    client: &'a WebhookClientConfig,
    rules: &'a [RuleWithOperations],
    failure_policy: Option<&'a str>,
    match_policy: Option<&'a str>,
    selectors: [(&'static str, Option<&'a LabelSelector>); 2],
    side_effects: Option<&'a str>,
    timeout_seconds: Option<i32>,
    review_versions: &'a [String],
    reinvocation_policy: Option<&'a str>,
    conditions: &'a [MatchCondition],
}

macro_rules! webhooks {
    ($configuration:expr, $webhook:ident => $reinvocation:expr) => {
        $configuration
            .webhooks
            .iter()
            .map(|$webhook| Webhook {
                name: &$webhook.name,
                client: &$webhook.client_config,
                rules: &$webhook.rules,
                failure_policy: $webhook.failure_policy.as_deref(),
                match_policy: $webhook.match_policy.as_deref(),
                selectors: [
                    ("namespaceSelector", $webhook.namespace_selector.as_deref()),
                    ("objectSelector", $webhook.object_selector.as_deref()),
                ],
                side_effects: $webhook.side_effects.as_deref(),
                timeout_seconds: $webhook.timeout_seconds,
                review_versions: &$webhook.admission_review_versions,
                reinvocation_policy: $reinvocation,
                conditions: &$webhook.match_conditions,
            })
            .collect::<Vec<_>>()
    };
}

fn of_validating(configuration: &ValidatingWebhookConfiguration) -> Vec<Webhook<'_>> {
    webhooks!(configuration, webhook => None)
}

fn of_mutating(configuration: &MutatingWebhookConfiguration) -> Vec<Webhook<'_>> {
    webhooks!(configuration, webhook => webhook.reinvocation_policy.as_deref())
}

/// What a configuration must be because the one it replaces was.
#[derive(Clone, Copy)]
struct Strictness {
    side_effects: bool,
    review_versions: bool,
    unique_names: bool,
    selector_values: bool,
}

const STRICT: Strictness =
    Strictness { side_effects: true, review_versions: true, unique_names: true, selector_values: true };

impl Strictness {
    fn of(old: &[Webhook<'_>]) -> Strictness {
        let names: BTreeSet<&str> = old.iter().map(|webhook| webhook.name).collect();
        let bad_values = |webhook: &Webhook<'_>| {
            webhook.selectors.iter().any(|(_, selector)| meta::has_bad_selector_value(*selector))
        };
        Strictness {
            side_effects: old.iter().all(|webhook| {
                webhook.side_effects.is_some_and(|effects| NO_SIDE_EFFECTS.contains(&effects))
            }),
            review_versions: old.iter().all(|webhook| knows_reviews(webhook.review_versions)),
            unique_names: names.len() == old.len(),
            selector_values: !old.iter().any(bad_values),
        }
    }
}

fn knows_reviews(versions: &[String]) -> bool {
    versions.iter().any(|version| REVIEW_VERSIONS.contains(&version.as_str()))
}

fn choice(value: Option<&str>, accepted: &[&str], path: &Path, errors: &mut ErrorList) {
    if let Some(value) = value.filter(|value| !accepted.contains(value)) {
        errors.not_supported(path, value, accepted);
    }
}

fn validate_name(name: &str, path: &Path, errors: &mut ErrorList) {
    let messages = names::is_dns1123_subdomain(name);
    if name.is_empty() {
        errors.required(path, "");
    } else if !messages.is_empty() {
        errors.invalid(path, name, messages.join(","));
    } else if name.split('.').count() < 3 {
        errors.invalid(path, name, "should be a domain with at least three segments separated by dots");
    }
}

fn validate_client(client_config: &WebhookClientConfig, path: &Path, errors: &mut ErrorList) {
    match (&client_config.url, &client_config.service) {
        (Some(url), None) => client::validate_url(url, &path.child("url"), errors),
        (None, Some(service)) => {
            let (path, port) = (path.child("service"), service.port.unwrap_or(443));
            client::validate_service(
                &service.namespace,
                &service.name,
                service.path.as_deref(),
                port,
                &path,
                errors,
            );
        }
        _ => errors.required(path, "exactly one of url or service is required"),
    }
}

fn validate_conditions(conditions: &[MatchCondition], path: &Path, errors: &mut ErrorList) {
    if conditions.len() > MOST_CONDITIONS {
        errors.push(Error::too_many(path, Some(conditions.len()), MOST_CONDITIONS));
    }
    let mut seen = BTreeSet::new();
    for (index, condition) in conditions.iter().enumerate() {
        let path = path.index(index);
        if condition.expression.trim().is_empty() {
            errors.required(&path.child("expression"), "");
        }
        let name_path = path.child("name");
        if condition.name.is_empty() {
            errors.required(&name_path, "");
            continue;
        }
        errors.invalid_each(&name_path, &condition.name, names::is_qualified_name(&condition.name));
        if !seen.insert(&condition.name) {
            errors.duplicate(&name_path, &condition.name);
        }
    }
}

fn validate_review_versions(versions: &[String], strict: bool, path: &Path, errors: &mut ErrorList) {
    let known = REVIEW_VERSIONS.join(", ");
    if versions.is_empty() {
        return errors.required(path, format!("must specify one of {known}"));
    }
    let mut seen = BTreeSet::new();
    for (index, version) in versions.iter().enumerate() {
        if seen.insert(version) {
            errors.invalid_each(&path.index(index), version, names::is_dns1035_label(version));
        } else {
            errors.invalid(&path.index(index), version, "duplicate version");
        }
    }
    if strict && !knows_reviews(versions) {
        errors.invalid(path, versions.to_vec(), format!("must include at least one of {known}"));
    }
}

fn validate_webhook(webhook: &Webhook<'_>, strict: Strictness, path: &Path, errors: &mut ErrorList) {
    validate_name(webhook.name, &path.child("name"), errors);
    for (index, rule) in webhook.rules.iter().enumerate() {
        rules::validate(rule, &path.child("rules").index(index), errors);
    }
    choice(webhook.failure_policy, &["Fail", "Ignore"], &path.child("failurePolicy"), errors);
    choice(webhook.match_policy, &["Equivalent", "Exact"], &path.child("matchPolicy"), errors);
    let effects = if strict.side_effects { NO_SIDE_EFFECTS } else { SIDE_EFFECTS };
    if webhook.side_effects.is_none() {
        errors.required(&path.child("sideEffects"), format!("must specify one of {}", effects.join(", ")));
    }
    choice(webhook.side_effects, effects, &path.child("sideEffects"), errors);
    if let Some(seconds) = webhook.timeout_seconds.filter(|seconds| !(1..=30).contains(seconds)) {
        errors.invalid(
            &path.child("timeoutSeconds"),
            seconds,
            "the timeout value must be between 1 and 30 seconds",
        );
    }
    for (field, selector) in webhook.selectors {
        if let Some(selector) = selector {
            errors.extend(meta::validate_label_selector(
                selector,
                !strict.selector_values,
                &path.child(field),
            ));
        }
    }
    choice(webhook.reinvocation_policy, &["IfNeeded", "Never"], &path.child("reinvocationPolicy"), errors);
    validate_client(webhook.client, &path.child("clientConfig"), errors);
    validate_conditions(webhook.conditions, &path.child("matchConditions"), errors);
    validate_review_versions(
        webhook.review_versions,
        strict.review_versions,
        &path.child("admissionReviewVersions"),
        errors,
    );
}

fn validate_all(metadata: &ObjectMeta, webhooks: &[Webhook<'_>], strict: Strictness) -> ErrorList {
    let mut errors = meta::validate(metadata, false, names::name_is_dns_subdomain, &Path::new("metadata"));
    let mut seen = BTreeSet::new();
    for (index, webhook) in webhooks.iter().enumerate() {
        let path = Path::new("webhooks").index(index);
        validate_webhook(webhook, strict, &path, &mut errors);
        if strict.unique_names && !webhook.name.is_empty() && !seen.insert(webhook.name) {
            errors.duplicate(&path.child("name"), webhook.name);
        }
    }
    errors
}

/// A new configuration of validating webhooks.
pub fn validate_validating(configuration: &ValidatingWebhookConfiguration) -> ErrorList {
    validate_all(&configuration.metadata, &of_validating(configuration), STRICT)
}

/// A changed configuration of validating webhooks.
pub fn validate_validating_update(
    new: &ValidatingWebhookConfiguration,
    old: &ValidatingWebhookConfiguration,
) -> ErrorList {
    validate_all(&new.metadata, &of_validating(new), Strictness::of(&of_validating(old)))
}

/// A new configuration of mutating webhooks.
pub fn validate_mutating(configuration: &MutatingWebhookConfiguration) -> ErrorList {
    validate_all(&configuration.metadata, &of_mutating(configuration), STRICT)
}

/// A changed configuration of mutating webhooks.
pub fn validate_mutating_update(
    new: &MutatingWebhookConfiguration,
    old: &MutatingWebhookConfiguration,
) -> ErrorList {
    validate_all(&new.metadata, &of_mutating(new), Strictness::of(&of_mutating(old)))
}
