//! Admission webhooks: a server of the test answers reviews over TLS.

use std::sync::Arc;

use component_base::tls::server::{ServerOptions, certified_key, server_config};
use component_base::tls::{Authority, ExtendedUsage, KeyAlgorithm, Profile, Reloaded};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::support::{Answer, Asker, TestServer, authority};

type Decide = dyn Fn(&str, &Value) -> Value + Send + Sync;

/// A webhook server; the path tells its webhooks apart.
struct Hooks {
    port: u16,
    ca: Authority,
    seen: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Hooks {
    /// Serves as `names`; `decide` gives the response to a request, without its uid.
    async fn start(names: &[&str], decide: impl Fn(&str, &Value) -> Value + Send + Sync + 'static) -> Hooks {
        component_base::tls::install_provider();
        let (ca, now) = (authority("hooks-ca"), jiff::Timestamp::now());
        let hour = jiff::SignedDuration::from_hours(1);
        let profile = Profile::leaf("hooks", &[ExtendedUsage::ServerAuth], now - hour, now + hour)
            .with_dns_names(names.iter().copied())
            .with_ip_addresses(["127.0.0.1".parse().unwrap()]);
        let (certificate, key) = ca.issue(&profile, KeyAlgorithm::EcdsaP256).unwrap();
        let identity = certified_key(certificate.as_bytes(), key.to_pem().as_bytes()).unwrap();
        let config = server_config(&ServerOptions::new(Reloaded::fixed(identity))).unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(config);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (decide, kept): (Arc<Decide>, _) = (Arc::new(decide), Arc::clone(&seen));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, decide, kept) = (acceptor.clone(), Arc::clone(&decide), Arc::clone(&kept));
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service =
                        service_fn(move |request| reply(request, Arc::clone(&decide), Arc::clone(&kept)));
                    let connection = hyper::server::conn::http1::Builder::new();
                    let _ = connection.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Hooks { port, ca, seen }
    }

    fn bundle(&self) -> String {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(self.ca.certificate_pem())
    }

    /// A webhook at a path of this server, for creates and updates of config maps; `more` changes its fields.
    fn hook(&self, name: &str, more: Value) -> Value {
        let mut hook = json!({
            "name": format!("{name}.example.com"),
            "clientConfig": {
                "url": format!("https://127.0.0.1:{}/{name}", self.port), "caBundle": self.bundle(),
            },
            "rules": [{"operations": ["CREATE", "UPDATE"], "apiGroups": [""], "apiVersions": ["v1"],
                "resources": ["configmaps"]}],
            "sideEffects": "None", "admissionReviewVersions": ["v1"],
        });
        let fields = hook.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        hook
    }

    /// The requests a webhook was asked about.
    fn seen(&self, name: &str) -> Vec<Value> {
        let path = format!("/{name}");
        self.seen.lock().iter().filter(|(of, _)| *of == path).map(|(_, request)| request.clone()).collect()
    }
}

async fn reply(
    request: Request<Incoming>,
    decide: Arc<Decide>,
    seen: Arc<Mutex<Vec<(String, Value)>>>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let path = request.uri().path().to_owned();
    assert!(request.uri().query().is_some_and(|query| query.starts_with("timeout=")));
    let body = request.into_body().collect().await?.to_bytes();
    let review: Value = serde_json::from_slice(&body).unwrap();
    let asked = &review["request"];
    let mut response = decide(path.trim_start_matches('/'), asked);
    response["uid"] = asked["uid"].clone();
    seen.lock().push((path, asked.clone()));
    let answer = json!({"kind": "AdmissionReview", "apiVersion": review["apiVersion"], "response": response});
    Ok(Response::new(Full::from(answer.to_string())))
}

fn patch(operations: Value) -> Value {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(operations.to_string());
    json!({"allowed": true, "patchType": "JSONPatch", "patch": text})
}

const CONFIGURATIONS: &str = "/apis/admissionregistration.k8s.io/v1";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

async fn configure(admin: &Asker, kind: &str, webhooks: Value) {
    let name = json!({"metadata": {"name": "test"}, "webhooks": webhooks});
    let written = admin.post(&format!("{CONFIGURATIONS}/{kind}webhookconfigurations"), name).await;
    assert_eq!(written.code, 201, "{}", written.text);
}

fn map(name: &str) -> Value {
    json!({"metadata": {"name": name}, "data": {"a": "b"}})
}

