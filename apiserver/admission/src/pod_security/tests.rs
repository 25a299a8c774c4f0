//! Tables of pods, and the plugin over a few namespaces.

use std::sync::Arc;

use api_types::apps::v1::Deployment;
use api_types::core::v1::{Namespace, Pod};
use serde_json::{Value, json};

use super::checks::{ALL, evaluate};
use super::*;
use crate::testing::{Heard, Known, create, object, request};

fn pod(spec: Value) -> Pod {
    object(json!({"metadata": {"name": "p", "namespace": "ns"}, "spec": spec}))
}

fn container(security: Value) -> Value {
    json!({"containers": [{"name": "a", "securityContext": security}]})
}

/// A pod that the restricted level has nothing against.
fn hardened() -> Value {
    json!({
        "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{"name": "a", "securityContext": {
            "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
        }}],
    })
}

fn standard(text: &str) -> Standard {
    let (level, version) = text.split_once(':').expect("level:version");
    Standard {
        level: levels::parse_level(level).expect("a level"),
        version: Version::parse(version).expect("a version"),
    }
}

fn check(standard_text: &str, pod: &Pod, expected: &str) {
    let subject = Subject { annotations: &pod.metadata.annotations, spec: &pod.spec };
    let findings = evaluate(standard(standard_text), subject);
    assert_eq!(checks::details(&findings), expected, "{standard_text}: {:?}", pod.spec);
}

#[test]
fn the_table_is_in_the_order_of_messages() {
    let keys: Vec<_> = ALL.iter().map(|check| (check.level, check.id)).collect();
    assert!(keys.is_sorted());
    for check in &ALL {
        assert!(check.forms.is_sorted_by(|left, right| left.0 < right.0), "{}", check.id);
        let replaced = ALL.iter().find(|other| other.id == check.replaces);
        assert_eq!(replaced.is_some(), !check.replaces.is_empty(), "{}", check.id);
    }
}

#[test]
fn the_baseline_forbids_ways_out() {
    let cases = [
        (json!({"hostNetwork": true, "hostIPC": true}), "host namespaces (hostNetwork=true, hostIPC=true)"),
        (
            json!({"volumes": [{"name": "v", "hostPath": {"path": "/"}}, {"name": "w", "emptyDir": {}}]}),
            "hostPath volumes (volume \"v\")",
        ),
        (
            json!({"containers": [
                {"name": "a", "ports": [{"hostPort": 80}, {"hostPort": 9}]}, {"name": "b", "ports": [{"hostPort": 80}]},
            ]}),
            "hostPort (containers \"a\", \"b\" use hostPorts 80, 9)",
        ),
        (
            json!({"initContainers": [{"name": "i", "securityContext": {"privileged": true}}]}),
            "privileged (container \"i\" must not set securityContext.privileged=true)",
        ),
        (
            json!({"ephemeralContainers": [{"name": "e", "securityContext": {"privileged": true}}]}),
            "privileged (container \"e\" must not set securityContext.privileged=true)",
        ),
        (
            container(json!({"capabilities": {"add": ["NET_RAW", "CHOWN", "BPF"]}})),
            "non-default capabilities (container \"a\" must not include \"BPF\", \"NET_RAW\" in \
             securityContext.capabilities.add)",
        ),
        (
            container(json!({"procMount": "Unmasked"})),
            "procMount (container \"a\" must not set securityContext.procMount to \"Unmasked\")",
        ),
        (
            json!({
                "securityContext": {"seLinuxOptions": {"type": "x", "user": "u"}},
                "containers": [{"name": "a", "securityContext": {"seLinuxOptions": {"role": "r"}}}],
            }),
            "seLinuxOptions (pod and container \"a\" set forbidden securityContext.seLinuxOptions: type \"x\"; \
             user may not be set; role may not be set)",
        ),
        (
            json!({"securityContext": {"seccompProfile": {"type": "Unconfined"}}}),
            "seccompProfile (pod must not set securityContext.seccompProfile.type to \"Unconfined\")",
        ),
        (
            container(json!({"appArmorProfile": {"type": "Unconfined"}})),
            "forbidden AppArmor profile (container \"a\" must not set AppArmor profile type to \"Unconfined\")",
        ),
        (
            json!({"securityContext": {"sysctls": [{"name": "net.ipv4.tcp_rmem"}, {"name": "b"}, {"name": "a"}]}}),
            "forbidden sysctls (b, a)",
        ),
        (
            json!({"securityContext": {"windowsOptions": {"hostProcess": true}}}),
            "hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)",
        ),
        (
            json!({"containers": [
                {"name": "a", "livenessProbe": {"httpGet": {"host": "h"}}, "lifecycle": {"preStop": {"tcpSocket": {"host": "g"}}}},
            ]}),
            "probe or lifecycle host (container \"a\" uses probe or lifecycle hosts \"g\", \"h\")",
        ),
    ];
    for (spec, expected) in cases {
        check("baseline:latest", &pod(spec.clone()), expected);
        check("privileged:latest", &pod(spec), "");
    }
    check("baseline:latest", &pod(container(json!({}))), "");
}

