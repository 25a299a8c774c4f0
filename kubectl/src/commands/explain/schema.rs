//! Walks an OpenAPI v3 document and writes what it says (`kubectl/pkg/explain/v2`).

use serde_json::Value;

use super::wrap::{indent, wrap};
use crate::values;

/// Values of an enumeration shown beside a field.
const ENUM_SHOWN: usize = 4;

/// A document, self-contained.
pub struct Document<'d> {
    root: &'d Value,
}

impl<'d> Document<'d> {
    /// Over the parsed document.
    pub fn new(root: &'d Value) -> Document<'d> {
        Document { root }
    }

    /// Explains a kind (group, version and kind), or a field of it.
    pub fn explain(
        &self,
        [group, version, kind]: [&str; 3],
        fields: &[String],
        recursive: bool,
    ) -> Result<String, String> {
        let is_kind = |schema: &Value| {
            values::list(schema, "/x-kubernetes-group-version-kind").iter().any(|known| {
                let text = |pointer: &str| values::text(known, pointer);
                text("/group") == group && text("/version") == version && text("/kind") == kind
            })
        };
        let schemas = values::entries(self.root, "/components/schemas");
        let Some((_, schema)) = schemas.into_iter().find(|(_, schema)| is_kind(schema)) else {
            return Err(format!(
                "GVK map[group:{group} kind:{kind} version:{version}] not found in OpenAPI schema"
            ));
        };
        match self.output(schema, fields, recursive, &mut Vec::new()) {
            Some(text) => Ok(text + "\n"),
            None => Err(format!(
                "field {:?} does not exist",
                fields.last().map(String::as_str).unwrap_or_default()
            )),
        }
    }

    /// What a reference stands for.
    fn target(&self, schema: &Value) -> Option<&'d Value> {
        let pointer = schema.get("$ref").and_then(Value::as_str)?.strip_prefix('#')?;
        self.root.pointer(pointer)
    }

    /// The field at the end of the path; none when there is no such field.
    fn output(
        &self,
        schema: &'d Value,
        path: &[String],
        recursive: bool,
        seen: &mut Vec<String>,
    ) -> Option<String> {
        let reference = values::text(schema, "/$ref");
        let resolved = self.target(schema).unwrap_or(schema);
        let Some((first, rest)) = path.split_first() else {
            return Some(self.summary(resolved, recursive));
        };
        if !reference.is_empty() && seen.iter().any(|known| known == reference) {
            return None;
        }
        seen.push(reference.to_owned());
        let property = resolved.get("properties").and_then(|properties| properties.get(first));
        if let Some(property) =
            property.filter(|property| property.as_object().is_some_and(|map| !map.is_empty()))
        {
            let mut out = String::new();
            if rest.is_empty() {
                out.push_str(&format!("FIELD: {first} <{}>\n", self.type_of(property)));
                let all = values::list(property, "/enum");
                if !all.is_empty() {
                    out.push_str("ENUM:");
                    all.iter().for_each(|value| out.push_str(&format!("\n    {}", enumerated(value))));
                }
                out.push_str("\n\n");
            }
            // Nothing is said of a field beneath one that does not exist, not even the field above it.
            return self.output(property, rest, recursive, &mut Vec::new()).map(|inner| out + &inner);
        }
        for key in ["items", "additionalProperties"] {
            if let Some(inner) = resolved.get(key).filter(|inner| inner.is_object()) {
                return self.output(inner, path, recursive, seen);
            }
        }
        let parts = resolved.get("allOf").and_then(Value::as_array);
        parts.into_iter().flatten().find_map(|part| self.output(part, path, recursive, &mut seen.clone()))
    }

    fn summary(&self, schema: &'d Value, recursive: bool) -> String {
        let description = match self.description(schema) {
            text if text.is_empty() => "<empty>".to_owned(),
            text => text,
        };
        let mut out = format!("DESCRIPTION:\n{}\n", indent(&wrap(&description, 76), 4));
        let documents = external(schema, 0, 76);
        if !documents.is_empty() {
            out.push_str(&format!("\n{documents}"));
        }
        let mut fields = String::new();
        self.fields(schema, 1, recursive, &[], &mut fields);
        if !fields.is_empty() {
            out.push_str(&format!("FIELDS:\n{fields}"));
        }
        out
    }

