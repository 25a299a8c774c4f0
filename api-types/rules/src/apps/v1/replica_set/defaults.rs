//! Defaults of replica sets.

use crate::core::v1::pod;
use api_types::apps::v1::ReplicaSet;

/// Defaults of a replica set.
pub fn set(replica_set: &mut ReplicaSet) {
    replica_set.spec.replicas.get_or_insert(1);
    pod::defaults::set_template(&mut replica_set.spec.template);
}
