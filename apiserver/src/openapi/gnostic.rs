//! The v2 document in protobuf, as client-go asks for it.
//!
//! Source: `openapiv2/OpenAPIv2.proto` of gnostic-models. Only what our documents hold is written: every
//! key of the JSON form that is not named here would be lost, which the tests do not allow.

use machinery::wire::{append_bytes_field, append_tag, append_varint};
use serde_json::{Map, Value};

const VARINT: u8 = 0;

/// Protobuf of a v2 document in JSON form.
pub fn encode(document: &Value) -> Vec<u8> {
    let mut out = Message::default();
    out.text(1, document, "swagger");
    out.message(2, document.get("info"), |info, out| {
        out.text(1, info, "title");
        out.text(2, info, "version");
    });
    out.message(8, document.get("paths"), |paths, out| {
        out.named(2, paths, path_item);
    });
    out.message(9, document.get("definitions"), |definitions, out| out.named(1, definitions, schema));
    for requirement in list(document, "security") {
        out.message(12, Some(requirement), |requirement, out| {
            out.named(1, requirement, |scopes, out| {
                for scope in scopes.as_array().into_iter().flatten().filter_map(Value::as_str) {
                    out.bytes(1, scope.as_bytes());
                }
            });
        });
    }
    out.message(13, document.get("securityDefinitions"), |definitions, out| {
        out.named(1, definitions, |key, out| {
            out.message(2, Some(key), |key, out| {
                out.text(1, key, "type");
                out.text(2, key, "name");
                out.text(3, key, "in");
                out.text(4, key, "description");
            });
        });
    });
    out.0
}

fn path_item(item: &Value, out: &mut Message) {
    let methods =
        [(2, "get"), (3, "put"), (4, "post"), (5, "delete"), (6, "options"), (7, "head"), (8, "patch")];
    for (number, method) in methods {
        out.message(number, item.get(method), operation);
    }
    for one in list(item, "parameters") {
        out.message(9, Some(one), parameter);
    }
}

fn operation(operation: &Value, out: &mut Message) {
    out.texts(1, operation, "tags");
    out.text(3, operation, "description");
    out.text(5, operation, "operationId");
    out.texts(6, operation, "produces");
    out.texts(7, operation, "consumes");
    for one in list(operation, "parameters") {
        out.message(8, Some(one), parameter);
    }
    out.message(9, operation.get("responses"), |responses, out| {
        out.named(1, responses, |response, out| {
            out.message(1, Some(response), |response, out| {
                out.text(1, response, "description");
                // SchemaItem: a schema and not a file.
                out.message(2, response.get("schema"), |value, out| out.message(1, Some(value), schema));
            });
        });
    });
    out.texts(10, operation, "schemes");
    extensions(13, operation, out);
}

/// ParametersItem: a parameter and not a reference.
fn parameter(item: &Value, out: &mut Message) {
    let place = item.get("in").and_then(Value::as_str).unwrap_or_default();
    out.message(1, Some(item), |item, out| {
        if place == "body" {
            return out.message(1, Some(item), |body, out| {
                out.text(1, body, "description");
                out.text(2, body, "name");
                out.text(3, body, "in");
                out.flag(4, body, "required");
                out.message(5, body.get("schema"), schema);
            });
        }
        out.message(2, Some(item), |item, out| {
            // The numbers of query parameters are those of path parameters, one later from `type` on.
            let (kind, shift) = if place == "path" { (4, 0) } else { (3, 1) };
            out.message(kind, Some(item), |item, out| {
                out.flag(1, item, "required");
                out.text(2, item, "in");
                out.text(3, item, "description");
                out.text(4, item, "name");
                out.text(5 + shift, item, "type");
                out.text(6 + shift, item, "format");
                out.flag(19 + shift, item, "uniqueItems");
            });
        });
    });
}

fn schema(value: &Value, out: &mut Message) {
    out.text(1, value, "$ref");
    out.text(2, value, "format");
    out.text(4, value, "description");
    if let Some(default) = value.get("default") {
        out.message(5, Some(default), any);
    }
    out.texts(19, value, "required");
    for one in list(value, "enum") {
        out.message(20, Some(one), any);
    }
    // AdditionalPropertiesItem: a schema and not a truth value.
    out.message(21, value.get("additionalProperties"), |inner, out| out.message(1, Some(inner), schema));
    out.message(22, value.get("type"), |name, out| {
        out.bytes(1, name.as_str().unwrap_or_default().as_bytes());
    });
    out.message(23, value.get("items"), |items, out| out.message(1, Some(items), schema));
    out.message(25, value.get("properties"), |properties, out| out.named(1, properties, schema));
    extensions(31, value, out);
}

/// Extensions are values in YAML, of which JSON is a part.
fn extensions(number: u32, value: &Value, out: &mut Message) {
    let fields: Map<String, Value> = value
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| key.starts_with("x-"))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    if !fields.is_empty() {
        out.named(number, &Value::Object(fields), any);
    }
}

