//! `kubectl logs`: what containers wrote.

use std::io::Write as _;
use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::Value;

use super::pods;
use crate::error::{message, usage};
use crate::{Factory, Result, Streams, resources, values};

/// Arguments of `logs`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// POD or TYPE/NAME
    pub target: Option<String>,
    /// Container
    pub container_name: Option<String>,
    /// Print the logs of this container
    #[arg(long, short = 'c')]
    pub container: Option<String>,
    /// Get all containers' logs in the pod(s)
    #[arg(long)]
    pub all_containers: bool,
    /// Specify if the logs should be streamed
    #[arg(long, short = 'f')]
    pub follow: bool,
    /// Selector (label query) to filter on
    #[arg(long, short = 'l', default_value = "")]
    pub selector: String,
    /// If true, print the logs for the previous instance of the container in a pod if it exists
    #[arg(long, short = 'p')]
    pub previous: bool,
    /// Lines of recent log file to display; -1 for all, 10 with a selector
    #[arg(long, allow_hyphen_values = true)]
    pub tail: Option<i64>,
    /// Only return logs newer than a relative duration like 5s, 2m, or 3h
    #[arg(long, value_parser = component_base::flags::parse_duration)]
    pub since: Option<Duration>,
    /// Only return logs after a specific date (RFC3339)
    #[arg(long, default_value = "", conflicts_with = "since")]
    pub since_time: String,
    /// Include timestamps on each line in the log output
    #[arg(long)]
    pub timestamps: bool,
    /// Maximum bytes of logs to return
    #[arg(long, default_value = "")]
    pub limit_bytes: String,
    /// Prefix each log line with the log source (pod name and container name)
    #[arg(long)]
    pub prefix: bool,
    /// Specify maximum number of concurrent logs to follow when using by a selector
    #[arg(long, default_value_t = 5)]
    pub max_log_requests: usize,
}

/// Runs `logs`.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    let sources = sources(&args, factory, streams).await?;
    if args.follow && sources.len() > args.max_log_requests {
        return Err(message(format!(
            "you are attempting to follow {} log streams, but maximum allowed concurrency is {}, use --max-log-requests to increase the limit",
            sources.len(), args.max_log_requests
        )));
    }
    let client = factory.client()?;
    let mut open = Vec::new();
    for (pod, container) in sources {
        let namespace = values::namespace(&pod);
        let flag = |on: bool| if on { "true" } else { "" };
        let tail = match args.tail {
            Some(lines) if lines >= 0 => lines.to_string(),
            None if !args.selector.is_empty() => "10".to_owned(),
            _ => String::new(),
        };
        let since = args.since.map(|since| since.as_secs().max(1).to_string()).unwrap_or_default();
        let query = super::query(&[
            ("container", &container),
            ("follow", flag(args.follow)),
            ("previous", flag(args.previous)),
            ("timestamps", flag(args.timestamps)),
            ("tailLines", &tail),
            ("sinceSeconds", &since),
            ("sinceTime", &args.since_time),
            ("limitBytes", &args.limit_bytes),
        ]);
        let name = values::name(&pod).to_owned();
        let path = format!("/api/v1/namespaces/{namespace}/pods/{name}/log{query}");
        let prefix = if args.prefix { format!("[pod/{name}/{container}] ") } else { String::new() };
        let stream = super::byte_stream(client, &path, "*/*").await?;
        if args.follow {
            open.push((prefix, stream));
        } else {
            copy(&prefix, stream, streams).await?;
        }
    }
    if let [_] = open.as_slice() {
        for (prefix, stream) in open {
            copy(&prefix, stream, streams).await?;
        }
        return Ok(0);
    }
    let mut all = futures_util::stream::select_all(open.into_iter().map(|(prefix, stream)| {
        let mut rest = Vec::new();
        stream.map(move |piece| piece.map(|piece| whole_lines(&prefix, &mut rest, &piece))).boxed()
    }));
    while let Some(lines) = all.next().await {
        streams.out.write_all(&lines?)?;
        streams.out.flush()?;
    }
    Ok(0)
}

/// The lines that are complete, each after the prefix; the rest is kept.
fn whole_lines(prefix: &str, rest: &mut Vec<u8>, piece: &[u8]) -> Vec<u8> {
    rest.extend_from_slice(piece);
    let Some(end) = rest.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
    let tail = rest.split_off(end + 1);
    let lines = std::mem::replace(rest, tail);
    let mut out = Vec::with_capacity(lines.len());
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        out.extend_from_slice(prefix.as_bytes());
        out.extend_from_slice(line);
    }
    out
}

async fn copy(prefix: &str, mut stream: futures_util::stream::BoxStream<'static, Result<bytes::Bytes>>, streams: &mut Streams) -> Result<()> {
    let mut rest = Vec::new();
    while let Some(piece) = stream.next().await {
        let piece = piece?;
        if prefix.is_empty() {
            streams.out.write_all(&piece)?;
        } else {
            streams.out.write_all(&whole_lines(prefix, &mut rest, &piece))?;
        }
        streams.out.flush()?;
    }
    if !rest.is_empty() {
        streams.out.write_all(prefix.as_bytes())?;
        streams.out.write_all(&rest)?;
    }
    Ok(())
}

/// Pods and containers whose logs are wanted.
async fn sources(args: &Args, factory: &Factory, streams: &mut Streams) -> Result<Vec<(Value, String)>> {
    let wanted = args.container.as_deref().or(args.container_name.as_deref());
    let pods = match (&args.target, args.selector.is_empty()) {
        (Some(_), false) => return Err(usage("logs", "only a selector (-l) or a POD name is allowed")),
        (None, true) => return Err(usage("logs", "expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\nPOD or TYPE/NAME is a required argument for the logs command")),
        (Some(target), true) => {
            let found = match pods::pods_of(factory, target).await {
                Err(error) if error.is_not_found() => {
                    let text = error.status().map(|status| status.status.message.clone()).unwrap_or_default();
                    let namespace = factory.namespace()?;
                    let text = format!("error from server (NotFound): {text} in namespace {namespace:?}");
                    return Err(message(text));
                }
                found => found?,
            };
            if let ([first, _, ..], true) = (found.as_slice(), target.contains('/')) {
                writeln!(streams.err, "Found {} pods, using pod/{}", found.len(), values::name(first))?;
            }
            found.into_iter().take(1).collect()
        }
        (None, false) => {
            let found = factory.resource("pods").await?;
            let namespace = factory.namespace()?;
            let params = client::ListParams::default().labels(args.selector.clone());
            let list = resources::list_all(factory, &found, Some(&namespace), params).await?;
            if list.is_empty() {
                writeln!(streams.err, "No resources found in {namespace} namespace.")?;
            }
            list
        }
    };
    let mut sources = Vec::new();
    for pod in pods {
        if args.all_containers {
            let names: Vec<String> = pods::containers(&pod).into_iter().map(str::to_owned).collect();
            sources.extend(names.into_iter().map(|name| (pod.clone(), name)));
        } else {
            let (name, note) = pods::container(&pod, wanted)?;
            if let Some(note) = note {
                writeln!(streams.err, "{note}")?;
            }
            sources.push((pod, name));
        }
    }
    Ok(sources)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_go_before_whole_lines() {
        let mut rest = Vec::new();
        assert_eq!(whole_lines("> ", &mut rest, b"a\nb"), b"> a\n");
        assert_eq!(whole_lines("> ", &mut rest, b"c\nd\n"), b"> bc\n> d\n");
        assert!(rest.is_empty());
    }
}
