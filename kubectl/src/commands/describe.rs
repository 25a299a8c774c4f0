//! `kubectl describe`: an object's fields for people, with its events.

use std::io::Write as _;

use client::params::ListParams;
use serde_json::Value;

use crate::files::FileArgs;
use crate::print::tabs;
use crate::resources::{self, Choice, Target};
use crate::{Error, Factory, Result, Streams, values};

/// Arguments of `describe`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// TYPE [NAME | -l label], or TYPE/NAME
    pub resources: Vec<String>,
    #[command(flatten)]
    pub files: FileArgs,
    /// Selector (label query) to filter on
    #[arg(long, short = 'l', default_value = "")]
    pub selector: String,
    /// If present, list the requested object(s) across all namespaces
    #[arg(long, short = 'A')]
    pub all_namespaces: bool,
    /// If true, display events related to the described object
    #[arg(long, default_value = "true", action = clap::ArgAction::SetTrue)]
    pub show_events: bool,
}

/// Runs `describe`.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    let choice = Choice {
        arguments: &args.resources,
        files: Some(&args.files),
        label_selector: &args.selector,
        all_namespaces: args.all_namespaces,
        types_mean_all: true,
        verb: "describe",
        ..Choice::default()
    };
    let (targets, errors) = choice.fetch(factory, streams).await?;
    if targets.is_empty() && errors.is_empty() {
        match choice.list_namespace(factory)? {
            Some(namespace) => writeln!(streams.err, "No resources found in {namespace} namespace.")?,
            None => writeln!(streams.err, "No resources found")?,
        }
    }
    for (at, target) in targets.iter().enumerate() {
        if at > 0 {
            write!(streams.out, "\n\n")?;
        }
        write!(streams.out, "{}", text(target.object()))?;
        if args.show_events {
            write!(streams.out, "{}", events(target, factory).await?)?;
        }
    }
    Error::from_list(errors).map_or(Ok(0), Err)
}

/// The object by fields: identity first, then everything else under readable names.
fn text(object: &Value) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: &str| out.push_str(&format!("{:<14}{value}\n", format!("{name}:")));
    line("Name", values::name(object));
    line("Namespace", values::namespace(object));
    line("Labels", &values::joined(object, "/metadata/labels", &format!("\n{:14}", "")));
    line("Annotations", &values::joined(object, "/metadata/annotations", &format!("\n{:14}", "")));
    line("API Version", values::text(object, "/apiVersion"));
    line("Kind", values::text(object, "/kind"));
    let secret = values::group_version(object).0.is_empty() && values::text(object, "/kind") == "Secret";
    for (key, value) in values::entries(object, "") {
        match key {
            "apiVersion" | "kind" => {}
            "metadata" => {
                out.push_str("Metadata:\n");
                let hidden = ["name", "namespace", "labels", "annotations", "managedFields"];
                for (key, value) in values::entries(value, "") {
                    if !hidden.contains(&key) {
                        field(&mut out, key, value, 1);
                    }
                }
            }
            "data" if secret => {
                out.push_str("Data:\n");
                for (key, value) in values::entries(value, "") {
                    // Secrets are shown by size alone.
                    let encoded = values::plain(value);
                    let padding = encoded.bytes().rev().take_while(|byte| *byte == b'=').count();
                    out.push_str(&format!("  {key}:  {} bytes\n", (encoded.len() / 4 * 3).saturating_sub(padding)));
                }
            }
            _ => field(&mut out, key, value, 0),
        }
    }
    out
}

fn field(out: &mut String, key: &str, value: &Value, level: usize) {
    let indent = "  ".repeat(level);
    let label = readable(key);
    match value {
        Value::Object(map) if map.is_empty() => {}
        Value::Object(_) => {
            out.push_str(&format!("{indent}{label}:\n"));
            for (key, value) in values::entries(value, "") {
                field(out, key, value, level + 1);
            }
        }
        Value::Array(items) => {
            out.push_str(&format!("{indent}{label}:\n"));
            for item in items {
                match item {
                    Value::Object(_) => {
                        for (key, value) in values::entries(item, "") {
                            field(out, key, value, level + 1);
                        }
                    }
                    other => out.push_str(&format!("{indent}  {}\n", values::plain(other))),
                }
            }
        }
        other => out.push_str(&format!("{indent}{label}:  {}\n", values::plain(other))),
    }
}

/// `restartPolicy` as `Restart Policy`; keys that are no identifiers stay.
fn readable(key: &str) -> String {
    if !key.chars().all(char::is_alphanumeric) {
        return key.to_owned();
    }
    let mut out = String::new();
    let mut before_lower = false;
    for (at, character) in key.chars().enumerate() {
        if at == 0 {
            out.extend(character.to_uppercase());
        } else {
            if character.is_uppercase() && before_lower {
                out.push(' ');
            }
            out.push(character);
        }
        before_lower = character.is_lowercase() || character.is_ascii_digit();
    }
    out
}

/// The events about an object, oldest first.
async fn events(target: &Target, factory: &Factory) -> Result<String> {
    let object = target.object();
    let fields = format!(
        "involvedObject.name={},involvedObject.kind={},involvedObject.uid={}",
        target.name,
        values::text(object, "/kind"),
        values::text(object, "/metadata/uid")
    );
    let found = factory.resource("events").await?;
    let params = ListParams::default().fields(fields);
    let mut list = resources::list_all(factory, &found, target.namespace.as_deref(), params).await?;
    if list.is_empty() {
        return Ok("Events:  <none>\n".to_owned());
    }
    list.sort_by_key(|event| last_seen(event).to_owned());
    let now = jiff::Timestamp::now();
    let row = |cells: [&str; 5]| -> Vec<String> {
        cells.iter().enumerate().map(|(at, cell)| if at == 0 { format!("  {cell}") } else { (*cell).to_owned() }).collect()
    };
    let mut rows = vec![row(["Type", "Reason", "Age", "From", "Message"]), row(["----", "------", "----", "----", "-------"])];
    for event in &list {
        let time = last_seen(event).parse::<machinery::Time>().ok();
        let age = machinery::table::age(time.as_ref(), now);
        let component = [values::text(event, "/source/component"), values::text(event, "/reportingComponent")];
        let from = component.into_iter().find(|text| !text.is_empty()).unwrap_or_default();
        let (kind, reason) = (values::text(event, "/type"), values::text(event, "/reason"));
        rows.push(row([kind, reason, &age, from, values::text(event, "/message").trim()]));
    }
    Ok(format!("Events:\n{}", tabs::render(&rows)))
}

fn last_seen(event: &Value) -> &str {
    let times = ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/metadata/creationTimestamp"];
    times.into_iter().map(|pointer| values::text(event, pointer)).find(|text| !text.is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_read_well_and_secrets_stay_secret() {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "x", "resourceVersion": "7"},
            "data": {"k": "aGVsbG8="}, "type": "Opaque"});
        assert_eq!(
            text(&secret),
            "Name:         s\nNamespace:    x\nLabels:       <none>\nAnnotations:  <none>\nAPI Version:  v1\nKind:         Secret\nData:\n  k:  5 bytes\nMetadata:\n  Resource Version:  7\nType:  Opaque\n"
        );
        assert_eq!(readable("restartPolicy"), "Restart Policy");
        assert_eq!(readable("a/b"), "a/b");
    }
}
