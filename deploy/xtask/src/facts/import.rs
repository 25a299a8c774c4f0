//! Makes the compact facts from upstream's published descriptions of the API.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Facts, FieldFact, MessageFact, ResourceFact};

/// Reads `protobuf.json`, `swagger.json`, `merge-schema.yaml`, `resources.json` and `golden/` of `dir`.
pub fn import(dir: &Path) -> Result<Facts> {
    let json = |name: &str| -> Result<Value> {
        let path = dir.join(name);
        let text = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("parsing {}", path.display()))
    };
    let protobuf = json("protobuf.json")?;
    let swagger = json("swagger.json")?;
    let definitions = &swagger["definitions"];
    let merge: Value = serde_yaml::from_str(&fs::read_to_string(dir.join("merge-schema.yaml"))?)?;
    let merge: BTreeMap<&str, &Value> = merge["types"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|ty| Some((ty["name"].as_str()?, ty)))
        .collect();

    let mut facts = Facts::default();
    for (name, fields) in protobuf.as_object().into_iter().flatten() {
        let openapi = openapi_name(name);
        let definition = &definitions[&openapi];
        let merge_type = merge.get(openapi.as_str()).copied().unwrap_or(&Value::Null);
        let mut message = MessageFact {
            type_meta: definition["properties"]["kind"].is_object()
                && definition["properties"]["apiVersion"].is_object()
                && fields.get("kind").is_none(),
            atomic: definition["x-kubernetes-map-type"] == "atomic"
                || merge_type["map"]["elementRelationship"] == "atomic",
            fields: Vec::new(),
        };
        for (field_name, field) in fields.as_object().into_iter().flatten() {
            let json_name = field["json"].as_str().unwrap_or(field_name);
            let fact = field_fact(name, field_name, field, definition, merge_field(merge_type, json_name));
            message.fields.push(fact);
        }
        message.fields.sort_by_key(|field| field.number);
        facts.messages.insert(name.clone(), message);
    }
    kinds_from_swagger(&mut facts, definitions);
    let mut golden: Vec<_> = fs::read_dir(dir.join("golden"))?.collect::<Result<_, _>>()?;
    golden.sort_by_key(fs::DirEntry::file_name);
    for entry in golden {
        let file = entry.file_name().to_string_lossy().into_owned();
        if let Some(stem) = file.strip_suffix(".json") {
            let object: Value = serde_json::from_slice(&fs::read(entry.path())?)?;
            order_by_golden(&mut facts, stem, &object);
        }
    }
    lists_have_type_meta(&mut facts);
    facts.resources = resources(&json("resources.json")?);
    Ok(facts)
}

/// `k8s.io.api.core.v1.Pod` → `io.k8s.api.core.v1.Pod`.
fn openapi_name(name: &str) -> String {
    let rest = name.strip_prefix("k8s.io.").unwrap_or(name);
    let rest = rest.replace("apiextensions_apiserver", "apiextensions-apiserver");
    format!("io.k8s.{}", rest.replace("kube_aggregator", "kube-aggregator"))
}

fn merge_field<'a>(merge_type: &'a Value, name: &str) -> &'a Value {
    let fields = merge_type["map"]["fields"].as_array();
    fields.into_iter().flatten().find(|field| field["name"] == name).unwrap_or(&Value::Null)
}

fn field_fact(owner: &str, name: &str, field: &Value, definition: &Value, merge: &Value) -> FieldFact {
    let json = field["json"].as_str().filter(|json| *json != "-");
    let property = &definition["properties"][json.unwrap_or(name)];
    let full = field["type"].as_str().unwrap_or_default();
    let (label, ty) = match full.strip_prefix("map<string,").and_then(|rest| rest.strip_suffix('>')) {
        Some(value) => ("map", value),
        None if field["label"] == "repeated" => ("repeated", full),
        None => ("single", full),
    };
    let mut words = Vec::new();
    for word in ["omitempty", "pointer", "inline"] {
        if field[word] == true {
            words.push(word.to_owned());
        }
    }
    // The union types of CRD schemas have no JSON tags, so the source does not say that this is a pointer.
    if owner.contains("JSONSchemaPropsOr") && name == "schema" {
        words.push("pointer".to_owned());
    }
    if owner.ends_with("meta.v1.ObjectMeta") && name == "creationTimestamp" {
        words.push("omitzero".to_owned());
    }
    let required = definition["required"].as_array().into_iter().flatten().any(|r| r == json.unwrap_or(name));
    if required {
        words.push("required".to_owned());
    }
    let merge_type = &merge["type"];
    if label != "repeated"
        && (property["x-kubernetes-map-type"] == "atomic"
            || merge_type["map"]["elementRelationship"] == "atomic")
    {
        words.push("mapatomic".to_owned());
    }
    let strings = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect()
    };
    let mut list = property["x-kubernetes-list-type"].as_str().filter(|l| *l != "atomic").map(str::to_owned);
    let mut keys = strings(&property["x-kubernetes-list-map-keys"]);
    if merge_type["list"]["elementRelationship"] == "associative" {
        keys = strings(&merge_type["list"]["keys"]);
        list = Some(if keys.is_empty() { "set" } else { "map" }.to_owned());
    }
    let default = &merge["default"];
    let trivial = default.is_null()
        || default == ""
        || default == 0
        || default == false
        || default.as_object().is_some_and(serde_json::Map::is_empty);
    FieldFact {
        name: name.to_owned(),
        json: json.map(str::to_owned),
        number: field["number"].as_u64().unwrap_or_default() as u32,
        label: label.to_owned(),
        ty: ty.to_owned(),
        words,
        list,
        keys,
        patch: property["x-kubernetes-patch-strategy"]
            .as_str()
            .map(|s| s.split(',').map(str::to_owned).collect())
            .unwrap_or_default(),
        merge_key: property["x-kubernetes-patch-merge-key"].as_str().map(str::to_owned),
        default: if trivial { None } else { Some(default.to_string()) },
    }
}

