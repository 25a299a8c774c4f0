//! What breaks comes back, and what the user runs does not notice. After `user`, on the same cluster.

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

/// Stays for `comeback`, which looks for it after the power has been cut.
const NAMESPACE: &str = "kept";

fn deployment(name: &str, replicas: u32) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: {NAMESPACE}}}\n\
         spec:\n  replicas: {replicas}\n  selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: {{labels: {{app: {name}}}}}\n\
         \x20   spec:\n      terminationGracePeriodSeconds: 1\n      containers:\n      - name: redis\n        image: docker.io/library/redis:7.0\n        imagePullPolicy: IfNotPresent\n\
         \x20       args: [\"--save\", \"\", \"--appendonly\", \"no\"]\n        ports: [{{containerPort: 6379}}]\n\
         \x20       readinessProbe: {{tcpSocket: {{port: 6379}}, periodSeconds: 1}}\n---\n\
         apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: {NAMESPACE}}}\n\
         spec:\n  type: NodePort\n  selector: {{app: {name}}}\n  ports: [{{port: 6379, targetPort: 6379}}]\n---\n"
    )
}

/// Identity and restarts of the user's pods.
fn pods(cluster: &Cluster) -> Vec<(String, u64)> {
    let list = cluster.json(&format!("-n {NAMESPACE} pods -l app=steady"));
    let items = list["items"].as_array().cloned().unwrap_or_default();
    let of = |pod: &Value| {
        let uid = pod.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default().to_owned();
        let restarts = pod.pointer("/status/containerStatuses/0/restartCount").and_then(Value::as_u64);
        (uid, restarts.unwrap_or(u64::MAX))
    };
    let mut pods: Vec<_> = items.iter().map(of).collect();
    pods.sort();
    pods
}

fn node_port(cluster: &Cluster, service: &str) -> String {
    let port = cluster.json(&format!("-n {NAMESPACE} service {service}"));
    let port = port.pointer("/spec/ports/0/nodePort").and_then(Value::as_u64).expect("a node port");
    let nodes = cluster.json("nodes");
    let addresses = nodes.pointer("/items/0/status/addresses").and_then(Value::as_array).expect("addresses");
    let internal = addresses.iter().find(|address| address["type"] == "InternalIP").expect("an address");
    format!("{}:{port}", internal["address"].as_str().expect("text"))
}

/// Everything has to work for a new pod to be placed, started, found by name and reached.
fn a_new_pod_can_be_reached(cluster: &Cluster, after: &str) {
    let scale = |count: u64| {
        let words = format!("-n {NAMESPACE} scale deployment fresh --replicas={count}");
        cluster.wait(&format!("scaling is accepted after {after}"), 90, || {
            (cluster.kubectl(&words).code == 0).then_some(())
        });
        cluster.rolled_out(NAMESPACE, "fresh", count);
    };
    scale(1);
    let address = node_port(cluster, "fresh");
    let answer = cluster.wait(&format!("{address} answers after {after}"), 60, || ask(&address, "PING\r\n"));
    assert_eq!(answer, "+PONG\r\n");
    let steady = cluster.pods(NAMESPACE, "app=steady").remove(0);
    let words = format!("-n {NAMESPACE} exec {steady} -- redis-cli -h fresh.{NAMESPACE} ping");
    cluster.wait(&format!("a pod finds the new one by its name after {after}"), 60, || {
        (cluster.kubectl(&words).stdout.trim() == "PONG").then_some(())
    });
    scale(0);
}

#[test]
fn t11_every_component_may_be_killed() {
    let cluster = cluster!();
    let manifest = format!(
        "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {NAMESPACE}}}\n---\n{}{}",
        deployment("steady", 2),
        deployment("fresh", 0)
    );
    cluster.apply(&manifest);
    cluster.rolled_out(NAMESPACE, "steady", 2);
    let before = pods(&cluster);
    let in_pods = [
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kube-proxy",
        "node-network",
        "coredns",
    ];
    let on_host = ["kubelet"];
    for component in in_pods.into_iter().chain(on_host) {
        println!("killing {component}");
        let find = || {
            if on_host.contains(&component) {
                processes::on_host(component)
            } else {
                processes::in_pods(component)
            }
        };
        let killed = find();
        assert!(!killed.is_empty(), "no process of {component} is found");
        cluster.ok(&format!("-n {NAMESPACE} create configmap before-{component} --from-literal=a=b"));
        for process in &killed {
            processes::kill(*process);
        }
        cluster.wait(&format!("{component} is started again"), 90, || {
            find().iter().any(|process| !killed.contains(process)).then_some(())
        });
        a_new_pod_can_be_reached(&cluster, &format!("the end of {component}"));
        let map = cluster.json(&format!("-n {NAMESPACE} configmap before-{component}"));
        assert_eq!(map.pointer("/data/a"), Some(&Value::from("b")), "nothing is lost with {component}");
        assert_eq!(pods(&cluster), before, "no pod of the user was restarted with {component}");
    }
}
