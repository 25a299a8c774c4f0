//! `PodTopologyLabels`: pods carry the zone and the region of the node they are bound to.
//!
//! Source: `plugin/pkg/admission/podtopologylabels`.

use std::collections::BTreeMap;

use api_types::core::v1::{Binding, Node, Pod};
use async_trait::async_trait;
use machinery::status::StatusError;

use crate::attributes::{Attributes, Operation};
use crate::lookup::Lookup;
use crate::plugin::Plugin;

/// The labels of nodes that pods get.
const LABELS: [&str; 2] = ["topology.kubernetes.io/zone", "topology.kubernetes.io/region"];

/// The plugin.
pub struct PodTopologyLabels {
    lookup: Lookup,
}

impl PodTopologyLabels {
    /// Looks nodes up by `lookup`.
    pub fn new(lookup: Lookup) -> PodTopologyLabels {
        PodTopologyLabels { lookup }
    }
}

#[async_trait]
impl Plugin for PodTopologyLabels {
    fn name(&self) -> &'static str {
        "PodTopologyLabels"
    }

    fn handles(&self, operation: Operation) -> bool {
        operation == Operation::Create
    }

    async fn admit(&self, attributes: &mut Attributes) -> Result<(), StatusError> {
        let Some(node) = node_of(attributes) else { return Ok(()) };
        // A missing node is no reason to refuse: whoever binds to it did so before there was this plugin.
        let node: Option<Node> = self.lookup.cached("", node).await?;
        if let (Some(node), Some(object)) = (node, attributes.object.as_deref_mut()) {
            copy(&node.metadata.labels, &mut object.meta_mut().labels);
        }
        Ok(())
    }
}

/// The node that a pod is made on or bound to; bindings give their labels to the pod.
fn node_of(attributes: &Attributes) -> Option<&str> {
    let node = if attributes.is_about("", "pods", "") {
        &attributes.object_as::<Pod>()?.spec.node_name
    } else if attributes.is_about("", "pods", "binding") {
        let target = &attributes.object_as::<Binding>()?.target;
        if target.kind != "Node" {
            return None;
        }
        &target.name
    } else {
        return None;
    };
    Some(node.as_str()).filter(|node| !node.is_empty())
}

fn copy(from: &BTreeMap<String, String>, to: &mut BTreeMap<String, String>) {
    for label in LABELS {
        if let Some(value) = from.get(label) {
            to.insert(label.to_owned(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use machinery::GroupVersionResource;
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{Known, create, object};

    fn plugin() -> PodTopologyLabels {
        let node: Node = object(json!({"metadata": {"name": "n", "labels": {
            "topology.kubernetes.io/zone": "z", "topology.kubernetes.io/region": "r", "other": "o",
        }}}));
        PodTopologyLabels::new(Known::new().with(node).lookup())
    }

    async fn labels(mut attributes: Attributes) -> Value {
        plugin().admit(&mut attributes).await.unwrap();
        json!(attributes.object.unwrap().meta().labels)
    }

    #[tokio::test]
    async fn pods_and_bindings_get_the_topology_of_their_node() {
        let both = json!({"topology.kubernetes.io/region": "r", "topology.kubernetes.io/zone": "z"});
        let pod =
            |node: &str| -> Pod { object(json!({"metadata": {"name": "p"}, "spec": {"nodeName": node}})) };
        assert_eq!(labels(create(pod("n"))).await, both);
        assert_eq!(labels(create(pod(""))).await, json!({}));
        assert_eq!(labels(create(pod("gone"))).await, json!({}));
        let binding = |kind: &str| {
            let binding: Binding =
                object(json!({"metadata": {"name": "p"}, "target": {"kind": kind, "name": "n"}}));
            let mut attributes = create(binding);
            attributes.resource = GroupVersionResource::new("", "v1", "pods");
            attributes.subresource = "binding".to_owned();
            attributes
        };
        assert_eq!(labels(binding("Node")).await, both);
        assert_eq!(labels(binding("Other")).await, json!({}));
    }
}
