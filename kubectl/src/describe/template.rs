//! Templates for pods, and what pods and templates have in common.

use serde_json::Value;

use super::read::{number, present, scalar, selector_shown};
use super::{Page, containers, volumes};
use crate::values;

/// Writes the template for pods at a pointer.
pub fn describe(object: &Value, pointer: &str, page: &mut Page) {
    page.line(0, "Pod Template:");
    let Some(template) = object.pointer(pointer).filter(|template| !template.is_null()) else {
        page.part(1, "<unset>");
        return;
    };
    let spec = template.get("spec").unwrap_or(&Value::Null);
    page.labels("  Labels", template, "/metadata/labels");
    if !values::entries(template, "/metadata/annotations").is_empty() {
        page.annotations("  Annotations", template, "/metadata/annotations");
    }
    named(1, "Service Account", spec, "/serviceAccountName", page);
    if !values::list(spec, "/initContainers").is_empty() {
        containers::describe("Init Containers", spec, "/initContainers", &[], None, "  ", page);
    }
    containers::describe("Containers", spec, "/containers", &[], None, "  ", page);
    volumes::describe(spec, "  ", page);
    spread_constraints(spec, "  ", page);
    named(1, "Priority Class Name", spec, "/priorityClassName", page);
    page.labels("  Node-Selectors", spec, "/nodeSelector");
    tolerations("  Tolerations", spec, page);
    scheduling_group(spec, "  ", page);
}

/// Writes a field that is left out when it is empty.
pub fn named(level: usize, label: &str, object: &Value, pointer: &str, page: &mut Page) {
    match scalar(object, pointer) {
        Some(text) if !text.is_empty() => page.field(level, label, text),
        _ => {}
    }
}

/// Writes the group a pod is scheduled with.
pub fn scheduling_group(spec: &Value, space: &str, page: &mut Page) {
    if present(spec, "/schedulingGroup") {
        page.line(0, &format!("{space}SchedulingGroup:"));
        page.field(1, "PodGroupName", values::text(spec, "/schedulingGroup/podGroupName"));
    }
}

/// Writes how pods are spread.
pub fn spread_constraints(spec: &Value, space: &str, page: &mut Page) {
    let mut constraints: Vec<&Value> = values::list(spec, "/topologySpreadConstraints").iter().collect();
    constraints.sort_by_key(|constraint| values::text(constraint, "/topologyKey").to_owned());
    for (at, constraint) in constraints.into_iter().enumerate() {
        let label = if at == 0 { "Topology Spread Constraints:" } else { "" };
        let (key, otherwise) =
            (values::text(constraint, "/topologyKey"), values::text(constraint, "/whenUnsatisfiable"));
        let skew = number(constraint, "/maxSkew");
        let mut text = format!("{space}{label}\t{key}:{otherwise} when max skew {skew} is exceeded");
        if present(constraint, "/labelSelector") {
            text.push_str(&format!(" for selector {}", selector_shown(constraint, "/labelSelector")));
        }
        page.line(0, &text);
    }
}

/// Writes which taints are tolerated.
pub fn tolerations(label: &str, spec: &Value, page: &mut Page) {
    let mut list: Vec<&Value> = values::list(spec, "/tolerations").iter().collect();
    list.sort_by_key(|toleration| values::text(toleration, "/key").to_owned());
    page.column(0, label, &list.into_iter().map(toleration).collect::<Vec<_>>());
}

fn toleration(toleration: &Value) -> String {
    let text = |pointer: &str| values::text(toleration, pointer);
    let mut out = text("/key").to_owned();
    if !text("/value").is_empty() {
        out.push_str(&format!("={}", text("/value")));
    }
    if !text("/effect").is_empty() {
        out.push_str(&format!(":{}", text("/effect")));
    }
    if text("/operator") == "Exists" && text("/value").is_empty() {
        let everything = text("/key").is_empty() && text("/effect").is_empty();
        out.push_str(if everything { "op=Exists" } else { " op=Exists" });
    }
    if let Some(seconds) = values::number(toleration, "/tolerationSeconds") {
        out.push_str(&format!(" for {seconds}s"));
    }
    out
}

/// Writes conditions with type, status and reason.
pub fn conditions_with_reasons(object: &Value, page: &mut Page) {
    let conditions = values::list(object, "/status/conditions");
    if conditions.is_empty() {
        return;
    }
    page.line(0, "Conditions:\n  Type\tStatus\tReason");
    page.row(1, ["----", "------", "------"]);
    for condition in conditions {
        let text = |pointer: &str| values::text(condition, pointer);
        page.row(1, [&format!("{} ", text("/type")), text("/status"), text("/reason")]);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn tolerations_are_short() {
        for (given, expected) in [
            (json!({"operator": "Exists"}), "op=Exists"),
            (
                json!({"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}),
                "a:NoExecute op=Exists for 300s",
            ),
            (json!({"key": "a", "operator": "Equal", "value": "b"}), "a=b"),
            (json!({"effect": "NoSchedule", "operator": "Exists"}), ":NoSchedule op=Exists"),
        ] {
            assert_eq!(super::toleration(&given), expected);
        }
    }
}
