//! Quotas, limit ranges and the standards of pods, through the whole server.

use serde_json::{Value, json};

use super::support::{Asker, TestServer};

const NAMESPACE: &str = "/api/v1/namespaces/default";

async fn started() -> (TestServer, Asker) {
    let server = TestServer::new().await;
    server.make_default_account("default").await;
    let admin = server.admin();
    (server, admin)
}

fn pod(name: &str, resources: Value) -> Value {
    let container = json!({"name": "c", "image": "i", "resources": resources});
    json!({"metadata": {"name": name}, "spec": {"containers": [container]}})
}

/// The quota, and what the controller of quotas would say of it.
async fn quota(admin: &Asker, hard: Value, used: Value) {
    let quotas = format!("{NAMESPACE}/resourcequotas");
    let quota = json!({"metadata": {"name": "q"}, "spec": {"hard": hard}});
    let mut written = admin.post(&quotas, quota).await;
    assert_eq!(written.code, 201, "{}", written.text);
    written.json["status"] = json!({"hard": hard, "used": used});
    let path = format!("{quotas}/q/status");
    let counted = admin.send("PUT", &path, &[], written.json).await;
    assert_eq!(counted.code, 200, "{}", counted.text);
}

async fn used(admin: &Asker) -> Value {
    admin.get(&format!("{NAMESPACE}/resourcequotas/q")).await.json["status"]["used"].clone()
}

#[tokio::test]
async fn pods_are_made_until_the_quota_is_spent() {
    let (server, admin) = started().await;
    let pods = format!("{NAMESPACE}/pods");
    quota(&admin, json!({"pods": "2", "requests.cpu": "250m"}), json!({"pods": "0", "requests.cpu": "0"}))
        .await;
    server
        .eventually("the quota is enforced", async || {
            let dry = admin.post(&format!("{pods}?dryRun=All"), pod("dry", json!({}))).await;
            dry.code == 403
        })
        .await;
    let open = admin.post(&pods, pod("open", json!({}))).await;
    let expected = r#"pods "open" is forbidden: failed quota: q: must specify requests.cpu for: c"#;
    assert_eq!((open.code, open.message()), (403, expected));
    let small = json!({"requests": {"cpu": "100m"}});
    let dry = admin.post(&format!("{pods}?dryRun=All"), pod("dry", small.clone())).await;
    assert_eq!(dry.code, 201, "{}", dry.text);
    for name in ["a", "b"] {
        let made = admin.post(&pods, pod(name, small.clone())).await;
        assert_eq!(made.code, 201, "{}", made.text);
    }
    assert_eq!(used(&admin).await, json!({"pods": "2", "requests.cpu": "200m"}));
    let refused = admin.post(&pods, pod("c", small)).await;
    let expected = "pods \"c\" is forbidden: exceeded quota: q, requested: pods=1,requests.cpu=100m, used: \
                    pods=2,requests.cpu=200m, limited: pods=2,requests.cpu=250m";
    assert_eq!((refused.code, refused.message()), (403, expected));
    assert_eq!(refused.json["reason"], "Forbidden");
}

#[tokio::test]
async fn many_at_once_do_not_overdraw_a_quota() {
    let (server, admin) = started().await;
    let maps = format!("{NAMESPACE}/configmaps");
    quota(&admin, json!({"configmaps": "5"}), json!({"configmaps": "0"})).await;
    server.eventually("the quota is known", async || used(&admin).await == json!({"configmaps": "0"})).await;
    let requests = (0..16).map(|number| {
        let (admin, maps) = (admin.clone(), maps.clone());
        tokio::spawn(async move {
            admin.post(&maps, json!({"metadata": {"name": format!("m{number}")}})).await.code
        })
    });
    let mut codes = Vec::new();
    for request in requests.collect::<Vec<_>>() {
        codes.push(request.await.unwrap());
    }
    let made = codes.iter().filter(|code| **code == 201).count();
    let refused = codes.iter().filter(|code| **code == 403).count();
    assert_eq!((made, refused), (5, 11), "{codes:?}");
    assert_eq!(used(&admin).await, json!({"configmaps": "5"}));
}

