//! `mark-control-plane`: the labels and taints by which the node is known as part of the control plane.

use api_types::core::v1::Node;
use machinery::Message as _;
use serde_json::{Value, json};

use crate::{
    config::v1beta4::Taint,
    constants,
    workflows::{init_data::InitData, phase::Phase},
};

const FLAGS: &[&str] = &["node-name", "config", "dry-run"];
const LABELS: [&str; 2] = [constants::CONTROL_PLANE_LABEL, constants::EXCLUDE_FROM_BALANCERS_LABEL];

pub fn phase() -> Phase<InitData> {
    Phase::step("mark-control-plane", "Mark a node as a control-plane", FLAGS, |data| Box::pin(run(data)))
}

async fn run(data: &mut InitData) -> anyhow::Result<()> {
    let node = data.configuration.init.node_registration.clone();
    let taints = node.taints.unwrap_or_default();
    println!(
        "[mark-control-plane] Marking the node {} as control-plane by adding the labels: [{}]",
        node.name,
        LABELS.join(" ")
    );
    if !taints.is_empty() {
        let texts: Vec<String> = taints.iter().map(Taint::to_flag).collect();
        println!(
            "[mark-control-plane] Marking the node {} as control-plane by adding the taints [{}]",
            node.name,
            texts.join(" ")
        );
    }
    let cluster = data.cluster().await?;
    cluster.patch_node(&node.name, |node| change(node, &taints)).await?;
    Ok(())
}

/// The merge patch that adds labels and taints to what the node has.
fn change(node: &Node, wanted: &[Taint]) -> Value {
    let labels: serde_json::Map<String, Value> =
        LABELS.iter().map(|label| ((*label).to_owned(), json!(""))).collect();
    let mut taints: Vec<Value> = wanted
        .iter()
        .map(|taint| {
            let mut value = json!({"key": taint.key, "effect": taint.effect});
            if !taint.value.is_empty() {
                value["value"] = json!(taint.value);
            }
            value
        })
        .collect();
    for present in &node.spec.taints {
        let repeated = wanted.iter().any(|taint| {
            (&taint.key, &taint.value, &taint.effect) == (&present.key, &present.value, &present.effect)
        });
        if !repeated {
            taints.push(present.to_value());
        }
    }
    let mut patch = json!({"metadata": {"labels": labels}});
    if !taints.is_empty() {
        patch["spec"] = json!({"taints": taints});
    }
    patch
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taint(key: &str) -> Taint {
        Taint { key: key.to_owned(), effect: "NoSchedule".to_owned(), ..Taint::default() }
    }

    #[test]
    fn taints_are_added_once() {
        let mut node = Node::default();
        for key in ["kept", "control"] {
            node.spec.taints.push(api_types::core::v1::Taint {
                key: key.to_owned(),
                effect: "NoSchedule".to_owned(),
                ..Default::default()
            });
        }
        let patch = change(&node, &[taint("control")]);
        let keys: Vec<&str> = patch["spec"]["taints"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|taint| taint["key"].as_str().expect("text"))
            .collect();
        assert_eq!(keys, ["control", "kept"]);
        assert_eq!(patch["metadata"]["labels"][constants::CONTROL_PLANE_LABEL], "");
    }

    #[test]
    fn a_node_without_taints_stays_so() {
        assert!(change(&Node::default(), &[]).get("spec").is_none());
    }
}
