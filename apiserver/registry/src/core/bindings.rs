//! Bindings: a pod gets its node. Never stored.

use crate::{
    Context, Entry, Strategy,
    objects::{Address, Objects, Pending},
    subresource::Action,
};
use api_types::core::v1::{Binding, Pod, PodCondition};
use machinery::{GroupKind, GroupResource, Message, field::ErrorList, object::Object, status::StatusError};
use rules::core::v1::pod::{meaning, update};

/// The row of bindings posted by themselves.
pub fn entry() -> Entry {
    Entry::computed(&Bindings).on_create(&BIND)
}

/// Strategy of the resource.
pub struct Bindings;

impl Strategy for Bindings {
    type Kind = Binding;

    fn validate(&self, _context: &Context, object: &Binding) -> ErrorList {
        update::validate_binding(object)
    }
}

/// What posting a binding does.
pub static BIND: Bind = Bind;

/// See [`BIND`].
pub struct Bind;

fn conflict(pod: &Pod, why: &str) -> StatusError {
    StatusError::conflict(&GroupResource::new("", "pods/binding"), &pod.metadata.name, why)
}

/// Puts the node into the pod, with the annotations and labels that came with the binding.
pub fn bind(pod: &mut Pod, binding: &Binding, now: jiff::Timestamp) -> Result<(), StatusError> {
    let node = &binding.target.name;
    let uid = &binding.metadata.uid;
    if !uid.is_empty() && *uid != pod.metadata.uid {
        let why = format!(
            "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
            pod.metadata.uid
        );
        return Err(conflict(pod, &why));
    }
    let version = &binding.metadata.resource_version;
    if !version.is_empty() && *version != pod.metadata.resource_version {
        let why = format!(
            "Precondition failed: ResourceVersion in precondition: {version}, ResourceVersion in object meta: {}",
            pod.metadata.resource_version
        );
        return Err(conflict(pod, &why));
    }
    if pod.metadata.deletion_timestamp.is_some() {
        return Err(conflict(
            pod,
            &format!("pod {} is being deleted, cannot be assigned to a host", pod.metadata.name),
        ));
    }
    if !pod.spec.node_name.is_empty() {
        return Err(conflict(
            pod,
            &format!("pod {} is already assigned to node {:?}", pod.metadata.name, pod.spec.node_name),
        ));
    }
    if !pod.spec.scheduling_gates.is_empty() {
        return Err(conflict(pod, &format!("pod {} has non-empty .spec.schedulingGates", pod.metadata.name)));
    }
    pod.spec.node_name = node.clone();
    // The nomination has served its purpose once the pod is bound.
    pod.status.nominated_node_name.clear();
    for (key, value) in &binding.metadata.annotations {
        pod.metadata.annotations.insert(key.clone(), value.clone());
    }
    for (key, value) in &binding.metadata.labels {
        pod.metadata.labels.insert(key.clone(), value.clone());
    }
    let scheduled =
        PodCondition { type_: "PodScheduled".to_owned(), status: "True".to_owned(), ..Default::default() };
    meaning::set_condition(&mut pod.status, scheduled, now);
    Ok(())
}

impl Action for Bind {
    fn decode(&self, body: &[u8]) -> Result<Box<dyn Object>, StatusError> {
        let binding = Binding::decode(body).map_err(|error| StatusError::bad_request(error.to_string()))?;
        Ok(Box::new(binding))
    }

    fn validate(&self, _context: &Context, name: &str, body: &dyn Object) -> Result<(), StatusError> {
        let Some(binding) = body.downcast_ref::<Binding>() else {
            return Err(StatusError::bad_request(format!("not a Binding object: {}", body.kind().kind)));
        };
        if !name.is_empty() && !binding.metadata.name.is_empty() && binding.metadata.name != name {
            return Err(StatusError::bad_request("name in URL does not match name in Binding object"));
        }
        let errors = update::validate_binding(binding);
        if errors.is_empty() {
            Ok(())
        } else {
            Err(StatusError::invalid(&GroupKind::new("", "Binding"), &binding.metadata.name, &errors))
        }
    }

    fn run<'a>(
        &'static self,
        context: &'a Context,
        at: Address<'a>,
        body: Box<dyn Object>,
        objects: &'a dyn Objects,
    ) -> Pending<'a, Result<Option<Box<dyn Object>>, StatusError>> {
        Box::pin(async move {
            let Some(binding) = body.downcast_ref::<Binding>() else {
                return Err(StatusError::bad_request("not a Binding object"));
            };
            let pods = crate::find("", "v1", "pods")
                .ok_or_else(|| StatusError::internal_error("pods are not served"))?;
            // Posted by itself, the binding carries the name of the pod.
            let name = if at.name.is_empty() { binding.metadata.name.as_str() } else { at.name };
            let now = context.now;
            let change = Box::new(move |object: &mut dyn Object| match object.downcast_mut::<Pod>() {
                Some(pod) => bind(pod, binding, now),
                None => Err(StatusError::internal_error("the stored object is not a pod")),
            });
            objects.change(context, pods.at(at.namespace, name), change).await?;
            Ok(None)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(node: &str) -> Binding {
        let mut binding = Binding::default();
        binding.target.name = node.to_owned();
        binding
    }

    #[test]
    fn a_pod_is_bound_once() {
        let now = jiff::Timestamp::UNIX_EPOCH;
        let mut pod = Pod::default();
        pod.metadata.name = "web".into();
        bind(&mut pod, &binding("a"), now).expect("the pod is free");
        assert_eq!(pod.spec.node_name, "a");
        assert!(
            meaning::condition(&pod.status, "PodScheduled")
                .is_some_and(|condition| condition.status == "True")
        );
        let error = bind(&mut pod, &binding("b"), now).expect_err("the pod has a node");
        assert!(error.to_string().contains("pod web is already assigned to node \"a\""), "{error}");
    }

    #[test]
    fn another_pod_of_the_same_name_is_not_bound() {
        let mut pod = Pod::default();
        pod.metadata.uid = "new".into();
        let mut stale = binding("a");
        stale.metadata.uid = "old".into();
        assert!(bind(&mut pod, &stale, jiff::Timestamp::UNIX_EPOCH).is_err());
    }
}
