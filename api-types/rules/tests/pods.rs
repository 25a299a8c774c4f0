//! Messages of pod validation, as upstream's server gives them.

use api_types::core::v1::Pod;
use machinery::Message;
use rules::core::v1::pod::{defaults, update, validation};
use serde_json::{Value, json};

fn base() -> Value {
    json!({
        "metadata": { "name": "web", "namespace": "default" },
        "spec": { "containers": [{ "name": "app", "image": "nginx" }] },
    })
}

/// Puts `patch` over `target`, objects being merged and the rest replaced.
fn merge(target: &mut Value, patch: Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(target.entry(key).or_insert(Value::Null), value);
            }
        }
        (target, patch) => *target = patch,
    }
}

fn pod(patch: Value) -> Pod {
    let mut value = base();
    merge(&mut value, patch);
    let mut pod = Pod::from_value(&value).expect("a pod");
    defaults::set(&mut pod);
    pod
}

fn texts(errors: &[machinery::field::Error]) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

#[track_caller]
fn check(patch: Value, expected: &[&str]) {
    assert_eq!(texts(&validation::validate(&pod(patch))), expected);
}

#[track_caller]
fn check_spec(patch: Value, expected: &[&str]) {
    check(json!({ "spec": patch }), expected);
}

/// A pod whose one container has these fields besides name and image.
#[track_caller]
fn check_container(patch: Value, expected: &[&str]) {
    let mut container = json!({ "name": "app", "image": "nginx" });
    merge(&mut container, patch);
    check_spec(json!({ "containers": [container] }), expected);
}

#[test]
fn metadata() {
    check(json!({}), &[]);
    check(
        json!({ "metadata": { "name": "Web" } }),
        &[
            "metadata.name: Invalid value: \"Web\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
        ],
    );
    check(
        json!({ "metadata": { "labels": { "a b": "c" } } }),
        &[
            "metadata.labels: Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
        ],
    );
}

#[test]
fn containers() {
    check_spec(json!({ "containers": [] }), &["spec.containers: Required value"]);
    check_spec(
        json!({ "containers": [{ "name": "", "image": "" }] }),
        &["spec.containers[0].name: Required value", "spec.containers[0].image: Required value"],
    );
    check_spec(
        json!({ "containers": [{ "name": "app", "image": "a" }, { "name": "app", "image": "a" }] }),
        &["spec.containers[1].name: Duplicate value: \"app\""],
    );
    check_container(
        json!({ "image": " nginx" }),
        &[
            "spec.containers[0].image: Invalid value: \" nginx\": must not have leading or trailing whitespace",
        ],
    );
    check_container(
        json!({ "imagePullPolicy": "Sometimes" }),
        &[
            "spec.containers[0].imagePullPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"IfNotPresent\", \"Never\"",
        ],
    );
    check_container(
        json!({ "ports": [{ "containerPort": 0 }, { "containerPort": 80, "protocol": "HTTP" }] }),
        &[
            "spec.containers[0].ports[0].containerPort: Required value",
            "spec.containers[0].ports[1].protocol: Unsupported value: \"HTTP\": supported values: \"SCTP\", \"TCP\", \"UDP\"",
        ],
    );
    check_container(
        json!({ "ports": [{ "containerPort": 70000 }] }),
        &[
            "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
        ],
    );
    check_container(
        json!({ "terminationMessagePolicy": "Whatever" }),
        &[
            "spec.containers[0].terminationMessagePolicy: Unsupported value: \"Whatever\": supported values: \"File\", \"FallbackToLogsOnError\"",
        ],
    );
}

#[test]
fn environment() {
    check_container(
        json!({ "env": [{ "name": "" }, { "name": "A", "value": "b", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } }] }),
        &[
            "spec.containers[0].env[0].name: Required value",
            "spec.containers[0].env[1].valueFrom: Invalid value: \"\": may not be specified when `value` is not empty",
        ],
    );
    check_container(
        json!({ "env": [{ "name": "A", "valueFrom": { "fieldRef": { "fieldPath": "metadata.nope" } } }] }),
        &[
            "spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: \"metadata.nope\": error converting fieldPath: field label not supported: metadata.nope",
        ],
    );
    check_container(
        json!({ "env": [{ "name": "A", "valueFrom": { "configMapKeyRef": { "key": "k" } } }] }),
        &[
            "spec.containers[0].env[0].valueFrom.configMapKeyRef.name: Invalid value: \"\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
        ],
    );
    check_container(
        json!({ "envFrom": [{}] }),
        &[
            "spec.containers[0].envFrom: Invalid value: \"\": must specify one of: `configMapRef` or `secretRef`",
        ],
    );
}