    /// The descriptions of a schema and of what it consists of, a line each.
    fn description(&self, schema: &'d Value) -> String {
        let schema = self.target(schema).unwrap_or(schema);
        let mut out = String::new();
        match values::text(schema, "/description") {
            "" => {}
            text => out.push_str(&format!("{text}\n")),
        }
        let parts = schema.get("allOf").and_then(Value::as_array).into_iter().flatten();
        let inner = ["items", "additionalProperties"].into_iter().filter_map(|key| schema.get(key));
        for part in parts.chain(inner.filter(|inner| inner.is_object())) {
            out.push_str(&self.description(part));
        }
        out
    }

    fn fields(&self, schema: &'d Value, level: usize, recursive: bool, seen: &[String], out: &mut String) {
        let reference = values::text(schema, "/$ref").to_owned();
        if !reference.is_empty() && seen.contains(&reference) {
            return;
        }
        let seen = [seen, &[reference]].concat();
        let schema = self.target(schema).unwrap_or(schema);
        for (name, property) in values::entries(schema, "/properties") {
            let required = values::list(schema, "/required").iter().any(|known| known == name);
            self.field(name, property, required, level, recursive, out);
            if recursive {
                self.fields(property, level + 1, recursive, &seen, out);
            }
        }
        let parts = schema.get("allOf").and_then(Value::as_array).into_iter().flatten();
        let inner = ["items", "additionalProperties"].into_iter().filter_map(|key| schema.get(key));
        for part in parts.chain(inner.filter(|inner| inner.is_object())) {
            self.fields(part, level, recursive, &seen, out);
        }
    }

    fn field(
        &self,
        name: &str,
        schema: &'d Value,
        required: bool,
        level: usize,
        short: bool,
        out: &mut String,
    ) {
        let by = level * 2;
        let required = if required { " -required-" } else { "" };
        out.push_str(&format!("{}\t<{}>{required}", indent(name, by), self.type_of(schema)));
        let all = values::list(schema, "/enum");
        if !all.is_empty() {
            let shown: Vec<String> = all.iter().take(ENUM_SHOWN).map(enumerated).collect();
            let more = if all.len() > ENUM_SHOWN { ", ...." } else { "" };
            out.push_str(&format!("\n{}enum: {}{more}", " ".repeat(by), shown.join(", ")));
        }
        out.push('\n');
        if short {
            return;
        }
        let description = match values::text(schema, "/description") {
            "" => "<no description>",
            text => text,
        };
        out.push_str(&format!("{}\n", indent(&wrap(description, 78usize.saturating_sub(by)), by + 2)));
        let documents = external(schema, by + 2, 76usize.saturating_sub(by));
        if !documents.is_empty() {
            out.push_str(&format!("\n{documents}"));
        }
        out.push('\n');
    }

    /// A short name of the type: `string`, `[]Container`, `map[string]string`.
    fn type_of(&self, schema: &'d Value) -> String {
        if let Some(items) = schema.get("items").filter(|items| !items.is_null()) {
            return format!("[]{}", self.type_of(items));
        }
        if let Some(values) = schema.get("additionalProperties").filter(|values| values.is_object()) {
            return format!("map[string]{}", self.type_of(values));
        }
        let properties = schema.get("properties").and_then(Value::as_object);
        if let (Some([only]), None) =
            (schema.get("allOf").and_then(Value::as_array).map(Vec::as_slice), properties)
        {
            return self.type_of(only);
        }
        let object = |text: &str| if text.is_empty() { "Object".to_owned() } else { text.to_owned() };
        match schema.get("$ref").and_then(Value::as_str) {
            Some(reference) => match self.target(schema).map(|target| values::text(target, "/type")) {
                None | Some("" | "object") => object(reference.rsplit(['/', '.']).next().unwrap_or_default()),
                Some(primitive) => primitive.to_owned(),
            },
            None => match values::text(schema, "/type") {
                "object" => "Object".to_owned(),
                other => object(other),
            },
        }
    }
}

fn enumerated(value: &Value) -> String {
    match value.as_str() {
        Some("") => "\"\"".to_owned(),
        _ => values::plain(value),
    }
}

/// The documentation a schema points to.
fn external(schema: &Value, by: usize, width: usize) -> String {
    let Some(documents) = schema.get("externalDocs").filter(|documents| documents.is_object()) else {
        return String::new();
    };
    let mut out = format!("{}\n", indent("EXTERNAL DOCS:", by));
    let inner = if by == 0 { 4 } else { by + 2 };
    match values::text(documents, "/description") {
        "" => {}
        text => out.push_str(&format!("{}\n", indent(&wrap(text, width), inner))),
    }
    match values::text(documents, "/url") {
        "" => {}
        url => out.push_str(&format!("{}\n", indent(&format!("URL: {url}"), inner))),
    }
    out
}
