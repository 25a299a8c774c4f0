//! `Priority`: pods get the number their priority class stands for, and only one class is the default.
//!
//! Source: `plugin/pkg/admission/priority`.

use api_types::core::v1::Pod;
use api_types::scheduling::v1::PriorityClass;
use async_trait::async_trait;
use machinery::status::StatusError;

use crate::attributes::{Attributes, Operation};
use crate::lookup::Lookup;
use crate::plugin::Plugin;

/// The plugin.
pub struct Priority {
    lookup: Lookup,
}

impl Priority {
    /// Looks classes up by `lookup`.
    pub fn new(lookup: Lookup) -> Priority {
        Priority { lookup }
    }

    async fn default_class(&self) -> Result<Option<PriorityClass>, StatusError> {
        Ok(default_of(self.lookup.list("").await?))
    }

    /// The class of a pod that names `name`; `None` for pods without one in clusters without a default.
    async fn class_of(
        &self,
        attributes: &Attributes,
        name: &str,
    ) -> Result<Option<PriorityClass>, StatusError> {
        if name.is_empty() {
            return self.default_class().await;
        }
        match self.lookup.find("", name).await? {
            Some(class) => Ok(Some(class)),
            None => Err(attributes.forbidden(format!("no PriorityClass with name {name} was found"))),
        }
    }
}

#[async_trait]
impl Plugin for Priority {
    fn name(&self) -> &'static str {
        "Priority"
    }

    fn handles(&self, operation: Operation) -> bool {
        matches!(operation, Operation::Create | Operation::Update)
    }

    async fn admit(&self, attributes: &mut Attributes) -> Result<(), StatusError> {
        if !attributes.is_about("", "pods", "") {
            return Ok(());
        }
        if attributes.operation == Operation::Update {
            keep(attributes);
            return Ok(());
        }
        let Some(pod) = attributes.object_as::<Pod>() else { return Ok(()) };
        let class = self.class_of(attributes, &pod.spec.priority_class_name).await?;
        let Some(pod) = attributes.object_as_mut::<Pod>() else { return Ok(()) };
        let resolved = resolve(pod, class.as_ref());
        resolved.map_err(|reason| attributes.forbidden(reason))
    }

    async fn validate(&self, attributes: &Attributes) -> Result<(), StatusError> {
        if !attributes.is_about("scheduling.k8s.io", "priorityclasses", "") {
            return Ok(());
        }
        let Some(class) = attributes.object_as::<PriorityClass>() else { return Ok(()) };
        if !class.global_default {
            return Ok(());
        }
        let Some(default) = self.default_class().await? else { return Ok(()) };
        let name = &default.metadata.name;
        if attributes.operation == Operation::Update && *name == class.metadata.name {
            return Ok(());
        }
        let reason = format!("PriorityClass {name} is already marked as default. Only one default can exist");
        Err(attributes.forbidden(reason))
    }
}

/// The default; the least of several, which only a race can make.
fn default_of(classes: Vec<PriorityClass>) -> Option<PriorityClass> {
    classes.into_iter().filter(|class| class.global_default).min_by_key(|class| class.value)
}

/// What clients leave out of an update stays; what they change, validation refuses.
fn keep(attributes: &mut Attributes) {
    let Some(old) = attributes.old_object_as::<Pod>() else { return };
    let (priority, policy) = (old.spec.priority, old.spec.preemption_policy.clone());
    if let Some(pod) = attributes.object_as_mut::<Pod>() {
        pod.spec.priority = pod.spec.priority.or(priority);
        pod.spec.preemption_policy = pod.spec.preemption_policy.take().or(policy);
    }
}

