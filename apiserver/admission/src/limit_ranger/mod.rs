//! `LimitRanger`: containers get the defaults of their namespace, and nothing asks for less or more than it
//! allows.
//!
//! Source: `plugin/pkg/admission/limitranger`.

mod defaults;
mod limits;
#[cfg(test)]
mod tests;

use api_types::core::v1::{LimitRange, PersistentVolumeClaim, Pod};
use async_trait::async_trait;
use machinery::field::aggregate_texts;
use machinery::status::StatusError;

use crate::attributes::{Attributes, Operation};
use crate::lookup::Lookup;
use crate::plugin::Plugin;

/// Type of the items for each container of a pod.
const CONTAINER: &str = "Container";
/// Type of the items for pods as a whole.
const POD: &str = "Pod";
/// Type of the items for claims.
const CLAIM: &str = "PersistentVolumeClaim";

/// The plugin.
pub struct LimitRanger {
    lookup: Lookup,
}

impl LimitRanger {
    /// Finds limit ranges with `lookup`.
    pub fn new(lookup: Lookup) -> LimitRanger {
        LimitRanger { lookup }
    }

    async fn ranges(&self, attributes: &Attributes) -> Result<Vec<LimitRange>, StatusError> {
        self.lookup.list(&attributes.namespace).await
    }
}

#[async_trait]
impl Plugin for LimitRanger {
    fn name(&self) -> &'static str {
        "LimitRanger"
    }

    fn handles(&self, operation: Operation) -> bool {
        matches!(operation, Operation::Create | Operation::Update)
    }

    async fn admit(&self, attributes: &mut Attributes) -> Result<(), StatusError> {
        if !concerns(attributes) || attributes.resource.resource != "pods" {
            return Ok(());
        }
        let ranges = self.ranges(attributes).await?;
        let object = attributes.object.as_deref_mut();
        if let Some(pod) = object.and_then(|object| object.downcast_mut::<Pod>()) {
            ranges.iter().for_each(|range| defaults::apply(range, pod));
        }
        Ok(())
    }

    async fn validate(&self, attributes: &Attributes) -> Result<(), StatusError> {
        if !concerns(attributes) {
            return Ok(());
        }
        let ranges = self.ranges(attributes).await?;
        let Some(object) = attributes.object.as_deref() else { return Ok(()) };
        for range in &ranges {
            let errors = if let Some(pod) = object.downcast_ref::<Pod>() {
                limits::of_pod(range, pod)
            } else if let Some(claim) = object.downcast_ref::<PersistentVolumeClaim>() {
                limits::of_claim(range, claim)
            } else {
                Vec::new()
            };
            if !errors.is_empty() {
                return Err(attributes.forbidden(aggregate_texts(errors)));
            }
        }
        Ok(())
    }
}

/// Pods when they are made or resized (nothing else of theirs can change), claims always; objects on their
/// way out are left alone.
fn concerns(attributes: &Attributes) -> bool {
    let update = attributes.operation == Operation::Update;
    let kind = &attributes.kind;
    let concerned = match (attributes.subresource.as_str(), kind.group.as_ref(), kind.kind.as_ref()) {
        ("resize", "", "Pod") => update,
        ("", "", "Pod") => !update,
        ("", "", "PersistentVolumeClaim") => true,
        _ => false,
    };
    let leaving = attributes.old_object.as_deref().is_some_and(|old| old.meta().deletion_timestamp.is_some());
    concerned && !leaving
}
