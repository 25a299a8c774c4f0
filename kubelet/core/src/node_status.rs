//! The Node object: what it is registered with, and its status.

use std::collections::BTreeMap;

use api_types::core::v1::{
    ContainerImage, DaemonEndpoint, Node, NodeAddress, NodeCondition, NodeDaemonEndpoints, NodeFeatures,
    NodeRuntimeHandler, NodeRuntimeHandlerFeatures, NodeStatus, NodeSwapStatus, NodeSystemInfo, Taint,
};
use jiff::Timestamp;
use machinery::quantity::Format;
use machinery::{Message, Quantity};
use serde_json::{Map, Value, json};

use crate::eviction::{Signal, Threshold};
use crate::ports::{ImageSummary, MachineFacts, RuntimeStatus, RuntimeVersion};
use crate::status::api_time;

/// Most names of one image in the status.
const MAX_NAMES_PER_IMAGE: usize = 5;

/// Features the scheduler and the API may rely on, by upstream's names.
pub const DECLARED_FEATURES: [&str; 2] =
    ["InPlacePodLevelResourcesVerticalScaling", "RestartAllContainersOnContainerExits"];

/// Default labels that an existing Node is brought in line with.
const DEFAULT_LABELS: [&str; 12] = [
    "kubernetes.io/hostname",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "node.kubernetes.io/instance-type",
    "beta.kubernetes.io/instance-type",
    "kubernetes.io/os",
    "kubernetes.io/arch",
    "node.kubernetes.io/windows-build",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/arch",
];

/// Annotation telling the attach/detach controller that this node's volumes are its business.
pub const CONTROLLER_ATTACH: &str = "volumes.kubernetes.io/controller-managed-attach-detach";

/// What a node is registered with.
#[derive(Clone, Debug, Default)]
pub struct Registration {
    pub name: String,
    pub hostname: String,
    /// `--node-labels`.
    pub labels: BTreeMap<String, String>,
    pub taints: Vec<Taint>,
    pub provider_id: String,
    pub controller_attach: bool,
}

/// The Node to create when the API has none.
pub fn initial_node(registration: &Registration, facts: &MachineFacts) -> Node {
    let mut node = Node::default();
    node.metadata.name.clone_from(&registration.name);
    let labels = &mut node.metadata.labels;
    for (key, value) in [
        ("kubernetes.io/hostname", &registration.hostname),
        ("kubernetes.io/os", &facts.operating_system),
        ("kubernetes.io/arch", &facts.architecture),
        ("beta.kubernetes.io/os", &facts.operating_system),
        ("beta.kubernetes.io/arch", &facts.architecture),
    ] {
        labels.insert(key.to_owned(), value.clone());
    }
    labels.extend(registration.labels.clone());
    if registration.controller_attach {
        node.metadata.annotations.insert(CONTROLLER_ATTACH.to_owned(), "true".to_owned());
    }
    node.spec.taints.clone_from(&registration.taints);
    node.spec.provider_id.clone_from(&registration.provider_id);
    node
}

/// Brings an existing Node in line with what this kubelet would register; returns whether anything changed. Labels and
/// taints that others set stay.
pub fn reconcile(existing: &mut Node, initial: &Node) -> bool {
    let before = existing.metadata.clone();
    for key in DEFAULT_LABELS {
        let Some(value) = initial.metadata.labels.get(key) else { continue };
        if value.is_empty() {
            existing.metadata.labels.remove(key);
        } else {
            existing.metadata.labels.insert(key.to_owned(), value.clone());
        }
    }
    match initial.metadata.annotations.get(CONTROLLER_ATTACH) {
        Some(value) => {
            existing.metadata.annotations.insert(CONTROLLER_ATTACH.to_owned(), value.clone());
        }
        None => {
            existing.metadata.annotations.remove(CONTROLLER_ATTACH);
        }
    }
    existing.metadata != before
}

/// Amounts kept back from pods.
#[derive(Clone, Debug, Default)]
pub struct Reserved {
    /// `systemReserved` and `kubeReserved`, added up.
    pub amounts: BTreeMap<String, Quantity>,
    /// Hard eviction thresholds: what pods may never use up.
    pub thresholds: Vec<Threshold>,
}

/// How many pods the node takes.
#[derive(Clone, Copy, Debug)]
pub struct PodLimits {
    pub max_pods: i32,
    /// 0 for no limit by cores.
    pub pods_per_core: i32,
}

