//! Table columns of horizontalpodautoscalers.

use crate::columns::{Column, Row, age_of, cells};
use api_types::autoscaling::v2::HorizontalPodAutoscaler;
use api_types::autoscaling::v2::{MetricSpec, MetricStatus, MetricTarget, MetricValueStatus};
use machinery::Quantity;

/// Columns as clients see them.
pub const COLUMNS: &[Column] = &[
    Column::NAME,
    Column::field("Reference", "k8s.io.api.autoscaling.v2.HorizontalPodAutoscalerSpec", "scaleTargetRef"),
    Column::field("Targets", "k8s.io.api.autoscaling.v2.HorizontalPodAutoscalerSpec", "metrics"),
    Column::field("MinPods", "k8s.io.api.autoscaling.v2.HorizontalPodAutoscalerSpec", "minReplicas"),
    Column::field("MaxPods", "k8s.io.api.autoscaling.v2.HorizontalPodAutoscalerSpec", "maxReplicas"),
    Column::field("Replicas", "k8s.io.api.autoscaling.v2.HorizontalPodAutoscalerStatus", "currentReplicas"),
    Column::AGE,
];

/// Metrics shown before the rest is only counted.
const MOST: usize = 2;

fn quantity(value: Option<&Quantity>) -> String {
    value.map_or_else(|| "<unknown>".to_owned(), Quantity::to_string)
}

fn of_value(target: &MetricTarget, current: Option<&MetricValueStatus>) -> String {
    match &target.average_value {
        Some(average) => format!(
            "{}/{average} (avg)",
            quantity(current.and_then(|current| current.average_value.as_ref()))
        ),
        None => format!(
            "{}/{}",
            quantity(current.and_then(|current| current.value.as_ref())),
            quantity(target.value.as_ref())
        ),
    }
}

fn of_resource(name: &str, target: &MetricTarget, current: Option<&MetricValueStatus>) -> String {
    if let Some(average) = &target.average_value {
        return format!(
            "{name}: {}/{average}",
            quantity(current.and_then(|current| current.average_value.as_ref()))
        );
    }
    let percent = |value: Option<i32>, missing: &str| {
        value.map_or_else(|| missing.to_owned(), |value| format!("{value}%"))
    };
    let now = percent(current.and_then(|current| current.average_utilization), "<unknown>");
    format!("{name}: {now}/{}", percent(target.average_utilization, "<auto>"))
}

fn metric(spec: &MetricSpec, status: Option<&MetricStatus>) -> String {
    if let ("External", Some(external)) = (spec.type_.as_str(), &spec.external) {
        return of_value(
            &external.target,
            status.and_then(|status| status.external.as_ref()).map(|status| &status.current),
        );
    }
    if let ("Object", Some(object)) = (spec.type_.as_str(), &spec.object) {
        return of_value(
            &object.target,
            status.and_then(|status| status.object.as_ref()).map(|status| &status.current),
        );
    }
    if let ("Pods", Some(pods)) = (spec.type_.as_str(), &spec.pods) {
        let current = status
            .and_then(|status| status.pods.as_ref())
            .and_then(|status| status.current.average_value.as_ref());
        return format!("{}/{}", quantity(current), quantity(pods.target.average_value.as_ref()));
    }
    if let ("Resource", Some(resource)) = (spec.type_.as_str(), &spec.resource) {
        return of_resource(
            &resource.name,
            &resource.target,
            status.and_then(|status| status.resource.as_ref()).map(|status| &status.current),
        );
    }
    if let ("ContainerResource", Some(resource)) = (spec.type_.as_str(), &spec.container_resource) {
        return of_resource(
            &resource.name,
            &resource.target,
            status.and_then(|status| status.container_resource.as_ref()).map(|status| &status.current),
        );
    }
    "<unknown type>".to_owned()
}

/// An autoscaler as a row.
pub fn row(autoscaler: &HorizontalPodAutoscaler, now: jiff::Timestamp) -> Row {
    let specs = &autoscaler.spec.metrics;
    let statuses = &autoscaler.status.current_metrics;
    let shown: Vec<String> =
        specs.iter().enumerate().take(MOST).map(|(index, spec)| metric(spec, statuses.get(index))).collect();
    let metrics = match specs.len() {
        0 => "<none>".to_owned(),
        count if count > MOST => format!("{} + {} more...", shown.join(", "), count - MOST),
        _ => shown.join(", "),
    };
    let target = &autoscaler.spec.scale_target_ref;
    cells![
        autoscaler.metadata.name.as_str(),
        format!("{}/{}", target.kind, target.name),
        metrics,
        autoscaler.spec.min_replicas.map_or_else(|| "<unset>".to_owned(), |count| count.to_string()),
        autoscaler.spec.max_replicas,
        autoscaler.status.current_replicas,
        age_of(&autoscaler.metadata, now),
    ]
}