#[tokio::test]
async fn services_are_charged_when_they_change() {
    let (_server, admin) = started().await;
    quota(&admin, json!({"services.nodeports": "1"}), json!({"services.nodeports": "0"})).await;
    let service = |kind: &str| {
        let ports = json!([{"name": "a", "port": 1}]);
        json!({"metadata": {"name": "s"}, "spec": {"type": kind, "ports": ports}})
    };
    let services = format!("{NAMESPACE}/services");
    assert_eq!(admin.post(&services, service("ClusterIP")).await.code, 201);
    let patch = |ports: Value| {
        let (admin, path) = (admin.clone(), format!("{services}/s"));
        let body = json!({"spec": {"type": "NodePort", "ports": ports}});
        async move { admin.send("PATCH", &path, &[("content-type", "application/merge-patch+json")], body).await }
    };
    let two = patch(json!([{"name": "a", "port": 1}, {"name": "b", "port": 2}])).await;
    let expected = "services \"s\" is forbidden: exceeded quota: q, requested: services.nodeports=2, used: \
                    services.nodeports=0, limited: services.nodeports=1";
    assert_eq!((two.code, two.message()), (403, expected));
    let one = patch(json!([{"name": "a", "port": 1}])).await;
    assert_eq!(one.code, 200, "{}", one.text);
    assert_eq!(used(&admin).await, json!({"services.nodeports": "1"}));
}

#[tokio::test]
async fn limit_ranges_complete_and_bound_pods() {
    let (server, admin) = started().await;
    let range = json!({"metadata": {"name": "r"}, "spec": {"limits": [
        {"type": "Container", "defaultRequest": {"cpu": "100m"}, "default": {"cpu": "200m"}, "max": {"cpu": "1"}},
    ]}});
    assert_eq!(admin.post(&format!("{NAMESPACE}/limitranges"), range).await.code, 201);
    let pods = format!("{NAMESPACE}/pods");
    let mut made = Value::Null;
    server
        .eventually("the defaults are given", async || {
            made = admin.post(&format!("{pods}?dryRun=All"), pod("p", json!({}))).await.json;
            made["spec"]["containers"][0]["resources"]["limits"]["cpu"] == "200m"
        })
        .await;
    assert_eq!(made["spec"]["containers"][0]["resources"]["requests"], json!({"cpu": "100m"}));
    let text = "LimitRanger plugin set: cpu request for container c; cpu limit for container c";
    assert_eq!(made["metadata"]["annotations"]["kubernetes.io/limit-ranger"], text);
    let refused = admin.post(&pods, pod("p", json!({"limits": {"cpu": "2"}}))).await;
    let expected = "pods \"p\" is forbidden: maximum cpu usage per Container is 1, but limit is 2";
    assert_eq!((refused.code, refused.message()), (403, expected));
}