fn quantity(value: u64, format: Format) -> Quantity {
    Quantity::new(i64::try_from(value).unwrap_or(i64::MAX), format)
}

/// What the machine has. `disk_bytes` is the size of the file system under the kubelet's root, when it is known.
pub fn capacity(
    facts: &MachineFacts,
    disk_bytes: Option<u64>,
    limits: PodLimits,
) -> BTreeMap<String, Quantity> {
    let mut capacity = BTreeMap::new();
    capacity.insert("cpu".to_owned(), quantity(facts.cpus, Format::DecimalSi));
    capacity.insert("memory".to_owned(), quantity(facts.memory_bytes, Format::BinarySi));
    for (page_size, count) in &facts.hugepages {
        let size = quantity(*page_size, Format::BinarySi);
        let bytes = quantity(page_size.saturating_mul(*count), Format::BinarySi);
        capacity.insert(format!("hugepages-{}", size.0), bytes);
    }
    if let Some(bytes) = disk_bytes {
        capacity.insert("ephemeral-storage".to_owned(), quantity(bytes, Format::BinarySi));
    }
    let mut pods = i64::from(limits.max_pods);
    if limits.pods_per_core > 0 {
        let by_cores = i64::from(limits.pods_per_core).saturating_mul(i64::try_from(facts.cpus).unwrap_or(1));
        pods = pods.min(by_cores);
    }
    capacity.insert("pods".to_owned(), Quantity::new(pods, Format::DecimalSi));
    capacity
}

/// What is left for pods.
pub fn allocatable(capacity: &BTreeMap<String, Quantity>, reserved: &Reserved) -> BTreeMap<String, Quantity> {
    let mut left: BTreeMap<String, Quantity> = capacity.clone();
    let mut take = |name: &str, amount: &Quantity| {
        let Some(known) = left.get_mut(name) else { return };
        let next = known.sub(amount).unwrap_or_else(|_| known.clone());
        *known = if next.sign() < 0 { Quantity("0".to_owned()) } else { next };
    };
    for (name, amount) in &reserved.amounts {
        take(name, amount);
    }
    for threshold in &reserved.thresholds {
        let resource = match threshold.signal {
            Signal::MemoryAvailable => "memory",
            Signal::NodeFsAvailable => "ephemeral-storage",
            _ => continue,
        };
        let of = capacity.get(resource).and_then(|amount| u64::try_from(amount.value()).ok()).unwrap_or(0);
        take(resource, &quantity(threshold.value.of(of), Format::BinarySi));
    }
    // Huge pages are taken out of the memory pods can get.
    let huge: Vec<Quantity> = capacity
        .iter()
        .filter(|(name, _)| name.starts_with("hugepages-"))
        .map(|(_, amount)| amount.clone())
        .collect();
    for amount in &huge {
        take("memory", amount);
    }
    left
}

/// Everything the status depends on.
#[derive(Clone, Debug, Default)]
pub struct StatusFacts<'a> {
    pub machine: Option<&'a MachineFacts>,
    pub capacity: BTreeMap<String, Quantity>,
    pub allocatable: BTreeMap<String, Quantity>,
    /// Primary first.
    pub ips: Vec<String>,
    pub hostname: String,
    pub kubelet_version: String,
    pub runtime_version: RuntimeVersion,
    pub runtime_status: Option<&'a RuntimeStatus>,
    pub kubelet_port: i32,
    pub images: Vec<ImageSummary>,
    /// Most images in the status; negative for all.
    pub max_images: i32,
    /// Conditions that hold, such as `MemoryPressure`.
    pub pressures: Vec<&'a str>,
    /// What keeps the node from being ready.
    pub errors: Vec<String>,
}

