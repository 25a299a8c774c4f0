//! Services, with the endpoints behind their ports.

use serde_json::Value;

use super::gather::addresses;
use super::read::{host_port, joined_or_none, number, or_none, present, scalar_or, texts};
use super::template::named;
use super::{Around, Page};
use crate::{Result, values};

/// Endpoints shown by address; the others are counted.
const ENDPOINTS_SHOWN: usize = 3;

/// Writes the page of a service.
pub fn describe(service: &Value, around: &Around, page: &mut Page) -> Result<()> {
    page.identity(service);
    page.field(0, "Selector", values::joined(service, "/spec/selector", ","));
    page.field(0, "Type", values::text(service, "/spec/type"));
    named(0, "IP Family Policy", service, "/spec/ipFamilyPolicy", page);
    page.field(0, "IP Families", joined_or_none(service, "/spec/ipFamilies", ","));
    page.field(0, "IP", values::text(service, "/spec/clusterIP"));
    page.field(0, "IPs", joined_or_none(service, "/spec/clusterIPs", ","));
    let listed = |label: &str, pointer: &str, page: &mut Page| {
        let list = texts(service, pointer);
        if !list.is_empty() {
            page.field(0, label, list.join(","));
        }
    };
    listed("External IPs", "/spec/externalIPs", page);
    named(0, "Desired LoadBalancer IP", service, "/spec/loadBalancerIP", page);
    named(0, "External Name", service, "/spec/externalName", page);
    let ingress = values::list(service, "/status/loadBalancer/ingress");
    if !ingress.is_empty() {
        let points: Vec<String> = ingress.iter().map(balancer).collect();
        page.field(0, "LoadBalancer Ingress", points.join(", "));
    }
    for port in values::list(service, "/spec/ports") {
        let (own_name, protocol) = (values::text(port, "/name"), values::text(port, "/protocol"));
        let name = if own_name.is_empty() { "<unset>" } else { own_name };
        page.field(0, "Port", format!("{name}\t{}/{protocol}", number(port, "/port")));
        page.field(0, "TargetPort", format!("{}/{protocol}", scalar_or(port, "/targetPort", "0")));
        named(0, "AppProtocol", port, "/appProtocol", page);
        if number(port, "/nodePort") != 0 {
            page.field(0, "NodePort", format!("{name}\t{}/{protocol}", number(port, "/nodePort")));
        }
        page.field(0, "Endpoints", endpoints(&around.endpoint_slices, own_name));
    }
    page.field(0, "Session Affinity", values::text(service, "/spec/sessionAffinity"));
    named(0, "External Traffic Policy", service, "/spec/externalTrafficPolicy", page);
    named(0, "Internal Traffic Policy", service, "/spec/internalTrafficPolicy", page);
    if number(service, "/spec/healthCheckNodePort") != 0 {
        page.field(0, "HealthCheck NodePort", number(service, "/spec/healthCheckNodePort"));
    }
    listed("LoadBalancer Source Ranges", "/spec/loadBalancerSourceRanges", page);
    named(0, "Traffic Distribution", service, "/spec/trafficDistribution", page);
    Ok(())
}

fn balancer(ingress: &Value) -> String {
    match (values::text(ingress, "/ip"), values::text(ingress, "/ipMode")) {
        ("", _) => values::text(ingress, "/hostname").to_owned(),
        (ip, "") => ip.to_owned(),
        (ip, mode) => format!("{ip} ({mode})"),
    }
}

/// The ready endpoints behind the port of a name: the first few, and how many more.
pub fn endpoints(slices: &[Value], port_name: &str) -> String {
    if slices.is_empty() {
        return or_none("").to_owned();
    }
    let mut found: Vec<String> = Vec::new();
    let (mut more, mut count) = (false, 0);
    let mut add = |endpoints: &[Value], port: Option<&Value>| {
        for endpoint in endpoints {
            more |= found.len() == ENDPOINTS_SHOWN;
            if endpoint.pointer("/conditions/ready").and_then(Value::as_bool) == Some(false) {
                continue;
            }
            let address = addresses(endpoint).into_iter().next().unwrap_or_default();
            if !more {
                found.push(match port {
                    None => address,
                    Some(port) => host_port(&address, &number(port, "/port").to_string()),
                });
            }
            count += 1;
        }
    };
    for slice in slices {
        let endpoints = values::list(slice, "/endpoints");
        let ports = values::list(slice, "/ports");
        if ports.is_empty() {
            add(endpoints, None);
        }
        for port in ports.iter().filter(|port| values::text(port, "/name") == port_name) {
            add(endpoints, Some(port));
        }
    }
    let list = found.join(",");
    if more { format!("{list} + {} more...", count - found.len()) } else { list }
}

/// Whether a service's port is the one a backend means, by number or by name.
pub fn is_port(port: &Value, wanted: &Value) -> bool {
    let by_number = number(wanted, "/number");
    let by_name = values::text(wanted, "/name");
    (by_number != 0 && by_number == number(port, "/port"))
        || (!by_name.is_empty() && present(port, "/name") && values::text(port, "/name") == by_name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn few_endpoints_are_shown_and_the_rest_counted() {
        let endpoint = |last: u8, ready: bool| json!({"addresses": [format!("10.0.0.{last}")], "conditions": {"ready": ready}});
        let slice = |count: u8| json!({"ports": [{"name": "http", "port": 80}], "endpoints": (1..=count).map(|n| endpoint(n, true)).collect::<Vec<_>>()});
        let check = |slices: &[Value], expected: &str| assert_eq!(endpoints(slices, "http"), expected);
        check(&[], "<none>");
        check(&[slice(2)], "10.0.0.1:80,10.0.0.2:80");
        check(&[slice(5)], "10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 2 more...");
        check(&[json!({"endpoints": [endpoint(1, false), {"addresses": ["::1"]}]})], "::1");
        check(&[json!({"ports": [{"name": "x", "port": 1}], "endpoints": [endpoint(1, true)]})], "");
    }
}
