//! `kubectl apply`: makes the cluster agree with manifests.

mod last_applied;
mod prune;

use std::collections::BTreeSet;
use std::io::Write as _;

use client::{PatchParams, WriteParams};

use crate::apply::{self, with_last_applied};
use crate::error::message;
use crate::files::FileArgs;
use crate::print::{ChangeArgs, DryRun};
use crate::resources::{Choice, Chosen, Target};
use crate::{Error, Factory, Result, Streams, values};

/// How often a patch that met a newer version is made again.
const CONFLICT_RETRIES: usize = 5;

/// Arguments of `apply`.
#[derive(Clone, Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(flatten)]
    pub files: FileArgs,
    #[command(flatten)]
    pub change: ChangeArgs,
    /// If true, apply runs in the server instead of the client
    #[arg(long)]
    pub server_side: bool,
    /// If true, server-side apply will force the changes against conflicts
    #[arg(long)]
    pub force_conflicts: bool,
    /// Name of the manager used to track field ownership
    #[arg(long)]
    pub field_manager: Option<String>,
    /// Selector (label query) to filter on
    #[arg(long, short = 'l', default_value = "")]
    pub selector: String,
    /// Automatically resolve conflicts between the modified and live configuration
    #[arg(long, default_value = "true", action = clap::ArgAction::SetTrue)]
    pub overwrite: bool,
    /// Must be one of: strict (or true), warn, ignore (or false)
    #[arg(long, default_value = "strict", num_args = 0..=1, require_equals = true, default_missing_value = "strict", value_parser = super::parse_validation)]
    pub validate: String,
    /// Automatically delete resource objects, that do not appear in the configs and are created by apply
    #[arg(long)]
    pub prune: bool,
    /// Overwrite the default allowlist with <group/version/kind> for --prune
    #[arg(long, value_delimiter = ',', action = clap::ArgAction::Append)]
    pub prune_allowlist: Vec<String>,
    /// Select all resources in the namespace of the specified resource types, for --prune
    #[arg(long)]
    pub all: bool,
    /// How dependents of pruned objects are deleted: background, orphan or foreground
    #[arg(long, default_value = "background", value_parser = ["background", "orphan", "foreground"])]
    pub cascade: String,
    /// Period of time in seconds given to a pruned object to terminate gracefully; ignored if negative
    #[arg(long, default_value_t = -1, allow_negative_numbers = true)]
    pub grace_period: i64,
    #[command(subcommand)]
    pub what: Option<last_applied::What>,
}

impl Args {
    fn prune(&self) -> prune::Prune<'_> {
        let propagation = match self.cascade.as_str() {
            "orphan" => "Orphan",
            "foreground" => "Foreground",
            _ => "Background",
        };
        prune::Prune {
            allowlist: &self.prune_allowlist,
            selector: &self.selector,
            propagation,
            grace_period: self.grace_period,
            change: &self.change,
        }
    }

    /// Refuses flags that contradict each other over pruning.
    fn check_pruning(&self) -> Result<()> {
        if !self.prune {
            return Ok(());
        }
        if self.selector.is_empty() && !self.all {
            return Err(message(
                "all resources selected for prune without explicitly passing --all. To prune all resources, pass the --all flag. If you did not mean to prune all resources, specify a label selector",
            ));
        }
        if self.server_side {
            return Err(message(
                "--prune is in alpha and doesn't currently work on objects created by server-side apply",
            ));
        }
        Ok(())
    }
}

/// Runs `apply`.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    if let Some(what) = args.what {
        return last_applied::run(what, factory, streams).await;
    }
    if args.files.is_empty() {
        return Err(message("must specify one of -f and -k"));
    }
    args.check_pruning()?;
    if args.force_conflicts && !args.server_side {
        return Err(message("--force-conflicts only works with --server-side"));
    }
    let mode = args.change.mode()?;
    if args.server_side && mode == DryRun::Client {
        return Err(message(
            "--dry-run=client doesn't work with --server-side (did you mean --dry-run=server instead?)",
        ));
    }
    let choice = Choice { files: Some(&args.files), label_selector: &args.selector, ..Choice::default() };
    let Chosen::Named(targets) = choice.resolve(factory, streams).await? else { return Ok(0) };
    if targets.is_empty() {
        return Err(message("no objects passed to apply"));
    }
    let prunable = if args.prune { args.prune().resources(factory).await? } else { Vec::new() };
    let (mut namespaces, mut kept) = (BTreeSet::new(), BTreeSet::new());
    let mut errors = Vec::new();
    for target in targets {
        namespaces.extend(target.namespace.clone());
        let outcome = if args.server_side {
            server_side(&args, &target, factory, mode, streams).await
        } else {
            client_side(&args, &target, factory, mode, streams).await
        };
        match outcome {
            Ok((object, operation)) => {
                kept.insert(values::text(&object, "/metadata/uid").to_owned());
                args.change.report(object, operation, streams)?;
            }
            Err(error) => errors.push(error),
        }
    }
    // What could not be applied must not be taken for what is gone.
    if args.prune && errors.is_empty() {
        args.prune().run(&prunable, &namespaces, &kept, factory, streams).await?;
    }
    Error::from_list(errors).map_or(Ok(0), Err)
}

