//! Every active namespace has a ServiceAccount `default` (`pkg/controller/serviceaccount`).

mod gather;
mod plan;
#[cfg(test)]
mod tests;

use api_types::core::v1::{Namespace, ServiceAccount};
use runtime::ObjectKey;
use runtime::controller::{enqueue, enqueue_self};

use crate::context::{Context, Task};
use crate::controllers::Entry;

use gather::ServiceAccounts;

/// Subscribes to namespaces and ServiceAccounts.
pub(crate) fn start(context: &Context, entry: &Entry) -> anyhow::Result<Option<Task>> {
    let namespaces = context.informers.store::<Namespace>();
    let accounts = context.informers.store::<ServiceAccount>();
    let queue = context.queue("serviceaccount");
    enqueue_self(&namespaces, &queue);
    enqueue(&accounts, &queue, |event| vec![ObjectKey::new("", &event.object().metadata.namespace)]);
    let controller = ServiceAccounts { namespaces, accounts: accounts.clone() };
    Ok(Some(context.task(context.driver(entry, controller, queue)?.workers(1).waits_for(&accounts))))
}
