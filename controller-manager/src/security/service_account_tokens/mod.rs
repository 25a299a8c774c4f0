//! Fills Secrets of type `kubernetes.io/service-account-token` with a signed token, and removes them when
//! their ServiceAccount is gone (`pkg/controller/serviceaccount/tokens_controller.go`).

mod gather;
mod plan;
mod signer;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use api_types::core::v1::{Secret, ServiceAccount};
use client::ListParams;
use runtime::controller::{enqueue, enqueue_self};
use runtime::{Event, Informer, ObjectKey};

use crate::context::{Context, Task};
use crate::controllers::Entry;
use crate::security::root_ca_publisher::read_bundle;

use gather::{Tokens, account_of};
use signer::Signer;

/// Index of token Secrets by the ServiceAccount they name.
const BY_ACCOUNT: &str = "account";

/// Subscribes to ServiceAccounts and to Secrets of the one type.
pub(crate) fn start(context: &Context, entry: &Entry) -> anyhow::Result<Option<Task>> {
    let Some(key) = &context.options.service_account_private_key_file else { return Ok(None) };
    let signer = Arc::new(Signer::from_file(key)?);
    let root_ca = context.options.root_ca_file.as_deref().map(read_bundle).transpose()?.unwrap_or_default();
    let accounts = context.informers.store::<ServiceAccount>();
    let selection = ListParams::default().fields(format!("type={}", plan::TYPE));
    let informer = Informer::new(context.root_client().all::<Secret>())
        .select(selection)
        .with_index(BY_ACCOUNT, |secret| account_of(secret).map(|key| key.to_string()).into_iter().collect());
    let secrets = context.informers.private(informer);
    let queue = context.queue("serviceaccount_tokens_secret");
    enqueue_self(&secrets, &queue);
    let known = secrets.clone();
    enqueue(&accounts, &queue, move |event| {
        // A changed account asks nothing of its tokens; a new one or a missing one does.
        if matches!(event, Event::Updated { .. }) {
            return Vec::new();
        }
        let account = ObjectKey::of(&event.object().metadata);
        known
            .by_index(BY_ACCOUNT, account.as_str())
            .iter()
            .map(|secret| ObjectKey::of(&secret.metadata))
            .collect()
    });
    let controller = Tokens { accounts, secrets: secrets.clone(), signer, root_ca: Arc::from(root_ca) };
    let workers = context.options.concurrency.concurrent_serviceaccount_token_syncs;
    Ok(Some(context.task(context.driver(entry, controller, queue)?.workers(workers).waits_for(&secrets))))
}
