//! What the plugin counts, under upstream's names.

use component_base::metrics::Metrics;
use prometheus::IntCounterVec;

use super::levels::{Level, Standard, Version};
use crate::attributes::Attributes;

/// What a judgement was for.
#[derive(Clone, Copy)]
pub(super) enum Mode {
    Enforce,
    Audit,
    Warn,
}

/// The counters.
pub(super) struct Counters {
    evaluations: IntCounterVec,
    exemptions: IntCounterVec,
    errors: IntCounterVec,
    /// What this server is: policies of later versions count as `future`.
    own: Version,
}

impl Counters {
    /// Registers the counters.
    pub(super) fn new(metrics: &Metrics) -> Counters {
        let minor = component_base::version::Info::current().minor;
        let digits = minor.trim_end_matches(|character: char| !character.is_ascii_digit());
        Counters {
            evaluations: metrics.int_counter(
                "pod_security_evaluations_total",
                "Number of policy evaluations that occurred, not counting ignored or exempt requests.",
                &[
                    "decision",
                    "policy_level",
                    "policy_version",
                    "mode",
                    "request_operation",
                    "resource",
                    "subresource",
                ],
            ),
            exemptions: metrics.int_counter(
                "pod_security_exemptions_total",
                "Number of exempt requests, not counting ignored or out of scope requests.",
                &["request_operation", "resource", "subresource"],
            ),
            errors: metrics.int_counter(
                "pod_security_errors_total",
                "Number of errors preventing normal evaluation. Non-fatal errors may result in the latest restricted profile being used for evaluation.",
                &["fatal", "request_operation", "resource", "subresource"],
            ),
            own: digits.parse().map_or(Version::Latest, Version::Minor),
        }
    }

    /// A pod, or the template of one, was judged.
    pub(super) fn judged(&self, attributes: &Attributes, standard: Standard, mode: Mode, allowed: bool) {
        let decision = if allowed { "allow" } else { "deny" };
        let version = match standard.version {
            _ if standard.level == Level::Privileged => "latest".to_owned(),
            Version::Minor(_) if standard.version > self.own => "future".to_owned(),
            version => version.to_string(),
        };
        let mode = match mode {
            Mode::Enforce => "enforce",
            Mode::Audit => "audit",
            Mode::Warn => "warn",
        };
        let [operation, resource, subresource] = labels(attributes);
        let level = standard.level.name();
        let values = [decision, level, &version, mode, operation, resource, subresource];
        self.evaluations.with_label_values(&values).inc();
    }

    /// A request was left alone.
    pub(super) fn exempted(&self, attributes: &Attributes) {
        self.exemptions.with_label_values(&labels(attributes)).inc();
    }

    /// A request could not be judged as it should be; `fatal` when not at all.
    pub(super) fn failed(&self, attributes: &Attributes, fatal: bool) {
        let [operation, resource, subresource] = labels(attributes);
        let fatal = if fatal { "true" } else { "false" };
        self.errors.with_label_values(&[fatal, operation, resource, subresource]).inc();
    }
}

/// Operation, resource and subresource.
fn labels(attributes: &Attributes) -> [&str; 3] {
    let operation = match attributes.operation {
        crate::attributes::Operation::Create => "create",
        _ => "update",
    };
    let resource = match attributes.resource.resource.as_ref() {
        "pods" => "pod",
        "namespaces" => "namespace",
        _ => "controller",
    };
    [operation, resource, &attributes.subresource]
}
