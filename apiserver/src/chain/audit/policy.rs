//! The audit policy: which requests are written down, and how much of them.

use std::path::Path;

use apiserver_auth::authz::Attributes;
use serde::{Deserialize, Serialize};

/// How much is written down; each level includes those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Level {
    /// Nothing.
    #[default]
    None,
    /// Who, what, when and with which result.
    Metadata,
    /// And the request's body.
    Request,
    /// And the response's body.
    RequestResponse,
}

/// A moment in the life of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Received, not yet handled.
    RequestReceived,
    /// Headers are sent; only for long-running requests.
    ResponseStarted,
    /// The body is sent.
    ResponseComplete,
    /// Handling panicked.
    Panic,
}

/// `audit.k8s.io/v1` Policy.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Policy {
    #[serde(rename = "apiVersion")]
    api_version: String,
    kind: String,
    #[serde(default, rename = "metadata")]
    _metadata: serde_json::Value,
    /// The first that matches a request counts.
    #[serde(default)]
    rules: Vec<Rule>,
    /// Stages that are never written.
    #[serde(default)]
    omit_stages: Vec<Stage>,
    /// Whether bodies are written without managed fields.
    #[serde(default)]
    omit_managed_fields: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rule {
    level: Level,
    #[serde(default)]
    users: Vec<String>,
    #[serde(default)]
    user_groups: Vec<String>,
    #[serde(default)]
    verbs: Vec<String>,
    #[serde(default)]
    resources: Vec<GroupResources>,
    #[serde(default)]
    namespaces: Vec<String>,
    #[serde(default, rename = "nonResourceURLs")]
    non_resource_urls: Vec<String>,
    #[serde(default)]
    omit_stages: Vec<Stage>,
    omit_managed_fields: Option<bool>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GroupResources {
    #[serde(default)]
    group: String,
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default)]
    resource_names: Vec<String>,
}

/// Why a policy cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The file cannot be read.
    #[error("reading audit policy {path}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not a policy.
    #[error("audit policy {path}: {reason}")]
    Decode {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// The policy breaks rules.
    #[error("audit policy {path} is invalid: {}", .reasons.join("; "))]
    Invalid {
        /// The file.
        path: String,
        /// Each broken rule with its field path.
        reasons: Vec<String>,
    },
}

/// What to do about one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// How much.
    pub level: Level,
    /// Stages to leave out.
    pub omit_stages: Vec<Stage>,
    /// Whether managed fields are left out of bodies.
    pub omit_managed_fields: bool,
}

impl Policy {
    /// Reads a policy file.
    pub fn load(path: &Path) -> Result<Policy, PolicyError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|source| PolicyError::Read { path: name.clone(), source })?;
        Policy::parse(&text, &name)
    }

    /// Reads the text of a policy file.
    pub fn parse(text: &str, path: &str) -> Result<Policy, PolicyError> {
        let policy: Policy = serde_yaml::from_str(text)
            .map_err(|error| PolicyError::Decode { path: path.to_string(), reason: error.to_string() })?;
        let reasons = policy.broken_rules();
        if reasons.is_empty() {
            Ok(policy)
        } else {
            Err(PolicyError::Invalid { path: path.to_string(), reasons })
        }
    }

    fn broken_rules(&self) -> Vec<String> {
        let mut broken = Vec::new();
        if self.api_version != "audit.k8s.io/v1" {
            broken.push(format!(
                "apiVersion: Unsupported value: {:?}: supported values: \"audit.k8s.io/v1\"",
                self.api_version
            ));
        }
        if self.kind != "Policy" {
            broken.push(format!("kind: Unsupported value: {:?}: supported values: \"Policy\"", self.kind));
        }
        if self.rules.is_empty() {
            broken
                .push("rules: Required value: the policy has no rules and would record nothing".to_string());
        }
        for (index, rule) in self.rules.iter().enumerate() {
            let about_resources = !rule.resources.is_empty() || !rule.namespaces.is_empty();
            if about_resources && !rule.non_resource_urls.is_empty() {
                broken.push(format!(
                    "rules[{index}].nonResourceURLs: Invalid value: {:?}: rules cannot apply to both regular resources and non-resource URLs",
                    rule.non_resource_urls
                ));
            }
            for (at, url) in rule.non_resource_urls.iter().enumerate() {
                let inner_star = url.strip_suffix('*').unwrap_or(url).contains('*');
                if url != "*" && (!url.starts_with('/') || inner_star) {
                    broken.push(format!(
                        "rules[{index}].nonResourceURLs[{at}]: Invalid value: {url:?}: must be \"*\" or begin with \"/\" and have no \"*\" but at its end"
                    ));
                }
            }
            for (at, group) in rule.resources.iter().enumerate() {
                if group.resources.is_empty() && !group.resource_names.is_empty() {
                    broken.push(format!(
                        "rules[{index}].resources[{at}].resourceNames: Invalid value: {:?}: using resourceNames requires at least one resource",
                        group.resource_names
                    ));
                }
            }
        }
        broken
    }

    /// What to do about a request.
    pub fn decide(&self, request: &Attributes<'_>) -> Decision {
        match self.rules.iter().find(|rule| rule.matches(request)) {
            // Stages left out everywhere are left out in rules as well.
            Some(rule) => Decision {
                level: rule.level,
                omit_stages: self.omit_stages.iter().chain(&rule.omit_stages).copied().collect(),
                omit_managed_fields: rule.omit_managed_fields.unwrap_or(self.omit_managed_fields),
            },
            None => Decision::default(),
        }
    }
}

