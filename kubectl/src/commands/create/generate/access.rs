//! Roles, bindings and tokens.

use std::io::Write as _;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::CreateArgs;
use crate::error::message;
use crate::{Factory, Result, Streams, values};

/// Rules of a role.
#[derive(Clone, Debug, clap::Args)]
pub struct Rules {
    /// Name
    pub name: String,
    /// Verb that applies to the resources contained in the rule
    #[arg(long, required_unless_present = "aggregation_rule", value_delimiter = ',', action = clap::ArgAction::Append)]
    pub verb: Vec<String>,
    /// An aggregation label selector for combining ClusterRoles (cluster roles only)
    #[arg(long, value_delimiter = ',', action = clap::ArgAction::Append, conflicts_with_all = ["verb", "resource", "resource_name", "non_resource_url"])]
    pub aggregation_rule: Vec<String>,
    /// Resource that the rule applies to
    #[arg(long, value_delimiter = ',', action = clap::ArgAction::Append)]
    pub resource: Vec<String>,
    /// Resource in the white list that the rule applies to
    #[arg(long, value_delimiter = ',', action = clap::ArgAction::Append)]
    pub resource_name: Vec<String>,
    /// A partial url that user should have access to (cluster roles only)
    #[arg(long = "non-resource-url", value_delimiter = ',', action = clap::ArgAction::Append)]
    pub non_resource_url: Vec<String>,
    #[command(flatten)]
    pub options: CreateArgs,
}

/// Whom a role is given to.
#[derive(Clone, Debug, clap::Args)]
pub struct Binding {
    /// Name
    pub name: String,
    /// ClusterRole this binding should reference
    #[arg(long)]
    pub clusterrole: Option<String>,
    /// Role this binding should reference
    #[arg(long, conflicts_with = "clusterrole")]
    pub role: Option<String>,
    /// Groups to bind to the role
    #[arg(long, value_delimiter = ',', action = clap::ArgAction::Append)]
    pub group: Vec<String>,
    /// Service accounts to bind to the role, in the format <namespace>:<name>
    #[arg(long, value_delimiter = ',', action = clap::ArgAction::Append)]
    pub serviceaccount: Vec<String>,
    #[command(flatten)]
    pub options: CreateArgs,
}

/// A token of a service account.
#[derive(Clone, Debug, clap::Args)]
pub struct Token {
    /// Name of the service account
    pub name: String,
    /// Audience of the requested token
    #[arg(long, value_delimiter = ',', action = clap::ArgAction::Append)]
    pub audience: Vec<String>,
    /// Requested lifetime of the issued token
    #[arg(long, default_value = "0s", value_parser = component_base::flags::parse_duration)]
    pub duration: Duration,
    /// Kind of an object to bind the token to
    #[arg(long, value_parser = ["Pod", "Secret", "Node"])]
    pub bound_object_kind: Option<String>,
    /// Name of an object to bind the token to
    #[arg(long, requires = "bound_object_kind")]
    pub bound_object_name: Option<String>,
}

