//! Validation of stateful sets.

use crate::{
    apps::v1::workload::validation as workload,
    core::v1::{
        persistent_volume_claim,
        pod::validation::{self as pod, PodRules},
    },
    meta,
    report::Report,
};
use api_types::{
    apps::v1::{StatefulSet, StatefulSetSpec},
    core::v1::{PersistentVolumeClaimVolumeSource, PodTemplateSpec, Volume, VolumeSource},
};
use machinery::{
    Message,
    field::{ErrorList, Path},
    names,
};

/// What a stored stateful set may keep.
#[derive(Clone, Copy, Debug, Default)]
struct Allowances {
    bad_service_name: bool,
    skip_template: bool,
    skip_claims: bool,
}

fn validate_strategy(spec: &StatefulSetSpec, path: &Path, errors: &mut ErrorList) {
    let strategy = &spec.update_strategy;
    let path = path.child("updateStrategy");
    match (strategy.type_.as_str(), &strategy.rolling_update) {
        ("", _) => errors.required(&path, ""),
        ("OnDelete", Some(rolling)) => errors.invalid(
            &path.child("rollingUpdate"),
            rolling.to_value(),
            "only allowed for updateStrategy 'RollingUpdate'",
        ),
        ("OnDelete" | "RollingUpdate", None) => {}
        ("RollingUpdate", Some(rolling)) => {
            let path = path.child("rollingUpdate");
            errors.non_negative(&path.child("partition"), i64::from(rolling.partition.unwrap_or(0)));
            if let Some(unavailable) = &rolling.max_unavailable {
                let path = path.child("maxUnavailable");
                workload::validate_count(unavailable, &path, errors);
                if workload::is_none(unavailable) {
                    errors.invalid(&path, workload::shown_count(unavailable), "cannot be 0");
                }
                workload::validate_at_most_all(unavailable, &path, errors);
            }
        }
        _ => errors.invalid(&path, strategy.to_value(), "must be 'RollingUpdate' or 'OnDelete'"),
    }
}

/// The template as the pods will have it: with a volume for each claim, without names that the controller sets.
fn completed_template(spec: &StatefulSetSpec) -> PodTemplateSpec {
    let mut template = spec.template.clone();
    template.spec.subdomain.clear();
    template.spec.hostname.clear();
    let claims = spec.volume_claim_templates.iter().map(|claim| claim.metadata.name.as_str());
    template.spec.volumes.retain(|volume| !claims.clone().any(|name| name == volume.name));
    let added = claims.map(|name| {
        let claim = PersistentVolumeClaimVolumeSource { claim_name: name.to_owned(), ..Default::default() };
        Volume {
            name: name.to_owned(),
            volume_source: VolumeSource {
                persistent_volume_claim: Some(Box::new(claim)),
                ..Default::default()
            },
        }
    });
    template.spec.volumes = added.chain(std::mem::take(&mut template.spec.volumes)).collect();
    template
}

