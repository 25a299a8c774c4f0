//! Objects made from flags: `create namespace`, `create deployment` and their kin
//! (`kubectl/pkg/cmd/create`).

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::{CreateArgs, more};
use crate::error::message;
use crate::{Factory, Result, Streams, values};

/// What is to be made.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum What {
    /// Create a namespace with the specified name
    #[command(visible_alias = "ns")]
    Namespace(Plain),
    /// Create a service account with the specified name
    #[command(name = "serviceaccount", visible_alias = "sa")]
    ServiceAccount(Plain),
    /// Create a config map from a local file, directory or literal value
    #[command(name = "configmap", visible_alias = "cm")]
    ConfigMap(Data),
    /// Create a secret using a specified subcommand
    #[command(subcommand)]
    Secret(Secret),
    /// Create a deployment with the specified name
    #[command(visible_alias = "deploy")]
    Deployment(Deployment),
    /// Create a job with the specified name
    Job(Job),
    /// Create a service using a specified subcommand
    #[command(subcommand, visible_alias = "svc")]
    Service(Service),
    /// Create a role with single rule
    Role(Rules),
    /// Create a cluster role
    #[command(name = "clusterrole")]
    ClusterRole(Rules),
    /// Create a role binding for a particular role or cluster role
    #[command(name = "rolebinding")]
    RoleBinding(Binding),
    /// Create a cluster role binding for a particular cluster role
    #[command(name = "clusterrolebinding")]
    ClusterRoleBinding(Binding),
    /// Request a service account token
    Token(Token),
    /// Create a cron job with the specified name
    #[command(name = "cronjob", visible_alias = "cj")]
    CronJob(more::CronJob),
    /// Create an ingress with the specified name
    #[command(visible_alias = "ing")]
    Ingress(more::Ingress),
    /// Create a quota with the specified name
    #[command(visible_alias = "resourcequota")]
    Quota(more::Quota),
    /// Create a pod disruption budget with the specified name
    #[command(name = "poddisruptionbudget", visible_alias = "pdb")]
    Budget(more::Budget),
    /// Create a priority class with the specified name
    #[command(name = "priorityclass", visible_alias = "pc")]
    Priority(more::Priority),
}

/// A name and nothing else.
#[derive(Clone, Debug, clap::Args)]
pub struct Plain {
    /// Name
    pub name: String,
    #[command(flatten)]
    pub options: CreateArgs,
}

/// Where data come from.
#[derive(Clone, Debug, clap::Args)]
pub struct Data {
    /// Name
    pub name: String,
    /// Specify a key and literal value to insert (i.e. mykey=somevalue)
    #[arg(long, action = clap::ArgAction::Append)]
    pub from_literal: Vec<String>,
    /// Key file can be specified using its file path, a directory, or key=path
    #[arg(long, action = clap::ArgAction::Append)]
    pub from_file: Vec<String>,
    /// Specify the path to a file to read lines of key=val pairs
    #[arg(long, action = clap::ArgAction::Append)]
    pub from_env_file: Vec<String>,
    /// The type of secret to create
    #[arg(long = "type", default_value = "")]
    pub secret_type: String,
    #[command(flatten)]
    pub options: CreateArgs,
}

/// Kinds of secrets.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Secret {
    /// Create a secret from a local file, directory, or literal value
    Generic(Data),
    /// Create a secret for use with a Docker registry
    DockerRegistry(Registry),
    /// Create a TLS secret
    Tls(Tls),
}

/// Access to a registry.
#[derive(Clone, Debug, clap::Args)]
pub struct Registry {
    /// Name
    pub name: String,
    /// Server location for Docker registry
    #[arg(long, default_value = "https://index.docker.io/v1/")]
    pub docker_server: String,
    /// Username for Docker registry authentication
    #[arg(long)]
    pub docker_username: String,
    /// Password for Docker registry authentication
    #[arg(long)]
    pub docker_password: String,
    /// Email for Docker registry
    #[arg(long, default_value = "")]
    pub docker_email: String,
    #[command(flatten)]
    pub options: CreateArgs,
}

/// Certificate and key.
#[derive(Clone, Debug, clap::Args)]
pub struct Tls {
    /// Name
    pub name: String,
    /// Path to PEM encoded public key certificate
    #[arg(long)]
    pub cert: String,
    /// Path to private key associated with given certificate
    #[arg(long)]
    pub key: String,
    #[command(flatten)]
    pub options: CreateArgs,
}

/// A deployment.
#[derive(Clone, Debug, clap::Args)]
pub struct Deployment {
    /// Name
    pub name: String,
    /// Image names to run
    #[arg(long, required = true, action = clap::ArgAction::Append)]
    pub image: Vec<String>,
    /// Number of replicas to create
    #[arg(long, short = 'r', default_value_t = 1)]
    pub replicas: u32,
    /// The containerPort that this deployment exposes
    #[arg(long)]
    pub port: Option<u16>,
    /// Command of the container
    #[arg(last = true)]
    pub command: Vec<String>,
    #[command(flatten)]
    pub options: CreateArgs,
}

