//! Validation of CSI nodes, the drivers of a node.

use crate::{
    core::v1::pod::volumes::validate_csi_driver,
    meta,
    report::{IMMUTABLE, Report},
};
use api_types::storage::v1::{CSINode, CSINodeDriver};
use machinery::{
    Message,
    field::{ErrorList, Path},
    names,
};
use std::collections::BTreeSet;

const NODE_ID_SIZE: usize = 256;

fn validate_driver(driver: &CSINodeDriver, path: &Path, errors: &mut ErrorList) {
    validate_csi_driver(&driver.name, &path.child("name"), errors);
    let id_path = path.child("nodeID");
    if driver.node_id.is_empty() {
        errors.required(&id_path, "");
    }
    if driver.node_id.len() > NODE_ID_SIZE {
        errors.invalid(&id_path, &driver.node_id, format!("must be {NODE_ID_SIZE} characters or less"));
    }
    if let Some(count) = driver.allocatable.as_ref().and_then(|allocatable| allocatable.count) {
        errors.non_negative(&path.child("allocatable").child("count"), i64::from(count));
    }
}

/// A new set of drivers.
pub fn validate(node: &CSINode) -> ErrorList {
    let mut errors =
        meta::validate(&node.metadata, false, names::name_is_dns_subdomain, &Path::new("metadata"));
    let mut seen = BTreeSet::new();
    for (index, driver) in node.spec.drivers.iter().enumerate() {
        let path = Path::of(&["spec", "drivers"]).index(index);
        validate_driver(driver, &path, &mut errors);
        if !seen.insert(&driver.name) {
            errors.duplicate(&path.child("name"), &driver.name);
        }
        let mut keys = BTreeSet::new();
        for key in &driver.topology_keys {
            if key.is_empty() {
                errors.required(&path, "");
            }
            if !keys.insert(key) {
                errors.duplicate(&path, key);
            }
            errors.invalid_each(&path, key, names::is_qualified_name(key));
        }
    }
    errors
}

/// A changed set: a driver that stays keeps everything but its limits.
pub fn validate_update(new: &CSINode, old: &CSINode) -> ErrorList {
    let mut errors = validate(new);
    let without_limits = |driver: &CSINodeDriver| CSINodeDriver { allocatable: None, ..driver.clone() };
    for before in old.spec.drivers.iter().map(without_limits) {
        for now in new.spec.drivers.iter().map(without_limits).filter(|now| now.name == before.name) {
            if now != before {
                errors.invalid(&Path::of(&["spec", "drivers"]), now.to_value(), IMMUTABLE);
            }
        }
    }
    errors
}
