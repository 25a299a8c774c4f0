//! Authorizers, in the order of `--authorization-mode`.

use std::sync::Arc;

use apiserver_auth::authz::Authorizer;
use apiserver_auth::authz::always::{AlwaysAllow, AlwaysDeny, PrivilegedGroups};
use apiserver_auth::authz::node::{NodeAuthorizer, NodeGraph};
use apiserver_auth::authz::rbac::{PolicyIndex, Rbac};
use apiserver_auth::authz::union::Union;
use apiserver_auth::bootstrap_policy;
use apiserver_auth::user::SYSTEM_PRIVILEGED_GROUP;
use component_base::Shutdown;

use crate::options::GenericOptions;
use crate::system::authorization_feed::{Synced, feed_node_graph, feed_policy};
use crate::system::typed::Typed;

/// The authorizers and what must be complete before they can be relied on.
pub struct Authorization {
    /// All of them.
    pub authorizer: Arc<dyn Authorizer>,
    /// Indexes that are being filled.
    pub synced: Vec<Synced>,
}

/// Makes the authorizers.
pub fn build(
    options: &GenericOptions,
    typed: &Typed,
    policy: Arc<PolicyIndex>,
    loops: &Shutdown,
) -> anyhow::Result<Authorization> {
    // Whoever holds the administrators' certificate gets in even when all policy is lost.
    let privileged = PrivilegedGroups(vec![SYSTEM_PRIVILEGED_GROUP.to_string()]);
    let mut authorizers: Vec<Arc<dyn Authorizer>> = vec![Arc::new(privileged)];
    let mut synced = Vec::new();
    // The index also serves the check that nobody grants more than they have.
    if crate::system::rbac_bootstrap::serves_policy(typed) {
        synced.extend(feed_policy(typed, &policy, loops));
    }
    for mode in &options.authorization_mode {
        authorizers.push(match mode.as_str() {
            "AlwaysAllow" => Arc::new(AlwaysAllow),
            "AlwaysDeny" => Arc::new(AlwaysDeny),
            "RBAC" => Arc::new(Rbac { index: policy.clone() }),
            "Node" => {
                let graph = Arc::new(NodeGraph::default());
                synced.extend(feed_node_graph(typed, &graph, loops));
                Arc::new(NodeAuthorizer::new(graph, bootstrap_policy::node_rules()))
            }
            other => anyhow::bail!("authorization-mode {other:?} is not a valid mode"),
        });
    }
    Ok(Authorization { authorizer: Arc::new(Union(authorizers)), synced })
}