/// A job.
#[derive(Clone, Debug, clap::Args)]
pub struct Job {
    /// Name
    pub name: String,
    /// Image name to run
    #[arg(long)]
    pub image: Option<String>,
    /// The name of the resource to create a Job from (only cronjob is supported)
    #[arg(long, conflicts_with = "image")]
    pub from: Option<String>,
    /// Command of the container
    #[arg(last = true)]
    pub command: Vec<String>,
    #[command(flatten)]
    pub options: CreateArgs,
}

/// Kinds of services.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Service {
    /// Create a ClusterIP service
    #[command(name = "clusterip")]
    ClusterIp(Ports),
    /// Create a NodePort service
    #[command(name = "nodeport")]
    NodePort(Ports),
    /// Create a LoadBalancer service
    #[command(name = "loadbalancer")]
    LoadBalancer(Ports),
    /// Create an ExternalName service
    #[command(name = "externalname")]
    ExternalName(Ports),
}

/// Ports of a service.
#[derive(Clone, Debug, clap::Args)]
pub struct Ports {
    /// Name
    pub name: String,
    /// Port pairs can be specified as '<port>:<targetPort>'
    #[arg(long, value_delimiter = ',', action = clap::ArgAction::Append)]
    pub tcp: Vec<String>,
    /// Assign your own ClusterIP or set to 'None' for a 'headless' service
    #[arg(long)]
    pub clusterip: Option<String>,
    /// Port used to expose the service on each node in a cluster
    #[arg(long)]
    pub node_port: Option<u16>,
    /// External name of service
    #[arg(long)]
    pub external_name: Option<String>,
    #[command(flatten)]
    pub options: CreateArgs,
}

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

/// Makes the object and creates it.
pub async fn run(what: What, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    let (object, options) = match what {
        What::Token(token) => return request_token(token, factory, streams).await,
        What::Namespace(plain) => {
            (json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": plain.name}, "spec": {}, "status": {}}), plain.options)
        }
        What::ServiceAccount(plain) => {
            (json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": plain.name}}), plain.options)
        }
        What::ConfigMap(data) => (config_map(&data)?, data.options),
        What::Secret(Secret::Generic(data)) => (generic_secret(&data)?, data.options),
        What::Secret(Secret::DockerRegistry(registry)) => (registry_secret(&registry), registry.options),
        What::Secret(Secret::Tls(tls)) => (tls_secret(&tls)?, tls.options),
        What::Deployment(deployment) => (deployment_of(&deployment), deployment.options),
        What::Job(job) => (job_of(&job, factory).await?, job.options),
        What::Service(Service::ClusterIp(ports)) => (service_of(&ports, "ClusterIP")?, ports.options),
        What::Service(Service::NodePort(ports)) => (service_of(&ports, "NodePort")?, ports.options),
        What::Service(Service::LoadBalancer(ports)) => (service_of(&ports, "LoadBalancer")?, ports.options),
        What::Service(Service::ExternalName(ports)) => (service_of(&ports, "ExternalName")?, ports.options),
        What::CronJob(cron) => (cron.object(), cron.options),
        What::Ingress(ingress) => (ingress.object()?, ingress.options),
        What::Quota(quota) => (quota.object()?, quota.options),
        What::Budget(budget) => (budget.object()?, budget.options),
        What::Priority(priority) => (priority.object(), priority.options),
        What::Role(rules) => (role_of(&rules, "Role", factory).await?, rules.options),
        What::ClusterRole(rules) => (role_of(&rules, "ClusterRole", factory).await?, rules.options),
        What::RoleBinding(binding) => (binding_of(&binding, "RoleBinding", factory.subject_users())?, binding.options),
        What::ClusterRoleBinding(binding) => (binding_of(&binding, "ClusterRoleBinding", factory.subject_users())?, binding.options),
    };
    create(object, &options, factory, streams).await
}

/// Creates a generated object in the namespace of the flags and reports it.
pub async fn create(object: Value, options: &CreateArgs, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    let kind = values::text(&object, "/kind").to_lowercase();
    let service = values::text(&object, "/spec/type").to_owned();
    let made = super::generated(object, options, factory).await.map_err(|error| match error {
        crate::Error::Client(client::Error::Status(status)) if status.is_already_exists() => {
            let told = &status.status.message;
            match kind.as_str() {
                // Upstream adds nothing of its own to these.
                "namespace" | "role" | "clusterrole" => crate::Error::Client(client::Error::Status(status)),
                "secret" => message(format!("failed to create secret {told}")),
                "resourcequota" => message(format!("failed to create quota: {told}")),
                "poddisruptionbudget" => message(format!("failed to create poddisruptionbudgets: {told}")),
                "service" => message(format!("failed to create {service} service: {told}")),
                _ => message(format!("failed to create {kind}: {told}")),
            }
        }
        other => other,
    })?;
    options.change.report(made, "created", streams)?;
    Ok(0)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| message(format!("error reading {}: {error}", path.display())))
}

/// Keys and bytes of `--from-literal`, `--from-file` and `--from-env-file`.
fn sources(data: &Data) -> Result<Vec<(String, Vec<u8>)>> {
    let mut found: Vec<(String, Vec<u8>)> = Vec::new();
    for literal in &data.from_literal {
        let Some((key, value)) = literal.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            return Err(message(format!("invalid literal source {literal}, expected key=value")));
        };
        let value = value.trim_matches(|quote| quote == '"' || quote == '\'');
        found.push((key.to_owned(), value.as_bytes().to_vec()));
    }
    for source in &data.from_file {
        let (key, path) = match source.split_once('=') {
            Some((key, path)) if !key.is_empty() && !path.is_empty() => (Some(key.to_owned()), Path::new(path)),
            Some(_) => return Err(message(format!("key name or file path for file source {source} is missing"))),
            None => (None, Path::new(source.as_str())),
        };
        let base = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_dir() {
            if key.is_some() {
                return Err(message(format!("cannot give a key name for a directory path {}", path.display())));
            }
            let mut files: Vec<_> = std::fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<_>>()?;
            files.sort();
            for file in files.into_iter().filter(|file| file.is_file()) {
                found.push((base(&file), read(&file)?));
            }
        } else {
            found.push((key.unwrap_or_else(|| base(path)), read(path)?));
        }
    }
    for path in &data.from_env_file {
        let text = String::from_utf8(read(Path::new(path))?)
            .map_err(|_| message(format!("env file {path} contains invalid utf8 bytes")))?;
        for line in text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (key, value) = match line.split_once('=') {
                Some((key, value)) => (key, value.to_owned()),
                None => (line, std::env::var(line).unwrap_or_default()),
            };
            found.push((key.to_owned(), value.into_bytes()));
        }
    }
    for (at, (key, _)) in found.iter().enumerate() {
        let valid = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        if !valid {
            return Err(message(format!("{key:?} is not a valid key name: a valid key must consist of alphanumeric characters, '-', '_' or '.'")));
        }
        if found[..at].iter().any(|(known, _)| known == key) {
            return Err(message(format!("cannot add key {key}, another key by that name already exists")));
        }
    }
    Ok(found)
}

