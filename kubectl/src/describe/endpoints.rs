//! Endpoints.

use serde_json::Value;

use super::read::{number, or_none};
use super::{Around, Page};
use crate::{Result, values};

/// Writes the page of endpoints.
pub fn describe(object: &Value, _: &Around, page: &mut Page) -> Result<()> {
    page.identity(object);
    page.line(0, "Subsets:");
    for subset in values::list(object, "/subsets") {
        for (label, pointer) in [("Addresses", "/addresses"), ("NotReadyAddresses", "/notReadyAddresses")] {
            let list = values::list(subset, pointer).iter().map(|address| values::text(address, "/ip"));
            page.field(1, label, or_none(&list.collect::<Vec<_>>().join(",")));
        }
        let ports = values::list(subset, "/ports");
        if !ports.is_empty() {
            page.line(1, "Ports:");
            page.row(2, ["Name", "Port", "Protocol"]);
            page.row(2, ["----", "----", "--------"]);
        }
        for port in ports {
            let name = Some(values::text(port, "/name")).filter(|name| !name.is_empty()).unwrap_or("<unset>");
            page.row(2, [name, &number(port, "/port").to_string(), values::text(port, "/protocol")]);
        }
        page.line(0, "");
    }
    Ok(())
}
