//! Validation of deployments.

use crate::{
    apps::v1::workload::validation as workload, core::v1::pod::validation::PodRules, meta, report::Report,
};
use api_types::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy};
use machinery::{
    IntOrString, Message,
    field::{ErrorList, Path},
    names,
};

fn validate_strategy(strategy: &DeploymentStrategy, path: &Path, errors: &mut ErrorList) {
    let rolling_path = path.child("rollingUpdate");
    match (strategy.type_.as_str(), &strategy.rolling_update) {
        ("Recreate", Some(_)) => {
            errors.forbidden(&rolling_path, "may not be specified when strategy `type` is 'Recreate'")
        }
        ("Recreate", None) => {}
        ("RollingUpdate", None) => {
            errors.required(&rolling_path, "this should be defaulted and never be nil")
        }
        ("RollingUpdate", Some(rolling)) => {
            let zero = IntOrString::Int(0);
            let unavailable = rolling.max_unavailable.as_ref().unwrap_or(&zero);
            let surge = rolling.max_surge.as_ref().unwrap_or(&zero);
            workload::validate_count(unavailable, &rolling_path.child("maxUnavailable"), errors);
            workload::validate_count(surge, &rolling_path.child("maxSurge"), errors);
            if workload::is_none(unavailable) && workload::is_none(surge) {
                errors.invalid(
                    &rolling_path.child("maxUnavailable"),
                    workload::shown_count(unavailable),
                    "may not be 0 when `maxSurge` is 0",
                );
            }
            workload::validate_at_most_all(unavailable, &rolling_path.child("maxUnavailable"), errors);
        }
        _ => {
            let error = machinery::field::Error::not_supported(
                path,
                strategy.to_value(),
                ["Recreate", "RollingUpdate"],
            );
            errors.push(error);
        }
    }
}

fn validate_spec(spec: &DeploymentSpec, rules: &PodRules, path: &Path, errors: &mut ErrorList) {
    errors.non_negative(&path.child("replicas"), i64::from(spec.replicas.unwrap_or(0)));
    let selector = spec.selector.as_deref();
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
    validate_strategy(&spec.strategy, &path.child("strategy"), errors);
    errors.non_negative(&path.child("minReadySeconds"), i64::from(spec.min_ready_seconds));
    if let Some(limit) = spec.revision_history_limit {
        errors.non_negative(&path.child("revisionHistoryLimit"), i64::from(limit));
    }
    if let Some(seconds) = spec.progress_deadline_seconds {
        let path = path.child("progressDeadlineSeconds");
        errors.non_negative(&path, i64::from(seconds));
        if seconds <= spec.min_ready_seconds {
            errors.invalid(&path, seconds, "must be greater than minReadySeconds");
        }
    }
}

/// A deployment.
pub fn validate(deployment: &Deployment) -> ErrorList {
    let mut errors =
        meta::validate(&deployment.metadata, true, names::name_is_dns_subdomain, &Path::new("metadata"));
    validate_spec(&deployment.spec, &PodRules::for_template(), &Path::new("spec"), &mut errors);
    errors
}

/// A changed deployment: its selector stays.
pub fn validate_update(new: &Deployment, old: &Deployment) -> ErrorList {
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    let rules = PodRules::for_template_update(Some(&old.spec.template.spec));
    validate_spec(&new.spec, &rules, &Path::new("spec"), &mut errors);
    let shown = new.spec.selector.as_ref().map(|selector| selector.to_value());
    errors.unchanged(&Path::of(&["spec", "selector"]), &new.spec.selector, &old.spec.selector, shown);
    errors
}

