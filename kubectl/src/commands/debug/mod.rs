//! `kubectl debug`: containers to look at pods and nodes with (`kubectl/pkg/cmd/debug`).

mod make;
mod profile;

use std::io::Write as _;
use std::time::Duration;

use client::{DeleteParams, PatchParams, WriteParams};
use machinery::codec::yaml;
use serde_json::Value;

use super::attach::{self, Joining};
use super::run::{pod::check_image, session};
use super::{pairs, set};
use crate::error::message;
use crate::files::FileArgs;
use crate::resources::{self, Choice, Target};
use crate::{Error, Factory, Result, Streams, values};
use profile::Keep;

/// Arguments of `debug`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// POD or TYPE/NAME ...
    pub names: Vec<String>,
    /// Command of the container
    #[arg(last = true)]
    pub command: Vec<String>,
    #[command(flatten)]
    pub files: FileArgs,
    /// If specified, everything after -- will be passed to the new container as Args instead of Command
    #[arg(long)]
    pub arguments_only: bool,
    /// If true, wait for the container to start running, and then attach. Default false, unless -i is set
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = component_base::flags::parse_bool)]
    pub attach: Option<bool>,
    /// Container name to use for debug container
    #[arg(long, short = 'c', default_value = "")]
    pub container: String,
    /// Create a copy of the target Pod with this name
    #[arg(long, default_value = "")]
    pub copy_to: String,
    /// When used with '--copy-to', delete the original Pod
    #[arg(long)]
    pub replace: bool,
    /// Environment variables to set in the container
    #[arg(long, value_delimiter = ',', action = clap::ArgAction::Append)]
    pub env: Vec<String>,
    /// Container image to use for debug container
    #[arg(long, default_value = "")]
    pub image: String,
    /// The image pull policy for the container
    #[arg(long, default_value = "")]
    pub image_pull_policy: String,
    /// If true, keep the original pod labels (with '--copy-to')
    #[arg(long)]
    pub keep_labels: bool,
    /// If true, keep the original pod annotations (with '--copy-to')
    #[arg(long)]
    pub keep_annotations: bool,
    /// If true, keep the original pod liveness probes (with '--copy-to')
    #[arg(long)]
    pub keep_liveness: bool,
    /// If true, keep the original pod readiness probes (with '--copy-to')
    #[arg(long)]
    pub keep_readiness: bool,
    /// If true, keep the original startup probes (with '--copy-to')
    #[arg(long)]
    pub keep_startup: bool,
    /// Run the init containers for the pod (with '--copy-to')
    #[arg(long, default_value = "true", action = clap::ArgAction::SetTrue)]
    pub keep_init_containers: bool,
    /// When used with '--copy-to', a list of name=image pairs for changing container images
    #[arg(long, value_delimiter = ',', action = clap::ArgAction::Append)]
    pub set_image: Vec<String>,
    /// Keep stdin open on the container(s) in the pod
    #[arg(long, short = 'i')]
    pub stdin: bool,
    /// Allocate a TTY for the debugging container
    #[arg(long, short = 't')]
    pub tty: bool,
    /// If true, suppress informational messages
    #[arg(long, short = 'q')]
    pub quiet: bool,
    /// When used with '--copy-to', schedule the copy of target Pod on the same node
    #[arg(long)]
    pub same_node: bool,
    /// When used with '--copy-to', enable process namespace sharing in the copy
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = component_base::flags::parse_bool)]
    pub share_processes: Option<bool>,
    /// When using an ephemeral container, target processes in this container name
    #[arg(long, default_value = "")]
    pub target: String,
    /// Options are "general", "baseline", "restricted", "netadmin" or "sysadmin"
    #[arg(long, default_value = "general")]
    pub profile: String,
    /// Path to a JSON or YAML file containing a partial container spec to customize built-in debug profiles
    #[arg(long)]
    pub custom: Option<std::path::PathBuf>,
}

/// What the flags say beyond themselves.
struct Wanted {
    images: Vec<(String, String)>,
    env: Vec<(String, String)>,
    custom: Option<Value>,
    keep: Keep,
}

