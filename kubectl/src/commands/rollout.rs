//! `kubectl rollout`: watches and steers how workloads change.

use std::io::Write as _;
use std::time::Duration;

use client::Patch;
use client::params::ListParams;
use serde_json::{Value, json};

use super::send_patch;
use crate::error::message;
use crate::files::FileArgs;
use crate::print::ChangeArgs;
use crate::resources::{self, Choice, Target};
use crate::{Error, Factory, Result, Streams, values};

/// Between two looks at a rollout.
const POLL: Duration = Duration::from_millis(500);
const REVISION: &str = "deployment.kubernetes.io/revision";

/// Arguments of `rollout`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum What {
    /// Show the status of the rollout
    Status(Status),
    /// View rollout history
    History(History),
    /// Undo a previous rollout
    Undo(Undo),
    /// Restart a resource
    Restart(Change),
    /// Mark the provided resource as paused
    Pause(Change),
    /// Resume a paused resource
    Resume(Change),
}

#[derive(Clone, Debug, clap::Args)]
struct Which {
    /// TYPE NAME or TYPE/NAME
    resources: Vec<String>,
    #[command(flatten)]
    files: FileArgs,
    /// Selector (label query) to filter on
    #[arg(long, short = 'l', default_value = "")]
    selector: String,
}

#[derive(Clone, Debug, clap::Args)]
struct Status {
    #[command(flatten)]
    which: Which,
    /// Watch the status of the rollout until it's done
    #[arg(long, short = 'w', default_value = "true", action = clap::ArgAction::SetTrue)]
    watch: bool,
    /// The length of time to wait before ending watch, zero means never
    #[arg(long, default_value = "0s", value_parser = component_base::flags::parse_duration)]
    timeout: Duration,
}

#[derive(Clone, Debug, clap::Args)]
struct History {
    #[command(flatten)]
    which: Which,
    /// See the details, including podTemplate of the revision specified
    #[arg(long, default_value_t = 0)]
    revision: i64,
}

#[derive(Clone, Debug, clap::Args)]
struct Undo {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    change: ChangeArgs,
    /// The revision to rollback to. Default to 0 (last revision)
    #[arg(long, default_value_t = 0)]
    to_revision: i64,
}

#[derive(Clone, Debug, clap::Args)]
struct Change {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    change: ChangeArgs,
}

/// Runs `rollout`.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    match args.what {
        What::Status(status) => {
            for target in chosen(&status.which, factory, streams).await? {
                follow(&status, target, factory, streams).await?;
            }
        }
        What::History(history) => {
            if history.revision < 0 {
                return Err(message(format!("revision must be a positive integer: {}", history.revision)));
            }
            for target in chosen(&history.which, factory, streams).await? {
                show_history(&history, &target, factory, streams).await?;
            }
        }
        What::Undo(undo) => {
            for target in chosen(&undo.which, factory, streams).await? {
                roll_back(&undo, &target, factory, streams).await?;
            }
        }
        What::Restart(change) => {
            let now = machinery::Time::from(jiff::Timestamp::now()).to_string();
            let patch = json!({"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": now}}}}});
            for target in chosen(&change.which, factory, streams).await? {
                if values::flag(target.object(), "/spec/paused") {
                    return Err(message(format!("can't restart paused deployment (run rollout resume first): {}", target.shown())));
                }
                apply(&change.change, &target, &patch, "restarted", factory, streams).await?;
            }
        }
        What::Pause(change) => pause(&change, true, factory, streams).await?,
        What::Resume(change) => pause(&change, false, factory, streams).await?,
    }
    Ok(0)
}

