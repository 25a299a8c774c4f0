//! Which nodes a DaemonSet is for, and the pod that one of them gets.

use api_types::apps::v1::DaemonSet;
use api_types::core::v1::{
    Affinity, Node, NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, Pod,
    PodTemplateSpec, Toleration,
};
use rules::core::v1::scheduling::{first_untolerated, node_allowed};

use crate::ownership::reference;
use crate::pods::from_template;
use crate::revisions::REVISION_HASH;

/// Label with the generation of the template, for clients of long ago.
const TEMPLATE_GENERATION: &str = "pod-template-generation";

/// What daemons bear on any node: (taint, effect, only with the host's network).
const TOLERATED: [(&str, &str, bool); 7] = [
    ("node.kubernetes.io/not-ready", "NoExecute", false),
    ("node.kubernetes.io/unreachable", "NoExecute", false),
    ("node.kubernetes.io/disk-pressure", "NoSchedule", false),
    ("node.kubernetes.io/memory-pressure", "NoSchedule", false),
    ("node.kubernetes.io/pid-pressure", "NoSchedule", false),
    ("node.kubernetes.io/unschedulable", "NoSchedule", false),
    ("node.kubernetes.io/network-unavailable", "NoSchedule", true),
];

/// Whether a node should have a daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Suits {
    /// A pod should be started.
    pub run: bool,
    /// A pod that runs may stay.
    pub stay: bool,
}

fn template_with_tolerations(set: &DaemonSet) -> PodTemplateSpec {
    let mut template = set.spec.template.clone();
    for (key, effect, host_network) in TOLERATED {
        let tolerations = &mut template.spec.tolerations;
        let known = tolerations.iter().any(|t| t.key == key && t.effect == effect && t.operator == "Exists");
        if !known && (!host_network || template.spec.host_network) {
            tolerations.push(Toleration {
                key: key.to_owned(),
                operator: "Exists".to_owned(),
                effect: effect.to_owned(),
                ..Toleration::default()
            });
        }
    }
    template
}

/// Asks the node selector, the affinity and the taints.
pub(super) fn suits(set: &DaemonSet, node: &Node) -> Suits {
    let template = template_with_tolerations(set);
    let pod = Pod { spec: template.spec, ..Pod::default() };
    if !set.spec.template.spec.node_name.is_empty() && set.spec.template.spec.node_name != node.metadata.name
    {
        return Suits { run: false, stay: false };
    }
    if !node_allowed(&pod, node) {
        return Suits { run: false, stay: false };
    }
    let bars = |effects: &[&str]| {
        let relevant = |taint: &api_types::core::v1::Taint| effects.contains(&taint.effect.as_str());
        first_untolerated(&node.spec.taints, &pod.spec.tolerations, relevant).is_some()
    };
    Suits { run: !bars(&["NoSchedule", "NoExecute"]), stay: !bars(&["NoExecute"]) }
}

/// The pod for a node: bound to it by affinity, so that the scheduler places it.
pub(super) fn pod_for(set: &DaemonSet, node: &str, hash: &str) -> Pod {
    let template = template_with_tolerations(set);
    let mut pod = from_template(&template, set, reference(set));
    pod.metadata.labels.insert(REVISION_HASH.to_owned(), hash.to_owned());
    let generation = template_generation(set);
    pod.metadata.labels.insert(TEMPLATE_GENERATION.to_owned(), generation.to_string());
    let by_name = NodeSelectorRequirement {
        key: "metadata.name".to_owned(),
        operator: "In".to_owned(),
        values: vec![node.to_owned()],
    };
    let affinity: &mut Affinity = pod.spec.affinity.get_or_insert_default();
    let of_nodes: &mut NodeAffinity = affinity.node_affinity.get_or_insert_default();
    let required: &mut NodeSelector =
        of_nodes.required_during_scheduling_ignored_during_execution.get_or_insert_default();
    let term = NodeSelectorTerm { match_fields: vec![by_name], ..NodeSelectorTerm::default() };
    // The template's own terms were asked when the node was chosen.
    required.node_selector_terms = vec![term];
    pod
}

/// The generation that pods carry: the deprecated annotation's, or that of the set.
fn template_generation(set: &DaemonSet) -> i64 {
    let annotated = set.metadata.annotations.get("deprecated.daemonset.template.generation");
    annotated.and_then(|text| text.parse().ok()).unwrap_or(set.metadata.generation)
}

/// The node that a daemon is for, whether it is there yet or not.
pub(super) fn node_of(pod: &Pod) -> Option<&str> {
    if !pod.spec.node_name.is_empty() {
        return Some(&pod.spec.node_name);
    }
    let affinity = pod.spec.affinity.as_deref()?.node_affinity.as_deref()?;
    let required = affinity.required_during_scheduling_ignored_during_execution.as_deref()?;
    let mut fields = required.node_selector_terms.iter().flat_map(|term| &term.match_fields);
    let field = fields.find(|field| field.key == "metadata.name" && field.operator == "In")?;
    field.values.first().map(String::as_str)
}
