//! Autoscalers between versions 1 and 2. What version 1 has no field for travels in annotations.
//!
//! Source: `pkg/apis/autoscaling/v1/conversion.go`.

use super::metrics;
use crate::autoscaling::v2::horizontal_pod_autoscaler::defaults::{CPU_UTILIZATION, cpu_metric};
use api_types::autoscaling::{v1, v2};
use machinery::Message;
use serde_json::Value;
use std::collections::BTreeMap;

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT_METRICS: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";
const CARRIERS: &[&str] = &[
    METRICS,
    CURRENT_METRICS,
    CONDITIONS,
    BEHAVIOR,
    "autoscaling.alpha.kubernetes.io/scale-down-tolerance",
    "autoscaling.alpha.kubernetes.io/scale-up-tolerance",
];
/// Names of the behavior's fields as upstream writes its internal type, and ours.
const BEHAVIOR_FIELDS: &[(&str, &str)] = &[
    ("ScaleUp", "scaleUp"),
    ("ScaleDown", "scaleDown"),
    ("StabilizationWindowSeconds", "stabilizationWindowSeconds"),
    ("SelectPolicy", "selectPolicy"),
    ("Policies", "policies"),
    ("Tolerance", "tolerance"),
    ("Type", "type"),
    ("Value", "value"),
    ("PeriodSeconds", "periodSeconds"),
];

fn drop_carriers(annotations: &mut BTreeMap<String, String>) {
    annotations.retain(|key, _| !CARRIERS.contains(&key.as_str()));
}

fn list<T: Message>(items: impl Iterator<Item = T>) -> String {
    Value::Array(items.map(|item| item.to_value()).collect()).to_string()
}

fn read_list<T: Message>(text: Option<&String>) -> Option<Vec<T>> {
    let Value::Array(items) = serde_json::from_str(text?).ok()? else { return None };
    items.iter().map(|item| T::from_value(item).ok()).collect()
}

fn rename(value: Value, name: &dyn Fn(&str) -> String) -> Value {
    match value {
        Value::Object(fields) => {
            fields.into_iter().map(|(key, value)| (name(&key), rename(value, name))).collect()
        }
        Value::Array(items) => items.into_iter().map(|item| rename(item, name)).collect(),
        other => other,
    }
}

fn behavior_text(behavior: &v2::HorizontalPodAutoscalerBehavior) -> String {
    let internal = |key: &str| {
        BEHAVIOR_FIELDS.iter().find(|(_, ours)| *ours == key).map_or(key, |(theirs, _)| *theirs).to_owned()
    };
    let mut value = rename(behavior.to_value(), &internal);
    // Go writes unset pointers of its internal type as null.
    for (rules, _) in &BEHAVIOR_FIELDS[..2] {
        match value.get_mut(*rules).and_then(Value::as_object_mut) {
            Some(fields) => {
                for field in ["StabilizationWindowSeconds", "SelectPolicy", "Policies", "Tolerance"] {
                    fields.entry(field).or_insert(Value::Null);
                }
            }
            None => value[*rules] = Value::Null,
        }
    }
    value.to_string()
}

fn read_behavior(text: Option<&String>) -> Option<v2::HorizontalPodAutoscalerBehavior> {
    let ours = |key: &str| {
        BEHAVIOR_FIELDS
            .iter()
            .find(|(theirs, _)| theirs.eq_ignore_ascii_case(key))
            .map_or(key, |(_, ours)| *ours)
            .to_owned()
    };
    let value = rename(serde_json::from_str(text?).ok()?, &ours);
    let behavior = v2::HorizontalPodAutoscalerBehavior::from_value(&value).ok()?;
    (behavior != Default::default()).then_some(behavior)
}

fn cpu_percent(metric: &v2::MetricSpec) -> Option<i32> {
    let resource =
        metric.resource.as_ref().filter(|resource| metric.type_ == "Resource" && resource.name == "cpu")?;
    resource.target.average_utilization
}

/// In version 1.
pub fn to_v1(from: &v2::HorizontalPodAutoscaler) -> v1::HorizontalPodAutoscaler {
    let (spec, status) = (&from.spec, &from.status);
    let mut to = v1::HorizontalPodAutoscaler { metadata: from.metadata.clone(), ..Default::default() };
    let target = &spec.scale_target_ref;
    to.spec = v1::HorizontalPodAutoscalerSpec {
        scale_target_ref: v1::CrossVersionObjectReference {
            kind: target.kind.clone(),
            name: target.name.clone(),
            api_version: target.api_version.clone(),
        },
        min_replicas: spec.min_replicas,
        max_replicas: spec.max_replicas,
        target_cpu_utilization_percentage: spec.metrics.iter().find_map(cpu_percent),
    };
    let cpu = |metric: &&v2::MetricStatus| {
        metric.type_ == "Resource" && metric.resource.as_ref().is_some_and(|resource| resource.name == "cpu")
    };
    let mut measured = status
        .current_metrics
        .iter()
        .filter(cpu)
        .filter_map(|metric| metric.resource.as_ref()?.current.average_utilization);
    to.status = v1::HorizontalPodAutoscalerStatus {
        observed_generation: status.observed_generation,
        last_scale_time: status.last_scale_time,
        current_replicas: status.current_replicas,
        desired_replicas: status.desired_replicas,
        current_cpu_utilization_percentage: measured.next_back(),
    };
    let annotations = &mut to.metadata.annotations;
    drop_carriers(annotations);
    let mut others = spec
        .metrics
        .iter()
        .filter(|metric| cpu_percent(metric).is_none())
        .map(metrics::spec_to_v1)
        .peekable();
    if others.peek().is_some() {
        annotations.insert(METRICS.to_owned(), list(others));
    }
    if !status.current_metrics.is_empty() {
        annotations.insert(
            CURRENT_METRICS.to_owned(),
            list(status.current_metrics.iter().map(metrics::status_to_v1)),
        );
    }
    if let Some(behavior) = &spec.behavior {
        annotations.insert(BEHAVIOR.to_owned(), behavior_text(behavior));
    }
    if !status.conditions.is_empty() {
        let conditions = status.conditions.iter().map(|condition| v1::HorizontalPodAutoscalerCondition {
            type_: condition.type_.clone(),
            status: condition.status.clone(),
            last_transition_time: condition.last_transition_time,
            reason: condition.reason.clone(),
            message: condition.message.clone(),
        });
        annotations.insert(CONDITIONS.to_owned(), list(conditions));
    }
    to
}

