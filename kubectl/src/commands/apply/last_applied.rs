//! `apply view-last-applied`, `set-last-applied` and `edit-last-applied`: the manifest an object remembers.

use std::io::Write as _;

use client::Patch;
use machinery::codec::yaml;
use serde_json::{Value, json};

use crate::apply::{LAST_APPLIED, remembered};
use crate::commands::send_patch;
use crate::error::message;
use crate::files::FileArgs;
use crate::print::{ChangeArgs, structured};
use crate::resources::{Choice, Chosen, Target};
use crate::{Error, Factory, Result, Streams};

/// What is done with the manifest.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum What {
    /// View the latest last-applied-configuration annotations of a resource/object
    #[command(name = "view-last-applied")]
    View(View),
    /// Set the last-applied-configuration annotation on a live object to match the contents of a file
    #[command(name = "set-last-applied")]
    Set(Set),
    /// Edit latest last-applied-configuration annotations of a resource/object
    #[command(name = "edit-last-applied")]
    Edit(Edit),
}

/// Arguments of `view-last-applied`.
#[derive(Clone, Debug, clap::Args)]
pub struct View {
    /// TYPE [NAME | -l label], or TYPE/NAME
    pub resources: Vec<String>,
    #[command(flatten)]
    pub files: FileArgs,
    /// Selector (label query) to filter on
    #[arg(long, short = 'l', default_value = "")]
    pub selector: String,
    /// Select all resources in the namespace of the specified resource types
    #[arg(long)]
    pub all: bool,
    /// Output format. Must be one of (yaml, json)
    #[arg(long, short = 'o', default_value = "yaml")]
    pub output: String,
}