#[test]
fn annotations_are_judged() {
    let annotated = |key: &str, value: &str| -> Pod {
        object(json!({
            "metadata": {"name": "p", "annotations": {key: value}}, "spec": {"containers": [{"name": "a"}]},
        }))
    };
    let key = "container.apparmor.security.beta.kubernetes.io/a";
    check(
        "baseline:latest",
        &annotated(key, "unconfined"),
        "forbidden AppArmor profile (annotation must not set AppArmor profile type to \
         \"container.apparmor.security.beta.kubernetes.io/a=\"unconfined\"\")",
    );
    check("baseline:latest", &annotated(key, "localhost/x"), "");
    let seccomp = annotated("seccomp.security.alpha.kubernetes.io/pod", "unconfined");
    let expected =
        "seccompProfile (forbidden annotation seccomp.security.alpha.kubernetes.io/pod=\"unconfined\")";
    check("baseline:v1.18", &seccomp, expected);
    check("baseline:v1.19", &seccomp, "");
}

#[test]
fn the_restricted_level_asks_for_hardening() {
    check("restricted:latest", &pod(hardened()), "");
    check(
        "restricted:latest",
        &pod(json!({"containers": [{"name": "a"}, {"name": "b"}]})),
        "allowPrivilegeEscalation != false (containers \"a\", \"b\" must set \
         securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (containers \"a\", \"b\" must \
         set securityContext.capabilities.drop=[\"ALL\"]), runAsNonRoot != true (pod or containers \"a\", \"b\" \
         must set securityContext.runAsNonRoot=true), seccompProfile (pod or containers \"a\", \"b\" must set \
         securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")",
    );
    let changed = |path: &str, value: Value| {
        let mut spec = hardened();
        let (parent, field) = path.rsplit_once('/').expect("a path");
        spec.pointer_mut(parent).expect("a parent")[field] = value;
        pod(spec)
    };
    let cases = [
        (
            "/containers/0/securityContext/capabilities",
            json!({"add": ["NET_BIND_SERVICE", "CHOWN"]}),
            "unrestricted capabilities (container \"a\" must set securityContext.capabilities.drop=[\"ALL\"]; \
             container \"a\" must not include \"CHOWN\" in securityContext.capabilities.add)",
        ),
        (
            "/containers/0/securityContext/runAsNonRoot",
            json!(false),
            "runAsNonRoot != true (container \"a\" must not set securityContext.runAsNonRoot=false)",
        ),
        ("/securityContext/runAsUser", json!(0), "runAsUser=0 (pod must not set runAsUser=0)"),
        (
            "/securityContext/seccompProfile",
            json!({"type": "Unconfined"}),
            "seccompProfile (pod must not set securityContext.seccompProfile.type to \"Unconfined\")",
        ),
    ];
    for (path, value, expected) in cases {
        check("restricted:latest", &changed(path, value), expected);
    }
    let mut volumes = hardened();
    volumes["volumes"] = json!([{"name": "v", "hostPath": {"path": "/"}}, {"name": "n", "nfs": {}}, {"name": "e", "emptyDir": {}}]);
    check(
        "restricted:latest",
        &pod(volumes),
        "restricted volume types (volumes \"v\", \"n\" use restricted volume types \"hostPath\", \"nfs\")",
    );
}

