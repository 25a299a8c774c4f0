//! Metrics between versions 1 and 2.

use api_types::autoscaling::{v1, v2};
use machinery::{Quantity, meta::v1::LabelSelector};

fn reference_to_v2(reference: &v1::CrossVersionObjectReference) -> v2::CrossVersionObjectReference {
    v2::CrossVersionObjectReference {
        kind: reference.kind.clone(),
        name: reference.name.clone(),
        api_version: reference.api_version.clone(),
    }
}

fn reference_to_v1(reference: &v2::CrossVersionObjectReference) -> v1::CrossVersionObjectReference {
    v1::CrossVersionObjectReference {
        kind: reference.kind.clone(),
        name: reference.name.clone(),
        api_version: reference.api_version.clone(),
    }
}

fn identifier(name: &str, selector: &Option<Box<LabelSelector>>) -> v2::MetricIdentifier {
    v2::MetricIdentifier { name: name.to_owned(), selector: selector.clone() }
}

fn target(
    kind: &str,
    value: Option<&Quantity>,
    average: Option<&Quantity>,
    percent: Option<i32>,
) -> v2::MetricTarget {
    v2::MetricTarget {
        type_: kind.to_owned(),
        value: value.cloned(),
        average_value: average.cloned(),
        average_utilization: percent,
    }
}

fn current(
    value: Option<&Quantity>,
    average: Option<&Quantity>,
    percent: Option<i32>,
) -> v2::MetricValueStatus {
    v2::MetricValueStatus {
        value: value.cloned(),
        average_value: average.cloned(),
        average_utilization: percent,
    }
}

fn use_target(average: Option<&Quantity>, percent: Option<i32>) -> v2::MetricTarget {
    target(if percent.is_some() { "Utilization" } else { "AverageValue" }, None, average, percent)
}

fn or_zero(value: &Option<Quantity>) -> Quantity {
    value.clone().unwrap_or_default()
}

/// A wanted metric in version 2.
pub fn spec_to_v2(spec: &v1::MetricSpec) -> v2::MetricSpec {
    v2::MetricSpec {
        type_: spec.type_.clone(),
        object: spec.object.as_ref().map(|source| {
            let kind = if source.average_value.is_some() { "AverageValue" } else { "Value" };
            // Version 1 cannot leave the value out, so zero beside an average means none.
            let value =
                Some(&source.target_value).filter(|value| source.average_value.is_none() || !value.is_zero());
            Box::new(v2::ObjectMetricSource {
                described_object: reference_to_v2(&source.target),
                target: target(kind, value, source.average_value.as_ref(), None),
                metric: identifier(&source.metric_name, &source.selector),
            })
        }),
        pods: spec.pods.as_ref().map(|source| {
            Box::new(v2::PodsMetricSource {
                metric: identifier(&source.metric_name, &source.selector),
                target: target("AverageValue", None, Some(&source.target_average_value), None),
            })
        }),
        resource: spec.resource.as_ref().map(|source| {
            let target = use_target(source.target_average_value.as_ref(), source.target_average_utilization);
            Box::new(v2::ResourceMetricSource { name: source.name.clone(), target })
        }),
        container_resource: spec.container_resource.as_ref().map(|source| {
            let target = use_target(source.target_average_value.as_ref(), source.target_average_utilization);
            Box::new(v2::ContainerResourceMetricSource {
                name: source.name.clone(),
                target,
                container: source.container.clone(),
            })
        }),
        external: spec.external.as_ref().map(|source| {
            let kind = if source.target_value.is_some() { "Value" } else { "AverageValue" };
            Box::new(v2::ExternalMetricSource {
                metric: identifier(&source.metric_name, &source.metric_selector),
                target: target(
                    kind,
                    source.target_value.as_ref(),
                    source.target_average_value.as_ref(),
                    None,
                ),
            })
        }),
    }
}