/// A role, one rule for each group of the API.
pub async fn role_of(rules: &Rules, kind: &str, factory: &Factory) -> Result<Value> {
    if !rules.aggregation_rule.is_empty() {
        if kind == "Role" {
            return Err(message("unknown flag: --aggregation-rule"));
        }
        let mut labels = Map::new();
        for pair in &rules.aggregation_rule {
            let Some((key, value)) = pair.split_once('=') else {
                return Err(message(format!("invalid aggregation rule {pair:?}: expected key=value")));
            };
            labels.insert(key.to_owned(), value.into());
        }
        return Ok(json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": rules.name},
            "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": labels}]}, "rules": null}));
    }
    if rules.resource.is_empty() && rules.non_resource_url.is_empty() {
        return Err(message("at least one resource must be specified"));
    }
    if kind == "Role" && !rules.non_resource_url.is_empty() {
        return Err(message("unknown flag: --non-resource-url"));
    }
    // One rule per API group, in the order the groups are named.
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for resource in &rules.resource {
        let (name, subresource) = match resource.split_once('/') {
            Some((name, subresource)) => (name, format!("/{subresource}")),
            None => (resource.as_str(), String::new()),
        };
        let (group, plural) = if name == "*" {
            (String::new(), "*".to_owned())
        } else {
            let found = factory.resource(name).await?;
            (found.resource.group, found.resource.plural)
        };
        let entry = format!("{plural}{subresource}");
        match groups.iter_mut().find(|(known, _)| *known == group) {
            Some((_, list)) => list.push(entry),
            None => groups.push((group, vec![entry])),
        }
    }
    let mut list: Vec<Value> = groups
        .into_iter()
        .map(|(group, resources)| {
            let mut rule = json!({"apiGroups": [group], "resources": resources, "verbs": rules.verb});
            if !rules.resource_name.is_empty() {
                rule["resourceNames"] = json!(rules.resource_name);
            }
            rule
        })
        .collect();
    if !rules.non_resource_url.is_empty() {
        list.push(json!({"nonResourceURLs": rules.non_resource_url, "verbs": rules.verb}));
    }
    Ok(json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": rules.name}, "rules": list}))
}

/// A binding of a role to subjects.
pub fn binding_of(binding: &Binding, kind: &str, users: &[String]) -> Result<Value> {
    const GROUP: &str = "rbac.authorization.k8s.io";
    let (role_kind, role) = match (&binding.clusterrole, &binding.role) {
        (Some(name), None) => ("ClusterRole", name),
        (None, Some(name)) if kind == "RoleBinding" => ("Role", name),
        (None, Some(_)) => return Err(message("unknown flag: --role")),
        _ if kind == "RoleBinding" => return Err(message("exactly one of clusterrole or role must be specified")),
        _ => return Err(message("clusterrole must be specified")),
    };
    let mut subjects = Vec::new();
    for (what, names) in [("User", users), ("Group", binding.group.as_slice())] {
        subjects.extend(names.iter().map(|name| json!({"apiGroup": GROUP, "kind": what, "name": name})));
    }
    for account in &binding.serviceaccount {
        let Some((namespace, name)) = account.split_once(':').filter(|(a, b)| !a.is_empty() && !b.is_empty()) else {
            return Err(message("serviceaccount must be <namespace>:<name>"));
        };
        subjects.push(json!({"kind": "ServiceAccount", "name": name, "namespace": namespace}));
    }
    let mut object = json!({"apiVersion": format!("{GROUP}/v1"), "kind": kind, "metadata": {"name": binding.name},
        "roleRef": {"apiGroup": GROUP, "kind": role_kind, "name": role}});
    if !subjects.is_empty() {
        object["subjects"] = subjects.into();
    }
    Ok(object)
}

/// Asks for a token and prints it.
pub async fn request_token(token: Token, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    let mut body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": token.audience}});
    if !token.duration.is_zero() {
        body["spec"]["expirationSeconds"] = token.duration.as_secs().into();
    }
    if let Some(kind) = &token.bound_object_kind {
        let Some(name) = &token.bound_object_name else { return Err(message("--bound-object-name must be set if --bound-object-kind is provided")) };
        body["spec"]["boundObjectRef"] = json!({"kind": kind, "apiVersion": "v1", "name": name});
    }
    let found = factory.resource("serviceaccounts").await?;
    let target = crate::resources::target(factory, found, &token.name)?;
    let answer = target.api(factory)?.create_subresource(&token.name, "token", &body).await.map_err(|error| {
        match error.status() {
            Some(status) => message(format!("failed to create token: {}", status.status.message)),
            None => error.into(),
        }
    })?;
    writeln!(streams.out, "{}", values::text(&answer, "/status/token"))?;
    Ok(0)
}