/// Creates in dry runs until the answer is the wanted one: configurations take a moment to work.
async fn until(server: &TestServer, path: &str, body: Value, wanted: impl Fn(&Answer) -> bool) {
    let (admin, path) = (server.admin(), format!("{path}?dryRun=All"));
    server.eventually("the webhook works", async || wanted(&admin.post(&path, body.clone()).await)).await;
}

#[tokio::test]
async fn validating_webhooks_are_asked_and_their_refusals_explained() {
    let server = TestServer::new().await;
    let hooks = Hooks::start(&[], |name, request| match name {
        "deny" if request["name"] == "bad" => {
            json!({"allowed": false, "status": {"message": "no bad maps", "code": 403, "reason": "Forbidden"}})
        }
        _ => json!({"allowed": true, "warnings": [format!("seen by {name}")]}),
    })
    .await;
    let admin = server.admin();
    let selected = json!({"objectSelector": {"matchLabels": {"x": "y"}}});
    let elsewhere = json!({"namespaceSelector": {"matchLabels": {"x": "y"}}});
    let webhooks = json!([
        hooks.hook("deny", json!({})),
        hooks.hook("selected", selected),
        hooks.hook("elsewhere", elsewhere),
    ]);
    configure(&admin, "validating", webhooks).await;
    until(&server, MAPS, map("bad"), |answer| answer.code == 403).await;

    let refused = admin.post(MAPS, map("bad")).await;
    let expected = "admission webhook \"deny.example.com\" denied the request: no bad maps";
    assert_eq!((refused.code, refused.message()), (403, expected));
    assert_eq!(refused.json["reason"], "Forbidden");

    let written = admin.post(MAPS, map("good")).await;
    assert_eq!(written.code, 201, "{}", written.text);
    assert_eq!(written.headers["warning"], "299 - \"seen by deny\"");
    let seen = hooks.seen("deny").pop().unwrap();
    let kind = json!({"group": "", "version": "v1", "kind": "ConfigMap"});
    assert_eq!((&seen["kind"], &seen["requestKind"]), (&kind, &kind));
    assert_eq!(seen["resource"], json!({"group": "", "version": "v1", "resource": "configmaps"}));
    assert_eq!((&seen["operation"], &seen["namespace"]), (&json!("CREATE"), &json!("default")));
    assert_eq!((&seen["dryRun"], &seen["oldObject"]), (&json!(false), &Value::Null));
    assert_eq!(seen["userInfo"]["username"], "admin");
    assert_eq!(seen["options"]["kind"], "CreateOptions");
    assert_eq!((&seen["object"]["kind"], &seen["object"]["data"]), (&json!("ConfigMap"), &json!({"a": "b"})));
    assert!(seen["object"]["metadata"]["uid"].is_string(), "validating webhooks see the final object");

    let mut labelled = map("labelled");
    labelled["metadata"]["labels"] = json!({"x": "y"});
    assert_eq!(admin.post(MAPS, labelled).await.code, 201);
    assert_eq!(hooks.seen("selected").len(), 1);
    assert!(hooks.seen("elsewhere").is_empty());

    let metrics = admin.get("/metrics").await.text;
    for line in [
        "apiserver_admission_webhook_rejection_count{error_type=\"no_error\",name=\"deny.example.com\",operation=\"CREATE\",rejection_code=\"403\",type=\"validating\"}",
        "apiserver_admission_webhook_admission_duration_seconds_count{name=\"deny.example.com\",operation=\"CREATE\",rejected=\"false\",type=\"validating\"}",
        "apiserver_admission_controller_admission_duration_seconds_count{name=\"ValidatingAdmissionWebhook\",operation=\"CREATE\",rejected=\"true\",type=\"validate\"}",
        "apiserver_admission_step_admission_duration_seconds_count{operation=\"CREATE\",rejected=\"true\",type=\"validate\"}",
    ] {
        assert!(metrics.contains(line), "{line}");
    }
}