#[test]
fn versions_know_what_they_knew() {
    let asking = |security: Value| pod(json!({"securityContext": security}));
    let sysctl = asking(json!({"sysctls": [{"name": "net.ipv4.ip_local_reserved_ports"}]}));
    check("baseline:v1.26", &sysctl, "forbidden sysctls (net.ipv4.ip_local_reserved_ports)");
    check("baseline:v1.27", &sysctl, "");
    let engine = asking(json!({"seLinuxOptions": {"type": "container_engine_t"}}));
    let expected =
        "seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type \"container_engine_t\")";
    check("baseline:v1.30", &engine, expected);
    check("baseline:v1.31", &engine, "");
    let mut unmasked = container(json!({"procMount": "Unmasked"}));
    unmasked["hostUsers"] = json!(false);
    let expected = "procMount (container \"a\" must not set securityContext.procMount to \"Unmasked\")";
    check("baseline:v1.34", &pod(unmasked.clone()), expected);
    check("baseline:v1.35", &pod(unmasked.clone()), "");
    check("baseline:v1.99", &pod(unmasked.clone()), "");
    check(
        "restricted:v1.7",
        &pod(unmasked.clone()),
        &format!(
            "{expected}, runAsNonRoot != true (pod or container \"a\" must set securityContext.runAsNonRoot=true)"
        ),
    );
    let windows = pod(
        json!({"os": {"name": "windows"}, "securityContext": {"runAsNonRoot": true}, "containers": [{"name": "a"}]}),
    );
    check("restricted:latest", &windows, "");
    // Where the user namespace helps, the masks of /proc are still asked for.
    unmasked["os"] = json!({"name": "windows"});
    check("restricted:latest", &pod(unmasked), expected);
}

fn namespace(name: &str, labels: Value) -> Namespace {
    object(json!({"metadata": {"name": name, "labels": labels}}))
}

fn enforcing(level: &str) -> Value {
    json!({ "pod-security.kubernetes.io/enforce": level })
}