async fn chosen(which: &Which, factory: &Factory, streams: &mut Streams) -> Result<Vec<Target>> {
    if which.resources.is_empty() && which.files.is_empty() {
        return Err(message("required resource not specified"));
    }
    let choice = Choice {
        arguments: &which.resources,
        files: Some(&which.files),
        label_selector: &which.selector,
        types_mean_all: true,
        verb: "rollout",
        ..Choice::default()
    };
    let (targets, errors) = choice.fetch(factory, streams).await?;
    if let Some(error) = Error::from_list(errors) {
        return Err(error);
    }
    for target in &targets {
        if !["deployments", "daemonsets", "statefulsets"].contains(&target.found.resource.plural.as_str()) {
            return Err(message(format!("no status viewer has been implemented for {}", target.found.resource.kind)));
        }
    }
    Ok(targets)
}

async fn apply(change: &ChangeArgs, target: &Target, patch: &Value, operation: &str, factory: &Factory, streams: &mut Streams) -> Result<()> {
    let patch = Patch::Merge(patch.clone());
    let object = send_patch(target, target.object(), &patch, "", "kubectl-rollout", change, factory).await?;
    change.report(object, operation, streams)
}

async fn pause(change: &Change, paused: bool, factory: &Factory, streams: &mut Streams) -> Result<()> {
    for target in chosen(&change.which, factory, streams).await? {
        if target.found.resource.plural != "deployments" {
            return Err(message(format!("{} pausing is not supported", resources::resource_shown(&target.found))));
        }
        if values::flag(target.object(), "/spec/paused") == paused {
            let state = if paused { "is already paused" } else { "is not paused" };
            return Err(message(format!("{} {:?} {state}", resources::resource_shown(&target.found), target.name)));
        }
        let operation = if paused { "paused" } else { "resumed" };
        let patch = json!({"spec": {"paused": if paused { json!(true) } else { Value::Null }}});
        apply(&change.change, &target, &patch, operation, factory, streams).await?;
    }
    Ok(())
}

