//! `kubectl diff`: what an apply would change (`kubectl/pkg/cmd/diff`).

use std::io::Write as _;
use std::process::Stdio;

use client::{PatchParams, WriteParams};
use serde_json::Value;

use super::scratch::Folder;
use crate::error::{message, usage};
use crate::files::FileArgs;
use crate::print::structured;
use crate::resources::{Choice, Chosen, Target};
use crate::{Error, Factory, Result, Streams, apply, values};

/// How often an object that changes meanwhile is compared again.
const RETRIES: usize = 4;

/// Arguments of `diff`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// There are none; upstream's answer to any is kept
    #[arg(hide = true)]
    pub unexpected: Vec<String>,
    #[command(flatten)]
    pub files: FileArgs,
    /// Selector (label query) to filter on
    #[arg(long, short = 'l', default_value = "")]
    pub selector: String,
    /// If true, include managed fields in the diff
    #[arg(long)]
    pub show_managed_fields: bool,
    /// If true, do not mask secret values in the diff
    #[arg(long)]
    pub show_secrets: bool,
    /// If true, apply runs in the server instead of the client
    #[arg(long)]
    pub server_side: bool,
    /// If true, server-side apply will force the changes against conflicts
    #[arg(long)]
    pub force_conflicts: bool,
    /// Name of the manager used to track field ownership
    #[arg(long)]
    pub field_manager: Option<String>,
    /// Objects are compared one after the other, whatever is given
    #[arg(long, default_value_t = 1, hide = true)]
    pub concurrency: u32,
    /// Pruning is not supported
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = component_base::flags::parse_bool)]
    pub prune: Option<bool>,
}

/// Runs `diff`: 0 without differences, 1 with some, more for failures.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    compare(args, factory, streams).await.map_err(|error| match error {
        exit @ (Error::Exit(_) | Error::ExitWith(..)) => exit,
        other => Error::ExitWith(other.exit_code() + 1, other.report()),
    })
}

async fn compare(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    if !args.unexpected.is_empty() {
        return Err(usage("diff", format_args!("Unexpected args: [{}]", args.unexpected.join(" "))));
    }
    if args.files.is_empty() {
        return Err(message("must specify one of -f and -k"));
    }
    if args.force_conflicts && !args.server_side {
        return Err(message("--force-conflicts only works with --server-side"));
    }
    if args.prune == Some(true) {
        return Err(message("--prune is not supported by this kubectl: it cannot prune with apply either"));
    }
    let choice = Choice { files: Some(&args.files), label_selector: &args.selector, ..Choice::default() };
    let Chosen::Named(targets) = choice.resolve(factory, streams).await? else { return Ok(0) };
    let (live_folder, merged_folder) = (Folder::new("LIVE-")?, Folder::new("MERGED-")?);
    for target in targets {
        let (mut live, mut merged) = versions(&args, &target, factory).await?;
        if !args.show_managed_fields {
            live.iter_mut().for_each(values::without_managed_fields);
            values::without_managed_fields(&mut merged);
        }
        if !args.show_secrets && target.found.resource.kind == "Secret" && target.found.resource.group.is_empty() {
            mask(live.as_mut(), &mut merged);
        }
        let name = file_name(&target);
        live_folder.write(&name, &live.as_ref().map(structured::yaml).unwrap_or_default())?;
        merged_folder.write(&name, &structured::yaml(&merged))?;
        let going = live.as_ref().map(|live| values::text(live, "/metadata/deletionTimestamp"));
        if going.is_some_and(|time| !time.is_empty()) {
            writeln!(
                streams.err,
                "Warning: Detected changes to resource {} which is currently being deleted.",
                target.name
            )?;
        }
    }
    program(live_folder.path(), merged_folder.path(), streams)
}

/// `group.version.Kind.namespace.name`, without the dot of no group.
fn file_name(target: &Target) -> String {
    let resource = &target.found.resource;
    let group = if resource.group.is_empty() { String::new() } else { format!("{}.", resource.group) };
    let namespace = target.namespace.as_deref().unwrap_or_default();
    format!("{group}{}.{}.{namespace}.{}", resource.version, resource.kind, target.name)
}

/// The object as it is, and as it would be.
async fn versions(args: &Args, target: &Target, factory: &Factory) -> Result<(Option<Value>, Value)> {
    let api = target.api(factory)?;
    let manager = args.field_manager.clone().unwrap_or_else(|| {
        if args.server_side { "kubectl".to_owned() } else { "kubectl-client-side-apply".to_owned() }
    });
    let mut attempts = 0;
    loop {
        attempts += 1;
        let live = match api.get(&target.name, "").await {
            Ok(live) => Some(live),
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error.into()),
        };
        let params = PatchParams {
            dry_run: true,
            field_manager: manager.clone(),
            force: args.force_conflicts,
            ..PatchParams::default()
        };
        let merged = if args.server_side {
            let wanted = client::Patch::Apply(target.object().clone());
            api.patch(&target.name, "", &wanted, &params).await
        } else {
            match &live {
                None => {
                    let params =
                        WriteParams { dry_run: true, field_manager: manager.clone(), ..WriteParams::default() };
                    api.create(target.object(), &params).await
                }
                Some(live) => {
                    let patch = modified(target, live)?;
                    if apply::is_empty(&patch) { Ok(live.clone()) } else { api.patch(&target.name, "", &patch, &params).await }
                }
            }
        };
        match merged {
            Err(error) if error.is_conflict() && !args.server_side && attempts < RETRIES => {}
            Err(error) => return Err(error.into()),
            Ok(merged) => return Ok((live, merged)),
        }
    }
}

