//! Endpoint slices.

use serde_json::Value;

use super::gather::addresses;
use super::read::{or_none, present, scalar_or};
use super::{Around, Page};
use crate::{Result, values};

/// Writes the page of an endpoint slice.
pub fn describe(slice: &Value, _: &Around, page: &mut Page) -> Result<()> {
    page.identity(slice);
    page.field(0, "AddressType", values::text(slice, "/addressType"));
    let ports = values::list(slice, "/ports");
    if ports.is_empty() {
        page.line(0, "Ports: <unset>");
    } else {
        page.line(0, "Ports:");
        page.row(1, ["Name", "Port", "Protocol"]);
        page.row(1, ["----", "----", "--------"]);
    }
    for port in ports {
        let name = Some(values::text(port, "/name")).filter(|name| !name.is_empty()).unwrap_or("<unset>");
        page.row(1, [name, &scalar_or(port, "/port", "<unset>"), values::text(port, "/protocol")]);
    }
    let endpoints = values::list(slice, "/endpoints");
    if endpoints.is_empty() {
        page.line(0, "Endpoints: <none>");
        return Ok(());
    }
    page.line(0, "Endpoints:");
    for endpoint in endpoints {
        page.field(1, "- Addresses", or_none(&addresses(endpoint).join(", ")));
        page.line(2, "Conditions:");
        page.field(3, "Ready", scalar_or(endpoint, "/conditions/ready", "<unset>"));
        page.field(2, "Hostname", scalar_or(endpoint, "/hostname", "<unset>"));
        if present(endpoint, "/targetRef") {
            let text = |pointer: &str| values::text(endpoint, pointer);
            page.field(2, "TargetRef", format!("{}/{}", text("/targetRef/kind"), text("/targetRef/name")));
        }
        page.field(2, "NodeName", scalar_or(endpoint, "/nodeName", "<unset>"));
        page.field(2, "Zone", scalar_or(endpoint, "/zone", "<unset>"));
    }
    Ok(())
}
