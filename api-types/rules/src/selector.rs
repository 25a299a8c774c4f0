//! Label selectors as workloads carry them: matching and the text form.
//!
//! Source: `k8s.io/apimachinery/pkg/apis/meta/v1/helpers.go`.

use machinery::meta::v1::{LabelSelector, LabelSelectorRequirement};
use std::collections::BTreeMap;

/// True when the labels meet every requirement. An absent selector selects nothing, an empty one everything.
pub fn matches(selector: Option<&LabelSelector>, labels: &BTreeMap<String, String>) -> bool {
    selector.is_some_and(|selector| {
        set_matches(&selector.match_labels, labels)
            && selector.match_expressions.iter().all(|requirement| requirement_matches(requirement, labels))
    })
}

/// True when `labels` has every pair of `wanted`.
pub fn set_matches(wanted: &BTreeMap<String, String>, labels: &BTreeMap<String, String>) -> bool {
    wanted.iter().all(|(key, value)| labels.get(key) == Some(value))
}

fn requirement_matches(requirement: &LabelSelectorRequirement, labels: &BTreeMap<String, String>) -> bool {
    let value = labels.get(&requirement.key);
    match requirement.operator.as_str() {
        "In" => value.is_some_and(|value| requirement.values.contains(value)),
        "NotIn" => value.is_none_or(|value| !requirement.values.contains(value)),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        _ => false,
    }
}

/// The selector as selector text, ordered by key; `None` when an operator is unknown.
pub fn text(selector: &LabelSelector) -> Option<String> {
    let mut parts: Vec<(&str, String)> =
        selector.match_labels.iter().map(|(key, value)| (key.as_str(), format!("{key}={value}"))).collect();
    for requirement in &selector.match_expressions {
        let key = &requirement.key;
        let mut values = requirement.values.clone();
        values.sort();
        let values = values.join(",");
        let text = match requirement.operator.as_str() {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "Exists" => key.clone(),
            "DoesNotExist" => format!("!{key}"),
            _ => return None,
        };
        parts.push((key, text));
    }
    parts.sort_by(|left, right| left.0.cmp(right.0));
    Some(parts.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(","))
}

/// The selector for people: `<none>` when it selects everything or nothing, `<error>` when it is ill-formed.
pub fn shown(selector: Option<&LabelSelector>) -> String {
    match selector.map(text) {
        None => "<none>".to_owned(),
        Some(None) => "<error>".to_owned(),
        Some(Some(text)) if text.is_empty() => "<none>".to_owned(),
        Some(Some(text)) => text,
    }
}

/// Labels for people: `a=1,b=2`, or `<none>`.
pub fn labels_shown(labels: &BTreeMap<String, String>) -> String {
    if labels.is_empty() {
        return "<none>".to_owned();
    }
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selector(labels: &[(&str, &str)], expressions: &[(&str, &str, &[&str])]) -> LabelSelector {
        LabelSelector {
            match_labels: labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
            match_expressions: expressions
                .iter()
                .map(|(key, operator, values)| LabelSelectorRequirement {
                    key: key.to_string(),
                    operator: operator.to_string(),
                    values: values.iter().map(|value| value.to_string()).collect(),
                })
                .collect(),
        }
    }

    #[test]
    fn matching() {
        let labels = BTreeMap::from([("app".to_owned(), "web".to_owned())]);
        let cases = [
            (selector(&[], &[]), true),
            (selector(&[("app", "web")], &[]), true),
            (selector(&[("app", "db")], &[]), false),
            (selector(&[], &[("app", "In", &["web"]), ("tier", "DoesNotExist", &[])]), true),
            (selector(&[], &[("tier", "NotIn", &["x"])]), true),
            (selector(&[], &[("tier", "Exists", &[])]), false),
            (selector(&[], &[("app", "Gt", &["1"])]), false),
        ];
        for (selector, expected) in cases {
            assert_eq!(matches(Some(&selector), &labels), expected, "{selector:?}");
        }
        assert!(!matches(None, &labels));
    }

    #[test]
    fn texts() {
        assert_eq!(shown(Some(&selector(&[("b", "1")], &[("a", "In", &["y", "x"])]))), "a in (x,y),b=1");
        assert_eq!(shown(Some(&selector(&[], &[]))), "<none>");
        assert_eq!(shown(None), "<none>");
    }
}