/// Runs `debug`.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    let wanted = check(&args, streams)?;
    let mut targets = Vec::new();
    if !args.names.is_empty() {
        for name in &args.names {
            let (kind, name) = name.split_once('/').unwrap_or(("pods", name));
            let found = factory.resource(kind).await?;
            let mut target = resources::target(factory, found, name)?;
            target.manifest = Some(target.get(factory).await?);
            targets.push(target);
        }
    } else {
        let choice = Choice { files: Some(&args.files), verb: "debug", ..Choice::default() };
        let (found, errors) = choice.fetch(factory, streams).await?;
        targets = Error::from_list(errors).map_or(Ok(found), Err)?;
    }
    for target in targets {
        let resource = &target.found.resource;
        let (pod, name) = match (resource.group.as_str(), resource.kind.as_str()) {
            ("", "Node") => on_node(&args, &wanted, &target, factory, streams).await?,
            ("", "Pod") if args.copy_to.is_empty() => in_pod(&args, &wanted, &target, factory, streams).await?,
            ("", "Pod") => in_copy(&args, &wanted, &target, factory, streams).await?,
            (group, kind) => {
                return Err(message(format!(
                    "{:?} not supported by debug",
                    format!("{group}/{}, Kind={kind}", resource.version)
                )));
            }
        };
        if args.attach.unwrap_or(args.stdin) && !name.is_empty() {
            follow(&args, &pod, &name, factory, streams).await?;
        }
    }
    Ok(0)
}

fn check(args: &Args, streams: &mut Streams) -> Result<Wanted> {
    profile::check(&args.profile)?;
    let refuse = |text: &str| Err(message(text));
    let images = pairs::parse(&args.set_image, "set-image")?;
    if args.attach == Some(true) && args.image.is_empty() && args.container.is_empty() {
        return refuse("you must specify --container or create a new container using --image in order to attach.");
    }
    if args.copy_to.is_empty() {
        for (given, flag) in
            [(args.replace, "--replace"), (args.same_node, "--same-node"), (!images.is_empty(), "--set-image")]
        {
            if given {
                return Err(message(format!("{flag} may only be used with --copy-to.")));
            }
        }
        if args.image.is_empty() {
            return refuse("you must specify --image when not using --copy-to.");
        }
    } else if args.image.is_empty() && images.is_empty() && args.command.is_empty() {
        return refuse("you must specify --image, --set-image or command arguments.");
    } else if !args.command.is_empty() && args.container.is_empty() && args.image.is_empty() {
        return refuse("you must specify an existing container or a new image when specifying args.");
    }
    if !args.image.is_empty() && check_image(&args.image).is_err() {
        return Err(message(format!("invalid image name {:?}: invalid reference format", args.image)));
    }
    if args.names.is_empty() && args.files.is_empty() {
        return refuse("NAME or filename is required for debug");
    }
    if !["", "Always", "IfNotPresent", "Never"].contains(&args.image_pull_policy.as_str()) {
        return Err(message(format!("invalid image pull policy: {}", args.image_pull_policy)));
    }
    if let Some((name, image)) = images.iter().find(|(_, image)| check_image(image).is_err()) {
        return Err(message(format!(
            "invalid image name {image:?} for container {name:?}: invalid reference format"
        )));
    }
    if !args.target.is_empty() {
        if !args.copy_to.is_empty() {
            return refuse("--target is incompatible with --copy-to. Use --share-processes instead.");
        }
        if !args.quiet {
            writeln!(streams.out, "Targeting container {:?}. If you don't see processes from this container it may be because the container runtime doesn't support this feature.", args.target)?;
        }
    }
    if args.tty && !args.stdin {
        return refuse("-i/--stdin is required for containers with -t/--tty=true");
    }
    if args.profile == "legacy" {
        writeln!(streams.err, "--profile=legacy is deprecated and planned to be removed in v1.39. It is recommended to specify other profile, for example \"--profile=general\".")?;
    }
    let mut env = pairs::parse(&args.env, "env")?;
    env.sort();
    let custom = args.custom.as_deref().map(custom).transpose()?;
    let keep = Keep {
        labels: args.keep_labels,
        annotations: args.keep_annotations,
        liveness: args.keep_liveness,
        readiness: args.keep_readiness,
        startup: args.keep_startup,
        init_containers: args.keep_init_containers,
    };
    Ok(Wanted { images, env, custom, keep })
}

