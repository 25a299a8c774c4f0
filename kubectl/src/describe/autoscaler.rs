//! Horizontal pod autoscalers, in either version of the API.

use machinery::quote::go_quote;
use serde_json::Value;

use super::read::{number, present, quantity, scalar, scalar_or};
use super::{Around, Page};
use crate::{Result, values};

/// Writes the page of an autoscaler.
pub fn describe(scaler: &Value, _: &Around, page: &mut Page) -> Result<()> {
    let text = |pointer: &str| values::text(scaler, pointer);
    page.identity(scaler);
    page.field(0, "CreationTimestamp", page.time(scaler, "/metadata/creationTimestamp"));
    let kind = text("/spec/scaleTargetRef/kind");
    page.field(0, "Reference", format!("{kind}/{}", text("/spec/scaleTargetRef/name")));
    if values::group_version(scaler).1 == "v1" {
        if let Some(target) = scalar(scaler, "/spec/targetCPUUtilizationPercentage") {
            page.field(0, "Target CPU utilization", format!("{target}%"));
            let current = scalar_or(scaler, "/status/currentCPUUtilizationPercentage", "<unknown>");
            page.field(0, "Current CPU utilization", format!("{current}%"));
        }
    } else {
        page.field(0, "Metrics", "( current / target )");
        for (at, metric) in values::list(scaler, "/spec/metrics").iter().enumerate() {
            let current = values::list(scaler, "/status/currentMetrics").get(at).unwrap_or(&Value::Null);
            page.line(1, &metric_line(metric, current));
        }
    }
    page.field(0, "Min replicas", scalar_or(scaler, "/spec/minReplicas", "<unset>"));
    page.field(0, "Max replicas", number(scaler, "/spec/maxReplicas"));
    if present(scaler, "/spec/behavior") {
        page.line(0, "Behavior:");
        for (label, pointer) in
            [("Scale Up", "/spec/behavior/scaleUp"), ("Scale Down", "/spec/behavior/scaleDown")]
        {
            if let Some(rules) = scaler.pointer(pointer).filter(|rules| !rules.is_null()) {
                page.line(1, &format!("{label}:"));
                behavior(rules, page);
            }
        }
    }
    let (current, desired) =
        (number(scaler, "/status/currentReplicas"), number(scaler, "/status/desiredReplicas"));
    page.field(0, &format!("{kind} pods"), format!("{current} current / {desired} desired"));
    let conditions = values::list(scaler, "/status/conditions");
    if !conditions.is_empty() && values::group_version(scaler).1 != "v1" {
        page.line(0, "Conditions:");
        page.row(1, ["Type", "Status", "Reason", "Message"]);
        page.row(1, ["----", "------", "------", "-------"]);
        for condition in conditions {
            let text = |pointer: &str| values::text(condition, pointer);
            page.row(1, [text("/type"), text("/status"), text("/reason"), text("/message")]);
        }
    }
    Ok(())
}

/// A metric with what it is and should be.
fn metric_line(metric: &Value, current: &Value) -> String {
    let kind = values::text(metric, "/type");
    let text = |pointer: &str| values::text(metric, pointer);
    let seen = |field: &str, what: &str| match present(current, &format!("/{field}")) {
        true => quantity(current, &format!("/{field}/current/{what}")),
        false => "<unknown>".to_owned(),
    };
    match kind {
        "External" => {
            let name = go_quote(text("/external/metric/name"));
            if let Some(target) = scalar(metric, "/external/target/averageValue") {
                let current = scalar_or(current, "/external/current/averageValue", "<unknown>");
                format!("{name} (target average value):\t{current} / {target}")
            } else {
                let target = quantity(metric, "/external/target/value");
                format!("{name} (target value):\t{} / {target}", seen("external", "value"))
            }
        }
        "Pods" => {
            let (name, target) =
                (go_quote(text("/pods/metric/name")), quantity(metric, "/pods/target/averageValue"));
            format!("{name} on pods:\t{} / {target}", seen("pods", "averageValue"))
        }
        "Object" => {
            let of =
                format!("{}/{}", text("/object/describedObject/kind"), text("/object/describedObject/name"));
            let average = text("/object/target/type") == "AverageValue";
            let (what, label) =
                if average { ("averageValue", "target average value") } else { ("value", "target value") };
            let target = quantity(metric, &format!("/object/target/{what}"));
            let name = text("/object/metric/name");
            format!("\"{name}\" on {of} ({label}):\t{} / {target}", seen("object", what))
        }
        "Resource" | "ContainerResource" => {
            let field = if kind == "Resource" { "resource" } else { "containerResource" };
            let name = text(&format!("/{field}/name"));
            let head = match kind {
                "Resource" => format!("resource {name} on pods"),
                _ => format!(
                    "resource {name} of container \"{}\" on pods",
                    text("/containerResource/container")
                ),
            };
            if let Some(target) = scalar(metric, &format!("/{field}/target/averageValue")) {
                return format!("{head}:\t{} / {target}", seen(field, "averageValue"));
            }
            let current = match scalar(current, &format!("/{field}/current/averageUtilization")) {
                Some(share) => {
                    format!("{share}% ({})", quantity(current, &format!("/{field}/current/averageValue")))
                }
                None => "<unknown>".to_owned(),
            };
            let target = scalar(metric, &format!("/{field}/target/averageUtilization"));
            let target = target.map_or_else(|| "<auto>".to_owned(), |share| format!("{share}%"));
            format!("{head}  (as a percentage of request):\t{current} / {target}")
        }
        other => format!("<unknown metric type {}>", go_quote(other)),
    }
}

fn behavior(rules: &Value, page: &mut Page) {
    if let Some(seconds) = scalar(rules, "/stabilizationWindowSeconds") {
        page.line(2, &format!("Stabilization Window: {seconds} seconds"));
    }
    let policies = values::list(rules, "/policies");
    if policies.is_empty() {
        return;
    }
    page.line(2, &format!("Select Policy: {}", scalar_or(rules, "/selectPolicy", "Max")));
    page.line(2, "Policies:");
    for policy in policies {
        let (kind, value) = (values::text(policy, "/type"), number(policy, "/value"));
        let period = number(policy, "/periodSeconds");
        page.line(3, &format!("- Type: {kind}\tValue: {value}\tPeriod: {period} seconds"));
    }
}
