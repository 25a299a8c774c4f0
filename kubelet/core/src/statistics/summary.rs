//! The summary API (`stats/v1alpha1` of upstream's kubelet).

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{ContainerUse, CpuUse, MemoryUse, NetworkUse, NodeUse, PodUse, SpaceUse};
use crate::ports::FilesystemUsage;

/// The summary; with only CPU and memory when that is all that is asked.
pub fn summary(node: &NodeUse, pods: &[PodUse], only_cpu_and_memory: bool) -> Value {
    let pods: Vec<Value> = pods.iter().map(|pod| of_pod(pod, node, only_cpu_and_memory)).collect();
    json!({"node": of_node(node, only_cpu_and_memory), "pods": pods})
}

/// Whole seconds, as Go writes the times of this API.
fn time(at: Timestamp) -> Value {
    json!(Timestamp::from_second(at.as_second()).unwrap_or(at).to_string())
}

/// An object without the fields that are not known.
fn object(fields: Vec<(&str, Option<Value>)>) -> Value {
    let known = fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Value::Object(known.collect::<Map<String, Value>>())
}

fn number(value: Option<u64>) -> Option<Value> {
    value.map(Value::from)
}

fn cpu(at: Timestamp, usage: &CpuUse) -> Value {
    object(vec![
        ("time", Some(time(at))),
        ("usageNanoCores", number(usage.nanocores)),
        ("usageCoreNanoSeconds", number(usage.total_nanos)),
    ])
}

fn memory(at: Timestamp, usage: &MemoryUse) -> Value {
    object(vec![
        ("time", Some(time(at))),
        ("availableBytes", number(usage.available_bytes)),
        ("usageBytes", number(usage.usage_bytes)),
        ("workingSetBytes", number(usage.working_set_bytes)),
        ("rssBytes", number(usage.rss_bytes)),
        ("pageFaults", number(usage.page_faults)),
        ("majorPageFaults", number(usage.major_page_faults)),
    ])
}

fn filesystem(at: Timestamp, system: &FilesystemUsage, space: Option<&SpaceUse>) -> Value {
    let used = space.map_or(Some(system.used_bytes), |space| space.used_bytes);
    let inodes_used = space.map_or(Some(system.inodes_used), |space| space.inodes_used);
    object(vec![
        ("time", Some(time(at))),
        ("availableBytes", Some(system.available_bytes.into())),
        ("capacityBytes", Some(system.capacity_bytes.into())),
        ("usedBytes", number(used)),
        ("inodesFree", Some(system.inodes_free.into())),
        ("inodes", Some(system.inodes.into())),
        ("inodesUsed", number(inodes_used)),
    ])
}

fn interface(usage: &NetworkUse) -> Value {
    json!({
        "name": usage.name, "rxBytes": usage.rx_bytes, "rxErrors": usage.rx_errors,
        "txBytes": usage.tx_bytes, "txErrors": usage.tx_errors,
    })
}

fn of_node(node: &NodeUse, small: bool) -> Value {
    let at = node.at;
    let of_memory = node.memory.as_ref().map(|usage| {
        let part = MemoryUse {
            working_set_bytes: Some(usage.working_set_bytes),
            usage_bytes: Some(usage.usage_bytes),
            rss_bytes: Some(usage.rss_bytes),
            available_bytes: Some(usage.available_bytes),
            page_faults: Some(usage.page_faults),
            major_page_faults: Some(usage.major_page_faults),
        };
        memory(at, &part)
    });
    let system: Vec<Value> = node
        .system
        .iter()
        .map(|(name, of_cpu, of_memory)| {
            object(vec![
                ("name", Some(json!(name))),
                ("startTime", node.started_at.map(time)),
                ("cpu", Some(cpu(at, of_cpu))),
                ("memory", Some(memory(at, of_memory))),
            ])
        })
        .collect();
    let mut fields = vec![
        ("nodeName", Some(json!(node.name))),
        ("systemContainers", (!system.is_empty()).then(|| Value::Array(system))),
        ("startTime", node.started_at.map(time)),
        ("cpu", Some(cpu(at, &node.cpu))),
        ("memory", of_memory),
    ];
    if !small {
        let images = node.images.as_ref().map(|(system, space)| {
            json!({"imageFs": filesystem(at, system, Some(space)), "containerFs": filesystem(at, system, None)})
        });
        fields.push(("network", network(node)));
        fields.push(("fs", node.filesystem.as_ref().map(|system| filesystem(at, system, None))));
        fields.push(("runtime", images));
        fields.push((
            "rlimit",
            node.processes
                .map(|count| json!({"time": time(at), "maxpid": count.limit, "curproc": count.running})),
        ));
    }
    object(fields)
}

