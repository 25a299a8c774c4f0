//! What a change of Services and endpoints does to the kernel's maps.

use std::fmt::Write;

use api_types::core::v1::Service;
use api_types::discovery::v1::EndpointSlice;
use kube_proxy_core::changes::Changes;
use kube_proxy_core::model::Family;
use kube_proxy_core::render::Target;
use kube_proxy_core::select::Here;
use kube_proxy_core::state::{Element, State, Transaction};
use machinery::Message;
use serde_json::{Value, json};

struct World {
    changes: Changes,
    state: State,
}

impl World {
    fn new() -> Self {
        Self { changes: Changes::default(), state: State::default() }
    }

    fn service(&mut self, spec: Value) {
        let service = json!({"metadata": {"namespace": "ns", "name": "web"}, "spec": spec});
        self.changes.set_service("ns/web", Some(Service::from_value(&service).unwrap()));
    }

    fn endpoints(&mut self, addresses: &[&str]) {
        let endpoints: Vec<Value> = addresses
            .iter()
            .map(|a| json!({"addresses": [a], "nodeName": "here", "conditions": {"ready": true}}))
            .collect();
        let slice = json!({"metadata": {"namespace": "ns", "name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
            "addressType": "IPv4", "ports": [{"name": "", "port": 8080, "protocol": "TCP"}], "endpoints": endpoints});
        self.changes.set_slice("ns/web-1", EndpointSlice::from_value(&slice).unwrap());
    }

    fn step(&mut self) -> Transaction {
        let here = Here { node: "here".into(), zone: String::new() };
        let changed = self.changes.take(&[Family::V4], "here");
        self.state.apply(&changed, Family::V4, &here)
    }
}

/// Keys as dotted bytes, four a group.
fn show(transaction: &Transaction) -> String {
    let mut out = String::new();
    for chain in &transaction.chains {
        writeln!(out, "chain {}", chain.name()).unwrap();
    }
    let line = |sign: char, element: &Element| {
        let key: Vec<String> = element
            .key
            .chunks(4)
            .map(|p| p.iter().map(u8::to_string).collect::<Vec<_>>().join("."))
            .collect();
        let target = match &element.target {
            Target::Member => String::new(),
            Target::Goto(chain) => format!(" -> {chain}"),
            Target::Endpoint(address, port) => format!(" -> {address}:{port}"),
            Target::Until(_) => " -> range".to_owned(),
        };
        format!("{sign} {} {}{target}\n", element.map.name(), key.join(" "))
    };
    transaction.remove.iter().for_each(|element| out.push_str(&line('-', element)));
    transaction.add.iter().for_each(|element| out.push_str(&line('+', element)));
    out
}

fn cluster_ip() -> Value {
    json!({"clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9"], "type": "ClusterIP", "ports": [{"port": 80, "protocol": "TCP"}]})
}

#[test]
fn one_more_endpoint_is_a_few_elements() {
    let mut world = World::new();
    world.service(cluster_ip());
    assert_eq!(
        show(&world.step()),
        "+ no-endpoint-services 10.96.0.9 6.0.0.0 0.80.0.0 -> reject-chain\n+ cluster-ips 10.96.0.9\n"
    );
    world.endpoints(&["10.1.0.2"]);
    assert_eq!(
        show(&world.step()),
        "chain endpoints-1\n\
         - no-endpoint-services 10.96.0.9 6.0.0.0 0.80.0.0 -> reject-chain\n\
         + service-ips 10.96.0.9 6.0.0.0 0.80.0.0 -> endpoints-1\n\
         + endpoints 10.96.0.9 6.0.0.0 0.80.0.0 0.0.0.0 -> 10.1.0.2:8080\n\
         + hairpin 10.1.0.2 10.1.0.2\n"
    );
    world.endpoints(&["10.1.0.2", "10.1.0.3"]);
    assert_eq!(
        show(&world.step()),
        "chain endpoints-2\n\
         - service-ips 10.96.0.9 6.0.0.0 0.80.0.0 -> endpoints-1\n\
         + service-ips 10.96.0.9 6.0.0.0 0.80.0.0 -> endpoints-2\n\
         + endpoints 10.96.0.9 6.0.0.0 0.80.0.0 1.0.0.0 -> 10.1.0.3:8080\n\
         + hairpin 10.1.0.3 10.1.0.3\n"
    );
    world.changes.touch_all();
    assert!(world.step().is_empty(), "the same again changes nothing");
}

#[test]
fn a_service_that_goes_leaves_nothing() {
    let mut world = World::new();
    world.service(json!({"clusterIP": "10.96.0.9", "type": "NodePort", "externalTrafficPolicy": "Local", "externalIPs": ["192.0.2.1"],
        "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}]}));
    world.endpoints(&["10.1.0.2"]);
    let come = world.step();
    world.changes.set_service("ns/web", None);
    let gone = world.step();
    assert!(come.add.len() > 8);
    assert_eq!(gone.remove, come.add);
    assert!(gone.add.is_empty());
}

#[test]
fn node_ports_are_masqueraded_unless_the_policy_is_local() {
    let spec = |policy: &str| {
        json!({"clusterIP": "10.96.0.9", "type": "NodePort", "externalTrafficPolicy": policy,
            "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}]})
    };
    let of = |policy: &str| {
        let mut world = World::new();
        world.service(spec(policy));
        world.endpoints(&["10.1.0.2"]);
        let shown = show(&world.step());
        shown.lines().filter(|line| line.contains("service-nodeports")).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(of("Cluster"), "+ service-nodeports 6.0.0.0 117.128.0.0 -> nodeport-endpoints-1-masq");
    assert_eq!(
        of("Local"),
        "+ service-nodeports 6.0.0.0 117.128.0.0 -> local-nodeport-endpoints-1\n\
         + service-nodeports-inside 6.0.0.0 117.128.0.0 -> nodeport-endpoints-1-masq"
    );
}

#[test]
fn clients_that_keep_their_endpoint_have_chains_of_their_own() {
    let mut world = World::new();
    let mut spec = cluster_ip();
    spec["sessionAffinity"] = json!("ClientIP");
    spec["sessionAffinityConfig"] = json!({"clientIP": {"timeoutSeconds": 60}});
    world.service(spec);
    world.endpoints(&["10.1.0.2"]);
    let step = world.step();
    assert_eq!((step.chains.len(), step.affinity.len(), step.affinity[0].timeout), (0, 1, 60));
    world.service(cluster_ip());
    let step = world.step();
    assert_eq!((step.chains.len(), step.affinity.len(), step.drop_affinity.len()), (1, 0, 1));
}