/// Reads a part of a container's specification.
fn custom(path: &std::path::Path) -> Result<Value> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        message(format!("must pass a container spec json file for custom profile: {error}"))
    })?;
    let value = yaml::from_str(&text).map_err(|error| {
        message(format!("{} does not contain a valid container spec: {error}", path.display()))
    })?;
    if !value.is_object() {
        return Err(message(format!("{} does not contain a valid container spec", path.display())));
    }
    if ["name", "command", "image", "lifecycle", "volumeDevices"].iter().any(|field| value.get(field).is_some()) {
        return Err(message(
            "name, command, image, lifecycle and volume devices are not modifiable via custom profile",
        ));
    }
    Ok(value)
}

async fn in_pod(
    args: &Args,
    wanted: &Wanted,
    target: &Target,
    factory: &Factory,
    streams: &mut Streams,
) -> Result<(Value, String)> {
    let before = target.object();
    let name = make::name(args, before, streams)?;
    let after = make::ephemeral(args, wanted, before, &name)?;
    make::warn_of_user(&after, &name, streams)?;
    let patch = set::difference(before, &after)?;
    let params = PatchParams::default();
    let api = target.api(factory)?;
    match api.patch(&target.name, "ephemeralcontainers", &patch, &params).await {
        Ok(pod) => Ok((pod, name)),
        Err(error) => match error.status() {
            Some(status)
                if status.is_not_found()
                    && status.status.details.as_ref().is_none_or(|details| details.name.is_empty()) =>
            {
                Err(message(format!(
                    "ephemeral containers are disabled for this cluster (error from server: {:?})",
                    status.status.message
                )))
            }
            _ => Err(error.into()),
        },
    }
}

async fn in_copy(
    args: &Args,
    wanted: &Wanted,
    target: &Target,
    factory: &Factory,
    streams: &mut Streams,
) -> Result<(Value, String)> {
    let (copy, name) = make::copy(args, wanted, target.object(), streams)?;
    make::warn_of_user(&copy, &name, streams)?;
    let api = target.api(factory)?;
    let made = api.create(&copy, &WriteParams::default()).await?;
    if args.replace {
        api.delete(&target.name, &DeleteParams::default().with_grace_period(0)).await?;
    }
    Ok((made, name))
}

async fn on_node(
    args: &Args,
    wanted: &Wanted,
    target: &Target,
    factory: &Factory,
    streams: &mut Streams,
) -> Result<(Value, String)> {
    let (pod, name) = make::node(args, wanted, &target.name, streams)?;
    let pods = factory.resource("pods").await?;
    let api = factory.client()?.dynamic(&pods.resource, Some(&factory.namespace()?));
    Ok((api.create(&pod, &WriteParams::default()).await?, name))
}

/// The state of a container of any sort.
fn state<'v>(pod: &'v Value, name: &str) -> Option<&'v Value> {
    let lists = ["/status/initContainerStatuses", "/status/containerStatuses", "/status/ephemeralContainerStatuses"];
    let mut all = lists.into_iter().flat_map(|list| values::list(pod, list));
    all.find(|status| values::text(status, "/name") == name).and_then(|status| status.get("state"))
}