fn kinds_from_swagger(facts: &mut Facts, definitions: &Value) {
    let names: Vec<String> = facts.messages.keys().cloned().collect();
    for name in names {
        // The kinds of meta.k8s.io are listed there under every group; they have a home of their own.
        if name.contains(".apimachinery.") {
            continue;
        }
        let gvks = definitions[openapi_name(&name)]["x-kubernetes-group-version-kind"].clone();
        for gvk in gvks.as_array().into_iter().flatten() {
            let text = |key: &str| gvk[key].as_str().unwrap_or_default().to_owned();
            facts.kinds.insert((text("group"), text("version"), text("kind")), name.clone());
        }
    }
}

/// A golden object has every field set, in Go's order; nested objects order the nested structs.
fn order_by_golden(facts: &mut Facts, stem: &str, object: &Value) {
    let mut parts: Vec<&str> = stem.split('.').collect();
    let (Some(kind), Some(version)) = (parts.pop(), parts.pop()) else { return };
    let group = parts.join(".");
    let Some(name) = find_message(facts, &group, version, kind) else { return };
    if !name.contains(".apimachinery.") {
        let group = if group == "core" { String::new() } else { group };
        facts.kinds.insert((group, version.to_owned(), kind.to_owned()), name.clone());
    }
    if let Some(message) = facts.messages.get_mut(&name) {
        message.type_meta = !message.fields.iter().any(|f| f.name == "apiVersion");
    }
    order(facts, &name, object, &mut BTreeSet::new());
}

fn find_message(facts: &Facts, group: &str, version: &str, kind: &str) -> Option<String> {
    let package = match group {
        "rbac.authorization.k8s.io" => "rbac",
        "flowcontrol.apiserver.k8s.io" => "flowcontrol",
        "internal.apiserver.k8s.io" => "apiserverinternal",
        other => other.strip_suffix(".k8s.io").unwrap_or(other),
    };
    let candidates = [
        format!("k8s.io.api.{package}.{version}.{kind}"),
        format!("k8s.io.apimachinery.pkg.apis.meta.{version}.{kind}"),
    ];
    candidates.into_iter().find(|name| facts.messages.contains_key(name))
}

fn order(facts: &mut Facts, name: &str, object: &Value, open: &mut BTreeSet<String>) {
    let Some(members) = object.as_object() else { return };
    if !open.insert(name.to_owned()) {
        return;
    }
    let position = |json: &str| members.keys().position(|key| key == json).unwrap_or(usize::MAX);
    let Some(mut message) = facts.messages.remove(name) else { return };
    let mut ranked: Vec<(usize, u32, FieldFact)> = message
        .fields
        .drain(..)
        .map(|field| {
            let rank = if field.has("inline") {
                let inner = facts.messages.get(&field.ty);
                let names = inner.into_iter().flat_map(|m| json_names(facts, m));
                names.map(|json| position(&json)).min().unwrap_or(usize::MAX)
            } else {
                position(field.json_name())
            };
            (rank, field.number, field)
        })
        .collect();
    ranked.sort_by_key(|(rank, number, _)| (*rank, *number));
    let next: Vec<(String, Value)> = ranked
        .iter()
        .filter(|(_, _, field)| field.ty.contains('.'))
        .map(|(_, _, field)| {
            let value = if field.has("inline") { object } else { &object[field.json_name()] };
            let value = match field.label.as_str() {
                "repeated" => &value[0],
                "map" => value.as_object().and_then(|m| m.values().next()).unwrap_or(&Value::Null),
                _ => value,
            };
            (field.ty.clone(), value.clone())
        })
        .collect();
    message.fields = ranked.into_iter().map(|(_, _, field)| field).collect();
    facts.messages.insert(name.to_owned(), message);
    for (ty, value) in next {
        order(facts, &ty, &value, open);
    }
    open.remove(name);
}

fn json_names(facts: &Facts, message: &MessageFact) -> Vec<String> {
    let mut names = Vec::new();
    for field in &message.fields {
        match facts.messages.get(&field.ty) {
            Some(inner) if field.has("inline") => names.extend(json_names(facts, inner)),
            _ => names.push(field.json_name().to_owned()),
        }
    }
    names
}

/// `PodList` and the like embed `TypeMeta` and are kinds wherever their items are.
fn lists_have_type_meta(facts: &mut Facts) {
    let kinds: Vec<_> = facts.kinds.iter().map(|(k, name)| (k.clone(), name.clone())).collect();
    for ((group, version, kind), name) in kinds {
        let list = format!("{name}List");
        if let Some(message) = facts.messages.get_mut(&list) {
            message.type_meta = true;
            facts.kinds.insert((group, version, format!("{kind}List")), list);
        }
    }
}

fn resources(table: &Value) -> Vec<ResourceFact> {
    let strings = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect()
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    table
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| ResourceFact {
            group: text(&row["group"]),
            version: text(&row["version"]),
            plural: text(&row["resource"]),
            kind: text(&row["kind"]),
            singular: text(&row["singular"]),
            namespaced: row["namespaced"] == true,
            verbs: strings(&row["verbs"]),
            short_names: strings(&row["shortNames"]),
            categories: strings(&row["categories"]),
            subresources: row["subresources"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, sub)| {
                    let kind = text(&sub["kind"]);
                    let kind = if kind.matches('/').count() == 1 { format!("/{kind}") } else { kind };
                    (name.clone(), kind, strings(&sub["verbs"]))
                })
                .collect(),
        })
        .collect()
}
