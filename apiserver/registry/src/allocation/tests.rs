//! What services are given.

use super::{
    addresses::AddressPool,
    families,
    node_ports::{self, Moves},
    port_range::Ports,
    repair,
};
use api_types::core::v1::{Service, ServicePort};
use rand::{SeedableRng, rngs::StdRng};
use std::collections::BTreeMap;

fn service(json: serde_json::Value) -> Service {
    use machinery::Message;
    let mut service = Service::from_value(&json).expect("a service");
    service.metadata.name = "web".to_owned();
    service
}

#[track_caller]
fn families_of(
    spec: serde_json::Value,
    configured: &[&'static str],
) -> Result<(String, Vec<String>), String> {
    let mut service = service(serde_json::json!({ "spec": spec }));
    if service.spec.type_.is_empty() {
        service.spec.type_ = "ClusterIP".to_owned();
    }
    families::normalize(&mut service.spec, None);
    families::settle(&mut service, None, configured).map_err(|error| error.to_string())?;
    Ok((service.spec.ip_family_policy.unwrap_or_default(), service.spec.ip_families))
}

#[test]
fn families_follow_the_cluster() {
    let ok = |policy: &str, families: &[&str]| {
        Ok((policy.to_owned(), families.iter().map(|family| (*family).to_owned()).collect()))
    };
    let selector = serde_json::json!({ "selector": { "app": "web" } });
    assert_eq!(families_of(selector.clone(), &["IPv4"]), ok("SingleStack", &["IPv4"]));
    assert_eq!(families_of(selector, &["IPv6", "IPv4"]), ok("SingleStack", &["IPv6"]));
    assert_eq!(
        families_of(serde_json::json!({ "clusterIP": "None" }), &["IPv4"]),
        ok("RequireDualStack", &["IPv4", "IPv6"])
    );
    assert_eq!(
        families_of(serde_json::json!({ "clusterIP": "None", "selector": { "a": "b" } }), &["IPv4"]),
        ok("SingleStack", &["IPv4"])
    );
    assert_eq!(
        families_of(serde_json::json!({ "ipFamilyPolicy": "PreferDualStack" }), &["IPv4"]),
        ok("PreferDualStack", &["IPv4"])
    );
    assert_eq!(
        families_of(serde_json::json!({ "ipFamilyPolicy": "PreferDualStack" }), &["IPv4", "IPv6"]),
        ok("PreferDualStack", &["IPv4", "IPv6"])
    );
    assert_eq!(
        families_of(serde_json::json!({ "ipFamilyPolicy": "RequireDualStack" }), &["IPv4"]),
        Err("Service \"web\" is invalid: spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": this cluster is not configured for dual-stack services".to_owned())
    );
    assert_eq!(
        families_of(serde_json::json!({ "ipFamilies": ["IPv6"] }), &["IPv4"]),
        Err("Service \"web\" is invalid: spec.ipFamilies[0]: Invalid value: \"IPv6\": not configured on this cluster".to_owned())
    );
    assert_eq!(
        families_of(serde_json::json!({ "clusterIP": "fd00::1" }), &["IPv4"]),
        Err("Service \"web\" is invalid: spec.clusterIPs[0]: Invalid value: [\"fd00::1\"]: IPv6 is not configured on this cluster".to_owned())
    );
}

#[track_caller]
fn check_pool(block: &str, reserved: u128, first: &str, count: usize) {
    let pool = AddressPool::new(block.parse().expect("a block")).expect("not too small");
    assert_eq!(pool.reserved(), reserved, "{block}");
    let all: std::collections::BTreeSet<_> = pool.candidates(StdRng::seed_from_u64(1)).collect();
    assert_eq!(all.len(), count, "{block}");
    assert_eq!(all.first().map(ToString::to_string).as_deref(), Some(first), "{block}");
}

#[test]
fn pools() {
    check_pool("10.96.0.0/24", 16, "10.96.0.1", 254);
    check_pool("10.96.0.0/16", 256, "10.96.0.1", 65534);
    check_pool("10.96.0.0/30", 0, "10.96.0.1", 2);
    check_pool("fd00::/120", 16, "fd00::1", 255);
    assert_eq!(AddressPool::new("10.0.0.0/32".parse().expect("a block")), None);
    let pool = AddressPool::new("10.96.0.0/24".parse().expect("a block")).expect("not too small");
    let first = pool.candidates(StdRng::seed_from_u64(7)).next().expect("an address");
    assert!(first >= "10.96.0.17".parse::<std::net::IpAddr>().expect("an address"), "{first}");
}

#[test]
fn ports_as_bytes() {
    let mut ports = Ports::new(30000..=32767);
    assert!(ports.to_bytes().is_empty());
    for port in [30000, 30009, 32767] {
        ports.take(port).expect("free");
    }
    let bytes = ports.to_bytes();
    assert_eq!((bytes.len(), bytes[0], &bytes[bytes.len() - 2..]), (346, 0x80, &[0x02, 0x01][..]));
    assert_eq!(Ports::from_bytes(30000..=32767, &bytes), ports);
    assert_eq!(ports.take(30009).unwrap_err().to_string(), "provided port is already allocated");
    assert_eq!(
        ports.take(8080).unwrap_err().to_string(),
        "provided port is not in the valid range. The range of valid ports is 30000-32767"
    );
    assert_eq!(ports.reserved(), 86);
    assert!(ports.take_any(StdRng::seed_from_u64(3)).expect("free") >= 30086);
}

fn port(number: i32, protocol: &str, node_port: i32) -> ServicePort {
    ServicePort {
        name: format!("{protocol}-{number}"),
        port: number,
        protocol: protocol.to_owned(),
        node_port,
        ..ServicePort::default()
    }
}

#[track_caller]
fn check_create(ports: &[ServicePort], expected: Result<&[i32], &str>) {
    let mut stored = Ports::new(30000..=32767);
    stored.take(30001).expect("free");
    let mut service = service(serde_json::json!({ "spec": { "type": "NodePort" } }));
    service.spec.ports = ports.to_vec();
    let outcome = node_ports::create(&mut service, &mut stored)
        .map(|_| node_ports::numbers(&service.spec))
        .map_err(|error| error.to_string());
    assert_eq!(outcome, expected.map(<[i32]>::to_vec).map_err(str::to_owned));
}

#[test]
fn created_ports() {
    check_create(&[port(53, "TCP", 30053), port(53, "UDP", 0)], Ok(&[30053, 30053]));
    check_create(&[port(53, "TCP", 0), port(53, "UDP", 30053)], Ok(&[30053, 30053]));
    check_create(&[port(53, "TCP", 30053), port(53, "UDP", 30054)], Ok(&[30053, 30054]));
    check_create(
        &[port(80, "TCP", 30001)],
        Err(
            "Service \"web\" is invalid: spec.ports[0].nodePort: Invalid value: 30001: provided port is already allocated",
        ),
    );
}

#[test]
fn updated_ports() {
    let mut stored = Ports::new(30000..=32767);
    let mut old = service(serde_json::json!({ "spec": { "type": "NodePort" } }));
    old.spec.ports = vec![port(80, "TCP", 0), port(443, "TCP", 30443)];
    node_ports::create(&mut old, &mut stored).expect("ports");
    let mut new = old.clone();
    new.spec.ports[0].node_port = 0;
    families::keep_allocated(&mut new.spec, &old.spec);
    assert_eq!(new.spec.ports, old.spec.ports);
    new.spec.ports.truncate(1);
    assert_eq!(
        node_ports::update(&mut new, &old, &mut stored).expect("ports"),
        Moves { taken: vec![], released: vec![30443] }
    );
    new.spec.type_ = "ClusterIP".to_owned();
    assert_eq!(node_ports::update(&mut new, &old, &mut stored).expect("ports").released.len(), 2);
}

#[test]
fn leaks_are_freed_in_the_third_round() {
    let mut stored = Ports::new(30000..=32767);
    stored.take(30005).expect("free");
    let mut lost = service(serde_json::json!({ "spec": { "type": "NodePort" } }));
    lost.spec.ports = vec![port(80, "TCP", 30080)];
    let (mut leaked, fresh) = (BTreeMap::new(), Ports::new(30000..=32767));
    for expected in [vec![30005, 30080], vec![30005, 30080], vec![30080]] {
        stored = repair::rebuild(&stored, std::slice::from_ref(&lost), fresh.clone(), &mut leaked);
        assert_eq!(stored.all().collect::<Vec<_>>(), expected);
    }
}
