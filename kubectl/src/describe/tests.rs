//! Pages beside what upstream writes for the same objects.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{Around, text};

fn check(object: &Value, around: &Around, expected: &str) {
    let now: Timestamp = "2026-01-02T03:05:05Z".parse().expect("a time");
    assert_eq!(text(object, around, now, TimeZone::UTC).expect("a page"), expected);
}

#[test]
fn a_config_map_and_its_events() {
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "x", "labels": {"k": "v", "a": "b"}},
        "data": {"k": "v\n"}, "binaryData": {"b": "aGVsbG8="}});
    let event = json!({"type": "Normal", "reason": "Made", "firstTimestamp": "2026-01-02T03:04:05Z", "lastTimestamp": "2026-01-02T03:05:00Z",
        "count": 2, "source": {"component": "me"}, "message": " said \n"});
    let expected = "Name:         a\nNamespace:    x\nLabels:       a=b\n              k=v\nAnnotations:  <none>\n\nData\n====\nk:\n----\nv\n\n\n\nBinaryData\n====\nb: 5 bytes\n\n";
    check(
        &map,
        &Around { events: Some(Vec::new()), ..Around::default() },
        &format!("{expected}Events:  <none>\n"),
    );
    let events = "Events:\n  Type    Reason  Age               From  Message\n  ----    ------  ----              ----  -------\n  Normal  Made    5s (x2 over 60s)  me    said\n";
    check(&map, &Around { events: Some(vec![event]), ..Around::default() }, &format!("{expected}{events}"));
}

#[test]
fn a_secret_stays_secret() {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "x"}, "data": {"k": "aGVsbG8="}, "type": "Opaque"});
    check(
        &secret,
        &Around::default(),
        "Name:         s\nNamespace:    x\nLabels:       <none>\nAnnotations:  <none>\n\nType:  Opaque\n\nData\n====\nk:  5 bytes\n",
    );
}

#[test]
fn a_namespace_with_quota_and_limits() {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}, "status": {"phase": "Active"}});
    let quota = json!({"metadata": {"name": "q"}, "status": {"hard": {"pods": "4"}, "used": {"pods": "1"}}});
    let limits =
        json!({"spec": {"limits": [{"type": "Container", "max": {"cpu": "2"}, "default": {"cpu": "1"}}]}});
    check(
        &namespace,
        &Around { quotas: Some(vec![quota]), limit_ranges: Some(vec![limits]), ..Around::default() },
        "Name:         n\nLabels:       <none>\nAnnotations:  <none>\nStatus:       Active\n\nResource Quotas\n  Name:     q\n  Resource  Used  Hard\n  --------  ---   ---\n  pods      1     4\n\nResource Limits\n Type       Resource  Min  Max  Default Request  Default Limit  Max Limit/Request Ratio\n ----       --------  ---  ---  ---------------  -------------  -----------------------\n Container  cpu       -    2    -                1              -\n",
    );
    check(
        &namespace,
        &Around { quotas: Some(Vec::new()), limit_ranges: Some(Vec::new()), ..Around::default() },
        "Name:         n\nLabels:       <none>\nAnnotations:  <none>\nStatus:       Active\n\nNo resource quota.\n\nNo LimitRange resource.\n",
    );
}

#[test]
fn a_pod_with_a_running_container() {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "x"},
        "spec": {"nodeName": "n", "serviceAccountName": "default", "priority": 0,
            "containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80, "protocol": "TCP"}],
                "resources": {"limits": {"cpu": "1"}}, "env": [{"name": "A", "value": "b"}],
                "volumeMounts": [{"name": "v", "mountPath": "/v", "readOnly": true}]}],
            "volumes": [{"name": "v", "emptyDir": {}}],
            "tolerations": [{"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}]},
        "status": {"phase": "Running", "hostIP": "1.2.3.4", "podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}],
            "startTime": "2026-01-02T03:04:05Z", "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": "c", "containerID": "x://1", "imageID": "y", "ready": true, "restartCount": 1,
                "state": {"running": {"startedAt": "2026-01-02T03:04:06Z"}}}]}});
    check(
        &pod,
        &Around { events: Some(Vec::new()), ..Around::default() },
        "Name:             p\nNamespace:        x\nPriority:         0\nService Account:  default\nNode:             n/1.2.3.4\nStart Time:       Fri, 02 Jan 2026 03:04:05 +0000\nLabels:           <none>\nAnnotations:      <none>\nStatus:           Running\nIP:               10.0.0.1\nIPs:\n  IP:  10.0.0.1\nContainers:\n  c:\n    Container ID:   x://1\n    Image:          i\n    Image ID:       y\n    Port:           80/TCP\n    Host Port:      0/TCP\n    State:          Running\n      Started:      Fri, 02 Jan 2026 03:04:06 +0000\n    Ready:          True\n    Restart Count:  1\n    Limits:\n      cpu:  1\n    Environment:\n      A:  b\n    Mounts:\n      /v from v (ro)\nConditions:\n  Type    Status\n  Ready   True \nVolumes:\n  v:\n    Type:        EmptyDir (a temporary directory that shares a pod's lifetime)\n    Medium:      \n    SizeLimit:   <unset>\nQoS Class:       Burstable\nNode-Selectors:  <none>\nTolerations:     k:NoExecute op=Exists for 300s\nEvents:          <none>\n",
    );
}

#[test]
fn every_row_writes_something_of_a_bare_object() {
    for row in super::all() {
        let api_version = if row.group.is_empty() { "v1".to_owned() } else { format!("{}/v1", row.group) };
        let object = json!({"apiVersion": api_version, "kind": row.kind, "metadata": {"name": "bare"}});
        let page = text(&object, &Around::default(), Timestamp::UNIX_EPOCH, TimeZone::UTC);
        if row.kind == "CertificateSigningRequest" {
            assert!(page.expect_err("no request").to_string().starts_with("Error parsing CSR"));
        } else {
            assert!(page.expect("a page").starts_with("Name:"), "{}", row.kind);
        }
    }
}
