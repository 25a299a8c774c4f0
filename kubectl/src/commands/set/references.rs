//! Variables whose values are elsewhere: in secrets, config maps, or the pod itself.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::error::message;
use crate::{Factory, Result, resources, values};

/// A `valueFrom` in upstream's words.
pub fn shown(from: &Value) -> String {
    let text = |pointer: &str| values::text(from, pointer).to_owned();
    if from.get("configMapKeyRef").is_some() {
        format!("configmap {}, key {}", text("/configMapKeyRef/name"), text("/configMapKeyRef/key"))
    } else if from.get("resourceFieldRef").is_some() {
        let container = text("/resourceFieldRef/containerName");
        let resource = text("/resourceFieldRef/resource");
        if container.is_empty() {
            format!("resource field {resource}")
        } else {
            format!("resource field {container}.{resource}")
        }
    } else if from.get("secretKeyRef").is_some() {
        format!("secret {}, key {}", text("/secretKeyRef/name"), text("/secretKeyRef/key"))
    } else if from.get("fieldRef").is_some() {
        format!("field path {}", text("/fieldRef/fieldPath"))
    } else {
        "invalid valueFrom".to_owned()
    }
}

/// Secrets and config maps that were read.
#[derive(Default)]
pub struct Sources(HashMap<(&'static str, String), Value>);

impl Sources {
    /// What a `valueFrom` stands for, as far as it can be known without a running pod.
    pub async fn value(
        &mut self,
        from: &Value,
        object: &Value,
        container: &Value,
        factory: &Factory,
    ) -> Result<String> {
        if let Some(reference) = from.get("secretKeyRef") {
            return self.key("secrets", "secret", reference, factory).await;
        }
        if let Some(reference) = from.get("configMapKeyRef") {
            return self.key("configmaps", "config map", reference, factory).await;
        }
        if let Some(reference) = from.get("fieldRef") {
            return field(object, values::text(reference, "/fieldPath"));
        }
        match from.get("resourceFieldRef") {
            Some(reference) => requirement(container, reference),
            None => Err(message("invalid valueFrom")),
        }
    }

    async fn key(
        &mut self,
        resource: &'static str,
        word: &str,
        reference: &Value,
        factory: &Factory,
    ) -> Result<String> {
        let (name, key) = (values::text(reference, "/name"), values::text(reference, "/key"));
        let known = (resource, name.to_owned());
        if !self.0.contains_key(&known) {
            let target = resources::target(factory, factory.resource(resource).await?, name)?;
            let object = target.get(factory).await?;
            self.0.insert(known.clone(), object);
        }
        let data = self.0.get(&known).and_then(|object| object.get("data")).and_then(|data| data.get(key));
        match data.and_then(Value::as_str) {
            None => Err(message(format!("key {key} not found in {word} {name}"))),
            Some(text) if resource == "secrets" => {
                let bytes = STANDARD.decode(text).map_err(|error| message(error.to_string()))?;
                Ok(String::from_utf8_lossy(&bytes).into_owned())
            }
            Some(text) => Ok(text.to_owned()),
        }
    }
}

/// A field of metadata, by path or with a key in brackets.
fn field(object: &Value, path: &str) -> Result<String> {
    if let Some((map, key)) = path.strip_suffix("']").and_then(|path| path.split_once("['")) {
        return match map {
            "metadata.annotations" | "metadata.labels" => {
                let pointer = format!("/{}", map.replace('.', "/"));
                let value = object.pointer(&pointer).and_then(|map| map.get(key)).map(values::plain);
                Ok(value.unwrap_or_default())
            }
            _ => Err(message(format!("fieldPath {path:?} does not support subscript"))),
        };
    }
    let pointer = format!("/{}", path.replace('.', "/"));
    match path {
        "metadata.name" | "metadata.namespace" | "metadata.uid" => {
            Ok(values::text(object, &pointer).to_owned())
        }
        "metadata.annotations" | "metadata.labels" => {
            let lines = values::entries(object, &pointer).into_iter();
            let lines: Vec<String> =
                lines.map(|(key, value)| format!("{key}={:?}", values::plain(value))).collect();
            Ok(lines.join("\n"))
        }
        _ => Err(message(format!("unsupported fieldPath: {path}"))),
    }
}

/// A request or limit of the container, counted in the divisor's units, rounded up.
fn requirement(container: &Value, reference: &Value) -> Result<String> {
    let resource = values::text(reference, "/resource");
    let Some((list, name)) =
        resource.split_once('.').filter(|(list, _)| matches!(*list, "limits" | "requests"))
    else {
        return Err(message(format!("Unsupported container resource : {resource}")));
    };
    let quantity = |text: &str| -> Result<i128> {
        let quantity: machinery::quantity::Quantity = text
            .parse()
            .map_err(|error| message(format!("the quantity {text:?} of {resource} is not valid: {error}")))?;
        Ok(i128::from(quantity.milli_value()))
    };
    let amount = container.pointer(&format!("/resources/{list}")).and_then(|all| all.get(name));
    let amount = quantity(&amount.map_or_else(|| "0".to_owned(), values::plain))?;
    let divisor = reference.get("divisor").map(values::plain).filter(|text| text != "0");
    let divisor = quantity(divisor.as_deref().unwrap_or("1"))?.max(1);
    Ok(((amount + divisor - 1) / divisor).to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_and_requirements_are_resolved() {
        let object = json!({"metadata": {"name": "n", "labels": {"b": "2", "a": "1"}}});
        let check = |path: &str, expected: &str| {
            assert_eq!(field(&object, path).unwrap_or_else(|error| error.report()), expected);
        };
        check("metadata.name", "n");
        check("metadata.labels", "a=\"1\"\nb=\"2\"");
        check("metadata.labels['b']", "2");
        check("status.podIP", "error: unsupported fieldPath: status.podIP");
        let container = json!({"resources": {"limits": {"cpu": "1500m", "memory": "64Mi"}}});
        let amount = |reference: Value| requirement(&container, &reference).unwrap_or_default();
        assert_eq!(amount(json!({"resource": "limits.cpu"})), "2");
        assert_eq!(amount(json!({"resource": "limits.cpu", "divisor": "1m"})), "1500");
        assert_eq!(amount(json!({"resource": "limits.memory", "divisor": "1Mi"})), "64");
        assert_eq!(amount(json!({"resource": "x"})), "");
        assert_eq!(shown(&json!({"secretKeyRef": {"name": "s", "key": "k"}})), "secret s, key k");
    }
}
