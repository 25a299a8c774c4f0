//! Which webhooks want to see a request.
//!
//! Source: `k8s.io/apiserver/pkg/admission/plugin/webhook/predicates` and `ShouldCallHook` of `generic/webhook.go`.

use api_types::admissionregistration::v1::RuleWithOperations;
use api_types::core::v1::Namespace;
use machinery::meta::v1::LabelSelector;
use machinery::status::StatusError;
use machinery::{GroupVersionKind, GroupVersionResource};
use rules::selector;

use super::hook::Hook;
use super::kinds::Kinds;
use crate::attributes::{Attributes, Operation};
use crate::lookup::Lookup;

/// How a webhook sees a request: in the version its rules name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// The resource, maybe another version of the one in the path.
    pub resource: GroupVersionResource,
    /// The kind of the objects it is shown.
    pub kind: GroupVersionKind,
}

/// True for configurations of webhooks and policies, which no webhook may get hold of.
pub fn is_exempt(attributes: &Attributes) -> bool {
    attributes.kind.group == "admissionregistration.k8s.io"
        && matches!(
            attributes.kind.kind.as_ref(),
            "ValidatingWebhookConfiguration"
                | "MutatingWebhookConfiguration"
                | "ValidatingAdmissionPolicy"
                | "ValidatingAdmissionPolicyBinding"
                | "MutatingAdmissionPolicy"
                | "MutatingAdmissionPolicyBinding"
        )
}

/// How the webhook sees the request; `None` when it does not. Its conditions have not been asked yet.
pub async fn invocation(
    hook: &Hook,
    attributes: &Attributes,
    lookup: &Lookup,
    kinds: &dyn Kinds,
) -> Result<Option<Invocation>, StatusError> {
    // Whether a missing namespace is an error shows only when all else matches.
    let in_namespace = matches_namespace(hook, attributes, lookup).await;
    if matches!(in_namespace, Ok(false)) || !matches_object(hook, attributes) {
        return Ok(None);
    }
    let Some(invocation) = by_rules(hook, attributes, kinds)? else { return Ok(None) };
    in_namespace?;
    Ok(Some(invocation))
}

fn by_rules(
    hook: &Hook,
    attributes: &Attributes,
    kinds: &dyn Kinds,
) -> Result<Option<Invocation>, StatusError> {
    let own = &attributes.resource;
    if hook.rules.iter().any(|rule| matches_rule(rule, attributes, own)) {
        return Ok(Some(Invocation { resource: own.clone(), kind: attributes.kind.clone() }));
    }
    if !hook.equivalent {
        return Ok(None);
    }
    let equivalents = kinds.equivalents(own, &attributes.subresource);
    for rule in &hook.rules {
        let mut others = equivalents.iter().filter(|other| *other != own);
        if let Some(resource) = others.find(|other| matches_rule(rule, attributes, other)) {
            let kind = kinds.kind_of(resource, &attributes.subresource).ok_or_else(|| {
                StatusError::internal_error(format!("unable to convert to {resource}: unknown kind"))
            })?;
            return Ok(Some(Invocation { resource: resource.clone(), kind }));
        }
    }
    Ok(None)
}

fn matches_rule(rule: &RuleWithOperations, attributes: &Attributes, resource: &GroupVersionResource) -> bool {
    let names = |accepted: &[String], value: &str| accepted.iter().any(|name| name == "*" || name == value);
    in_scope(rule.rule.scope.as_deref(), attributes, resource)
        && names(&rule.operations, attributes.operation.name())
        && names(&rule.rule.api_groups, &resource.group)
        && names(&rule.rule.api_versions, &resource.version)
        && rule.rule.resources.iter().any(|wanted| {
            let (name, subresource) = wanted.split_once('/').unwrap_or((wanted, ""));
            (name == "*" || name == resource.resource)
                && (subresource == "*" || subresource == attributes.subresource)
        })
}

fn in_scope(scope: Option<&str>, attributes: &Attributes, resource: &GroupVersionResource) -> bool {
    // Requests for a namespace itself carry its name as their namespace.
    let is_namespace =
        resource.group.is_empty() && resource.version == "v1" && resource.resource == "namespaces";
    let clusterwide = is_namespace || attributes.namespace.is_empty();
    match scope {
        None | Some("*") => true,
        Some("Namespaced") => !clusterwide,
        Some("Cluster") => clusterwide,
        Some(_) => false,
    }
}

fn is_everything(selector: Option<&LabelSelector>) -> bool {
    selector.is_some_and(|selector| selector.match_labels.is_empty() && selector.match_expressions.is_empty())
}

fn matches_object(hook: &Hook, attributes: &Attributes) -> bool {
    let wanted = hook.object_selector.as_deref();
    if is_everything(wanted) {
        return true;
    }
    let objects = [attributes.object.as_deref(), attributes.old_object.as_deref()];
    objects.into_iter().flatten().any(|object| selector::matches(wanted, &object.meta().labels))
}

async fn matches_namespace(
    hook: &Hook,
    attributes: &Attributes,
    lookup: &Lookup,
) -> Result<bool, StatusError> {
    let about_namespaces = attributes.resource.resource == "namespaces";
    let wanted = hook.namespace_selector.as_deref();
    if (attributes.namespace.is_empty() && !about_namespaces) || is_everything(wanted) {
        return Ok(true);
    }
    let writes = matches!(attributes.operation, Operation::Create | Operation::Update);
    if about_namespaces && attributes.subresource.is_empty() && writes {
        // What is being written is newer than what is stored.
        let labels = attributes.object.as_deref().map(|object| &object.meta().labels);
        return Ok(labels.is_some_and(|labels| selector::matches(wanted, labels)));
    }
    let name = attributes.namespace.as_str();
    let found = lookup.find::<Namespace>("", name).await?;
    let namespace = found
        .ok_or_else(|| StatusError::not_found(&machinery::GroupResource::new("", "namespaces"), name))?;
    Ok(selector::matches(wanted, &namespace.metadata.labels))
}
