//! A valid object of every kind, as a client would post it.

use serde_json::{Value, json};

/// The spec and whatever else a kind needs; `None` for kinds that nobody has written a sample of.
pub fn sample(group: &str, plural: &str) -> Option<Value> {
    let template = json!({
        "metadata": {"labels": {"app": "x"}},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    });
    let selector = json!({"matchLabels": {"app": "x"}});
    let webhook = json!([{
        "name": "a.b.c",
        "clientConfig": {"url": "https://example.com/x"},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }]);
    let role_ref = |kind: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": "r"});
    let rules = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]);
    let subjects = json!([{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "u"}]);
    let job = json!({"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}});
    let priority_level = json!({"type": "Limited", "limited": {
        "nominalConcurrencyShares": 10, "limitResponse": {"type": "Reject"}}});
    let policy = json!({"validations": [{"expression": "true"}], "matchConstraints": {"resourceRules": [{
        "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]}});
    let sample = match (group, plural) {
        ("", "configmaps") => json!({"data": {"a": "b"}}),
        ("", "endpoints") => {
            json!({"subsets": [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80}]}]})
        }
        ("", "events") => {
            json!({"involvedObject": {"namespace": "default", "name": "x"}, "reason": "Because"})
        }
        ("events.k8s.io", "events") => json!({
            "eventTime": "2026-01-01T00:00:00.000000Z", "reportingController": "a.b/c", "reportingInstance": "i",
            "action": "Do", "reason": "Because", "type": "Normal", "regarding": {"namespace": "default", "name": "x"}}),
        ("", "limitranges") => json!({"spec": {"limits": [{"type": "Pod", "max": {"cpu": "1"}}]}}),
        ("", "namespaces" | "nodes") => json!({}),
        ("", "serviceaccounts") => json!({}),
        ("", "persistentvolumeclaims") => {
            json!({"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}})
        }
        ("", "persistentvolumes") => {
            json!({"spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
            "hostPath": {"path": "/tmp"}}})
        }
        ("", "pods") => json!({"spec": {"containers": [{"name": "c", "image": "i"}]}}),
        ("", "podtemplates") => json!({"template": template}),
        ("", "replicationcontrollers") => json!({"spec": {"selector": {"app": "x"}, "template": template}}),
        ("", "resourcequotas") => json!({"spec": {"hard": {"pods": "5"}}}),
        ("", "secrets") => json!({"data": {"a": "Yg=="}}),
        ("", "services") => {
            json!({"spec": {"clusterIP": "None", "clusterIPs": ["None"], "ports": [{"port": 80}], "selector": {"app": "x"}}})
        }
        ("apps", "controllerrevisions") => json!({"data": {"a": 1}, "revision": 1}),
        ("apps", "daemonsets" | "deployments" | "replicasets") => {
            json!({"spec": {"selector": selector, "template": template}})
        }
        ("apps", "statefulsets") => {
            json!({"spec": {"selector": selector, "template": template, "serviceName": "s"}})
        }
        ("autoscaling", "horizontalpodautoscalers") => {
            json!({"spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}, "maxReplicas": 3}})
        }
        ("batch", "jobs") => json!({"spec": job}),
        ("batch", "cronjobs") => json!({"spec": {"schedule": "* * * * *", "jobTemplate": {"spec": job}}}),
        ("certificates.k8s.io", "certificatesigningrequests") => json!({"spec": {
            "signerName": "example.com/signer", "usages": ["digital signature"], "request": REQUEST}}),
        ("coordination.k8s.io", "leases") => json!({"spec": {"holderIdentity": "x"}}),
        ("discovery.k8s.io", "endpointslices") => json!({"addressType": "IPv4",
            "endpoints": [{"addresses": ["10.0.0.1"]}], "ports": [{"port": 80}]}),
        ("node.k8s.io", "runtimeclasses") => json!({"handler": "h"}),
        ("policy", "poddisruptionbudgets") => json!({"spec": {"minAvailable": 1, "selector": selector}}),
        ("rbac.authorization.k8s.io", "clusterroles" | "roles") => json!({"rules": rules}),
        ("rbac.authorization.k8s.io", "clusterrolebindings") => {
            json!({"roleRef": role_ref("ClusterRole"), "subjects": subjects})
        }
        ("rbac.authorization.k8s.io", "rolebindings") => {
            json!({"roleRef": role_ref("Role"), "subjects": subjects})
        }
        ("scheduling.k8s.io", "priorityclasses") => json!({"value": 5}),
        ("networking.k8s.io", "networkpolicies") => json!({"spec": {"podSelector": {}}}),
        ("networking.k8s.io", "ingresses") => {
            json!({"spec": {"defaultBackend": {"service": {"name": "s", "port": {"number": 80}}}}})
        }
        ("networking.k8s.io", "ingressclasses") => json!({"spec": {"controller": "example.com/c"}}),
        ("networking.k8s.io", "ipaddresses") => {
            json!({"metadata": {"name": "10.0.0.1"},
                "spec": {"parentRef": {"resource": "services", "namespace": "default", "name": "s"}}})
        }
        ("networking.k8s.io", "servicecidrs") => json!({"spec": {"cidrs": ["10.96.0.0/16"]}}),
        ("storage.k8s.io", "csidrivers") => json!({"spec": {"attachRequired": false}}),
        ("storage.k8s.io", "csinodes") => json!({"spec": {"drivers": [{"name": "d", "nodeID": "n"}]}}),
        ("storage.k8s.io", "csistoragecapacities") => json!({"storageClassName": "c"}),
        ("storage.k8s.io", "storageclasses") => json!({"provisioner": "example.com/p"}),
        ("storage.k8s.io", "volumeattachments") => {
            json!({"spec": {"attacher": "a", "nodeName": "n", "source": {"persistentVolumeName": "pv"}}})
        }
        ("storage.k8s.io", "volumeattributesclasses") => json!({"driverName": "d", "parameters": {"a": "b"}}),
        (
            "admissionregistration.k8s.io",
            "validatingwebhookconfigurations" | "mutatingwebhookconfigurations",
        ) => {
            json!({"metadata": {"name": "sample.example.com"}, "webhooks": webhook})
        }
        ("admissionregistration.k8s.io", "validatingadmissionpolicies") => json!({"spec": policy}),
        ("admissionregistration.k8s.io", "validatingadmissionpolicybindings") => {
            json!({"spec": {"policyName": "p", "validationActions": ["Deny"]}})
        }
        ("flowcontrol.apiserver.k8s.io", "flowschemas") => {
            json!({"spec": {"priorityLevelConfiguration": {"name": "p"}}})
        }
        ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations") => json!({"spec": priority_level}),
        ("apiregistration.k8s.io", "apiservices") => json!({"metadata": {"name": "v1.example.com"},
            "spec": {"group": "example.com", "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 10,
                "insecureSkipTLSVerify": true, "service": {"namespace": "default", "name": "s"}}}),
        ("apiextensions.k8s.io", "customresourcedefinitions") => {
            json!({"metadata": {"name": "foos.example.com"},
            "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "foos", "kind": "Foo"},
                "versions": [{"name": "v1", "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": {"type": "object"}}}]}})
        }
        ("resource.k8s.io", "deviceclasses") => json!({"spec": {}}),
        ("resource.k8s.io", "resourceclaims") => json!({"spec": {}}),
        ("resource.k8s.io", "resourceclaimtemplates") => json!({"spec": {"spec": {}}}),
        ("resource.k8s.io", "resourceslices") => json!({"spec": {"driver": "d.example.com", "nodeName": "n",
            "pool": {"name": "p", "resourceSliceCount": 1}}}),
        _ => return None,
    };
    Some(sample)
}

/// A certificate signing request in PEM, in base64.
const REQUEST: &str = concat!(
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlISU1IRUNBUUF3RHpFTk1Bc0dBMVVFQXd3RWRHVnpkREJaTUJN",
    "R0J5cUdTTTQ5QWdFR0NDcUdTTTQ5QXdFSApBMElBQlA2dVpNbVcxT0dPeFAzcTJDeXZTT0pvWnErUWNnRW0rOG55bFJWK2EyVlBV",
    "bFBORmppRkhkbWZ4NDJlCmhFSGwrZDJVQkdZd0Fwc3F2T2o5dmpsT3BOT2dBREFLQmdncWhrak9QUVFEQWdOSEFEQkVBaUFwdDRQ",
    "RVFvejQKMlFxTmhQUE9PbzVXdTJhVUt2M0hoSlJyaTNmSFFPS05JQUlnT2IwYlVhN3FFSmZXSSswK3FGb2VVbU16N2lIawpuMkR5",
    "N2NRSVFsQncrYmc9Ci0tLS0tRU5EIENFUlRJRklDQVRFIFJFUVVFU1QtLS0tLQo=",
);
