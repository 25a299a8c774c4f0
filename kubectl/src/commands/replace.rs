//! `kubectl replace`: puts manifests in the place of what is there (`kubectl/pkg/cmd/replace`).

use std::io::{Read as _, Write as _};
use std::time::Duration;

use bytes::Bytes;
use client::{DeleteParams, WriteParams};
use tokio::time::Instant;

use super::create;
use crate::error::message;
use crate::files::FileArgs;
use crate::print::{ChangeArgs, DryRun};
use crate::resources::{self, Choice, Chosen, Target};
use crate::{Error, Factory, Result, Streams};

/// Between two looks at an object that is going.
const POLL: Duration = Duration::from_millis(500);
/// How long `--force` waits when nothing else is said.
const PATIENCE: Duration = Duration::from_secs(300);

/// Arguments of `replace`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub files: FileArgs,
    #[command(flatten)]
    pub change: ChangeArgs,
    /// If true, immediately remove resources from API and bypass graceful deletion, then create them
    #[arg(long)]
    pub force: bool,
    /// Deletion cascading strategy for the dependents
    #[arg(long, default_value = "background", num_args = 0..=1, require_equals = true, default_missing_value = "background", value_parser = ["background", "orphan", "foreground"])]
    pub cascade: String,
    /// Period of time in seconds given to the resource to terminate gracefully
    #[arg(long, default_value_t = -1, allow_hyphen_values = true)]
    pub grace_period: i64,
    /// The length of time to wait before giving up on a delete
    #[arg(long, default_value = "0s", value_parser = component_base::flags::parse_duration)]
    pub timeout: Duration,
    /// Raw URI to PUT to the server
    #[arg(long, default_value = "")]
    pub raw: String,
    /// If specified, replace will operate on the subresource of the requested object
    #[arg(long, default_value = "")]
    pub subresource: String,
    /// If true, the configuration of current object will be saved in its annotation
    #[arg(long)]
    pub save_config: bool,
    /// Must be one of: strict (or true), warn, ignore (or false)
    #[arg(long, default_value = "strict", num_args = 0..=1, require_equals = true, default_missing_value = "strict", value_parser = super::parse_validation)]
    pub validate: String,
    /// Name of the manager used to track field ownership
    #[arg(long, default_value = "kubectl-replace")]
    pub field_manager: String,
}

/// Runs `replace`.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    check(&args)?;
    if !args.raw.is_empty() {
        return raw(&args, factory, streams).await;
    }
    let choice = Choice { files: Some(&args.files), ..Choice::default() };
    let Chosen::Named(targets) = choice.resolve(factory, streams).await? else { return Ok(0) };
    if args.force {
        return force(&args, targets, factory, streams).await;
    }
    let mode = args.change.mode()?;
    let mut errors = Vec::new();
    for target in targets {
        let mut object = target.object().clone();
        if args.save_config {
            object = crate::apply::with_last_applied(&object);
        }
        if mode == DryRun::Client {
            args.change.report(object, "replaced", streams)?;
            continue;
        }
        let params = WriteParams {
            dry_run: mode == DryRun::Server,
            field_manager: args.field_manager.clone(),
            field_validation: args.validate.clone(),
        };
        match target.api(factory)?.replace(&target.name, &args.subresource, &object, &params).await {
            Ok(made) => args.change.report(made, "replaced", streams)?,
            Err(error) => errors.push(annotated(error, &target.source)),
        }
    }
    Error::from_list(errors).map_or(Ok(0), Err)
}

fn check(args: &Args) -> Result<()> {
    let refuse = |text: &str| Err(message(text));
    if args.files.is_empty() {
        return refuse("must specify one of -f and -k");
    }
    if args.grace_period >= 0 && !args.force {
        return refuse("--grace-period must have --force specified");
    }
    if !args.timeout.is_zero() && !args.force {
        return refuse("--timeout must have --force specified");
    }
    if args.force && args.change.mode()? != DryRun::None {
        return refuse("--dry-run can not be used when --force is set");
    }
    if !args.raw.is_empty() {
        match args.files.filename.as_slice() {
            [name] if name.starts_with("http://") || name.starts_with("https://") => {
                return refuse("--raw cannot read from a url");
            }
            [_] => {}
            _ => return refuse("--raw can only use a single local file or stdin"),
        }
        if args.files.recursive {
            return refuse("--raw and --recursive are mutually exclusive");
        }
        if !args.change.output.is_empty() {
            return refuse("--raw and --output are mutually exclusive");
        }
        if !args.raw.starts_with('/') {
            return Err(message(format!(
                "--raw must be a valid URL path: parse {:?}: invalid URI for request",
                args.raw
            )));
        }
    }
    Ok(())
}

/// Upstream's prefix for objects from files.
fn annotated(error: client::Error, source: &str) -> Error {
    match error {
        client::Error::Status(mut status) if status.reason() != "Invalid" => {
            status.status.message = format!("error when replacing {source:?}: {}", status.status.message);
            Error::Client(client::Error::Status(status))
        }
        other => Error::Client(other),
    }
}

