//! Removes bootstrap tokens that have ended (`pkg/controller/bootstrap/tokencleaner.go`).

mod gather;
mod plan;
#[cfg(test)]
mod tests;

use api_types::core::v1::Secret;
use client::ListParams;
use runtime::Informer;
use runtime::controller::enqueue_self;

use crate::context::{Context, Task};
use crate::controllers::Entry;
use crate::security::bootstrap_tokens::{NAMESPACE, TYPE};

use gather::TokenCleaner;

/// Subscribes to the Secrets of tokens.
pub(crate) fn start(context: &Context, entry: &Entry) -> anyhow::Result<Option<Task>> {
    let typed = ListParams::default().fields(format!("type={TYPE}"));
    let informer = Informer::new(context.root_client().namespaced::<Secret>(NAMESPACE)).select(typed);
    let secrets = context.informers.private(informer);
    let queue = context.queue("token_cleaner");
    enqueue_self(&secrets, &queue);
    let driver = context.driver(entry, TokenCleaner { secrets: secrets.clone() }, queue)?;
    Ok(Some(context.task(driver.workers(1).waits_for(&secrets))))
}
