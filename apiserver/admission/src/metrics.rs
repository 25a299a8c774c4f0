//! How long admission takes, by step and by plugin, under upstream's names.
//!
//! Source: `k8s.io/apiserver/pkg/admission/metrics/metrics.go`; its summary has no counterpart here.

use std::time::Duration;

use component_base::metrics::Metrics;
use prometheus::{HistogramVec, IntCounterVec};

use crate::attributes::Operation;

const BUCKETS: &[f64] = &[0.005, 0.025, 0.1, 0.5, 1.0, 2.5];
const WEBHOOK_BUCKETS: &[f64] = &[0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 10.0, 25.0];
const CONDITION_BUCKETS: &[f64] = &[0.001, 0.005, 0.01, 0.025, 0.1, 0.2, 0.25];
const CONDITION_LABELS: &[&str] = &["name", "kind", "type", "operation"];
/// Greater codes are counted as this one.
const GREATEST_CODE: i32 = 600;

/// Plugins that only change objects; their judging phase does nothing and is not counted.
const ONLY_ADMIT: &[&str] = &[
    "NamespaceLifecycle",
    "NodeRestriction",
    "TaintNodesByCondition",
    "DefaultTolerationSeconds",
    "DefaultStorageClass",
    "StorageObjectInUseProtection",
    "DefaultIngressClass",
    "PodTopologyLabels",
    "MutatingAdmissionWebhook",
];

/// Plugins that only judge objects; their changing phase does nothing and is not counted.
const ONLY_VALIDATE: &[&str] = &[
    "PodSecurity",
    "PersistentVolumeClaimResize",
    "CertificateApproval",
    "CertificateSigning",
    "CertificateSubjectRestriction",
    "DenyServiceExternalIPs",
    "NodeDeclaredFeatureValidator",
    "PodResizeValidator",
    "ValidatingAdmissionWebhook",
    "ResourceQuota",
];

/// One of the two steps of admission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Objects may be changed.
    Admit,
    /// Objects are judged.
    Validate,
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Step::Admit => "admit",
            Step::Validate => "validate",
        }
    }

    /// Upstream's word for the step in the metrics of webhooks.
    fn webhook_name(self) -> &'static str {
        match self {
            Step::Admit => "admit",
            Step::Validate => "validating",
        }
    }

    /// Whether the plugin does anything in this step.
    pub fn is_of(self, plugin: &str) -> bool {
        match self {
            Step::Admit => !ONLY_VALIDATE.contains(&plugin),
            Step::Validate => !ONLY_ADMIT.contains(&plugin),
        }
    }
}

/// Why a webhook made a request fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectionError {
    /// It could not be asked.
    CallingWebhook,
    /// Its answer could not be used here.
    ApiserverInternal,
    /// It said no.
    None,
}

impl RejectionError {
    fn name(self) -> &'static str {
        match self {
            RejectionError::CallingWebhook => "calling_webhook_error",
            RejectionError::ApiserverInternal => "apiserver_internal_error",
            RejectionError::None => "no_error",
        }
    }
}

/// The histograms and counters of admission; clones share them.
#[derive(Clone)]
pub struct AdmissionMetrics {
    step: HistogramVec,
    controller: HistogramVec,
    webhook: HistogramVec,
    webhook_rejections: IntCounterVec,
    webhook_fail_open: IntCounterVec,
    webhook_requests: IntCounterVec,
    condition_errors: IntCounterVec,
    condition_exclusions: IntCounterVec,
    condition_seconds: HistogramVec,
}

