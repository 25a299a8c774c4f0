//! What the server serves: groups, versions and resources, fetched anew at each call.

use serde_json::Value;

use crate::client::{Client, JSON};
use crate::dynamic::DynamicResource;
use crate::error::Error;

/// Aggregated discovery in one answer per root, else the classic lists.
const ACCEPT_AGGREGATED: &str =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;q=0.9";

/// One resource as discovery describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discovered {
    /// Coordinates.
    pub resource: DynamicResource,
    /// Singular name.
    pub singular: String,
    /// Short names.
    pub short_names: Vec<String>,
    /// Categories such as `all`.
    pub categories: Vec<String>,
    /// Verbs.
    pub verbs: Vec<String>,
    /// Names of subresources.
    pub subresources: Vec<String>,
    /// Whether this is the preferred version of its group.
    pub preferred_version: bool,
}

impl Discovered {
    /// Whether the resource has all of `verbs`.
    pub fn supports(&self, verbs: &[&str]) -> bool {
        verbs.iter().all(|wanted| self.verbs.iter().any(|verb| verb == wanted))
    }
}

/// Everything discovery said, and what it could not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Discovery {
    /// Resources of every group and version: core first, then the server's order; versions best first.
    pub resources: Vec<Discovered>,
    /// Group-versions whose server did not answer (an aggregated API that is down), with the reason; `/api` or
    /// `/apis` where the user may not see what is served (of [`Discovery::fetch_permitted`]).
    pub failed: Vec<(String, String)>,
}

impl Discovery {
    /// Asks the server.
    pub async fn fetch(client: &Client) -> Result<Discovery, Error> {
        Discovery::ask(client, false).await
    }

    /// Asks the server for what the user may see: a root that is forbidden is noted as failed.
    pub async fn fetch_permitted(client: &Client) -> Result<Discovery, Error> {
        Discovery::ask(client, true).await
    }

    async fn ask(client: &Client, permitted_only: bool) -> Result<Discovery, Error> {
        let mut discovery = Discovery::default();
        for root in ["/api", "/apis"] {
            let request = http::Request::get(root)
                .header(http::header::ACCEPT, ACCEPT_AGGREGATED)
                .body(bytes::Bytes::new())
                .map_err(|error| Error::Request(error.to_string()))?;
            let (_, body) = match client.request_bytes(request).await {
                Ok(answer) => answer,
                // A server without the legacy or without the group root simply has nothing there.
                Err(error) if error.is_not_found() => continue,
                Err(error) if permitted_only && error.is_forbidden() => {
                    discovery.failed.push((root.to_owned(), error.to_string()));
                    continue;
                }
                Err(error) => return Err(error),
            };
            let value: Value =
                serde_json::from_slice(&body).map_err(|error| Error::decode("discovery", error))?;
            if value["kind"] == "APIGroupDiscoveryList" {
                discovery.add_aggregated(&value);
            } else {
                discovery.add_classic(client, root, &value).await?;
            }
        }
        Ok(discovery)
    }

    fn add_aggregated(&mut self, list: &Value) {
        for group in items(&list["items"]) {
            let group_name = text(&group["metadata"]["name"]);
            for (index, version) in items(&group["versions"]).iter().enumerate() {
                let version_name = text(&version["version"]);
                if version["freshness"] == "Stale" {
                    let name = machinery::group::api_version(&group_name, &version_name);
                    self.failed.push((name, "stale GroupVersion discovery".to_owned()));
                    continue;
                }
                for resource in items(&version["resources"]) {
                    let kind = &resource["responseKind"];
                    self.resources.push(Discovered {
                        resource: DynamicResource {
                            group: group_name.clone(),
                            version: version_name.clone(),
                            kind: text(&kind["kind"]),
                            plural: text(&resource["resource"]),
                            namespaced: resource["scope"] == "Namespaced",
                        },
                        singular: text(&resource["singularResource"]),
                        short_names: texts(&resource["shortNames"]),
                        categories: texts(&resource["categories"]),
                        verbs: texts(&resource["verbs"]),
                        subresources: items(&resource["subresources"])
                            .iter()
                            .map(|subresource| text(&subresource["subresource"]))
                            .collect(),
                        preferred_version: index == 0,
                    });
                }
            }
        }
    }

