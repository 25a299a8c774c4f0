//! `kubectl set selector`: which pods a service is for.

use machinery::selectors::labels::Selector;
use serde_json::{Map, Value};

use super::changing::{Common, Outcome, Words};
use crate::error::message;
use crate::{Factory, Result, Streams, values};

/// Arguments of `set selector`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// TYPE NAME or TYPE/NAME, then the selector
    pub resources: Vec<String>,
    #[command(flatten)]
    pub common: Common,
    /// If non-empty, the update will only succeed if this is the current resource-version
    #[arg(long, default_value = "")]
    pub resource_version: String,
}

const WORDS: Words = Words { done: "selector updated", failed: "", even_unchanged: true };

/// Runs `set selector`.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    args.common.check()?;
    let Some((selector, resources)) = args.resources.split_last() else {
        return Err(message("one selector is required"));
    };
    let labels = labels(selector)?;
    let mut targets = args.common.objects(resources, factory, streams).await?;
    if !args.resource_version.is_empty() {
        // What the patch does not find in the object it is made from, it carries.
        for target in &mut targets {
            if let Some(object) = &mut target.manifest {
                values::map_at(object, &["metadata"]).shift_remove("resourceVersion");
            }
        }
    }
    args.common
        .write(targets, WORDS, factory, streams, |object| {
            if values::text(object, "/kind") != "Service" {
                return Err(message("setting a selector is only supported for Services"));
            }
            if !args.resource_version.is_empty() {
                values::map_at(object, &["metadata"])
                    .insert("resourceVersion".to_owned(), args.resource_version.as_str().into());
            }
            values::map_at(object, &["spec"]).insert("selector".to_owned(), labels.clone().into());
            Ok(Outcome::Changed)
        })
        .await
}

/// The labels of a selector by equality alone.
fn labels(text: &str) -> Result<Map<String, Value>> {
    Selector::parse(text).map_err(|error| {
        message(format!("couldn't parse the selector string \"{text}\": {error}"))
    })?;
    let mut labels = Map::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let pair = part.split_once("==").or_else(|| part.split_once('='));
        let Some((key, value)) = pair.filter(|(key, _)| !key.ends_with('!') && !key.contains(' ')) else {
            return Err(message(format!("match expression {part} not supported on this object")));
        };
        labels.insert(key.trim().to_owned(), value.trim().into());
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_equality_is_a_selector_of_services() {
        assert_eq!(labels("a=b,c==d").map(Value::Object).ok(), Some(serde_json::json!({"a": "b", "c": "d"})));
        for text in ["a!=b", "a in (b,c)", "a", "=,"] {
            assert!(labels(text).is_err(), "{text}");
        }
    }
}