/// In version 2.
pub fn to_v2(from: &v1::HorizontalPodAutoscaler) -> v2::HorizontalPodAutoscaler {
    let (spec, status, annotations) = (&from.spec, &from.status, &from.metadata.annotations);
    let mut to = v2::HorizontalPodAutoscaler { metadata: from.metadata.clone(), ..Default::default() };
    let target = &spec.scale_target_ref;
    to.spec = v2::HorizontalPodAutoscalerSpec {
        scale_target_ref: v2::CrossVersionObjectReference {
            kind: target.kind.clone(),
            name: target.name.clone(),
            api_version: target.api_version.clone(),
        },
        min_replicas: spec.min_replicas,
        max_replicas: spec.max_replicas,
        metrics: read_list(annotations.get(METRICS))
            .unwrap_or_default()
            .iter()
            .map(metrics::spec_to_v2)
            .collect(),
        behavior: read_behavior(annotations.get(BEHAVIOR)).map(Box::new),
    };
    to.spec.metrics.extend(spec.target_cpu_utilization_percentage.map(cpu_metric));
    if to.spec.metrics.is_empty() {
        to.spec.metrics.push(cpu_metric(CPU_UTILIZATION));
    }
    to.status = v2::HorizontalPodAutoscalerStatus {
        observed_generation: status.observed_generation,
        last_scale_time: status.last_scale_time,
        current_replicas: status.current_replicas,
        desired_replicas: status.desired_replicas,
        ..Default::default()
    };
    if let Some(percent) = status.current_cpu_utilization_percentage {
        let current = v2::MetricValueStatus { average_utilization: Some(percent), ..Default::default() };
        let resource = Some(Box::new(v2::ResourceMetricStatus { name: "cpu".to_owned(), current }));
        to.status.current_metrics =
            vec![v2::MetricStatus { type_: "Resource".to_owned(), resource, ..Default::default() }];
    }
    if let Some(measured) = read_list(annotations.get(CURRENT_METRICS)) {
        to.status.current_metrics = measured.iter().map(metrics::status_to_v2).collect();
    }
    let conditions: Vec<v1::HorizontalPodAutoscalerCondition> =
        read_list(annotations.get(CONDITIONS)).unwrap_or_default();
    let condition = |condition: v1::HorizontalPodAutoscalerCondition| v2::HorizontalPodAutoscalerCondition {
        type_: condition.type_,
        status: condition.status,
        last_transition_time: condition.last_transition_time,
        reason: condition.reason,
        message: condition.message,
    };
    to.status.conditions = conditions.into_iter().map(condition).collect();
    drop_carriers(&mut to.metadata.annotations);
    to
}

/// Defaults of version 1.
pub fn set_defaults(autoscaler: &mut v1::HorizontalPodAutoscaler) {
    autoscaler.spec.min_replicas.get_or_insert(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_on_the_way_through_version_1() {
        let text = serde_json::json!({
            "metadata": { "name": "web", "annotations": { "mine": "kept" } },
            "spec": {
                "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" },
                "minReplicas": 2,
                "maxReplicas": 5,
                "metrics": [
                    { "type": "Pods", "pods": { "metric": { "name": "requests" }, "target": { "type": "AverageValue", "averageValue": "10" } } },
                    { "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 60 } } },
                ],
                "behavior": { "scaleDown": { "selectPolicy": "Min", "policies": [{ "type": "Pods", "value": 1, "periodSeconds": 60 }] } },
            },
            "status": { "currentReplicas": 2, "desiredReplicas": 3, "conditions": [{ "type": "AbleToScale", "status": "True", "reason": "Ready" }] },
        });
        let start = v2::HorizontalPodAutoscaler::from_value(&text).expect("an autoscaler");
        let old = to_v1(&start);
        assert_eq!(old.spec.target_cpu_utilization_percentage, Some(60));
        assert_eq!(old.metadata.annotations.len(), 4);
        assert_eq!(to_v2(&old), start);
    }
}
