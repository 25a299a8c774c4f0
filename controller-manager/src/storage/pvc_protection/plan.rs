//! Decides whether a pod uses a claim.

use api_types::core::v1::{PersistentVolumeClaim, Pod, Volume};
use rules::meta::is_controlled_by;

/// The name of the claim of a volume, and whether the claim is made for the pod alone.
fn claim_of(pod: &Pod, volume: &Volume) -> Option<(String, bool)> {
    let source = &volume.volume_source;
    if let Some(claim) = source.persistent_volume_claim.as_deref() {
        return Some((claim.claim_name.clone(), false));
    }
    source.ephemeral.as_ref().map(|_| (format!("{}-{}", pod.metadata.name, volume.name), true))
}

/// The names of the claims that a pod names.
pub(super) fn claims_of(pod: &Pod) -> Vec<String> {
    pod.spec.volumes.iter().filter_map(|volume| claim_of(pod, volume)).map(|(name, _)| name).collect()
}

/// True when the pod may have the claim's volume. One without a node cannot: its kubelet will not start it with
/// a claim that is going.
pub(super) fn uses(pod: &Pod, claim: &PersistentVolumeClaim) -> bool {
    // Its volumes are gone already, and it may itself be waiting for the claim to go.
    let shut_down =
        pod.metadata.deletion_timestamp.is_some() && pod.metadata.deletion_grace_period_seconds == Some(0);
    let names = |(name, own): (String, bool)| {
        name == claim.metadata.name
            && (!own || !shut_down && is_controlled_by(&claim.metadata, &pod.metadata.uid))
    };
    !pod.spec.node_name.is_empty()
        && pod.spec.volumes.iter().filter_map(|volume| claim_of(pod, volume)).any(names)
}

#[cfg(test)]
mod tests {
    use machinery::Message;
    use serde_json::{Value, json};

    use super::*;

    #[track_caller]
    fn check(volume: Value, node: &str, going: bool, expected: bool) {
        let mut pod = json!({"metadata": {"name": "p", "uid": "pod"},
            "spec": {"nodeName": node, "volumes": [{"name": "v"}]}});
        if let (Some(slot), Value::Object(volume)) = (pod["spec"]["volumes"][0].as_object_mut(), volume) {
            slot.extend(volume);
        }
        if going {
            pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            pod["metadata"]["deletionGracePeriodSeconds"] = json!(0);
        }
        let owner =
            json!([{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "pod", "controller": true}]);
        let claim = json!({"metadata": {"name": "p-v", "ownerReferences": owner}});
        let pod = Pod::from_value(&pod).unwrap();
        assert_eq!(
            claims_of(&pod).len(),
            usize::from(!pod.spec.volumes.iter().all(|v| claim_of(&pod, v).is_none()))
        );
        assert_eq!(uses(&pod, &PersistentVolumeClaim::from_value(&claim).unwrap()), expected);
    }

    #[test]
    fn pods_on_nodes_use_their_claims() {
        let named = |name: &str| json!({"persistentVolumeClaim": {"claimName": name}});
        check(named("p-v"), "n", false, true);
        check(named("p-v"), "n", true, true);
        check(named("p-v"), "", false, false);
        check(named("other"), "n", false, false);
        check(json!({"emptyDir": {}}), "n", false, false);
        let ephemeral = json!({"ephemeral": {"volumeClaimTemplate": {"spec": {}}}});
        check(ephemeral.clone(), "n", false, true);
        check(ephemeral, "n", true, false);
    }
}
