//! Classes of priority and storage, attributes of volumes, and what CSI drivers say of nodes.

use serde_json::Value;

use super::read::{go_list, number, present, scalar, texts, truth_or_unset};
use super::{Around, Page};
use crate::{Result, values};

/// Writes the page of a priority class.
pub fn priority_class(class: &Value, _: &Around, page: &mut Page) -> Result<()> {
    page.field(0, "Name", values::name(class));
    page.field(0, "Value", number(class, "/value"));
    page.field(0, "GlobalDefault", values::flag(class, "/globalDefault"));
    page.field(0, "PreemptionPolicy", values::text(class, "/preemptionPolicy"));
    page.field(0, "Description", values::text(class, "/description"));
    page.field(0, "Annotations", values::joined(class, "/metadata/annotations", ","));
    Ok(())
}

/// Writes the page of a storage class.
pub fn storage_class(class: &Value, _: &Around, page: &mut Page) -> Result<()> {
    const DEFAULT: [&str; 2] =
        ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];
    let is_default = values::entries(class, "/metadata/annotations")
        .into_iter()
        .any(|(key, value)| DEFAULT.contains(&key) && value == "true");
    page.field(0, "Name", values::name(class));
    page.field(0, "IsDefaultClass", if is_default { "Yes" } else { "No" });
    page.field(0, "Annotations", values::joined(class, "/metadata/annotations", ","));
    page.field(0, "Provisioner", values::text(class, "/provisioner"));
    page.field(0, "Parameters", values::joined(class, "/parameters", ","));
    page.field(0, "AllowVolumeExpansion", truth_or_unset(class, "/allowVolumeExpansion"));
    let options = texts(class, "/mountOptions");
    if options.is_empty() {
        page.field(0, "MountOptions", "<none>");
    } else {
        page.line(0, "MountOptions:");
        options.iter().for_each(|option| page.line(1, option));
    }
    for (label, pointer) in [("ReclaimPolicy", "/reclaimPolicy"), ("VolumeBindingMode", "/volumeBindingMode")]
    {
        if let Some(text) = scalar(class, pointer) {
            page.field(0, label, text);
        }
    }
    if present(class, "/allowedTopologies") {
        topologies(values::list(class, "/allowedTopologies"), page);
    }
    Ok(())
}

fn topologies(terms: &[Value], page: &mut Page) {
    if terms.is_empty() {
        page.field(0, "AllowedTopologies", "<none>");
        return;
    }
    page.line(0, "AllowedTopologies:\t");
    for (at, term) in terms.iter().enumerate() {
        let lines: Vec<String> = values::list(term, "/matchLabelExpressions")
            .iter()
            .map(|expression| requirement(expression, "in"))
            .collect();
        page.column(1, &format!("Term {at}"), &lines);
    }
}

/// `key in [a, b]`
pub fn requirement(expression: &Value, operator: &str) -> String {
    let values = texts(expression, "/values");
    let list = if values.is_empty() { String::new() } else { format!(" [{}]", values.join(", ")) };
    format!("{} {operator}{list}", values::text(expression, "/key"))
}

/// Writes the page of a class of volume attributes.
pub fn volume_attributes_class(class: &Value, _: &Around, page: &mut Page) -> Result<()> {
    page.field(0, "Name", values::name(class));
    page.field(0, "Annotations", values::joined(class, "/metadata/annotations", ","));
    page.field(0, "DriverName", values::text(class, "/driverName"));
    page.field(0, "Parameters", values::joined(class, "/parameters", ","));
    Ok(())
}

/// Writes the page of a node's CSI drivers.
pub fn csi_node(node: &Value, _: &Around, page: &mut Page) -> Result<()> {
    page.field(0, "Name", values::name(node));
    page.metadata_maps(node);
    page.field(0, "CreationTimestamp", page.time(node, "/metadata/creationTimestamp"));
    page.line(0, "Spec:");
    if present(node, "/spec/drivers") {
        page.line(1, "Drivers:");
    }
    for driver in values::list(node, "/spec/drivers") {
        page.line(2, &format!("{}:", values::text(driver, "/name")));
        page.field(3, "Node ID", values::text(driver, "/nodeID"));
        if let Some(count) = scalar(driver, "/allocatable/count") {
            page.line(3, "Allocatables:");
            page.field(4, "Count", count);
        }
        if present(driver, "/topologyKeys") {
            page.field(3, "Topology Keys", go_list(driver, "/topologyKeys"));
        }
    }
    Ok(())
}