/// PUT of a file to a path, as it is.
async fn raw(args: &Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    let mut body = Vec::new();
    match args.files.filename.first().map_or("-", String::as_str) {
        "-" => {
            streams.input.read_to_end(&mut body)?;
        }
        path => {
            body = std::fs::read(path).map_err(|error| message(format!("error reading {path:?}: {error}")))?;
        }
    }
    let request = http::Request::put(&args.raw)
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(Bytes::from(body))
        .map_err(|error| message(error.to_string()))?;
    let (_, answer) = factory.client()?.request_bytes(request).await?;
    streams.out.write_all(&answer)?;
    Ok(0)
}

/// Deletes what is there, waits until it is gone, creates it anew.
async fn force(args: &Args, targets: Vec<Target>, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    let mut params = match args.cascade.as_str() {
        "orphan" => DeleteParams::orphan(),
        "foreground" => DeleteParams::foreground(),
        _ => DeleteParams::background(),
    };
    // A grace of zero is upstream's one second here: nothing is removed without its shutdown.
    params.grace_period_seconds = (args.grace_period >= 0).then_some(args.grace_period.max(1));
    for target in &targets {
        match target.api(factory)?.delete(&target.name, &params).await {
            Ok(_) => {}
            Err(error) if error.is_not_found() => continue,
            Err(error) => return Err(error.into()),
        }
        if args.change.output == "name" {
            writeln!(streams.out, "{}", target.shown())?;
        } else {
            let place = target.namespace.as_deref().map(|name| format!(" from {name} namespace"));
            let kind = resources::type_shown(&target.found);
            writeln!(streams.out, "{kind} {:?} deleted{}", target.name, place.unwrap_or_default())?;
        }
    }
    let deadline = Instant::now() + if args.timeout.is_zero() { PATIENCE } else { args.timeout };
    for target in &targets {
        loop {
            match target.get(factory).await {
                Err(error) if error.is_not_found() => break,
                Err(error) => return Err(error),
                Ok(_) if Instant::now() >= deadline => {
                    return Err(message(format!("timed out waiting for {} to be gone", target.shown())));
                }
                Ok(_) => tokio::time::sleep(POLL).await,
            }
        }
    }
    let options = create::CreateArgs {
        change: args.change.clone(),
        save_config: args.save_config,
        validate: args.validate.clone(),
        field_manager: args.field_manager.clone(),
    };
    let mut errors = Vec::new();
    if targets.is_empty() {
        return Err(message("no objects passed to replace"));
    }
    for target in targets {
        let object = target.object().clone();
        match create::send(&target.found, target.namespace.as_deref(), object, &options, factory).await {
            Ok(made) => args.change.report(made, "replaced", streams)?,
            Err(error) => errors.push(error),
        }
    }
    Error::from_list(errors).map_or(Ok(0), Err)
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
    const PATH: &str = "/api/v1/namespaces/default/configmaps/a";

    #[tokio::test]
    async fn what_is_there_is_replaced() {
        let server = FakeServer::start().await.expect("a server");
        let made = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
        server.on(Method::PUT, PATH, Answer::json(200, &made));
        let (code, out, err) = run_with_input(&server, &["replace", "-f", "-"], MANIFEST).await;
        assert_eq!((code, out.as_str(), err.as_str()), (0, "configmap/a replaced\n", ""));
        let target = server.received().last().map(|request| request.target.clone()).unwrap_or_default();
        assert_eq!(target, format!("{PATH}?fieldManager=kubectl-replace&fieldValidation=Strict"));
    }

    #[tokio::test]
    async fn what_is_missing_is_an_error_with_its_source() {
        let server = FakeServer::start().await.expect("a server");
        let missing = StatusError::not_found(&GroupResource::new("", "configmaps"), "a");
        server.on(Method::PUT, PATH, Answer::status(&missing));
        let (code, _, err) = run_with_input(&server, &["replace", "-f", "-"], MANIFEST).await;
        let expected = "Error from server (NotFound): error when replacing \"STDIN\": configmaps \"a\" not found\n";
        assert_eq!((code, err.as_str()), (1, expected));
    }

    #[tokio::test]
    async fn force_deletes_and_creates() {
        let server = FakeServer::start().await.expect("a server");
        let missing = StatusError::not_found(&GroupResource::new("", "configmaps"), "a");
        let made = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
        server.on(Method::DELETE, PATH, Answer::json(200, &made));
        server.on(Method::GET, PATH, Answer::status(&missing));
        server.on(Method::POST, "/api/v1/namespaces/default/configmaps", Answer::json(201, &made));
        let (code, out, _) = run_with_input(&server, &["replace", "--force", "-f", "-"], MANIFEST).await;
        assert_eq!(code, 0);
        assert_eq!(out, "configmap \"a\" deleted from default namespace\nconfigmap/a replaced\n");
        let (code, _, err) = run_with_input(&server, &["replace", "--grace-period=0", "-f", "-"], MANIFEST).await;
        assert_eq!((code, err.as_str()), (1, "error: --grace-period must have --force specified\n"));
    }
}
