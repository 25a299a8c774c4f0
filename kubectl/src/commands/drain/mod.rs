//! `kubectl drain`: clears a node for maintenance (`kubectl/pkg/cmd/drain`, `kubectl/pkg/drain`).

mod choose;
mod evict;

use std::io::Write as _;
use std::time::Duration;

use super::cordon;
use crate::error::{message, usage};
use crate::{Error, Factory, Result, Streams};
use evict::Evicting;

/// Arguments of `drain`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Names of nodes
    pub nodes: Vec<String>,
    /// Selector (label query) to filter on
    #[arg(long, short = 'l', default_value = "")]
    pub selector: String,
    /// Continue even if there are pods that do not declare a controller
    #[arg(long)]
    pub force: bool,
    /// Ignore DaemonSet-managed pods
    #[arg(long)]
    pub ignore_daemonsets: bool,
    /// Continue even if there are pods using emptyDir (local data that will be deleted)
    #[arg(long)]
    pub delete_emptydir_data: bool,
    /// Period of time in seconds given to each pod to terminate gracefully
    #[arg(long, default_value_t = -1, allow_hyphen_values = true)]
    pub grace_period: i64,
    /// The length of time to wait before giving up, zero means infinite
    #[arg(long, default_value = "0s", value_parser = component_base::flags::parse_duration)]
    pub timeout: Duration,
    /// Label selector to filter pods on the node
    #[arg(long, default_value = "")]
    pub pod_selector: String,
    /// Force drain to use delete, even if eviction is supported. This bypasses PodDisruptionBudgets
    #[arg(long)]
    pub disable_eviction: bool,
    /// If pod DeletionTimestamp older than N seconds, skip waiting for the pod
    #[arg(long, default_value_t = 0)]
    pub skip_wait_for_delete_timeout: i64,
    /// Objects per page of a list; lists are read in pages whatever is given
    #[arg(long, default_value_t = 500, hide = true)]
    pub chunk_size: u32,
    /// Must be "none", "server", or "client"
    #[arg(long, default_value = "none", value_parser = ["none", "server", "client"], require_equals = true)]
    pub dry_run: String,
}

/// Runs `drain`.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    if args.nodes.is_empty() && args.selector.is_empty() {
        return Err(usage("drain", "USAGE: drain NODE [flags]"));
    }
    if !args.nodes.is_empty() && !args.selector.is_empty() {
        return Err(usage("drain", "error: cannot specify both a node name and a --selector option"));
    }
    if machinery::selectors::labels::Selector::parse(&args.pod_selector).is_err() {
        return Err(message("--pod-selector=<pod_selector> must be a valid label selector"));
    }
    let nodes = cordon::nodes(&args.nodes, &args.selector, "drain", factory, streams).await?;
    for node in &nodes {
        // A node that cannot be cordoned is drained nevertheless, as upstream does.
        if let Err(error) = cordon::mark(node, true, &args.dry_run, factory, streams).await {
            writeln!(streams.err, "error: unable to cordon node {:?}: {}", node.name, cordon::plain(&error))?;
        }
    }
    streams.flush()?;
    let (mut failures, mut pending) = (Vec::new(), Vec::new());
    for node in &nodes {
        match drain(&args, &node.name, factory, streams).await {
            Ok(()) => writeln!(streams.out, "node/{} drained{}", node.name, suffix(&args.dry_run))?,
            Err(errors) => {
                streams.flush()?;
                writeln!(
                    streams.err,
                    "error: unable to drain node {:?} due to error: {}, continuing command...",
                    node.name,
                    together(&errors)
                )?;
                pending.push(&node.name);
                failures.extend(errors);
            }
        }
    }
    if !pending.is_empty() {
        writeln!(streams.err, "There are pending nodes to be drained:")?;
        for name in pending {
            writeln!(streams.err, " {name}")?;
        }
    }
    match failures.is_empty() {
        true => Ok(0),
        false => Err(Error::Several(failures.into_iter().map(message).collect())),
    }
}

fn suffix(dry_run: &str) -> &'static str {
    match dry_run {
        "client" => " (dry run)",
        "server" => " (server dry run)",
        _ => "",
    }
}

/// Several failures in one line, as upstream joins them.
fn together(errors: &[String]) -> String {
    match errors {
        [one] => one.clone(),
        several => format!("[{}]", several.join(", ")),
    }
}

