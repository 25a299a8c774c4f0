//! A pod as the scheduler sees it: everything that decisions need, worked out once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api_types::core::v1::{
    NodeSelector, Pod, PodAffinityTerm, PreferredSchedulingTerm, Toleration, TopologySpreadConstraint,
};
use jiff::Timestamp;
use machinery::selectors::labels::Selector;
use rules::core::v1::pod::resources::{self, Accounting};
use rules::core::v1::scheduling;

use crate::amounts::{Amounts, DEFAULT_MEMORY, DEFAULT_MILLI_CPU};

/// A pod with what scheduling needs of it.
#[derive(Clone, Debug)]
pub struct PodInfo {
    /// `namespace/name`.
    pub key: Arc<str>,
    /// Unique id; distinguishes a pod from its namesake that came before.
    pub uid: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Node it runs on; empty while unscheduled.
    pub node_name: String,
    /// Node it may get when the victims of its preemption are gone.
    pub nominated_node: String,
    /// Which scheduler should place it.
    pub scheduler_name: String,
    /// Priority; higher goes first.
    pub priority: i32,
    /// The pod may push others out.
    pub may_preempt: bool,
    /// Names of gates that keep it from being tried.
    pub gates: Vec<String>,
    /// What it asks for.
    pub requests: Amounts,
    /// The same, with upstream's floor for CPU and memory that no container asked for.
    pub scored_cpu: i64,
    /// See [`PodInfo::scored_cpu`].
    pub scored_memory: i64,
    /// Host ports: (address, protocol, port).
    pub host_ports: Vec<(String, String, i32)>,
    /// Tolerations.
    pub tolerations: Vec<Toleration>,
    /// Plain node selector.
    pub node_selector: BTreeMap<String, String>,
    /// Required node affinity.
    pub required_nodes: Option<NodeSelector>,
    /// Preferred node affinity.
    pub preferred_nodes: Vec<PreferredSchedulingTerm>,
    /// Terms of affinity and anti-affinity to other pods.
    pub affinity: PodTerms,
    /// Topology spread constraints of the pod itself.
    pub spread: Vec<SpreadConstraint>,
    /// Images of its containers.
    pub images: Vec<String>,
    /// How many containers it has, init containers included.
    pub containers: usize,
    /// Being deleted.
    pub terminating: bool,
    /// Succeeded or failed: takes no room.
    pub finished: bool,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// When it started on its node.
    pub started: Option<Timestamp>,
    /// Kind and uid of its controller.
    pub controller: Option<(String, String)>,
}

/// Affinity and anti-affinity to other pods.
#[derive(Clone, Debug, Default)]
pub struct PodTerms {
    /// Required affinity.
    pub required: Vec<PodTerm>,
    /// Required anti-affinity.
    pub required_anti: Vec<PodTerm>,
    /// Preferred affinity with weights.
    pub preferred: Vec<(i64, PodTerm)>,
    /// Preferred anti-affinity with weights.
    pub preferred_anti: Vec<(i64, PodTerm)>,
}

/// One term of affinity to other pods.
#[derive(Clone, Debug)]
pub struct PodTerm {
    /// Which pods; nil in the API selects none.
    pub selector: Selector,
    /// Namespaces by name; the pod's own when neither names nor a selector are given.
    pub namespaces: BTreeSet<String>,
    /// Namespaces by their labels.
    pub namespace_selector: Option<Selector>,
    /// Node label whose equal values make one place.
    pub topology_key: String,
}

/// A topology spread constraint.
#[derive(Clone, Debug)]
pub struct SpreadConstraint {
    /// Largest difference allowed.
    pub max_skew: i64,
    /// Node label whose equal values make one domain.
    pub topology_key: String,
    /// `DoNotSchedule` rather than `ScheduleAnyway`.
    pub hard: bool,
    /// Which pods are counted.
    pub selector: Selector,
    /// Fewest domains, below which the global minimum counts as zero.
    pub min_domains: i64,
    /// Count only nodes that the pod's node affinity allows.
    pub honor_affinity: bool,
    /// Count only nodes whose taints the pod tolerates.
    pub honor_taints: bool,
}

