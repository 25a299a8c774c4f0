//! Pods.

pub mod columns;
mod eviction;
mod prepare;
mod views;

pub use eviction::EVICT;

use crate::{Column, Connect, Context, Entry, Row, Strategy, strategy::ResetFields};
use api_types::core::v1::Pod;
use machinery::{field::ErrorList, names};
use rules::core::v1::pod::{defaults, fields, meaning, update, validation};

/// The row.
pub fn entry() -> Entry {
    Entry::new(&Pods)
        .connect("attach", Connect::PodAttach)
        .action("binding", &crate::core::bindings::BIND)
        .view("ephemeralcontainers", &views::EphemeralContainers)
        .action("eviction", &EVICT)
        .connect("exec", Connect::PodExec)
        .connect("log", Connect::PodLog)
        .connect("portforward", Connect::PodPortForward)
        .connect("proxy", Connect::PodProxy)
        .view("resize", &views::Resize)
        .view("status", &views::Status)
}

/// Strategy of the resource itself.
pub struct Pods;

impl Strategy for Pods {
    type Kind = Pod;

    fn default(&self, object: &mut Pod) {
        defaults::set(object);
    }

    fn prepare_for_create(&self, context: &Context, object: &mut Pod) {
        prepare::for_create(object, context.now);
    }

    fn validate(&self, _context: &Context, object: &Pod) -> ErrorList {
        validation::validate(object)
    }

    fn warnings_on_create(&self, _context: &Context, object: &Pod) -> Vec<String> {
        let mut warnings = Vec::new();
        let label = names::is_dns1123_label(&object.metadata.name);
        if !label.is_empty() {
            warnings.push(format!(
                "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [{}]",
                label.join(" ")
            ));
        }
        warnings.extend(rules::core::v1::pod::warnings::of_pod(object));
        warnings
    }

    fn prepare_for_update(&self, _context: &Context, new: &mut Pod, old: &Pod) {
        fields::align(new);
        new.status = old.status.clone();
        fields::drop_disabled(&mut new.spec, Some(&old.spec));
        prepare::raise_generation(new, old);
    }

    fn validate_update(&self, _context: &Context, new: &Pod, old: &Pod) -> ErrorList {
        update::validate(new, old)
    }

    fn selectable_fields(&self, object: &Pod) -> Vec<(&'static str, String)> {
        let (spec, status) = (&object.spec, &object.status);
        vec![
            ("spec.nodeName", spec.node_name.clone()),
            ("spec.restartPolicy", spec.restart_policy.clone()),
            ("spec.schedulerName", spec.scheduler_name.clone()),
            ("spec.serviceAccountName", spec.service_account_name.clone()),
            ("spec.hostNetwork", spec.host_network.to_string()),
            ("status.phase", status.phase.clone()),
            ("status.podIP", status.pod_ips.first().map(|ip| ip.ip.clone()).unwrap_or_default()),
            ("status.nominatedNodeName", status.nominated_node_name.clone()),
        ]
    }

    fn grace_period_seconds(&self, _context: &Context, object: &Pod, requested: Option<i64>) -> Option<i64> {
        // No kubelet has to be waited for when no node has the pod or nothing runs any more.
        if object.spec.node_name.is_empty() || meaning::is_terminal(object) {
            return Some(0);
        }
        let period = requested.or(object.spec.termination_grace_period_seconds).unwrap_or(0);
        Some(if period < 0 { 1 } else { period })
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["status"]]
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &Pod, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}