fn validate_spec(
    spec: &StatefulSetSpec,
    rules: &PodRules,
    allow: Allowances,
    path: &Path,
    errors: &mut ErrorList,
) {
    let management = path.child("podManagementPolicy");
    match spec.pod_management_policy.as_str() {
        "OrderedReady" | "Parallel" => {}
        "" => errors.required(&management, ""),
        other => errors.invalid(&management, other, "must be 'OrderedReady' or 'Parallel'"),
    }
    validate_strategy(spec, path, errors);
    if let Some(retention) = &spec.persistent_volume_claim_retention_policy {
        let path = path.child("persistentVolumeClaimRetentionPolicy");
        for (field, policy) in
            [("whenDeleted", &retention.when_deleted), ("whenScaled", &retention.when_scaled)]
        {
            if !matches!(policy.as_str(), "Retain" | "Delete") {
                errors.not_supported_in_order(&path.child(field), policy, &["Retain", "Delete"]);
            }
        }
    }
    if !allow.skip_claims {
        for (index, claim) in spec.volume_claim_templates.iter().enumerate() {
            persistent_volume_claim::validation::validate_spec(
                &claim.spec,
                &path.child("volumeClaimTemplates").index(index).child("spec"),
                errors,
            );
        }
    }
    errors.non_negative(&path.child("replicas"), i64::from(spec.replicas.unwrap_or(0)));
    errors.non_negative(&path.child("minReadySeconds"), i64::from(spec.min_ready_seconds));
    if let Some(ordinals) = &spec.ordinals {
        errors.non_negative(&path.child("ordinals.start"), i64::from(ordinals.start));
    }
    if !allow.bad_service_name && !spec.service_name.is_empty() {
        errors.invalid_each(
            &path.child("serviceName"),
            &spec.service_name,
            names::is_dns1123_label(&spec.service_name),
        );
    }
    let selector = spec.selector.as_deref();
    workload::validate_selector(selector, "statefulset", &path.child("selector"), errors);
    let template_path = path.child("template");
    if workload::is_evaluable(selector) {
        let template = completed_template(spec);
        workload::validate_labels_selected(selector, &template, &template_path, errors);
        if !allow.skip_template {
            pod::validate_template(&template, &template_path, rules, errors);
        }
        let (given, path) = (&template.metadata, &template_path);
        errors.extend(meta::validate_labels(&given.labels, &path.child("labels")));
        errors.extend(meta::validate_annotations(&given.annotations, &path.child("annotations")));
        pod::validate_annotations(given, &template.spec, &path.child("annotations"), rules, errors);
    } else {
        errors.invalid(&path.child("selector"), selector.map(|selector| selector.to_value()), "");
    }
    workload::validate_runs_forever(&spec.template, "StatefulSet", &template_path, errors);
}

/// A stateful set.
pub fn validate(stateful_set: &StatefulSet) -> ErrorList {
    let mut errors =
        meta::validate(&stateful_set.metadata, true, names::name_is_dns_label, &Path::new("metadata"));
    validate_spec(
        &stateful_set.spec,
        &PodRules::for_template(),
        Allowances::default(),
        &Path::new("spec"),
        &mut errors,
    );
    errors
}

/// A changed stateful set: only what its controller can roll out may change.
pub fn validate_update(new: &StatefulSet, old: &StatefulSet) -> ErrorList {
    let path = Path::new("spec");
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    let rules = PodRules::for_template_update(Some(&old.spec.template.spec));
    let mut allow = Allowances { bad_service_name: true, skip_claims: true, skip_template: false };
    let mut stored = ErrorList::new();
    validate_spec(&old.spec, &rules, allow, &path, &mut stored);
    allow.skip_template = !stored.is_empty();
    validate_spec(&new.spec, &rules, allow, &path, &mut errors);
    let rest = StatefulSetSpec {
        replicas: old.spec.replicas,
        template: old.spec.template.clone(),
        update_strategy: old.spec.update_strategy.clone(),
        min_ready_seconds: old.spec.min_ready_seconds,
        ordinals: old.spec.ordinals.clone(),
        revision_history_limit: old.spec.revision_history_limit,
        persistent_volume_claim_retention_policy: old.spec.persistent_volume_claim_retention_policy.clone(),
        ..new.spec.clone()
    };
    if rest != old.spec {
        errors.forbidden(&path, "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden");
    }
    errors
}

/// A changed status.
pub fn validate_status_update(new: &StatefulSet, old: &StatefulSet) -> ErrorList {
    let mut errors = ErrorList::new();
    let path = Path::new("status");
    let status = &new.status;
    let counts = [
        ("replicas", i64::from(status.replicas)),
        ("readyReplicas", i64::from(status.ready_replicas)),
        ("currentReplicas", i64::from(status.current_replicas)),
        ("updatedReplicas", i64::from(status.updated_replicas)),
        ("availableReplicas", i64::from(status.available_replicas)),
        ("observedGeneration", status.observed_generation),
        ("collisionCount", i64::from(status.collision_count.unwrap_or(0))),
    ];
    workload::validate_counts(&counts, &path, &mut errors);
    let within = [
        ("readyReplicas", status.ready_replicas),
        ("currentReplicas", status.current_replicas),
        ("updatedReplicas", status.updated_replicas),
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
        "cannot be greater than status.readyReplicas",
        &path,
        &mut errors,
    );
    errors.extend(meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata")));
    workload::validate_not_decremented(
        status.collision_count,
        old.status.collision_count,
        &path.child("collisionCount"),
        &mut errors,
    );
    errors
}