impl PodInfo {
    /// Works everything out; fails on selectors that the API would have refused.
    pub fn new(pod: &Pod) -> Result<Self, machinery::selectors::labels::SelectorError> {
        let meta = &pod.metadata;
        let spec = &pod.spec;
        let requests = Amounts::from_list(&resources::requests(pod, Accounting::default()));
        let (scored_cpu, scored_memory) = scored_requests(pod, &requests);
        let affinity = spec.affinity.as_deref();
        let nodes = affinity.and_then(|a| a.node_affinity.as_deref());
        Ok(Self {
            key: format!("{}/{}", meta.namespace, meta.name).into(),
            uid: meta.uid.clone(),
            namespace: meta.namespace.clone(),
            name: meta.name.clone(),
            labels: meta.labels.clone(),
            node_name: spec.node_name.clone(),
            nominated_node: pod.status.nominated_node_name.clone(),
            scheduler_name: spec.scheduler_name.clone(),
            priority: scheduling::priority(pod),
            may_preempt: spec.preemption_policy.as_deref() != Some("Never"),
            gates: spec.scheduling_gates.iter().map(|gate| gate.name.clone()).collect(),
            requests,
            scored_cpu,
            scored_memory,
            host_ports: host_ports(pod),
            tolerations: spec.tolerations.clone(),
            node_selector: spec.node_selector.clone(),
            required_nodes: nodes
                .and_then(|n| n.required_during_scheduling_ignored_during_execution.as_deref())
                .cloned(),
            preferred_nodes: nodes
                .map(|n| n.preferred_during_scheduling_ignored_during_execution.clone())
                .unwrap_or_default(),
            affinity: pod_terms(pod)?,
            spread: spec
                .topology_spread_constraints
                .iter()
                .map(|constraint| spread_constraint(constraint, &meta.labels))
                .collect::<Result<_, _>>()?,
            images: spec.containers.iter().map(|c| c.image.clone()).collect(),
            containers: spec.containers.len() + spec.init_containers.len(),
            terminating: meta.deletion_timestamp.is_some(),
            finished: matches!(pod.status.phase.as_str(), "Succeeded" | "Failed"),
            created: meta.creation_timestamp.to_timestamp(),
            started: pod.status.start_time.and_then(|time| time.to_timestamp()),
            controller: meta
                .owner_references
                .iter()
                .find(|owner| owner.controller == Some(true))
                .map(|owner| (owner.kind.clone(), owner.uid.clone())),
        })
    }

    /// True when the node selector and required node affinity allow a node.
    pub fn allows_node(&self, labels: &BTreeMap<String, String>, name: &str) -> bool {
        self.node_selector.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.required_nodes.as_ref().is_none_or(|s| scheduling::selector_matches(s, labels, name))
    }

    /// True when the pod has any term about other pods.
    pub fn has_affinity(&self) -> bool {
        let terms = &self.affinity;
        !(terms.required.is_empty()
            && terms.required_anti.is_empty()
            && terms.preferred.is_empty()
            && terms.preferred_anti.is_empty())
    }
}

impl PodTerm {
    /// True when the term is about `pod`; `namespace_labels` are those of the pod's namespace.
    pub fn matches(&self, pod: &PodInfo, namespace_labels: &BTreeMap<String, String>) -> bool {
        let in_namespace = self.namespaces.contains(&pod.namespace)
            || self.namespace_selector.as_ref().is_some_and(|s| s.matches(namespace_labels));
        in_namespace && self.selector.matches(&pod.labels)
    }
}

