//! After the power was cut and came back: the objects and pods that `faults` has left.

use e2e::Cluster;
use serde_json::Value;

const NAMESPACE: &str = "kept";

#[test]
fn t21_all_objects_and_pods_are_back() {
    let Some(cluster) = Cluster::find() else {
        println!("skipped: KUBECONFIG names no cluster");
        return;
    };
    if cluster.kubectl(&format!("get namespace {NAMESPACE}")).code != 0 {
        println!("skipped: the tests of faults have not run on this cluster");
        return;
    }
    cluster.wait("the node is Ready", 120, || {
        let nodes = cluster.kubectl("get nodes --no-headers").stdout;
        let all = nodes.lines().all(|line| line.split_whitespace().nth(1) == Some("Ready"));
        (all && !nodes.is_empty()).then_some(())
    });
    cluster.rolled_out(NAMESPACE, "steady", 2);
    cluster.wait("all pods run", 180, || {
        let pods = cluster.kubectl("get pods -A --no-headers").stdout;
        let ready = |line: &str| {
            let mut words = line.split_whitespace().skip(2);
            let full = words.next().and_then(|count| count.split_once('/')).is_some_and(|(a, b)| a == b);
            full && words.next() == Some("Running")
        };
        (pods.lines().count() >= 8 && pods.lines().all(ready)).then_some(())
    });
    let map = cluster.json(&format!("-n {NAMESPACE} configmap before-etcd"));
    assert_eq!(map.pointer("/data/a"), Some(&Value::from("b")));
    let pod = cluster.pods(NAMESPACE, "app=steady").remove(0);
    let words =
        format!("-n {NAMESPACE} exec {pod} -- redis-cli -h steady.{NAMESPACE}.svc.cluster.local ping");
    cluster.wait("the Service answers by its name", 60, || {
        (cluster.kubectl(&words).stdout.trim() == "PONG").then_some(())
    });
    cluster.ok(&format!("delete namespace {NAMESPACE} --timeout=90s"));
}