#[tokio::test]
async fn namespaces_have_a_standard_for_their_pods() {
    let (server, admin) = started().await;
    let pods = format!("{NAMESPACE}/pods");
    let mut shared = pod("shared", json!({}));
    shared["spec"]["hostPID"] = json!(true);
    assert_eq!(admin.post(&pods, shared.clone()).await.code, 201);
    let label = |level: &str| {
        let body = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": level}}});
        let (admin, headers) = (admin.clone(), [("content-type", "application/merge-patch+json")]);
        async move { admin.send("PATCH", NAMESPACE, &headers, body).await }
    };
    let wrong = label("strict").await;
    assert_eq!((wrong.code, wrong.json["reason"].as_str()), (422, Some("Invalid")), "{}", wrong.text);
    let stricter = label("baseline").await;
    assert_eq!(stricter.code, 200, "{}", stricter.text);
    let warned: Vec<&str> =
        stricter.headers.get_all("warning").iter().map(|text| text.to_str().unwrap()).collect();
    let level = r#"299 - "existing pods in namespace \"default\" violate the new PodSecurity enforce level \"baseline:latest\"""#;
    assert_eq!(warned, [level, r#"299 - "shared: host namespaces""#]);
    shared["metadata"]["name"] = json!("other");
    server
        .eventually("the standard is enforced", async || {
            admin.post(&format!("{pods}?dryRun=All"), shared.clone()).await.code == 403
        })
        .await;
    let refused = admin.post(&pods, shared).await;
    let expected = "pods \"other\" is forbidden: violates PodSecurity \"baseline:latest\": host namespaces (hostPID=true)";
    assert_eq!(refused.message(), expected);
    assert_eq!(admin.post(&pods, pod("fine", json!({}))).await.code, 201);
    // Who makes pods is told what will become of them.
    let labels = json!({"a": "b"});
    let deployment = json!({"metadata": {"name": "d"}, "spec": {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {
            "hostPID": true, "containers": [{"name": "c", "image": "i"}],
        }},
    }});
    let made = admin.post("/apis/apps/v1/namespaces/default/deployments", deployment).await;
    assert_eq!(made.code, 201, "{}", made.text);
    let expected = r#"299 - "would violate PodSecurity \"baseline:latest\": host namespaces (hostPID=true)""#;
    assert_eq!(made.headers["warning"].to_str().unwrap(), expected);
}

#[tokio::test]
async fn resized_pods_stay_within_limits_and_quotas() {
    let (server, admin) = started().await;
    let range = json!({"metadata": {"name": "r"}, "spec": {"limits": [
        {"type": "Container", "max": {"cpu": "1"}},
    ]}});
    assert_eq!(admin.post(&format!("{NAMESPACE}/limitranges"), range).await.code, 201);
    quota(&admin, json!({"requests.cpu": "500m"}), json!({"requests.cpu": "0"})).await;
    let pods = format!("{NAMESPACE}/pods");
    let cpu = |cpu: &str| json!({"requests": {"cpu": cpu}, "limits": {"cpu": cpu}});
    server
        .eventually("the limits are enforced", async || {
            let open = pod("open", cpu("2"));
            admin.post(&format!("{pods}?dryRun=All"), open).await.code == 403
        })
        .await;
    let made = admin.post(&pods, pod("p", cpu("100m"))).await;
    assert_eq!(made.code, 201, "{}", made.text);
    let resize = |to: &str| {
        let body = json!({"spec": {"containers": [{"name": "c", "resources": cpu(to)}]}});
        let (admin, path) = (admin.clone(), format!("{pods}/p/resize"));
        let headers = [("content-type", "application/strategic-merge-patch+json")];
        async move { admin.send("PATCH", &path, &headers, body).await }
    };
    let above = resize("2").await;
    let expected = "pods \"p\" is forbidden: maximum cpu usage per Container is 1, but limit is 2";
    assert_eq!((above.code, above.message()), (403, expected));
    let exceeding = resize("600m").await;
    let expected = "pods \"p\" is forbidden: exceeded quota: q, requested: requests.cpu=500m, used: \
                    requests.cpu=100m, limited: requests.cpu=500m";
    assert_eq!((exceeding.code, exceeding.message()), (403, expected));
    let fitting = resize("400m").await;
    assert_eq!(fitting.code, 200, "{}", fitting.text);
    assert_eq!(used(&admin).await, json!({"requests.cpu": "400m"}));
}

const CONFIGURATION: &str = r#"
apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- name: PodSecurity
  configuration:
    apiVersion: pod-security.admission.config.k8s.io/v1
    kind: PodSecurityConfiguration
    defaults: {enforce: baseline, enforce-version: v1.30}
    exemptions: {usernames: [trusted]}
- name: ResourceQuota
  configuration:
    apiVersion: apiserver.config.k8s.io/v1
    kind: ResourceQuotaConfiguration
    limitedResources:
    - resource: pods
      matchContains: [requests.memory]
"#;

#[tokio::test]
async fn a_configuration_says_what_counts_everywhere() {
    let server = TestServer::start(|options, folder| {
        let path = folder.join("admission.yaml");
        std::fs::write(&path, CONFIGURATION).unwrap();
        options.generic.admission_control_config_file = Some(path);
    })
    .await;
    server.make_default_account("default").await;
    let pods = format!("{NAMESPACE}/pods");
    let mut shared = pod("shared", json!({}));
    shared["spec"]["hostIPC"] = json!(true);
    let refused = server.admin().post(&pods, shared.clone()).await;
    let expected = "pods \"shared\" is forbidden: violates PodSecurity \"baseline:v1.30\": host namespaces (hostIPC=true)";
    assert_eq!((refused.code, refused.message()), (403, expected));
    let trusted = server.user("trusted", &["system:masters"]);
    assert_eq!(trusted.post(&pods, shared).await.code, 201);
    let large = pod("large", json!({"requests": {"memory": "1Gi"}}));
    let refused = trusted.post(&pods, large).await;
    let expected = "pods \"large\" is forbidden: insufficient quota to consume: requests.memory";
    assert_eq!((refused.code, refused.message()), (403, expected));
}
