//! `kubectl delete`: removes objects and waits until they are gone.

use std::io::Write as _;
use std::time::Duration;

use client::DeleteParams;

use crate::error::message;
use crate::files::FileArgs;
use crate::resources::{self, Choice, Chosen, Target};
use crate::{Error, Factory, Result, Streams, values};

/// Between two looks at an object that is going.
const POLL: Duration = Duration::from_millis(500);

/// Arguments of `delete`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// TYPE NAME, TYPE/NAME, or TYPE with -l or --all
    pub resources: Vec<String>,
    #[command(flatten)]
    pub files: FileArgs,
    /// Selector (label query) to filter on
    #[arg(long, short = 'l', default_value = "")]
    pub selector: String,
    /// Selector (field query) to filter on
    #[arg(long, default_value = "")]
    pub field_selector: String,
    /// Delete all resources, in the namespace of the specified resource types
    #[arg(long)]
    pub all: bool,
    /// If present, list the requested object(s) across all namespaces
    #[arg(long, short = 'A')]
    pub all_namespaces: bool,
    /// Treat "resource not found" as a successful delete. Defaults to "true" when --all is specified
    #[arg(long)]
    pub ignore_not_found: bool,
    /// Deletion cascading strategy for the dependents
    #[arg(long, default_value = "background", num_args = 0..=1, require_equals = true, default_missing_value = "background", value_parser = ["background", "orphan", "foreground"])]
    pub cascade: String,
    /// If true, immediately remove resources from API and bypass graceful deletion
    #[arg(long)]
    pub force: bool,
    /// If true, resources are signaled for immediate shutdown (same as --grace-period=1)
    #[arg(long)]
    pub now: bool,
    /// Period of time in seconds given to the resource to terminate gracefully
    #[arg(long, default_value_t = -1, allow_hyphen_values = true)]
    pub grace_period: i64,
    /// If true, wait for resources to be gone before returning
    #[arg(long, default_value = "true", action = clap::ArgAction::SetTrue)]
    pub wait: bool,
    /// The length of time to wait before giving up on a delete, zero means determine from the object
    #[arg(long, default_value = "0s", value_parser = component_base::flags::parse_duration)]
    pub timeout: Duration,
    /// Output mode. Use "-o name" for shorter output (resource/name)
    #[arg(long, short = 'o', default_value = "", value_parser = ["", "name"])]
    pub output: String,
    /// Must be "none", "server", or "client"
    #[arg(long, default_value = "none", value_parser = ["none", "server", "client"], require_equals = true)]
    pub dry_run: String,
}

/// Runs `delete`.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    let params = params(&args)?;
    let choice = Choice {
        arguments: &args.resources,
        files: Some(&args.files),
        label_selector: &args.selector,
        field_selector: &args.field_selector,
        all: args.all,
        all_namespaces: args.all_namespaces,
        verb: "delete",
        ..Choice::default()
    };
    let ignore_not_found = args.ignore_not_found || args.all;
    let (mut targets, mut errors) = (Vec::new(), Vec::new());
    match choice.resolve(factory, streams).await? {
        Chosen::Named(named) => targets = named,
        Chosen::Types(types) => {
            let namespace = choice.list_namespace(factory)?;
            for found in types {
                let items = choice.list(factory, &found, namespace.as_deref()).await?;
                targets.extend(items.into_iter().map(|item| resources::from_live(&found, item)));
            }
        }
    }
    if args.force && params.grace_period_seconds == Some(0) {
        writeln!(streams.err, "Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. The resource may continue to run on the cluster indefinitely.")?;
    }
    let mut going = Vec::new();
    let found_any = !targets.is_empty();
    for target in targets {
        match delete(&args, &params, &target, factory).await {
            Ok(uid) => {
                report(&args, &target, streams)?;
                going.push((target, uid));
            }
            Err(error) if error.is_not_found() && ignore_not_found => {}
            Err(error) => errors.push(error),
        }
    }
    if !found_any {
        writeln!(streams.out, "No resources found")?;
    }
    streams.flush()?;
    if args.wait && args.dry_run == "none" && !(args.force && params.grace_period_seconds == Some(0)) {
        let deadline = (!args.timeout.is_zero()).then(|| tokio::time::Instant::now() + args.timeout);
        for (target, uid) in going {
            gone(&target, &uid, deadline, factory).await?;
        }
    }
    Error::from_list(errors).map_or(Ok(0), Err)
}