#[test]
fn resources() {
    check_container(
        json!({ "resources": { "requests": { "cpu": "2" }, "limits": { "cpu": "1" } } }),
        &[
            "spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1",
        ],
    );
    check_container(
        json!({ "resources": { "limits": { "memory": "-1" } } }),
        &[
            "spec.containers[0].resources.limits[memory]: Invalid value: \"-1\": must be greater than or equal to 0",
            "spec.containers[0].resources.requests[memory]: Invalid value: \"-1\": must be greater than or equal to 0",
        ],
    );
    check_container(
        json!({ "resources": { "limits": { "hugepages-2Mi": "4Mi" } } }),
        &["spec.containers[0].resources: Forbidden: HugePages require cpu or memory"],
    );
    check_container(
        json!({ "resources": { "limits": { "gpu": "1" } } }),
        &[
            "spec.containers[0].resources.limits[gpu]: Invalid value: \"gpu\": must be a standard resource type or fully qualified",
            "spec.containers[0].resources.limits[gpu]: Invalid value: \"gpu\": must be a standard resource for containers",
            "spec.containers[0].resources.requests[gpu]: Invalid value: \"gpu\": must be a standard resource type or fully qualified",
            "spec.containers[0].resources.requests[gpu]: Invalid value: \"gpu\": must be a standard resource for containers",
        ],
    );
    check_container(
        json!({ "resources": { "requests": { "example.com/gpu": "1" } } }),
        &[
            "spec.containers[0].resources.limits: Required value: Limit must be set for non overcommitable resources",
        ],
    );
}

#[test]
fn probes_and_handlers() {
    check_container(
        json!({ "livenessProbe": { "periodSeconds": 5 } }),
        &["spec.containers[0].livenessProbe: Required value: must specify a handler type"],
    );
    check_container(
        json!({ "livenessProbe": { "httpGet": { "port": 80 }, "successThreshold": 2 } }),
        &["spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1"],
    );
    check_container(
        json!({ "readinessProbe": { "httpGet": { "port": 80 }, "tcpSocket": { "port": 80 } } }),
        &["spec.containers[0].readinessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type"],
    );
    check_container(
        json!({ "readinessProbe": { "httpGet": { "port": 0 } } }),
        &[
            "spec.containers[0].readinessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive",
        ],
    );
    check_container(
        json!({ "lifecycle": { "preStop": { "exec": { "command": [] } } } }),
        &["spec.containers[0].lifecycle.preStop.exec.command: Required value"],
    );
    check_container(
        json!({ "livenessProbe": { "exec": { "command": ["a"] }, "timeoutSeconds": -1 } }),
        &[
            "spec.containers[0].livenessProbe.timeoutSeconds: Invalid value: -1: must be greater than or equal to 0",
        ],
    );
}

#[test]
fn volumes() {
    // What has no source gets an empty directory.
    check_spec(json!({ "volumes": [{ "name": "data" }] }), &[]);
    check_spec(
        json!({ "volumes": [{ "name": "data", "emptyDir": {}, "hostPath": { "path": "/" } }] }),
        &["spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type"],
    );
    check_spec(
        json!({ "volumes": [{ "name": "data", "emptyDir": {} }, { "name": "data", "emptyDir": {} }] }),
        &["spec.volumes[1].name: Duplicate value: \"data\""],
    );
    check_spec(
        json!({ "volumes": [{ "name": "data", "hostPath": { "path": "/a/../b" } }] }),
        &["spec.volumes[0].hostPath.path: Invalid value: \"/a/../b\": must not contain '..'"],
    );
    check_spec(
        json!({ "volumes": [{ "name": "cm", "configMap": { "name": "" } }] }),
        &["spec.volumes[0].configMap.name: Required value"],
    );
    check_container(
        json!({ "volumeMounts": [{ "name": "nope", "mountPath": "/data" }] }),
        &["spec.containers[0].volumeMounts[0].name: Not found: \"nope\""],
    );
    check_spec(
        json!({
            "volumes": [{ "name": "data", "emptyDir": {} }],
            "containers": [{ "name": "app", "image": "a", "volumeMounts": [{ "name": "data", "mountPath": "/a" }, { "name": "data", "mountPath": "/a" }] }],
        }),
        &["spec.containers[0].volumeMounts[1].mountPath: Invalid value: \"/a\": must be unique"],
    );
}

#[test]
fn security() {
    check_container(
        json!({ "securityContext": { "privileged": true, "allowPrivilegeEscalation": false } }),
        &[
            "spec.containers[0].securityContext: Invalid value: {\"privileged\":true,\"allowPrivilegeEscalation\":false}: cannot set `allowPrivilegeEscalation` to false and `privileged` to true",
        ],
    );
    check_container(
        json!({ "securityContext": { "runAsUser": -1 } }),
        &[
            "spec.containers[0].securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive",
        ],
    );
    check_spec(
        json!({ "securityContext": { "fsGroup": -1 } }),
        &["spec.securityContext.fsGroup: Invalid value: -1: must be between 0 and 2147483647, inclusive"],
    );
    check_container(
        json!({ "securityContext": { "seccompProfile": { "type": "Localhost" } } }),
        &[
            "spec.containers[0].securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost",
        ],
    );
    check_spec(
        json!({ "hostNetwork": true, "containers": [{ "name": "app", "image": "a", "ports": [{ "containerPort": 80, "hostPort": 81 }] }] }),
        &[
            "spec.containers[0].ports[0].hostPort: Invalid value: 81: must match `containerPort` when `hostNetwork` is true",
        ],
    );
    check_spec(
        json!({ "securityContext": { "sysctls": [{ "name": "a", "value": "1" }, { "name": "a", "value": "1" }] } }),
        &["spec.securityContext.sysctls[1].name: Duplicate value: \"a\""],
    );
}

