//! `kubectl run`: a pod from an image (`kubectl/pkg/cmd/run`).

pub mod pod;
pub mod session;

use std::io::Write as _;
use std::time::Duration;

use super::create::{self, CreateArgs};
use super::expose::service::ServiceFacts;
use super::overrides::OverrideArgs;
use crate::error::{message, usage};
use crate::print::{ChangeArgs, DryRun};
use crate::{Error, Factory, Result, Streams};

/// Arguments of `run`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// NAME, and arguments of the container
    pub name: Vec<String>,
    /// Arguments of the container, or its command with --command
    #[arg(last = true)]
    pub arguments: Vec<String>,
    #[command(flatten)]
    pub change: ChangeArgs,
    #[command(flatten)]
    pub overrides: OverrideArgs,
    /// The image for the container to run
    #[arg(long)]
    pub image: Option<String>,
    /// The image pull policy for the container
    #[arg(long, default_value = "")]
    pub image_pull_policy: String,
    /// Annotations to apply to the pod
    #[arg(long, action = clap::ArgAction::Append)]
    pub annotations: Vec<String>,
    /// Environment variables to set in the container
    #[arg(long, action = clap::ArgAction::Append)]
    pub env: Vec<String>,
    /// Comma separated labels to apply to the pod
    #[arg(long, short = 'l', default_value = "")]
    pub labels: String,
    /// The port that this container exposes
    #[arg(long, default_value = "")]
    pub port: String,
    /// If true, create a ClusterIP service associated with the pod. Requires --port
    #[arg(long)]
    pub expose: bool,
    /// The restart policy for this Pod. Legal values [Always, OnFailure, Never]
    #[arg(long, default_value = "Always")]
    pub restart: String,
    /// If true and extra arguments are present, use them as the 'command' field in the container
    #[arg(long)]
    pub command: bool,
    /// If true, run the container in privileged mode
    #[arg(long)]
    pub privileged: bool,
    /// Keep stdin open on the container in the pod
    #[arg(long, short = 'i')]
    pub stdin: bool,
    /// Allocate a TTY for the container in the pod
    #[arg(long, short = 't')]
    pub tty: bool,
    /// If true, wait for the Pod to start running, and then attach to it. Default false, unless -i is set
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = component_base::flags::parse_bool)]
    pub attach: Option<bool>,
    /// Leave stdin open after the first attach completes
    #[arg(long)]
    pub leave_stdin_open: bool,
    /// If true, delete the pod after it exits. Only valid when attaching to the container
    #[arg(long)]
    pub rm: bool,
    /// If true, suppress prompt messages
    #[arg(long, short = 'q')]
    pub quiet: bool,
    /// The length of time to wait until at least one pod is running
    #[arg(long, default_value = "1m", value_parser = component_base::flags::parse_duration)]
    pub pod_running_timeout: Duration,
    /// If true, the configuration of current object will be saved in its annotation
    #[arg(long)]
    pub save_config: bool,
    /// Name of the manager used to track field ownership
    #[arg(long, default_value = "kubectl-run")]
    pub field_manager: String,
}

/// Runs `run`.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    let (name, arguments) = check(&args)?;
    let attach = args.attach.unwrap_or(args.stdin);
    let mode = args.change.mode()?;
    if args.rm && !attach {
        return Err(usage("run", "--rm should only be used for attached containers"));
    }
    if attach && mode != DryRun::None {
        return Err(usage(
            "run",
            "--dry-run=[server|client] can't be used with attached containers options (--attach, --stdin, or --tty)",
        ));
    }
    if !["", "Always", "IfNotPresent", "Never"].contains(&args.image_pull_policy.as_str()) {
        return Err(usage("run", format_args!("invalid image pull policy: {}", args.image_pull_policy)));
    }
    let options = CreateArgs {
        change: args.change.clone(),
        save_config: args.save_config,
        validate: String::new(),
        field_manager: args.field_manager.clone(),
    };
    let pod = args.overrides.apply(pod::generate(&args, &name, &arguments)?)?;
    let pod = create::generated(pod, &options, factory).await?;
    let mut errors = Vec::new();
    let mut service = None;
    if args.expose {
        match expose(&args, &name, &options, factory, streams).await {
            Ok(made) => service = Some(made),
            Err(error) => errors.push(error),
        }
    }
    if attach {
        let outcome = session::follow(&args, &pod, factory, streams).await;
        if args.rm {
            let made = std::iter::once(("pods", &pod)).chain(service.as_ref().map(|made| ("services", made)));
            for (resource, object) in made {
                session::remove(resource, object, args.quiet, factory, streams).await?;
            }
        }
        return outcome;
    }
    if service.is_some() && args.change.output == "yaml" {
        // Upstream separates twice: its printer does, and the command.
        writeln!(streams.out, "---\n---")?;
    }
    args.change.report(pod, "created", streams)?;
    Error::from_list(errors).map_or(Ok(0), Err)
}

