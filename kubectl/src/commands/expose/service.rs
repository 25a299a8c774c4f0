//! The service that `expose` and `run --expose` make.

use serde_json::{Map, Value, json};

use crate::commands::pairs;
use crate::error::message;
use crate::{Result, values};

/// What a service is made of; texts as the flags have them.
#[derive(Clone, Debug, Default)]
pub struct ServiceFacts {
    /// Its name.
    pub name: String,
    /// Labels of the pods, as `a=1,b=2`.
    pub selector: String,
    /// Its own labels in the same form; empty for none.
    pub labels: String,
    /// Ports, between commas.
    pub ports: String,
    /// `--protocol`; empty to go by `protocols`.
    pub protocol: String,
    /// Protocols of the exposed object by port.
    pub protocols: Vec<(String, String)>,
    /// `--target-port`
    pub target_port: String,
    /// `--external-ip`
    pub external_ip: String,
    /// `--type`
    pub service_type: String,
    /// `--load-balancer-ip`
    pub load_balancer_ip: String,
    /// `--session-affinity`
    pub session_affinity: String,
    /// `--cluster-ip`
    pub cluster_ip: String,
}

impl ServiceFacts {
    /// The service.
    pub fn generate(&self) -> Result<Value> {
        if self.selector.is_empty() {
            return Err(message("selector must be specified"));
        }
        let mut spec = Map::new();
        spec.insert("selector".to_owned(), pairs::labels(&self.selector)?.into());
        let mut metadata = json!({"name": self.name});
        if !self.labels.is_empty() {
            metadata["labels"] = pairs::labels(&self.labels)?.into();
        }
        if self.name.is_empty() {
            return Err(message("name must be specified"));
        }
        let ports = self.service_ports()?;
        if !ports.is_empty() {
            spec.insert("ports".to_owned(), ports.into());
        }
        let mut set = |field: &str, value: Value| spec.insert(field.to_owned(), value);
        if !self.external_ip.is_empty() {
            set("externalIPs", json!([self.external_ip]));
        }
        if !self.service_type.is_empty() {
            set("type", self.service_type.as_str().into());
        }
        if self.service_type == "LoadBalancer" && !self.load_balancer_ip.is_empty() {
            set("loadBalancerIP", self.load_balancer_ip.as_str().into());
        }
        match self.session_affinity.as_str() {
            "" => {}
            known @ ("None" | "ClientIP") => {
                set("sessionAffinity", known.into());
            }
            other => return Err(message(format!("unknown session affinity: {other}"))),
        }
        if !self.cluster_ip.is_empty() {
            set("clusterIP", self.cluster_ip.as_str().into());
        }
        Ok(json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec,
            "status": {"loadBalancer": {}}}))
    }

    fn service_ports(&self) -> Result<Vec<Value>> {
        let mut ports = Vec::new();
        if self.ports.is_empty() {
            return Ok(ports);
        }
        let several = self.ports.contains(',');
        for (at, text) in self.ports.split(',').enumerate() {
            let port: i32 = text.parse().map_err(|_| {
                message(format!("strconv.Atoi: parsing {text:?}: invalid syntax"))
            })?;
            let entry = |name: String, protocol: &str| {
                let mut entry = json!({"port": port, "protocol": protocol, "targetPort": self.target(port)});
                if !name.is_empty() {
                    entry["name"] = name.into();
                }
                entry
            };
            let name = if several { format!("port-{}", at + 1) } else { String::new() };
            let spoken: Vec<&str> = self
                .protocols
                .iter()
                .filter(|(known, _)| known == text)
                .map(|(_, protocol)| protocol.as_str())
                .collect();
            match (self.protocol.as_str(), spoken.as_slice()) {
                ("", []) => ports.push(entry(name, "TCP")),
                ("", [one]) => ports.push(entry(name, one)),
                ("", all) => {
                    for protocol in all {
                        let name = format!("port-{}-{}", at + 1, protocol.to_lowercase());
                        ports.push(entry(name, protocol));
                    }
                }
                (wanted, _) => ports.push(entry(name, wanted)),
            }
        }
        Ok(ports)
    }

    /// The port of the pods: a number or a name; the service's own without `--target-port`.
    fn target(&self, port: i32) -> Value {
        match self.target_port.as_str() {
            "" => port.into(),
            text => text.parse::<i32>().map_or_else(|_| text.into(), Into::into),
        }
    }
}

