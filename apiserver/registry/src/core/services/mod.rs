//! Services. Their addresses and ports are allocated around the write, see [`crate::allocation`].

pub mod columns;

use crate::{Column, Connect, Context, Entry, Row, Strategy, View, strategy::ResetFields};
use api_types::core::v1::{Service, ServiceSpec};
use machinery::field::ErrorList;
use rules::core::v1::service::{defaults, meaning, validation};
use std::collections::BTreeSet;

/// The row.
pub fn entry() -> Entry {
    Entry::new(&Services)
        .prefix("services/specs")
        .connect("proxy", Connect::ServiceProxy)
        .view("status", &Status)
}

/// Strategy of the resource itself.
pub struct Services;

fn node_ports(spec: &ServiceSpec) -> BTreeSet<i32> {
    spec.ports.iter().map(|port| port.node_port).filter(|port| *port != 0).collect()
}

/// Clears fields that came with a type the service no longer has, unless the client changed them too
/// (then validation says what is wrong).
fn drop_fields_of_old_type(new: &mut Service, old: &Service) {
    let (now, before) = (&mut new.spec, &old.spec);
    if before.type_ != "ExternalName" && now.type_ == "ExternalName" {
        if now.cluster_ip == before.cluster_ip && now.cluster_ips == before.cluster_ips {
            now.cluster_ip.clear();
            now.cluster_ips.clear();
        }
        if now.ip_families == before.ip_families {
            now.ip_families.clear();
        }
        if now.ip_family_policy == before.ip_family_policy {
            now.ip_family_policy = None;
        }
    }
    let has_ports = |spec: &ServiceSpec| matches!(spec.type_.as_str(), "NodePort" | "LoadBalancer");
    if has_ports(before) && !has_ports(now) && node_ports(before).is_superset(&node_ports(now)) {
        now.ports.iter_mut().for_each(|port| port.node_port = 0);
    }
    let checked =
        |spec: &ServiceSpec| spec.type_ == "LoadBalancer" && spec.external_traffic_policy == "Local";
    if checked(before) && !checked(now) && before.health_check_node_port == now.health_check_node_port {
        now.health_check_node_port = 0;
    }
    if before.type_ == "LoadBalancer" && now.type_ != "LoadBalancer" {
        if now.allocate_load_balancer_node_ports == before.allocate_load_balancer_node_ports {
            now.allocate_load_balancer_node_ports = None;
        }
        if now.load_balancer_class == before.load_balancer_class {
            now.load_balancer_class = None;
        }
    }
    if meaning::is_externally_accessible(before)
        && !meaning::is_externally_accessible(now)
        && before.external_traffic_policy == now.external_traffic_policy
    {
        now.external_traffic_policy.clear();
    }
    if now.type_ != "LoadBalancer" {
        new.status.load_balancer = Default::default();
    }
}

impl Strategy for Services {
    type Kind = Service;

    fn default(&self, object: &mut Service) {
        defaults::set(object);
    }

    fn prepare_for_create(&self, _context: &Context, object: &mut Service) {
        object.status = Default::default();
    }

    fn validate(&self, _context: &Context, object: &Service) -> ErrorList {
        validation::validate(object)
    }

    fn warnings_on_create(&self, _context: &Context, object: &Service) -> Vec<String> {
        validation::warnings(object)
    }

    fn prepare_for_update(&self, _context: &Context, new: &mut Service, old: &Service) {
        new.status = old.status.clone();
        drop_fields_of_old_type(new, old);
    }

    fn validate_update(&self, _context: &Context, new: &Service, old: &Service) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn warnings_on_update(&self, _context: &Context, new: &Service, _old: &Service) -> Vec<String> {
        validation::warnings(new)
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }

    fn selectable_fields(&self, object: &Service) -> Vec<(&'static str, String)> {
        vec![("spec.clusterIP", object.spec.cluster_ip.clone()), ("spec.type", object.spec.type_.clone())]
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["status"]]
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &Service, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}

/// The `status` view.
pub struct Status;

impl View for Status {
    type Kind = Service;

    fn prepare_for_update(&self, _context: &Context, new: &mut Service, old: &Service) {
        new.spec = old.spec.clone();
    }

    fn validate_update(&self, _context: &Context, new: &Service, old: &Service) -> ErrorList {
        validation::validate_status_update(new, old)
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["spec"]]
    }
}