/// A wanted metric in version 1.
pub fn spec_to_v1(spec: &v2::MetricSpec) -> v1::MetricSpec {
    v1::MetricSpec {
        type_: spec.type_.clone(),
        object: spec.object.as_ref().map(|source| {
            Box::new(v1::ObjectMetricSource {
                target: reference_to_v1(&source.described_object),
                metric_name: source.metric.name.clone(),
                target_value: or_zero(&source.target.value),
                selector: source.metric.selector.clone(),
                average_value: source.target.average_value.clone(),
            })
        }),
        pods: spec.pods.as_ref().map(|source| {
            Box::new(v1::PodsMetricSource {
                metric_name: source.metric.name.clone(),
                target_average_value: or_zero(&source.target.average_value),
                selector: source.metric.selector.clone(),
            })
        }),
        resource: spec.resource.as_ref().map(|source| {
            Box::new(v1::ResourceMetricSource {
                name: source.name.clone(),
                target_average_utilization: source.target.average_utilization,
                target_average_value: source.target.average_value.clone(),
            })
        }),
        container_resource: spec.container_resource.as_ref().map(|source| {
            Box::new(v1::ContainerResourceMetricSource {
                name: source.name.clone(),
                target_average_utilization: source.target.average_utilization,
                target_average_value: source.target.average_value.clone(),
                container: source.container.clone(),
            })
        }),
        external: spec.external.as_ref().map(|source| {
            Box::new(v1::ExternalMetricSource {
                metric_name: source.metric.name.clone(),
                metric_selector: source.metric.selector.clone(),
                target_value: source.target.value.clone(),
                target_average_value: source.target.average_value.clone(),
            })
        }),
    }
}

/// A measured metric in version 2.
pub fn status_to_v2(status: &v1::MetricStatus) -> v2::MetricStatus {
    v2::MetricStatus {
        type_: status.type_.clone(),
        object: status.object.as_ref().map(|source| {
            Box::new(v2::ObjectMetricStatus {
                metric: identifier(&source.metric_name, &source.selector),
                current: current(Some(&source.current_value), source.average_value.as_ref(), None),
                described_object: reference_to_v2(&source.target),
            })
        }),
        pods: status.pods.as_ref().map(|source| {
            Box::new(v2::PodsMetricStatus {
                metric: identifier(&source.metric_name, &source.selector),
                current: current(None, Some(&source.current_average_value), None),
            })
        }),
        resource: status.resource.as_ref().map(|source| {
            let current =
                current(None, Some(&source.current_average_value), source.current_average_utilization);
            Box::new(v2::ResourceMetricStatus { name: source.name.clone(), current })
        }),
        container_resource: status.container_resource.as_ref().map(|source| {
            let current =
                current(None, Some(&source.current_average_value), source.current_average_utilization);
            Box::new(v2::ContainerResourceMetricStatus {
                name: source.name.clone(),
                current,
                container: source.container.clone(),
            })
        }),
        external: status.external.as_ref().map(|source| {
            Box::new(v2::ExternalMetricStatus {
                metric: identifier(&source.metric_name, &source.metric_selector),
                current: current(Some(&source.current_value), source.current_average_value.as_ref(), None),
            })
        }),
    }
}

/// A measured metric in version 1.
pub fn status_to_v1(status: &v2::MetricStatus) -> v1::MetricStatus {
    v1::MetricStatus {
        type_: status.type_.clone(),
        object: status.object.as_ref().map(|source| {
            Box::new(v1::ObjectMetricStatus {
                target: reference_to_v1(&source.described_object),
                metric_name: source.metric.name.clone(),
                current_value: or_zero(&source.current.value),
                selector: source.metric.selector.clone(),
                average_value: source.current.average_value.clone(),
            })
        }),
        pods: status.pods.as_ref().map(|source| {
            Box::new(v1::PodsMetricStatus {
                metric_name: source.metric.name.clone(),
                current_average_value: or_zero(&source.current.average_value),
                selector: source.metric.selector.clone(),
            })
        }),
        resource: status.resource.as_ref().map(|source| {
            Box::new(v1::ResourceMetricStatus {
                name: source.name.clone(),
                current_average_utilization: source.current.average_utilization,
                current_average_value: or_zero(&source.current.average_value),
            })
        }),
        container_resource: status.container_resource.as_ref().map(|source| {
            Box::new(v1::ContainerResourceMetricStatus {
                name: source.name.clone(),
                current_average_utilization: source.current.average_utilization,
                current_average_value: or_zero(&source.current.average_value),
                container: source.container.clone(),
            })
        }),
        external: status.external.as_ref().map(|source| {
            Box::new(v1::ExternalMetricStatus {
                metric_name: source.metric.name.clone(),
                metric_selector: source.metric.selector.clone(),
                current_value: or_zero(&source.current.value),
                current_average_value: source.current.average_value.clone(),
            })
        }),
    }
}
