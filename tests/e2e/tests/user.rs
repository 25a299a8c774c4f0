//! The main job as a user sees it. The tests share one cluster and run one after the other, in this order.

use e2e::identities::Identity;
use e2e::{Cluster, ask, processes};
use serde_json::Value;

/// Finds the cluster, or says that there is none.
macro_rules! cluster {
    () => {
        match Cluster::find() {
            Some(cluster) => cluster,
            None => {
                println!("skipped: KUBECONFIG names no cluster");
                return;
            }
        }
    };
}

const NAMESPACE: &str = "e2e";

fn workload(cluster: &Cluster) {
    let manifest = format!(
        "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {NAMESPACE}}}\n---\n\
         apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: redis, namespace: {NAMESPACE}}}\n\
         spec:\n  replicas: 1\n  selector: {{matchLabels: {{app: redis}}}}\n  template:\n    metadata: {{labels: {{app: redis}}}}\n\
         \x20   spec:\n      terminationGracePeriodSeconds: 1\n      containers:\n      - name: redis\n        image: docker.io/library/redis:7.0\n        imagePullPolicy: IfNotPresent\n\
         \x20       args: [\"--save\", \"\", \"--appendonly\", \"no\"]\n        ports: [{{containerPort: 6379}}]\n\
         \x20       readinessProbe: {{tcpSocket: {{port: 6379}}, periodSeconds: 1}}\n---\n\
         apiVersion: v1\nkind: Service\nmetadata: {{name: redis, namespace: {NAMESPACE}}}\n\
         spec:\n  type: NodePort\n  selector: {{app: redis}}\n  ports: [{{port: 6379, targetPort: 6379}}]\n"
    );
    cluster.apply(&manifest);
    cluster.rolled_out(NAMESPACE, "redis", 1);
}

