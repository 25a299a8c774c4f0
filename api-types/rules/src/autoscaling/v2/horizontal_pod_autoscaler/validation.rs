//! Validation of horizontal pod autoscalers.

use crate::{core::v1::resource_names, meta, report::Report};
use api_types::autoscaling::v2::{
    ContainerResourceMetricSource, CrossVersionObjectReference, ExternalMetricSource, HPAScalingPolicy,
    HPAScalingRules, HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec, MetricIdentifier, MetricSpec,
    MetricTarget, ObjectMetricSource, PodsMetricSource, ResourceMetricSource,
};
use machinery::{
    field::{ErrorList, Path},
    names,
};

const LONGEST_WINDOW: i32 = 3600;
const LONGEST_PERIOD: i32 = 1800;
const SOURCES: &[&str] = &["ContainerResource", "External", "Object", "Pods", "Resource"];

/// Which API versions a reference may have.
#[derive(Clone, Copy)]
struct Versions {
    any: bool,
    core: bool,
}

struct Allowances {
    fewest_replicas: i32,
    target: Versions,
    objects: Versions,
}

fn version_error(version: &str, allow: Versions) -> Option<String> {
    if allow.any {
        return None;
    }
    match version.split('/').count() {
        1 if version.is_empty() || !allow.core => {
            (!allow.core).then(|| "apiVersion must specify API group".to_owned())
        }
        1 | 2 => {
            (version.starts_with('/') && !allow.core).then(|| "apiVersion must specify API group".to_owned())
        }
        _ => Some(format!("unexpected GroupVersion string: {version}")),
    }
}

fn validate_reference(
    reference: &CrossVersionObjectReference,
    allow: Versions,
    path: &Path,
    errors: &mut ErrorList,
) {
    for (field, value) in [("kind", &reference.kind), ("name", &reference.name)] {
        if value.is_empty() {
            errors.required(&path.child(field), "");
        } else {
            errors.invalid_each(&path.child(field), value, names::is_path_segment_name(value));
        }
    }
    if let Some(error) = version_error(&reference.api_version, allow) {
        errors.invalid(&path.child("apiVersion"), &reference.api_version, error);
    }
}

fn validate_policy(policy: &HPAScalingPolicy, path: &Path, errors: &mut ErrorList) {
    if !matches!(policy.type_.as_str(), "Pods" | "Percent") {
        errors.not_supported(&path.child("type"), &policy.type_, &["Percent", "Pods"]);
    }
    if policy.value <= 0 {
        errors.invalid(&path.child("value"), policy.value, "must be greater than zero");
    }
    let period = path.child("periodSeconds");
    if policy.period_seconds <= 0 {
        errors.invalid(&period, policy.period_seconds, "must be greater than zero");
    }
    if policy.period_seconds > LONGEST_PERIOD {
        errors.invalid(
            &period,
            policy.period_seconds,
            format!("must be less than or equal to {LONGEST_PERIOD}"),
        );
    }
}

fn validate_scaling(rules: Option<&HPAScalingRules>, path: &Path, errors: &mut ErrorList) {
    let Some(rules) = rules else { return };
    if let Some(seconds) = rules.stabilization_window_seconds {
        let path = path.child("stabilizationWindowSeconds");
        if seconds < 0 {
            errors.invalid(&path, seconds, "must be greater than or equal to zero");
        }
        if seconds > LONGEST_WINDOW {
            errors.invalid(&path, seconds, format!("must be less than or equal to {LONGEST_WINDOW}"));
        }
    }
    let choices = ["Disabled", "Max", "Min"];
    if let Some(choice) = rules.select_policy.as_deref().filter(|choice| !choices.contains(choice)) {
        errors.not_supported(&path.child("selectPolicy"), choice, &choices);
    }
    let policies = path.child("policies");
    if rules.policies.is_empty() {
        errors.required(&policies, "must specify at least one Policy");
    }
    for (index, policy) in rules.policies.iter().enumerate() {
        validate_policy(policy, &policies.index(index), errors);
    }
    if let Some(tolerance) = &rules.tolerance {
        errors.extend(resource_names::validate_non_negative(tolerance, &path.child("tolerance")));
    }
}

fn validate_target(target: &MetricTarget, path: &Path, errors: &mut ErrorList) {
    if target.type_.is_empty() {
        errors.required(&path.child("type"), "must specify a metric target type");
    }
    if !matches!(target.type_.as_str(), "Utilization" | "Value" | "AverageValue") {
        errors.invalid(
            &path.child("type"),
            &target.type_,
            "must be either Utilization, Value, or AverageValue",
        );
    }
    for (field, value) in [("value", &target.value), ("averageValue", &target.average_value)] {
        if let Some(value) = value.as_ref().filter(|value| value.sign() <= 0) {
            errors.invalid(&path.child(field), value, "must be positive");
        }
    }
    if let Some(percent) = target.average_utilization.filter(|percent| *percent < 1) {
        errors.invalid(&path.child("averageUtilization"), percent, "must be greater than 0");
    }
}

