//! `DefaultTolerationSeconds`: pods stay for a while on a node that is not ready or cannot be reached.
//!
//! Source: `plugin/pkg/admission/defaulttolerationseconds`.

use api_types::core::v1::{Pod, Toleration};
use async_trait::async_trait;
use machinery::status::StatusError;

use crate::attributes::{Attributes, Operation};
use crate::plugin::Plugin;

/// The plugin; its fields are the flags.
#[derive(Clone, Copy, Debug)]
pub struct DefaultTolerationSeconds {
    /// `--default-not-ready-toleration-seconds`.
    pub not_ready: i64,
    /// `--default-unreachable-toleration-seconds`.
    pub unreachable: i64,
}

#[async_trait]
impl Plugin for DefaultTolerationSeconds {
    fn name(&self) -> &'static str {
        "DefaultTolerationSeconds"
    }

    fn handles(&self, operation: Operation) -> bool {
        matches!(operation, Operation::Create | Operation::Update)
    }

    async fn admit(&self, attributes: &mut Attributes) -> Result<(), StatusError> {
        if attributes.is_about("", "pods", "")
            && let Some(pod) = attributes.object_as_mut::<Pod>()
        {
            self.complete(pod);
        }
        Ok(())
    }
}

impl DefaultTolerationSeconds {
    fn complete(&self, pod: &mut Pod) {
        let tolerations = &mut pod.spec.tolerations;
        let defaults = [
            ("node.kubernetes.io/not-ready", self.not_ready),
            ("node.kubernetes.io/unreachable", self.unreachable),
        ];
        let missing: Vec<_> = defaults
            .into_iter()
            .filter(|(taint, _)| !tolerations.iter().any(|t| tolerates(t, taint)))
            .collect();
        tolerations.extend(missing.into_iter().map(|(key, seconds)| Toleration {
            key: key.to_owned(),
            operator: "Exists".to_owned(),
            effect: "NoExecute".to_owned(),
            toleration_seconds: Some(seconds),
            ..Toleration::default()
        }));
    }
}

fn tolerates(toleration: &Toleration, taint: &str) -> bool {
    let key = &toleration.key;
    (key == taint || key.is_empty()) && (toleration.effect == "NoExecute" || toleration.effect.is_empty())
}

#[cfg(test)]
mod tests {
    use machinery::Message;
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{create, object};

    async fn tolerations(given: Value) -> Value {
        let pod: Pod = object(json!({"metadata": {"name": "p"}, "spec": {"tolerations": given}}));
        let mut attributes = create(pod);
        DefaultTolerationSeconds { not_ready: 300, unreachable: 60 }.admit(&mut attributes).await.unwrap();
        attributes.object_as::<Pod>().unwrap().spec.to_value()["tolerations"].clone()
    }

    #[tokio::test]
    async fn pods_that_say_nothing_get_both() {
        let one = |key: &str, seconds: i64| {
            let key = format!("node.kubernetes.io/{key}");
            json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds})
        };
        let both = json!([one("not-ready", 300), one("unreachable", 60)]);
        assert_eq!(tolerations(json!([])).await, both);
        let own = json!({"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"});
        assert_eq!(tolerations(json!([own])).await, json!([own, one("unreachable", 60)]));
        let all = json!([{"operator": "Exists"}]);
        assert_eq!(tolerations(all.clone()).await, all);
        let other = json!({"operator": "Exists", "effect": "NoSchedule"});
        assert_eq!(tolerations(json!([other])).await.as_array().unwrap().len(), 3);
    }
}
