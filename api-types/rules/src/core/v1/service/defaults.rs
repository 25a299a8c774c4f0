//! Defaults of services.

use super::meaning;
use api_types::core::v1::{ClientIPConfig, Service, SessionAffinityConfig};
use machinery::IntOrString;

/// Seconds a client sticks to its backend unless told otherwise.
const CLIENT_IP_SECONDS: i32 = 10800;

/// Defaults of a service. Cluster IPs, families and node ports are allocated, not defaulted.
pub fn set(service: &mut Service) {
    let spec = &mut service.spec;
    if spec.session_affinity.is_empty() {
        spec.session_affinity = "None".to_owned();
    }
    match spec.session_affinity.as_str() {
        "None" => spec.session_affinity_config = None,
        "ClientIP" => {
            let timeout = spec
                .session_affinity_config
                .as_ref()
                .and_then(|config| config.client_ip.as_ref())
                .and_then(|client| client.timeout_seconds);
            if timeout.is_none() {
                let client_ip = ClientIPConfig { timeout_seconds: Some(CLIENT_IP_SECONDS) };
                spec.session_affinity_config =
                    Some(Box::new(SessionAffinityConfig { client_ip: Some(Box::new(client_ip)) }));
            }
        }
        _ => {}
    }
    if spec.type_.is_empty() {
        spec.type_ = "ClusterIP".to_owned();
    }
    for port in &mut spec.ports {
        if port.protocol.is_empty() {
            port.protocol = "TCP".to_owned();
        }
        if port.target_port == IntOrString::Int(0) || port.target_port == IntOrString::String(String::new()) {
            port.target_port = IntOrString::Int(port.port);
        }
    }
    if meaning::is_externally_accessible(spec) && spec.external_traffic_policy.is_empty() {
        spec.external_traffic_policy = "Cluster".to_owned();
    }
    if matches!(spec.type_.as_str(), "NodePort" | "LoadBalancer" | "ClusterIP") {
        spec.internal_traffic_policy.get_or_insert_with(|| "Cluster".to_owned());
    }
    if spec.type_ == "LoadBalancer" {
        spec.allocate_load_balancer_node_ports.get_or_insert(true);
        for ingress in &mut service.status.load_balancer.ingress {
            if !ingress.ip.is_empty() {
                ingress.ip_mode.get_or_insert_with(|| "VIP".to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api_types::core::v1::ServicePort;

    #[test]
    fn by_type() {
        let cases = [
            ("", "ClusterIP", "", true),
            ("NodePort", "NodePort", "Cluster", true),
            ("ExternalName", "ExternalName", "", false),
        ];
        for (given, type_, external, internal) in cases {
            let mut service = Service::default();
            service.spec.type_ = given.into();
            service.spec.ports.push(ServicePort { port: 80, ..Default::default() });
            set(&mut service);
            assert_eq!(service.spec.type_, type_);
            assert_eq!(service.spec.external_traffic_policy, external, "{given}");
            assert_eq!(service.spec.internal_traffic_policy.is_some(), internal, "{given}");
            assert_eq!(service.spec.ports[0].target_port, IntOrString::Int(80));
            assert_eq!(service.spec.ports[0].protocol, "TCP");
        }
    }

    #[test]
    fn sticky_sessions_end() {
        let mut service = Service::default();
        service.spec.session_affinity = "ClientIP".into();
        set(&mut service);
        let seconds = service
            .spec
            .session_affinity_config
            .and_then(|config| config.client_ip)
            .and_then(|client| client.timeout_seconds);
        assert_eq!(seconds, Some(10800));
    }
}
