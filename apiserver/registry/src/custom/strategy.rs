//! The rules of custom resources on create, update and delete, of their status and of their scale.

use std::borrow::Cow;
use std::sync::Arc;

use api_types::autoscaling::v1::{Scale, ScaleSpec, ScaleStatus};
use machinery::field::{BadValue, Error, ErrorList, Path};
use machinery::meta::v1::ObjectMeta;
use machinery::object::Object;
use machinery::status::StatusError;
use serde_json::{Map, Value};

use super::kind::CustomKind;
use super::object::CustomObject;
use super::{expressions, validate};
use crate::columns::{Column, Row};
use crate::context::Context;
use crate::erased::{ErasedStrategy, ErasedView};
use crate::strategy::{GarbageCollection, ResetFields, keep_metadata};
use crate::subresource::Scaling;

/// The rules of one definition. Versions are told apart by the objects themselves.
pub struct CustomStrategy {
    /// The definition.
    pub kind: Arc<CustomKind>,
}

fn custom(object: &dyn Object) -> Option<&CustomObject> {
    object.as_any().downcast_ref()
}

fn custom_mut(object: &mut dyn Object) -> Option<&mut CustomObject> {
    object.as_any_mut().downcast_mut()
}

fn mismatch() -> ErrorList {
    vec![Error::internal(&Path::nil(), "the object is not of a custom resource")]
}

fn validated(new: &CustomObject, old: Option<&CustomObject>) -> ErrorList {
    let value = new.to_value();
    let old = old.map(|old| old.to_value_of(&new.version));
    let mut errors = validate::validate(&value, old.as_ref(), &new.version.schema);
    if errors.is_empty() {
        errors = expressions::check(&value, old.as_ref(), &new.version.schema);
    } else if new.version.source.to_string().contains("x-kubernetes-validations") {
        let detail = "some validation rules were not checked because the object was invalid; correct the existing errors \
                      to complete validation";
        errors.push(Error::invalid(&Path::nil(), BadValue::Literal("null".to_owned()), detail));
    }
    if let Some(scale) = &new.version.scale {
        for path in [&scale.spec_replicas, &scale.status_replicas] {
            let Some(found) = at(&new.content, path) else { continue };
            let count = found.as_i64().filter(|count| *count >= 0 && i32::try_from(*count).is_ok());
            if count.is_none() {
                let path = Path::new(format!(".{}", path.join(".")));
                errors.push(Error::invalid(&path, found.clone(), "should be a non-negative integer"));
            }
        }
    }
    errors
}

fn at<'v>(content: &'v Map<String, Value>, path: &[String]) -> Option<&'v Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(content.get(first)?, |value, name| value.get(name))
}

fn keep_status(new: &mut CustomObject, old: Option<&CustomObject>) {
    if !new.version.has_status {
        return;
    }
    new.content.remove("status");
    if let Some(status) = old.and_then(|old| old.content.get("status")) {
        new.content.insert("status".to_owned(), status.clone());
    }
}

/// Whether anything but the metadata, and the status where it is apart, differs.
fn differs(new: &CustomObject, old: &CustomObject) -> bool {
    let counts = |name: &str| !(new.version.has_status && name == "status");
    let part = |object: &CustomObject| -> Map<String, Value> {
        let fields = object.content.iter().filter(|(name, _)| counts(name));
        fields.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    part(new) != part(old)
}

impl ErasedStrategy for CustomStrategy {
    fn default(&self, object: &mut dyn Object) {
        if let Some(object) = custom_mut(object) {
            object.set_defaults();
        }
    }

    fn prepare_for_create(&self, _context: &Context, object: &mut dyn Object) {
        if let Some(object) = custom_mut(object) {
            keep_status(object, None);
            object.metadata.generation = 1;
        }
    }

    fn validate(&self, _context: &Context, object: &dyn Object) -> ErrorList {
        custom(object).map_or_else(mismatch, |object| validated(object, None))
    }

    fn warnings_on_create(&self, _context: &Context, _object: &dyn Object) -> Vec<String> {
        Vec::new()
    }

    fn prepare_for_update(&self, _context: &Context, new: &mut dyn Object, old: &dyn Object) {
        if let (Some(new), Some(old)) = (custom_mut(new), custom(old)) {
            keep_status(new, Some(old));
            if differs(new, &old.in_version(&new.version)) {
                new.metadata.generation = old.metadata.generation + 1;
            }
        }
    }

    fn validate_update(&self, _context: &Context, new: &dyn Object, old: &dyn Object) -> ErrorList {
        match (custom(new), custom(old)) {
            (Some(new), Some(old)) => validated(new, Some(old)),
            _ => mismatch(),
        }
    }

    fn warnings_on_update(&self, _context: &Context, _new: &dyn Object, _old: &dyn Object) -> Vec<String> {
        Vec::new()
    }

    fn canonicalize(&self, _object: &mut dyn Object) {}

    fn allow_create_on_update(&self) -> bool {
        false
    }

    fn allow_unconditional_update(&self) -> bool {
        false
    }

    fn selectable_fields(&self, object: &dyn Object) -> Vec<(Cow<'static, str>, String)> {
        let Some(object) = custom(object) else { return Vec::new() };
        if self.kind.selectable.is_empty() {
            return Vec::new();
        }
        let value = object.to_value();
        let shown = |found: Option<&Value>| match found {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        let fields = self.kind.selectable.iter();
        fields.map(|(name, path)| (Cow::Owned(name.clone()), shown(path.first(&value)))).collect()
    }

    fn selectable_names(&self) -> Vec<Cow<'static, str>> {
        self.kind.selectable.iter().map(|(name, _)| Cow::Owned(name.clone())).collect()
    }

    fn grace_period_seconds(
        &self,
        _context: &Context,
        _object: &dyn Object,
        _requested: Option<i64>,
    ) -> Option<i64> {
        None
    }

    fn begin_termination(&self, _context: &Context, _object: &mut dyn Object) -> bool {
        false
    }

    fn is_held(&self, _object: &dyn Object) -> bool {
        false
    }

    fn default_garbage_collection(&self) -> GarbageCollection {
        GarbageCollection::Background
    }

    fn time_to_live_seconds(&self) -> Option<u64> {
        None
    }

    fn reset_fields(&self) -> ResetFields {
        if self.kind.storage.has_status { &[&["status"]] } else { &[] }
    }

    /// Unused: the columns of a custom resource belong to the version that is asked for.
    fn columns(&self) -> &'static [Column] {
        &[]
    }

    fn row(&self, _object: &dyn Object, _now: jiff::Timestamp) -> Row {
        Row::default()
    }
}

