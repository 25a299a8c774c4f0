//! `RuntimeClass`: pods get the overhead and the nodes of their runtime class.
//!
//! Source: `plugin/pkg/admission/runtimeclass` and `pkg/util/tolerations`.

use std::collections::BTreeMap;

use api_types::core::v1::{Pod, Toleration};
use api_types::node::v1::RuntimeClass as Class;
use async_trait::async_trait;
use machinery::Quantity;
use machinery::status::StatusError;

use crate::attributes::{Attributes, Operation};
use crate::lookup::Lookup;
use crate::plugin::Plugin;

const MISMATCH: &str = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";

/// The plugin.
pub struct RuntimeClass {
    lookup: Lookup,
}

impl RuntimeClass {
    /// Looks classes up by `lookup`.
    pub fn new(lookup: Lookup) -> RuntimeClass {
        RuntimeClass { lookup }
    }

    async fn class_of(&self, attributes: &Attributes) -> Result<Option<Class>, StatusError> {
        let pod = attributes.object_as::<Pod>();
        let Some(name) = pod.and_then(|pod| pod.spec.runtime_class_name.as_deref()) else { return Ok(None) };
        match self.lookup.find("", name).await? {
            Some(class) => Ok(Some(class)),
            None => Err(attributes.forbidden(format!("pod rejected: RuntimeClass {name:?} not found"))),
        }
    }
}

#[async_trait]
impl Plugin for RuntimeClass {
    fn name(&self) -> &'static str {
        "RuntimeClass"
    }

    fn handles(&self, operation: Operation) -> bool {
        operation == Operation::Create
    }

    async fn admit(&self, attributes: &mut Attributes) -> Result<(), StatusError> {
        if !attributes.is_about("", "pods", "") {
            return Ok(());
        }
        let Some(class) = self.class_of(attributes).await? else { return Ok(()) };
        let Some(pod) = attributes.object_as_mut::<Pod>() else { return Ok(()) };
        let completed = complete(pod, &class);
        completed.map_err(|reason| attributes.forbidden(reason))
    }

    async fn validate(&self, attributes: &Attributes) -> Result<(), StatusError> {
        if !attributes.is_about("", "pods", "") {
            return Ok(());
        }
        let class = self.class_of(attributes).await?;
        let Some(pod) = attributes.object_as::<Pod>() else { return Ok(()) };
        judge(pod, class.as_ref()).map_err(|reason| attributes.forbidden(reason))
    }
}

type Resources = BTreeMap<String, Quantity>;

fn are_equal(left: &Resources, right: &Resources) -> bool {
    left.len() == right.len()
        && left.iter().all(|(name, amount)| right.get(name).is_some_and(|other| other.same_amount(amount)))
}

fn judge(pod: &Pod, class: Option<&Class>) -> Result<(), String> {
    let overhead = &pod.spec.overhead;
    match class.and_then(|class| class.overhead.as_ref()) {
        Some(defined) if !are_equal(&defined.pod_fixed, overhead) => Err(MISMATCH.to_owned()),
        None if !overhead.is_empty() => {
            Err("pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
                .to_owned())
        }
        _ => Ok(()),
    }
}

fn complete(pod: &mut Pod, class: &Class) -> Result<(), String> {
    let spec = &mut pod.spec;
    if let Some(defined) = &class.overhead {
        if !spec.overhead.is_empty() && !are_equal(&defined.pod_fixed, &spec.overhead) {
            return Err(MISMATCH.to_owned());
        }
        spec.overhead.clone_from(&defined.pod_fixed);
    }
    let Some(scheduling) = &class.scheduling else { return Ok(()) };
    for (key, wanted) in &scheduling.node_selector {
        match spec.node_selector.get(key) {
            Some(given) if given != wanted => {
                return Err(format!(
                    "conflict: runtimeClass.scheduling.nodeSelector[{key}] = {wanted}; pod.spec.nodeSelector[{key}] = \
                     {given}"
                ));
            }
            _ => {}
        }
    }
    spec.node_selector.extend(scheduling.node_selector.clone());
    spec.tolerations = merge(&spec.tolerations, &scheduling.tolerations);
    Ok(())
}

/// Both lists without what others cover; of equal ones the first.
fn merge(first: &[Toleration], second: &[Toleration]) -> Vec<Toleration> {
    let all: Vec<&Toleration> = first.iter().chain(second).collect();
    let mut merged: Vec<Toleration> = Vec::new();
    for (index, toleration) in all.iter().enumerate() {
        let mut later = all.iter().skip(index + 1);
        let redundant = merged.iter().any(|other| covers(other, toleration))
            || later.any(|other| other != toleration && covers(other, toleration));
        if !redundant {
            merged.push((*toleration).clone());
        }
    }
    merged
}