fn validate_metric(metric: &MetricIdentifier, path: &Path, errors: &mut ErrorList) {
    if metric.name.is_empty() {
        errors.required(&path.child("name"), "must specify a metric name");
    } else {
        errors.invalid_each(&path.child("name"), &metric.name, names::is_path_segment_name(&metric.name));
    }
}

fn validate_object(source: &ObjectMetricSource, allow: Versions, path: &Path, errors: &mut ErrorList) {
    validate_reference(&source.described_object, allow, &path.child("describedObject"), errors);
    validate_metric(&source.metric, &path.child("metric"), errors);
    let target = path.child("target");
    validate_target(&source.target, &target, errors);
    if source.target.value.is_none() && source.target.average_value.is_none() {
        errors.required(&target.child("averageValue"), "must set either a target value or averageValue");
    }
}

fn validate_external(source: &ExternalMetricSource, path: &Path, errors: &mut ErrorList) {
    validate_metric(&source.metric, &path.child("metric"), errors);
    let target = path.child("target");
    validate_target(&source.target, &target, errors);
    match (source.target.value.is_some(), source.target.average_value.is_some()) {
        (false, false) => errors.required(
            &target.child("averageValue"),
            "must set either a target value for metric or a per-pod target",
        ),
        (true, true) => errors.forbidden(
            &target.child("value"),
            "may not set both a target value for metric and a per-pod target",
        ),
        _ => {}
    }
}

fn validate_pods(source: &PodsMetricSource, path: &Path, errors: &mut ErrorList) {
    validate_metric(&source.metric, &path.child("metric"), errors);
    let target = path.child("target");
    validate_target(&source.target, &target, errors);
    if source.target.average_value.is_none() {
        errors.required(&target.child("averageValue"), "must specify a positive target averageValue");
    }
}

fn validate_use(target: &MetricTarget, path: &Path, errors: &mut ErrorList) {
    let path = path.child("target");
    validate_target(target, &path, errors);
    match (target.average_utilization.is_some(), target.average_value.is_some()) {
        (false, false) => errors.required(
            &path.child("averageUtilization"),
            "must set either a target raw value or a target utilization",
        ),
        (true, true) => errors.forbidden(
            &path.child("averageValue"),
            "may not set both a target raw value and a target utilization",
        ),
        _ => {}
    }
}

fn validate_resource(source: &ResourceMetricSource, path: &Path, errors: &mut ErrorList) {
    if source.name.is_empty() {
        errors.required(&path.child("name"), "must specify a resource name");
    }
    validate_use(&source.target, path, errors);
}

fn validate_container(source: &ContainerResourceMetricSource, path: &Path, errors: &mut ErrorList) {
    if source.name.is_empty() {
        errors.required(&path.child("name"), "must specify a resource name");
    } else {
        errors.extend(resource_names::validate_for_container(&source.name, &path.child("name")));
    }
    if source.container.is_empty() {
        errors.required(&path.child("container"), "must specify a container");
    } else {
        errors.invalid_each(
            &path.child("container"),
            &source.container,
            names::is_dns1123_label(&source.container),
        );
    }
    validate_use(&source.target, path, errors);
}

fn validate_source(spec: &MetricSpec, allow: Versions, path: &Path, errors: &mut ErrorList) {
    let kind = path.child("type");
    if spec.type_.is_empty() {
        errors.required(&kind, "must specify a metric source type");
    }
    if !SOURCES.contains(&spec.type_.as_str()) {
        errors.not_supported(&kind, &spec.type_, SOURCES);
    }
    // Only the first one is looked at, the others are too many anyway.
    let present = [
        ("object", "Object", spec.object.is_some()),
        ("external", "External", spec.external.is_some()),
        ("pods", "Pods", spec.pods.is_some()),
        ("resource", "Resource", spec.resource.is_some()),
        ("containerResource", "ContainerResource", spec.container_resource.is_some()),
    ];
    let first = present.iter().find(|(_, _, set)| *set).map(|(field, ..)| *field);
    match first {
        Some("object") => spec
            .object
            .iter()
            .for_each(|source| validate_object(source, allow, &path.child("object"), errors)),
        Some("external") => {
            spec.external.iter().for_each(|source| validate_external(source, &path.child("external"), errors))
        }
        Some("pods") => {
            spec.pods.iter().for_each(|source| validate_pods(source, &path.child("pods"), errors))
        }
        Some("resource") => {
            spec.resource.iter().for_each(|source| validate_resource(source, &path.child("resource"), errors))
        }
        Some(_) => spec
            .container_resource
            .iter()
            .for_each(|source| validate_container(source, &path.child("containerResource"), errors)),
        None => {}
    }
    let expected = present.iter().find(|(_, name, _)| *name == spec.type_);
    match expected {
        Some((field, _, false)) => {
            errors.required(&path.child(*field), "must populate information for the given metric source")
        }
        Some(_) => {}
        None => errors.not_supported(&kind, &spec.type_, SOURCES),
    }
    let set: Vec<&str> = present.iter().filter(|(_, _, set)| *set).map(|(field, ..)| *field).collect();
    if set.len() != 1 {
        for field in set.into_iter().filter(|field| expected.is_none_or(|(expected, ..)| expected != field)) {
            errors.forbidden(&path.child(field.to_owned()), "must populate the given metric source only");
        }
    }
}

