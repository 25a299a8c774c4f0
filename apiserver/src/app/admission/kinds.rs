//! Objects in the versions webhooks want to see, by the resources being served.

use std::sync::Arc;

use api_types::authentication::v1::TokenRequest;
use api_types::autoscaling::v1::Scale;
use apiserver_admission::webhooks::Kinds;
use apiserver_registry::SubresourceKind;
use machinery::codec::json;
use machinery::object::Object;
use machinery::{GroupVersionKind, GroupVersionResource, Message as _};
use serde_json::Value;

use crate::chain::request_info::RequestInfo;
use crate::endpoints::{Resources, ServedResource};

/// The resources being served.
pub struct ServedKinds {
    /// All of them.
    pub resources: Arc<Resources>,
}

impl ServedKinds {
    fn served(&self, resource: &GroupVersionResource) -> Option<Arc<ServedResource>> {
        self.resources.find(&RequestInfo {
            api_group: resource.group.to_string(),
            api_version: resource.version.to_string(),
            resource: resource.resource.to_string(),
            ..RequestInfo::default()
        })
    }

    fn known(&self, resource: &GroupVersionResource) -> Result<Arc<ServedResource>, String> {
        self.served(resource).ok_or_else(|| format!("{resource} is not served"))
    }
}

/// Scales, bindings, evictions and tokens are of kinds of their own.
fn is_own_kind(served: &ServedResource, kind: &GroupVersionKind) -> bool {
    served.kind == *kind
}

impl Kinds for ServedKinds {
    fn equivalents(&self, resource: &GroupVersionResource, subresource: &str) -> Vec<GroupVersionResource> {
        let Some(store) = self.served(resource).and_then(|served| served.store.clone()) else {
            return vec![resource.clone()];
        };
        let mut found: Vec<GroupVersionResource> = self
            .resources
            .all()
            .iter()
            .filter(|other| other.store.as_ref().is_some_and(|other| Arc::ptr_eq(other, &store)))
            .filter(|other| subresource.is_empty() || other.subresource(subresource).is_some())
            .map(|other| other.resource.clone())
            .collect();
        found.sort_by(|left, right| (&left.group, &left.version).cmp(&(&right.group, &right.version)));
        found
    }

    fn kind_of(&self, resource: &GroupVersionResource, subresource: &str) -> Option<GroupVersionKind> {
        let served = self.served(resource)?;
        if subresource.is_empty() {
            return Some(served.kind.clone());
        }
        let known = served.subresource(subresource)?;
        let facts = served.entry.and_then(|entry| entry.facts.subresource(subresource));
        Some(match (facts, &known.kind) {
            (_, SubresourceKind::View(_)) => served.kind.clone(),
            (_, SubresourceKind::Scale(_)) => GroupVersionKind::new("autoscaling", "v1", "Scale"),
            (Some(facts), _) => GroupVersionKind::new(facts.group, facts.version, facts.kind),
            (None, _) => served.kind.clone(),
        })
    }

    fn to_value(
        &self,
        resource: &GroupVersionResource,
        kind: &GroupVersionKind,
        object: &dyn Object,
    ) -> Result<Value, String> {
        let served = self.known(resource)?;
        if is_own_kind(&served, kind) {
            return served.codec.to_value(object);
        }
        let api_version = machinery::group::api_version(&kind.group, &kind.version);
        json::try_protobuf_to_value(object.schema(), &object.encode(), Some((&api_version, &kind.kind)))
            .map_err(|error| error.to_string())
    }

    fn to_object(
        &self,
        resource: &GroupVersionResource,
        subresource: &str,
        kind: &GroupVersionKind,
        value: &Value,
    ) -> Result<Box<dyn Object>, String> {
        let served = self.known(resource)?;
        let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
        let api_version = machinery::group::api_version(&kind.group, &kind.version);
        if text("kind") != kind.kind || text("apiVersion") != api_version {
            return Err(format!(
                "the patched object is a {} of {:?}, but must stay a {} of {api_version:?}",
                text("kind"),
                text("apiVersion"),
                kind.kind
            ));
        }
        if is_own_kind(&served, kind) {
            return Ok(served.codec.read_json(value.to_string().as_bytes(), false)?.object);
        }
        let found = served.subresource(subresource).ok_or_else(|| format!("unknown kind {kind}"))?;
        match &found.kind {
            SubresourceKind::Scale(_) => {
                Ok(Box::new(Scale::from_value(value).map_err(|error| error.to_string())?))
            }
            SubresourceKind::Token => {
                Ok(Box::new(TokenRequest::from_value(value).map_err(|error| error.to_string())?))
            }
            SubresourceKind::Action(action) => {
                let facts = api_types::facts::kind(&kind.group, &kind.version, &kind.kind)
                    .ok_or_else(|| format!("unknown kind {kind}"))?;
                let raw = json::value_to_protobuf(facts.schema, value).map_err(|error| error.to_string())?;
                action.decode(&raw).map_err(|error| error.to_string())
            }
            _ => Err(format!("{resource}/{subresource} has no objects that could be changed")),
        }
    }
}
