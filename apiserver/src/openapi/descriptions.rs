//! Descriptions of kinds and fields, for `explain` and for the columns of tables.

use machinery::schema::{Field, Message};

use super::definitions::{name_of, schema_name};

const API_VERSION: &str = "APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources";
const KIND: &str = "Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds";

/// Of a message as a whole.
pub fn of_message(message: &Message) -> Option<String> {
    of_name(&schema_name(message))
}

/// Of a field.
pub fn of_field(message: &Message, field: &Field) -> Option<String> {
    apiserver_descriptions::of_field(&schema_name(message), field.name)
}

/// Of a schema by its name.
pub fn of_name(name: &str) -> Option<String> {
    apiserver_descriptions::of_schema(name)
}

/// Of `apiVersion` and `kind`.
pub fn of_type_meta(name: &str) -> &'static str {
    if name == "kind" { KIND } else { API_VERSION }
}

/// Of a field, by the full protobuf name of its message (`k8s.io.api.core.v1.Pod`) and its JSON name.
pub fn of_message_field(message: &str, field: &str) -> Option<String> {
    apiserver_descriptions::of_field(&name_of(message), field)
}