type Outcome = Result<(serde_json::Value, &'static str)>;

async fn server_side(
    args: &Args,
    target: &Target,
    factory: &Factory,
    mode: DryRun,
    streams: &mut Streams,
) -> Outcome {
    let params = PatchParams {
        dry_run: mode == DryRun::Server,
        field_manager: args.field_manager.clone().unwrap_or_else(|| "kubectl".to_owned()),
        field_validation: args.validate.clone(),
        force: args.force_conflicts,
    };
    let patch = client::Patch::Apply(target.object().clone());
    match target.api(factory)?.patch(&target.name, "", &patch, &params).await {
        Ok(object) if mode == DryRun::Server => Ok((object, "serverside-applied")),
        Ok(object) => {
            Ok((migrated(object, &patch, &params, target, factory, streams).await?, "serverside-applied"))
        }
        Err(error) if error.is_conflict() => Err(message(format!(
            "{}\nPlease review the fields above--they currently have other managers. Here\nare the ways you can resolve this warning:\n* If you intend to manage all of these fields, please re-run the apply\n  command with the `--force-conflicts` flag.\n* If you do not intend to manage all of the fields, please edit your\n  manifest to remove references to the fields that should keep their\n  current managers.\n* You may co-own fields by updating your manifest to match the existing\n  value; in this case, you'll become the manager if the other manager(s)\n  stop managing the field (remove it from their configuration).\nSee https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts",
            error.status().map(|status| status.status.message.clone()).unwrap_or_default()
        ))),
        Err(error) => Err(error.into()),
    }
}

/// Takes over what client-side apply managed. Failures are warned of only: the object was applied all the same, and
/// the next apply tries again.
async fn migrated(
    object: serde_json::Value,
    patch: &client::Patch,
    params: &PatchParams,
    target: &Target,
    factory: &Factory,
    streams: &mut Streams,
) -> Result<serde_json::Value> {
    const RETRIED: &str = "This is non-fatal and will be retried next time you apply.";
    let api = target.api(factory)?;
    let mut object = object;
    let remembered =
        object.pointer("/metadata/annotations").and_then(|all| all.get(apply::LAST_APPLIED)).cloned();
    if let Some(text) = remembered.filter(|_| !apply::migrate::annotation_is_applied(&object)) {
        let manifest = target.object();
        let only = serde_json::json!({
            "apiVersion": manifest.get("apiVersion"), "kind": manifest.get("kind"),
            "metadata": {"name": target.name, "namespace": target.namespace, "annotations": {apply::LAST_APPLIED: text}}});
        let params =
            PatchParams { field_manager: "kubectl-last-applied".to_owned(), ..PatchParams::default() };
        match api.patch(&target.name, "", &client::Patch::Apply(only), &params).await {
            Ok(changed) => object = changed,
            Err(error) => {
                writeln!(
                    streams.err,
                    "Warning: failed to migrate {} for Server-Side Apply. {RETRIED} Error: {error}",
                    apply::LAST_APPLIED
                )?;
                return Ok(object);
            }
        }
    }
    for attempt in 0..CONFLICT_RETRIES {
        let Some(change) = apply::migrate::patch(&object, &params.field_manager) else { return Ok(object) };
        let own = PatchParams { field_manager: params.field_manager.clone(), ..PatchParams::default() };
        match api.patch(&target.name, "", &client::Patch::Json(change), &own).await {
            Ok(_) => break,
            Err(error) if error.is_conflict() && attempt + 1 < CONFLICT_RETRIES => {
                object = api.get(&target.name, "").await?
            }
            Err(error) => {
                writeln!(
                    streams.err,
                    "Warning: server rejected managed fields migration to Server-Side Apply. {RETRIED} Error: {error}"
                )?;
                return Ok(object);
            }
        }
    }
    // Applied once more, so that fields which left the manifest go.
    match api.patch(&target.name, "", patch, params).await {
        Ok(applied) => Ok(applied),
        Err(error) => {
            writeln!(
                streams.err,
                "Warning: failed to re-apply configuration after performing Server-Side Apply migration. {RETRIED} Error: {error}"
            )?;
            Ok(object)
        }
    }
}

async fn client_side(
    args: &Args,
    target: &Target,
    factory: &Factory,
    mode: DryRun,
    streams: &mut Streams,
) -> Outcome {
    let api = target.api(factory)?;
    let manager = args.field_manager.clone().unwrap_or_else(|| "kubectl-client-side-apply".to_owned());
    if target.name.is_empty() {
        return Err(message("resource name may not be empty"));
    }
    for _ in 0..CONFLICT_RETRIES {
        let live = match api.get(&target.name, "").await {
            Ok(live) => live,
            Err(error) if error.is_not_found() => {
                let wanted = with_last_applied(target.object());
                if mode == DryRun::Client {
                    return Ok((wanted, "created"));
                }
                let params = WriteParams {
                    dry_run: mode == DryRun::Server,
                    field_manager: manager,
                    field_validation: args.validate.clone(),
                };
                return Ok((api.create(&wanted, &params).await?, "created"));
            }
            Err(error) => return Err(error.into()),
        };
        if live.pointer("/metadata/annotations").is_none_or(|all| all.get(apply::LAST_APPLIED).is_none()) {
            writeln!(
                streams.err,
                "Warning: resource {}/{} is missing the {} annotation which is required by kubectl apply. kubectl apply should only be used on resources created declaratively by either kubectl create --save-config or kubectl apply. The missing annotation will be patched automatically.",
                target.found.resource.plural,
                target.name,
                apply::LAST_APPLIED
            )?;
        }
        let patch = apply::patch(target.object(), &live, args.overwrite)?;
        if apply::is_empty(&patch) {
            return Ok((live, "unchanged"));
        }
        if mode == DryRun::Client {
            return Ok((locally(&live, &patch)?, "configured"));
        }
        let params = PatchParams {
            dry_run: mode == DryRun::Server,
            field_manager: manager.clone(),
            field_validation: args.validate.clone(),
            force: false,
        };
        match api.patch(&target.name, "", &patch, &params).await {
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error.into()),
            Ok(patched) => {
                let version = |object| values::text(object, "/metadata/resourceVersion").to_owned();
                let same = mode == DryRun::None && version(&patched) == version(&live);
                return Ok((patched, if same { "unchanged" } else { "configured" }));
            }
        }
    }
    Err(message(format!("{} changed at every attempt to patch it", target.shown())))
}

