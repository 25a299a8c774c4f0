//! `kubectl set resources`: what containers request and are limited to.

use serde_json::{Map, Value};

use super::changing::{Common, Outcome, Words, containers, pod_spec};
use crate::error::message;
use crate::{Factory, Result, Streams, values};

/// Arguments of `set resources`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// TYPE NAME or TYPE/NAME
    pub resources: Vec<String>,
    #[command(flatten)]
    pub common: Common,
    /// The names of containers in the selected pod templates to change - may use wildcards
    #[arg(long = "containers", short = 'c', default_value = "*")]
    pub pattern: String,
    /// The resource requirement limits for this container, such as 'cpu=100m,memory=256Mi'
    #[arg(long, default_value = "")]
    pub limits: String,
    /// The resource requirement requests for this container, such as 'cpu=100m,memory=256Mi'
    #[arg(long, default_value = "")]
    pub requests: String,
}

const WORDS: Words = Words {
    done: "resource requirements updated",
    failed: "failed to patch resources update to pod template",
    even_unchanged: false,
};

/// Runs `set resources`.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    let objects = args.common.objects(&args.resources, factory, streams).await?;
    args.common.check()?;
    if args.limits.is_empty() && args.requests.is_empty() {
        return Err(message(
            "you must specify an update to requests or limits (in the form of --requests/--limits)",
        ));
    }
    let wanted = [("limits", quantities(&args.limits)?), ("requests", quantities(&args.requests)?)];
    args.common
        .write(objects, WORDS, factory, streams, |object| {
            let chosen = containers(pod_spec(object)?, &args.pattern);
            if chosen.is_empty() {
                let missing = message(format!("error: unable to find container named {}", args.pattern));
                return Ok(Outcome::ChangedBut(vec![missing]));
            }
            for container in chosen {
                for (field, quantities) in wanted.iter().filter(|(_, quantities)| !quantities.is_empty()) {
                    values::map_at(container, &["resources", field]).extend(quantities.clone());
                }
            }
            Ok(Outcome::Changed)
        })
        .await
}

/// `cpu=1,memory=64Mi` as quantities in their canonical form.
fn quantities(text: &str) -> Result<Map<String, Value>> {
    let mut found = Map::new();
    for part in text.split(',').filter(|_| !text.is_empty()) {
        let Some((name, quantity)) = part.split_once('=').filter(|(_, value)| !value.contains('=')) else {
            return Err(message(format!("Invalid argument syntax {part}, expected <resource>=<value>")));
        };
        let quantity: machinery::quantity::Quantity = quantity.parse().map_err(|_| {
            message("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")
        })?;
        found.insert(name.to_owned(), quantity.amount_or_zero().to_string().into());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_canonical() {
        let check = |text: &str, expected: &str| {
            let shown = match quantities(text) {
                Ok(found) => Value::Object(found).to_string(),
                Err(error) => error.report(),
            };
            assert!(shown.starts_with(expected), "{shown}");
        };
        check("", "{}");
        check("cpu=0.5,memory=1024Mi", r#"{"cpu":"500m","memory":"1Gi"}"#);
        check("cpu", "error: Invalid argument syntax cpu, expected <resource>=<value>");
        check("cpu=x", "error: quantities must match the regular expression");
    }
}
