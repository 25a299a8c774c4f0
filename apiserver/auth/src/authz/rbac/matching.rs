//! Whether one rule allows one request.

use api_types::rbac::v1::PolicyRule;

use crate::authz::Attributes;

const ALL: &str = "*";

/// Whether `rule` allows the request.
pub fn rule_allows(attributes: &Attributes<'_>, rule: &PolicyRule) -> bool {
    if !attributes.resource_request {
        return verb_matches(rule, attributes.verb) && url_matches(rule, attributes.path);
    }
    verb_matches(rule, attributes.verb)
        && group_matches(rule, attributes.api_group)
        && resource_matches(rule, attributes.resource, attributes.subresource)
        && name_matches(rule, attributes.name)
}

fn verb_matches(rule: &PolicyRule, verb: &str) -> bool {
    rule.verbs.iter().any(|allowed| allowed == ALL || allowed == verb)
}

fn group_matches(rule: &PolicyRule, group: &str) -> bool {
    rule.api_groups.iter().any(|allowed| allowed == ALL || allowed == group)
}

fn resource_matches(rule: &PolicyRule, resource: &str, subresource: &str) -> bool {
    rule.resources.iter().any(|allowed| {
        if allowed == ALL {
            return true;
        }
        match allowed.split_once('/') {
            None => subresource.is_empty() && allowed == resource,
            // `*/scale` means the subresource of every resource; `pods/*` has no special meaning.
            Some((before, after)) => {
                !subresource.is_empty() && after == subresource && (before == ALL || before == resource)
            }
        }
    })
}

fn name_matches(rule: &PolicyRule, name: &str) -> bool {
    rule.resource_names.is_empty() || rule.resource_names.iter().any(|allowed| allowed == name)
}

fn url_matches(rule: &PolicyRule, path: &str) -> bool {
    rule.non_resource_urls.iter().any(|allowed| url_covers(allowed, path))
}

/// Whether the URL or URL pattern `owner` includes `path`.
pub(super) fn url_covers(owner: &str, path: &str) -> bool {
    owner == ALL || owner == path || (owner.ends_with('*') && path.starts_with(owner.trim_end_matches('*')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::UserInfo;

    fn strings(list: &[&str]) -> Vec<String> {
        list.iter().map(|s| s.to_string()).collect()
    }

    #[track_caller]
    fn check_resource(resources: &[&str], names: &[&str], request: (&str, &str, &str), expected: bool) {
        let rule = PolicyRule {
            verbs: strings(&["get"]),
            api_groups: strings(&[""]),
            resources: strings(resources),
            resource_names: strings(names),
            ..PolicyRule::default()
        };
        let user = UserInfo::anonymous();
        let (resource, subresource, name) = request;
        let attributes = Attributes { subresource, name, ..Attributes::resource(&user, "get", "", resource) };
        assert_eq!(rule_allows(&attributes, &rule), expected, "{resources:?} {names:?} {request:?}");
        let other_verb = Attributes { verb: "list", ..attributes };
        assert!(!rule_allows(&other_verb, &rule));
        let other_group = Attributes { api_group: "apps", ..attributes };
        assert!(!rule_allows(&other_group, &rule));
    }

    #[test]
    fn resources_and_names() {
        check_resource(&["pods"], &[], ("pods", "", "a"), true);
        check_resource(&["pods"], &[], ("pods", "log", "a"), false);
        check_resource(&["pods/log"], &[], ("pods", "log", "a"), true);
        check_resource(&["pods/log"], &[], ("pods", "", "a"), false);
        check_resource(&["*/scale"], &[], ("deployments", "scale", "a"), true);
        check_resource(&["*/scale"], &[], ("deployments", "status", "a"), false);
        check_resource(&["*"], &[], ("deployments", "status", "a"), true);
        check_resource(&["pods/*"], &[], ("pods", "log", "a"), false);
        check_resource(&["pods"], &["a", "b"], ("pods", "", "b"), true);
        check_resource(&["pods"], &["a"], ("pods", "", "c"), false);
        check_resource(&["pods"], &["a"], ("pods", "", ""), false);
    }

    #[track_caller]
    fn check_url(pattern: &str, path: &str, expected: bool) {
        let rule = PolicyRule {
            verbs: strings(&["get"]),
            non_resource_urls: strings(&[pattern]),
            ..PolicyRule::default()
        };
        let user = UserInfo::anonymous();
        assert_eq!(rule_allows(&Attributes::path(&user, "get", path), &rule), expected, "{pattern} {path}");
    }

    #[test]
    fn urls() {
        check_url("/healthz", "/healthz", true);
        check_url("/healthz", "/healthz/etcd", false);
        check_url("/healthz/*", "/healthz/etcd", true);
        check_url("/healthz/*", "/healthz", false);
        check_url("*", "/any", true);
        check_url("/a*b", "/a*b", true);
        check_url("/a*b", "/axb", false);
    }
}
