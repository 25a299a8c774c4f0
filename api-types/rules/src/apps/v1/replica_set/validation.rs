//! Validation of replica sets.

use crate::{
    apps::v1::workload::validation as workload,
    core::v1::{pod::validation::PodRules, replication_controller::validation::ReplicaCounts},
    meta,
    report::Report,
};
use api_types::apps::v1::{ReplicaSet, ReplicaSetSpec};
use machinery::{
    Message,
    field::{ErrorList, Path},
    names,
};

fn validate_spec(spec: &ReplicaSetSpec, rules: &PodRules, path: &Path, errors: &mut ErrorList) {
    errors.non_negative(&path.child("replicas"), i64::from(spec.replicas.unwrap_or(0)));
    errors.non_negative(&path.child("minReadySeconds"), i64::from(spec.min_ready_seconds));
    let selector = spec.selector.as_deref();
    // The message speaks of deployments, as upstream's does.
    workload::validate_selector(selector, "deployment", &path.child("selector"), errors);
    if workload::is_evaluable(selector) {
        workload::validate_replicated_template(
            selector,
            &spec.template,
            rules,
            &path.child("template"),
            errors,
        );
    } else {
        errors.invalid(
            &path.child("selector"),
            spec.selector.as_ref().map(|selector| selector.to_value()),
            "invalid label selector",
        );
    }
}

/// A replica set.
pub fn validate(replica_set: &ReplicaSet) -> ErrorList {
    let mut errors =
        meta::validate(&replica_set.metadata, true, names::name_is_dns_subdomain, &Path::new("metadata"));
    validate_spec(&replica_set.spec, &PodRules::for_template(), &Path::new("spec"), &mut errors);
    errors
}

/// A changed replica set: its selector stays.
pub fn validate_update(new: &ReplicaSet, old: &ReplicaSet) -> ErrorList {
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    let rules = PodRules::for_template_update(Some(&old.spec.template.spec));
    validate_spec(&new.spec, &rules, &Path::new("spec"), &mut errors);
    let shown = new.spec.selector.as_ref().map(|selector| selector.to_value());
    errors.unchanged(&Path::of(&["spec", "selector"]), &new.spec.selector, &old.spec.selector, shown);
    errors
}

/// A changed status.
pub fn validate_status_update(new: &ReplicaSet, old: &ReplicaSet) -> ErrorList {
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    let status = &new.status;
    let counts = ReplicaCounts {
        replicas: status.replicas,
        fully_labeled: status.fully_labeled_replicas,
        ready: status.ready_replicas,
        available: status.available_replicas,
        terminating: status.terminating_replicas,
        observed_generation: status.observed_generation,
    };
    counts.validate(&Path::new("status"), &mut errors);
    errors
}
