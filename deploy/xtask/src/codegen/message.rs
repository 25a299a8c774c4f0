//! Code of one message: its table, its struct and the struct's protobuf form.

use std::fmt::Write;

use super::names::{self, Place};
use crate::facts::{Facts, FieldFact};

/// Types that machinery writes by hand: (protobuf name, schema type, Rust type, boxed when optional).
const SPECIAL: &[(&str, &str, &str)] = &[
    ("k8s.io.apimachinery.pkg.apis.meta.v1.Time", "Time", "machinery::Time"),
    ("k8s.io.apimachinery.pkg.apis.meta.v1.MicroTime", "MicroTime", "machinery::MicroTime"),
    ("k8s.io.apimachinery.pkg.apis.meta.v1.Duration", "Duration", "machinery::Duration"),
    ("k8s.io.apimachinery.pkg.apis.meta.v1.FieldsV1", "RawJson", "machinery::RawJson"),
    ("k8s.io.apimachinery.pkg.apis.meta.v1.Verbs", "StringList", "Vec<String>"),
    ("k8s.io.apimachinery.pkg.api.resource.Quantity", "Quantity", "machinery::Quantity"),
    ("k8s.io.apimachinery.pkg.util.intstr.IntOrString", "IntOrString", "machinery::IntOrString"),
    ("k8s.io.apimachinery.pkg.runtime.RawExtension", "RawExtension", "machinery::RawJson"),
];

/// Scalars: (protobuf name, schema type, Rust type).
const SCALARS: &[(&str, &str, &str)] = &[
    ("string", "String", "String"),
    ("int32", "Int32", "i32"),
    ("int64", "Int64", "i64"),
    ("bool", "Bool", "bool"),
    ("double", "Double", "f64"),
    ("bytes", "Bytes", "Vec<u8>"),
];

fn special(ty: &str) -> Option<(&'static str, &'static str)> {
    let row = SCALARS.iter().chain(SPECIAL).find(|(name, ..)| *name == ty);
    if let Some((_, schema, rust)) = row {
        return Some((schema, rust));
    }
    match ty.rsplit('.').next() {
        Some("ExtraValue") => Some(("StringList", "Vec<String>")),
        Some("JSON") => Some(("RawJson", "machinery::RawJson")),
        _ => None,
    }
}

/// True for types that are written by hand or left out.
pub fn is_special(name: &str) -> bool {
    let unused = ["Timestamp", "TypeMeta", "Patch", "InternalEvent"];
    special(name).is_some() || (name.contains("apis.meta.v1.") && unused.contains(&names::split(name).1))
}

/// What generated files import.
pub fn imports(place: &Place) -> &'static str {
    if place.krate == "machinery" {
        "#[allow(unused_imports)]\nuse crate::{Message as _, field_codec, schema::{Field, Label, ListKind, Message, SchemaOr, Type}, wire::{Reader, WireError, Writer}};\n#[allow(unused_imports)]\nuse std::collections::BTreeMap;\n"
    } else {
        "#[allow(unused_imports)]\nuse machinery::{Message as _, field_codec, schema::{Field, Label, ListKind, Message, SchemaOr, Type}, wire::{Reader, WireError, Writer}};\n#[allow(unused_imports)]\nuse std::collections::BTreeMap;\n"
    }
}

/// Path of an item of another message's module.
fn path(full_name: &str, place: &Place, item: &str) -> String {
    let (package, _) = names::split(full_name);
    match names::place(package) {
        Some(other) if other == *place => item.to_owned(),
        Some(other) if other.krate == place.krate => format!("crate::{}::{item}", other.module),
        Some(other) => format!("{}::{}::{item}", other.krate, other.module),
        None => item.to_owned(),
    }
}

/// Path of a message's table.
pub fn table_path(full_name: &str, place: &Place) -> String {
    path(full_name, place, &names::table(names::split(full_name).1))
}