/// Whether `wide` tolerates whatever `narrow` does.
fn covers(wide: &Toleration, narrow: &Toleration) -> bool {
    if wide == narrow {
        return true;
    }
    if narrow.key != wide.key && (!wide.key.is_empty() || wide.operator != "Exists") {
        return false;
    }
    if narrow.effect != wide.effect && !wide.effect.is_empty() {
        return false;
    }
    if wide.effect == "NoExecute"
        && let Some(longest) = wide.toleration_seconds
        && narrow.toleration_seconds.is_none_or(|seconds| seconds > longest)
    {
        return false;
    }
    match wide.operator.as_str() {
        "Equal" | "" => narrow.operator == "Equal" && narrow.value == wide.value,
        "Exists" => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use machinery::Message;
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{Known, create, object};

    fn world() -> Known {
        let class: Class = object(json!({
            "metadata": {"name": "gvisor"}, "handler": "runsc", "overhead": {"podFixed": {"cpu": "100m"}},
            "scheduling": {
                "nodeSelector": {"runtime": "gvisor"},
                "tolerations": [{"key": "gvisor", "operator": "Exists"}, {"key": "x", "operator": "Equal", "value": "y"}],
            },
        }));
        let plain: Class = object(json!({"metadata": {"name": "plain"}, "handler": "runc"}));
        Known::new().only_live(class).with(plain)
    }

    async fn made(spec: Value) -> Result<Value, String> {
        let pod: Pod = object(json!({"metadata": {"name": "p", "namespace": "ns"}, "spec": spec}));
        let mut attributes = create(pod);
        let plugin = RuntimeClass::new(world().lookup());
        plugin.admit(&mut attributes).await.map_err(|error| error.to_string())?;
        plugin.validate(&attributes).await.map_err(|error| error.to_string())?;
        Ok(attributes.object_as::<Pod>().unwrap().spec.to_value())
    }

    #[tokio::test]
    async fn pods_get_what_the_class_says() {
        let spec = made(json!({"runtimeClassName": "gvisor", "nodeSelector": {"a": "b"}, "tolerations": [
            {"key": "gvisor", "operator": "Equal", "value": "1"}, {"key": "x", "operator": "Equal", "value": "y"},
        ]}))
        .await
        .unwrap();
        assert_eq!(spec["overhead"], json!({"cpu": "100m"}));
        assert_eq!(spec["nodeSelector"], json!({"a": "b", "runtime": "gvisor"}));
        let expected =
            json!([{"key": "x", "operator": "Equal", "value": "y"}, {"key": "gvisor", "operator": "Exists"}]);
        assert_eq!(spec["tolerations"], expected, "what the class tolerates covers what the pod does");
        assert!(made(json!({"runtimeClassName": "gvisor", "overhead": {"cpu": "0.1"}})).await.is_ok());
        assert!(made(json!({"runtimeClassName": "plain"})).await.is_ok());
        assert!(made(json!({})).await.is_ok());
    }

    #[tokio::test]
    async fn what_contradicts_the_class_is_refused() {
        let without = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead";
        let cases = [
            (json!({"runtimeClassName": "gone"}), "pod rejected: RuntimeClass \"gone\" not found"),
            (json!({"runtimeClassName": "gvisor", "overhead": {"cpu": "1"}}), MISMATCH),
            (json!({"overhead": {"cpu": "1"}}), without),
            (json!({"runtimeClassName": "plain", "overhead": {"cpu": "1"}}), without),
            (
                json!({"runtimeClassName": "gvisor", "nodeSelector": {"runtime": "kata"}}),
                "conflict: runtimeClass.scheduling.nodeSelector[runtime] = gvisor; pod.spec.nodeSelector[runtime] = kata",
            ),
        ];
        for (spec, expected) in cases {
            assert_eq!(made(spec).await.unwrap_err(), format!("pods \"p\" is forbidden: {expected}"));
        }
    }

    #[test]
    fn a_longer_stay_covers_a_shorter_one() {
        let of = |seconds: Value| -> Toleration {
            Toleration::from_value(&json!({"key": "k", "operator": "Exists", "effect": "NoExecute",
                "tolerationSeconds": seconds}))
            .unwrap()
        };
        assert!(covers(&of(json!(10)), &of(json!(5))) && !covers(&of(json!(5)), &of(json!(10))));
        assert!(covers(&of(Value::Null), &of(json!(5))) && !covers(&of(json!(5)), &of(Value::Null)));
    }
}
