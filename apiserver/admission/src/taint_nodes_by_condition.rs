//! `TaintNodesByCondition`: no pod is scheduled to a new node before it is ready.
//!
//! Source: `plugin/pkg/admission/nodetaint`.

use api_types::core::v1::{Node, Taint};
use async_trait::async_trait;
use machinery::status::StatusError;

use crate::attributes::{Attributes, Operation};
use crate::plugin::Plugin;

const NOT_READY: &str = "node.kubernetes.io/not-ready";
const NO_SCHEDULE: &str = "NoSchedule";

/// The plugin. The node lifecycle controller takes the taint away when the node is ready.
pub struct TaintNodesByCondition;

#[async_trait]
impl Plugin for TaintNodesByCondition {
    fn name(&self) -> &'static str {
        "TaintNodesByCondition"
    }

    fn handles(&self, operation: Operation) -> bool {
        operation == Operation::Create
    }

    async fn admit(&self, attributes: &mut Attributes) -> Result<(), StatusError> {
        if attributes.is_about("", "nodes", "")
            && let Some(node) = attributes.object_as_mut::<Node>()
        {
            taint(node);
        }
        Ok(())
    }
}

fn taint(node: &mut Node) {
    let taints = &mut node.spec.taints;
    if taints.iter().any(|taint| taint.key == NOT_READY && taint.effect == NO_SCHEDULE) {
        return;
    }
    taints.push(Taint { key: NOT_READY.to_owned(), effect: NO_SCHEDULE.to_owned(), ..Taint::default() });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{create, object};

    #[tokio::test]
    async fn new_nodes_are_tainted_once() {
        let node: Node = object(json!({"metadata": {"name": "n"}}));
        let mut attributes = create(node);
        for _ in 0..2 {
            TaintNodesByCondition.admit(&mut attributes).await.unwrap();
        }
        let taints = &attributes.object_as::<Node>().unwrap().spec.taints;
        assert_eq!(taints.len(), 1);
        assert_eq!((taints[0].key.as_str(), taints[0].effect.as_str()), (NOT_READY, NO_SCHEDULE));
    }
}
