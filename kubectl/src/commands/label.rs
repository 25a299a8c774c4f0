//! `kubectl label` and `kubectl annotate`: sets and removes labels or annotations.

use std::io::Write as _;

use client::Patch;
use serde_json::{Map, Value, json};

use super::send_patch;
use crate::error::message;
use crate::files::FileArgs;
use crate::print::ChangeArgs;
use crate::resources::Choice;
use crate::{Error, Factory, Result, Streams, values};

/// Arguments of `label` and `annotate`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// TYPE NAME or TYPE/NAME, then KEY=VALUE or KEY- ...
    pub resources: Vec<String>,
    #[command(flatten)]
    pub files: FileArgs,
    #[command(flatten)]
    pub change: ChangeArgs,
    /// If true, allow values to be overwritten
    #[arg(long)]
    pub overwrite: bool,
    /// If true, display the values for a given resource
    #[arg(long)]
    pub list: bool,
    /// Selector (label query) to filter on
    #[arg(long, short = 'l', default_value = "")]
    pub selector: String,
    /// Selector (field query) to filter on
    #[arg(long, default_value = "")]
    pub field_selector: String,
    /// Select all resources in the namespace of the specified resource types
    #[arg(long)]
    pub all: bool,
    /// If true, check the specified action in all namespaces
    #[arg(long, short = 'A')]
    pub all_namespaces: bool,
    /// If non-empty, the update will only succeed if this is the current resource-version
    #[arg(long, default_value = "")]
    pub resource_version: String,
    /// Name of the manager used to track field ownership
    #[arg(long)]
    pub field_manager: Option<String>,
}

/// What is changed, in the words of the output.
pub struct Words {
    field: &'static str,
    noun: &'static str,
    done: &'static str,
    undone: &'static str,
    manager: &'static str,
}

/// Labels.
pub const LABELS: Words =
    Words { field: "labels", noun: "label", done: "labeled", undone: "unlabeled", manager: "kubectl-label" };
/// Annotations.
pub const ANNOTATIONS: Words = Words {
    field: "annotations",
    noun: "annotation",
    done: "annotated",
    undone: "annotated",
    manager: "kubectl-annotate",
};

/// Runs `label`.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    run_with(&LABELS, args, factory, streams).await
}

/// Runs either command.
pub async fn run_with(words: &Words, args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    let is_change = |text: &String| text.contains('=') || text.ends_with('-');
    let split = args.resources.iter().position(is_change).unwrap_or(args.resources.len());
    let (resources, changes) = args.resources.split_at(split);
    let changes = changes.iter().map(|text| parse(words, text)).collect::<Result<Vec<_>>>()?;
    let both = |key: &str| changes.iter().any(|(other, value)| other == key && value.is_some());
    let removed = changes.iter().filter(|(key, value)| value.is_none() && both(key));
    let removed: Vec<&str> = removed.map(|(key, _)| key.as_str()).collect();
    if !removed.is_empty() {
        return Err(message(if words.noun == "label" {
            "can not both modify and remove a label in the same command".to_owned()
        } else {
            let removed = removed.join(", ");
            format!("can not both modify and remove the following annotation(s) in the same command: {removed}")
        }));
    }
    if changes.is_empty() && !args.list {
        return Err(message(format!("at least one {} update is required", words.noun)));
    }
    let choice = Choice {
        arguments: resources,
        files: Some(&args.files),
        label_selector: &args.selector,
        field_selector: &args.field_selector,
        all: args.all,
        all_namespaces: args.all_namespaces,
        verb: words.noun,
        ..Choice::default()
    };
    let (targets, mut errors) = choice.fetch(factory, streams).await?;
    for target in targets {
        let pointer = format!("/metadata/{}", words.field);
        if args.list {
            for (key, value) in values::entries(target.object(), &pointer) {
                writeln!(streams.out, "{key}={}", values::plain(value))?;
            }
            continue;
        }
        let live = target.object();
        let present = live.pointer(&pointer).and_then(Value::as_object).cloned().unwrap_or_default();
        match plan(words, &changes, &present, args.overwrite) {
            Err(error) => errors.push(error),
            Ok((fields, notes)) => {
                for note in notes {
                    writeln!(streams.out, "{note}")?;
                }
                if fields.is_empty() {
                    args.change.report(live.clone(), &format!("not {}", words.done), streams)?;
                    continue;
                }
                let operation = if fields.values().all(Value::is_null) { words.undone } else { words.done };
                let mut patch = json!({"metadata": {words.field: fields}});
                if !args.resource_version.is_empty() {
                    patch["metadata"]["resourceVersion"] = args.resource_version.as_str().into();
                }
                let manager = args.field_manager.as_deref().unwrap_or(words.manager);
                match send_patch(&target, live, &Patch::Merge(patch), "", manager, &args.change, factory).await {
                    Ok(object) => args.change.report(object, operation, streams)?,
                    Err(error) => errors.push(error),
                }
            }
        }
    }
    Error::from_list(errors).map_or(Ok(0), Err)
}

/// A key and its new value; none removes it.
fn parse(words: &Words, text: &str) -> Result<(String, Option<String>)> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), Some(value.to_owned()))),
        Some(_) => Err(message(format!("invalid {} spec: {text}", words.noun))),
        None => match text.strip_suffix('-') {
            Some(key) if !key.is_empty() => Ok((key.to_owned(), None)),
            _ => Err(message(format!("unknown {} spec: {text}", words.noun))),
        },
    }
}

/// The fields to change, and notes on keys that are not there.
fn plan(
    words: &Words,
    changes: &[(String, Option<String>)],
    present: &Map<String, Value>,
    overwrite: bool,
) -> Result<(Map<String, Value>, Vec<String>)> {
    let (mut fields, mut notes) = (Map::new(), Vec::new());
    for (key, value) in changes {
        match (value, present.get(key)) {
            (None, None) if words.noun == "label" => notes.push(format!("{} {key:?} not found.", words.noun)),
            // Upstream says nothing of annotations that are not there.
            (None, _) => {
                fields.insert(key.clone(), Value::Null);
            }
            (Some(value), Some(old)) if old.as_str() == Some(value) => {}
            (Some(value), Some(old)) if !overwrite => {
                return Err(message(if words.noun == "label" {
                    format!("'{key}' already has a value ({}), and --overwrite is false", values::plain(old))
                } else {
                    let _ = value;
                    format!("--overwrite is false but found the following declared annotation(s): '{key}' already has a value ({})", values::plain(old))
                }));
            }
            (Some(value), _) => {
                fields.insert(key.clone(), value.as_str().into());
            }
        }
    }
    Ok((fields, notes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_kept_unless_overwritten() {
        let present = json!({"a": "1"}).as_object().cloned().expect("a map");
        let change = |text: &str| vec![parse(&LABELS, text).expect("sound")];
        let fields = |text: &str, overwrite| plan(&LABELS, &change(text), &present, overwrite).map(|(fields, _)| Value::Object(fields));
        assert_eq!(fields("b=2", false).ok(), Some(json!({"b": "2"})));
        assert_eq!(fields("a-", false).ok(), Some(json!({"a": null})));
        assert_eq!(fields("a=2", true).ok(), Some(json!({"a": "2"})));
        let refused = fields("a=2", false).expect_err("kept");
        assert_eq!(refused.report(), "error: 'a' already has a value (1), and --overwrite is false");
        assert!(parse(&LABELS, "=x").is_err());
    }
}