fn rust_type(ty: &str, place: &Place) -> String {
    match special(ty) {
        Some((_, rust)) => rust.to_owned(),
        None => path(ty, place, names::split(ty).1),
    }
}

fn schema_type(ty: &str, place: &Place) -> String {
    if let Some((schema, _)) = special(ty) {
        return format!("Type::{schema}");
    }
    let name = names::split(ty).1;
    for (suffix, form) in [("Array", "Array"), ("Bool", "Bool"), ("StringArray", "StringArray")] {
        if name == format!("JSONSchemaPropsOr{suffix}") {
            let props = ty.replace(name, "JSONSchemaProps");
            return format!("Type::SchemaOr(SchemaOr::{form}, &{})", table_path(&props, place));
        }
    }
    format!("Type::Message(&{})", table_path(ty, place))
}

/// Appends everything for one message.
pub fn write(facts: &Facts, full_name: &str, place: &Place, out: &mut String) {
    write_table(facts, full_name, place, out);
    if place.typed {
        write_struct(facts, full_name, place, out);
        write_resource(facts, full_name, place, out);
    }
}

fn write_table(facts: &Facts, full_name: &str, place: &Place, out: &mut String) {
    let message = &facts.messages[full_name];
    let mut order: Vec<usize> = (0..message.fields.len()).collect();
    order.sort_by_key(|&at| message.fields[at].number);
    let mut fields = String::new();
    for field in &message.fields {
        write_field(field, place, &mut fields);
    }
    writeln!(
        out,
        "/// Table of [`{name}`](https://kubernetes.io/docs/reference/kubernetes-api/).\n\
         pub static {table}: Message = Message {{ full_name: {full_name:?}, fields: &[{fields}], by_number: &{order:?}, type_meta: {tm}, atomic: {atomic} }};",
        name = names::split(full_name).1,
        table = names::table(names::split(full_name).1),
        tm = message.type_meta,
        atomic = message.atomic,
    )
    .ok();
}

fn write_field(field: &FieldFact, place: &Place, out: &mut String) {
    let bits = [
        ("omitempty", 1),
        ("pointer", 2),
        ("inline", 4),
        ("required", 8),
        ("omitzero", 16),
        ("mapatomic", 32),
    ];
    let flags: u8 = bits.iter().filter(|(word, _)| field.has(word)).map(|(_, bit)| bit).sum();
    let bits = [("merge", 1), ("replace", 2), ("retainKeys", 4)];
    let patch: u8 =
        bits.iter().filter(|(word, _)| field.patch.iter().any(|p| p == word)).map(|(_, bit)| bit).sum();
    let label = match field.label.as_str() {
        "repeated" => "Repeated",
        "map" => "Map",
        _ => "Single",
    };
    let list = match field.list.as_deref() {
        Some("set") => "Set",
        Some("map") => "Map",
        _ => "Atomic",
    };
    write!(
        out,
        "Field {{ name: {:?}, number: {}, label: Label::{label}, ty: {}, flags: {flags}, list: ListKind::{list}, keys: &{:?}, patch: {patch}, merge_key: {:?}, default: {:?} }},",
        field.json_name(),
        field.number,
        schema_type(&field.ty, place),
        field.keys,
        field.merge_key.as_deref().unwrap_or_default(),
        field.default.as_deref().unwrap_or_default(),
    )
    .ok();
}

/// How a field is kept: its Rust type and the `field_codec` function pair that handles it.
fn kept(field: &FieldFact, place: &Place) -> (String, &'static str) {
    let ty = rust_type(&field.ty, place);
    let scalar = special(&field.ty).is_some();
    match field.label.as_str() {
        "repeated" => (format!("Vec<{ty}>"), "repeated"),
        "map" => (format!("BTreeMap<String, {ty}>"), "map"),
        _ if field.has("pointer") && scalar => (format!("Option<{ty}>"), "optional"),
        _ if field.has("pointer") => (format!("Option<Box<{ty}>>"), "boxed"),
        _ if ty.starts_with("Vec<") => (ty, "non_empty"),
        _ => (ty, "single"),
    }
}

