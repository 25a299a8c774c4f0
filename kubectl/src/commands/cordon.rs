//! `kubectl cordon` and `kubectl uncordon`: whether new pods may come to nodes.

use std::io::Write as _;

use client::{Patch, PatchParams};
use serde_json::json;

use crate::error::message;
use crate::resources::{self, Choice};
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
    if args.nodes.is_empty() && args.selector.is_empty() {
        let verb = if unschedulable { "cordon" } else { "uncordon" };
        return Err(message(format!("USAGE: {verb} NODE [flags]")));
    }
    let arguments: Vec<String> = std::iter::once("nodes".to_owned()).chain(args.nodes).collect();
    let arguments = match arguments.iter().any(|name| name.contains('/')) {
        true => arguments.into_iter().skip(1).collect(),
        false => arguments,
    };
    let choice = Choice { arguments: &arguments, label_selector: &args.selector, verb: "cordon", ..Choice::default() };
    let (targets, mut errors) = choice.fetch(factory, streams).await?;
    let (done, already) =
        if unschedulable { ("cordoned", "already cordoned") } else { ("uncordoned", "already uncordoned") };
    let suffix = match args.dry_run.as_str() {
        "client" => " (dry run)",
        "server" => " (server dry run)",
        _ => "",
    };
    for target in targets {
        let shown = format!("{}/{}", resources::type_shown(&target.found), target.name);
        if values::flag(target.object(), "/spec/unschedulable") == unschedulable {
            writeln!(streams.out, "{shown} {already}{suffix}")?;
            continue;
        }
        if args.dry_run != "client" {
            let value = if unschedulable { json!(true) } else { serde_json::Value::Null };
            let patch = Patch::Merge(json!({"spec": {"unschedulable": value}}));
            let params = PatchParams { dry_run: args.dry_run == "server", ..PatchParams::default() };
            if let Err(error) = target.api(factory)?.patch(&target.name, "", &patch, &params).await {
                errors.push(error.into());
                continue;
            }
        }
        writeln!(streams.out, "{shown} {done}{suffix}")?;
    }
    Error::from_list(errors).map_or(Ok(0), Err)
}
