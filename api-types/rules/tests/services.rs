//! Messages of service validation, as upstream's server gives them.

use api_types::core::v1::Service;
use machinery::Message;
use rules::core::v1::service::{defaults, validation};
use serde_json::{Value, json};

fn service(spec: Value) -> Service {
    let mut value = json!({ "metadata": { "name": "web", "namespace": "default", "resourceVersion": "1" }, "spec": { "ports": [{ "port": 80 }] } });
    for (key, field) in spec.as_object().expect("an object") {
        value["spec"][key] = field.clone();
    }
    let mut service = Service::from_value(&value).expect("a service");
    defaults::set(&mut service);
    service
}

fn texts(errors: &[machinery::field::Error]) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

#[track_caller]
fn check(spec: Value, expected: &[&str]) {
    assert_eq!(texts(&validation::validate(&service(spec))), expected);
}

#[test]
fn ports() {
    check(json!({}), &[]);
    check(json!({ "ports": [] }), &["spec.ports: Required value"]);
    check(json!({ "ports": [], "clusterIP": "None", "clusterIPs": ["None"] }), &[]);
    check(
        json!({ "ports": [{ "port": 0 }] }),
        &[
            "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
            "spec.ports[0].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive",
        ],
    );
    check(
        json!({ "ports": [{ "port": 80 }, { "port": 81, "name": "b" }] }),
        &["spec.ports[0].name: Required value"],
    );
    check(
        json!({ "ports": [{ "port": 80, "name": "a" }, { "port": 81, "name": "a" }] }),
        &["spec.ports[1].name: Duplicate value: \"a\""],
    );
    check(
        json!({ "ports": [{ "port": 80, "nodePort": 30000 }] }),
        &["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
    );
    check(
        json!({ "type": "NodePort", "ports": [{ "name": "a", "port": 80, "nodePort": 30000 }, { "name": "b", "port": 81, "nodePort": 30000 }] }),
        &["spec.ports[1].nodePort: Duplicate value: 30000"],
    );
    check(
        json!({ "ports": [{ "port": 80, "protocol": "HTTP" }] }),
        &[
            "spec.ports[0].protocol: Unsupported value: \"HTTP\": supported values: \"SCTP\", \"TCP\", \"UDP\"",
        ],
    );
}

#[test]
fn types() {
    check(
        json!({ "type": "Other" }),
        &[
            "spec.type: Unsupported value: \"Other\": supported values: \"ClusterIP\", \"ExternalName\", \"LoadBalancer\", \"NodePort\"",
        ],
    );
    check(json!({ "type": "ExternalName" }), &["spec.externalName: Required value"]);
    check(json!({ "type": "ExternalName", "externalName": "example.com" }), &[]);
    check(
        json!({ "type": "NodePort", "clusterIP": "None", "clusterIPs": ["None"] }),
        &["spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services"],
    );
    check(
        json!({ "loadBalancerClass": "a.b/c" }),
        &["spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'"],
    );
    check(
        json!({ "sessionAffinity": "Cookie" }),
        &["spec.sessionAffinity: Unsupported value: \"Cookie\": supported values: \"ClientIP\", \"None\""],
    );
    check(
        json!({ "externalTrafficPolicy": "Local" }),
        &[
            "spec.externalTrafficPolicy: Invalid value: \"Local\": may only be set for externally-accessible services",
        ],
    );
}

#[test]
fn addresses() {
    check(json!({ "clusterIP": "10.0.0.1" }), &["spec.clusterIPs: Required value"]);
    check(
        json!({ "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.2"] }),
        &["spec.clusterIPs: Invalid value: [\"10.0.0.2\"]: first value must match `clusterIP`"],
    );
    check(
        json!({ "clusterIP": "x", "clusterIPs": ["x"] }),
        &[
            "spec.clusterIPs[0]: Invalid value: \"x\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
        ],
    );
    check(json!({ "ipFamilies": ["IPv4", "IPv4"] }), &["spec.ipFamilies[1]: Duplicate value: \"IPv4\""]);
    check(
        json!({ "externalIPs": ["127.0.0.1"] , "externalTrafficPolicy": "Cluster" }),
        &[
            "spec.externalIPs[0]: Invalid value: \"127.0.0.1\": may not be in the loopback range (127.0.0.0/8, ::1/128)",
        ],
    );
}

#[track_caller]
fn check_update(old: Value, new: Value, expected: &[&str]) {
    assert_eq!(texts(&validation::validate_update(&service(new), &service(old))), expected);
}

#[test]
fn updates() {
    let with_ip = |ip: &str| json!({ "clusterIP": ip, "clusterIPs": [ip], "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack" });
    check_update(with_ip("10.0.0.1"), with_ip("10.0.0.1"), &[]);
    check_update(
        with_ip("10.0.0.1"),
        with_ip("10.0.0.2"),
        &["spec.clusterIPs[0]: Invalid value: [\"10.0.0.2\"]: may not change once set"],
    );
    let balancer = |class: &str| json!({ "type": "LoadBalancer", "loadBalancerClass": class });
    check_update(
        balancer("a.b/c"),
        balancer("a.b/d"),
        &["spec.loadBalancerClass: Invalid value: \"a.b/d\": may not change once set"],
    );
}