async fn follow(status: &Status, target: Target, factory: &Factory, streams: &mut Streams) -> Result<()> {
    let deadline = (!status.timeout.is_zero()).then(|| tokio::time::Instant::now() + status.timeout);
    let mut last = String::new();
    loop {
        let (text, done) = progress(&target.get(factory).await?)?;
        if text != last {
            writeln!(streams.out, "{text}")?;
            streams.flush()?;
            last = text;
        }
        if done || !status.watch {
            return Ok(());
        }
        if deadline.is_some_and(|deadline| tokio::time::Instant::now() >= deadline) {
            return Err(message("timed out waiting for the condition"));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// How far a rollout is, and whether it is done (`kubectl/pkg/polymorphichelpers/rollout_status.go`).
fn progress(object: &Value) -> Result<(String, bool)> {
    let name = values::name(object);
    let number = |pointer: &str| values::number(object, pointer).unwrap_or_default();
    let wanted = values::number(object, "/spec/replicas").unwrap_or(1);
    let seen = number("/metadata/generation") <= number("/status/observedGeneration");
    match values::text(object, "/kind") {
        "Deployment" => {
            if !seen {
                return Ok(("Waiting for deployment spec update to be observed...".to_owned(), false));
            }
            let late = values::list(object, "/status/conditions").iter().any(|condition| {
                values::text(condition, "/type") == "Progressing" && values::text(condition, "/reason") == "ProgressDeadlineExceeded"
            });
            if late {
                return Err(message(format!("deployment {name:?} exceeded its progress deadline")));
            }
            let (updated, all, available) = (number("/status/updatedReplicas"), number("/status/replicas"), number("/status/availableReplicas"));
            if updated < wanted {
                return Ok((format!("Waiting for deployment {name:?} rollout to finish: {updated} out of {wanted} new replicas have been updated..."), false));
            }
            if all > updated {
                return Ok((format!("Waiting for deployment {name:?} rollout to finish: {} old replicas are pending termination...", all - updated), false));
            }
            if available < updated {
                return Ok((format!("Waiting for deployment {name:?} rollout to finish: {available} of {updated} updated replicas are available..."), false));
            }
            Ok((format!("deployment {name:?} successfully rolled out"), true))
        }
        "DaemonSet" => {
            if values::text(object, "/spec/updateStrategy/type") != "RollingUpdate" {
                return Err(message("rollout status is only available for RollingUpdate strategy type"));
            }
            if !seen {
                return Ok(("Waiting for daemon set spec update to be observed...".to_owned(), false));
            }
            let (updated, wanted, available) =
                (number("/status/updatedNumberScheduled"), number("/status/desiredNumberScheduled"), number("/status/numberAvailable"));
            if updated < wanted {
                return Ok((format!("Waiting for daemon set {name:?} rollout to finish: {updated} out of {wanted} new pods have been updated..."), false));
            }
            if available < wanted {
                return Ok((format!("Waiting for daemon set {name:?} rollout to finish: {available} of {wanted} updated pods are available..."), false));
            }
            Ok((format!("daemon set {name:?} successfully rolled out"), true))
        }
        _ => {
            if values::text(object, "/spec/updateStrategy/type") != "RollingUpdate" {
                return Err(message("rollout status is only available for RollingUpdate strategy type"));
            }
            if number("/status/observedGeneration") == 0 || !seen {
                return Ok(("Waiting for statefulset spec update to be observed...".to_owned(), false));
            }
            let (ready, updated) = (number("/status/readyReplicas"), number("/status/updatedReplicas"));
            if ready < wanted {
                return Ok((format!("Waiting for {} pods to be ready...", wanted - ready), false));
            }
            let partition = number("/spec/updateStrategy/rollingUpdate/partition");
            if partition > 0 {
                if updated < wanted - partition {
                    return Ok((format!("Waiting for partitioned roll out to finish: {updated} out of {} new pods have been updated...", wanted - partition), false));
                }
                return Ok((format!("partitioned roll out complete: {updated} new pods have been updated..."), true));
            }
            let (current, update) = (values::text(object, "/status/currentRevision"), values::text(object, "/status/updateRevision"));
            if current != update {
                return Ok((format!("waiting for statefulset rolling update to complete {updated} pods at revision {update}..."), false));
            }
            Ok((format!("statefulset rolling update complete {} pods at revision {current}...", number("/status/currentReplicas")), true))
        }
    }
}

/// A revision: its number, its cause, and the patch or template that restores it.
struct Revision {
    number: i64,
    cause: String,
    object: Value,
}

async fn revisions(target: &Target, factory: &Factory) -> Result<Vec<Revision>> {
    let deployment = target.found.resource.plural == "deployments";
    let found = factory.resource(if deployment { "replicasets.apps" } else { "controllerrevisions.apps" }).await?;
    let selector = super::pods::selector_of(target.object()).unwrap_or_default();
    let params = ListParams::default().labels(selector);
    let uid = values::text(target.object(), "/metadata/uid");
    let mut list: Vec<Revision> = resources::list_all(factory, &found, target.namespace.as_deref(), params)
        .await?
        .into_iter()
        .filter(|object| {
            values::list(object, "/metadata/ownerReferences").iter().any(|owner| values::text(owner, "/uid") == uid)
        })
        .filter_map(|object| {
            let annotation = |key: &str| {
                object.pointer("/metadata/annotations").and_then(|all| all.get(key)).and_then(Value::as_str)
            };
            let number = if deployment { annotation(REVISION)?.parse().ok()? } else { values::number(&object, "/revision")? };
            let cause = annotation("kubernetes.io/change-cause").unwrap_or("<none>").to_owned();
            Some(Revision { number, cause, object })
        })
        .collect();
    list.sort_by_key(|revision| revision.number);
    Ok(list)
}

async fn show_history(history: &History, target: &Target, factory: &Factory, streams: &mut Streams) -> Result<()> {
    let list = revisions(target, factory).await?;
    if history.revision > 0 && !list.is_empty() {
        let Some(revision) = list.iter().find(|revision| revision.number == history.revision) else {
            return Err(message("unable to find the specified revision"));
        };
        let pointers = ["/spec/template", "/data/spec/template"];
        let template = pointers.iter().find_map(|pointer| revision.object.pointer(pointer)).cloned().unwrap_or_default();
        writeln!(streams.out, "{} with revision #{}", target.shown(), revision.number)?;
        let mut page = crate::describe::Page::new(jiff::Timestamp::now(), jiff::tz::TimeZone::system());
        crate::describe::template::describe(&json!({"template": template}), "/template", &mut page);
        writeln!(streams.out, "{}", page.finish().trim_end_matches('\n'))?;
        return Ok(());
    }
    if list.is_empty() {
        let number = (history.revision > 0).then(|| format!("with revision #{}", history.revision));
        writeln!(streams.out, "{} {}\nNo rollout history found.", target.shown(), number.unwrap_or_default())?;
        return Ok(());
    }
    let numbers = list.iter().map(|revision| revision.number.to_string().len());
    let width = numbers.max().unwrap_or_default().max("REVISION".len()) + 2;
    writeln!(streams.out, "{} \n{:<width$}CHANGE-CAUSE", target.shown(), "REVISION")?;
    for revision in list {
        writeln!(streams.out, "{:<width$}{}", revision.number, revision.cause)?;
    }
    writeln!(streams.out)?;
    Ok(())
}

async fn roll_back(undo: &Undo, target: &Target, factory: &Factory, streams: &mut Streams) -> Result<()> {
    if values::flag(target.object(), "/spec/paused") {
        return Err(message(format!(
            "you cannot rollback a paused deployment; resume it first with 'kubectl rollout resume {}' and try again",
            target.shown()
        )));
    }
    let list = revisions(target, factory).await?;
    let wanted = match undo.to_revision {
        0 => list.len().checked_sub(2).and_then(|at| list.get(at)),
        number => list.iter().find(|revision| revision.number == number),
    };
    let Some(revision) = wanted else {
        return Err(message(match undo.to_revision {
            0 => format!("no rollout history found for {} {:?}", target.found.resource.kind.to_lowercase(), target.name),
            number => format!("unable to find specified revision {number} in history"),
        }));
    };
    let patch = match revision.object.pointer("/spec/template") {
        Some(template) => {
            let mut template = template.clone();
            if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
                labels.shift_remove("pod-template-hash");
            }
            if target.object().pointer("/spec/template") == Some(&template) {
                return undo.change.report(target.object().clone(), &format!("skipped rollback (current template already matches revision {})", revision.number), streams);
            }
            Patch::Json(json!([{"op": "replace", "path": "/spec/template", "value": template}]))
        }
        None => Patch::Strategic(revision.object.get("data").cloned().unwrap_or_default()),
    };
    let object = send_patch(target, target.object(), &patch, "", "kubectl-rollout", &undo.change, factory).await?;
    undo.change.report(object, "rolled back", streams)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_of_a_deployment() {
        let check = |updated: i64, all: i64, available: i64, expected: &str, done: bool| {
            let object = json!({"kind": "Deployment", "metadata": {"name": "web", "generation": 1}, "spec": {"replicas": 3},
                "status": {"observedGeneration": 1, "updatedReplicas": updated, "replicas": all, "availableReplicas": available}});
            assert_eq!(progress(&object).expect("progress"), (expected.to_owned(), done));
        };
        check(1, 3, 3, "Waiting for deployment \"web\" rollout to finish: 1 out of 3 new replicas have been updated...", false);
        check(3, 4, 3, "Waiting for deployment \"web\" rollout to finish: 1 old replicas are pending termination...", false);
        check(3, 3, 2, "Waiting for deployment \"web\" rollout to finish: 2 of 3 updated replicas are available...", false);
        check(3, 3, 3, "deployment \"web\" successfully rolled out", true);
    }
}