fn any(value: &Value, out: &mut Message) {
    out.bytes(2, format!("{value}\n").as_bytes());
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// A message being written.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn bytes(&mut self, number: u32, bytes: &[u8]) {
        append_bytes_field(&mut self.0, number, bytes);
    }

    fn text(&mut self, number: u32, from: &Value, key: &str) {
        if let Some(text) = from.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()) {
            self.bytes(number, text.as_bytes());
        }
    }

    fn texts(&mut self, number: u32, from: &Value, key: &str) {
        for text in list(from, key).iter().filter_map(Value::as_str) {
            self.bytes(number, text.as_bytes());
        }
    }

    fn flag(&mut self, number: u32, from: &Value, key: &str) {
        if from.get(key).and_then(Value::as_bool) == Some(true) {
            append_tag(&mut self.0, number, VARINT);
            append_varint(&mut self.0, 1);
        }
    }

    fn message(&mut self, number: u32, from: Option<&Value>, write: impl FnOnce(&Value, &mut Message)) {
        let Some(from) = from else { return };
        let mut inner = Message::default();
        write(from, &mut inner);
        self.bytes(number, &inner.0);
    }

    /// A map as a list of messages with `name` and `value`.
    fn named(&mut self, number: u32, from: &Value, mut write: impl FnMut(&Value, &mut Message)) {
        for (name, value) in from.as_object().into_iter().flatten() {
            let mut pair = Message::default();
            pair.bytes(1, name.as_bytes());
            pair.message(2, Some(value), &mut write);
            self.bytes(number, &pair.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use machinery::wire::Reader;
    use serde_json::json;

    use super::*;

    /// The fields of a message as (number, bytes).
    fn fields(bytes: &[u8]) -> Vec<(u32, Vec<u8>)> {
        let mut reader = Reader::new(bytes);
        let mut fields = Vec::new();
        while let Some((number, wire)) = reader.tag().unwrap() {
            let content = if wire == VARINT {
                vec![reader.varint().unwrap() as u8]
            } else {
                reader.bytes().unwrap().to_vec()
            };
            fields.push((number, content));
        }
        fields
    }

    /// Follows a path of field numbers.
    fn at(bytes: &[u8], path: &[u32]) -> Option<Vec<u8>> {
        let Some((first, rest)) = path.split_first() else { return Some(bytes.to_vec()) };
        fields(bytes).iter().filter(|(number, _)| number == first).find_map(|(_, content)| at(content, rest))
    }

    #[test]
    fn documents_are_encoded() {
        let document = json!({
            "swagger": "2.0",
            "info": {"title": "Kubernetes", "version": "v1"},
            "paths": {"/p": {"get": {
                "operationId": "readP",
                "parameters": [
                    {"name": "watch", "in": "query", "type": "boolean", "uniqueItems": true},
                    {"name": "name", "in": "path", "type": "string", "required": true},
                    {"name": "body", "in": "body", "required": true, "schema": {"$ref": "#/definitions/a"}},
                ],
                "responses": {"200": {"description": "OK", "schema": {"$ref": "#/definitions/a"}}},
                "x-kubernetes-action": "get",
            }}},
            "definitions": {"a": {"type": "object", "required": ["b"], "properties": {
                "b": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
            }}},
            "security": [{"BearerToken": []}],
        });
        let bytes = encode(&document);
        let text = |path: &[u32]| at(&bytes, path).map(|found| String::from_utf8(found).unwrap());
        assert_eq!(text(&[1]).as_deref(), Some("2.0"));
        assert_eq!(text(&[8, 2, 1]).as_deref(), Some("/p"));
        assert_eq!(text(&[8, 2, 2, 2, 5]).as_deref(), Some("readP"));
        assert_eq!(text(&[8, 2, 2, 2, 8, 1, 2, 3, 4]).as_deref(), Some("watch"));
        assert_eq!(text(&[8, 2, 2, 2, 8, 1, 2, 4, 4]).as_deref(), Some("name"));
        assert_eq!(text(&[8, 2, 2, 2, 8, 1, 1, 5, 1]).as_deref(), Some("#/definitions/a"));
        assert_eq!(text(&[8, 2, 2, 2, 9, 1, 2, 1, 2, 1, 1]).as_deref(), Some("#/definitions/a"));
        assert_eq!(text(&[8, 2, 2, 2, 13, 2, 2]).as_deref(), Some("\"get\"\n"));
        assert_eq!(text(&[9, 1, 2, 25, 1, 2, 23, 1, 22, 1]).as_deref(), Some("string"));
        assert_eq!(text(&[9, 1, 2, 25, 1, 2, 31, 1]).as_deref(), Some("x-kubernetes-list-type"));
        assert_eq!(at(&bytes, &[8, 2, 2, 2, 8, 1, 2, 3, 20]), Some(vec![1]));
    }
}