async fn drain(args: &Args, node: &str, factory: &Factory, streams: &mut Streams) -> std::result::Result<(), Vec<String>> {
    let one = |error: &dyn std::fmt::Display| vec![error.to_string()];
    let chosen = choose::pods(args, node, factory).await.map_err(|error| vec![cordon::plain(&error)])?;
    let failures = chosen.failures();
    if !failures.is_empty() {
        return Err(failures);
    }
    if let Some(warning) = chosen.warning() {
        writeln!(streams.err, "Warning: {warning}").map_err(|error| one(&error))?;
    }
    let pods = chosen.into_pods();
    if args.dry_run == "client" {
        for pod in &pods {
            let (namespace, name) = (crate::values::namespace(pod), crate::values::name(pod));
            writeln!(streams.out, "evicting pod {namespace}/{name} (dry run)").map_err(|error| one(&error))?;
        }
        return Ok(());
    }
    let evicting = Evicting::new(args, factory).await.map_err(|error| vec![cordon::plain(&error)])?;
    let errors = evicting.all(pods, streams).await;
    if errors.is_empty() {
        return Ok(());
    }
    if let Ok(left) = choose::pods(args, node, factory).await {
        let left = left.into_pods();
        if !left.is_empty() {
            let text = together(&errors);
            writeln!(streams.err, "There are pending pods in node {node:?} when an error occurred: {text}")
                .map_err(|error| one(&error))?;
            for pod in left {
                writeln!(streams.err, "pod/{}", crate::values::name(&pod)).map_err(|error| one(&error))?;
            }
        }
    }
    Err(errors)
}

#[cfg(test)]
mod tests {
    use client::fake::{Answer, FakeServer, Received};
    use http::Method;
    use machinery::GroupResource;
    use machinery::status::StatusError;
    use serde_json::{Value, json};

    use crate::commands::testing::run;

    const EVICTION: &str = "/api/v1/namespaces/x/pods/p/eviction";

    async fn server_with(pod: &Value) -> FakeServer {
        let server = FakeServer::start().await.expect("a server");
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "spec": {}});
        server.on(Method::GET, "/api/v1/nodes/n", Answer::json(200, &node));
        server.on(Method::PATCH, "/api/v1/nodes/n", Answer::json(200, &node));
        let list = json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [pod]});
        server.on(Method::GET, "/api/v1/pods", Answer::json(200, &list));
        server
    }

    fn pod(owner: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "x", "uid": "1",
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": owner, "name": "o", "controller": true}]},
            "spec": {"nodeName": "n"}, "status": {"phase": "Running"}})
    }

    #[tokio::test]
    async fn pods_are_evicted_and_waited_for() {
        let server = server_with(&pod("ReplicaSet")).await;
        server.on(Method::POST, EVICTION, Answer::json(201, &json!({"kind": "Status", "status": "Success"})));
        let missing = StatusError::not_found(&GroupResource::new("", "pods"), "p");
        server.on(Method::GET, "/api/v1/namespaces/x/pods/p", Answer::status(&missing));
        let (code, out, err) = run(&server, &["drain", "n", "--grace-period=3"]).await;
        assert_eq!(out, "node/n cordoned\nevicting pod x/p\npod/p evicted\nnode/n drained\n");
        assert_eq!((code, err.as_str()), (0, ""));
        let sent = server.received().into_iter().find(|request| request.target.starts_with(EVICTION));
        let sent = sent.as_ref().map(Received::json).unwrap_or_default();
        assert_eq!(sent["kind"], json!("Eviction"));
        assert_eq!(sent["deleteOptions"]["gracePeriodSeconds"], json!(3));
    }

    #[tokio::test]
    async fn what_must_not_go_stops_the_node() {
        let mut alone = pod("ReplicaSet");
        alone["metadata"]["ownerReferences"] = json!([]);
        let server = server_with(&alone).await;
        let (code, out, err) = run(&server, &["drain", "n"]).await;
        let reason = "cannot delete Pods that declare no controller (use --force to override): x/p";
        assert_eq!(out, "node/n cordoned\n");
        assert_eq!(
            err,
            format!("error: unable to drain node \"n\" due to error: {reason}, continuing command...\nThere are pending nodes to be drained:\n n\n{reason}\n")
        );
        assert_eq!(code, 1);
        let (code, out, err) = run(&server, &["drain", "n", "--force", "--dry-run=client"]).await;
        assert_eq!(out, "node/n cordoned (dry run)\nevicting pod x/p (dry run)\nnode/n drained (dry run)\n");
        assert_eq!((code, err.as_str()), (0, "Warning: deleting Pods that declare no controller: x/p\n"));
    }

    #[tokio::test]
    async fn daemons_stay() {
        let server = server_with(&pod("DaemonSet")).await;
        let daemons = json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "o"}});
        server.on(Method::GET, "/apis/apps/v1/namespaces/x/daemonsets/o", Answer::json(200, &daemons));
        let (code, _, err) = run(&server, &["drain", "n"]).await;
        assert_eq!(code, 1);
        assert!(err.contains("cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore): x/p"), "{err}");
        let (code, out, err) = run(&server, &["drain", "n", "--ignore-daemonsets"]).await;
        assert_eq!((code, out.as_str()), (0, "node/n cordoned\nnode/n drained\n"));
        assert_eq!(err, "Warning: ignoring DaemonSet-managed Pods: x/p\n");
    }
}