/// The `status` view of every custom resource that has one.
pub static STATUS_VIEW: StatusView = StatusView;

/// See [`STATUS_VIEW`].
pub struct StatusView;

impl ErasedView for StatusView {
    fn prepare_for_update(&self, _context: &Context, new: &mut dyn Object, old: &dyn Object) {
        let (Some(new), Some(old)) = (custom_mut(new), custom(old)) else { return };
        let status = new.content.remove("status");
        new.content = old.in_version(&new.version).content;
        new.content.remove("status");
        if let Some(status) = status {
            new.content.insert("status".to_owned(), status);
        }
        keep_metadata(&mut new.metadata, &old.metadata);
    }

    fn validate_update(&self, _context: &Context, new: &dyn Object, old: &dyn Object) -> ErrorList {
        match (custom(new), custom(old)) {
            (Some(new), Some(old)) => validated(new, Some(old)),
            _ => mismatch(),
        }
    }

    fn warnings_on_update(&self, _context: &Context, _new: &dyn Object, _old: &dyn Object) -> Vec<String> {
        Vec::new()
    }

    fn allow_unconditional_update(&self) -> bool {
        false
    }

    /// Unused: the view writes the status and nothing else, which the endpoint says as a filter.
    fn reset_fields(&self) -> ResetFields {
        &[]
    }
}

/// The scale of every custom resource that has one; the paths are in the object's version.
pub static CUSTOM_SCALING: Scaling =
    Scaling { read: read_scale, write: write_scale, replicas_path: &["spec", "replicas"] };

fn count(object: &CustomObject, path: &[String]) -> Result<i32, StatusError> {
    match at(&object.content, path) {
        None | Some(Value::Null) => Ok(0),
        Some(found) => found.as_i64().and_then(|count| i32::try_from(count).ok()).ok_or_else(|| {
            StatusError::internal_error(format!(
                ".{} is {found}, which is no count of replicas",
                path.join(".")
            ))
        }),
    }
}

fn read_scale(object: &dyn Object) -> Result<Scale, StatusError> {
    let object = custom(object).ok_or_else(|| StatusError::internal_error("not a custom resource"))?;
    let paths =
        object.version.scale.as_ref().ok_or_else(|| StatusError::internal_error("there is no scale"))?;
    let selector = paths.selector.as_ref().and_then(|path| at(&object.content, path));
    let meta = &object.metadata;
    Ok(Scale {
        metadata: ObjectMeta {
            name: meta.name.clone(),
            namespace: meta.namespace.clone(),
            uid: meta.uid.clone(),
            resource_version: meta.resource_version.clone(),
            creation_timestamp: meta.creation_timestamp,
            ..ObjectMeta::default()
        },
        spec: ScaleSpec { replicas: count(object, &paths.spec_replicas)? },
        status: ScaleStatus {
            replicas: count(object, &paths.status_replicas)?,
            selector: selector.and_then(Value::as_str).unwrap_or_default().to_owned(),
        },
    })
}

fn write_scale(object: &mut dyn Object, scale: &Scale) -> Result<(), StatusError> {
    let object = custom_mut(object).ok_or_else(|| StatusError::internal_error("not a custom resource"))?;
    let version = object.version.clone();
    let paths = version.scale.as_ref().ok_or_else(|| StatusError::internal_error("there is no scale"))?;
    let Some((last, parents)) = paths.spec_replicas.split_last() else { return Ok(()) };
    let mut place = &mut object.content;
    for name in parents {
        let inner = place.entry(name.clone()).or_insert_with(|| Value::Object(Map::new()));
        place = inner.as_object_mut().ok_or_else(|| {
            StatusError::internal_error(format!(
                ".{} leads through something that is no object",
                parents.join(".")
            ))
        })?;
    }
    place.insert(last.clone(), scale.spec.replicas.into());
    Ok(())
}