/// Ports of an object to expose, each once, in order.
pub fn ports(object: &Value) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (port, _) in ports_and_protocols(object) {
        if !found.contains(&port) {
            found.push(port);
        }
    }
    found
}

/// Every port of an object to expose with its protocol.
pub fn ports_and_protocols(object: &Value) -> Vec<(String, String)> {
    let pair = |port: &Value, field: &str| {
        let protocol = values::text(port, "/protocol");
        let protocol = if protocol.is_empty() { "TCP" } else { protocol };
        let number = values::number(port, field).unwrap_or_default();
        (number.to_string(), protocol.to_owned())
    };
    let containers = match values::text(object, "/kind") {
        "Service" => {
            return values::list(object, "/spec/ports").iter().map(|port| pair(port, "/port")).collect();
        }
        "Pod" => "/spec/containers",
        _ => "/spec/template/spec/containers",
    };
    let containers = values::list(object, containers).iter();
    containers
        .flat_map(|container| values::list(container, "/ports"))
        .map(|port| pair(port, "/containerPort"))
        .collect()
}

/// The labels that choose the pods of an object to expose.
pub fn selector(object: &Value) -> Result<String> {
    let joined = |pointer: &str| match object.pointer(pointer).and_then(Value::as_object) {
        Some(map) if !map.is_empty() => Some(values::joined(object, pointer, ",")),
        _ => None,
    };
    let missing = |what: &str| {
        message(format!("couldn't retrieve selectors via --selector flag or introspection: {what}"))
    };
    match values::text(object, "/kind") {
        "ReplicationController" => Ok(joined("/spec/selector").unwrap_or_default()),
        "Pod" => {
            joined("/metadata/labels").ok_or_else(|| missing("the pod has no labels and cannot be exposed"))
        }
        "Service" => joined("/spec/selector").ok_or_else(|| missing("the service has no pod selector set")),
        kind => {
            if !values::list(object, "/spec/selector/matchExpressions").is_empty() {
                return Err(missing(&format!(
                    "couldn't convert expressions - {:?} to map-based selector format",
                    object.pointer("/spec/selector/matchExpressions").map(Value::to_string).unwrap_or_default()
                )));
            }
            let kind = if kind == "ReplicaSet" { "replicaset".to_owned() } else { kind.to_lowercase() };
            joined("/spec/selector/matchLabels")
                .ok_or_else(|| missing(&format!("invalid {kind}: no selectors, therefore cannot be exposed")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_carry_names_only_when_there_are_several() {
        let check = |facts: ServiceFacts, expected: Value| {
            let facts = ServiceFacts { name: "s".into(), selector: "a=b".into(), ..facts };
            let made = facts.generate().expect("a service");
            assert_eq!(made.pointer("/spec/ports").cloned().unwrap_or_default(), expected);
        };
        check(ServiceFacts::default(), Value::Null);
        check(
            ServiceFacts { ports: "80".into(), target_port: "web".into(), ..Default::default() },
            json!([{"port": 80, "protocol": "TCP", "targetPort": "web"}]),
        );
        let dns = [("53".to_owned(), "TCP".to_owned()), ("53".to_owned(), "UDP".to_owned())];
        check(
            ServiceFacts { ports: "53,80".into(), protocols: dns.to_vec(), ..Default::default() },
            json!([{"name": "port-1-tcp", "port": 53, "protocol": "TCP", "targetPort": 53},
                {"name": "port-1-udp", "port": 53, "protocol": "UDP", "targetPort": 53},
                {"name": "port-2", "port": 80, "protocol": "TCP", "targetPort": 80}]),
        );
        let refused = ServiceFacts { session_affinity: "x".into(), name: "s".into(), selector: "a=b".into(), ..Default::default() };
        assert_eq!(refused.generate().expect_err("refused").report(), "error: unknown session affinity: x");
    }

    #[test]
    fn selectors_come_from_the_object() {
        let check = |object: Value, expected: &str| {
            let shown = selector(&object).unwrap_or_else(|error| error.report());
            assert_eq!(shown.rsplit(": ").next(), Some(expected));
        };
        check(json!({"kind": "Pod", "metadata": {"labels": {"a": "b"}}}), "a=b");
        check(json!({"kind": "Pod"}), "the pod has no labels and cannot be exposed");
        check(json!({"kind": "Service", "spec": {}}), "the service has no pod selector set");
        check(json!({"kind": "Deployment", "spec": {"selector": {"matchLabels": {"x": "y"}}}}), "x=y");
        check(json!({"kind": "ReplicaSet"}), "no selectors, therefore cannot be exposed");
    }
}