#[tokio::test]
async fn mutating_webhooks_change_objects_and_see_the_changes_of_later_ones() {
    let server = TestServer::new().await;
    let hooks = Hooks::start(&[], |name, request| {
        let labels = &request["object"]["metadata"]["labels"];
        match name {
            "first" if labels["second"].is_string() => {
                patch(json!([{"op": "add", "path": "/metadata/labels/again", "value": "yes"}]))
            }
            "first" => json!({"allowed": true}),
            "second" => patch(json!([{"op": "add", "path": "/metadata/labels", "value": {"second": "yes"}}])),
            "service" => patch(json!([
                {"op": "add", "path": "/spec/ports", "value": [{"port": 80, "name": "made"}]},
            ])),
            _ => json!({"allowed": true}),
        }
    })
    .await;
    let admin = server.admin();
    let services = json!({"rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["*"],
        "resources": ["services"]}]});
    let webhooks = json!([
        hooks.hook("first", json!({"reinvocationPolicy": "IfNeeded"})),
        hooks.hook("second", json!({})),
        hooks.hook("service", services),
    ]);
    configure(&admin, "mutating", webhooks).await;
    until(&server, MAPS, map("m"), |answer| answer.json["metadata"]["labels"]["second"] == "yes").await;
    hooks.seen.lock().clear();

    let written = admin.post(MAPS, map("m")).await;
    assert_eq!(written.code, 201, "{}", written.text);
    assert_eq!(written.json["metadata"]["labels"], json!({"second": "yes", "again": "yes"}));
    assert_eq!((hooks.seen("first").len(), hooks.seen("second").len()), (2, 1));

    // What a patch leaves out is completed as in a request.
    let service = json!({"metadata": {"name": "s"}, "spec": {"selector": {"a": "b"}}});
    let written = admin.post("/api/v1/namespaces/default/services", service).await;
    assert_eq!(written.code, 201, "{}", written.text);
    let port = json!([{"name": "made", "port": 80, "protocol": "TCP", "targetPort": 80}]);
    assert_eq!(written.json["spec"]["ports"], port);
}

#[tokio::test]
async fn the_failure_policy_decides_about_webhooks_that_cannot_be_asked() {
    let server = TestServer::new().await;
    let hooks = Hooks::start(&[], |_, _| json!({"allowed": true})).await;
    let (admin, other) = (server.admin(), Hooks::start(&[], |_, _| Value::Null).await);
    let url = format!("https://127.0.0.1:{}/stranger", hooks.port);
    // Its authority is not the one that signed.
    let stranger = json!({"clientConfig": {"url": url, "caBundle": other.bundle()}});
    let mut open = stranger.clone();
    open["failurePolicy"] = json!("Ignore");
    configure(&admin, "validating", json!([hooks.hook("open", open)])).await;
    configure(&admin, "mutating", json!([hooks.hook("closed", stranger)])).await;
    until(&server, MAPS, map("m"), |answer| answer.code == 500).await;
    let refused = admin.post(MAPS, map("m")).await;
    let expected = format!(
        "Internal error occurred: failed calling webhook \"closed.example.com\": failed to call webhook: Post \
         \"{url}?timeout=10s\": tls: failed to verify certificate: x509: certificate signed by unknown authority"
    );
    assert_eq!((refused.code, refused.message()), (500, expected.as_str()));
    assert!(hooks.seen.lock().is_empty(), "nothing is sent to a server that is not verified");

    let path = format!("{CONFIGURATIONS}/mutatingwebhookconfigurations/test");
    assert_eq!(admin.delete(&path).await.code, 200, "no webhook can keep its configuration");
    until(&server, MAPS, map("m"), |answer| answer.code == 201).await;
    let counted =
        "apiserver_admission_webhook_fail_open_count{name=\"open.example.com\",type=\"validating\"}";
    server
        .eventually("it failed open", async || {
            admin.post(&format!("{MAPS}?dryRun=All"), map("m")).await;
            admin.get("/metrics").await.text.contains(counted)
        })
        .await;
}

