//! The resources every server of this version has, for users who may not ask what theirs serves.

use client::discovery::{Discovered, Discovery};

/// Every built-in resource of the legacy root or of the groups.
fn resources(legacy: bool) -> impl Iterator<Item = Discovered> {
    let own = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    api_types::facts::all().iter().filter(move |facts| facts.group.is_empty() == legacy).map(move |facts| {
        Discovered {
            resource: client::DynamicResource {
                group: facts.group.to_owned(),
                version: facts.version.to_owned(),
                kind: facts.kind.to_owned(),
                plural: facts.plural.to_owned(),
                namespaced: facts.namespaced,
            },
            singular: facts.singular.to_owned(),
            short_names: own(facts.short_names),
            categories: own(facts.categories),
            verbs: own(facts.verbs),
            subresources: facts.subresources.iter().map(|sub| sub.name.to_owned()).collect(),
            preferred_version: true,
        }
    })
}

/// Adds the built-in resources of the roots that were forbidden to the user.
pub fn fill(discovery: &mut Discovery) {
    for (root, legacy) in [("/api", true), ("/apis", false)] {
        if discovery.failed.iter().any(|(failed, _)| failed == root) {
            discovery.resources.extend(resources(legacy));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forbidden_roots_are_filled() {
        let failed = vec![("/api".to_owned(), "forbidden".to_owned())];
        let mut discovery = Discovery { resources: Vec::new(), failed };
        fill(&mut discovery);
        let has = |group: &str, plural: &str| {
            discovery
                .resources
                .iter()
                .any(|found| found.resource.group == group && found.resource.plural == plural)
        };
        assert!(has("", "pods"));
        assert!(!has("apps", "deployments"));
    }
}