/// What the patch would make of the live object.
fn locally(live: &serde_json::Value, patch: &client::Patch) -> Result<serde_json::Value> {
    super::patch_locally(live, patch)
}

#[cfg(test)]
mod tests {
    use client::fake::{Answer, FakeServer};
    use http::Method;
    use machinery::GroupResource;
    use machinery::status::StatusError;
    use serde_json::json;

    use crate::commands::testing::run_with_input;

    const MANIFEST: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  k: v\n";

    #[tokio::test]
    async fn what_is_missing_is_created_and_what_agrees_is_left() {
        let server = FakeServer::start().await.expect("a server");
        let object = "/api/v1/namespaces/default/configmaps/a";
        let missing = StatusError::not_found(&GroupResource::new("", "configmaps"), "a");
        server.on(Method::GET, object, Answer::status(&missing));
        let bare = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default"}, "data": {"k": "v"}});
        let made = crate::apply::with_last_applied(&bare);
        server.on(Method::POST, "/api/v1/namespaces/default/configmaps", Answer::json(201, &made));
        let apply = async || run_with_input(&server, &["apply", "-f", "-"], MANIFEST).await;
        assert_eq!(apply().await, (0, "configmap/a created\n".to_owned(), String::new()));
        let sent = server.received().last().map(client::fake::Received::json);
        assert_eq!(sent, Some(made.clone()));
        server.on(Method::GET, object, Answer::json(200, &made));
        // The first answer is used up once another is scripted.
        let _ = apply().await;
        assert_eq!(apply().await, (0, "configmap/a unchanged\n".to_owned(), String::new()));
    }
}
