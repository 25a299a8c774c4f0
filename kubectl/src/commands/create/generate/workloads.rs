//! Deployments, jobs and services.

use serde_json::{Value, json};

use super::super::CreateArgs;
use crate::error::message;
use crate::{Factory, Result, values};

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

/// Upstream's name of a container: the image's last part without tag or digest, made valid.
pub fn container_name(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    let bare = last.split([':', '@']).next().unwrap_or(last);
    bare.replace(['_', '.'], "-").to_lowercase()
}

/// A deployment.
pub fn deployment_of(deployment: &Deployment) -> Value {
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

/// A job of an image or of a cron job.
pub async fn job_of(job: &Job, factory: &Factory) -> Result<Value> {
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

/// A service of a type.
pub fn service_of(ports: &Ports, kind: &str) -> Result<Value> {
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