/// A changed status.
pub fn validate_status_update(new: &Deployment, old: &Deployment) -> ErrorList {
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    let path = Path::new("status");
    let status = &new.status;
    let counts = [
        ("observedGeneration", status.observed_generation),
        ("replicas", i64::from(status.replicas)),
        ("updatedReplicas", i64::from(status.updated_replicas)),
        ("readyReplicas", i64::from(status.ready_replicas)),
        ("availableReplicas", i64::from(status.available_replicas)),
        ("unavailableReplicas", i64::from(status.unavailable_replicas)),
        ("terminatingReplicas", i64::from(status.terminating_replicas.unwrap_or(0))),
        ("collisionCount", i64::from(status.collision_count.unwrap_or(0))),
    ];
    workload::validate_counts(&counts, &path, &mut errors);
    let within = [
        ("updatedReplicas", status.updated_replicas),
        ("readyReplicas", status.ready_replicas),
        ("availableReplicas", status.available_replicas),
    ];
    workload::validate_within(
        &within,
        status.replicas,
        "cannot be greater than status.replicas",
        &path,
        &mut errors,
    );
    let available = [("availableReplicas", status.available_replicas)];
    workload::validate_within(
        &available,
        status.ready_replicas,
        "cannot be greater than readyReplicas",
        &path,
        &mut errors,
    );
    workload::validate_not_decremented(
        status.collision_count,
        old.status.collision_count,
        &path.child("collisionCount"),
        &mut errors,
    );
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apps::v1::deployment::defaults;
    use api_types::core::v1::Container;
    use machinery::meta::v1::LabelSelector;

    fn deployment() -> Deployment {
        let mut deployment = Deployment::default();
        deployment.metadata.name = "web".into();
        deployment.metadata.namespace = "default".into();
        deployment.metadata.resource_version = "1".into();
        let labels = std::collections::BTreeMap::from([("app".to_owned(), "web".to_owned())]);
        deployment.spec.selector =
            Some(Box::new(LabelSelector { match_labels: labels.clone(), ..Default::default() }));
        deployment.spec.template.metadata.labels = labels;
        deployment.spec.template.spec.containers.push(Container {
            name: "c".into(),
            image: "i".into(),
            ..Default::default()
        });
        defaults::set(&mut deployment);
        deployment
    }

    fn check(change: impl Fn(&mut Deployment), expected: &[&str]) {
        let mut deployment = deployment();
        change(&mut deployment);
        let messages: Vec<String> = validate(&deployment).iter().map(ToString::to_string).collect();
        assert_eq!(messages, expected);
    }

    #[test]
    fn rules() {
        check(|_| {}, &[]);
        check(|deployment| deployment.spec.selector = None, &["spec.selector: Required value"]);
        check(
            |deployment| deployment.spec.template.metadata.labels.clear(),
            &[
                "spec.template.metadata.labels: Invalid value: {}: `selector` does not match template `labels`",
            ],
        );
        check(
            |deployment| deployment.spec.template.spec.restart_policy = "Never".into(),
            &["spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \"Always\""],
        );
        check(
            |deployment| deployment.spec.min_ready_seconds = 600,
            &["spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds"],
        );
        check(
            |deployment| {
                if let Some(rolling) = &mut deployment.spec.strategy.rolling_update {
                    rolling.max_surge = Some(IntOrString::Int(0));
                    rolling.max_unavailable = Some(IntOrString::String("0%".into()));
                }
            },
            &[
                "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"0%\": may not be 0 when `maxSurge` is 0",
            ],
        );
    }

    #[test]
    fn the_selector_stays() {
        let old = deployment();
        let mut new = old.clone();
        let labels = std::collections::BTreeMap::from([("app".to_owned(), "api".to_owned())]);
        new.spec.template.metadata.labels = labels.clone();
        new.spec.selector = Some(Box::new(LabelSelector { match_labels: labels, ..Default::default() }));
        let messages: Vec<String> = validate_update(&new, &old).iter().map(ToString::to_string).collect();
        assert_eq!(
            messages,
            ["spec.selector: Invalid value: {\"matchLabels\":{\"app\":\"api\"}}: field is immutable"]
        );
    }
}
