//! Validation of pod templates.

use crate::{
    core::v1::pod::validation::{self as pod, PodRules},
    meta,
};
use api_types::core::v1::PodTemplate;
use machinery::{
    field::{ErrorList, Path},
    names,
};

/// A pod template.
pub fn validate(template: &PodTemplate) -> ErrorList {
    let mut errors =
        meta::validate(&template.metadata, true, names::name_is_dns_subdomain, &Path::new("metadata"));
    pod::validate_template(
        &template.template,
        &Path::new("template"),
        &PodRules::for_template(),
        &mut errors,
    );
    errors
}

/// A changed pod template.
pub fn validate_update(new: &PodTemplate, old: &PodTemplate) -> ErrorList {
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    let rules = PodRules::for_template_update(Some(&old.template.spec));
    pod::validate_template(&new.template, &Path::new("template"), &rules, &mut errors);
    errors
}