/// What the plugin says: the refusal, warnings, and audit annotations without their prefix.
async fn ask(
    known: Known,
    configuration: Configuration,
    mut attributes: Attributes,
) -> (Option<String>, Vec<String>, Vec<(String, String)>) {
    let heard = Arc::new(Heard::default());
    attributes.notes = heard.clone();
    let plugin = PodSecurity::new(known.lookup(), configuration, &Metrics::new());
    let refusal = plugin.validate(&attributes).await.err();
    let annotations = heard.annotations.lock().clone().into_iter();
    let annotations =
        annotations.map(|(key, value)| (key.strip_prefix(PREFIX).expect("a prefix").to_owned(), value));
    (refusal.map(|error| error.to_string()), heard.warnings.lock().clone(), annotations.collect())
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

const PRIVILEGED: &str = "privileged (container \"a\" must not set securityContext.privileged=true)";

#[tokio::test]
async fn pods_are_refused_noted_and_warned_of() {
    let privileged = || pod(container(json!({"privileged": true})));
    let all = json!({
        "pod-security.kubernetes.io/enforce": "baseline", "pod-security.kubernetes.io/audit": "baseline",
        "pod-security.kubernetes.io/audit-version": "v1.20",
    });
    let (refusal, warnings, annotations) =
        ask(Known::new().with(namespace("ns", all)), Configuration::default(), create(privileged())).await;
    let expected = format!("pods \"p\" is forbidden: violates PodSecurity \"baseline:latest\": {PRIVILEGED}");
    assert_eq!((refusal, warnings), (Some(expected), vec![]));
    let noted = format!("would violate PodSecurity \"baseline:v1.20\": {PRIVILEGED}");
    assert_eq!(annotations, pairs(&[("enforce-policy", "baseline:latest"), ("audit-violations", &noted)]));

    let warn = json!({"pod-security.kubernetes.io/warn": "baseline"});
    let known = || Known::new().with(namespace("ns", warn.clone()));
    let warned = vec![format!("would violate PodSecurity \"baseline:latest\": {PRIVILEGED}")];
    let answer = ask(known(), Configuration::default(), create(privileged())).await;
    assert_eq!(answer, (None, warned.clone(), pairs(&[("enforce-policy", "privileged:latest")])));
    let deployment: Deployment = object(json!({
        "metadata": {"name": "d", "namespace": "ns"},
        "spec": {"template": {"spec": container(json!({"privileged": true}))}},
    }));
    let answer = ask(known(), Configuration::default(), create(deployment.clone())).await;
    assert_eq!(answer, (None, warned, vec![]));
    let mut scaled = request(Operation::Update, Some(deployment.clone()), Some(deployment));
    scaled.subresource = "status".into();
    assert_eq!(ask(known(), Configuration::default(), scaled).await, (None, vec![], vec![]));
}

#[tokio::test]
async fn only_updates_of_images_are_judged_again() {
    let known = || Known::new().with(namespace("ns", enforcing("baseline")));
    let old = pod(container(json!({"privileged": true})));
    let mut new = old.clone();
    new.metadata.labels.insert("a".into(), "b".into());
    let update = |new: &Pod| request(Operation::Update, Some(new.clone()), Some(old.clone()));
    assert_eq!(ask(known(), Configuration::default(), update(&new)).await, (None, vec![], vec![]));
    new.spec.containers[0].image = "other".into();
    assert!(ask(known(), Configuration::default(), update(&new)).await.0.is_some());
    let mut status = update(&new);
    status.subresource = "status".into();
    assert_eq!(ask(known(), Configuration::default(), status).await.0, None);
    let mut debugged = old.clone();
    debugged.spec.ephemeral_containers.push(Default::default());
    let mut debug = update(&debugged);
    debug.subresource = "ephemeralcontainers".into();
    assert!(ask(known(), Configuration::default(), debug).await.0.is_some());
}

#[tokio::test]
async fn some_are_left_alone() {
    let read = |exemptions: Value| {
        Configuration::read(json!({
            "apiVersion": "pod-security.admission.config.k8s.io/v1", "kind": "PodSecurityConfiguration",
            "defaults": {"enforce": "restricted"}, "exemptions": exemptions,
        }))
        .expect("valid")
    };
    let check = async |exemptions: Value, why: &str| {
        let mut pod = pod(container(json!({})));
        pod.spec.runtime_class_name = Some("vm".into());
        let known = Known::new().with(namespace("ns", json!({})));
        let answer = ask(known, read(exemptions), create(pod)).await;
        assert_eq!(answer, (None, vec![], pairs(&[("exempt", why)])));
    };
    check(json!({"namespaces": ["ns"]}), "namespace").await;
    check(json!({"usernames": ["jane"]}), "user").await;
    check(json!({"runtimeClasses": ["vm"]}), "runtimeClass").await;
    let (refusal, ..) = ask(
        Known::new().with(namespace("ns", json!({}))),
        read(json!({})),
        create(pod(container(json!({"allowPrivilegeEscalation": false})))),
    )
    .await;
    let refusal = refusal.expect("refused");
    assert!(refusal.contains("violates PodSecurity \"restricted:latest\": unrestricted"), "{refusal}");
    let mut attributes = create(namespace("ns", enforcing("baseline")));
    attributes.namespace = "ns".into();
    let (_, warnings, _) = ask(Known::new(), read(json!({"namespaces": ["ns"]})), attributes).await;
    let expected = "namespace \"ns\" is exempt from Pod Security, and the policy (enforce=baseline:latest) will be ignored";
    assert_eq!(warnings, [expected]);
}

#[tokio::test]
async fn a_namespace_without_object_refuses_pods_but_not_their_makers() {
    let (refusal, _, annotations) = ask(Known::new(), Configuration::default(), create(pod(json!({})))).await;
    let text = "Internal error occurred: failed to lookup namespace \"ns\"";
    assert_eq!(refusal.as_deref(), Some(text));
    let cause = format!("{text}: namespaces \"ns\" not found");
    assert_eq!(annotations, pairs(&[("error", &cause)]));
}

#[tokio::test]
async fn stricter_namespaces_warn_of_their_pods() {
    let named = |name: &str, spec: Value| -> Pod {
        object(json!({"metadata": {"name": name, "namespace": "ns"}, "spec": spec}))
    };
    let known = Known::new()
        .with(named("b", container(json!({"privileged": true}))))
        .with(named("a", container(json!({"privileged": true}))))
        .with(named("c", json!({"hostPID": true})))
        .with(named("fine", json!({})));
    let update = |new: Value, old: Value| {
        let mut attributes =
            request(Operation::Update, Some(namespace("ns", new)), Some(namespace("ns", old)));
        attributes.namespace = "ns".into();
        attributes
    };
    let (refusal, warnings, _) =
        ask(known, Configuration::default(), update(enforcing("baseline"), json!({}))).await;
    assert_eq!(refusal, None);
    assert_eq!(
        warnings,
        [
            "existing pods in namespace \"ns\" violate the new PodSecurity enforce level \"baseline:latest\"",
            "a (and 1 other pod): privileged",
            "c: host namespaces",
        ]
    );
    let relaxed = update(enforcing("baseline"), enforcing("restricted"));
    assert_eq!(ask(Known::new(), Configuration::default(), relaxed).await.1, Vec::<String>::new());
    let (refusal, ..) =
        ask(Known::new(), Configuration::default(), update(enforcing("strict"), json!({}))).await;
    let expected = "Namespace \"ns\" is invalid: metadata.labels[pod-security.kubernetes.io/enforce]: Invalid \
                    value: \"strict\": must be one of privileged, baseline, restricted";
    assert_eq!(refusal.as_deref(), Some(expected));
    let kept = update(enforcing("strict"), enforcing("strict"));
    assert_eq!(ask(Known::new(), Configuration::default(), kept).await.0, None);
}

#[test]
fn configurations_are_read_strictly() {
    let check = |body: Value, expected: &str| {
        let mut value = json!({
            "apiVersion": "pod-security.admission.config.k8s.io/v1", "kind": "PodSecurityConfiguration",
        });
        value.as_object_mut().expect("an object").extend(body.as_object().expect("an object").clone());
        assert_eq!(Configuration::read(value).expect_err("refused").to_string(), expected);
    };
    check(
        json!({"defaults": {"enforce": "x", "warn-version": "1"}}),
        "[defaults.enforce: Invalid value: \"x\": must be one of privileged, baseline, restricted, \
         defaults.warn-version: Invalid value: \"1\": must be \"latest\" or \"v1.x\"]",
    );
    check(
        json!({"exemptions": {"usernames": ["", "a", "a"]}}),
        "[exemptions.usernames[0]: Invalid value: \"\": username must not be empty, \
         exemptions.usernames[2]: Duplicate value: \"a\"]",
    );
    check(
        json!({"defaults": {"enforceVersion": "latest"}}),
        "defaults.enforceVersion: unknown field `enforceVersion`, expected one of `enforce`, `enforce-version`, \
         `audit`, `audit-version`, `warn`, `warn-version`",
    );
}

#[tokio::test]
async fn judgements_are_counted() {
    let metrics = Metrics::new();
    let labels = json!({
        "pod-security.kubernetes.io/enforce": "baseline", "pod-security.kubernetes.io/warn": "restricted",
        "pod-security.kubernetes.io/warn-version": "v1.99",
    });
    let known = Known::new().with(namespace("ns", labels));
    let configuration = Configuration { usernames: vec!["joe".into()], ..Configuration::default() };
    let plugin = PodSecurity::new(known.lookup(), configuration, &metrics);
    plugin.validate(&create(pod(container(json!({}))))).await.expect("within the baseline");
    let mut exempt = create(pod(json!({})));
    exempt.user = Arc::new(crate::testing::user("joe", &[]));
    plugin.validate(&exempt).await.expect("exempt");
    let text = metrics.render();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        lines,
        [
            "pod_security_evaluations_total{decision=\"allow\",mode=\"enforce\",policy_level=\"baseline\",\
             policy_version=\"latest\",request_operation=\"create\",resource=\"pod\",subresource=\"\"} 1",
            "pod_security_evaluations_total{decision=\"deny\",mode=\"warn\",policy_level=\"restricted\",\
             policy_version=\"future\",request_operation=\"create\",resource=\"pod\",subresource=\"\"} 1",
            "pod_security_exemptions_total{request_operation=\"create\",resource=\"pod\",subresource=\"\"} 1",
        ]
    );
}
