//! `kubectl scale`: sets the number of replicas.

use client::Patch;
use serde_json::json;

use super::send_patch;
use crate::error::message;
use crate::files::FileArgs;
use crate::print::ChangeArgs;
use crate::resources::Choice;
use crate::{Error, Factory, Result, Streams, values};

/// Arguments of `scale`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// TYPE NAME or TYPE/NAME
    pub resources: Vec<String>,
    #[command(flatten)]
    pub files: FileArgs,
    #[command(flatten)]
    pub change: ChangeArgs,
    /// The new desired number of replicas. Required
    #[arg(long)]
    pub replicas: u32,
    /// Precondition for current size. Requires that the current size match this value
    #[arg(long)]
    pub current_replicas: Option<i64>,
    /// Precondition for resource version
    #[arg(long, default_value = "")]
    pub resource_version: String,
    /// Selector (label query) to filter on
    #[arg(long, short = 'l', default_value = "")]
    pub selector: String,
    /// Select all resources in the namespace of the specified resource types
    #[arg(long)]
    pub all: bool,
}

/// Runs `scale`.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    let choice = Choice {
        arguments: &args.resources,
        files: Some(&args.files),
        label_selector: &args.selector,
        all: args.all,
        verb: "scale",
        ..Choice::default()
    };
    let (targets, mut errors) = choice.fetch(factory, streams).await?;
    if targets.is_empty() && errors.is_empty() {
        return Err(message("no objects passed to scale"));
    }
    for target in targets {
        let live = target.object();
        let current = values::number(live, "/spec/replicas").unwrap_or_default();
        if let Some(wanted) = args.current_replicas.filter(|wanted| *wanted != current) {
            errors.push(message(format!("Expected replicas to be {wanted}, was {current}")));
            continue;
        }
        let mut patch = json!({"spec": {"replicas": args.replicas}});
        if !args.resource_version.is_empty() {
            patch["metadata"] = json!({"resourceVersion": args.resource_version});
        }
        match send_patch(&target, live, &Patch::Merge(patch), "scale", "kubectl-scale", &args.change, factory).await {
            Ok(_) => {
                // The answer is the scale; what is reported is the object.
                let mut object = live.clone();
                values::map_at(&mut object, &["spec"]).insert("replicas".to_owned(), args.replicas.into());
                args.change.report(object, "scaled", streams)?;
            }
            Err(error) => errors.push(error),
        }
    }
    Error::from_list(errors).map_or(Ok(0), Err)
}