/// The status. Transition times are taken over from `old` where a condition did not change.
pub fn status(old: &NodeStatus, facts: &StatusFacts<'_>, now: Timestamp) -> NodeStatus {
    let mut status = NodeStatus {
        capacity: facts.capacity.clone(),
        allocatable: facts.allocatable.clone(),
        addresses: addresses(&facts.ips, &facts.hostname),
        images: images(&facts.images, facts.max_images),
        runtime_handlers: runtime_handlers(facts.runtime_status),
        declared_features: DECLARED_FEATURES.map(str::to_owned).to_vec(),
        volumes_attached: old.volumes_attached.clone(),
        volumes_in_use: old.volumes_in_use.clone(),
        config: old.config.clone(),
        phase: old.phase.clone(),
        ..NodeStatus::default()
    };
    status.daemon_endpoints =
        NodeDaemonEndpoints { kubelet_endpoint: DaemonEndpoint { port: facts.kubelet_port } };
    status.features = facts.runtime_status.map(|runtime| {
        Box::new(NodeFeatures { supplemental_groups_policy: Some(runtime.supplemental_groups_policy) })
    });
    status.node_info = system_info(facts);
    // Conditions of others stay where they are.
    let own = ["MemoryPressure", "DiskPressure", "PIDPressure", "Ready"];
    status.conditions =
        old.conditions.iter().filter(|known| !own.contains(&known.type_.as_str())).cloned().collect();
    for condition in conditions(facts) {
        let before = old.conditions.iter().find(|known| known.type_ == condition.type_);
        let kept =
            before.filter(|known| known.status == condition.status).map(|known| known.last_transition_time);
        status.conditions.push(NodeCondition {
            last_heartbeat_time: api_time(now),
            last_transition_time: kept.unwrap_or_else(|| api_time(now)),
            ..condition
        });
    }
    status
}

fn addresses(ips: &[String], hostname: &str) -> Vec<NodeAddress> {
    let address =
        |type_: &str, address: &str| NodeAddress { type_: type_.to_owned(), address: address.to_owned() };
    ips.iter().map(|ip| address("InternalIP", ip)).chain([address("Hostname", hostname)]).collect()
}

/// The largest images, with a few names each.
fn images(images: &[ImageSummary], most: i32) -> Vec<ContainerImage> {
    let mut sorted: Vec<&ImageSummary> = images.iter().collect();
    sorted.sort_by_key(|image| std::cmp::Reverse(image.size_bytes));
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    sorted
        .into_iter()
        .take(most)
        .map(|image| ContainerImage {
            names: image
                .repo_digests
                .iter()
                .chain(&image.repo_tags)
                .take(MAX_NAMES_PER_IMAGE)
                .cloned()
                .collect(),
            size_bytes: i64::try_from(image.size_bytes).unwrap_or(i64::MAX),
        })
        .collect()
}

fn runtime_handlers(runtime: Option<&RuntimeStatus>) -> Vec<NodeRuntimeHandler> {
    let handlers = runtime.map(|runtime| runtime.handlers.as_slice()).unwrap_or_default();
    handlers
        .iter()
        .map(|handler| NodeRuntimeHandler {
            name: handler.name.clone(),
            features: Some(Box::new(NodeRuntimeHandlerFeatures {
                recursive_read_only_mounts: Some(handler.recursive_readonly_mounts),
                // The kubelet does not make user namespaces, whatever the runtime can.
                user_namespaces: Some(false),
            })),
        })
        .collect()
}

fn system_info(facts: &StatusFacts<'_>) -> NodeSystemInfo {
    let mut info = NodeSystemInfo {
        kubelet_version: facts.kubelet_version.clone(),
        container_runtime_version: format!(
            "{}://{}",
            facts.runtime_version.name, facts.runtime_version.version
        ),
        ..NodeSystemInfo::default()
    };
    if let Some(machine) = facts.machine {
        info.machine_id.clone_from(&machine.machine_id);
        info.system_uuid.clone_from(&machine.system_uuid);
        info.boot_id.clone_from(&machine.boot_id);
        info.kernel_version.clone_from(&machine.kernel_version);
        info.os_image.clone_from(&machine.os_image);
        info.operating_system.clone_from(&machine.operating_system);
        info.architecture.clone_from(&machine.architecture);
        let swap = i64::try_from(machine.swap_bytes).ok().filter(|bytes| *bytes > 0);
        info.swap = swap.map(|bytes| Box::new(NodeSwapStatus { capacity: Some(bytes) }));
    }
    info
}