/// All interfaces, and the figures of the one with the default route at the top.
fn network(node: &NodeUse) -> Option<Value> {
    let uses: Vec<NetworkUse> = node
        .interfaces
        .iter()
        .filter(|interface| !interface.loopback)
        .map(|interface| NetworkUse {
            name: interface.name.clone(),
            rx_bytes: interface.rx_bytes,
            rx_errors: interface.rx_errors,
            tx_bytes: interface.tx_bytes,
            tx_errors: interface.tx_errors,
            packets: Some(interface.packets),
        })
        .collect();
    let main = uses.iter().find(|usage| usage.name == node.default_interface).or(uses.first())?;
    let mut result = interface(main);
    if let Some(fields) = result.as_object_mut() {
        fields.insert("time".to_owned(), time(node.at));
        fields.insert("interfaces".to_owned(), uses.iter().map(interface).collect());
    }
    Some(result)
}

fn of_pod(pod: &PodUse, node: &NodeUse, small: bool) -> Value {
    let at = node.at;
    let containers: Vec<Value> =
        pod.containers.iter().map(|container| of_container(container, node, small)).collect();
    let mut fields = vec![
        ("podRef", Some(json!({"name": pod.name, "namespace": pod.namespace, "uid": pod.uid}))),
        ("startTime", pod.started_at.map(time)),
        ("containers", Some(Value::Array(containers))),
        ("cpu", Some(cpu(at, &pod.cpu))),
        ("memory", Some(memory(at, &pod.memory))),
    ];
    if !small {
        fields.push((
            "network",
            pod.network.as_ref().map(|usage| {
                let mut result = interface(usage);
                if let Some(fields) = result.as_object_mut() {
                    fields.insert("time".to_owned(), time(at));
                    fields.insert("interfaces".to_owned(), Value::Array(vec![interface(usage)]));
                }
                result
            }),
        ));
        let volumes: Vec<Value> = pod
            .volumes
            .iter()
            .map(|(name, (space, system))| {
                let mut result = filesystem(at, system, Some(space));
                if let Some(fields) = result.as_object_mut() {
                    fields.insert("name".to_owned(), json!(name));
                }
                result
            })
            .collect();
        fields.push(("volume", (!volumes.is_empty()).then(|| Value::Array(volumes))));
        fields.push(("ephemeral-storage", ephemeral(pod, node)));
        fields.push(("process_stats", pod.process_count.map(|count| json!({"process_count": count}))));
    }
    object(fields)
}

/// Writable layers, logs and volumes together.
fn ephemeral(pod: &PodUse, node: &NodeUse) -> Option<Value> {
    let system = node.filesystem.as_ref()?;
    let parts = || {
        let containers =
            pod.containers.iter().flat_map(|container| [container.writable_layer, container.logs]);
        containers.chain(pod.volumes.values().map(|(space, _)| *space))
    };
    let space = SpaceUse {
        used_bytes: Some(parts().filter_map(|part| part.used_bytes).sum()),
        inodes_used: Some(parts().filter_map(|part| part.inodes_used).sum()),
    };
    Some(filesystem(node.at, system, Some(&space)))
}

fn of_container(container: &ContainerUse, node: &NodeUse, small: bool) -> Value {
    let at = node.at;
    let mut fields = vec![
        ("name", Some(json!(container.name))),
        ("startTime", container.started_at.map(time)),
        ("cpu", Some(cpu(at, &container.cpu))),
        ("memory", Some(memory(at, &container.memory))),
    ];
    if !small {
        let layers = node.images.as_ref().map(|(system, _)| system).or(node.filesystem.as_ref());
        fields.push(("rootfs", layers.map(|system| filesystem(at, system, Some(&container.writable_layer)))));
        fields.push((
            "logs",
            node.filesystem.as_ref().map(|system| filesystem(at, system, Some(&container.logs))),
        ));
    }
    object(fields)
}