fn write_struct(facts: &Facts, full_name: &str, place: &Place, out: &mut String) {
    let message = &facts.messages[full_name];
    let name = names::split(full_name).1;
    let mut by_number: Vec<&FieldFact> = message.fields.iter().collect();
    by_number.sort_by_key(|field| field.number);
    let (mut members, mut puts, mut takes) = (String::new(), String::new(), String::new());
    for field in &message.fields {
        let (ty, _) = kept(field, place);
        let rust = names::field(field.json_name(), &field.name);
        let shown = if field.has("inline") {
            "inline in JSON".to_owned()
        } else {
            format!("`{}`", field.json_name())
        };
        writeln!(members, "/// {shown}\npub {rust}: {ty},").ok();
    }
    for field in by_number.iter().rev() {
        let (_, how) = kept(field, place);
        let rust = names::field(field.json_name(), &field.name);
        writeln!(puts, "field_codec::put_{how}(&self.{rust}, {}, out);", field.number).ok();
    }
    for field in &by_number {
        let (_, how) = kept(field, place);
        let how = if how == "non_empty" { "single" } else { how };
        let rust = names::field(field.json_name(), &field.name);
        writeln!(takes, "{} => field_codec::take_{how}(&mut self.{rust}, wire, from, depth),", field.number)
            .ok();
    }
    let (out_name, from_name, wire_name) =
        if message.fields.is_empty() { ("_out", "from", "wire") } else { ("out", "from", "wire") };
    let body = if message.fields.is_empty() {
        "let _ = (number, depth); from.skip(wire)".to_owned()
    } else {
        format!("match number {{ {takes} _ => from.skip(wire) }}")
    };
    let copy = if message.fields.is_empty() { ", Copy" } else { "" };
    writeln!(
        out,
        "/// `{full_name}`\n#[derive(Clone, Debug, Default, PartialEq{copy})]\npub struct {name} {{ {members} }}\n\
         impl machinery::Message for {name} {{\n const SCHEMA: &'static Message = &{table};\n\
         fn write(&self, {out_name}: &mut Writer) {{ {puts} }}\n\
         fn read_field(&mut self, number: u32, {wire_name}: u8, {from_name}: &mut Reader<'_>, depth: usize) -> Result<(), WireError> {{ {body} }}\n}}",
        table = names::table(name),
    )
    .ok();
}

fn write_resource(facts: &Facts, full_name: &str, place: &Place, out: &mut String) {
    let message = &facts.messages[full_name];
    let has_metadata =
        message.fields.iter().any(|f| f.name == "metadata" && f.ty.ends_with("meta.v1.ObjectMeta"));
    let kind = facts.kinds.iter().find(|(_, name)| *name == full_name);
    let (true, true, Some(((group, version, kind), _))) = (has_metadata, message.type_meta, kind) else {
        return;
    };
    let resource =
        facts.resources.iter().find(|r| r.group == *group && r.version == *version && r.kind == *kind);
    writeln!(
        out,
        "impl machinery::Resource for {name} {{\n const GROUP: &'static str = {group:?};\n const VERSION: &'static str = {version:?};\n\
         const KIND: &'static str = {kind:?};\n const PLURAL: &'static str = {plural:?};\n const NAMESPACED: bool = {namespaced};\n\
         fn metadata(&self) -> &machinery::meta::v1::ObjectMeta {{ &self.metadata }}\n\
         fn metadata_mut(&mut self) -> &mut machinery::meta::v1::ObjectMeta {{ &mut self.metadata }}\n}}",
        name = names::split(full_name).1,
        plural = resource.map(|r| r.plural.as_str()).unwrap_or_default(),
        namespaced = resource.is_some_and(|r| r.namespaced),
    )
    .ok();
    let _ = place;
}