/// The kubelet's own conditions; `Ready` last, as clients of old expect it.
fn conditions(facts: &StatusFacts<'_>) -> Vec<NodeCondition> {
    const PRESSURES: [(&str, &str, &str, &str, &str); 3] = [
        (
            "MemoryPressure",
            "KubeletHasInsufficientMemory",
            "kubelet has insufficient memory available",
            "KubeletHasSufficientMemory",
            "kubelet has sufficient memory available",
        ),
        (
            "DiskPressure",
            "KubeletHasDiskPressure",
            "kubelet has disk pressure",
            "KubeletHasNoDiskPressure",
            "kubelet has no disk pressure",
        ),
        (
            "PIDPressure",
            "KubeletHasInsufficientPID",
            "kubelet has insufficient PID available",
            "KubeletHasSufficientPID",
            "kubelet has sufficient PID available",
        ),
    ];
    let condition = |type_: &str, holds: bool, reason: &str, message: &str| NodeCondition {
        type_: type_.to_owned(),
        status: if holds { "True" } else { "False" }.to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        ..NodeCondition::default()
    };
    let mut list: Vec<NodeCondition> = PRESSURES
        .iter()
        .map(|(type_, bad_reason, bad, good_reason, good)| {
            if facts.pressures.contains(type_) {
                condition(type_, true, bad_reason, bad)
            } else {
                condition(type_, false, good_reason, good)
            }
        })
        .collect();
    let mut errors = facts.errors.clone();
    let missing: Vec<&str> = ["cpu", "memory", "pods", "ephemeral-storage"]
        .into_iter()
        .filter(|name| !facts.capacity.contains_key(*name))
        .collect();
    if !missing.is_empty() {
        errors.push(format!("missing node capacity for resources: {}", missing.join(", ")));
    }
    list.push(if errors.is_empty() {
        condition("Ready", true, "KubeletReady", "kubelet is posting ready status")
    } else {
        let message = if errors.len() == 1 { errors.concat() } else { format!("[{}]", errors.join(", ")) };
        condition("Ready", false, "KubeletNotReady", &message)
    });
    list
}

/// Whether a status differs from the one before in more than heartbeats.
pub fn has_changed(old: &NodeStatus, new: &NodeStatus) -> bool {
    let without_heartbeats = |status: &NodeStatus| {
        let mut status = status.clone();
        for condition in &mut status.conditions {
            condition.last_heartbeat_time = Default::default();
        }
        status
    };
    without_heartbeats(old) != without_heartbeats(new)
}

/// The strategic merge patch from one status to the next; `None` when they are equal.
pub fn patch(old: &NodeStatus, new: &NodeStatus) -> Option<Value> {
    let (Value::Object(before), Value::Object(after)) = (old.to_value(), new.to_value()) else { return None };
    let mut changes = Map::new();
    for (key, value) in &after {
        let known = before.get(key);
        if known == Some(value) {
            continue;
        }
        let change = match (key.as_str(), value) {
            // Merged by type: only what changed is sent.
            ("conditions", Value::Array(list)) => {
                let known = known.and_then(Value::as_array).cloned().unwrap_or_default();
                Value::Array(list.iter().filter(|condition| !known.contains(condition)).cloned().collect())
            }
            // Merged by type too, but a node may have two addresses of one type: replaced as a whole.
            ("addresses", Value::Array(list)) => {
                let mut list = list.clone();
                list.push(json!({"$patch": "replace"}));
                Value::Array(list)
            }
            (_, Value::Object(fields)) => {
                let mut fields = fields.clone();
                for gone in known.and_then(Value::as_object).into_iter().flat_map(Map::keys) {
                    fields.entry(gone.clone()).or_insert(Value::Null);
                }
                Value::Object(fields)
            }
            _ => value.clone(),
        };
        changes.insert(key.clone(), change);
    }
    for key in before.keys().filter(|key| !after.contains_key(*key)) {
        changes.insert(key.clone(), Value::Null);
    }
    (!changes.is_empty()).then(|| json!({"status": changes}))
}

