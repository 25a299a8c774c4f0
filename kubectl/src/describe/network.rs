//! Ingress classes, ranges of service addresses, and addresses.

use serde_json::Value;

use super::namespace::transitions;
use super::read::{present, scalar, texts};
use super::{Around, Page};
use crate::{Result, values};

/// Writes the page of an ingress class.
pub fn ingress_class(class: &Value, _: &Around, page: &mut Page) -> Result<()> {
    page.field(0, "Name", values::name(class));
    page.metadata_maps(class);
    page.field(0, "Controller", values::text(class, "/spec/controller"));
    if present(class, "/spec/parameters") {
        page.line(0, "Parameters:");
        if let Some(group) = scalar(class, "/spec/parameters/apiGroup") {
            page.field(1, "APIGroup", group);
        }
        page.field(1, "Kind", values::text(class, "/spec/parameters/kind"));
        page.field(1, "Name", values::text(class, "/spec/parameters/name"));
    }
    Ok(())
}

/// Writes the page of a range of service addresses.
pub fn service_cidr(range: &Value, _: &Around, page: &mut Page) -> Result<()> {
    page.field(0, "Name", values::name(range));
    page.metadata_maps(range);
    page.field(0, "CIDRs", texts(range, "/spec/cidrs").join(", "));
    let conditions = values::list(range, "/status/conditions");
    if !conditions.is_empty() {
        page.line(0, "Status:\nConditions:");
        transitions(conditions, page);
    }
    Ok(())
}

/// Writes the page of an address.
pub fn ip_address(address: &Value, _: &Around, page: &mut Page) -> Result<()> {
    page.field(0, "Name", values::name(address));
    page.metadata_maps(address);
    if present(address, "/spec/parentRef") {
        page.line(0, "Parent Reference:");
        for (label, field) in
            [("Group", "group"), ("Resource", "resource"), ("Namespace", "namespace"), ("Name", "name")]
        {
            page.field(1, label, values::text(address, &format!("/spec/parentRef/{field}")));
        }
    }
    Ok(())
}