/// Name and arguments of the container, after the checks of the flags.
fn check(args: &Args) -> Result<(String, Vec<String>)> {
    let Some(image) = &args.image else {
        return Err(message("required flag(s) \"image\" not set"));
    };
    let Some((name, rest)) = args.name.split_first() else {
        return Err(usage("run", "NAME is required for run"));
    };
    pod::check_image(image)?;
    if args.tty && !args.stdin {
        return Err(usage("run", "-i/--stdin is required for containers with -t/--tty=true"));
    }
    if args.expose && args.port.is_empty() {
        return Err(usage("run", "--port must be set when exposing a service"));
    }
    if !["", "Always", "OnFailure", "Never"].contains(&args.restart.as_str()) {
        return Err(usage("run", format_args!("invalid restart policy: {}", args.restart)));
    }
    Ok((name.clone(), rest.iter().chain(&args.arguments).cloned().collect()))
}

async fn expose(
    args: &Args,
    name: &str,
    options: &CreateArgs,
    factory: &Factory,
    streams: &mut Streams,
) -> Result<serde_json::Value> {
    let facts = ServiceFacts {
        name: name.to_owned(),
        selector: if args.labels.is_empty() { format!("run={name}") } else { args.labels.clone() },
        labels: args.labels.clone(),
        ports: args.port.clone(),
        ..ServiceFacts::default()
    };
    let made = create::generated(facts.generate()?, options, factory).await?;
    args.change.report(made.clone(), "created", streams)?;
    Ok(made)
}

#[cfg(test)]
mod tests {
    use client::fake::{Answer, FakeServer};
    use http::Method;
    use serde_json::json;

    use crate::commands::testing::run;

    #[tokio::test]
    async fn flags_become_a_pod() {
        let server = FakeServer::start().await.expect("a server");
        let check = async |line: &str, expected: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            let (code, out, err) = run(&server, &words).await;
            assert_eq!((code, out.as_str(), err.as_str()), (0, expected, ""), "{line}");
        };
        check(
            "run x --image=nginx --dry-run=client -o yaml",
            "apiVersion: v1\nkind: Pod\nmetadata:\n  labels:\n    run: x\n  name: x\nspec:\n  containers:\n  - image: nginx\n    name: x\n    resources: {}\n  dnsPolicy: ClusterFirst\n  restartPolicy: Always\nstatus: {}\n",
        )
        .await;
        check(
            "run x --image=nginx --restart=Never --env=A=1 --port=80 --labels=a=b --command --dry-run=client -o yaml -- sh -c true",
            "apiVersion: v1\nkind: Pod\nmetadata:\n  labels:\n    a: b\n  name: x\nspec:\n  containers:\n  - command:\n    - sh\n    - -c\n    - \"true\"\n    env:\n    - name: A\n      value: \"1\"\n    image: nginx\n    name: x\n    ports:\n    - containerPort: 80\n    resources: {}\n  dnsPolicy: ClusterFirst\n  restartPolicy: Never\nstatus: {}\n",
        )
        .await;
        check(
            "run x --image=nginx --port=80 --expose --dry-run=client",
            "service/x created (dry run)\npod/x created (dry run)\n",
        )
        .await;
    }

    #[tokio::test]
    async fn wrong_flags_are_refused() {
        let server = FakeServer::start().await.expect("a server");
        let check = async |line: &str, expected: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            let (code, _, err) = run(&server, &words).await;
            assert_eq!((code, err.lines().next().unwrap_or_default()), (1, expected), "{line}");
        };
        check("run x", "error: required flag(s) \"image\" not set").await;
        check("run --image=a", "error: NAME is required for run").await;
        check("run x --image=A", "error: Invalid image name \"A\": invalid reference format").await;
        check("run x --image=a -t", "error: -i/--stdin is required for containers with -t/--tty=true").await;
        check("run x --image=a --expose", "error: --port must be set when exposing a service").await;
        check("run x --image=a --rm", "error: --rm should only be used for attached containers").await;
        check("run x --image=a --restart=x", "error: invalid restart policy: x").await;
        check("run x --image=a --image-pull-policy=x", "error: invalid image pull policy: x").await;
        assert!(server.received().is_empty());
    }

    #[tokio::test]
    async fn a_pod_that_ended_shows_its_logs_and_its_exit_code() {
        let server = FakeServer::start().await.expect("a server");
        let pod = |status| {
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "namespace": "default"},
                "spec": {"containers": [{"name": "x"}], "restartPolicy": "Never"}, "status": status})
        };
        let path = "/api/v1/namespaces/default/pods/x";
        server.on(Method::POST, "/api/v1/namespaces/default/pods", Answer::json(201, &pod(json!({"phase": "Pending"}))));
        let ended = json!({"phase": "Failed", "containerStatuses": [{"name": "x", "state": {"terminated": {"exitCode": 3, "reason": "Error"}}}]});
        server.on(Method::GET, path, Answer::json(200, &pod(ended)));
        server.on(Method::GET, &format!("{path}/log"), Answer::bytes(200, "text/plain", "hello\n"));
        server.on(Method::DELETE, path, Answer::json(200, &pod(json!({}))));
        let line = ["run", "x", "--image=a", "--restart=Never", "--attach", "--rm", "--", "false"];
        let (code, out, err) = run(&server, &line).await;
        assert_eq!(out, "hello\npod \"x\" deleted from default namespace\n");
        assert_eq!((code, err.as_str()), (3, "pod default/x terminated (Error)\n"));
    }
}