/// Writes the number and the preemption policy of the class into the pod.
fn resolve(pod: &mut Pod, class: Option<&PriorityClass>) -> Result<(), String> {
    let (priority, policy) = match class {
        Some(class) => (class.value, class.preemption_policy.clone()),
        None => (0, Some("PreemptLowerPriority".to_owned())),
    };
    let spec = &mut pod.spec;
    if let Some(class) = class {
        spec.priority_class_name.clone_from(&class.metadata.name);
    }
    if let Some(given) = spec.priority.filter(|given| *given != priority) {
        return Err(format!(
            "the integer value of priority ({given}) must not be provided in pod spec; priority admission controller \
             computed {priority} from the given PriorityClass name"
        ));
    }
    spec.priority = Some(priority);
    let Some(policy) = policy else { return Ok(()) };
    if let Some(given) = spec.preemption_policy.as_ref().filter(|given| **given != policy) {
        return Err(format!(
            "the string value of PreemptionPolicy ({given}) must not be provided in pod spec; priority admission \
             controller computed {policy} from the given PriorityClass name"
        ));
    }
    spec.preemption_policy = Some(policy);
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{Known, create, object, request};

    fn class(name: &str, value: i32, default: bool) -> PriorityClass {
        object(json!({
            "metadata": {"name": name}, "value": value, "globalDefault": default, "preemptionPolicy": "Never",
        }))
    }

    fn pod(spec: Value) -> Pod {
        object(json!({"metadata": {"name": "p", "namespace": "ns"}, "spec": spec}))
    }

    async fn resolved(known: Known, spec: Value) -> Result<(String, i32, String), String> {
        let mut attributes = create(pod(spec));
        let admitted = Priority::new(known.lookup()).admit(&mut attributes).await;
        admitted.map_err(|error| error.to_string())?;
        let spec = attributes.object_as::<Pod>().unwrap().spec.clone();
        Ok((spec.priority_class_name, spec.priority.unwrap(), spec.preemption_policy.unwrap()))
    }

    #[tokio::test]
    async fn pods_get_the_number_of_their_class() {
        let world = || Known::new().with(class("high", 100, false)).only_live(class("new", 7, false));
        let answer = |name: &str, value: i32, policy: &str| Ok((name.to_owned(), value, policy.to_owned()));
        assert_eq!(resolved(world(), json!({})).await, answer("", 0, "PreemptLowerPriority"));
        let high = json!({"priorityClassName": "high"});
        assert_eq!(resolved(world(), high.clone()).await, answer("high", 100, "Never"));
        assert_eq!(resolved(world(), json!({"priorityClassName": "new"})).await, answer("new", 7, "Never"));
        let defaults = world().with(class("b", 9, true)).with(class("a", 5, true));
        assert_eq!(resolved(defaults, json!({})).await, answer("a", 5, "Never"));
        let given = json!({"priorityClassName": "high", "priority": 100, "preemptionPolicy": "Never"});
        assert_eq!(resolved(world(), given).await, answer("high", 100, "Never"));
        let cases = [
            (json!({"priorityClassName": "gone"}), "no PriorityClass with name gone was found"),
            (
                json!({"priority": 1}),
                "the integer value of priority (1) must not be provided in pod spec; priority admission controller \
                 computed 0 from the given PriorityClass name",
            ),
            (
                json!({"preemptionPolicy": "Never"}),
                "the string value of PreemptionPolicy (Never) must not be provided in pod spec; priority admission \
                 controller computed PreemptLowerPriority from the given PriorityClass name",
            ),
        ];
        for (spec, expected) in cases {
            let expected = format!("pods \"p\" is forbidden: {expected}");
            assert_eq!(resolved(world(), spec).await.unwrap_err(), expected);
        }
    }

    #[tokio::test]
    async fn updates_keep_what_they_leave_out() {
        let old = pod(json!({"priority": 5, "preemptionPolicy": "Never"}));
        let mut attributes = request(Operation::Update, Some(pod(json!({}))), Some(old.clone()));
        Priority::new(Known::new().lookup()).admit(&mut attributes).await.unwrap();
        assert_eq!(attributes.object_as::<Pod>(), Some(&old));
    }

    #[tokio::test]
    async fn one_class_is_the_default() {
        let plugin = Priority::new(Known::new().with(class("a", 5, true)).lookup());
        let refused = plugin.validate(&create(class("b", 1, true))).await.unwrap_err().to_string();
        let expected = "PriorityClass a is already marked as default. Only one default can exist";
        assert!(refused.ends_with(expected), "{refused}");
        assert_eq!(plugin.validate(&create(class("b", 1, false))).await, Ok(()));
        let again = request(Operation::Update, Some(class("a", 5, true)), Some(class("a", 5, true)));
        assert_eq!(plugin.validate(&again).await, Ok(()));
        let other = request(Operation::Update, Some(class("b", 5, true)), Some(class("b", 5, false)));
        assert!(plugin.validate(&other).await.is_err());
    }
}
