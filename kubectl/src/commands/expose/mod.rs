//! `kubectl expose`: makes a service for what runs (`kubectl/pkg/cmd/expose`).

pub mod service;

use super::create::{self, CreateArgs};
use super::overrides::OverrideArgs;
use crate::error::message;
use crate::files::FileArgs;
use crate::print::ChangeArgs;
use crate::resources::Choice;
use crate::{Error, Factory, Result, Streams, values};
use service::ServiceFacts;

/// The longest name of a service.
const LONGEST_NAME: usize = 63;

/// Arguments of `expose`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// TYPE NAME or TYPE/NAME
    pub resources: Vec<String>,
    #[command(flatten)]
    pub files: FileArgs,
    #[command(flatten)]
    pub change: ChangeArgs,
    #[command(flatten)]
    pub overrides: OverrideArgs,
    /// The port that the service should serve on. Copied from the resource being exposed, if unspecified
    #[arg(long, default_value = "")]
    pub port: String,
    /// The network protocol for the service to be created. Default is 'TCP'
    #[arg(long, default_value = "")]
    pub protocol: String,
    /// Name or number for the port on the container that the service should direct traffic to
    #[arg(long, default_value = "")]
    pub target_port: String,
    /// The name for the newly created object
    #[arg(long, default_value = "")]
    pub name: String,
    /// Additional external IP address (not managed by Kubernetes) to accept for the service
    #[arg(long, default_value = "")]
    pub external_ip: String,
    /// Type for this service: ClusterIP, NodePort, LoadBalancer, or ExternalName
    #[arg(long = "type", default_value = "")]
    pub service_type: String,
    /// IP to assign to the LoadBalancer
    #[arg(long, default_value = "")]
    pub load_balancer_ip: String,
    /// A label selector to use for this service
    #[arg(long, default_value = "")]
    pub selector: String,
    /// Labels to apply to the service created by this call
    #[arg(long, short = 'l', default_value = "")]
    pub labels: String,
    /// If non-empty, set the session affinity for the service to this; legal values: 'None', 'ClientIP'
    #[arg(long, default_value = "")]
    pub session_affinity: String,
    /// ClusterIP to be assigned to the service, or 'None' for a headless service
    #[arg(long, default_value = "")]
    pub cluster_ip: String,
    /// If true, the configuration of current object will be saved in its annotation
    #[arg(long)]
    pub save_config: bool,
    /// Name of the manager used to track field ownership
    #[arg(long, default_value = "kubectl-expose")]
    pub field_manager: String,
}

/// Runs `expose`.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    let choice =
        Choice { arguments: &args.resources, files: Some(&args.files), verb: "expose", ..Choice::default() };
    let (targets, mut errors) = choice.fetch(factory, streams).await?;
    for target in targets {
        if let Err(error) = expose(&args, &target, factory, streams).await {
            errors.push(error);
        }
    }
    Error::from_list(errors).map_or(Ok(0), Err)
}

async fn expose(
    args: &Args,
    target: &crate::resources::Target,
    factory: &Factory,
    streams: &mut Streams,
) -> Result<()> {
    let resource = &target.found.resource;
    let known = matches!(
        (resource.group.as_str(), resource.kind.as_str()),
        ("", "ReplicationController" | "Service" | "Pod") | ("apps", "Deployment" | "ReplicaSet")
    );
    if !known {
        let dot = if resource.group.is_empty() { "" } else { "." };
        return Err(message(format!("cannot expose a {}{dot}{}", resource.kind, resource.group)));
    }
    let service = args.overrides.apply(facts(args, target.object())?.generate()?)?;
    let options = CreateArgs {
        change: args.change.clone(),
        save_config: args.save_config,
        validate: String::new(),
        field_manager: args.field_manager.clone(),
    };
    let made = create::generated(service, &options, factory).await?;
    args.change.report(made, "exposed", streams)
}

/// What flags and the exposed object say of the service.
fn facts(args: &Args, object: &serde_json::Value) -> Result<ServiceFacts> {
    let mut name = args.name.clone();
    if name.is_empty() {
        name = values::name(object).chars().take(LONGEST_NAME).collect();
    }
    let selector = match args.selector.as_str() {
        "" => service::selector(object)?,
        given => given.to_owned(),
    };
    let mut ports = args.port.clone();
    if ports.is_empty() {
        ports = service::ports(object).join(",");
        if ports.is_empty() && args.cluster_ip != "None" {
            return Err(message("couldn't find port via --port flag or introspection"));
        }
    }
    let labels = match args.labels.as_str() {
        "" if object.pointer("/metadata/labels").is_some() => {
            values::joined(object, "/metadata/labels", ",")
        }
        given => given.to_owned(),
    };
    Ok(ServiceFacts {
        name,
        selector,
        labels: if labels == "<none>" { String::new() } else { labels },
        ports,
        protocol: args.protocol.clone(),
        protocols: service::ports_and_protocols(object),
        target_port: args.target_port.clone(),
        external_ip: args.external_ip.clone(),
        service_type: args.service_type.clone(),
        load_balancer_ip: args.load_balancer_ip.clone(),
        session_affinity: args.session_affinity.clone(),
        cluster_ip: args.cluster_ip.clone(),
    })
}

#[cfg(test)]
mod tests {
    use client::fake::{Answer, FakeServer};
    use http::Method;
    use serde_json::json;

    use crate::commands::testing::run;

    #[tokio::test]
    async fn a_deployment_is_exposed_by_its_selector_and_port() {
        let server = FakeServer::start().await.expect("a server");
        let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "labels": {"app": "web"}},
            "spec": {"selector": {"matchLabels": {"app": "web"}},
                "template": {"spec": {"containers": [{"name": "c", "ports": [{"containerPort": 80}]}]}}}});
        server.on(Method::GET, "/apis/apps/v1/namespaces/default/deployments/web", Answer::json(200, &deployment));
        let made = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}});
        server.on(Method::POST, "/api/v1/namespaces/default/services", Answer::json(201, &made));
        let (code, out, err) = run(&server, &["expose", "deployment", "web", "--target-port=8080"]).await;
        assert_eq!((code, out.as_str(), err.as_str()), (0, "service/web exposed\n", ""));
        let sent = server.received().last().map(client::fake::Received::json).unwrap_or_default();
        assert_eq!(sent["spec"], json!({"selector": {"app": "web"},
            "ports": [{"port": 80, "protocol": "TCP", "targetPort": 8080}]}));
        assert_eq!(sent["metadata"], json!({"name": "web", "labels": {"app": "web"}}));

        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}});
        server.on(Method::GET, "/api/v1/nodes/n", Answer::json(200, &node));
        let (code, _, err) = run(&server, &["expose", "node", "n", "--port=1"]).await;
        assert_eq!((code, err.as_str()), (1, "error: cannot expose a Node\n"));
    }
}
