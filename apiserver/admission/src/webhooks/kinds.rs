//! Objects as the JSON of any version in which they are served, and back. The server implements it over its
//! resources.

use machinery::object::Object;
use machinery::{GroupVersionKind, GroupVersionResource};
use serde_json::Value;

/// What is known about the resources being served.
pub trait Kinds: Send + Sync {
    /// All served resources with the same stored objects, the given one among them, in an order that does not change.
    /// Only those that have the subresource, if one is given.
    fn equivalents(&self, resource: &GroupVersionResource, subresource: &str) -> Vec<GroupVersionResource>;

    /// The kind of the bodies of a resource or a subresource of it.
    fn kind_of(&self, resource: &GroupVersionResource, subresource: &str) -> Option<GroupVersionKind>;

    /// An object of the stored version as JSON of `kind`, with `apiVersion` and `kind`.
    fn to_value(
        &self,
        resource: &GroupVersionResource,
        kind: &GroupVersionKind,
        object: &dyn Object,
    ) -> Result<Value, String>;

    /// What [`Kinds::to_value`] has made, changed, as an object of the stored version with all defaults.
    fn to_object(
        &self,
        resource: &GroupVersionResource,
        subresource: &str,
        kind: &GroupVersionKind,
        value: &Value,
    ) -> Result<Box<dyn Object>, String>;
}
