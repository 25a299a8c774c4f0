//! Following a pod that `run` started: wait, attach, exit code, removal.

use std::io::Write as _;
use std::time::Duration;

use client::DeleteParams;
use futures_util::StreamExt as _;
use serde_json::Value;
use tokio::time::Instant;

use super::{Args, pod::restart_policy};
use crate::commands::attach::{self, Joining};
use crate::commands::{byte_stream, pods, query};
use crate::error::message;
use crate::resources::Target;
use crate::{Error, Factory, Result, Streams, resources, values};

/// Between two looks at a pod.
const POLL: Duration = Duration::from_millis(200);

/// Attaches once the pod runs; its exit code when it is to end.
pub async fn follow(args: &Args, pod: &Value, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    let target = resources::from_live(&factory.resource("pods").await?, pod.clone());
    let deadline = Instant::now() + args.pod_running_timeout;
    let live = until(&target, Some(deadline), factory, |pod| is_over(pod) || is_ready(pod)).await?;
    let (container, note) = pods::container(&live, None)?;
    if let Some(note) = note.filter(|_| !args.quiet) {
        writeln!(streams.err, "{note}")?;
    }
    if is_over(&live) {
        logs(&live, &container, factory, streams).await?;
    } else {
        // What was written before anybody listened.
        if let Err(error) = logs(&live, &container, factory, streams).await {
            writeln!(streams.err, "warning: couldn't fetch pre-attach logs: {}", error.report())?;
        }
        let how = Joining { stdin: args.stdin, tty: args.tty, quiet: args.quiet };
        if let Err(error) = attach::join(&live, container.clone(), how, factory, streams).await {
            writeln!(
                streams.err,
                "warning: couldn't attach to pod/{}, falling back to streaming logs: {error}",
                target.name
            )?;
            logs(&live, &container, factory, streams).await?;
        }
    }
    let ended: fn(&Value) -> bool = match restart_policy(args) {
        _ if args.leave_stdin_open => return Ok(0),
        "Never" => is_over,
        "OnFailure" => |pod| phase(pod) == "Succeeded",
        _ => return Ok(0),
    };
    let deadline = Instant::now() + args.pod_running_timeout;
    let over = until(&target, Some(deadline), factory, ended).await?;
    exit_code(&over)
}

fn phase(pod: &Value) -> &str {
    values::text(pod, "/status/phase")
}

fn is_over(pod: &Value) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed")
}

fn is_ready(pod: &Value) -> bool {
    phase(pod) == "Running"
        && values::list(pod, "/status/conditions").iter().any(|condition| {
            values::text(condition, "/type") == "Ready" && values::text(condition, "/status") == "True"
        })
}

/// Looks at the object until `test` holds.
pub async fn until(
    target: &Target,
    deadline: Option<Instant>,
    factory: &Factory,
    test: impl Fn(&Value) -> bool,
) -> Result<Value> {
    loop {
        let live = target.get(factory).await?;
        if test(&live) {
            return Ok(live);
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(message("timed out waiting for the condition"));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Copies the logs of a container as they are now.
pub async fn logs(pod: &Value, container: &str, factory: &Factory, streams: &mut Streams) -> Result<()> {
    let path = format!(
        "/api/v1/namespaces/{}/pods/{}/log{}",
        values::namespace(pod),
        values::name(pod),
        query(&[("container", container)])
    );
    let mut pieces = byte_stream(factory.client()?, &path, "*/*").await?;
    while let Some(piece) = pieces.next().await {
        streams.out.write_all(&piece?)?;
    }
    Ok(streams.out.flush()?)
}

/// How the only container of a pod that is over ended.
fn exit_code(pod: &Value) -> Result<i32> {
    let (namespace, name) = (values::namespace(pod), values::name(pod));
    match phase(pod) {
        "Succeeded" => Ok(0),
        "Failed" => {
            let ended = "/status/containerStatuses/0/state/terminated";
            let code = values::number(pod, &format!("{ended}/exitCode")).unwrap_or_default();
            if code == 0 {
                return Err(message(format!("pod {namespace}/{name} failed with unknown exit code")));
            }
            let field = |field: &str| values::text(pod, &format!("{ended}/{field}")).to_owned();
            let text =
                format!("pod {namespace}/{name} terminated ({})\n{}", field("reason"), field("message"));
            Err(Error::ExitWith(i32::try_from(code).unwrap_or(1), text))
        }
        other => Err(message(format!("pod {namespace}/{name} left in phase {other}"))),
    }
}

/// Deletes what `run` made, without waiting; what is gone already is fine.
pub async fn remove(
    resource: &str,
    object: &Value,
    quiet: bool,
    factory: &Factory,
    streams: &mut Streams,
) -> Result<()> {
    let target = resources::from_live(&factory.resource(resource).await?, object.clone());
    match target.api(factory)?.delete(&target.name, &DeleteParams::background()).await {
        Err(error) if error.is_not_found() => return Ok(()),
        Err(error) => return Err(error.into()),
        Ok(_) => {}
    }
    if !quiet {
        let place = target.namespace.as_deref().map(|name| format!(" from {name} namespace"));
        let kind = resources::type_shown(&target.found);
        writeln!(streams.out, "{kind} {:?} deleted{}", target.name, place.unwrap_or_default())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn failures_carry_the_code_of_the_container() {
        let pod = |status: Value| json!({"metadata": {"name": "p", "namespace": "n"}, "status": status});
        assert_eq!(exit_code(&pod(json!({"phase": "Succeeded"}))).ok(), Some(0));
        let unknown = exit_code(&pod(json!({"phase": "Failed"}))).expect_err("a failure");
        assert_eq!(unknown.report(), "error: pod n/p failed with unknown exit code");
        let status = json!({"phase": "Failed", "containerStatuses": [{"state": {"terminated": {"exitCode": 7, "reason": "Error", "message": "m"}}}]});
        let known = exit_code(&pod(status)).expect_err("a failure");
        assert_eq!((known.exit_code(), known.report().as_str()), (7, "pod n/p terminated (Error)\nm"));
    }
}
