//! Validation of IP addresses, the objects that reserve an address for one parent.

use crate::{addresses, meta, report::Report};
use api_types::networking::v1::{IPAddress, ParentReference};
use machinery::{
    Message,
    field::{ErrorList, Path},
    names,
};

/// The name of an object is its address in the one form it has.
fn name_rule(name: &str, _prefix: bool) -> Vec<String> {
    match addresses::parse_ip_sloppy(name) {
        None => vec!["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)".to_owned()],
        Some(ip) if ip.to_string() != name => vec![format!("must be in canonical form (\"{ip}\")")],
        Some(_) => Vec::new(),
    }
}

fn validate_parent(parent: Option<&ParentReference>, path: &Path, errors: &mut ErrorList) {
    let Some(parent) = parent else {
        errors.required(path, "");
        return;
    };
    if !parent.group.is_empty() {
        errors.invalid_each(&path.child("group"), &parent.group, names::is_dns1123_subdomain(&parent.group));
    }
    for (name, value, wanted) in [
        ("resource", &parent.resource, true),
        ("name", &parent.name, true),
        ("namespace", &parent.namespace, false),
    ] {
        if !value.is_empty() {
            errors.invalid_each(&path.child(name), value, names::name_is_path_segment(value, false));
        } else if wanted {
            errors.required(&path.child(name), "");
        }
    }
}

/// A new reservation.
pub fn validate(address: &IPAddress) -> ErrorList {
    let mut errors = meta::validate(&address.metadata, false, name_rule, &Path::new("metadata"));
    validate_parent(address.spec.parent_ref.as_deref(), &Path::of(&["spec", "parentRef"]), &mut errors);
    errors
}

/// A reservation never changes hands.
pub fn validate_update(new: &IPAddress, old: &IPAddress) -> ErrorList {
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    let shown = new.spec.parent_ref.as_ref().map(|parent| parent.to_value());
    errors.unchanged(&Path::of(&["spec", "parentRef"]), &new.spec.parent_ref, &old.spec.parent_ref, shown);
    errors
}