fn validate_spec(spec: &HorizontalPodAutoscalerSpec, allow: &Allowances, errors: &mut ErrorList) {
    let path = Path::new("spec");
    let most = path.child("maxReplicas");
    if let Some(fewest) = spec.min_replicas.filter(|fewest| *fewest < allow.fewest_replicas) {
        let why = format!("must be greater than or equal to {}", allow.fewest_replicas);
        errors.invalid(&path.child("minReplicas"), fewest, why);
    }
    if spec.max_replicas == 0 {
        errors.required(&most, "must be set and greater than 0");
    } else if spec.max_replicas < 0 {
        errors.invalid(&most, spec.max_replicas, "must be greater than or equal to 1");
    }
    if spec.min_replicas.is_some_and(|fewest| spec.max_replicas < fewest) {
        errors.invalid(&most, spec.max_replicas, "must be greater than or equal to `minReplicas`");
    }
    validate_reference(&spec.scale_target_ref, allow.target, &path.child("scaleTargetRef"), errors);
    let metrics = path.child("metrics");
    for (index, metric) in spec.metrics.iter().enumerate() {
        validate_source(metric, allow.objects, &metrics.index(index), errors);
    }
    let from_outside =
        spec.metrics.iter().any(|metric| matches!(metric.type_.as_str(), "Object" | "External"));
    if spec.min_replicas == Some(0) && !from_outside {
        errors.forbidden(
            &metrics,
            "must specify at least one Object or External metric to support scaling to zero replicas",
        );
    }
    if let Some(behavior) = &spec.behavior {
        let path = path.child("behavior");
        validate_scaling(behavior.scale_up.as_deref(), &path.child("scaleUp"), errors);
        validate_scaling(behavior.scale_down.as_deref(), &path.child("scaleDown"), errors);
    }
}

fn allowances(new: &HorizontalPodAutoscaler, old: Option<&HorizontalPodAutoscaler>) -> Allowances {
    let mut objects = Versions { any: false, core: true };
    let target = &new.spec.scale_target_ref;
    let same_target = |old: &HorizontalPodAutoscaler| {
        let before = &old.spec.scale_target_ref;
        before.api_version == target.api_version && before.kind == target.kind
    };
    let described = |old: &HorizontalPodAutoscaler| {
        let objects_of = old
            .spec
            .metrics
            .iter()
            .filter(|metric| metric.type_ == "Object")
            .filter_map(|metric| metric.object.clone());
        objects_of
            .into_iter()
            .any(|object| version_error(&object.described_object.api_version, objects).is_some())
    };
    let broken = old.is_some_and(described);
    objects.any = broken;
    let same = old.is_some_and(same_target);
    Allowances {
        fewest_replicas: if old.is_some_and(|old| old.spec.min_replicas == Some(0)) { 0 } else { 1 },
        target: Versions { any: same, core: !same && target.kind == "ReplicationController" },
        objects,
    }
}

/// A new autoscaler.
pub fn validate(autoscaler: &HorizontalPodAutoscaler) -> ErrorList {
    let mut errors =
        meta::validate(&autoscaler.metadata, true, names::name_is_dns_subdomain, &Path::new("metadata"));
    validate_spec(&autoscaler.spec, &allowances(autoscaler, None), &mut errors);
    errors
}

/// A changed autoscaler.
pub fn validate_update(new: &HorizontalPodAutoscaler, old: &HorizontalPodAutoscaler) -> ErrorList {
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    validate_spec(&new.spec, &allowances(new, Some(old)), &mut errors);
    errors
}

/// A changed status.
pub fn validate_status_update(new: &HorizontalPodAutoscaler, old: &HorizontalPodAutoscaler) -> ErrorList {
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    let path = Path::new("status");
    errors.non_negative(&path.child("currentReplicas"), i64::from(new.status.current_replicas));
    errors.non_negative(&path.child("desiredReplicas"), i64::from(new.status.desired_replicas));
    errors
}
