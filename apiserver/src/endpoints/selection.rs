//! Which objects of a resource a request is about: namespace, label selector, field selector.

use std::sync::Arc;

use apiserver_storage::cacher::{CachedObject, Filter, WatchScope};
use apiserver_storage::indexer::Summary;
use machinery::selectors::{fields, labels};
use machinery::status::StatusError;

use super::resource::ServedResource;
use crate::store::Store;

/// A compiled selection.
#[derive(Clone)]
pub struct Selection {
    namespace: String,
    labels: labels::Selector,
    fields: Vec<FieldCondition>,
}

#[derive(Clone)]
struct FieldCondition {
    field: Field,
    equal: bool,
    value: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    Name,
    Namespace,
    /// Index among the selectable fields.
    Indexed(usize),
    /// Allowed, but no object has it.
    Absent,
}

struct SummaryLabels<'a>(&'a Summary);

impl labels::Labels for SummaryLabels<'_> {
    fn label(&self, key: &str) -> Option<&str> {
        self.0.label(key)
    }
}

impl Selection {
    /// Compiles the raw selectors of a request. `name` is the name in the path, if any.
    pub fn new(
        resource: &ServedResource,
        store: &Store,
        namespace: &str,
        name: &str,
        label_selector: &str,
        field_selector: &str,
    ) -> Result<Selection, StatusError> {
        let labels = labels::Selector::parse(label_selector);
        let labels = labels.map_err(|error| StatusError::bad_request(error.to_string()))?;
        let selector = fields::Selector::parse(field_selector);
        let selector = selector.map_err(|error| StatusError::bad_request(error.to_string()))?;
        let mut conditions = Vec::new();
        for requirement in selector.requirements() {
            let label = convert_label(resource, &requirement.field)?;
            let field = match label.as_str() {
                "metadata.name" => Field::Name,
                "metadata.namespace" => Field::Namespace,
                other => match store.field_names().iter().position(|known| known == other) {
                    Some(index) => Field::Indexed(index),
                    None => Field::Absent,
                },
            };
            let (equal, value) = (requirement.equal, requirement.value.clone());
            conditions.push(FieldCondition { field, equal, value });
        }
        if !name.is_empty() {
            let pinned =
                conditions.iter().find(|condition| condition.field == Field::Name && condition.equal);
            match pinned {
                Some(pinned) if pinned.value == name => {}
                None if conditions.is_empty() => {
                    conditions.push(FieldCondition {
                        field: Field::Name,
                        equal: true,
                        value: name.to_owned(),
                    });
                }
                _ => {
                    let text = "fieldSelector metadata.name doesn't match requested name";
                    return Err(StatusError::bad_request(text));
                }
            }
        }
        let namespace = if store.namespaced() { namespace.to_owned() } else { String::new() };
        Ok(Selection { namespace, labels, fields: conditions })
    }

    /// True when everything in the namespace is selected.
    pub fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// The paths of selected objects all begin with this: `namespace/` or nothing.
    pub fn path_prefix(&self) -> String {
        if self.namespace.is_empty() { String::new() } else { format!("{}/", self.namespace) }
    }

    /// The path of the only object that can be selected, if the selection pins one.
    pub fn single_path(&self, store: &Store) -> Option<String> {
        let name = self.exact(Field::Name)?;
        if !store.namespaced() {
            return Some(name.to_owned());
        }
        let namespace =
            if self.namespace.is_empty() { self.exact(Field::Namespace)? } else { self.namespace.as_str() };
        Some(format!("{namespace}/{name}"))
    }

    fn exact(&self, field: Field) -> Option<&str> {
        let condition = self.fields.iter().find(|condition| condition.field == field && condition.equal)?;
        Some(&condition.value)
    }

    /// Whether an object is selected; its namespace is looked at too.
    pub fn matches(&self, object: &CachedObject) -> bool {
        (self.namespace.is_empty() || object.namespace() == self.namespace)
            && self.fields.iter().all(|condition| condition.matches(object))
            && (self.labels.is_empty() || self.labels.matches(&SummaryLabels(object.summary())))
    }

    /// The selection as a filter of a watch; `None` when the scope says it all.
    pub fn filter(&self) -> Option<Filter> {
        if self.is_everything() {
            return None;
        }
        let selection = self.clone();
        Some(Arc::new(move |object| selection.matches(object)))
    }

