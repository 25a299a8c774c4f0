//! `kubectl cordon` and `kubectl uncordon`: whether new pods may come to nodes.

use std::io::Write as _;

use client::{Patch, PatchParams};
use serde_json::json;

use crate::error::{message, usage};
use crate::resources::{self, Choice, Target};
use crate::{Error, Factory, Result, Streams, values};

/// Arguments of `cordon` and `uncordon`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Names of nodes
    pub nodes: Vec<String>,
    /// Selector (label query) to filter on
    #[arg(long, short = 'l', default_value = "")]
    pub selector: String,
    /// Must be "none", "server", or "client"
    #[arg(long, default_value = "none", value_parser = ["none", "server", "client"], require_equals = true)]
    pub dry_run: String,
}

/// Runs `cordon`.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    set(args, true, factory, streams).await
}

/// Makes nodes (un)schedulable and says so.
pub async fn set(args: Args, unschedulable: bool, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    let verb = if unschedulable { "cordon" } else { "uncordon" };
    if args.nodes.is_empty() && args.selector.is_empty() {
        return Err(usage(verb, format_args!("USAGE: {verb} NODE [flags]")));
    }
    if !args.nodes.is_empty() && !args.selector.is_empty() {
        return Err(usage(verb, "error: cannot specify both a node name and a --selector option"));
    }
    let nodes = nodes(&args.nodes, &args.selector, verb, factory, streams).await?;
    for node in nodes {
        if let Err(error) = mark(&node, unschedulable, &args.dry_run, factory, streams).await {
            writeln!(streams.err, "error: unable to {verb} node {:?}: {}", node.name, plain(&error))?;
        }
    }
    Ok(0)
}

/// The nodes by name (or `node/name`) or selector; all of them must exist.
pub async fn nodes(
    names: &[String],
    selector: &str,
    verb: &str,
    factory: &Factory,
    streams: &mut Streams,
) -> Result<Vec<Target>> {
    let mut arguments = vec!["nodes".to_owned()];
    if names.iter().any(|name| name.contains('/')) {
        arguments = names
            .iter()
            .map(|name| if name.contains('/') { name.clone() } else { format!("nodes/{name}") })
            .collect();
    } else {
        arguments.extend(names.iter().cloned());
    }
    let choice = Choice { arguments: &arguments, label_selector: selector, verb, ..Choice::default() };
    let (targets, errors) = choice.fetch(factory, streams).await?;
    if let Some(error) = Error::from_list(errors) {
        return Err(error);
    }
    if let Some(other) = targets.iter().find(|target| target.found.resource.kind != "Node") {
        return Err(message(format!(
            "expected resource of type node, got {:?}",
            resources::resource_shown(&other.found)
        )));
    }
    Ok(targets)
}

/// Marks one node and says so.
pub async fn mark(
    node: &Target,
    unschedulable: bool,
    dry_run: &str,
    factory: &Factory,
    streams: &mut Streams,
) -> Result<()> {
    let (done, already) =
        if unschedulable { ("cordoned", "already cordoned") } else { ("uncordoned", "already uncordoned") };
    let suffix = match dry_run {
        "client" => " (dry run)",
        "server" => " (server dry run)",
        _ => "",
    };
    let word = if values::flag(node.object(), "/spec/unschedulable") == unschedulable {
        already
    } else {
        if dry_run != "client" {
            let value = if unschedulable { json!(true) } else { serde_json::Value::Null };
            let patch = Patch::Strategic(json!({"spec": {"unschedulable": value}}));
            let params = PatchParams { dry_run: dry_run == "server", ..PatchParams::default() };
            node.api(factory)?.patch(&node.name, "", &patch, &params).await?;
        }
        done
    };
    writeln!(streams.out, "{}/{} {word}{suffix}", resources::type_shown(&node.found), node.name)?;
    Ok(())
}

/// An error within another's text: what the server said, without its reason.
pub fn plain(error: &Error) -> String {
    match error.status() {
        Some(status) => status.status.message.clone(),
        None => error.to_string(),
    }
}
