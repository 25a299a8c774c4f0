//! Validation of flow schemas.

use crate::{flowcontrol::v1::bootstrap, meta, report::Report};
use api_types::flowcontrol::v1::{
    FlowSchema, FlowSchemaSpec, FlowSchemaStatus, NonResourcePolicyRule, PolicyRulesWithSubjects,
    ResourcePolicyRule, ServiceAccountSubject, Subject,
};
use machinery::{
    Message,
    field::{ErrorList, Path},
    names,
};
use std::collections::BTreeSet;

const HIGHEST_PRECEDENCE: i32 = 10_000;
const VERBS: &[&str] =
    &["create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"];

fn is_any(values: &[String]) -> bool {
    values.iter().any(|value| value == "*")
}

fn validate_verbs(verbs: &[String], path: &Path, errors: &mut ErrorList) {
    let path = path.child("verbs");
    if verbs.is_empty() {
        errors.required(&path, "verbs must contain at least one value");
    } else if is_any(verbs) {
        if verbs.len() > 1 {
            errors.invalid(&path, verbs.to_vec(), "if '*' is present, must not specify other verbs");
        }
    } else if !verbs.iter().all(|verb| VERBS.contains(&verb.as_str())) {
        let shown = serde_json::Value::from(verbs.to_vec());
        errors.push(machinery::field::Error::not_supported(&path, shown, VERBS.iter().copied()));
    }
}

fn validate_account(account: Option<&ServiceAccountSubject>, path: &Path, errors: &mut ErrorList) {
    let Some(account) = account else {
        return errors.required(path, "serviceAccount is required when subject kind is 'ServiceAccount'");
    };
    if account.name.is_empty() {
        errors.required(&path.child("name"), "");
    } else if account.name != "*" {
        errors.invalid_each(
            &path.child("name"),
            &account.name,
            names::name_is_dns_subdomain(&account.name, false),
        );
    }
    if account.namespace.is_empty() {
        errors.required(&path.child("namespace"), "must specify namespace for service account");
    } else {
        errors.invalid_each(
            &path.child("namespace"),
            &account.namespace,
            names::name_is_dns_label(&account.namespace, false),
        );
    }
}

fn validate_named(name: Option<&str>, missing: &str, path: &Path, errors: &mut ErrorList) {
    match name {
        None => errors.required(path, missing),
        Some("") => errors.required(&path.child("name"), ""),
        Some(_) => {}
    }
}

fn validate_subject(subject: &Subject, path: &Path, errors: &mut ErrorList) {
    match subject.kind.as_str() {
        "ServiceAccount" => {
            validate_account(subject.service_account.as_deref(), &path.child("serviceAccount"), errors)
        }
        "User" => {
            let name = subject.user.as_ref().map(|user| user.name.as_str());
            validate_named(name, "user is required when subject kind is 'User'", &path.child("user"), errors);
        }
        "Group" => {
            let name = subject.group.as_ref().map(|group| group.name.as_str());
            validate_named(
                name,
                "group is required when subject kind is 'Group'",
                &path.child("group"),
                errors,
            );
        }
        other => {
            return errors.not_supported(&path.child("kind"), other, &["Group", "ServiceAccount", "User"]);
        }
    }
    let others = [
        ("serviceAccount", "ServiceAccount", subject.service_account.is_some()),
        ("user", "User", subject.user.is_some()),
        ("group", "Group", subject.group.is_some()),
    ];
    for (field, kind, _) in others.iter().filter(|(_, kind, set)| *set && *kind != subject.kind) {
        errors.forbidden(
            &path.child(*field),
            format!("{field} is forbidden when subject kind is not '{kind}'"),
        );
    }
}

fn validate_resources(rule: &ResourcePolicyRule, path: &Path, errors: &mut ErrorList) {
    validate_verbs(&rule.verbs, path, errors);
    for (field, values, missing, what) in [
        ("apiGroups", &rule.api_groups, "resource rules must supply at least one api group", "api groups"),
        ("resources", &rule.resources, "resource rules must supply at least one resource", "resources"),
    ] {
        let path = path.child(field);
        if values.is_empty() {
            errors.required(&path, missing);
        } else if values.len() > 1 && is_any(values) {
            errors.invalid(&path, values, format!("if '*' is present, must not specify other {what}"));
        }
    }
    let path = path.child("namespaces");
    if rule.namespaces.is_empty() && !rule.cluster_scope {
        errors
            .required(&path, "resource rules that are not cluster scoped must supply at least one namespace");
    } else if is_any(&rule.namespaces) {
        if rule.namespaces.len() > 1 {
            errors.invalid(&path, &rule.namespaces, "if '*' is present, must not specify other namespaces");
        }
    } else {
        for (index, namespace) in rule.namespaces.iter().enumerate() {
            for message in names::name_is_dns_label(namespace, false) {
                errors.invalid(
                    &path.index(index),
                    namespace,
                    format!("each member of this list must be '*' or a DNS-1123 label; {message}"),
                );
            }
        }
    }
}

