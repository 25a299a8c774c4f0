//! Empties namespaces that are being deleted, then lets them go (`pkg/controller/namespace`).
//!
//! Not a pure controller: what a namespace holds is known to the server alone, resource by resource. The
//! requests are in `gather`; what they mean is decided in `plan`.

mod gather;
mod plan;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use api_types::core::v1::Namespace;
use jiff::Timestamp;
use runtime::worker::{self, Next};
use runtime::{Event, ObjectKey, Queue};

use crate::context::{Context, Task};
use crate::controllers::Entry;

use gather::Emptier;
use plan::Verdict;

/// Waited after each change of a namespace, so that every API server has seen the deletion and lets no
/// new object in.
const GRACE_PERIOD: Duration = Duration::from_secs(5);

/// Subscribes to namespaces.
pub(crate) fn start(context: &Context, entry: &Entry) -> anyhow::Result<Option<Task>> {
    let namespaces = context.informers.store::<Namespace>();
    let queue: Queue<ObjectKey> = context.queue("namespace");
    let delayed = queue.clone();
    namespaces.subscribe(move |event| {
        let namespace = event.object();
        if namespace.metadata.deletion_timestamp.is_some() && !matches!(event, Event::Deleted(_)) {
            delayed.add_after(ObjectKey::of(&namespace.metadata), GRACE_PERIOD);
        }
    });
    let emptier = Arc::new(Emptier { client: context.client(entry)?, pods: context.pods() });
    let workers = context.options.concurrency.concurrent_namespace_syncs;
    let (shutdown, resync) = (context.shutdown.clone(), context.options.namespace_sync_period);
    Ok(Some(Box::pin(worker::run(queue, workers, shutdown, move |key| {
        let emptier = Arc::clone(&emptier);
        async move { empty(&emptier, &key, resync).await }
    }))))
}

/// One round for one namespace.
async fn empty(emptier: &Emptier, key: &ObjectKey, resync: Duration) -> Next {
    match round(emptier, key.name()).await {
        Ok(Some(wait)) => Next::After(wait.min(resync)),
        Ok(None) => Next::Done,
        Err(error) => {
            let error = component_base::run::error_chain(&error);
            tracing::info!(namespace = key.name(), error, "namespace not emptied yet");
            Next::Retry
        }
    }
}

/// `Some` when the content needs that long to go.
async fn round(emptier: &Emptier, name: &str) -> Result<Option<Duration>, gather::EmptyError> {
    let Some(mut namespace) = emptier.terminating(name).await? else { return Ok(None) };
    let observed = emptier.delete_content(&namespace).await;
    let now = Timestamp::now();
    if plan::set_conditions(&mut namespace, &observed, now) {
        emptier.write_status(&mut namespace).await?;
    }
    match plan::verdict(&observed) {
        Verdict::Failed(message) => Err(gather::EmptyError::Content(message)),
        Verdict::Wait(duration) => Ok(Some(duration)),
        Verdict::Finalize => {
            emptier.finalize(plan::finalized(namespace)).await?;
            Ok(None)
        }
    }
}
