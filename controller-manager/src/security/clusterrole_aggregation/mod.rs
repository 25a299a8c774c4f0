//! Fills ClusterRoles that are made of others (`pkg/controller/clusterroleaggregation`).

mod gather;
mod plan;
#[cfg(test)]
mod tests;

use api_types::rbac::v1::ClusterRole;
use runtime::ObjectKey;
use runtime::controller::enqueue;

use crate::context::{Context, Task};
use crate::controllers::Entry;

use gather::Aggregation;

/// Subscribes to ClusterRoles.
pub(crate) fn start(context: &Context, entry: &Entry) -> anyhow::Result<Option<Task>> {
    let roles = context.informers.store::<ClusterRole>();
    let queue = context.queue("ClusterRoleAggregator");
    let known = roles.clone();
    // Any role may be part of any aggregated one.
    enqueue(&roles, &queue, move |_| {
        let aggregated = known.list().into_iter().filter(|role| role.aggregation_rule.is_some());
        aggregated.map(|role| ObjectKey::of(&role.metadata)).collect()
    });
    let driver = context.driver(entry, Aggregation { roles: roles.clone() }, queue)?;
    Ok(Some(context.task(driver.waits_for(&roles))))
}
