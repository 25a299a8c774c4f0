//! `kubectl set serviceaccount`: as whom pods run.

use super::changing::{Common, Outcome, Words, pod_spec};
use crate::error::message;
use crate::{Factory, Result, Streams};

/// Arguments of `set serviceaccount`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// TYPE NAME or TYPE/NAME, then the service account
    pub resources: Vec<String>,
    #[command(flatten)]
    pub common: Common,
}

const WORDS: Words = Words {
    done: "serviceaccount updated",
    failed: "failed to patch ServiceAccountName",
    even_unchanged: true,
};

/// Runs `set serviceaccount`.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    args.common.check()?;
    let Some((account, resources)) = args.resources.split_last() else {
        return Err(message("serviceaccount is required"));
    };
    let objects = args.common.objects(resources, factory, streams).await?;
    args.common
        .write(objects, WORDS, factory, streams, |object| {
            pod_spec(object)?["serviceAccountName"] = account.as_str().into();
            Ok(Outcome::Changed)
        })
        .await
}
