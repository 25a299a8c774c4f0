//! Defaults of horizontal pod autoscalers.

use api_types::autoscaling::v2::{
    HPAScalingPolicy, HPAScalingRules, HorizontalPodAutoscaler, MetricSpec, MetricTarget,
    ResourceMetricSource,
};

/// Use of its CPU request, in percent, at which a pod is kept when nothing else is asked for.
pub const CPU_UTILIZATION: i32 = 80;

/// A metric that keeps the use of CPU at `percent` of the request.
pub fn cpu_metric(percent: i32) -> MetricSpec {
    let target = MetricTarget {
        type_: "Utilization".to_owned(),
        average_utilization: Some(percent),
        ..MetricTarget::default()
    };
    MetricSpec {
        type_: "Resource".to_owned(),
        resource: Some(Box::new(ResourceMetricSource { name: "cpu".to_owned(), target })),
        ..MetricSpec::default()
    }
}

fn fill(rules: &mut HPAScalingRules, window: Option<i32>, policies: &[(&str, i32)]) {
    if rules.stabilization_window_seconds.is_none() {
        rules.stabilization_window_seconds = window;
    }
    rules.select_policy.get_or_insert_with(|| "Max".to_owned());
    if rules.policies.is_empty() {
        let policy = |(kind, value): &(&str, i32)| HPAScalingPolicy {
            type_: (*kind).to_owned(),
            value: *value,
            period_seconds: 15,
        };
        rules.policies = policies.iter().map(policy).collect();
    }
}

/// Fills what is omitted.
pub fn set(autoscaler: &mut HorizontalPodAutoscaler) {
    let spec = &mut autoscaler.spec;
    spec.min_replicas.get_or_insert(1);
    if spec.metrics.is_empty() {
        spec.metrics = vec![cpu_metric(CPU_UTILIZATION)];
    }
    if let Some(behavior) = &mut spec.behavior {
        fill(behavior.scale_up.get_or_insert_default(), Some(0), &[("Pods", 4), ("Percent", 100)]);
        // The window for going down is the controller's setting.
        fill(behavior.scale_down.get_or_insert_default(), None, &[("Percent", 100)]);
    }
}