    /// The narrowest scope that covers the selection.
    pub fn scope(&self, store: &Store) -> WatchScope {
        if let Some(path) = self.single_path(store) {
            return WatchScope::Object(path);
        }
        if !self.namespace.is_empty() {
            return WatchScope::Namespace(self.namespace.clone());
        }
        let indexed = self.fields.iter().find_map(|condition| match condition.field {
            Field::Indexed(index) if condition.equal => Some((index, condition.value.clone())),
            _ => None,
        });
        match indexed {
            Some((index, value)) => WatchScope::Field(index, value),
            None => WatchScope::All,
        }
    }
}

impl FieldCondition {
    fn matches(&self, object: &CachedObject) -> bool {
        let value = match self.field {
            Field::Name => object.name(),
            Field::Namespace => object.namespace(),
            Field::Indexed(index) => object.summary().field(index).unwrap_or_default(),
            Field::Absent => "",
        };
        (value == self.value) == self.equal
    }
}

/// How the refusal of an unknown field reads.
enum Refusal {
    /// `field label not supported: x`
    Plain,
    /// `field label "x" not supported for Job`
    Job,
    /// `field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: x`
    Kind,
    /// `"x" is not a known field selector: only "metadata.name", "metadata.namespace"`
    Default,
}

/// Kinds with field labels of their own, and how they refuse others; from upstream's conversion functions.
const REFUSALS: &[(&str, &str, Refusal)] = &[
    ("", "Pod", Refusal::Plain),
    ("", "Node", Refusal::Plain),
    ("", "ReplicationController", Refusal::Plain),
    ("", "Event", Refusal::Plain),
    ("events.k8s.io", "Event", Refusal::Plain),
    ("", "Namespace", Refusal::Plain),
    ("", "Secret", Refusal::Plain),
    ("", "Service", Refusal::Plain),
    ("certificates.k8s.io", "CertificateSigningRequest", Refusal::Plain),
    ("batch", "Job", Refusal::Job),
    ("resource.k8s.io", "ResourceSlice", Refusal::Kind),
];

/// Labels that a version calls differently, or that are allowed though no object has them.
const RENAMED: &[(&str, &str, &str, &str)] = &[
    ("", "Pod", "spec.host", "spec.nodeName"),
    ("", "Pod", "status.podIPs", "status.podIPs"),
    ("events.k8s.io", "Event", "regarding.kind", "involvedObject.kind"),
    ("events.k8s.io", "Event", "regarding.namespace", "involvedObject.namespace"),
    ("events.k8s.io", "Event", "regarding.name", "involvedObject.name"),
    ("events.k8s.io", "Event", "regarding.uid", "involvedObject.uid"),
    ("events.k8s.io", "Event", "regarding.apiVersion", "involvedObject.apiVersion"),
    ("events.k8s.io", "Event", "regarding.resourceVersion", "involvedObject.resourceVersion"),
    ("events.k8s.io", "Event", "regarding.fieldPath", "involvedObject.fieldPath"),
    ("events.k8s.io", "Event", "reportingController", "reportingComponent"),
];

/// Cluster-scoped kinds that do not know `metadata.namespace`.
const WITHOUT_NAMESPACE: &[&str] = &["Node", "Namespace", "CertificateSigningRequest", "ResourceSlice"];

fn convert_label(resource: &ServedResource, label: &str) -> Result<String, StatusError> {
    let (group, kind) = (resource.kind.group.as_ref(), resource.kind.kind.as_ref());
    let renamed = RENAMED
        .iter()
        .find(|(of_group, of_kind, from, _)| *of_group == group && *of_kind == kind && *from == label);
    if let Some((.., to)) = renamed {
        return Ok((*to).to_owned());
    }
    let refusal = REFUSALS.iter().find(|(of_group, of_kind, _)| *of_group == group && *of_kind == kind);
    let known = match label {
        "metadata.name" => true,
        "metadata.namespace" => refusal.is_none() || !WITHOUT_NAMESPACE.contains(&kind),
        other => match &resource.custom {
            Some(version) => version.selectable.iter().any(|(name, _)| name == other),
            None => resource
                .store
                .as_ref()
                .is_some_and(|store| store.field_names().iter().any(|name| name == other)),
        },
    };
    if known {
        return Ok(label.to_owned());
    }
    let quoted = machinery::quote::go_quote(label);
    let text = match refusal.map_or(&Refusal::Default, |(.., refusal)| refusal) {
        Refusal::Plain => format!("field label not supported: {label}"),
        Refusal::Job => format!("field label {quoted} not supported for Job"),
        Refusal::Kind => format!("field label not supported for {}: {label}", resource.kind),
        Refusal::Default if resource.custom.is_some() => format!("field label not supported: {label}"),
        Refusal::Default => {
            format!("{quoted} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
        }
    };
    Err(StatusError::bad_request(text))
}
