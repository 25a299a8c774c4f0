//! Variables that tell a container where the services of its namespace are.

use std::collections::BTreeMap;
use std::sync::Arc;

use api_types::core::v1::{Pod, Service};

/// The services a pod gets variables for: `kubernetes` in `default` always, those of its namespace when
/// `enableServiceLinks` says so; headless ones never.
pub fn visible_services<'a>(pod: &Pod, services: &'a [Arc<Service>]) -> Vec<&'a Service> {
    let links = pod.spec.enable_service_links.unwrap_or(true);
    let mut visible: BTreeMap<&str, &Service> = BTreeMap::new();
    for service in services {
        let meta = &service.metadata;
        if matches!(service.spec.cluster_ip.as_str(), "" | "None") {
            continue;
        }
        if links && meta.namespace == pod.metadata.namespace {
            visible.insert(&meta.name, service);
        } else if meta.namespace == "default" && meta.name == "kubernetes" {
            visible.entry(&meta.name).or_insert(service);
        }
    }
    visible.into_values().collect()
}

/// The variables of services: host and ports, and the older link form.
pub fn links(services: Vec<&Service>) -> Vec<(String, String)> {
    services.into_iter().flat_map(service_variables).collect()
}

fn variable_name(text: &str) -> String {
    text.replace('-', "_").to_uppercase()
}

fn service_variables(service: &Service) -> Vec<(String, String)> {
    let prefix = variable_name(&service.metadata.name);
    let ip = &service.spec.cluster_ip;
    let mut list = vec![(format!("{prefix}_SERVICE_HOST"), ip.clone())];
    if let Some(first) = service.spec.ports.first() {
        list.push((format!("{prefix}_SERVICE_PORT"), first.port.to_string()));
    }
    for port in service.spec.ports.iter().filter(|port| !port.name.is_empty()) {
        list.push((format!("{prefix}_SERVICE_PORT_{}", variable_name(&port.name)), port.port.to_string()));
    }
    for (place, port) in service.spec.ports.iter().enumerate() {
        let protocol = if port.protocol.is_empty() { "TCP" } else { port.protocol.as_str() };
        let lower = protocol.to_lowercase();
        let host = if ip.contains(':') { format!("[{ip}]") } else { ip.clone() };
        let url = format!("{lower}://{host}:{}", port.port);
        if place == 0 {
            list.push((format!("{prefix}_PORT"), url.clone()));
        }
        let base = format!("{prefix}_PORT_{}_{}", port.port, protocol.to_uppercase());
        list.push((base.clone(), url));
        list.push((format!("{base}_PROTO"), lower));
        list.push((format!("{base}_PORT"), port.port.to_string()));
        list.push((format!("{base}_ADDR"), ip.clone()));
    }
    list
}

#[cfg(test)]
mod tests {
    use api_types::core::v1::ServicePort;

    use super::*;

    fn service(namespace: &str, name: &str, ip: &str) -> Arc<Service> {
        let mut service = Service::default();
        service.metadata.namespace = namespace.into();
        service.metadata.name = name.into();
        service.spec.cluster_ip = ip.into();
        service.spec.ports = vec![ServicePort {
            name: "p-1".into(),
            protocol: "UDP".into(),
            port: 53,
            ..ServicePort::default()
        }];
        Arc::new(service)
    }

    #[test]
    fn which_services_are_visible() {
        let services = [
            service("default", "kubernetes", "10.0.0.1"),
            service("default", "other", "10.0.0.2"),
            service("work", "db", "10.0.0.3"),
            service("work", "headless", "None"),
        ];
        let check = |links: bool, expected: &[&str]| {
            let mut pod = Pod::default();
            pod.metadata.namespace = "work".into();
            pod.spec.enable_service_links = Some(links);
            let names: Vec<&str> = visible_services(&pod, &services)
                .iter()
                .map(|service| service.metadata.name.as_str())
                .collect();
            assert_eq!(names, expected);
        };
        check(true, &["db", "kubernetes"]);
        check(false, &["kubernetes"]);
    }

    #[test]
    fn variables_of_a_service() {
        let lines: Vec<String> = links(vec![&service("work", "my-db", "10.0.0.3")])
            .iter()
            .map(|(a, b)| format!("{a}={b}"))
            .collect();
        assert_eq!(
            lines,
            [
                "MY_DB_SERVICE_HOST=10.0.0.3",
                "MY_DB_SERVICE_PORT=53",
                "MY_DB_SERVICE_PORT_P_1=53",
                "MY_DB_PORT=udp://10.0.0.3:53",
                "MY_DB_PORT_53_UDP=udp://10.0.0.3:53",
                "MY_DB_PORT_53_UDP_PROTO=udp",
                "MY_DB_PORT_53_UDP_PORT=53",
                "MY_DB_PORT_53_UDP_ADDR=10.0.0.3",
            ]
        );
    }
}
