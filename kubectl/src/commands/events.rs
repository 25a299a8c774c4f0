//! `kubectl events`: what happened, in the order it did (`kubectl/pkg/cmd/events`).

use std::io::Write as _;

use futures_util::StreamExt as _;
use serde_json::{Value, json};

use super::{json_stream, query};
use crate::error::message;
use crate::print::{Format, tabs};
use crate::resources;
use crate::{Factory, Result, Streams, values};

/// Arguments of `events`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// If present, list the requested object(s) across all namespaces
    #[arg(long, short = 'A')]
    pub all_namespaces: bool,
    /// Filter events to only those pertaining to the specified resource
    #[arg(long = "for", default_value = "")]
    pub for_object: String,
    /// Output only events of given types
    #[arg(long, value_delimiter = ',', action = clap::ArgAction::Append)]
    pub types: Vec<String>,
    /// After listing the requested events, watch for more events
    #[arg(long, short = 'w')]
    pub watch: bool,
    /// When using the default output format, don't print headers
    #[arg(long)]
    pub no_headers: bool,
    /// Output format. One of: (json, yaml, name, go-template, go-template-file, jsonpath, jsonpath-file)
    #[arg(long, short = 'o', default_value = "")]
    pub output: String,
    /// Objects per page of a list; lists are read in pages whatever is given
    #[arg(long, default_value_t = 500, hide = true)]
    pub chunk_size: u32,
}

/// Runs `events`.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    if args.types.iter().any(|kind| !["normal", "warning"].contains(&kind.to_lowercase().as_str())) {
        return Err(message("valid --types are Normal or Warning"));
    }
    let format = Format::parse(&args.output, true, args.no_headers)?;
    let fields = if args.for_object.is_empty() { String::new() } else { fields(&args.for_object, factory).await? };
    let namespace = factory.namespace()?;
    let found = factory.resource("events.v1.").await;
    let found = match found {
        Ok(found) => found,
        Err(_) => factory
            .by_kind("v1", "Event")
            .await?
            .ok_or_else(|| message("the server doesn't have a resource type \"events\""))?,
    };
    let scope = (!args.all_namespaces).then_some(namespace.as_str());
    if args.watch {
        return watch(&args, &format, scope, &fields, factory, streams).await;
    }
    let params = client::ListParams::default().fields(fields);
    let mut events = resources::list_all(factory, &found, scope, params).await?;
    events.retain(|event| is_wanted(&args, event));
    if events.is_empty() {
        match scope {
            None => writeln!(streams.err, "No events found.")?,
            Some(namespace) => writeln!(streams.err, "No events found in {namespace} namespace.")?,
        }
        return Ok(0);
    }
    events.sort_by_key(moment);
    if format.is_structured() {
        let mut list = json!({"kind": "EventList", "apiVersion": "v1", "metadata": {}, "items": events});
        values::without_managed_fields(&mut list);
        if format == Format::Name {
            for event in values::list(&list, "/items") {
                format.print(event, streams)?;
            }
        } else {
            format.print(&list, streams)?;
        }
        return Ok(0);
    }
    let now = jiff::Timestamp::now();
    let mut rows = heading(&args);
    rows.extend(events.iter().map(|event| row(&args, event, now)));
    write!(streams.out, "{}", tabs::render(&rows))?;
    Ok(0)
}

/// The events of one object, as a selector.
async fn fields(object: &str, factory: &Factory) -> Result<String> {
    let Some((kind, name)) = object.split_once('/') else {
        return Err(message("--for must be in resource/name form"));
    };
    if name.contains('/') {
        return Err(message("arguments in resource/name form may not have more than one slash"));
    }
    let found = factory.resource(kind).await.map_err(|error| match error {
        // Upstream's lookup here ends in a line without a prefix.
        crate::Error::Message(text) => crate::Error::Plain(text),
        other => other,
    })?;
    let (kind, version) = (&found.resource.kind, found.resource.api_version());
    Ok(format!("involvedObject.kind={kind},involvedObject.apiVersion={version},involvedObject.name={name}"))
}

fn is_wanted(args: &Args, event: &Value) -> bool {
    args.types.is_empty()
        || args.types.iter().any(|kind| kind.eq_ignore_ascii_case(values::text(event, "/type")))
}

fn time(event: &Value, pointer: &str) -> Option<jiff::Timestamp> {
    values::text(event, pointer).parse().ok()
}

/// When it was seen last.
fn moment(event: &Value) -> Option<jiff::Timestamp> {
    if event.get("series").is_some_and(Value::is_object) {
        return time(event, "/series/lastObservedTime");
    }
    time(event, "/lastTimestamp").or_else(|| time(event, "/eventTime"))
}

