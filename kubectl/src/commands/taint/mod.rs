//! `kubectl taint`: which pods a node repels (`kubectl/pkg/cmd/taint`).

mod taints;

use serde_json::Value;

use crate::commands::send_patch;
use crate::error::{message, usage};
use crate::print::ChangeArgs;
use crate::resources::{Choice, Target};
use crate::{Error, Factory, Result, Streams, values};
use taints::Taint;

/// Arguments of `taint`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// NODE NAME, then KEY=VALUE:EFFECT, KEY:EFFECT- or KEY- ...
    pub resources: Vec<String>,
    #[command(flatten)]
    pub change: ChangeArgs,
    /// If true, allow taints to be overwritten, otherwise reject updates that overwrite existing taints
    #[arg(long)]
    pub overwrite: bool,
    /// Select all nodes in the cluster
    #[arg(long)]
    pub all: bool,
    /// Selector (label query) to filter on
    #[arg(long, short = 'l', default_value = "")]
    pub selector: String,
    /// Must be one of: strict (or true), warn, ignore (or false). The server checks patches of nodes anyway
    #[arg(long, default_value = "strict", num_args = 0..=1, require_equals = true, default_missing_value = "strict", value_parser = super::parse_validation)]
    pub validate: String,
    /// Name of the manager used to track field ownership
    #[arg(long, default_value = "kubectl-taint")]
    pub field_manager: String,
}

/// Runs `taint`.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    let is_taint = |text: &String| text.contains('=') || text.contains(':') || text.ends_with('-');
    let at = args.resources.iter().position(is_taint).unwrap_or(args.resources.len());
    let (resources, texts) = args.resources.split_at(at);
    if let Some(late) = texts.iter().find(|text| !is_taint(text)) {
        return Err(message(format!("all resources must be specified before taint changes: {late}")));
    }
    let Some((kind, names)) = resources.split_first() else {
        return Err(message("one or more resources must be specified as <resource> <name>"));
    };
    if texts.is_empty() {
        return Err(message("at least one taint update is required"));
    }
    let (added, removed) = taints::parse(texts).map_err(|text| usage("taint", text))?;
    let found = factory.resource(kind).await?;
    if found.resource.kind != "Node" {
        return Err(message(format!(
            "invalid resource type {}, only node types are supported",
            kind.to_lowercase()
        )));
    }
    taints::refuse_conflicts(&added, &removed).map_err(message)?;
    if args.all && !args.selector.is_empty() {
        return Err(message("setting 'all' parameter with a non empty selector is prohibited"));
    }
    let choosing = args.all || !args.selector.is_empty();
    if !choosing && names.is_empty() {
        return Err(message("at least one resource name must be specified since 'all' parameter is not set"));
    }
    let arguments: Vec<String> = std::iter::once("nodes".to_owned())
        .chain(names.iter().filter(|_| !choosing).cloned())
        .collect();
    let choice = Choice {
        arguments: &arguments,
        label_selector: &args.selector,
        all: args.all,
        verb: "taint",
        ..Choice::default()
    };
    let (targets, mut errors) = choice.fetch(factory, streams).await?;
    for target in targets {
        if let Err(error) = taint(&args, &target, &added, &removed, factory, streams).await {
            errors.push(error);
        }
    }
    Error::from_list(errors).map_or(Ok(0), Err)
}

async fn taint(
    args: &Args,
    target: &Target,
    added: &[Taint],
    removed: &[Taint],
    factory: &Factory,
    streams: &mut Streams,
) -> Result<()> {
    let before = target.object();
    let present: Vec<Taint> = values::list(before, "/spec/taints").iter().map(Taint::of).collect();
    if !args.overwrite {
        let known: Vec<&str> = added
            .iter()
            .filter(|taint| present.iter().any(|known| known.matches(taint)))
            .map(|taint| taint.key.as_str())
            .collect();
        if !known.is_empty() {
            return Err(message(format!(
                "node {} already has {} taint(s) with same effect(s) and --overwrite is false",
                target.name,
                known.join(",")
            )));
        }
    }
    let (operation, list) = taints::reorganized(&present, added, removed, args.overwrite)
        .map_err(|problems| {
            let mut problems: Vec<Error> = problems.into_iter().map(message).collect();
            match problems.pop() {
                Some(one) if problems.is_empty() => one,
                last => Error::Several(problems.into_iter().chain(last).collect()),
            }
        })?;
    let mut after = before.clone();
    let spec = values::map_at(&mut after, &["spec"]);
    if list.is_empty() {
        spec.shift_remove("taints");
    } else {
        spec.insert("taints".to_owned(), list.iter().map(Taint::to_value).collect::<Vec<Value>>().into());
    }
    let patch = crate::commands::set::difference(before, &after)?;
    let made = send_patch(target, before, &patch, "", &args.field_manager, &args.change, factory).await?;
    // As upstream: this line says nothing of a dry run.
    let change = ChangeArgs { dry_run: "none".to_owned(), ..args.change.clone() };
    change.report(made, operation, streams)
}

#[cfg(test)]
mod tests {
    use client::fake::{Answer, FakeServer, Received};
    use http::Method;
    use serde_json::{Value, json};

    use crate::commands::testing::run;

    async fn on_node(line: &str) -> (i32, String, String, Value) {
        let server = FakeServer::start().await.expect("a server");
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"},
            "spec": {"taints": [{"key": "a", "value": "1", "effect": "NoSchedule", "timeAdded": "2020-01-01T00:00:00Z"}]}});
        server.on(Method::GET, "/api/v1/nodes/n", Answer::json(200, &node));
        server.on(Method::PATCH, "/api/v1/nodes/n", Answer::json(200, &node));
        let words: Vec<&str> = line.split(' ').collect();
        let (code, out, err) = run(&server, &words).await;
        let sent = server.received().into_iter().find(|request| request.method == Method::PATCH);
        (code, out, err, sent.as_ref().map(Received::json).unwrap_or_default())
    }

    #[tokio::test]
    async fn taints_come_go_and_change() {
        let check = async |line: &str, expected: (i32, &str, &str)| {
            let (code, out, err, _) = on_node(line).await;
            assert_eq!((code, out.as_str(), err.as_str()), expected, "{line}");
        };
        check("taint node n b=2:NoExecute", (0, "node/n tainted\n", "")).await;
        check("taint node n a-", (0, "node/n untainted\n", "")).await;
        check("taint node n a=2:NoSchedule --overwrite", (0, "node/n modified\n", "")).await;
        check(
            "taint node n a=2:NoSchedule",
            (1, "", "error: node n already has a taint(s) with same effect(s) and --overwrite is false\n"),
        )
        .await;
        check("taint node n c-", (1, "", "error: taint \"c\" not found\n")).await;
        check("taint node n", (1, "", "error: at least one taint update is required\n")).await;
        check(
            "taint pod n a-",
            (1, "", "error: invalid resource type pod, only node types are supported\n"),
        )
        .await;
        let (_, _, _, patch) = on_node("taint node n b=2:NoExecute").await;
        let taints = patch.pointer("/spec/taints").cloned().unwrap_or_default();
        assert_eq!(taints[0], json!({"key": "b", "value": "2", "effect": "NoExecute"}));
        assert_eq!(taints[1]["timeAdded"], json!("2020-01-01T00:00:00Z"));
    }
}
