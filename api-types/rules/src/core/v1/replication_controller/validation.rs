//! Validation of replication controllers.

use crate::{
    core::v1::pod::validation::{self as pod, PodRules},
    meta,
    report::Report,
    selector,
};
use api_types::core::v1::{ReplicationController, ReplicationControllerSpec};
use machinery::{
    field::{ErrorList, Path},
    names,
};

fn validate_spec(spec: &ReplicationControllerSpec, path: &Path, rules: &PodRules, errors: &mut ErrorList) {
    errors.non_negative(&path.child("minReadySeconds"), i64::from(spec.min_ready_seconds));
    if spec.selector.is_empty() {
        errors.required(&path.child("selector"), "");
    }
    match spec.replicas {
        None => errors.required(&path.child("replicas"), ""),
        Some(replicas) => errors.non_negative(&path.child("replicas"), i64::from(replicas)),
    }
    let path = path.child("template");
    let Some(template) = &spec.template else {
        errors.required(&path, "");
        return;
    };
    if !spec.selector.is_empty() && !selector::set_matches(&spec.selector, &template.metadata.labels) {
        errors.invalid(
            &path.child("metadata").child("labels"),
            &template.metadata.labels,
            "`selector` does not match template `labels`",
        );
    }
    pod::validate_template(template, &path, rules, errors);
    let path = path.child("spec");
    if template.spec.restart_policy != "Always" {
        errors.not_supported(&path.child("restartPolicy"), &template.spec.restart_policy, &["Always"]);
    }
    if template.spec.active_deadline_seconds.is_some() {
        errors.forbidden(
            &path.child("activeDeadlineSeconds"),
            "activeDeadlineSeconds in ReplicationController is not Supported",
        );
    }
}

/// A controller.
pub fn validate(controller: &ReplicationController) -> ErrorList {
    let mut errors =
        meta::validate(&controller.metadata, true, names::name_is_dns_subdomain, &Path::new("metadata"));
    validate_spec(&controller.spec, &Path::new("spec"), &PodRules::for_template(), &mut errors);
    errors
}

/// A changed controller.
pub fn validate_update(new: &ReplicationController, old: &ReplicationController) -> ErrorList {
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    let rules = PodRules::for_template_update(old.spec.template.as_ref().map(|template| &template.spec));
    validate_spec(&new.spec, &Path::new("spec"), &rules, &mut errors);
    errors
}

/// A changed status.
pub fn validate_status_update(new: &ReplicationController, old: &ReplicationController) -> ErrorList {
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    let status = &new.status;
    let counts = ReplicaCounts {
        replicas: status.replicas,
        fully_labeled: status.fully_labeled_replicas,
        ready: status.ready_replicas,
        available: status.available_replicas,
        terminating: None,
        observed_generation: status.observed_generation,
    };
    counts.validate(&Path::new("status"), &mut errors);
    errors
}

/// Counts in the status of replication controllers and replica sets.
pub struct ReplicaCounts {
    /// Pods there are.
    pub replicas: i32,
    /// Pods with all labels of the template.
    pub fully_labeled: i32,
    /// Pods that are ready.
    pub ready: i32,
    /// Pods that have been ready long enough.
    pub available: i32,
    /// Pods on their way out, where they are counted.
    pub terminating: Option<i32>,
    /// Generation the counts belong to.
    pub observed_generation: i64,
}

impl ReplicaCounts {
    /// No count is negative or above the counts that contain it.
    pub fn validate(&self, path: &Path, errors: &mut ErrorList) {
        errors.non_negative(&path.child("replicas"), i64::from(self.replicas));
        errors.non_negative(&path.child("fullyLabeledReplicas"), i64::from(self.fully_labeled));
        errors.non_negative(&path.child("readyReplicas"), i64::from(self.ready));
        errors.non_negative(&path.child("availableReplicas"), i64::from(self.available));
        if let Some(terminating) = self.terminating {
            errors.non_negative(&path.child("terminatingReplicas"), i64::from(terminating));
        }
        errors.non_negative(&path.child("observedGeneration"), self.observed_generation);
        for (field, count) in [
            ("fullyLabeledReplicas", self.fully_labeled),
            ("readyReplicas", self.ready),
            ("availableReplicas", self.available),
        ] {
            if count > self.replicas {
                errors.invalid(&path.child(field), count, "cannot be greater than status.replicas");
            }
        }
        if self.available > self.ready {
            errors.invalid(
                &path.child("availableReplicas"),
                self.available,
                "cannot be greater than readyReplicas",
            );
        }
    }
}
