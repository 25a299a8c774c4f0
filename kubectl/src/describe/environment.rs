//! Environment variables of a container.

use machinery::Quantity;
use serde_json::Value;

use super::Page;
use super::read::{present, truth};
use crate::values;

/// Writes the variables a container takes whole from config maps and secrets.
pub fn sources(container: &Value, page: &mut Page) {
    let sources = values::list(container, "/envFrom");
    if sources.is_empty() {
        return;
    }
    page.line(2, "Environment Variables from:");
    for source in sources {
        let kinds = [("/configMapRef", "ConfigMap"), ("/secretRef", "Secret")];
        let (pointer, kind) =
            kinds.into_iter().find(|(pointer, _)| present(source, pointer)).unwrap_or_default();
        let name = values::text(source, &format!("{pointer}/name"));
        let optional = values::flag(source, &format!("{pointer}/optional"));
        let prefix = match values::text(source, "/prefix") {
            "" => String::new(),
            prefix => format!(" with prefix '{prefix}'"),
        };
        page.row(3, [name, &format!("{kind}{prefix}"), &format!("Optional: {optional}")]);
    }
}

/// Writes the variables; `pod` is there to look its own fields up.
pub fn variables(container: &Value, pod: Option<&Value>, page: &mut Page) {
    let variables = values::list(container, "/env");
    if variables.is_empty() {
        page.line(2, "Environment:\t<none>");
        return;
    }
    page.line(2, "Environment:");
    for variable in variables {
        let name = values::text(variable, "/name");
        if !present(variable, "/valueFrom") {
            let mut lines = values::text(variable, "/value").split('\n');
            page.field(3, name, lines.next().unwrap_or_default());
            lines.for_each(|line| page.line(3, &format!("\t{line}")));
            continue;
        }
        let from = |pointer: &str| values::text(variable, &format!("/valueFrom{pointer}"));
        let optional = |pointer: &str| values::flag(variable, &format!("/valueFrom{pointer}/optional"));
        if present(variable, "/valueFrom/fieldRef") {
            let path = from("/fieldRef/fieldPath");
            let value = pod.map(|pod| field_of(pod, path)).unwrap_or_default();
            page.field(3, name, format!("{value} ({}:{path})", from("/fieldRef/apiVersion")));
        } else if present(variable, "/valueFrom/resourceFieldRef") {
            let resource = from("/resourceFieldRef/resource");
            let mut value = amount_of(container, resource, from("/resourceFieldRef/divisor"));
            if value == "0" && ["limits.cpu", "limits.memory"].contains(&resource) {
                value = "node allocatable".to_owned();
            }
            page.field(3, name, format!("{value} ({resource})"));
        } else if present(variable, "/valueFrom/secretKeyRef") {
            let (key, secret) = (from("/secretKeyRef/key"), from("/secretKeyRef/name"));
            let set = format!("<set to the key '{key}' in secret '{secret}'>");
            page.field(3, name, format!("{set}\tOptional: {}", optional("/secretKeyRef")));
        } else if present(variable, "/valueFrom/configMapKeyRef") {
            let (key, map) = (from("/configMapKeyRef/key"), from("/configMapKeyRef/name"));
            let set = format!("<set to the key '{key}' of config map '{map}'>");
            page.field(3, name, format!("{set}\tOptional: {}", optional("/configMapKeyRef")));
        }
    }
}

/// What upstream's client can look up in a pod: its name and namespace.
fn field_of(pod: &Value, path: &str) -> String {
    match path {
        "metadata.name" => values::name(pod).to_owned(),
        "metadata.namespace" => values::namespace(pod).to_owned(),
        _ => String::new(),
    }
}

/// A request or limit of the container, in whole multiples of `divisor`.
fn amount_of(container: &Value, resource: &str, divisor: &str) -> String {
    let Some((side @ ("limits" | "requests"), name)) = resource.split_once('.') else { return String::new() };
    if !["cpu", "memory", "ephemeral-storage"].contains(&name) && !name.starts_with("hugepages-") {
        return String::new();
    }
    let list = container.pointer("/resources").and_then(|resources| resources.get(side));
    let own = list.and_then(|list| list.get(name)).map(values::plain).unwrap_or_default();
    let amount = Quantity::parse(&own).unwrap_or_default();
    let divisor = match Quantity::parse(divisor) {
        Ok(divisor) if !divisor.is_zero() => divisor,
        _ => Quantity::new(1, machinery::quantity::Format::DecimalSi),
    };
    let (amount, divisor) = if name == "cpu" {
        (amount.milli_value(), divisor.milli_value())
    } else {
        (amount.value(), divisor.value())
    };
    let (whole, rest) = (amount.checked_div(divisor), amount.checked_rem(divisor));
    (whole.unwrap_or_default() + i64::from(rest.is_some_and(|rest| rest > 0))).to_string()
}

/// Writes whether a container is ready and how often it was started again.
pub fn readiness(status: &Value, page: &mut Page) {
    page.field(2, "Ready", truth(values::flag(status, "/ready")));
    page.field(2, "Restart Count", super::read::number(status, "/restartCount"));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn amounts_are_whole_multiples() {
        let container = json!({"resources": {"limits": {"cpu": "250m", "memory": "64Mi"}}});
        for (resource, divisor, expected) in [
            ("limits.cpu", "", "1"),
            ("limits.cpu", "1m", "250"),
            ("limits.memory", "1Mi", "64"),
            ("requests.cpu", "0", "0"),
            ("limits.gpu", "", ""),
        ] {
            assert_eq!(amount_of(&container, resource, divisor), expected, "{resource}");
        }
    }
}
