//! Where a conversation leads: the kubelet of a pod's node, a pod, or an endpoint of a service.

use std::net::IpAddr;

use api_types::core::v1::{Endpoints, Node, Pod, PodLogOptions, Service};
use machinery::status::StatusError;
use machinery::{GroupResource, Resource};
use rand::RngExt;

use super::log_options;
use super::stream_options::{self, ExecOptions};
use crate::system::typed::Typed;

/// The kubelet's port when its node does not tell one.
const KUBELET_PORT: u16 = 10250;

/// Whom a connection is opened to, and what the peer must prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A kubelet, over TLS with our client certificate; its own is verified.
    Kubelet,
    /// A kubelet that the user asked not to verify.
    UnverifiedKubelet,
    /// A workload over TLS.
    Tls,
    /// A workload in clear text.
    Plain,
}

/// An address and what to ask there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Kind of peer.
    pub peer: Peer,
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Path with its leading slash.
    pub path: String,
    /// Raw query.
    pub query: String,
    /// Other names under which the peer's certificate may be made out.
    pub names: Vec<String>,
}

impl Target {
    /// `host:port`, with brackets around IPv6.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Path and query.
    pub fn path_and_query(&self) -> String {
        if self.query.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, self.query) }
    }
}

/// Finds peers from the objects in the stores.
pub struct Locator {
    /// The stores.
    pub typed: Typed,
    /// `--kubelet-preferred-address-types`.
    pub preferred_address_types: Vec<String>,
}

impl Locator {
    /// The log of a container; `None` while the pod has no node.
    pub async fn pod_log(
        &self,
        namespace: &str,
        name: &str,
        options: &PodLogOptions,
    ) -> Result<Option<Target>, StatusError> {
        let pod: Pod = self.found(namespace, name).await?;
        let container = container_of(&pod, &options.container)?;
        if pod.spec.node_name.is_empty() {
            return Ok(None);
        }
        let mut target = self.kubelet(&pod.spec.node_name).await?;
        if options.insecure_skip_tls_verify_backend {
            target.peer = Peer::UnverifiedKubelet;
        }
        target.path = format!("/containerLogs/{namespace}/{name}/{container}");
        target.query = log_options::kubelet_query(options);
        Ok(Some(target))
    }

    /// Exec or attach (`verb`) in a container.
    pub async fn pod_stream(
        &self,
        namespace: &str,
        name: &str,
        verb: &str,
        options: &ExecOptions,
    ) -> Result<Target, StatusError> {
        let pod: Pod = self.found(namespace, name).await?;
        let container = container_of(&pod, &options.container)?;
        let mut target = self.kubelet_of(&pod).await?;
        target.path = format!("/{verb}/{namespace}/{name}/{container}");
        target.query = stream_options::kubelet_query(options);
        Ok(target)
    }

    /// Forwarding of ports into a pod.
    pub async fn pod_port_forward(
        &self,
        namespace: &str,
        name: &str,
        ports: &[u16],
    ) -> Result<Target, StatusError> {
        let pod: Pod = self.found(namespace, name).await?;
        let mut target = self.kubelet_of(&pod).await?;
        target.path = format!("/portForward/{namespace}/{name}");
        if !ports.is_empty() {
            let list: Vec<String> = ports.iter().map(u16::to_string).collect();
            target.query = stream_options::encode_query(vec![("port", list.join(","))]);
        }
        Ok(target)
    }

    /// A pod itself; `id` is `[scheme:]name[:port]`.
    pub async fn pod_proxy(&self, namespace: &str, id: &str) -> Result<Target, StatusError> {
        let (peer, name, port) =
            split_id(id).ok_or_else(|| StatusError::bad_request(format!("invalid pod request {id:?}")))?;
        let pod: Pod = self.found(namespace, name).await?;
        let port = match port {
            "" => first_container_port(&pod).unwrap_or(default_port(peer)),
            text => {
                text.parse().map_err(|_| StatusError::bad_request(format!("invalid pod request {id:?}")))?
            }
        };
        let address = pod.status.pod_ips.first().map(|ip| ip.ip.as_str()).unwrap_or(&pod.status.pod_ip);
        proxy_target(peer, address, port)
    }

