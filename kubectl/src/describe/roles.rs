//! Roles and their bindings.

use serde_json::Value;

use super::read::texts;
use super::{Around, Page};
use crate::{Result, values};

/// A rule about one resource or one path.
#[derive(Clone, Debug, Default, PartialEq)]
struct Rule {
    verbs: Vec<String>,
    group: Option<String>,
    resource: Option<String>,
    names: Vec<String>,
    urls: Vec<String>,
}

/// Writes the page of a role, in a namespace or for the whole cluster.
pub fn role(role: &Value, _: &Around, page: &mut Page) -> Result<()> {
    page.field(0, "Name", values::name(role));
    page.metadata_maps(role);
    page.line(0, "PolicyRule:");
    page.row(1, ["Resources", "Non-Resource URLs", "Resource Names", "Verbs"]);
    page.row(1, ["---------", "-----------------", "--------------", "-----"]);
    for row in rows(role) {
        page.line(1, &row.join("\t"));
    }
    Ok(())
}

/// Resource, URLs, names and verbs of the rules at `/rules`, taken apart and gathered.
pub fn rows(role: &Value) -> Vec<[String; 4]> {
    let list = |texts: &[String]| format!("[{}]", texts.join(" "));
    let row = |rule: Rule| {
        let resource = combined(rule.resource.as_deref(), rule.group.as_deref());
        [resource, list(&rule.urls), list(&rule.names), list(&rule.verbs)]
    };
    rules(role).into_iter().map(row).collect()
}

/// The rules taken apart by resource and name, with the verbs of each together, in upstream's order.
fn rules(role: &Value) -> Vec<Rule> {
    let (mut several, mut simple): (Vec<Rule>, Vec<Rule>) = (Vec::new(), Vec::new());
    for rule in values::list(role, "/rules") {
        let verbs = texts(rule, "/verbs");
        for group in texts(rule, "/apiGroups") {
            for resource in texts(rule, "/resources") {
                for verb in &verbs {
                    let names = texts(rule, "/resourceNames");
                    let names: Vec<Vec<String>> = if names.is_empty() {
                        vec![Vec::new()]
                    } else {
                        names.into_iter().map(|name| vec![name]).collect()
                    };
                    for names in names {
                        let (group, resource) = (Some(group.clone()), Some(resource.clone()));
                        match simple.iter_mut().find(|known| {
                            known.group == group && known.resource == resource && known.names == names
                        }) {
                            Some(known) if known.verbs.contains(verb) => {}
                            Some(known) => known.verbs.push(verb.clone()),
                            None => simple.push(Rule {
                                verbs: vec![verb.clone()],
                                group,
                                resource,
                                names,
                                urls: Vec::new(),
                            }),
                        }
                    }
                }
            }
        }
        for url in texts(rule, "/nonResourceURLs") {
            for verb in &verbs {
                several.push(Rule { verbs: vec![verb.clone()], urls: vec![url.clone()], ..Rule::default() });
            }
        }
    }
    several.append(&mut simple);
    several.sort_by_key(sort_key);
    several
}

/// The text of the rule as Go writes it, which upstream sorts by.
fn sort_key(rule: &Rule) -> String {
    let list = |texts: Vec<&String>| {
        format!("[{}]", texts.into_iter().map(String::as_str).collect::<Vec<_>>().join(" "))
    };
    format!(
        "&PolicyRule{{Verbs:{},APIGroups:{},Resources:{},ResourceNames:{},NonResourceURLs:{},}}",
        list(rule.verbs.iter().collect()),
        list(rule.group.iter().collect()),
        list(rule.resource.iter().collect()),
        list(rule.names.iter().collect()),
        list(rule.urls.iter().collect())
    )
}

/// `pods/log`, `deployments.apps/scale`.
fn combined(resource: Option<&str>, group: Option<&str>) -> String {
    let Some(resource) = resource else { return String::new() };
    let (name, sub) = resource.split_once('/').map_or((resource, None), |(name, sub)| (name, Some(sub)));
    let group = group.filter(|group| !group.is_empty()).map(|group| format!(".{group}")).unwrap_or_default();
    let sub = sub.map(|sub| format!("/{sub}")).unwrap_or_default();
    format!("{name}{group}{sub}")
}

/// Writes the page of a binding.
pub fn binding(binding: &Value, _: &Around, page: &mut Page) -> Result<()> {
    page.field(0, "Name", values::name(binding));
    page.metadata_maps(binding);
    page.line(0, "Role:");
    page.field(1, "Kind", values::text(binding, "/roleRef/kind"));
    page.field(1, "Name", values::text(binding, "/roleRef/name"));
    page.line(0, "Subjects:");
    page.row(1, ["Kind", "Name", "Namespace"]);
    page.row(1, ["----", "----", "---------"]);
    for subject in values::list(binding, "/subjects") {
        let text = |pointer: &str| values::text(subject, pointer);
        page.row(1, [text("/kind"), text("/name"), text("/namespace")]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rules_are_taken_apart_and_their_verbs_gathered() {
        let role = json!({"rules": [
            {"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get"]},
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "get"]},
            {"nonResourceURLs": ["/x"], "verbs": ["get"]},
            {"apiGroups": ["apps"], "resources": ["deployments/scale"], "resourceNames": ["a"], "verbs": ["*"]}]});
        let shown: Vec<_> = rules(&role)
            .iter()
            .map(|rule| (combined(rule.resource.as_deref(), rule.group.as_deref()), rule.verbs.join(" ")))
            .collect();
        let expected =
            [("deployments.apps/scale", "*"), ("pods", "get list"), ("", "get"), ("pods/log", "get")];
        assert_eq!(shown, expected.map(|(resource, verbs)| (resource.to_owned(), verbs.to_owned())));
    }
}