fn heading(args: &Args) -> Vec<Vec<String>> {
    if args.no_headers {
        return Vec::new();
    }
    let mut cells = Vec::new();
    if args.all_namespaces {
        cells.push("NAMESPACE");
    }
    cells.extend(["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]);
    vec![cells.into_iter().map(str::to_owned).collect()]
}

fn row(args: &Args, event: &Value, now: jiff::Timestamp) -> Vec<String> {
    let text = |pointer: &str| values::text(event, pointer).replace('\u{1b}', "^[");
    let mut cells = Vec::new();
    if args.all_namespaces {
        cells.push(values::namespace(event).to_owned());
    }
    cells.extend([
        interval(event, now),
        text("/type"),
        text("/reason"),
        format!("{}/{}", text("/involvedObject/kind"), text("/involvedObject/name")),
        text("/message").trim().to_owned(),
    ]);
    cells
}

/// How long ago, and how often since when.
fn interval(event: &Value, now: jiff::Timestamp) -> String {
    let since = |moment: Option<jiff::Timestamp>| match moment {
        None => "<unknown>".to_owned(),
        Some(moment) => machinery::table::human_duration(now.as_second() - moment.as_second()),
    };
    let first = since(time(event, "/eventTime").or_else(|| time(event, "/firstTimestamp")));
    let count = values::number(event, "/count").unwrap_or_default();
    if let Some(series) = event.get("series").filter(|series| series.is_object()) {
        let times = values::number(series, "/count").unwrap_or_default();
        format!("{} (x{times} over {first})", since(time(series, "/lastObservedTime")))
    } else if count > 1 {
        format!("{} (x{count} over {first})", since(time(event, "/lastTimestamp")))
    } else {
        first
    }
}

async fn watch(
    args: &Args,
    format: &Format,
    namespace: Option<&str>,
    fields: &str,
    factory: &Factory,
    streams: &mut Streams,
) -> Result<i32> {
    let place = namespace.map(|namespace| format!("/namespaces/{namespace}")).unwrap_or_default();
    let path = format!("/api/v1{place}/events{}", query(&[("fieldSelector", fields), ("watch", "true")]));
    let mut changes = json_stream(factory.client()?, &path, "application/json").await?;
    let mut columns = tabs::Columns::default();
    let mut first = true;
    while let Some(change) = changes.next().await {
        let mut change = change?;
        let mut event = change.get_mut("object").map(Value::take).unwrap_or_default();
        match values::text(&change, "/type") {
            "ERROR" => return Err(message(values::text(&event, "/message"))),
            "ADDED" | "MODIFIED" if is_wanted(args, &event) => {}
            _ => continue,
        }
        if format.is_structured() {
            values::without_managed_fields(&mut event);
            if !first && *format == Format::Yaml {
                writeln!(streams.out, "---")?;
            }
            format.print(&event, streams)?;
        } else {
            let mut rows = if first { heading(args) } else { Vec::new() };
            rows.push(row(args, &event, jiff::Timestamp::now()));
            write!(streams.out, "{}", columns.render(&rows))?;
        }
        first = false;
        streams.flush()?;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use client::fake::{Answer, FakeServer};
    use http::Method;

    use super::*;
    use crate::commands::testing;

    #[test]
    fn intervals_count() {
        let now: jiff::Timestamp = "2024-01-01T01:00:00Z".parse().expect("a time");
        let check = |event: Value, expected: &str| assert_eq!(interval(&event, now), expected);
        let (early, late) = ("2024-01-01T00:00:00Z", "2024-01-01T00:59:00Z");
        check(json!({"firstTimestamp": late}), "60s");
        check(json!({"firstTimestamp": early, "lastTimestamp": late, "count": 3}), "60s (x3 over 60m)");
        check(json!({"eventTime": early, "series": {"count": 2, "lastObservedTime": late}}), "60s (x2 over 60m)");
        check(json!({}), "<unknown>");
    }

    #[tokio::test]
    async fn events_are_sorted_and_chosen() {
        let server = FakeServer::start().await.expect("a server");
        let event = |name: &str, kind: &str, time: &str| {
            json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": name, "namespace": "default"}, "type": kind,
                "reason": "R", "message": " m \n", "involvedObject": {"kind": "Pod", "name": name}, "firstTimestamp": time, "lastTimestamp": time})
        };
        let items = [event("b", "Normal", "2020-01-02T00:00:00Z"), event("a", "Warning", "2020-01-01T00:00:00Z")];
        let list = json!({"kind": "EventList", "apiVersion": "v1", "metadata": {}, "items": items});
        server.on(Method::GET, "/api/v1/namespaces/default/events", Answer::json(200, &list));
        let (code, out, err) = testing::run(&server, &["events", "--for", "pod/a"]).await;
        assert_eq!((code, err.as_str()), (0, ""));
        let objects: Vec<&str> = out.lines().filter_map(|line| line.split_whitespace().nth(3)).collect();
        assert_eq!(objects, ["REASON", "Pod/a", "Pod/b"]);
        let target = server.received().last().map(|request| request.target.clone()).unwrap_or_default();
        assert!(target.contains("involvedObject.name%3da"), "{target}");
        let (_, out, _) = testing::run(&server, &["events", "--types=warning", "--no-headers"]).await;
        assert_eq!(out.lines().count(), 1);
        let (code, _, err) = testing::run(&server, &["events", "--types=x"]).await;
        assert_eq!((code, err.as_str()), (1, "error: valid --types are Normal or Warning\n"));
    }
}