    /// An endpoint of a service; `id` is `[scheme:]name[:port]`, the port by number or name.
    pub async fn service_proxy(&self, namespace: &str, id: &str) -> Result<Target, StatusError> {
        let (peer, name, port) = split_id(id)
            .ok_or_else(|| StatusError::bad_request(format!("invalid service request {id:?}")))?;
        let unavailable = |text: String| StatusError::service_unavailable(text);
        let mut port_name = port.to_string();
        if let Ok(number) = port.parse::<i32>() {
            let service: Service = self.found(namespace, name).await?;
            let found = service.spec.ports.iter().find(|port| port.port == number);
            let found = found
                .ok_or_else(|| unavailable(format!("no service port {number} found for service {name:?}")))?;
            port_name = found.name.clone();
        }
        let endpoints: Endpoints = self.found(namespace, name).await?;
        if endpoints.subsets.is_empty() {
            return Err(unavailable(format!("no endpoints available for service {name:?}")));
        }
        let mut candidates = Vec::new();
        for subset in &endpoints.subsets {
            for port in subset.ports.iter().filter(|port| port.name == port_name) {
                candidates.extend(subset.addresses.iter().map(|address| (address.ip.as_str(), port.port)));
            }
        }
        if candidates.is_empty() {
            return Err(unavailable(format!("no endpoints available for service {id:?}")));
        }
        let (address, port) = candidates[rand::rng().random_range(0..candidates.len())];
        let port = u16::try_from(port)
            .map_err(|_| unavailable(format!("endpoint of service {id:?} has the impossible port {port}")))?;
        proxy_target(peer, address, port)
    }

    /// A node: its kubelet, or another port of it; `id` is `[scheme:]name[:port]`.
    pub async fn node_proxy(&self, id: &str) -> Result<Target, StatusError> {
        let (peer, name, port) =
            split_id(id).ok_or_else(|| StatusError::bad_request(format!("invalid node request {id:?}")))?;
        let kubelet = self.kubelet(name).await?;
        if kubelet.host.parse::<IpAddr>().is_ok_and(|address| !is_proxyable(address)) {
            return Err(StatusError::bad_request("address not allowed"));
        }
        if port.is_empty() || port == kubelet.port.to_string() {
            return Ok(kubelet);
        }
        let port =
            port.parse().map_err(|_| StatusError::bad_request(format!("invalid node request {id:?}")))?;
        Ok(Target { peer, port, ..kubelet })
    }

    async fn kubelet_of(&self, pod: &Pod) -> Result<Target, StatusError> {
        if pod.spec.node_name.is_empty() {
            return Err(StatusError::bad_request(format!(
                "pod {} does not have a host assigned",
                pod.metadata.name
            )));
        }
        self.kubelet(&pod.spec.node_name).await
    }

    async fn kubelet(&self, node_name: &str) -> Result<Target, StatusError> {
        let node: Node = self.found("", node_name).await?;
        let addresses = &node.status.addresses;
        let preferred = self
            .preferred_address_types
            .iter()
            .find_map(|wanted| addresses.iter().find(|address| address.type_ == *wanted));
        let host = preferred.map(|address| address.address.clone()).ok_or_else(|| {
            let known: Vec<&str> = addresses.iter().map(|address| address.type_.as_str()).collect();
            StatusError::internal_error(format!(
                "no preferred addresses found; known addresses: {known:?} of node {node_name:?}"
            ))
        })?;
        let port = u16::try_from(node.status.daemon_endpoints.kubelet_endpoint.port).unwrap_or(0);
        let mut names: Vec<String> = addresses.iter().map(|address| address.address.clone()).collect();
        names.push(node_name.to_string());
        Ok(Target {
            peer: Peer::Kubelet,
            host,
            port: if port == 0 { KUBELET_PORT } else { port },
            path: "/".into(),
            query: String::new(),
            names,
        })
    }

    async fn found<T: Resource>(&self, namespace: &str, name: &str) -> Result<T, StatusError> {
        let found = self.typed.get::<T>(namespace, name).await?;
        found.ok_or_else(|| StatusError::not_found(&GroupResource::new(T::GROUP, T::PLURAL), name))
    }
}