/// The event of a condition that changed, as upstream words it; `Ready` included.
pub fn condition_events(old: &NodeStatus, new: &NodeStatus) -> Vec<&'static str> {
    const EVENTS: [(&str, &str, &str); 4] = [
        ("MemoryPressure", "NodeHasInsufficientMemory", "NodeHasSufficientMemory"),
        ("DiskPressure", "NodeHasDiskPressure", "NodeHasNoDiskPressure"),
        ("PIDPressure", "NodeHasInsufficientPID", "NodeHasSufficientPID"),
        ("Ready", "NodeReady", "NodeNotReady"),
    ];
    let find = |status: &NodeStatus, type_: &str| {
        status.conditions.iter().find(|known| known.type_ == type_).map(|known| known.status.clone())
    };
    EVENTS
        .iter()
        .filter(|(type_, ..)| find(old, type_) != find(new, type_))
        // The first report of readiness is not news, its change is.
        .filter(|(type_, ..)| *type_ != "Ready" || find(old, type_).is_some())
        .map(|(type_, on, off)| if find(new, type_).as_deref() == Some("True") { *on } else { *off })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eviction::parse_thresholds;
    use crate::testing::{ago, now};

    fn machine() -> MachineFacts {
        MachineFacts {
            cpus: 4,
            memory_bytes: 8 << 30,
            hugepages: [(2 << 20, 512)].into(),
            operating_system: "linux".into(),
            architecture: "amd64".into(),
            ..MachineFacts::default()
        }
    }

    fn amounts(list: &BTreeMap<String, Quantity>) -> String {
        list.iter().map(|(name, amount)| format!("{name}={}", amount.0)).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn capacity_and_what_is_left_of_it() {
        let capacity = capacity(&machine(), Some(100 << 30), PodLimits { max_pods: 110, pods_per_core: 10 });
        assert_eq!(amounts(&capacity), "cpu=4 ephemeral-storage=100Gi hugepages-2Mi=1Gi memory=8Gi pods=40");
        let empty = BTreeMap::new();
        let hard = [("memory.available", "1Gi"), ("nodefs.available", "10%")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let reserved = Reserved {
            amounts: [("cpu".to_owned(), Quantity("500m".into()))].into(),
            thresholds: parse_thresholds(&hard, &empty, &empty, &empty).expect("valid"),
        };
        assert_eq!(
            amounts(&allocatable(&capacity, &reserved)),
            "cpu=3500m ephemeral-storage=90Gi hugepages-2Mi=1Gi memory=6Gi pods=40"
        );
    }

    fn facts(errors: &[&str], pressures: &[&'static str]) -> StatusFacts<'static> {
        StatusFacts {
            capacity: capacity(&machine(), Some(1), PodLimits { max_pods: 110, pods_per_core: 0 }),
            errors: errors.iter().map(|error| (*error).to_owned()).collect(),
            pressures: pressures.to_vec(),
            ..StatusFacts::default()
        }
    }

    #[test]
    fn readiness_says_why() {
        let check = |errors: &[&str], expected: (&str, &str, &str)| {
            let made = status(&NodeStatus::default(), &facts(errors, &[]), now());
            let ready = made.conditions.last().expect("Ready");
            assert_eq!((ready.status.as_str(), ready.reason.as_str(), ready.message.as_str()), expected);
        };
        check(&[], ("True", "KubeletReady", "kubelet is posting ready status"));
        check(&["a"], ("False", "KubeletNotReady", "a"));
        check(&["a", "b"], ("False", "KubeletNotReady", "[a, b]"));
    }

    #[test]
    fn only_changes_move_times_and_make_events() {
        let first = status(&NodeStatus::default(), &facts(&["x"], &[]), ago(100));
        let same = status(&first, &facts(&["x"], &[]), ago(50));
        assert!(!has_changed(&first, &same));
        let ready = status(&same, &facts(&[], &["DiskPressure"]), now());
        assert!(has_changed(&same, &ready));
        assert_eq!(condition_events(&same, &ready), ["NodeHasDiskPressure", "NodeReady"]);
        let memory = ready.conditions.first().expect("MemoryPressure");
        assert_eq!(memory.last_transition_time, api_time(ago(100)));
    }

    #[test]
    fn patches_send_what_changed() {
        let first = status(&NodeStatus::default(), &facts(&["x"], &[]), ago(100));
        let second = status(&first, &facts(&[], &[]), ago(100));
        assert_eq!(patch(&first, &first), None);
        let patch = patch(&first, &second).expect("a change");
        let types: Vec<_> =
            patch.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten().collect();
        assert_eq!(types.len(), 1);
        assert_eq!(patch.pointer("/status/conditions/0/type"), Some(&json!("Ready")));
        assert_eq!(patch.pointer("/status/capacity"), None);
    }

    #[test]
    fn an_existing_node_keeps_what_others_set() {
        let registration = Registration { name: "n".into(), hostname: "h".into(), ..Registration::default() };
        let initial = initial_node(&registration, &machine());
        let mut existing = Node::default();
        existing.metadata.labels = [("mine".to_owned(), "1".to_owned())].into();
        assert!(reconcile(&mut existing, &initial));
        assert_eq!(existing.metadata.labels.len(), 6);
        assert!(!reconcile(&mut existing, &initial));
    }
}