#[tokio::test]
async fn services_are_called_under_their_own_name() {
    let server = TestServer::new().await;
    let hooks = Hooks::start(&["right.default.svc"], |_, _| json!({"allowed": false})).await;
    let admin = server.admin();
    for name in ["right", "wrong"] {
        let service = json!({"metadata": {"name": name},
            "spec": {"type": "ExternalName", "externalName": "localhost"}});
        let written = admin.post("/api/v1/namespaces/default/services", service).await;
        assert_eq!(written.code, 201, "{}", written.text);
    }
    let behind = |name: &str| {
        json!({"clientConfig": {"caBundle": hooks.bundle(),
            "service": {"namespace": "default", "name": name, "port": hooks.port, "path": "/behind"}}})
    };
    configure(&admin, "validating", json!([hooks.hook("right", behind("right"))])).await;
    until(&server, MAPS, map("m"), |answer| answer.code == 400).await;
    let refused = admin.post(MAPS, map("m")).await;
    let expected = "admission webhook \"right.example.com\" denied the request without explanation";
    assert_eq!(refused.message(), expected);
    assert!(!hooks.seen("behind").is_empty());

    configure(&admin, "mutating", json!([hooks.hook("wrong", behind("wrong"))])).await;
    until(&server, MAPS, map("m"), |answer| answer.code == 500).await;
    let refused = admin.post(MAPS, map("m")).await;
    let text = refused.message();
    assert!(text.contains("tls: failed to verify certificate: x509: "), "{text}");
    let url = format!("Post \"https://wrong.default.svc:{}/behind?timeout=10s\": ", hooks.port);
    assert!(text.contains(&url), "{text}");
}

#[tokio::test]
async fn webhooks_see_the_version_and_the_subresource_they_ask_for() {
    let server = TestServer::new().await;
    let hooks = Hooks::start(&[], |name, _| match name {
        "old" => patch(json!([{"op": "replace", "path": "/spec/maxReplicas", "value": 7}])),
        "scale" => patch(json!([{"op": "replace", "path": "/spec/replicas", "value": 3}])),
        _ => json!({"allowed": false, "status": {"message": "not here"}}),
    })
    .await;
    let admin = server.admin();
    let rules = |operation: &str, group: &str, version: &str, resource: &str| {
        json!({"rules": [{"operations": [operation], "apiGroups": [group], "apiVersions": [version],
            "resources": [resource]}]})
    };
    let webhooks = json!([
        hooks.hook("old", rules("CREATE", "autoscaling", "v1", "horizontalpodautoscalers")),
        hooks.hook("scale", rules("UPDATE", "apps", "v1", "deployments/scale")),
    ]);
    configure(&admin, "mutating", webhooks).await;
    let exec = rules("CONNECT", "", "v1", "pods/exec");
    configure(&admin, "validating", json!([hooks.hook("exec", exec)])).await;

    let autoscalers = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers";
    let autoscaler = json!({"metadata": {"name": "h"}, "spec": {"maxReplicas": 2,
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}}});
    until(&server, autoscalers, autoscaler, |answer| answer.json["spec"]["maxReplicas"] == 7).await;
    let seen = hooks.seen("old").pop().unwrap();
    assert_eq!((&seen["kind"]["version"], &seen["requestKind"]["version"]), (&json!("v1"), &json!("v2")));
    assert_eq!(seen["object"]["apiVersion"], "autoscaling/v1");

    let template = json!({"metadata": {"labels": {"a": "b"}},
        "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let deployment = json!({"metadata": {"name": "d"}, "spec": {"replicas": 1,
        "selector": {"matchLabels": {"a": "b"}}, "template": template}});
    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    assert_eq!(admin.post(deployments, deployment).await.code, 201);
    let scale = json!({"metadata": {"name": "d", "namespace": "default"}, "spec": {"replicas": 2}});
    let scaled = admin.send("PUT", &format!("{deployments}/d/scale"), &[], scale).await;
    assert_eq!((scaled.code, &scaled.json["spec"]["replicas"]), (200, &json!(3)), "{}", scaled.text);
    let seen = hooks.seen("scale").pop().unwrap();
    let kind = json!({"group": "autoscaling", "version": "v1", "kind": "Scale"});
    assert_eq!((&seen["kind"], &seen["subResource"]), (&kind, &json!("scale")));

    let refused =
        admin.post("/api/v1/namespaces/default/pods/p/exec?command=ls&command=-l", Value::Null).await;
    assert_eq!(refused.message(), "admission webhook \"exec.example.com\" denied the request: not here");
    let seen = hooks.seen("exec").pop().unwrap();
    assert_eq!((&seen["operation"], &seen["object"]["kind"]), (&json!("CONNECT"), &json!("PodExecOptions")));
    assert_eq!(seen["object"]["command"], json!(["ls", "-l"]));
}