/// The container meant by `wanted`, or why none is.
fn container_of(pod: &Pod, wanted: &str) -> Result<String, StatusError> {
    let spec = &pod.spec;
    let names: Vec<&str> = spec
        .init_containers
        .iter()
        .chain(&spec.containers)
        .map(|container| container.name.as_str())
        .chain(spec.ephemeral_containers.iter().map(|c| c.ephemeral_container_common.name.as_str()))
        .collect();
    let name = &pod.metadata.name;
    if !wanted.is_empty() {
        if names.contains(&wanted) {
            return Ok(wanted.to_string());
        }
        return Err(StatusError::bad_request(format!("container {wanted} is not valid for pod {name}")));
    }
    match spec.containers.as_slice() {
        [only] => Ok(only.name.clone()),
        [] => Err(StatusError::bad_request(format!("a container name must be specified for pod {name}"))),
        _ => Err(StatusError::bad_request(format!(
            "a container name must be specified for pod {name}, choose one of: [{}]",
            names.join(" ")
        ))),
    }
}

fn first_container_port(pod: &Pod) -> Option<u16> {
    let port = pod.spec.containers.iter().find_map(|container| container.ports.first())?.container_port;
    u16::try_from(port).ok()
}

/// Splits `[scheme:]name[:port]`.
fn split_id(id: &str) -> Option<(Peer, &str, &str)> {
    let parts: Vec<&str> = id.split(':').collect();
    let (scheme, name, port) = match parts.as_slice() {
        [name] => ("", *name, ""),
        [name, port] => ("", *name, *port),
        [scheme, name, port] => (*scheme, *name, *port),
        _ => return None,
    };
    let peer = match scheme {
        "" | "http" => Peer::Plain,
        "https" => Peer::Tls,
        _ => return None,
    };
    (!name.is_empty()).then_some((peer, name, port))
}

fn default_port(peer: Peer) -> u16 {
    if peer == Peer::Plain { 80 } else { 443 }
}

fn proxy_target(peer: Peer, address: &str, port: u16) -> Result<Target, StatusError> {
    let allowed = address.parse::<IpAddr>().is_ok_and(is_proxyable);
    if !allowed {
        return Err(StatusError::bad_request("address not allowed"));
    }
    Ok(Target {
        peer,
        host: address.to_string(),
        port,
        path: "/".into(),
        query: String::new(),
        names: Vec::new(),
    })
}

/// Whether the server may be sent to an address: never to itself or its link, which users cannot reach.
fn is_proxyable(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            !(v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_multicast()
                || v4.is_broadcast())
        }
        IpAddr::V6(v6) => {
            !(v6.is_loopback() || v6.is_unicast_link_local() || v6.is_unspecified() || v6.is_multicast())
        }
    }
}

#[cfg(test)]
mod tests {
    use machinery::Message;
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check_container(containers: &[&str], wanted: &str, expected: Result<&str, &str>) {
        let containers: Vec<_> = containers.iter().map(|name| json!({"name": name})).collect();
        let pod = Pod::from_value(&json!({"metadata": {"name": "p"},
            "spec": {"initContainers": [{"name": "init"}], "containers": containers}}))
        .unwrap();
        let got = container_of(&pod, wanted).map_err(|error| error.status.message);
        assert_eq!(got, expected.map(str::to_string).map_err(str::to_string));
    }

    #[test]
    fn containers_are_chosen() {
        check_container(&["a"], "", Ok("a"));
        check_container(&["a", "b"], "b", Ok("b"));
        check_container(&["a"], "init", Ok("init"));
        check_container(&["a"], "x", Err("container x is not valid for pod p"));
        let text = "a container name must be specified for pod p, choose one of: [init a b]";
        check_container(&["a", "b"], "", Err(text));
        check_container(&[], "", Err("a container name must be specified for pod p"));
    }

    #[test]
    fn ids_are_split() {
        assert_eq!(split_id("web"), Some((Peer::Plain, "web", "")));
        assert_eq!(split_id("web:http"), Some((Peer::Plain, "web", "http")));
        assert_eq!(split_id("https:web:443"), Some((Peer::Tls, "web", "443")));
        assert_eq!(split_id("ftp:web:1"), None);
        assert_eq!(split_id(":80"), None);
        assert_eq!(split_id("a:b:c:d"), None);
    }

    #[test]
    fn the_server_does_not_call_itself() {
        for address in ["127.0.0.1", "169.254.169.254", "0.0.0.0", "::1", "fe80::1", "", "name"] {
            assert!(proxy_target(Peer::Plain, address, 80).is_err(), "{address}");
        }
        assert_eq!(proxy_target(Peer::Plain, "fd00::1", 80).unwrap().authority(), "[fd00::1]:80");
    }
}
