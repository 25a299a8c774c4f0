//! Built-in kinds that upstream stores as JSON: definitions of custom resources, in their beta version.

use serde_json::{Map, Value};

/// A stored definition in the form of `v1`, whatever version it was written in.
///
/// Source: the conversions of `apiextensions-apiserver/pkg/apis/apiextensions/v1beta1`.
pub fn definition_as_v1(mut stored: Value) -> Value {
    if stored.get("apiVersion").and_then(Value::as_str) != Some("apiextensions.k8s.io/v1beta1") {
        return stored;
    }
    if let Some(spec) = stored.get_mut("spec").and_then(Value::as_object_mut) {
        spec_as_v1(spec);
    }
    if let Some(object) = stored.as_object_mut() {
        object.insert("apiVersion".to_owned(), "apiextensions.k8s.io/v1".into());
    }
    stored
}

fn spec_as_v1(spec: &mut Map<String, Value>) {
    // What all versions share stands once, beside them.
    let shared = [
        ("validation", "schema"),
        ("subresources", "subresources"),
        ("additionalPrinterColumns", "additionalPrinterColumns"),
        ("selectableFields", "selectableFields"),
    ];
    let shared: Vec<(&str, Value)> =
        shared.iter().filter_map(|(from, to)| Some((*to, spec.remove(*from)?))).collect();
    if let Some(only) = spec.remove("version").filter(|_| !spec.contains_key("versions")) {
        let version = serde_json::json!({"name": only, "served": true, "storage": true});
        spec.insert("versions".to_owned(), Value::Array(vec![version]));
    }
    let versions = spec.get_mut("versions").and_then(Value::as_array_mut).into_iter().flatten();
    for version in versions.filter_map(Value::as_object_mut) {
        for (name, value) in &shared {
            version.entry(*name).or_insert_with(|| value.clone());
        }
        let columns = version.get_mut("additionalPrinterColumns").and_then(Value::as_array_mut);
        for column in columns.into_iter().flatten().filter_map(Value::as_object_mut) {
            if let Some(path) = column.remove("JSONPath") {
                column.insert("jsonPath".to_owned(), path);
            }
        }
    }
    let conversion = spec.get_mut("conversion").and_then(Value::as_object_mut);
    if let Some(conversion) = conversion {
        let mut webhook = Map::new();
        for (from, to) in [
            ("webhookClientConfig", "clientConfig"),
            ("conversionReviewVersions", "conversionReviewVersions"),
        ] {
            if let Some(value) = conversion.remove(from) {
                webhook.insert(to.to_owned(), value);
            }
        }
        if !webhook.is_empty() {
            conversion.insert("webhook".to_owned(), webhook.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use api_types::apiextensions::v1::CustomResourceDefinition;
    use serde_json::json;

    use crate::store::{BuiltinCodec, StoredCodec};

    #[test]
    fn definitions_that_upstream_stored_are_read() {
        let entry =
            apiserver_registry::find("apiextensions.k8s.io", "v1", "customresourcedefinitions").unwrap();
        let stored = json!({
            "kind": "CustomResourceDefinition",
            "apiVersion": "apiextensions.k8s.io/v1beta1",
            "metadata": {"name": "foos.example.com", "creationTimestamp": "2024-01-02T03:04:05Z"},
            "spec": {
                "group": "example.com",
                "version": "v1",
                "names": {"plural": "foos", "singular": "foo", "kind": "Foo", "listKind": "FooList"},
                "scope": "Namespaced",
                "validation": {"openAPIV3Schema": {"type": "object"}},
                "subresources": {"status": {}},
                "versions": [{"name": "v1", "served": true, "storage": true}],
                "additionalPrinterColumns": [{"name": "A", "type": "string", "JSONPath": ".a"}],
                "conversion": {"strategy": "None"},
                "preserveUnknownFields": false,
            },
            "status": {"conditions": null, "acceptedNames": {"plural": "foos", "kind": "Foo"}, "storedVersions": ["v1"]},
        });
        let codec = BuiltinCodec::new(entry).unwrap();
        let object = codec.decode(format!("{stored}\n").as_bytes()).unwrap();
        let definition = object.downcast_ref::<CustomResourceDefinition>().unwrap();
        let version = &definition.spec.versions[0];
        assert_eq!(definition.metadata.name, "foos.example.com");
        assert!(version.schema.as_ref().unwrap().open_apiv3_schema.is_some());
        assert!(version.subresources.as_ref().unwrap().status.is_some());
        assert_eq!(version.additional_printer_columns[0].json_path, ".a");
        assert_eq!(definition.status.accepted_names.kind, "Foo");
        let again = codec.decode(&codec.encode(object.as_ref())).unwrap();
        assert_eq!(again.downcast_ref::<CustomResourceDefinition>(), Some(definition));
    }
}
