//! Go's names of types, as its decoder's messages have them.

use crate::schema::{Field, Message, Type};

/// Go's name of a field's (element's, value's) type.
pub(super) fn go_type(field: &Field) -> String {
    match field.ty {
        Type::String => "string".into(),
        Type::Int32 => "int32".into(),
        Type::Int64 => "int64".into(),
        Type::Bool => "bool".into(),
        Type::Double => "float64".into(),
        Type::Bytes => "[]uint8".into(),
        Type::Time => "v1.Time".into(),
        Type::MicroTime => "v1.MicroTime".into(),
        Type::Duration => "v1.Duration".into(),
        Type::Quantity => "resource.Quantity".into(),
        Type::IntOrString => "intstr.IntOrString".into(),
        Type::RawExtension => "runtime.RawExtension".into(),
        Type::RawJson => "v1.JSON".into(),
        Type::StringList => "[]string".into(),
        Type::SchemaOr(form, _) => format!("v1.JSONSchemaPropsOr{form:?}"),
        Type::Message(message) => go_message(message),
    }
}

/// Go's name of a struct with its package: `v1.PodSpec`.
pub(super) fn go_message(message: &Message) -> String {
    let mut parts = message.full_name.rsplit('.');
    let name = parts.next().unwrap_or_default();
    let package = parts.next().unwrap_or_default();
    format!("{package}.{name}")
}
