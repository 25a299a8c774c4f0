//! Approves the client certificates kubelets ask for, when their user may have them
//! (`certificates/approver`).
//!
//! Not a pure controller: whether a user may is asked of the API server. Which question to ask is decided
//! in `plan`.

mod gather;
mod plan;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use api_types::certificates::v1::CertificateSigningRequest;
use runtime::controller::enqueue_self;
use runtime::worker::{self, Next};
use runtime::{ObjectKey, Queue};

use crate::context::{Context, Task};
use crate::controllers::Entry;

use gather::Approver;

/// Subscribes to requests.
pub(crate) fn start(context: &Context, entry: &Entry) -> anyhow::Result<Option<Task>> {
    let requests = context.informers.store::<CertificateSigningRequest>();
    let queue: Queue<ObjectKey> = context.queue("certificate");
    enqueue_self(&requests, &queue);
    let approver = Arc::new(Approver { client: context.client(entry)? });
    Ok(Some(Box::pin(worker::run(queue, 5, context.shutdown.clone(), move |key| {
        let (approver, request) = (Arc::clone(&approver), requests.get(&key));
        async move {
            let Some(request) = request else { return Next::Done };
            match approver.approve(&request).await {
                Ok(()) => Next::Done,
                Err(error) if error.is_conflict() || error.is_not_found() => Next::Done,
                Err(error) => {
                    let error = component_base::run::error_chain(&error);
                    tracing::info!(request = request.metadata.name, error, "request not approved yet");
                    Next::Retry
                }
            }
        }
    }))))
}
