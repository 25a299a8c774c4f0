//! Replication controllers, replica sets, daemon sets and stateful sets: what they want and how their pods are.

use serde_json::Value;

use super::read::{
    controller, controller_uid, go_list, number, present, scalar_or, selector_shown, selector_text,
    storage_class,
};
use super::template::{self, conditions_with_reasons};
use super::{Around, Page};
use crate::error::message;
use crate::{Error, Result, values};

/// How many pods the controller has in each phase, on one line; the failure when they cannot be seen.
fn pods_status(object: &Value, around: &Around) -> std::result::Result<String, String> {
    let uid = values::text(object, "/metadata/uid");
    let pods = around.pods().map_err(said)?;
    let own = || pods.iter().filter(|pod| controller_uid(pod) == Some(uid));
    let count = |phase: &str| own().filter(|pod| values::text(pod, "/status/phase") == phase).count();
    Ok(format!(
        "{} Running / {} Waiting / {} Succeeded / {} Failed",
        count("Running"),
        count("Pending"),
        count("Succeeded"),
        count("Failed")
    ))
}

/// A failure as it is shown in the middle of a page.
pub fn said(error: &Error) -> String {
    match error.status() {
        Some(status) => status.status.message.clone(),
        None => error.to_string(),
    }
}

fn pods_line(object: &Value, around: &Around, page: &mut Page) -> Result<()> {
    page.field(0, "Pods Status", pods_status(object, around).map_err(message)?);
    Ok(())
}

fn current_and_desired(object: &Value, page: &mut Page) {
    let (current, desired) = (number(object, "/status/replicas"), number(object, "/spec/replicas"));
    page.field(0, "Replicas", format!("{current} current / {desired} desired"));
}

/// Writes the page of a replication controller.
pub fn replication_controller(object: &Value, around: &Around, page: &mut Page) -> Result<()> {
    page.field(0, "Name", values::name(object));
    page.field(0, "Namespace", values::namespace(object));
    page.field(0, "Selector", values::joined(object, "/spec/selector", ","));
    page.metadata_maps(object);
    current_and_desired(object, page);
    pods_line(object, around, page)?;
    template::describe(object, "/spec/template", page);
    conditions_with_reasons(object, page);
    Ok(())
}

/// Writes the page of a replica set.
pub fn replica_set(object: &Value, around: &Around, page: &mut Page) -> Result<()> {
    page.field(0, "Name", values::name(object));
    page.field(0, "Namespace", values::namespace(object));
    page.field(0, "Selector", selector_shown(object, "/spec/selector"));
    page.metadata_maps(object);
    if let Some(controller) = controller(object) {
        page.field(0, "Controlled By", controller);
    }
    current_and_desired(object, page);
    let pods = pods_status(object, around);
    page.field(0, "Pods Status", pods.unwrap_or_else(|error| format!("error in fetching pods: {error}")));
    template::describe(object, "/spec/template", page);
    conditions_with_reasons(object, page);
    Ok(())
}

/// Writes the page of a daemon set.
pub fn daemon_set(object: &Value, around: &Around, page: &mut Page) -> Result<()> {
    page.field(0, "Name", values::name(object));
    page.field(0, "Namespace", values::namespace(object));
    page.field(0, "Selector", selector_text(object, "/spec/selector"));
    page.field(0, "Node-Selector", values::joined(object, "/spec/template/spec/nodeSelector", ","));
    page.metadata_maps(object);
    for (label, pointer) in [
        ("Desired Number of Nodes Scheduled", "/status/desiredNumberScheduled"),
        ("Current Number of Nodes Scheduled", "/status/currentNumberScheduled"),
        ("Number of Nodes Scheduled with Up-to-date Pods", "/status/updatedNumberScheduled"),
        ("Number of Nodes Scheduled with Available Pods", "/status/numberAvailable"),
        ("Number of Nodes Misscheduled", "/status/numberMisscheduled"),
    ] {
        page.line(0, &format!("{label}: {}", number(object, pointer)));
    }
    pods_line(object, around, page)?;
    template::describe(object, "/spec/template", page);
    Ok(())
}

/// Writes the page of a stateful set.
pub fn stateful_set(object: &Value, around: &Around, page: &mut Page) -> Result<()> {
    page.field(0, "Name", values::name(object));
    page.field(0, "Namespace", values::namespace(object));
    page.field(0, "CreationTimestamp", page.time(object, "/metadata/creationTimestamp"));
    page.field(0, "Selector", selector_text(object, "/spec/selector"));
    page.metadata_maps(object);
    let (desired, total) = (number(object, "/spec/replicas"), number(object, "/status/replicas"));
    page.field(0, "Replicas", format!("{desired} desired | {total} total"));
    page.field(0, "Update Strategy", values::text(object, "/spec/updateStrategy/type"));
    if present(object, "/spec/updateStrategy/rollingUpdate/partition") {
        page.field(1, "Partition", number(object, "/spec/updateStrategy/rollingUpdate/partition"));
        if present(object, "/spec/updateStrategy/rollingUpdate/maxUnavailable") {
            let most = scalar_or(object, "/spec/updateStrategy/rollingUpdate/maxUnavailable", "");
            page.field(1, "MaxUnavailable", most);
        }
    }
    pods_line(object, around, page)?;
    template::describe(object, "/spec/template", page);
    claims(object, page);
    Ok(())
}

fn claims(object: &Value, page: &mut Page) {
    let templates = values::list(object, "/spec/volumeClaimTemplates");
    if templates.is_empty() {
        page.field(0, "Volume Claims", "<none>");
        return;
    }
    page.line(0, "Volume Claims:");
    for claim in templates {
        page.field(1, "Name", values::name(claim));
        page.field(1, "StorageClass", storage_class(claim));
        page.column(1, "Labels", &super::page::pairs(claim, "/metadata/labels"));
        page.column(1, "Annotations", &super::page::pairs(claim, "/metadata/annotations"));
        page.field(1, "Capacity", scalar_or(claim, "/spec/resources/requests/storage", "<default>"));
        page.field(1, "Access Modes", go_list(claim, "/spec/accessModes"));
    }
}