#[tokio::test]
async fn conditions_decide_whether_a_webhook_is_asked() {
    let server = TestServer::new().await;
    let hooks = Hooks::start(&[], |_, _| json!({"allowed": false, "status": {"message": "asked"}})).await;
    let admin = server.admin();
    let when = |expression: &str| json!({"matchConditions": [{"name": "c", "expression": expression}]});
    let bad =
        json!({"metadata": {"name": "bad"}, "webhooks": [hooks.hook("bad", when("nobody.name == 'x'"))]});
    let refused = admin.post(&format!("{CONFIGURATIONS}/validatingwebhookconfigurations"), bad).await;
    let expected = "webhooks[0].matchConditions[0].expression: Invalid value: \"nobody.name == 'x'\": compilation \
                    failed: ERROR: <input>:1:1: undeclared reference to 'nobody' (in container '')";
    assert!(refused.code == 422 && refused.message().contains(expected), "{}", refused.text);

    let webhooks = json!([
        hooks.hook("named", when("object.metadata.name.startsWith('a') && request.operation == 'CREATE'")),
        hooks.hook("broken", when("object.data.missing == 'x' || object.metadata.name == 'other'")),
    ]);
    configure(&admin, "validating", webhooks).await;
    let failing = "configmaps \"b\" is forbidden: expression 'object.data.missing == 'x' || object.metadata.name == \
                   'other'' resulted in error: no such key: missing";
    until(&server, MAPS, map("b"), |answer| answer.code == 403 && answer.message() == failing).await;
    let mut complete = map("b");
    complete["data"] = json!({"missing": "y"});
    assert_eq!(admin.post(MAPS, complete).await.code, 201, "no condition holds");
    let mut asked = map("a");
    asked["data"] = json!({"missing": "y"});
    let refused = admin.post(MAPS, asked).await;
    assert_eq!(refused.message(), "admission webhook \"named.example.com\" denied the request: asked");
    assert_eq!((hooks.seen("named").len(), hooks.seen("broken").len()), (1, 0));
    let counted =
        "apiserver_admission_match_condition_exclusions_total{kind=\"webhook\",name=\"named.example.com\"";
    assert!(admin.get("/metrics").await.text.contains(counted));
}

#[tokio::test]
async fn custom_resources_are_shown_and_changed_in_the_version_asked_for() {
    let server = TestServer::new().await;
    let hooks = Hooks::start(&[], |name, _| match name {
        // What the schema does not know is pruned, what it defaults is filled in.
        "old" => patch(json!([
            {"op": "replace", "path": "/spec", "value": {"size": 2, "unknown": true}},
        ])),
        _ => json!({"allowed": true}),
    })
    .await;
    let admin = server.admin();
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "size": {"type": "integer"}, "color": {"type": "string", "default": "red"}}},
        "status": {"type": "object", "properties": {"replicas": {"type": "integer"}}}}});
    let version = |name: &str, storage: bool| {
        json!({"name": name, "served": true, "storage": storage, "schema": {"openAPIV3Schema": schema},
            "subresources": {"scale": {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.replicas"}}})
    };
    let definition = json!({"metadata": {"name": "things.example.com"}, "spec": {"group": "example.com",
        "scope": "Namespaced", "names": {"plural": "things", "kind": "Thing"},
        "versions": [version("v1", true), version("v1beta1", false)]}});
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let written = admin.post(definitions, definition).await;
    assert_eq!(written.code, 201, "{}", written.text);
    let old = json!({"rules": [{"operations": ["CREATE"], "apiGroups": ["example.com"],
        "apiVersions": ["v1beta1"], "resources": ["things"]}]});
    configure(&admin, "mutating", json!([hooks.hook("old", old)])).await;
    let things = "/apis/example.com/v1/namespaces/default/things";
    let thing = json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "t"},
        "spec": {"size": 1}});
    until(&server, things, thing, |answer| answer.json["spec"]["size"] == 2).await;
    let seen = hooks.seen("old").pop().unwrap();
    assert_eq!(seen["kind"], json!({"group": "example.com", "version": "v1beta1", "kind": "Thing"}));
    assert_eq!(seen["requestKind"]["version"], "v1");
    assert_eq!(
        (&seen["object"]["apiVersion"], &seen["object"]["spec"]),
        (&json!("example.com/v1beta1"), &json!({"size": 1, "color": "red"}))
    );
    let thing = json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "t"},
        "spec": {"size": 1}});
    let written = admin.post(things, thing).await;
    assert_eq!(written.code, 201, "{}", written.text);
    assert_eq!(written.json["apiVersion"], "example.com/v1");
    assert_eq!(written.json["spec"], json!({"size": 2, "color": "red"}));
}