#[test]
fn scheduling() {
    check_spec(
        json!({ "tolerations": [{ "key": "a", "operator": "Exists", "value": "b" }] }),
        &[
            "spec.tolerations[0].operator: Invalid value: \"b\": value must be empty when `operator` is 'Exists'",
        ],
    );
    check_spec(
        json!({ "tolerations": [{ "operator": "Equal", "value": "b" }] }),
        &[
            "spec.tolerations[0].operator: Invalid value: \"Equal\": operator must be Exists when `key` is empty, which means \"match all values and all keys\"",
        ],
    );
    check_spec(
        json!({ "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [] } } } }),
        &[
            "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value: must have at least one node selector term",
        ],
    );
    check_spec(
        json!({ "affinity": { "nodeAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": [{ "weight": 0, "preference": {} }] } } }),
        &[
            "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 0: must be in the range 1-100",
        ],
    );
    check_spec(
        json!({ "affinity": { "podAntiAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": [{ "labelSelector": {} }] } } }),
        &[
            "spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Required value: can not be empty",
            "spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Invalid value: \"\": name part must be non-empty",
            "spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Invalid value: \"\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
        ],
    );
    check_spec(
        json!({ "topologySpreadConstraints": [{ "maxSkew": 0, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule" }] }),
        &["spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero"],
    );
    check_spec(
        json!({ "nodeSelector": { "a": "b c" } }),
        &[
            "spec.nodeSelector: Invalid value: \"b c\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
        ],
    );
}

#[test]
fn pod_wide_fields() {
    check_spec(
        json!({ "restartPolicy": "Sometimes" }),
        &[
            "spec.restartPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"OnFailure\", \"Never\"",
        ],
    );
    check_spec(
        json!({ "dnsPolicy": "Whatever" }),
        &[
            "spec.dnsPolicy: Unsupported value: \"Whatever\": supported values: \"ClusterFirstWithHostNet\", \"ClusterFirst\", \"Default\", \"None\"",
        ],
    );
    check_spec(
        json!({ "dnsPolicy": "None" }),
        &["spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"],
    );
    check_spec(
        json!({ "activeDeadlineSeconds": 0 }),
        &["spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"],
    );
    check_spec(
        json!({ "hostAliases": [{ "ip": "300.1.1.1" }] }),
        &[
            "spec.hostAliases[0].ip: Invalid value: \"300.1.1.1\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
        ],
    );
    check_spec(
        json!({ "readinessGates": [{ "conditionType": "a b" }] }),
        &[
            "spec.readinessGates[0].conditionType: Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
        ],
    );
    check_spec(
        json!({ "initContainers": [{ "name": "app", "image": "a" }] }),
        &["spec.initContainers[0].name: Duplicate value: \"app\""],
    );
    check_spec(
        json!({ "initContainers": [{ "name": "init", "image": "a", "livenessProbe": { "exec": { "command": ["a"] } } }] }),
        &[
            "spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always",
        ],
    );
    check_spec(
        json!({ "ephemeralContainers": [{ "name": "debug", "image": "a" }] }),
        &["spec.ephemeralContainers: Forbidden: cannot be set on create"],
    );
    check_spec(
        json!({ "hostname": "a.b" }),
        &["spec.hostname: Invalid value: \"a.b\": must not contain dots"],
    );
}

#[track_caller]
fn check_update(old: Value, new: Value, expected: &[&str]) {
    let stored = |patch: Value| {
        let mut pod = pod(patch);
        pod.metadata.resource_version = "1".to_owned();
        pod.metadata.uid = "u".to_owned();
        pod
    };
    let errors = texts(&update::validate(&stored(new), &stored(old)));
    let starts = |(error, expected): (&String, &&str)| error.starts_with(expected);
    assert!(errors.len() == expected.len() && errors.iter().zip(expected).all(starts), "{errors:#?}");
}

#[test]
fn updates() {
    let image = |image: &str| json!({ "spec": { "containers": [{ "name": "app", "image": image }] } });
    check_update(image("a"), image("b"), &[]);
    check_update(
        image("a"),
        json!({ "spec": { "nodeName": "n" } }),
        &[
            "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
        ],
    );
    check_update(
        json!({ "spec": { "tolerations": [{ "key": "a", "operator": "Exists" }] } }),
        json!({}),
        &[
            "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds",
        ],
    );
    check_update(
        json!({}),
        json!({ "spec": { "tolerations": [{ "key": "a", "operator": "Exists" }] } }),
        &[],
    );
    check_update(
        json!({ "spec": { "activeDeadlineSeconds": 5 } }),
        json!({ "spec": { "activeDeadlineSeconds": 9 } }),
        &["spec.activeDeadlineSeconds: Invalid value: 9: must be less than or equal to previous value"],
    );
    check_update(
        json!({}),
        json!({ "spec": { "schedulingGates": [{ "name": "a.b/c" }] } }),
        &[
            "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'a.b/c'",
        ],
    );
}