/// Attaches once the container runs; shows the logs of one that is over.
async fn follow(args: &Args, pod: &Value, name: &str, factory: &Factory, streams: &mut Streams) -> Result<()> {
    let target = resources::from_live(&factory.resource("pods").await?, pod.clone());
    let has = |pod: &Value, field: &str| state(pod, name).is_some_and(|state| state.get(field).is_some());
    // As upstream, as long as it takes; but the reason of a wait is told.
    let patience = Duration::from_secs(u64::from(u32::MAX));
    let deadline = Some(tokio::time::Instant::now() + patience);
    let told = std::cell::RefCell::new(String::new());
    let live = session::until(&target, deadline, factory, |pod| {
        let reason = state(pod, name).map(|state| values::text(state, "/waiting/message")).unwrap_or_default();
        if !args.quiet && !reason.is_empty() && *told.borrow() != reason {
            eprintln!("Warning: container {name}: {reason}");
            reason.clone_into(&mut told.borrow_mut());
        }
        has(pod, "running") || has(pod, "terminated")
    });
    let live = live.await?;
    if has(&live, "terminated") {
        return session::logs(&live, name, factory, streams).await;
    }
    let how = Joining { stdin: args.stdin, tty: args.tty, quiet: args.quiet };
    if let Err(error) = attach::join(&live, name.to_owned(), how, factory, streams).await {
        writeln!(
            streams.err,
            "warning: couldn't attach to pod/{}, falling back to streaming logs: {error}",
            target.name
        )?;
        return session::logs(&live, name, factory, streams).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use client::fake::{Answer, FakeServer, Received};
    use http::Method;
    use serde_json::json;

    use super::*;
    use crate::commands::testing;

    fn pod() -> Value {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default", "uid": "1", "labels": {"a": "b"}},
            "spec": {"nodeName": "n", "containers": [{"name": "c", "image": "i", "livenessProbe": {}}]}})
    }

    #[tokio::test]
    async fn containers_are_added_to_pods_copies_and_nodes() {
        let server = FakeServer::start().await.expect("a server");
        let pods = "/api/v1/namespaces/default/pods";
        let path = format!("{pods}/p");
        server.on(Method::GET, &path, Answer::json(200, &pod()));
        server.on(Method::PATCH, &format!("{path}/ephemeralcontainers"), Answer::json(200, &pod()));
        let (code, out, err) = testing::run(&server, &["debug", "p", "--image=x", "-c", "d", "--target=c", "-q", "--", "sh"]).await;
        assert_eq!((code, out.as_str(), err.as_str()), (0, "", ""));
        let sent = server.received().last().map(Received::json).unwrap_or_default();
        let container = sent.pointer("/spec/ephemeralContainers/0").cloned().unwrap_or_default();
        assert_eq!((&container["name"], &container["targetContainerName"]), (&json!("d"), &json!("c")));
        assert_eq!(container["command"], json!(["sh"]));

        server.on(Method::POST, pods, Answer::json(201, &pod()));
        let line = ["debug", "p", "--copy-to=q", "--image=x", "-c", "d", "--set-image=c=y"];
        let (code, _, err) = testing::run(&server, &line).await;
        assert_eq!((code, err.as_str()), (0, ""));
        let sent = server.received().last().map(Received::json).unwrap_or_default();
        assert_eq!(sent["metadata"], json!({"name": "q", "namespace": "default"}));
        assert_eq!(sent["spec"]["containers"][0], json!({"name": "c", "image": "y"}));
        assert_eq!((&sent["spec"]["nodeName"], &sent["spec"]["shareProcessNamespace"]), (&Value::Null, &json!(true)));

        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}});
        server.on(Method::GET, "/api/v1/nodes/n", Answer::json(200, &node));
        let (code, out, _) = testing::run(&server, &["debug", "node/n", "--image=x"]).await;
        assert_eq!(code, 0);
        assert!(out.starts_with("Creating debugging pod node-debugger-n-"), "{out}");
        let sent = server.received().last().map(Received::json).unwrap_or_default();
        assert_eq!((&sent["spec"]["nodeName"], &sent["spec"]["hostPID"]), (&json!("n"), &json!(true)));
    }

    #[tokio::test]
    async fn wrong_flags_are_refused() {
        let server = FakeServer::start().await.expect("a server");
        let check = async |line: &str, expected: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            let (code, _, err) = testing::run(&server, &words).await;
            assert_eq!((code, err), (1, format!("error: {expected}\n")), "{line}");
        };
        check("debug p", "you must specify --image when not using --copy-to.").await;
        check("debug --image=x", "NAME or filename is required for debug").await;
        check("debug p --image=x --replace", "--replace may only be used with --copy-to.").await;
        check("debug p --copy-to=q", "you must specify --image, --set-image or command arguments.").await;
        check("debug p --image=x -t", "-i/--stdin is required for containers with -t/--tty=true").await;
        check("debug p --image=X", "invalid image name \"X\": invalid reference format").await;
        check("debug p --image=x --profile=y", "unknown profile: y").await;
    }
}
