//! What rules allow, and whether some rules allow all that others do.
//!
//! Source: `k8s.io/component-helpers/auth/rbac/validation`, `pkg/apis/rbac/v1/evaluation_helpers.go`.

use api_types::rbac::v1::PolicyRule;

/// Stands for every value.
pub const ALL: &str = "*";

fn has(values: &[String], wanted: &str) -> bool {
    values.iter().any(|value| value == ALL || value == wanted)
}

/// True when the rule names the verb.
pub fn verb_matches(rule: &PolicyRule, verb: &str) -> bool {
    has(&rule.verbs, verb)
}

/// True when the rule names the group.
pub fn group_matches(rule: &PolicyRule, group: &str) -> bool {
    has(&rule.api_groups, group)
}

/// True when the rule names the resource, its subresource, or all of that subresource (`*/scale`).
pub fn resource_matches(rule: &PolicyRule, resource: &str, subresource: &str) -> bool {
    rule.resources.iter().any(|value| {
        if value == ALL {
            return true;
        }
        if subresource.is_empty() {
            return value == resource;
        }
        match value.split_once('/') {
            Some((first, second)) => second == subresource && (first == resource || first == ALL),
            None => false,
        }
    })
}

/// True when the rule names the object, or none.
pub fn name_matches(rule: &PolicyRule, name: &str) -> bool {
    rule.resource_names.is_empty() || rule.resource_names.iter().any(|value| value == name)
}

/// True when the rule names the path, whole or up to a star at its end.
pub fn path_matches(rule: &PolicyRule, path: &str) -> bool {
    rule.non_resource_urls.iter().any(|value| {
        value == ALL
            || value == path
            || value.strip_suffix('*').is_some_and(|prefix| path.starts_with(prefix))
    })
}

fn split(rule: &PolicyRule) -> Vec<PolicyRule> {
    let mut parts = Vec::new();
    let one = |value: &String| vec![value.clone()];
    for group in &rule.api_groups {
        for resource in &rule.resources {
            for verb in &rule.verbs {
                let base = PolicyRule {
                    api_groups: one(group),
                    resources: one(resource),
                    verbs: one(verb),
                    ..PolicyRule::default()
                };
                if rule.resource_names.is_empty() {
                    parts.push(base);
                } else {
                    parts.extend(
                        rule.resource_names
                            .iter()
                            .map(|name| PolicyRule { resource_names: one(name), ..base.clone() }),
                    );
                }
            }
        }
    }
    for url in &rule.non_resource_urls {
        parts.extend(rule.verbs.iter().map(|verb| PolicyRule {
            non_resource_urls: one(url),
            verbs: one(verb),
            ..PolicyRule::default()
        }));
    }
    parts
}

fn all_in(owner: &[String], wanted: &[String]) -> bool {
    wanted.iter().all(|value| has(owner, value))
}

fn covers_part(owner: &PolicyRule, part: &PolicyRule) -> bool {
    let resources = owner.resources.iter().any(|value| value == ALL)
        || part.resources.iter().all(|wanted| {
            owner.resources.iter().any(|value| value == wanted)
                || wanted.split_once('/').is_some_and(|(_, subresource)| {
                    owner.resources.iter().any(|value| *value == format!("*/{subresource}"))
                })
        });
    // No names allow every name; some names never cover a part that names none.
    let names = match (owner.resource_names.is_empty(), part.resource_names.is_empty()) {
        (true, _) => true,
        (false, true) => false,
        (false, false) => part.resource_names.iter().all(|name| owner.resource_names.contains(name)),
    };
    let urls = part.non_resource_urls.iter().all(|url| {
        owner.non_resource_urls.iter().any(|value| {
            value == url || value.strip_suffix('*').is_some_and(|prefix| url.starts_with(prefix))
        })
    });
    all_in(&owner.verbs, &part.verbs)
        && all_in(&owner.api_groups, &part.api_groups)
        && resources
        && names
        && urls
}

/// The parts of `wanted` that `owned` does not allow; empty when `owned` allows everything.
pub fn uncovered(owned: &[PolicyRule], wanted: &[PolicyRule]) -> Vec<PolicyRule> {
    wanted.iter().flat_map(split).filter(|part| !owned.iter().any(|rule| covers_part(rule, part))).collect()
}

/// The rule as refusals show it: `{APIGroups:["apps"], Resources:["deployments"], Verbs:["get"]}`.
pub fn compact(rule: &PolicyRule) -> String {
    let list = |values: &[String]| {
        format!("[{}]", values.iter().map(|value| format!("{value:?}")).collect::<Vec<_>>().join(" "))
    };
    let mut parts = Vec::new();
    for (name, values) in [
        ("APIGroups", &rule.api_groups),
        ("Resources", &rule.resources),
        ("NonResourceURLs", &rule.non_resource_urls),
        ("ResourceNames", &rule.resource_names),
        ("Verbs", &rule.verbs),
    ] {
        if !values.is_empty() {
            parts.push(format!("{name}:{}", list(values)));
        }
    }
    format!("{{{}}}", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(groups: &[&str], resources: &[&str], names: &[&str], verbs: &[&str]) -> PolicyRule {
        let own = |values: &[&str]| values.iter().map(|value| value.to_string()).collect();
        PolicyRule {
            api_groups: own(groups),
            resources: own(resources),
            resource_names: own(names),
            verbs: own(verbs),
            ..Default::default()
        }
    }

    #[test]
    fn covering() {
        let cases = [
            (
                rule(&["*"], &["*"], &[], &["*"]),
                rule(&["apps"], &["deployments"], &[], &["get", "list"]),
                true,
            ),
            (
                rule(&["apps"], &["deployments"], &[], &["get"]),
                rule(&["apps"], &["deployments"], &[], &["get", "list"]),
                false,
            ),
            (
                rule(&["apps"], &["*/scale"], &[], &["get"]),
                rule(&["apps"], &["deployments/scale"], &[], &["get"]),
                true,
            ),
            (rule(&[""], &["secrets"], &["a"], &["get"]), rule(&[""], &["secrets"], &[], &["get"]), false),
            (rule(&[""], &["secrets"], &[], &["get"]), rule(&[""], &["secrets"], &["a"], &["get"]), true),
            (
                rule(&[""], &["secrets"], &["a", "b"], &["get"]),
                rule(&[""], &["secrets"], &["b"], &["get"]),
                true,
            ),
        ];
        for (owned, wanted, expected) in cases {
            assert_eq!(
                uncovered(std::slice::from_ref(&owned), std::slice::from_ref(&wanted)).is_empty(),
                expected,
                "{owned:?} {wanted:?}"
            );
        }
    }

    #[test]
    fn matching() {
        let scale = rule(&["apps"], &["*/scale", "deployments"], &[], &["get"]);
        assert!(resource_matches(&scale, "replicasets", "scale"));
        assert!(resource_matches(&scale, "deployments", ""));
        assert!(!resource_matches(&scale, "deployments", "status"));
        let urls = PolicyRule {
            non_resource_urls: vec!["/healthz/*".into(), "/version".into()],
            ..Default::default()
        };
        assert!(
            path_matches(&urls, "/healthz/ping")
                && path_matches(&urls, "/version")
                && !path_matches(&urls, "/api")
        );
    }

    #[test]
    fn text() {
        assert_eq!(
            compact(&rule(&["apps"], &["deployments"], &[], &["get", "list"])),
            "{APIGroups:[\"apps\"], Resources:[\"deployments\"], Verbs:[\"get\" \"list\"]}"
        );
    }
}
