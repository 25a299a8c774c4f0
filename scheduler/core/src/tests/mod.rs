//! Cases of whole scheduling cycles, of preemption and of the queue.

mod cycle;
mod preemption;
mod queue;

use std::sync::Arc;

use api_types::core::v1::{Node, Pod};
use machinery::Message;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::pod::PodInfo;

/// A node with 4 CPUs, 8 GiB and room for 110 pods; `extra` is merged into it.
pub fn node(name: &str, extra: Value) -> Node {
    let mut value = json!({
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"}},
    });
    merge(&mut value, extra);
    Node::from_value(&value).unwrap()
}

/// A pod in the default namespace whose uid is its name; `extra` is merged into it.
pub fn pod(name: &str, extra: Value) -> Arc<PodInfo> {
    let mut value = json!({
        "metadata": {"name": name, "namespace": "default", "uid": name},
        "spec": {"containers": [{"name": "main", "image": "app"}]},
    });
    merge(&mut value, extra);
    Arc::new(PodInfo::new(&Pod::from_value(&value).unwrap()).unwrap())
}

/// A pod that asks for CPU and memory.
pub fn asking(name: &str, cpu: &str, memory: &str, extra: Value) -> Arc<PodInfo> {
    let requests = json!({"cpu": cpu, "memory": memory});
    let mut value = json!({"spec": {"containers": [{"name": "main", "image": "app", "resources": {"requests": requests}}]}});
    merge(&mut value, extra);
    pod(name, value)
}

/// A cluster of these nodes and pods; pods name their nodes.
pub fn cluster(nodes: &[Node], pods: &[Arc<PodInfo>]) -> Cluster {
    let mut cluster = Cluster::default();
    nodes.iter().for_each(|node| cluster.set_node(node));
    pods.iter().for_each(|pod| cluster.set_pod(pod.clone()));
    cluster
}

fn merge(value: &mut Value, extra: Value) {
    match (value, extra) {
        (Value::Object(members), Value::Object(more)) => {
            for (key, value) in more {
                merge(members.entry(key).or_insert(Value::Null), value);
            }
        }
        (value, extra) => *value = extra,
    }
}