fn config_map(data: &Data) -> Result<Value> {
    if !data.secret_type.is_empty() {
        return Err(message("unknown flag: --type"));
    }
    let mut object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": data.name}});
    for (key, bytes) in sources(data)? {
        match String::from_utf8(bytes) {
            Ok(text) => values::map_at(&mut object, &["data"]).insert(key, text.into()),
            Err(error) => {
                let encoded = STANDARD.encode(error.as_bytes());
                values::map_at(&mut object, &["binaryData"]).insert(key, encoded.into())
            }
        };
    }
    Ok(object)
}

fn generic_secret(data: &Data) -> Result<Value> {
    let mut object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": data.name}});
    if !data.secret_type.is_empty() {
        object["type"] = data.secret_type.as_str().into();
    }
    for (key, bytes) in sources(data)? {
        values::map_at(&mut object, &["data"]).insert(key, STANDARD.encode(bytes).into());
    }
    Ok(object)
}

fn registry_secret(registry: &Registry) -> Value {
    let auth = STANDARD.encode(format!("{}:{}", registry.docker_username, registry.docker_password));
    let mut entry = json!({"username": registry.docker_username, "password": registry.docker_password});
    if !registry.docker_email.is_empty() {
        entry["email"] = registry.docker_email.as_str().into();
    }
    entry["auth"] = auth.into();
    let mut auths = Map::new();
    auths.insert(registry.docker_server.clone(), entry);
    let config = json!({"auths": auths}).to_string();
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": registry.name},
        "type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": STANDARD.encode(config)}})
}

fn tls_secret(tls: &Tls) -> Result<Value> {
    let (certificate, key) = (read(Path::new(&tls.cert))?, read(Path::new(&tls.key))?);
    component_base::tls::server::certified_key(&certificate, &key)
        .map_err(|error| message(format!("failed to load key pair {error}")))?;
    Ok(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": tls.name}, "type": "kubernetes.io/tls",
        "data": {"tls.crt": STANDARD.encode(certificate), "tls.key": STANDARD.encode(key)}}))
}

