//! `PodResizeValidator` and `NodeDeclaredFeatureValidator`: a bound pod changes only to what its node can run.
//!
//! Source: `plugin/pkg/admission/podresize`, `plugin/pkg/admission/nodedeclaredfeatures` and
//! `component-helpers/nodedeclaredfeatures`.

#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use api_types::core::v1::{Node, Pod};
use async_trait::async_trait;
use machinery::status::StatusError;
use rules::core::v1::pod::resources::{self, Accounting};

use crate::attributes::{Attributes, Operation};
use crate::lookup::Lookup;
use crate::plugin::Plugin;

/// Old and new state of a bound pod whose spec changes.
fn changed_pod(attributes: &Attributes) -> Option<(&Pod, &Pod)> {
    let (new, old): (&Pod, &Pod) = attributes.object_as().zip(attributes.old_object_as())?;
    let changes = new.metadata.generation != old.metadata.generation && !new.spec.node_name.is_empty();
    changes.then_some((new, old))
}

async fn node_of(lookup: &Lookup, attributes: &Attributes, pod: &Pod) -> Result<Node, StatusError> {
    let name = &pod.spec.node_name;
    match lookup.find("", name).await {
        Ok(Some(node)) => Ok(node),
        Ok(None) => Err(attributes.forbidden(format!("node {name:?} not found"))),
        Err(error) => Err(attributes.forbidden(format!("failed to get node {name:?}: {error}"))),
    }
}

/// A pod grows only to what its node could give if it were alone there.
pub struct PodResizeValidator {
    lookup: Lookup,
}

impl PodResizeValidator {
    /// Looks nodes up by `lookup`.
    pub fn new(lookup: Lookup) -> PodResizeValidator {
        PodResizeValidator { lookup }
    }
}

#[async_trait]
impl Plugin for PodResizeValidator {
    fn name(&self) -> &'static str {
        "PodResizeValidator"
    }

    fn handles(&self, operation: Operation) -> bool {
        operation == Operation::Update
    }

    async fn validate(&self, attributes: &Attributes) -> Result<(), StatusError> {
        if !attributes.is_about("", "pods", "resize") {
            return Ok(());
        }
        let Some((pod, _)) = changed_pod(attributes) else { return Ok(()) };
        let node = node_of(&self.lookup, attributes, pod).await?;
        let refuse = |(reason, cause): (String, &str)| attributes.forbidden(reason).with_cause(cause, "", "");
        judge_platform(&node).and_then(|()| judge_capacity(pod, &node)).map_err(refuse)
    }
}

fn judge_platform(node: &Node) -> Result<(), (String, &'static str)> {
    match node.metadata.labels.get("kubernetes.io/os") {
        Some(system) if system != "linux" => {
            let name = &node.metadata.name;
            let reason = format!("pod resize is only supported on linux nodes, node {name:?} is {system:?}");
            Err((reason, "UnsupportedPlatform"))
        }
        _ => Ok(()),
    }
}

fn judge_capacity(pod: &Pod, node: &Node) -> Result<(), (String, &'static str)> {
    let requests = resources::requests(pod, Accounting::default());
    let mut reasons = Vec::new();
    for resource in ["cpu", "memory"] {
        let requested = requests.get(resource).cloned().unwrap_or_default();
        let allocatable = node.status.allocatable.get(resource).cloned().unwrap_or_default();
        if requested.compare(&allocatable) == Ordering::Greater {
            let (requested, allocatable) = match resource {
                "cpu" => (requested.milli_value(), allocatable.milli_value()),
                _ => (requested.value(), allocatable.value()),
            };
            reasons.push(format!("{resource}, requested: {requested}, allocatable: {allocatable}"));
        }
    }
    if reasons.is_empty() {
        return Ok(());
    }
    let reasons = reasons.join("; ");
    Err((format!("node didn't have enough allocatable resources: {reasons}"), "NodeCapacity"))
}

/// A pod changes only by features that its node declares.
pub struct NodeDeclaredFeatureValidator {
    lookup: Lookup,
}

impl NodeDeclaredFeatureValidator {
    /// Looks nodes up by `lookup`.
    pub fn new(lookup: Lookup) -> NodeDeclaredFeatureValidator {
        NodeDeclaredFeatureValidator { lookup }
    }
}

#[async_trait]
impl Plugin for NodeDeclaredFeatureValidator {
    fn name(&self) -> &'static str {
        "NodeDeclaredFeatureValidator"
    }

    fn handles(&self, operation: Operation) -> bool {
        operation == Operation::Update
    }

    async fn validate(&self, attributes: &Attributes) -> Result<(), StatusError> {
        if !attributes.is_about("", "pods", "") && !attributes.is_about("", "pods", "resize") {
            return Ok(());
        }
        let Some((new, old)) = changed_pod(attributes) else { return Ok(()) };
        let needed = features_of_change(new, old);
        if needed.is_empty() {
            return Ok(());
        }
        let node = node_of(&self.lookup, attributes, new).await?;
        let declared = &node.status.declared_features;
        let missing: Vec<&str> =
            needed.into_iter().filter(|feature| !declared.iter().any(|name| name == feature)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(attributes.forbidden(format!(
            "pod update requires features {} which are not available on node {:?}",
            missing.join(", "),
            node.metadata.name
        )))
    }
}

/// The features that a node needs for the change, in upstream's order.
fn features_of_change(new: &Pod, old: &Pod) -> Vec<&'static str> {
    let mut needed = Vec::new();
    if new.spec.resources != old.spec.resources {
        needed.push("InPlacePodLevelResourcesVerticalScaling");
    }
    let mut pairs = old.spec.init_containers.iter().zip(&new.spec.init_containers);
    if pairs.any(|(old, new)| !resources::is_sidecar(old) && old.resources != new.resources) {
        needed.push("InPlacePodVerticalScalingInitContainers");
    }
    needed
}
