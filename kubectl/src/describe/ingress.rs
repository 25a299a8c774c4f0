//! Ingresses, with the endpoints behind their backends.

use std::collections::BTreeSet;

use serde_json::Value;

use super::controllers::said;
use super::read::{number, present, scalar_or, texts};
use super::service::{endpoints, is_port};
use super::{Around, Page};
use crate::{Result, values};

/// Writes the page of an ingress.
pub fn describe(ingress: &Value, around: &Around, page: &mut Page) -> Result<()> {
    page.field(0, "Name", values::name(ingress));
    page.labels("Labels", ingress, "/metadata/labels");
    page.field(0, "Namespace", values::namespace(ingress));
    let points: BTreeSet<&str> = values::list(ingress, "/status/loadBalancer/ingress")
        .iter()
        .map(|point| match values::text(point, "/ip") {
            "" => values::text(point, "/hostname"),
            ip => ip,
        })
        .filter(|point| !point.is_empty())
        .collect();
    page.field(0, "Address", points.into_iter().collect::<Vec<_>>().join(","));
    page.field(0, "Ingress Class", scalar_or(ingress, "/spec/ingressClassName", "<none>"));
    let default = match ingress.pointer("/spec/defaultBackend").filter(|backend| !backend.is_null()) {
        Some(default) => backend(default, around),
        None => "<default>".to_owned(),
    };
    page.field(0, "Default backend", &default);
    let tls = values::list(ingress, "/spec/tls");
    if !tls.is_empty() {
        page.line(0, "TLS:");
    }
    for entry in tls {
        let hosts = texts(entry, "/hosts").join(",");
        match values::text(entry, "/secretName") {
            "" => page.line(1, &format!("SNI routes {hosts}")),
            secret => page.line(1, &format!("{secret} terminates {hosts}")),
        }
    }
    page.line(0, "Rules:\n  Host\tPath\tBackends");
    page.row(1, ["----", "----", "--------"]);
    let mut any = false;
    for rule in values::list(ingress, "/spec/rules").iter().filter(|rule| present(rule, "/http")) {
        any = true;
        let host = Some(values::text(rule, "/host")).filter(|host| !host.is_empty()).unwrap_or("*");
        page.line(1, &format!("{host}\t"));
        for path in values::list(rule, "/http/paths") {
            let to = backend(path.get("backend").unwrap_or(&Value::Null), around);
            page.line(2, &format!("\t{} \t{to}", values::text(path, "/path")));
        }
    }
    if !any {
        page.row(1, ["*", "*", &default]);
    }
    page.annotations("Annotations", ingress, "/metadata/annotations");
    Ok(())
}

fn backend(backend: &Value, around: &Around) -> String {
    let text = |pointer: &str| values::text(backend, pointer);
    if let Some(service) = backend.get("service").filter(|service| !service.is_null()) {
        let name = values::text(service, "/name");
        let port = match number(service, "/port/number") {
            0 => values::text(service, "/port/name").to_owned(),
            number => number.to_string(),
        };
        let found = around.backends.iter().find(|(known, _)| known == name).map(|(_, found)| found);
        return match found {
            Some(Ok((object, slices))) => {
                let wanted = service.get("port").unwrap_or(&Value::Null);
                let mut ports =
                    values::list(object, "/spec/ports").iter().filter(|port| is_port(port, wanted));
                let port_name = ports.next_back().map(|port| values::text(port, "/name")).unwrap_or_default();
                format!("{name}:{port} ({})", endpoints(slices, port_name))
            }
            Some(Err(error)) => format!("{name}:{port} (<error: {}>)", said(error)),
            None => format!("{name}:{port}"),
        };
    }
    if present(backend, "/resource") {
        let group = scalar_or(backend, "/resource/apiGroup", "<none>");
        return format!(
            "APIGroup: {group}, Kind: {}, Name: {}",
            text("/resource/kind"),
            text("/resource/name")
        );
    }
    String::new()
}