    async fn add_classic(&mut self, client: &Client, root: &str, value: &Value) -> Result<(), Error> {
        let mut versions = Vec::new();
        if root == "/api" {
            let names = texts(&value["versions"]);
            versions.extend(
                names.into_iter().enumerate().map(|(index, version)| (String::new(), version, index == 0)),
            );
        }
        for group in items(&value["groups"]) {
            let preferred = text(&group["preferredVersion"]["version"]);
            for version in items(&group["versions"]) {
                let version = text(&version["version"]);
                let is_preferred = version == preferred;
                versions.push((text(&group["name"]), version, is_preferred));
            }
        }
        for (group, version, preferred) in versions {
            match client.get_json(&crate::paths::group_version(&group, &version)).await {
                Ok(list) => self.add_resource_list(&group, &version, preferred, &list),
                Err(error @ (Error::Status(_) | Error::Decode { .. })) => {
                    let name = machinery::group::api_version(&group, &version);
                    self.failed.push((name, error.to_string()));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn add_resource_list(&mut self, group: &str, version: &str, preferred: bool, list: &Value) {
        let start = self.resources.len();
        for resource in items(&list["resources"]) {
            let name = text(&resource["name"]);
            let own = |field: &str, default: &str| match text(&resource[field]) {
                found if found.is_empty() => default.to_owned(),
                found => found,
            };
            if let Some((parent, subresource)) = name.split_once('/') {
                let found =
                    self.resources.iter_mut().skip(start).find(|found| found.resource.plural == parent);
                if let Some(found) = found {
                    found.subresources.push(subresource.to_owned());
                }
                continue;
            }
            self.resources.push(Discovered {
                resource: DynamicResource {
                    group: own("group", group),
                    version: own("version", version),
                    kind: text(&resource["kind"]),
                    plural: name,
                    namespaced: resource["namespaced"] == true,
                },
                singular: text(&resource["singularName"]),
                short_names: texts(&resource["shortNames"]),
                categories: texts(&resource["categories"]),
                verbs: texts(&resource["verbs"]),
                subresources: Vec::new(),
                preferred_version: preferred,
            });
        }
    }

    /// The resources in the preferred version of their group that have all of `verbs`, each once: one that
    /// exists only in another version counts there.
    pub fn preferred(&self, verbs: &[&str]) -> Vec<&Discovered> {
        let mut chosen: Vec<&Discovered> = Vec::new();
        let (first, second): (Vec<_>, Vec<_>) =
            self.resources.iter().partition(|found| found.preferred_version);
        for found in first.into_iter().chain(second) {
            let same = |known: &&Discovered| {
                known.resource.group == found.resource.group && known.resource.plural == found.resource.plural
            };
            if !chosen.iter().any(same) {
                chosen.push(found);
            }
        }
        chosen.retain(|found| found.supports(verbs));
        chosen
    }

    /// The resource of a kind.
    pub fn by_kind(&self, group: &str, version: &str, kind: &str) -> Option<&Discovered> {
        self.resources.iter().find(|found| {
            found.resource.group == group && found.resource.version == version && found.resource.kind == kind
        })
    }
}

/// The body of `/version`.
pub async fn server_version(client: &Client) -> Result<Value, Error> {
    let request = http::Request::get("/version")
        .header(http::header::ACCEPT, JSON)
        .body(bytes::Bytes::new())
        .map_err(|error| Error::Request(error.to_string()))?;
    let (_, body) = client.request_bytes(request).await?;
    serde_json::from_slice(&body).map_err(|error| Error::decode("version", error))
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    items(value).iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_forms_say_the_same() {
        let mut aggregated = Discovery::default();
        aggregated.add_aggregated(&json!({"items": [{"metadata": {"name": "apps"}, "versions": [
            {"version": "v1", "freshness": "Current", "resources": [{
                "resource": "deployments", "responseKind": {"kind": "Deployment"}, "scope": "Namespaced",
                "singularResource": "deployment", "verbs": ["get", "list"], "shortNames": ["deploy"],
                "categories": ["all"], "subresources": [{"subresource": "scale"}]}]},
            {"version": "v2", "freshness": "Stale"}]}]}));
        let mut classic = Discovery::default();
        classic.add_resource_list("apps", "v1", true, &json!({"resources": [
            {"name": "deployments", "kind": "Deployment", "namespaced": true, "singularName": "deployment",
             "verbs": ["get", "list"], "shortNames": ["deploy"], "categories": ["all"]},
            {"name": "deployments/scale", "group": "autoscaling", "kind": "Scale", "namespaced": true, "verbs": ["get"]}]}));
        assert_eq!(aggregated.resources, classic.resources);
        assert_eq!(aggregated.failed, [("apps/v2".to_owned(), "stale GroupVersion discovery".to_owned())]);
    }

    #[test]
    fn one_version_of_each_resource_is_preferred() {
        let found = |version: &str, plural: &str, preferred, verbs: &[&str]| Discovered {
            resource: DynamicResource {
                group: "g".into(),
                version: version.into(),
                plural: plural.into(),
                ..DynamicResource::default()
            },
            verbs: verbs.iter().map(|verb| (*verb).to_owned()).collect(),
            preferred_version: preferred,
            ..Discovered::default()
        };
        let discovery = Discovery {
            resources: vec![
                found("v1beta1", "a", false, &["list"]),
                found("v1", "a", true, &["list"]),
                found("v1beta1", "b", false, &["list"]),
                found("v1", "c", true, &[]),
            ],
            failed: vec![],
        };
        let chosen: Vec<_> = discovery
            .preferred(&["list"])
            .iter()
            .map(|found| (found.resource.plural.as_str(), found.resource.version.as_str()))
            .collect();
        assert_eq!(chosen, [("a", "v1"), ("b", "v1beta1")]);
    }
}