impl AdmissionMetrics {
    /// Registers them.
    pub fn new(metrics: &Metrics) -> AdmissionMetrics {
        AdmissionMetrics {
            step: metrics.histogram(
                "apiserver_admission_step_admission_duration_seconds",
                "Admission sub-step latency histogram in seconds, broken out for each operation and API resource and step type (validate or admit).",
                &["type", "operation", "rejected"],
                BUCKETS,
            ),
            controller: metrics.histogram(
                "apiserver_admission_controller_admission_duration_seconds",
                "Admission controller latency histogram in seconds, identified by name and broken out for each operation and API resource and type (validate or admit).",
                &["name", "type", "operation", "rejected"],
                BUCKETS,
            ),
            webhook: metrics.histogram(
                "apiserver_admission_webhook_admission_duration_seconds",
                "Admission webhook latency histogram in seconds, identified by name and broken out for each operation and API resource and type (validate or admit).",
                &["name", "type", "operation", "rejected"],
                WEBHOOK_BUCKETS,
            ),
            webhook_rejections: metrics.int_counter(
                "apiserver_admission_webhook_rejection_count",
                "Admission webhook rejection count, identified by name and broken out for each admission type (validating or admit) and operation. Additional labels specify an error type (calling_webhook_error or apiserver_internal_error if an error occurred; no_error otherwise) and optionally a non-zero rejection code if the webhook rejects the request with an HTTP status code (honored by the apiserver when the code is greater or equal to 400). Codes greater than 600 are truncated to 600, to keep the metrics cardinality bounded.",
                &["name", "type", "operation", "error_type", "rejection_code"],
            ),
            webhook_fail_open: metrics.int_counter(
                "apiserver_admission_webhook_fail_open_count",
                "Admission webhook fail open count, identified by name and broken out for each admission type (validating or admit).",
                &["name", "type"],
            ),
            webhook_requests: metrics.int_counter(
                "apiserver_admission_webhook_request_total",
                "Admission webhook request total, identified by name and broken out for each admission type (validating or admit) and operation. Additional labels specify whether the request was rejected or not and an HTTP status code. Codes greater than 600 are truncated to 600, to keep the metrics cardinality bounded.",
                &["name", "type", "operation", "code", "rejected"],
            ),
            condition_errors: metrics.int_counter(
                "apiserver_admission_match_condition_evaluation_errors_total",
                "Admission match condition evaluation errors count, identified by name of resource containing the match condition and broken out for each kind containing matchConditions (webhook or policy), operation and admission type (validate or admit).",
                CONDITION_LABELS,
            ),
            condition_exclusions: metrics.int_counter(
                "apiserver_admission_match_condition_exclusions_total",
                "Admission match condition evaluation exclusions count, identified by name of resource containing the match condition and broken out for each kind containing matchConditions (webhook or policy), operation and admission type (validate or admit).",
                CONDITION_LABELS,
            ),
            condition_seconds: metrics.histogram(
                "apiserver_admission_match_condition_evaluation_seconds",
                "Admission match condition evaluation time in seconds, identified by name and broken out for each kind containing matchConditions (webhook or policy), operation and type (validate or admit).",
                CONDITION_LABELS,
                CONDITION_BUCKETS,
            ),
        }
    }

    /// A whole step has taken this long.
    pub fn step(&self, step: Step, operation: Operation, rejected: bool, took: Duration) {
        let labels = [step.name(), operation.name(), text(rejected)];
        self.step.with_label_values(&labels).observe(took.as_secs_f64());
    }

    /// A plugin has taken this long.
    pub fn plugin(&self, name: &str, step: Step, operation: Operation, rejected: bool, took: Duration) {
        let labels = [name, step.name(), operation.name(), text(rejected)];
        self.controller.with_label_values(&labels).observe(took.as_secs_f64());
    }

    /// A webhook was asked and answered with this code.
    pub fn webhook(
        &self,
        name: &str,
        step: Step,
        operation: Operation,
        rejected: bool,
        code: i32,
        took: Duration,
    ) {
        let (step, operation, rejected) = (step.webhook_name(), operation.name(), text(rejected));
        let code = code.min(GREATEST_CODE).to_string();
        self.webhook_requests.with_label_values(&[name, step, operation, &code, rejected]).inc();
        self.webhook.with_label_values(&[name, step, operation, rejected]).observe(took.as_secs_f64());
    }

    /// A webhook has made a request fail.
    pub fn webhook_rejection(
        &self,
        name: &str,
        step: Step,
        operation: Operation,
        error: RejectionError,
        code: i32,
    ) {
        let code = code.min(GREATEST_CODE).to_string();
        let labels = [name, step.webhook_name(), operation.name(), error.name(), &code];
        self.webhook_rejections.with_label_values(&labels).inc();
    }

    /// The conditions of a webhook took this long.
    pub fn conditions(&self, name: &str, step: Step, operation: Operation, took: Duration) {
        let labels = condition_labels(name, step, operation);
        self.condition_seconds.with_label_values(&labels).observe(took.as_secs_f64());
    }

    /// A condition of a webhook could not be evaluated.
    pub fn condition_error(&self, name: &str, step: Step, operation: Operation) {
        self.condition_errors.with_label_values(&condition_labels(name, step, operation)).inc();
    }

    /// A webhook is not asked because of its conditions.
    pub fn condition_exclusion(&self, name: &str, step: Step, operation: Operation) {
        self.condition_exclusions.with_label_values(&condition_labels(name, step, operation)).inc();
    }

    /// A webhook could not be asked, and the request passes without it.
    pub fn webhook_fail_open(&self, name: &str, step: Step) {
        self.webhook_fail_open.with_label_values(&[name, step.webhook_name()]).inc();
    }
}

fn condition_labels(name: &str, step: Step, operation: Operation) -> [&str; 4] {
    [name, "webhook", step.webhook_name(), operation.name()]
}

fn text(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plugins_of_the_table_are_left_out_of_a_step() {
        for name in ONLY_ADMIT.iter().chain(ONLY_VALIDATE) {
            assert!(crate::find(name).is_some_and(|row| row.make.is_some()), "{name}");
        }
        assert!(ONLY_ADMIT.iter().all(|name| !ONLY_VALIDATE.contains(name)));
        assert!(Step::Admit.is_of("Priority") && Step::Validate.is_of("Priority"));
        assert!(!Step::Admit.is_of("ResourceQuota"));
    }
}