/// The patch of an apply, without its annotation: that it would change is not worth a line.
fn modified(target: &Target, live: &Value) -> Result<client::Patch> {
    let mut patch = apply::patch(target.object(), live, true)?;
    let fields = match &mut patch {
        client::Patch::Strategic(fields) | client::Patch::Merge(fields) => fields,
        client::Patch::Json(_) | client::Patch::Apply(_) => return Ok(patch),
    };
    if let Some(annotations) = fields.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.shift_remove(apply::LAST_APPLIED);
    }
    for (parent, child) in [("/metadata", "annotations"), ("", "metadata")] {
        if let Some(parent) = fields.pointer_mut(parent).and_then(Value::as_object_mut)
            && parent.get(child).and_then(Value::as_object).is_some_and(serde_json::Map::is_empty)
        {
            parent.shift_remove(child);
        }
    }
    Ok(patch)
}

/// Hides the data of secrets; what differs still looks different.
fn mask(live: Option<&mut Value>, merged: &mut Value) {
    const HIDDEN: &str = "***";
    let mut none = Value::Null;
    let live = live.unwrap_or(&mut none);
    let before = live.get("data").and_then(Value::as_object).cloned().unwrap_or_default();
    let after = merged.get("data").and_then(Value::as_object).cloned().unwrap_or_default();
    if let Some(data) = live.get_mut("data").and_then(Value::as_object_mut) {
        for (key, value) in data.iter_mut() {
            let changed = after.get(key).is_some_and(|other| other != value);
            *value = if changed { "*** (before)".into() } else { HIDDEN.into() };
        }
    }
    if let Some(data) = merged.get_mut("data").and_then(Value::as_object_mut) {
        for (key, value) in data.iter_mut() {
            let changed = before.get(key).is_some_and(|other| other != value);
            *value = if changed { "*** (after)".into() } else { HIDDEN.into() };
        }
    }
}

/// The program and its arguments before the folders.
fn words(external: Option<&str>) -> (String, Vec<String>) {
    let own = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let Some(text) = external.filter(|text| !text.is_empty()) else {
        return ("diff".to_owned(), own(&["-u", "-N"]));
    };
    let mut words = text.split(' ');
    let program = words.next().unwrap_or_default().to_owned();
    // As upstream: other words are not passed on.
    let plain = |word: &&str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-=".contains(&byte))
    };
    (program, words.filter(plain).map(str::to_owned).collect())
}

/// Compares the folders with `diff` or KUBECTL_EXTERNAL_DIFF.
fn program(from: &std::path::Path, to: &std::path::Path, streams: &mut Streams) -> Result<i32> {
    let external = std::env::var("KUBECTL_EXTERNAL_DIFF").ok();
    let (name, mut arguments) = words(external.as_deref());
    let folders = [from, to].map(|path| path.display().to_string());
    if external.is_some_and(|text| !text.is_empty()) {
        // Upstream has the words of the user after the folders.
        arguments.splice(0..0, folders);
    } else {
        arguments.extend(folders);
    }
    streams.flush()?;
    let failed = |what: &dyn std::fmt::Display| message(format!("failed to run {name:?}: {what}"));
    let mut command = std::process::Command::new(&name);
    command.args(arguments);
    let status = if streams.terminal {
        command.status().map_err(|error| failed(&error))?
    } else {
        let output = command.stdin(Stdio::null()).output().map_err(|error| failed(&error))?;
        streams.out.write_all(&output.stdout)?;
        streams.err.write_all(&output.stderr)?;
        output.status
    };
    match status.code() {
        Some(code @ (0 | 1)) => Ok(code),
        Some(code) => Err(failed(&format_args!("exit status {code}"))),
        None => Err(failed(&status)),
    }
}

#[cfg(test)]
mod tests {
    use client::fake::{Answer, FakeServer};
    use http::Method;
    use serde_json::json;

    use super::*;
    use crate::commands::testing::run_with_input;

    const MANIFEST: &str = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: a\ndata:\n  k: dg==\n";

    #[tokio::test]
    async fn differences_are_shown_and_counted() {
        let server = FakeServer::start().await.expect("a server");
        let path = "/api/v1/namespaces/default/secrets/a";
        let secret = |value: &str| {
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "namespace": "default"}, "data": {"k": value, "same": "eA=="}})
        };
        server.on(Method::GET, path, Answer::json(200, &secret("b2xk")));
        server.on(Method::PATCH, path, Answer::json(200, &secret("dg==")));
        let (code, out, err) = run_with_input(&server, &["diff", "-f", "-"], MANIFEST).await;
        assert_eq!((code, err.as_str()), (1, ""));
        assert!(out.contains("-  k: '*** (before)'\n+  k: '*** (after)'\n"), "{out}");
        assert!(out.contains("/v1.Secret.default.a"), "{out}");
        let target = server.received().last().map(|request| request.target.clone()).unwrap_or_default();
        assert!(target.contains("dryRun=All"), "{target}");
        let (code, out, _) = run_with_input(&server, &["diff", "-f", "-", "--show-secrets"], MANIFEST).await;
        assert_eq!(code, 1);
        assert!(out.contains("+  k: dg==\n"), "{out}");
    }

    #[tokio::test]
    async fn failures_are_more_than_differences() {
        let server = FakeServer::start().await.expect("a server");
        let (code, _, err) = run_with_input(&server, &["diff"], "").await;
        assert_eq!((code, err.as_str()), (2, "error: must specify one of -f and -k\n"));
    }

    #[test]
    fn the_program_may_be_another() {
        let check = |text: Option<&str>, expected: (&str, &[&str])| {
            let (name, arguments) = words(text);
            assert_eq!((name.as_str(), arguments.as_slice()), (expected.0, expected.1.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>().as_slice()));
        };
        check(None, ("diff", &["-u", "-N"]));
        check(Some("meld --a=b ;rm"), ("meld", &["--a=b"]));
    }
}