fn url_error(url: &str) -> Option<&'static str> {
    match url {
        "" => Some("must not be empty"),
        "/" => None,
        _ if !url.starts_with('/') => Some("must start with slash"),
        _ if url.contains(' ') => Some("must not contain white-space"),
        _ if url.contains("//") => Some("must not contain double slash"),
        _ => {
            let stars = url.matches('*').count();
            (stars > 1 || stars == 1 && !url.ends_with("/*"))
                .then_some("wildcard can only do suffix matching")
        }
    }
}

fn validate_urls(rule: &NonResourcePolicyRule, path: &Path, errors: &mut ErrorList) {
    validate_verbs(&rule.verbs, path, errors);
    let (path, urls) = (path.child("nonResourceURLs"), &rule.non_resource_urls);
    if urls.is_empty() {
        errors.required(&path, "nonResourceURLs must contain at least one value");
    } else if is_any(urls) {
        if urls.len() > 1 {
            errors.invalid(&path, urls, "if '*' is present, must not specify other non-resource URLs");
        }
    } else {
        for (index, url) in urls.iter().enumerate() {
            if let Some(error) = url_error(url) {
                errors.invalid(&path.index(index), url, error);
            }
        }
    }
}

fn validate_rules(rules: &PolicyRulesWithSubjects, path: &Path, errors: &mut ErrorList) {
    if rules.subjects.is_empty() {
        errors.required(&path.child("subjects"), "subjects must contain at least one value");
    }
    for (index, subject) in rules.subjects.iter().enumerate() {
        validate_subject(subject, &path.child("subjects").index(index), errors);
    }
    if rules.resource_rules.is_empty() && rules.non_resource_rules.is_empty() {
        errors.required(path, "at least one of resourceRules and nonResourceRules has to be non-empty");
    }
    for (index, rule) in rules.resource_rules.iter().enumerate() {
        validate_resources(rule, &path.child("resourceRules").index(index), errors);
    }
    for (index, rule) in rules.non_resource_rules.iter().enumerate() {
        validate_urls(rule, &path.child("nonResourceRules").index(index), errors);
    }
}

fn validate_spec(name: &str, spec: &FlowSchemaSpec, path: &Path, errors: &mut ErrorList) {
    let (precedence, at) = (spec.matching_precedence, path.child("matchingPrecedence"));
    if precedence <= 0 {
        errors.invalid(&at, precedence, "must be a positive value");
    }
    if precedence > HIGHEST_PRECEDENCE {
        errors.invalid(&at, precedence, format!("must not be greater than {HIGHEST_PRECEDENCE}"));
    }
    if precedence == 1 && name != "exempt" {
        errors.invalid(&at, precedence, "only the schema named 'exempt' may have matchingPrecedence 1");
    }
    let methods = ["ByNamespace", "ByUser"];
    if let Some(method) =
        spec.distinguisher_method.as_ref().filter(|method| !methods.contains(&method.type_.as_str()))
    {
        let path = path.child("distinguisherMethod").child("type");
        errors.push(machinery::field::Error::not_supported(&path, method.to_value(), methods));
    }
    let level = &spec.priority_level_configuration.name;
    let at = path.child("priorityLevelConfiguration").child("name");
    if level.is_empty() {
        errors.required(&at, "must reference a priority level");
    } else {
        errors.invalid_each(&at, level, names::name_is_dns_subdomain(level, false));
    }
    for (index, rules) in spec.rules.iter().enumerate() {
        validate_rules(rules, &path.child("rules").index(index), errors);
    }
}

fn validate_status(status: &FlowSchemaStatus, errors: &mut ErrorList) {
    validate_condition_types(status.conditions.iter().map(|condition| condition.type_.as_str()), errors);
}

/// Types of conditions: there, and each once.
pub fn validate_condition_types<'a>(types: impl Iterator<Item = &'a str>, errors: &mut ErrorList) {
    let mut seen = BTreeSet::new();
    for (index, kind) in types.enumerate() {
        let path = Path::of(&["status", "conditions"]).index(index).child("type");
        if !seen.insert(kind) {
            errors.duplicate(&path, kind);
        }
        if kind.is_empty() {
            errors.required(&path, "");
        }
    }
}

/// A new or changed schema.
pub fn validate(schema: &FlowSchema) -> ErrorList {
    let name = &schema.metadata.name;
    let mut errors =
        meta::validate(&schema.metadata, false, names::name_is_dns_subdomain, &Path::new("metadata"));
    let path = Path::new("spec");
    validate_spec(name, &schema.spec, &path, &mut errors);
    let fixed = bootstrap::mandatory_schemas().into_iter().find(|fixed| fixed.metadata.name == *name);
    if fixed.is_some_and(|fixed| fixed.spec != schema.spec) {
        errors.invalid(&path, schema.spec.to_value(), format!("spec of '{name}' must equal the fixed value"));
    }
    validate_status(&schema.status, &mut errors);
    errors
}

/// A changed schema.
pub fn validate_update(new: &FlowSchema, _old: &FlowSchema) -> ErrorList {
    validate(new)
}

/// A changed status.
pub fn validate_status_update(new: &FlowSchema, _old: &FlowSchema) -> ErrorList {
    let mut errors = ErrorList::new();
    validate_status(&new.status, &mut errors);
    errors
}
