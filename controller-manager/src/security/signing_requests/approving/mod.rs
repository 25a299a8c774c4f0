//! Approves the certificates kubelets ask for, when their user may have them (`certificates/approver`); those for
//! serving only where nodes were given that right, see `serving`.
//!
//! Not a pure controller: whether a user may is asked of the API server. Which question to ask is decided
//! in `plan`.

mod gather;
mod plan;
mod serving;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use api_types::certificates::v1::CertificateSigningRequest;
use api_types::core::v1::Service;
use runtime::controller::enqueue_self;
use runtime::worker::{self, Next};
use runtime::{ObjectKey, Queue};

use crate::context::{Context, Task};
use crate::controllers::Entry;

use gather::{Approver, NotApproved};
use serving::Owners;

/// Subscribes to requests.
pub(crate) fn start(context: &Context, entry: &Entry) -> anyhow::Result<Option<Task>> {
    let requests = context.informers.store::<CertificateSigningRequest>();
    let owners = Owners { nodes: context.nodes(), services: context.informers.store::<Service>() };
    let queue: Queue<ObjectKey> = context.queue("certificate");
    enqueue_self(&requests, &queue);
    let approver = Arc::new(Approver { client: context.client(entry)?, owners });
    Ok(Some(Box::pin(worker::run(queue, 5, context.shutdown.clone(), move |key| {
        let (approver, request) = (Arc::clone(&approver), requests.get(&key));
        async move {
            let Some(request) = request else { return Next::Done };
            match approver.approve(&request).await {
                Ok(()) => Next::Done,
                Err(NotApproved::Call(error)) if error.is_conflict() || error.is_not_found() => Next::Done,
                Err(error) => {
                    let error = component_base::run::error_chain(&error);
                    tracing::info!(request = request.metadata.name, error, "request not approved yet");
                    Next::Retry
                }
            }
        }
    }))))
}
