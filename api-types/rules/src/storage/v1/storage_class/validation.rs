//! Validation of storage classes.

use crate::{core::v1::pod::warnings::label_warning, meta, report::Report};
use api_types::{core::v1::TopologySelectorTerm, storage::v1::StorageClass};
use machinery::{
    field::{ErrorList, Path},
    names,
};
use std::collections::{BTreeMap, BTreeSet};

const MOST_PARAMETERS: usize = 512;
const PARAMETERS_SIZE: usize = 256 * 1024;

/// The program that makes volumes.
pub fn validate_provisioner(provisioner: &str, path: &Path, errors: &mut ErrorList) {
    if provisioner.is_empty() {
        errors.required(path, "");
    } else {
        let lower = provisioner.to_lowercase();
        let messages = names::is_qualified_name(&lower);
        errors.invalid_each(path, lower, messages);
    }
}

/// Parameters for the program that makes volumes.
pub fn validate_parameters(
    parameters: &BTreeMap<String, String>,
    allow_empty: bool,
    path: &Path,
    errors: &mut ErrorList,
) {
    if parameters.len() > MOST_PARAMETERS {
        return errors.too_long(path, MOST_PARAMETERS);
    }
    if parameters.contains_key("") {
        errors.invalid(path, "", "field can not be empty.");
    }
    if parameters.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() > PARAMETERS_SIZE {
        errors.too_long(path, PARAMETERS_SIZE);
    }
    if !allow_empty && parameters.is_empty() {
        errors.required(path, "must contain at least one key/value pair");
    }
}

type Term<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

fn validate_term<'a>(term: &'a TopologySelectorTerm, path: &Path, errors: &mut ErrorList) -> Term<'a> {
    let mut parsed = Term::new();
    for (index, requirement) in term.match_label_expressions.iter().enumerate() {
        let path = path.child("matchLabelExpressions").index(index);
        let values_path = path.child("values");
        let mut values = BTreeSet::new();
        if requirement.values.is_empty() {
            errors.required(&values_path, "");
        }
        for (index, value) in requirement.values.iter().enumerate() {
            if !values.insert(value.as_str()) {
                errors.duplicate(&values_path.index(index), value);
            }
        }
        errors.invalid_each(&path.child("key"), &requirement.key, names::is_qualified_name(&requirement.key));
        if parsed.insert(requirement.key.as_str(), values).is_some() {
            errors.duplicate(&path.child("key"), &requirement.key);
        }
    }
    parsed
}

/// A new class.
pub fn validate(class: &StorageClass) -> ErrorList {
    let mut errors =
        meta::validate(&class.metadata, false, names::name_is_dns_subdomain, &Path::new("metadata"));
    validate_provisioner(&class.provisioner, &Path::new("provisioner"), &mut errors);
    validate_parameters(&class.parameters, true, &Path::new("parameters"), &mut errors);
    let policies = ["Delete", "Retain"];
    if let Some(policy) =
        class.reclaim_policy.as_deref().filter(|policy| !policy.is_empty() && !policies.contains(policy))
    {
        errors.not_supported(&Path::new("reclaimPolicy"), policy, &policies);
    }
    let modes = ["Immediate", "WaitForFirstConsumer"];
    match class.volume_binding_mode.as_deref() {
        None => errors.required(&Path::new("volumeBindingMode"), ""),
        Some(mode) if !modes.contains(&mode) => {
            errors.not_supported(&Path::new("volumeBindingMode"), mode, &modes)
        }
        Some(_) => {}
    }
    let mut terms: Vec<Term<'_>> = Vec::new();
    for (index, term) in class.allowed_topologies.iter().enumerate() {
        let path = Path::new("allowedTopologies").index(index);
        let parsed = validate_term(term, &path, &mut errors);
        // Upstream compares with as many empty terms as there are terms.
        if parsed.is_empty() {
            class
                .allowed_topologies
                .iter()
                .for_each(|_| errors.duplicate(&path.child("matchLabelExpressions"), ""));
        }
        for _ in terms.iter().filter(|term| **term == parsed) {
            errors.duplicate(&path.child("matchLabelExpressions"), "");
        }
        terms.push(parsed);
    }
    errors
}

/// A changed class: what made volumes so far stays as it is.
pub fn validate_update(new: &StorageClass, old: &StorageClass) -> ErrorList {
    let mut errors = validate(new);
    errors.extend(meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata")));
    errors.unchanged(&Path::new("parameters"), &new.parameters, &old.parameters, &new.parameters);
    errors.unchanged(&Path::new("provisioner"), &new.provisioner, &old.provisioner, &new.provisioner);
    errors.unchanged(
        &Path::new("reclaimPolicy"),
        &new.reclaim_policy,
        &old.reclaim_policy,
        new.reclaim_policy.clone(),
    );
    let mode = &new.volume_binding_mode;
    errors.unchanged(&Path::new("volumeBindingMode"), mode, &old.volume_binding_mode, mode.clone());
    errors
}

/// Names of node labels that have others today.
pub fn warnings(class: &StorageClass) -> Vec<String> {
    let mut warnings = Vec::new();
    for (index, term) in class.allowed_topologies.iter().enumerate() {
        for (at, requirement) in term.match_label_expressions.iter().enumerate() {
            if let Some(message) = label_warning(&requirement.key) {
                let path = Path::new("allowedTopologies")
                    .index(index)
                    .child("matchLabelExpressions")
                    .index(at)
                    .child("key");
                warnings.push(format!("{path}: {message}"));
            }
        }
    }
    warnings
}
