//! Whether a set of rules includes another: the ground of escalation checks and of reconciliation.

use std::collections::BTreeMap;

use api_types::rbac::v1::PolicyRule;

use super::matching::url_covers;

const ALL: &str = "*";

/// The parts of `servant` that no rule of `owner` includes, each with one verb and one object.
pub fn uncovered(owner: &[PolicyRule], servant: &[PolicyRule]) -> Vec<PolicyRule> {
    servant
        .iter()
        .flat_map(break_down)
        .filter(|part| !owner.iter().any(|rule| rule_covers(rule, part)))
        .collect()
}

/// Splits a rule into rules of one verb, group, resource and name, or one verb and URL.
pub fn break_down(rule: &PolicyRule) -> Vec<PolicyRule> {
    let mut parts = Vec::new();
    for group in &rule.api_groups {
        for resource in &rule.resources {
            for verb in &rule.verbs {
                let part = PolicyRule {
                    verbs: vec![verb.clone()],
                    api_groups: vec![group.clone()],
                    resources: vec![resource.clone()],
                    ..PolicyRule::default()
                };
                if rule.resource_names.is_empty() {
                    parts.push(part);
                    continue;
                }
                for name in &rule.resource_names {
                    parts.push(PolicyRule { resource_names: vec![name.clone()], ..part.clone() });
                }
            }
        }
    }
    for url in &rule.non_resource_urls {
        for verb in &rule.verbs {
            parts.push(PolicyRule {
                verbs: vec![verb.clone()],
                non_resource_urls: vec![url.clone()],
                ..PolicyRule::default()
            });
        }
    }
    parts
}

fn rule_covers(owner: &PolicyRule, part: &PolicyRule) -> bool {
    let all_or_each = |have: &[String], want: &[String]| has(have, ALL) || want.iter().all(|w| has(have, w));
    let names_cover = if part.resource_names.is_empty() {
        owner.resource_names.is_empty()
    } else {
        owner.resource_names.is_empty() || part.resource_names.iter().all(|n| has(&owner.resource_names, n))
    };
    let urls_cover = part
        .non_resource_urls
        .iter()
        .all(|path| owner.non_resource_urls.iter().any(|url| url_covers(url, path)));
    all_or_each(&owner.verbs, &part.verbs)
        && all_or_each(&owner.api_groups, &part.api_groups)
        && resources_cover(&owner.resources, &part.resources)
        && names_cover
        && urls_cover
}

fn has(list: &[String], wanted: &str) -> bool {
    list.iter().any(|element| element == wanted)
}

fn resources_cover(owner: &[String], part: &[String]) -> bool {
    has(owner, ALL)
        || part.iter().all(|resource| {
            has(owner, resource)
                || resource.split_once('/').is_some_and(|(_, sub)| has(owner, &format!("*/{sub}")))
        })
}

/// Joins the verbs of parts that speak of the same resource and name, to make messages short.
pub fn compact(parts: &[PolicyRule]) -> Vec<PolicyRule> {
    let mut compacted = Vec::new();
    let mut simple: BTreeMap<(String, String, Option<String>), PolicyRule> = BTreeMap::new();
    for part in parts {
        let ([group], [resource], [] | [_]) =
            (part.api_groups.as_slice(), part.resources.as_slice(), part.resource_names.as_slice())
        else {
            compacted.push(part.clone());
            continue;
        };
        if !part.non_resource_urls.is_empty() {
            compacted.push(part.clone());
            continue;
        }
        let key = (group.clone(), resource.clone(), part.resource_names.first().cloned());
        match simple.get_mut(&key) {
            Some(joined) => joined.verbs.extend(part.verbs.iter().cloned()),
            None => {
                simple.insert(key, part.clone());
            }
        }
    }
    compacted.extend(simple.into_values());
    compacted
}

/// A rule on one line, as in upstream's messages.
pub fn describe(rule: &PolicyRule) -> String {
    let parts = [
        ("APIGroups", &rule.api_groups),
        ("Resources", &rule.resources),
        ("NonResourceURLs", &rule.non_resource_urls),
        ("ResourceNames", &rule.resource_names),
        ("Verbs", &rule.verbs),
    ];
    let described: Vec<String> = parts
        .iter()
        .filter(|(_, values)| !values.is_empty())
        .map(|(name, values)| {
            let quoted: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
            format!("{name}:[{}]", quoted.join(" "))
        })
        .collect();
    format!("{{{}}}", described.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(verbs: &str, groups: &str, resources: &str, names: &str) -> PolicyRule {
        let list = |text: &str| text.split_whitespace().map(|s| s.replace("core", "")).collect();
        PolicyRule {
            verbs: list(verbs),
            api_groups: list(groups),
            resources: list(resources),
            resource_names: list(names),
            ..PolicyRule::default()
        }
    }

    fn urls(verbs: &str, urls: &str) -> PolicyRule {
        let list = |text: &str| text.split_whitespace().map(str::to_string).collect();
        PolicyRule { verbs: list(verbs), non_resource_urls: list(urls), ..PolicyRule::default() }
    }

    #[track_caller]
    fn check(owner: &[PolicyRule], servant: PolicyRule, missing: &[&str]) {
        let described: Vec<String> = uncovered(owner, &[servant]).iter().map(describe).collect();
        assert_eq!(described, missing);
    }

    #[test]
    fn what_is_held_covers_what_is_granted() {
        let owner = [rule("get list", "core", "pods", ""), rule("*", "apps", "*", "")];
        check(&owner, rule("get", "core", "pods", ""), &[]);
        check(&owner, rule("get", "core", "pods", "a"), &[]);
        check(&owner, rule("anything", "apps", "deployments deployments/scale", ""), &[]);
        check(
            &owner,
            rule("get delete", "core", "pods", ""),
            &[r#"{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}"#],
        );
        check(
            &owner,
            rule("*", "core", "pods", ""),
            &[r#"{APIGroups:[""], Resources:["pods"], Verbs:["*"]}"#],
        );
        let named = [rule("get", "core", "pods", "a")];
        check(&named, rule("get", "core", "pods", "a"), &[]);
        check(
            &named,
            rule("get", "core", "pods", ""),
            &[r#"{APIGroups:[""], Resources:["pods"], Verbs:["get"]}"#],
        );
        check(&[rule("get", "core", "*/log", "")], rule("get", "core", "pods/log", ""), &[]);
        check(
            &[rule("get", "core", "*/log", "")],
            rule("get", "core", "pods", ""),
            &[r#"{APIGroups:[""], Resources:["pods"], Verbs:["get"]}"#],
        );
    }

    #[test]
    fn urls_are_covered_by_prefix() {
        check(&[urls("get", "/a/*")], urls("get", "/a/b /a/*"), &[]);
        check(&[urls("get", "/a/*")], urls("get", "/a"), &[r#"{NonResourceURLs:["/a"], Verbs:["get"]}"#]);
        check(&[rule("*", "*", "*", "")], urls("get", "/a"), &[r#"{NonResourceURLs:["/a"], Verbs:["get"]}"#]);
    }

    #[test]
    fn parts_are_joined_again() {
        let parts = uncovered(&[], &[rule("get list", "core", "pods", ""), urls("get", "/a")]);
        let described: Vec<String> = compact(&parts).iter().map(describe).collect();
        let expected = [
            r#"{NonResourceURLs:["/a"], Verbs:["get"]}"#,
            r#"{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}"#,
        ];
        assert_eq!(described, expected);
    }
}
