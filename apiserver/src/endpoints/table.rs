//! Tables: the columns of a resource, and its objects as rows.

use apiserver_registry::columns::OBJECT_META;
use apiserver_registry::custom::CustomVersion;
use apiserver_registry::{About, Row};
use machinery::meta::v1::ListMeta;
use machinery::object::Object;
use machinery::status::StatusError;
use serde_json::{Map, Value, json};

use super::query::Query;
use super::resource::{ServedResource, metadata_json};

/// What a row carries of its object besides the cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IncludeObject {
    /// Nothing.
    None,
    /// Its metadata.
    #[default]
    Metadata,
    /// All of it.
    Object,
}

/// Options of a table in the query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableOptions {
    /// What rows carry.
    pub include: IncludeObject,
    /// Leave the columns out; for all but the first event of a watch.
    pub without_columns: bool,
}

impl TableOptions {
    /// Reads `includeObject`.
    pub fn read(query: &Query) -> Result<TableOptions, StatusError> {
        let include = match query.get("includeObject").unwrap_or_default() {
            "" | "Metadata" => IncludeObject::Metadata,
            "None" => IncludeObject::None,
            "Object" => IncludeObject::Object,
            other => {
                let value = machinery::quote::go_quote(other);
                return Err(StatusError::bad_request(format!(
                    "Unable to convert to Table as requested: includeObject: Invalid value: {value}: must be \
                     'Metadata', 'Object', 'None', or empty"
                )));
            }
        };
        Ok(TableOptions { include, without_columns: false })
    }
}

/// A table of stored values. `list` is the metadata of a list; a single object gives its own version.
pub fn table<'a>(
    resource: &ServedResource,
    meta_version: &str,
    options: TableOptions,
    values: impl IntoIterator<Item = &'a [u8]>,
    list: Option<&ListMeta>,
    now: jiff::Timestamp,
) -> Result<Value, StatusError> {
    let store = resource.stored("get")?;
    let mut rows = Vec::new();
    let mut version = String::new();
    for stored in values {
        let mut object = store.codec().decode(stored).map_err(StatusError::internal_error)?;
        store.rules().default(object.as_mut());
        version.clone_from(&object.meta().resource_version);
        let row = match &resource.custom {
            Some(version) => custom_row(resource, version, object.as_ref(), now)?,
            None => store.rules().row(object.as_ref(), now),
        };
        let mut rendered = Map::new();
        rendered.insert("cells".to_owned(), Value::Array(row.cells));
        if !row.conditions.is_empty() {
            let conditions = row.conditions.iter().map(|condition| {
                json!({
                    "type": condition.type_,
                    "status": condition.status,
                    "reason": condition.reason,
                    "message": condition.message,
                })
            });
            rendered.insert("conditions".to_owned(), conditions.collect());
        }
        rendered.insert("object".to_owned(), row_object(resource, meta_version, options.include, stored)?);
        rows.push(Value::Object(rendered));
    }
    let mut out = Map::new();
    out.insert("kind".to_owned(), "Table".into());
    out.insert("apiVersion".to_owned(), format!("meta.k8s.io/{meta_version}").into());
    let meta = match list {
        Some(list) => list_meta(list),
        None => json!({ "resourceVersion": version }),
    };
    out.insert("metadata".to_owned(), meta);
    let columns = if options.without_columns { Value::Null } else { columns(resource)? };
    out.insert("columnDefinitions".to_owned(), columns);
    out.insert("rows".to_owned(), Value::Array(rows));
    Ok(Value::Object(out))
}

fn row_object(
    resource: &ServedResource,
    meta_version: &str,
    include: IncludeObject,
    stored: &[u8],
) -> Result<Value, StatusError> {
    let failed = |error: String| StatusError::internal_error(error);
    let text = match include {
        IncludeObject::None => return Ok(Value::Null),
        IncludeObject::Object => resource.codec.json(stored).map_err(failed)?,
        IncludeObject::Metadata => {
            let raw = resource.codec.metadata(stored).map_err(failed)?;
            metadata_json(&raw, meta_version).map_err(failed)?
        }
    };
    serde_json::from_slice(&text).map_err(StatusError::internal_error)
}

/// The cells of a custom resource: its name, and what its version declares.
fn custom_row(
    resource: &ServedResource,
    version: &CustomVersion,
    object: &dyn Object,
    now: jiff::Timestamp,
) -> Result<Row, StatusError> {
    let value = resource.codec.to_value(object).map_err(StatusError::internal_error)?;
    let cells = version.columns.iter().map(|column| column.cell(&value, now));
    let name = Value::from(object.meta().name.clone());
    Ok(std::iter::once(name).chain(cells).collect::<Vec<Value>>().into())
}

fn columns(resource: &ServedResource) -> Result<Value, StatusError> {
    if let Some(version) = &resource.custom {
        let description = |field| (resource.describe)(OBJECT_META, field).unwrap_or_default();
        let name = json!({
            "name": "Name", "type": "string", "format": "name", "description": description("name"), "priority": 0,
        });
        let declared = version.columns.iter().map(|column| {
            let description = match column.description.as_str() {
                "" => description("creationTimestamp"),
                given => given.to_owned(),
            };
            json!({
                "name": column.name,
                "type": column.kind,
                "format": column.format,
                "description": description,
                "priority": column.priority,
            })
        });
        return Ok(std::iter::once(name).chain(declared).collect());
    }
    let columns = resource.stored("get")?.rules().columns().iter().map(|column| {
        let description = match column.about {
            About::Text(text) => text.to_owned(),
            About::Field(message, field) => (resource.describe)(message, field).unwrap_or_default(),
        };
        json!({
            "name": column.name,
            "type": column.kind,
            "format": column.format,
            "description": description,
            "priority": column.priority,
        })
    });
    Ok(columns.collect())
}

/// `ListMeta` as JSON.
pub fn list_meta(list: &ListMeta) -> Value {
    let mut out = Map::new();
    out.insert("resourceVersion".to_owned(), list.resource_version.clone().into());
    if !list.continue_.is_empty() {
        out.insert("continue".to_owned(), list.continue_.clone().into());
    }
    if let Some(remaining) = list.remaining_item_count {
        out.insert("remainingItemCount".to_owned(), remaining.into());
    }
    Value::Object(out)
}
