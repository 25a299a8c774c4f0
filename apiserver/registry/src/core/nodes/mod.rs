//! Nodes.

pub mod columns;

use crate::{Column, Connect, Context, Entry, Row, Strategy, View, strategy::ResetFields};
use api_types::core::v1::Node;
use machinery::field::ErrorList;
use rules::core::v1::node::{defaults, validation};

/// The row.
pub fn entry() -> Entry {
    Entry::new(&Nodes).prefix("minions").connect("proxy", Connect::NodeProxy).view("status", &Status)
}

/// Strategy of the resource itself.
pub struct Nodes;

/// `podCIDR` is the first of `podCIDRs`; whichever of the two a client sent fills in the other.
fn align_cidrs(node: &mut Node) {
    let spec = &mut node.spec;
    if spec.pod_cidrs.is_empty() && !spec.pod_cidr.is_empty() {
        spec.pod_cidrs = vec![spec.pod_cidr.clone()];
    }
    if !spec.pod_cidr.is_empty() && spec.pod_cidrs.first() != Some(&spec.pod_cidr) {
        spec.pod_cidrs = vec![spec.pod_cidr.clone()];
    }
    spec.pod_cidr = spec.pod_cidrs.first().cloned().unwrap_or_default();
}

impl Strategy for Nodes {
    type Kind = Node;

    fn default(&self, object: &mut Node) {
        defaults::set(object);
        align_cidrs(object);
    }

    fn prepare_for_create(&self, _context: &Context, object: &mut Node) {
        // Kubelets register with their status, so unlike elsewhere it stays; dynamic configuration is gone.
        object.spec.config_source = None;
        object.status.config = None;
    }

    fn validate(&self, _context: &Context, object: &Node) -> ErrorList {
        validation::validate(object)
    }

    fn warnings_on_create(&self, _context: &Context, object: &Node) -> Vec<String> {
        validation::warnings(object)
    }

    fn prepare_for_update(&self, _context: &Context, new: &mut Node, old: &Node) {
        new.status = old.status.clone();
        if old.spec.config_source.is_none() {
            new.spec.config_source = None;
        }
    }

    fn validate_update(&self, _context: &Context, new: &Node, old: &Node) -> ErrorList {
        let mut errors = validation::validate(new);
        errors.extend(validation::validate_update(new, old));
        errors
    }

    fn warnings_on_update(&self, _context: &Context, new: &Node, _old: &Node) -> Vec<String> {
        validation::warnings(new)
    }

    fn selectable_fields(&self, object: &Node) -> Vec<(&'static str, String)> {
        vec![("spec.unschedulable", object.spec.unschedulable.to_string())]
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["status"]]
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &Node, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}

/// The `status` view.
pub struct Status;

impl View for Status {
    type Kind = Node;

    fn prepare_for_update(&self, _context: &Context, new: &mut Node, old: &Node) {
        new.spec = old.spec.clone();
        if old.status.config.is_none() {
            new.status.config = None;
        }
    }

    fn validate_update(&self, _context: &Context, new: &Node, old: &Node) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["spec"]]
    }
}