/// Upstream's name of a container: the image's last part without tag or digest, made valid.
pub fn container_name(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    let bare = last.split([':', '@']).next().unwrap_or(last);
    bare.replace(['_', '.'], "-").to_lowercase()
}

fn deployment_of(deployment: &Deployment) -> Value {
    let containers: Vec<Value> = deployment
        .image
        .iter()
        .map(|image| {
            let mut container = json!({"image": image, "name": container_name(image), "resources": {}});
            if !deployment.command.is_empty() {
                container["command"] = json!(deployment.command);
            }
            if let Some(port) = deployment.port {
                container["ports"] = json!([{"containerPort": port}]);
            }
            container
        })
        .collect();
    let labels = json!({"app": deployment.name});
    json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": deployment.name, "labels": labels},
        "spec": {"replicas": deployment.replicas, "selector": {"matchLabels": labels}, "strategy": {},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}}},
        "status": {}})
}

async fn job_of(job: &Job, factory: &Factory) -> Result<Value> {
    let mut object = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": job.name}});
    if let Some(from) = &job.from {
        let Some(name) = from.strip_prefix("cronjob/").or_else(|| from.strip_prefix("cj/")) else {
            return Err(message(format!("from must be an existing cronjob, got {from}")));
        };
        let found = factory.resource("cronjobs").await?;
        let cron = crate::resources::target(factory, found, name)?.get(factory).await?;
        object["metadata"]["annotations"] = json!({"cronjob.kubernetes.io/instantiate": "manual"});
        for field in ["labels", "annotations"] {
            if let Some(Value::Object(more)) = cron.pointer(&format!("/spec/jobTemplate/metadata/{field}")) {
                values::map_at(&mut object, &["metadata", field]).extend(more.clone());
            }
        }
        object["metadata"]["ownerReferences"] = json!([{"apiVersion": "batch/v1", "kind": "CronJob", "name": name,
            "uid": values::text(&cron, "/metadata/uid"), "controller": true}]);
        object["spec"] = cron.pointer("/spec/jobTemplate/spec").cloned().unwrap_or_default();
        return Ok(object);
    }
    let Some(image) = &job.image else { return Err(message("either --image or --from must be specified")) };
    let mut container = json!({"image": image, "name": job.name, "resources": {}});
    if !job.command.is_empty() {
        container["command"] = json!(job.command);
    }
    object["spec"] = json!({"template": {"metadata": {}, "spec": {"containers": [container], "restartPolicy": "Never"}}});
    object["status"] = json!({});
    Ok(object)
}

fn service_of(ports: &Ports, kind: &str) -> Result<Value> {
    let headless = ports.clusterip.as_deref() == Some("None");
    let external = kind == "ExternalName";
    if headless && kind != "ClusterIP" {
        return Err(message("ClusterIP=None can only be used with ClusterIP service type"));
    }
    if ports.external_name.is_some() != external {
        return Err(message(if external { "required flag(s) \"external-name\" not set" } else { "unknown flag: --external-name" }));
    }
    if ports.tcp.is_empty() && !headless && !external {
        return Err(message("at least one tcp port specifier must be provided"));
    }
    let mut list = Vec::new();
    for specification in &ports.tcp {
        let (port, target) = specification.split_once(':').unwrap_or((specification, specification));
        let number: u16 = port
            .parse()
            .map_err(|_| message(format!("invalid port {port:?} in {specification:?}: must be a number from 1 to 65535")))?;
        let target: Value = target.parse::<u16>().map_or_else(|_| target.into(), Into::into);
        let mut entry = json!({"name": specification.replace(':', "-"), "port": number, "protocol": "TCP", "targetPort": target});
        if let Some(node_port) = ports.node_port.filter(|_| kind == "NodePort") {
            entry["nodePort"] = node_port.into();
        }
        list.push(entry);
    }
    if ports.node_port.is_some() && kind != "NodePort" {
        return Err(message("unknown flag: --node-port"));
    }
    let labels = json!({"app": ports.name});
    let mut spec = json!({"selector": labels, "type": kind});
    if !list.is_empty() {
        spec["ports"] = list.into();
    }
    if let Some(name) = &ports.external_name {
        spec["externalName"] = name.as_str().into();
    }
    if let Some(address) = &ports.clusterip {
        spec["clusterIP"] = address.as_str().into();
    }
    Ok(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": ports.name, "labels": labels},
        "spec": spec, "status": {"loadBalancer": {}}}))
}

async fn role_of(rules: &Rules, kind: &str, factory: &Factory) -> Result<Value> {
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

fn binding_of(binding: &Binding, kind: &str, users: &[String]) -> Result<Value> {
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

async fn request_token(token: Token, factory: &Factory, streams: &mut Streams) -> Result<i32> {
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