/// Upstream counts a floor for each container that names no CPU or memory, so that best-effort
/// pods spread out as well.
fn scored_requests(pod: &Pod, requests: &Amounts) -> (i64, i64) {
    let pod_level = resources::has_pod_level_requests(pod);
    let missing = |name: &str| {
        pod.spec.containers.iter().filter(|c| !c.resources.requests.contains_key(name)).count() as i64
    };
    let floor = |name: &str, each: i64, asked: i64| {
        if pod_level && asked > 0 { asked } else { asked + missing(name) * each }
    };
    (floor("cpu", DEFAULT_MILLI_CPU, requests.milli_cpu), floor("memory", DEFAULT_MEMORY, requests.memory))
}

fn host_ports(pod: &Pod) -> Vec<(String, String, i32)> {
    let sidecars = pod.spec.init_containers.iter().filter(|c| resources::is_sidecar(c));
    let ports = pod.spec.containers.iter().chain(sidecars).flat_map(|container| &container.ports);
    ports
        .filter(|port| port.host_port > 0)
        .map(|port| {
            let address = if port.host_ip.is_empty() { "0.0.0.0" } else { &port.host_ip };
            let protocol = if port.protocol.is_empty() { "TCP" } else { &port.protocol };
            (address.to_owned(), protocol.to_owned(), port.host_port)
        })
        .collect()
}

type SelectorResult<T> = Result<T, machinery::selectors::labels::SelectorError>;

fn pod_terms(pod: &Pod) -> SelectorResult<PodTerms> {
    let namespace = &pod.metadata.namespace;
    let mut terms = PodTerms::default();
    let Some(affinity) = pod.spec.affinity.as_deref() else { return Ok(terms) };
    if let Some(rules) = affinity.pod_affinity.as_deref() {
        for term in &rules.required_during_scheduling_ignored_during_execution {
            terms.required.push(pod_term(term, namespace)?);
        }
        for weighted in &rules.preferred_during_scheduling_ignored_during_execution {
            terms.preferred.push((weighted.weight.into(), pod_term(&weighted.pod_affinity_term, namespace)?));
        }
    }
    if let Some(rules) = affinity.pod_anti_affinity.as_deref() {
        for term in &rules.required_during_scheduling_ignored_during_execution {
            terms.required_anti.push(pod_term(term, namespace)?);
        }
        for weighted in &rules.preferred_during_scheduling_ignored_during_execution {
            terms
                .preferred_anti
                .push((weighted.weight.into(), pod_term(&weighted.pod_affinity_term, namespace)?));
        }
    }
    Ok(terms)
}

fn pod_term(term: &PodAffinityTerm, namespace: &str) -> SelectorResult<PodTerm> {
    let mut namespaces: BTreeSet<String> = term.namespaces.iter().cloned().collect();
    if namespaces.is_empty() && term.namespace_selector.is_none() {
        namespaces.insert(namespace.to_owned());
    }
    Ok(PodTerm {
        selector: Selector::from_label_selector(term.label_selector.as_deref())?,
        namespaces,
        namespace_selector: match term.namespace_selector.as_deref() {
            Some(selector) => Some(Selector::from_label_selector(Some(selector))?),
            None => None,
        },
        topology_key: term.topology_key.clone(),
    })
}

fn spread_constraint(
    constraint: &TopologySpreadConstraint,
    labels: &BTreeMap<String, String>,
) -> SelectorResult<SpreadConstraint> {
    let mut selector = Selector::from_label_selector(constraint.label_selector.as_deref())?;
    let same: BTreeMap<String, String> = constraint
        .match_label_keys
        .iter()
        .filter_map(|key| Some((key.clone(), labels.get(key)?.clone())))
        .collect();
    if !same.is_empty() {
        selector = selector.and(Selector::from_labels(&same).requirements().iter().cloned());
    }
    Ok(SpreadConstraint {
        max_skew: constraint.max_skew.into(),
        topology_key: constraint.topology_key.clone(),
        hard: constraint.when_unsatisfiable == "DoNotSchedule",
        selector,
        min_domains: constraint.min_domains.unwrap_or(1).into(),
        honor_affinity: constraint.node_affinity_policy.as_deref() != Some("Ignore"),
        honor_taints: constraint.node_taints_policy.as_deref() == Some("Honor"),
    })
}