fn field(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[test]
fn t01_the_node_is_ready_and_all_pods_run() {
    let cluster = cluster!();
    cluster.wait("the node is Ready", 60, || {
        let nodes = cluster.ok("get nodes --no-headers");
        let all = nodes.lines().all(|line| line.split_whitespace().nth(1) == Some("Ready"));
        (all && !nodes.is_empty()).then_some(())
    });
    cluster.wait("all pods run", 120, || {
        let pods = cluster.ok("get pods -A --no-headers");
        let all =
            pods.lines().all(|line| matches!(line.split_whitespace().nth(3), Some("Running" | "Completed")));
        (all && pods.lines().count() >= 6).then_some(())
    });
    assert!(cluster.ok("cluster-info").contains("is running at"));
    assert!(cluster.ok("version").contains("Server Version: v1.36"));
}

#[test]
fn t02_redis_answers_on_every_way() {
    let cluster = cluster!();
    workload(&cluster);
    let service = cluster.json(&format!("-n {NAMESPACE} service redis"));
    let cluster_ip = field(&service, "/spec/clusterIP");
    let node_port = service.pointer("/spec/ports/0/nodePort").and_then(Value::as_u64).expect("a node port");
    let node = cluster.json("nodes");
    let addresses = node.pointer("/items/0/status/addresses").and_then(Value::as_array).expect("addresses");
    let internal =
        addresses.iter().find(|address| address["type"] == "InternalIP").expect("an internal address");
    let host = internal["address"].as_str().expect("text");
    for address in [format!("{cluster_ip}:6379"), format!("{host}:{node_port}")] {
        let answer = cluster.wait(&format!("{address} answers"), 30, || ask(&address, "PING\r\n"));
        assert_eq!(answer, "+PONG\r\n", "{address}");
    }
    let pod = cluster.pods(NAMESPACE, "app=redis").remove(0);
    for target in [cluster_ip, format!("redis.{NAMESPACE}.svc.cluster.local"), "redis".to_owned()] {
        let words = format!("-n {NAMESPACE} exec {pod} -- redis-cli -h {target} ping");
        cluster.wait(&format!("redis-cli -h {target} from a pod"), 60, || {
            (cluster.kubectl(&words).stdout.trim() == "PONG").then_some(())
        });
    }
}

#[test]
fn t03_pods_are_kept_replaced_and_rolled() {
    let cluster = cluster!();
    workload(&cluster);
    for count in [3, 1] {
        cluster.ok(&format!("-n {NAMESPACE} scale deployment redis --replicas={count}"));
        cluster.rolled_out(NAMESPACE, "redis", count);
    }
    let before = cluster.pods(NAMESPACE, "app=redis");
    cluster.ok(&format!("-n {NAMESPACE} delete pod {} --wait=false", before[0]));
    cluster.wait("another pod takes its place", 60, || {
        let now = cluster.pods(NAMESPACE, "app=redis");
        (now.len() == 1 && now != before).then_some(())
    });
    cluster.rolled_out(NAMESPACE, "redis", 1);
    let pod = cluster.pods(NAMESPACE, "app=redis").remove(0);
    let uid = field(&cluster.json(&format!("-n {NAMESPACE} pod {pod}")), "/metadata/uid");
    let killed = processes::of_pod("redis-server", &uid);
    if killed.is_empty() {
        println!("the pod is on another machine: its container is ended from within");
        cluster.kubectl(&format!("-n {NAMESPACE} exec {pod} -- redis-cli shutdown nosave"));
    }
    killed.into_iter().for_each(processes::kill);
    cluster.wait("the container is started again", 60, || {
        let pod = cluster.json(&format!("-n {NAMESPACE} pod {pod}"));
        let status = pod.pointer("/status/containerStatuses/0")?;
        (status["restartCount"].as_u64()? >= 1 && status["ready"] == true).then_some(())
    });
    cluster.ok(&format!("-n {NAMESPACE} set env deployment/redis ROUND=2"));
    cluster.rolled_out(NAMESPACE, "redis", 1);
    cluster.ok(&format!("-n {NAMESPACE} rollout undo deployment/redis"));
    cluster.rolled_out(NAMESPACE, "redis", 1);
    let deployment = cluster.json(&format!("-n {NAMESPACE} deployment redis"));
    assert!(
        deployment.pointer("/spec/template/spec/containers/0/env").is_none(),
        "the variable is gone again"
    );
}

#[test]
fn t04_a_bad_image_leaves_the_old_pods_serving() {
    let cluster = cluster!();
    workload(&cluster);
    cluster.ok(&format!("-n {NAMESPACE} set image deployment/redis redis=registry.invalid/none:1"));
    cluster.wait("the new pod tells why it does not start", 60, || {
        let pods = cluster.ok(&format!("-n {NAMESPACE} get pods --no-headers"));
        let told =
            pods.lines().any(|line| line.contains("ErrImagePull") || line.contains("ImagePullBackOff"));
        (told && pods.lines().any(|line| line.contains("Running"))).then_some(())
    });
    let events = cluster.ok(&format!("-n {NAMESPACE} get events"));
    assert!(events.contains("Failed to pull image \"registry.invalid/none:1\""), "{events}");
    cluster.ok(&format!("-n {NAMESPACE} rollout undo deployment/redis"));
    cluster.rolled_out(NAMESPACE, "redis", 1);
}

#[test]
fn t05_logs_and_commands_reach_containers() {
    let cluster = cluster!();
    workload(&cluster);
    let pod = cluster.pods(NAMESPACE, "app=redis").remove(0);
    assert!(
        cluster.ok(&format!("-n {NAMESPACE} logs {pod} --tail=50")).contains("Ready to accept connections")
    );
    let answer = cluster.kubectl(&format!("-n {NAMESPACE} exec {pod} -- redis-cli nonsense"));
    assert!(answer.stdout.contains("ERR unknown command"), "{answer:?}");
    let failed = cluster.kubectl(&format!("-n {NAMESPACE} exec {pod} -- redis-cli -p 1 ping"));
    assert_eq!(failed.code, 1, "the command's exit code comes back: {failed:?}");
    assert!(cluster.ok(&format!("-n {NAMESPACE} describe pod {pod}")).contains("Container started"));
}

fn refused(cluster: &Cluster, arguments: &[&str], manifest: &str, expected: &[&str]) {
    let answer = cluster.kubectl_with(arguments, manifest);
    assert_ne!(answer.code, 0, "{arguments:?} was taken: {}", answer.stdout);
    for part in expected {
        assert!(answer.stderr.contains(part), "{part:?} is missing in {}", answer.stderr);
    }
}

#[test]
fn t06_wrong_input_is_refused_in_upstreams_words() {
    let cluster = cluster!();
    workload(&cluster);
    let apply = ["apply", "-f", "-"];
    let map = |name: &str, rest: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: {NAMESPACE}}}\n{rest}\n"
        )
    };
    refused(
        &cluster,
        &apply,
        &map("a", "dataa: {a: b}"),
        &["strict decoding error: unknown field \"dataa\""],
    );
    refused(
        &cluster,
        &["create", "--validate=false", "-f", "-"],
        &map("a", "data: 5"),
        &["json: cannot unmarshal number into Go struct field ConfigMap.data"],
    );
    refused(
        &cluster,
        &apply,
        &map("Bad_Name", "data: {a: b}"),
        &["metadata.name: Invalid value: \"Bad_Name\"", "lowercase RFC 1123"],
    );
    refused(
        &cluster,
        &["-n", "nowhere", "create", "configmap", "a"],
        "",
        &["namespaces \"nowhere\" not found"],
    );
    refused(
        &cluster,
        &[
            "-n",
            NAMESPACE,
            "patch",
            "deployment",
            "redis",
            "-p",
            "{\"spec\":{\"selector\":{\"matchLabels\":{\"app\":\"x\"}}}}",
        ],
        "",
        &["field is immutable"],
    );
    refused(
        &cluster,
        &["-n", NAMESPACE, "get", "pods", "--as=nobody"],
        "",
        &[
            "pods is forbidden: User \"nobody\" cannot list resource \"pods\" in API group \"\" in the namespace \"e2e\"",
        ],
    );
    cluster.apply(&map("held", "data: {a: b}"));
    let mut stale = cluster.json(&format!("-n {NAMESPACE} configmap held"));
    cluster.ok(&format!("-n {NAMESPACE} annotate configmap held changed=yes"));
    stale["data"]["a"] = Value::from("c");
    refused(&cluster, &["replace", "-f", "-"], &stale.to_string(), &["the object has been modified"]);
    let large = map("large", &format!("data: {{a: {}}}", "x".repeat(4 << 20)));
    refused(&cluster, &["create", "-f", "-"], &large, &["too large"]);
    let held = cluster.json(&format!("-n {NAMESPACE} configmap held"));
    assert_eq!(field(&held, "/data/a"), "b", "nothing has changed");
    let names = cluster.ok(&format!("-n {NAMESPACE} get configmaps -o name"));
    assert!(!names.contains("configmap/a\n") && !names.contains("large"), "{names}");
}