impl Rule {
    fn matches(&self, request: &Attributes<'_>) -> bool {
        let user = request.user;
        if !self.users.is_empty() && !has(&self.users, &user.username) {
            return false;
        }
        if !self.user_groups.is_empty() && !user.groups.iter().any(|group| has(&self.user_groups, group)) {
            return false;
        }
        if !self.verbs.is_empty() && !has(&self.verbs, request.verb) {
            return false;
        }
        if !self.namespaces.is_empty() || !self.resources.is_empty() {
            return request.resource_request
                && (self.namespaces.is_empty() || has(&self.namespaces, request.namespace))
                && (self.resources.is_empty() || self.resources.iter().any(|group| group.matches(request)));
        }
        if !self.non_resource_urls.is_empty() {
            return !request.resource_request
                && self.non_resource_urls.iter().any(|pattern| path_matches(pattern, request.path));
        }
        true
    }
}

impl GroupResources {
    fn matches(&self, request: &Attributes<'_>) -> bool {
        if self.group != request.api_group && self.group != "*" {
            return false;
        }
        if self.resources.is_empty() {
            return true;
        }
        if !self.resource_names.is_empty() && !has(&self.resource_names, request.name) {
            return false;
        }
        let (resource, subresource) = (request.resource, request.subresource);
        self.resources.iter().any(|pattern| match pattern.split_once('/') {
            None => pattern == "*" || (subresource.is_empty() && pattern == resource),
            Some(("*", wanted)) => !subresource.is_empty() && wanted == subresource,
            Some((wanted, "*")) => wanted == resource,
            Some((wanted, sub)) => wanted == resource && sub == subresource,
        })
    }
}

fn has(list: &[String], wanted: &str) -> bool {
    list.iter().any(|element| element == wanted)
}

fn path_matches(pattern: &str, path: &str) -> bool {
    pattern == "*"
        || pattern == path
        || (pattern.ends_with('*') && path.starts_with(pattern.trim_end_matches('*')))
}

#[cfg(test)]
mod tests {
    use apiserver_auth::UserInfo;

    use super::*;

    const POLICY: &str = r#"
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  users: ["system:kube-proxy"]
  verbs: ["watch"]
- level: Request
  resources:
  - group: ""
    resources: ["configmaps"]
    resourceNames: ["controller-leader"]
- level: Metadata
  resources:
  - group: ""
    resources: ["secrets", "*/log", "nodes/*"]
  omitStages: [ResponseStarted]
  omitManagedFields: true
- level: RequestResponse
  namespaces: ["work"]
- level: None
  nonResourceURLs: ["/healthz*"]
- level: Metadata
  userGroups: ["devs"]
"#;

    fn level(change: impl for<'a> Fn(Attributes<'a>) -> Attributes<'a>) -> Decision {
        let user = UserInfo::new("system:kube-proxy", ["devs"]);
        Policy::parse(POLICY, "p").unwrap().decide(&change(Attributes::resource(&user, "get", "", "pods")))
    }

    #[test]
    fn the_first_matching_rule_counts() {
        assert_eq!(level(|a| Attributes { verb: "watch", ..a }).level, Level::None);
        assert_eq!(
            level(|a| Attributes { resource: "configmaps", name: "controller-leader", ..a }).level,
            Level::Request
        );
        assert_eq!(level(|a| Attributes { resource: "configmaps", name: "x", ..a }).level, Level::Metadata);
        let secrets = level(|a| Attributes { resource: "secrets", ..a });
        assert_eq!(secrets.omit_stages, [Stage::RequestReceived, Stage::ResponseStarted]);
        assert!(secrets.omit_managed_fields);
        assert!(level(|a| Attributes { subresource: "log", ..a }).omit_managed_fields);
        assert!(level(|a| Attributes { resource: "nodes", subresource: "status", ..a }).omit_managed_fields);
        assert_eq!(level(|a| Attributes { namespace: "work", ..a }).level, Level::RequestResponse);
        let path =
            |path: &'static str| level(move |a| Attributes { resource_request: false, path, ..a }).level;
        assert_eq!(path("/healthz/etcd"), Level::None);
        assert_eq!(path("/version"), Level::Metadata);
    }

    #[track_caller]
    fn check_refused(text: &str, expected: &str) {
        let error = Policy::parse(text, "p").unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn bad_policies_are_refused() {
        let head = "apiVersion: audit.k8s.io/v1\nkind: Policy\n";
        check_refused(head, "rules: Required value");
        check_refused(&format!("{head}rules: [{{level: Some}}]"), "unknown variant `Some`");
        check_refused(&format!("{head}rules: [{{level: None, user: [a]}}]"), "unknown field `user`");
        let both = "rules: [{level: None, namespaces: [a], nonResourceURLs: [/x]}]";
        check_refused(&format!("{head}{both}"), "rules[0].nonResourceURLs");
        check_refused("apiVersion: audit.k8s.io/v1beta1\nkind: Policy\nrules: [{level: None}]", "apiVersion");
    }
}
