//! Pods.

use api_types::core::v1::Pod;
use machinery::Message as _;
use serde_json::Value;

use super::read::{controller, number, present};
use super::template::{named, scheduling_group, spread_constraints, tolerations};
use super::{Around, Page, containers, volumes};
use crate::error::message;
use crate::{Result, values};

/// Writes the page of a pod.
pub fn describe(pod: &Value, _: &Around, page: &mut Page) -> Result<()> {
    let spec = pod.get("spec").unwrap_or(&Value::Null);
    let text = |pointer: &str| values::text(pod, pointer);
    page.field(0, "Name", values::name(pod));
    page.field(0, "Namespace", values::namespace(pod));
    if present(pod, "/spec/priority") {
        page.field(0, "Priority", number(pod, "/spec/priority"));
    }
    named(0, "Priority Class Name", spec, "/priorityClassName", page);
    named(0, "Runtime Class Name", spec, "/runtimeClassName", page);
    named(0, "Service Account", spec, "/serviceAccountName", page);
    match text("/spec/nodeName") {
        "" => page.field(0, "Node", "<none>"),
        node => page.field(0, "Node", format!("{node}/{}", text("/status/hostIP"))),
    }
    if present(pod, "/status/startTime") {
        page.field(0, "Start Time", page.time(pod, "/status/startTime"));
    }
    page.metadata_maps(pod);
    let phase = text("/status/phase");
    if present(pod, "/metadata/deletionTimestamp") && !["Failed", "Succeeded"].contains(&phase) {
        let age = page.age(pod, "/metadata/deletionTimestamp");
        page.field(0, "Status", format!("Terminating (lasts {age})"));
        let grace = number(pod, "/metadata/deletionGracePeriodSeconds");
        page.field(0, "Termination Grace Period", format!("{grace}s"));
    } else {
        page.field(0, "Status", phase);
    }
    named(0, "Reason", pod, "/status/reason", page);
    named(0, "Message", pod, "/status/message", page);
    if present(spec, "/securityContext/seccompProfile") {
        let kind = values::text(spec, "/securityContext/seccompProfile/type");
        page.field(0, "SeccompProfile", kind);
        if kind == "Localhost" {
            let profile = values::text(spec, "/securityContext/seccompProfile/localhostProfile");
            page.field(0, "LocalhostProfile", profile);
        }
    }
    page.field(0, "IP", text("/status/podIP"));
    addresses(pod, page);
    if let Some(controller) = controller(pod) {
        page.field(0, "Controlled By", controller);
    }
    named(0, "NominatedNodeName", pod, "/status/nominatedNodeName", page);
    if present(spec, "/resources") {
        page.line(0, "Resources:");
        containers::resources(spec, "/resources", 1, page);
    }
    let mut list = |label: &str, pointer: &str, statuses: &str, always: bool| {
        if always || !values::list(spec, pointer).is_empty() {
            let statuses = values::list(pod, statuses);
            containers::describe(label, spec, pointer, statuses, Some(pod), "", page);
        }
    };
    list("Init Containers", "/initContainers", "/status/initContainerStatuses", false);
    list("Containers", "/containers", "/status/containerStatuses", true);
    list("Ephemeral Containers", "/ephemeralContainers", "/status/ephemeralContainerStatuses", false);
    conditions(pod, page);
    volumes::describe(spec, "", page);
    page.field(0, "QoS Class", quality(pod)?);
    page.labels("Node-Selectors", spec, "/nodeSelector");
    tolerations("Tolerations", spec, page);
    spread_constraints(spec, "", page);
    scheduling_group(spec, "", page);
    Ok(())
}

fn addresses(pod: &Value, page: &mut Page) {
    let addresses = values::list(pod, "/status/podIPs");
    if addresses.is_empty() {
        page.field(0, "IPs", "<none>");
        return;
    }
    page.line(0, "IPs:");
    for address in addresses {
        page.field(1, "IP", values::text(address, "/ip"));
    }
}

fn conditions(pod: &Value, page: &mut Page) {
    let conditions = values::list(pod, "/status/conditions");
    let mut table = |label: &str, rows: Vec<(&str, &str)>| {
        if rows.is_empty() {
            return;
        }
        page.line(0, &format!("{label}:\n  Type\tStatus"));
        for (kind, status) in rows {
            page.line(1, &format!("{kind} \t{status} "));
        }
    };
    let gates = values::list(pod, "/spec/readinessGates").iter().map(|gate| {
        let kind = values::text(gate, "/conditionType");
        let found = conditions.iter().find(|condition| values::text(condition, "/type") == kind);
        (kind, found.map_or("<none>", |condition| values::text(condition, "/status")))
    });
    table("Readiness Gates", gates.collect());
    let all = conditions.iter();
    let all = all.map(|condition| (values::text(condition, "/type"), values::text(condition, "/status")));
    table("Conditions", all.collect());
}

/// The quality of service in the status, else as the resources make it.
fn quality(pod: &Value) -> Result<String> {
    match values::text(pod, "/status/qosClass") {
        "" => {
            let typed = Pod::from_value(pod).map_err(|error| message(error.to_string()))?;
            Ok(rules::core::v1::pod::qos::computed(&typed).to_owned())
        }
        class => Ok(class.to_owned()),
    }
}