#[test]
fn t07_who_cannot_be_trusted_is_nobody() {
    let cluster = cluster!();
    let view = "config view --minify -o jsonpath={.clusters[0].cluster.server}";
    let server = cluster.ok(view);
    // Of another authority, and of a year that is over.
    for (authority, from, until) in [("etcd/ca", 2020, 2099), ("ca", 2020, 2021)] {
        let Some(identity) = Identity::signed_by(authority, from, until) else {
            println!("skipped: the authorities of the cluster are not on this machine");
            return;
        };
        let stranger = cluster.with_kubeconfig(&identity.kubeconfig(&server));
        let answer = stranger.kubectl("get nodes");
        assert_ne!(answer.code, 0, "{authority} {until}: {answer:?}");
        assert!(answer.stderr.contains("Unauthorized"), "{authority} {until}: {answer:?}");
    }
    let valid = Identity::signed_by("ca", 2020, 2099).expect("the authority is there");
    assert_eq!(cluster.with_kubeconfig(&valid.kubeconfig(&server)).kubectl("get nodes").code, 0);
}

#[test]
fn t08_what_is_deleted_takes_its_dependents_along() {
    let cluster = cluster!();
    workload(&cluster);
    cluster.ok(&format!("-n {NAMESPACE} delete deployment redis"));
    cluster.wait("sets and pods are gone", 60, || {
        let left = cluster.ok(&format!("-n {NAMESPACE} get replicasets,pods -l app=redis -o name"));
        left.is_empty().then_some(())
    });
    cluster.ok(&format!("delete namespace {NAMESPACE} --timeout=90s"));
    assert_ne!(cluster.kubectl(&format!("get namespace {NAMESPACE}")).code, 0);
}