fn params(args: &Args) -> Result<DeleteParams> {
    let mut seconds = args.grace_period;
    if args.now {
        if seconds != -1 {
            return Err(message("--now and --grace-period cannot be specified together"));
        }
        seconds = 1;
    }
    if seconds == 0 && !args.force {
        // As upstream: only with --force is an object removed without its shutdown.
        seconds = 1;
    }
    if args.force && seconds < 0 {
        seconds = 0;
    } else if args.force && seconds > 0 {
        return Err(message("--force and --grace-period greater than 0 cannot be specified together"));
    }
    let mut params = match args.cascade.as_str() {
        "orphan" => DeleteParams::orphan(),
        "foreground" => DeleteParams::foreground(),
        _ => DeleteParams::background(),
    };
    params.dry_run = args.dry_run == "server";
    params.grace_period_seconds = (seconds >= 0).then_some(seconds);
    Ok(params)
}

/// Asks for the deletion; the UID of what is going.
async fn delete(args: &Args, params: &DeleteParams, target: &Target, factory: &Factory) -> Result<String> {
    let api = target.api(factory)?;
    if args.dry_run == "client" {
        api.get(&target.name, "").await?;
        return Ok(String::new());
    }
    let answer = api.delete(&target.name, params).await?;
    let uid = [values::text(&answer, "/metadata/uid"), values::text(&answer, "/details/uid")].join("");
    Ok(uid)
}

fn report(args: &Args, target: &Target, streams: &mut Streams) -> Result<()> {
    if args.output == "name" {
        return Ok(writeln!(streams.out, "{}", target.shown())?);
    }
    let operation = if args.force && args.grace_period <= 0 { "force deleted" } else { "deleted" };
    let place = match target.namespace.as_deref() {
        Some(namespace) => format!(" from {namespace} namespace"),
        None => String::new(),
    };
    let suffix = match args.dry_run.as_str() {
        "client" => " (dry run)",
        "server" => " (server dry run)",
        _ => "",
    };
    Ok(writeln!(streams.out, "{} {:?} {operation}{place}{suffix}", resources::type_shown(&target.found), target.name)?)
}

/// Waits until the object is gone or is another one of its name.
async fn gone(target: &Target, uid: &str, deadline: Option<tokio::time::Instant>, factory: &Factory) -> Result<()> {
    loop {
        match target.get(factory).await {
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) => return Err(error),
            Ok(live) if !uid.is_empty() && values::text(&live, "/metadata/uid") != uid => return Ok(()),
            Ok(_) => {}
        }
        if deadline.is_some_and(|deadline| tokio::time::Instant::now() >= deadline) {
            return Err(message(format!(
                "timed out waiting for the condition on {}/{}",
                target.found.resource.plural, target.name
            )));
        }
        tokio::time::sleep(POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use client::fake::{Answer, FakeServer};
    use http::Method;
    use machinery::GroupResource;
    use machinery::status::StatusError;
    use serde_json::json;

    use crate::commands::testing::run;

    #[tokio::test]
    async fn deletes_and_waits_until_gone() {
        let server = FakeServer::start().await.expect("a server");
        let path = "/api/v1/namespaces/default/pods/a";
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "uid": "1"}});
        server.on(Method::DELETE, path, Answer::json(200, &pod));
        let missing = StatusError::not_found(&GroupResource::new("", "pods"), "a");
        server.on(Method::GET, path, Answer::status(&missing));
        let (code, out, err) = run(&server, &["delete", "pod", "a", "--grace-period=5"]).await;
        assert_eq!((code, out.as_str(), err.as_str()), (0, "pod \"a\" deleted from default namespace\n", ""));
        let body = server.received().first().map(client::fake::Received::json).unwrap_or_default();
        assert_eq!((&body["gracePeriodSeconds"], &body["propagationPolicy"]), (&json!(5), &json!("Background")));
    }
}