/// Arguments of `set-last-applied`.
#[derive(Clone, Debug, clap::Args)]
pub struct Set {
    #[command(flatten)]
    pub files: FileArgs,
    /// Will create 'last-applied-configuration' annotations if current objects doesn't have one
    #[arg(long)]
    pub create_annotation: bool,
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// Arguments of `edit-last-applied`.
#[derive(Clone, Debug, clap::Args)]
pub struct Edit {
    /// TYPE NAME, or TYPE/NAME
    pub resources: Vec<String>,
    #[command(flatten)]
    pub files: FileArgs,
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// Runs one of the commands.
pub async fn run(what: What, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    match what {
        What::View(view) => run_view(&view, factory, streams).await,
        What::Set(set) => run_set(&set, factory, streams).await,
        What::Edit(edit) => run_edit(&edit, factory, streams).await,
    }
}

/// The annotation's text.
fn annotation(object: &Value) -> Option<&str> {
    object.pointer("/metadata/annotations").and_then(|all| all.get(LAST_APPLIED)).and_then(Value::as_str)
}

fn missing(target: &Target) -> Error {
    message(format!("no last-applied-configuration annotation found on resource: {}\n", target.name))
}

async fn run_view(view: &View, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    if !["yaml", "json"].contains(&view.output.as_str()) {
        return Err(Error::Plain(format!(
            "error: Unexpected -o output mode: {}, the flag 'output' must be one of yaml|json\nSee 'kubectl apply view-last-applied -h' for help and examples",
            view.output
        )));
    }
    let choice = Choice {
        arguments: &view.resources,
        files: Some(&view.files),
        label_selector: &view.selector,
        all: view.all,
        types_mean_all: true,
        verb: "apply view-last-applied",
        ..Choice::default()
    };
    let (targets, errors) = choice.fetch(factory, streams).await?;
    if let Some(error) = Error::from_list(errors) {
        return Err(error);
    }
    let mut texts = Vec::new();
    for target in &targets {
        texts.push(annotation(target.object()).ok_or_else(|| missing(target))?);
    }
    for text in texts {
        let value: Value = serde_json::from_str(text)?;
        match view.output.as_str() {
            "json" => writeln!(streams.out, "{}", serde_json::to_string_pretty(&value)?)?,
            _ => write!(streams.out, "{}", structured::yaml(&value))?,
        }
    }
    Ok(0)
}

/// The patch that makes an object remember a manifest.
fn patch(text: &str) -> Patch {
    Patch::Merge(json!({"metadata": {"annotations": {LAST_APPLIED: text}}}))
}

async fn run_set(set: &Set, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    if set.files.is_empty() {
        return Err(message("must specify one of -f and -k"));
    }
    let choice = Choice { files: Some(&set.files), ..Choice::default() };
    let Chosen::Named(targets) = choice.resolve(factory, streams).await? else { return Ok(0) };
    let mut changes = Vec::new();
    for target in targets {
        let wanted = remembered(target.object());
        let live = target.get(factory).await?;
        match annotation(&live) {
            None if !set.create_annotation => {
                return Err(message(format!(
                    "no last-applied-configuration annotation found on resource: {}, to create the annotation, run the command with --create-annotation",
                    target.name
                )));
            }
            Some(text) if text.trim_end() == wanted.trim_end() => {
                writeln!(streams.out, "set-last-applied {}: no changes required.", target.name)?;
            }
            _ => changes.push((target, live, wanted)),
        }
    }
    for (target, live, wanted) in changes {
        let manager = "kubectl-client-side-apply";
        let object = send_patch(&target, &live, &patch(&wanted), "", manager, &set.change, factory).await?;
        set.change.report(object, "configured", streams)?;
    }
    Ok(0)
}

async fn run_edit(edit: &Edit, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    let choice = Choice {
        arguments: &edit.resources,
        files: Some(&edit.files),
        verb: "apply edit-last-applied",
        ..Choice::default()
    };
    let (targets, errors) = choice.fetch(factory, streams).await?;
    if let Some(error) = Error::from_list(errors) {
        return Err(error);
    }
    for target in targets {
        let live = target.object();
        let text = annotation(live).ok_or_else(|| missing(&target))?;
        let before: Value = serde_json::from_str(text)?;
        streams.flush()?;
        let edited = in_editor(&structured::yaml(&before))?;
        let after = yaml::from_str(&edited)
            .map_err(|error| message(format!("the edited manifest is not sound YAML: {error}")))?;
        if after.is_null() || after == before {
            writeln!(streams.err, "Edit cancelled, no changes made.")?;
            continue;
        }
        let patch = patch(&remembered(&after));
        let manager = "kubectl-edit";
        let object = send_patch(&target, live, &patch, "", manager, &edit.change, factory).await?;
        edit.change.report(object, "edited", streams)?;
    }
    Ok(0)
}

/// Lets the user's editor work on a text: `KUBE_EDITOR`, `EDITOR`, else vi.
fn in_editor(text: &str) -> Result<String> {
    let named = ["KUBE_EDITOR", "EDITOR"].into_iter().filter_map(|name| std::env::var(name).ok());
    let editor = named.into_iter().find(|editor| !editor.is_empty()).unwrap_or_else(|| "vi".to_owned());
    let path = std::env::temp_dir().join(format!("kubectl-edit-{}.yaml", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.write(true).create_new(true).open(&path)?.write_all(text.as_bytes())?;
    let command = format!("{editor} \"$1\"");
    let status = std::process::Command::new("sh").args(["-c", &command, "sh"]).arg(&path).status();
    let edited = std::fs::read_to_string(&path);
    std::fs::remove_file(&path)?;
    match status {
        Ok(status) if status.success() => Ok(edited?),
        Ok(status) => Err(message(format!("there was a problem with the editor {editor:?}: {status}"))),
        Err(error) => Err(message(format!("unable to launch the editor {editor:?}: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use client::fake::{Answer, FakeServer};
    use http::Method;
    use serde_json::json;

    use crate::commands::testing::{run, run_with_input};

    #[tokio::test]
    async fn what_was_applied_is_seen_and_set() {
        let server = FakeServer::start().await.expect("a server");
        let bare = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default"}, "data": {"k": "v"}});
        let object = "/api/v1/namespaces/default/configmaps/a";
        server.on(Method::GET, object, Answer::json(200, &crate::apply::with_last_applied(&bare)));
        let seen = "apiVersion: v1\ndata:\n  k: v\nkind: ConfigMap\nmetadata:\n  annotations: {}\n  name: a\n  namespace: default\n";
        assert_eq!(
            run(&server, &["apply", "view-last-applied", "cm/a"]).await,
            (0, seen.to_owned(), String::new())
        );
        let set = |data: &str| {
            let manifest =
                format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata: {{k: {data}}}\n");
            let server = &server;
            async move { run_with_input(server, &["apply", "set-last-applied", "-f", "-"], &manifest).await }
        };
        assert_eq!(set("v").await.1, "set-last-applied a: no changes required.\n");
        server.on(Method::PATCH, object, Answer::json(200, &bare));
        assert_eq!(set("w").await.1, "configmap/a configured\n");
        let sent = server.received().last().map(client::fake::Received::json);
        let expected = "{\"apiVersion\":\"v1\",\"data\":{\"k\":\"w\"},\"kind\":\"ConfigMap\",\"metadata\":{\"annotations\":{},\"name\":\"a\",\"namespace\":\"default\"}}\n";
        assert_eq!(sent, Some(json!({"metadata": {"annotations": {crate::apply::LAST_APPLIED: expected}}})));
    }

    #[tokio::test]
    async fn without_the_annotation_it_is_said() {
        let server = FakeServer::start().await.expect("a server");
        let bare = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
        server.on(Method::GET, "/api/v1/namespaces/default/configmaps/a", Answer::json(200, &bare));
        let (code, _, err) = run(&server, &["apply", "view-last-applied", "cm/a"]).await;
        assert_eq!(
            (code, err.as_str()),
            (1, "error: no last-applied-configuration annotation found on resource: a\n")
        );
    }

    #[tokio::test]
    async fn what_left_the_manifests_is_pruned() {
        let server = FakeServer::start().await.expect("a server");
        let map = |name: &str| {
            crate::apply::with_last_applied(&json!({"apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": name, "namespace": "default", "uid": name, "labels": {"l": "m"}}}))
        };
        let maps = "/api/v1/namespaces/default/configmaps";
        server.on(Method::GET, &format!("{maps}/a"), Answer::json(200, &map("a")));
        server.on(Method::PATCH, &format!("{maps}/a"), Answer::json(200, &map("a")));
        let foreign = json!({"metadata": {"name": "c", "namespace": "default", "uid": "c"}});
        let list = json!({"kind": "ConfigMapList", "apiVersion": "v1", "metadata": {}, "items": [map("a"), map("b"), foreign]});
        server.on(Method::GET, maps, Answer::json(200, &list));
        server.on(
            Method::DELETE,
            &format!("{maps}/b"),
            Answer::json(200, &json!({"kind": "Status", "apiVersion": "v1", "status": "Success"})),
        );
        let manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {l: m}}\n";
        let line = ["apply", "-f", "-", "-l", "l=m", "--prune", "--prune-allowlist=core/v1/ConfigMap"];
        let (code, out, err) = run_with_input(&server, &line, manifest).await;
        assert_eq!((code, err.as_str()), (0, ""));
        assert!(out.ends_with("configmap/b pruned\n") && !out.contains("configmap/c"), "{out}");
        let (code, _, err) = run_with_input(&server, &["apply", "-f", "-", "--prune"], manifest).await;
        assert_eq!(
            (code, err.as_str()),
            (
                1,
                "error: all resources selected for prune without explicitly passing --all. To prune all resources, pass the --all flag. If you did not mean to prune all resources, specify a label selector\n"
            )
        );
    }
}
