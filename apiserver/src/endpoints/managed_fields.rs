//! `metadata.managedFields`: who wrote which field, kept on every write.

use apiserver_registry::strategy::ResetFields;
use machinery::object::Object;
use machinery::patch::apply::{FieldManager, Filter, PathElement, Set, empty_object};
use machinery::status::StatusError;
use serde_json::Value;

use super::request::ApiRequest;
use super::resource::ServedResource;
use crate::store::Store;

/// Which fields a request writes: all but those that are reset. The status of a custom resource is all that its view
/// writes, whatever else the kind has.
fn filter_of(request: &ApiRequest, reset: ResetFields) -> Option<Filter> {
    if request.resource.custom.is_some() && request.subresource() == "status" {
        return Some(Filter::Include(vec![vec![Some(PathElement::field("status"))]]));
    }
    (!reset.is_empty()).then(|| Filter::Exclude(Set::of_fields(reset)))
}

/// One request as a writer of fields.
pub struct Writer<'a> {
    resource: &'a ServedResource,
    subresource: String,
    manager: String,
    filter: Option<Filter>,
    now: jiff::Timestamp,
}

impl<'a> Writer<'a> {
    /// The request writes as `manager`, to the resource or to the subresource in its path.
    pub fn new(request: &'a ApiRequest, manager: &str, store: &Store) -> Writer<'a> {
        let resource = &request.resource;
        let reset = match resource.subresource(request.subresource()).map(|subresource| subresource.kind) {
            Some(apiserver_registry::SubresourceKind::View(view)) => view.reset_fields(),
            _ => store.rules().reset_fields(),
        };
        Writer {
            resource,
            subresource: request.subresource().to_owned(),
            manager: manager.to_owned(),
            filter: filter_of(request, reset),
            now: request.context.received,
        }
    }

    fn field_manager(&self) -> FieldManager<'_> {
        FieldManager {
            kind: &self.resource.kind,
            subresource: &self.subresource,
            filter: self.filter.as_ref(),
            versions: &*self.resource.codec,
        }
    }

    /// An object as field managers see it; nothing yet is an object without content.
    fn live_value(&self, live: Option<&dyn Object>) -> Result<Value, String> {
        match live {
            Some(live) => self.resource.codec.to_value(live),
            None => {
                let shape = self.resource.codec.shape(&self.resource.api_version);
                Ok(shape.map_or(Value::Null, empty_object))
            }
        }
    }

    /// Notes what a create, update or patch changes. Objects that cannot be tracked are stored without entries,
    /// as upstream does. `reset` forgets all managers first.
    pub fn update(&self, live: Option<&dyn Object>, new: &mut Box<dyn Object>, reset: bool) {
        let entries = self.live_value(live).and_then(|live| {
            let mut value = self.resource.codec.to_value(new.as_ref())?;
            if reset && let Some(meta) = value.get_mut("metadata").and_then(Value::as_object_mut) {
                meta.insert("managedFields".to_owned(), Value::Array(Vec::new()));
            }
            self.field_manager()
                .update(&live, &value, &self.manager, self.now)
                .map_err(|error| error.to_string())
        });
        new.meta_mut().managed_fields = entries.unwrap_or_else(|error| {
            tracing::warn!(kind = %self.resource.kind, error, "managed fields cannot be updated");
            Vec::new()
        });
    }

    /// What an apply makes of the object, with defaults.
    pub fn apply(
        &self,
        live: Option<&dyn Object>,
        configuration: &Value,
        force: bool,
    ) -> Result<Box<dyn Object>, StatusError> {
        let live = self.live_value(live).map_err(StatusError::internal_error)?;
        let applied = self
            .field_manager()
            .apply(&live, configuration, &self.manager, force, self.now)
            .map_err(|error| error.to_status())?;
        let decoded = self.resource.codec.read_json(applied.to_string().as_bytes(), false);
        Ok(decoded.map_err(StatusError::bad_request)?.object)
    }
}
