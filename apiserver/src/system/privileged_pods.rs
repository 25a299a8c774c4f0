//! `--allow-privileged=false`: no container may be privileged.

use api_types::core::v1::{Container, Pod, PodSpec, PodTemplate, ReplicationController};
use apiserver_admission::{Attributes, Operation, Plugin};
use async_trait::async_trait;
use machinery::GroupKind;
use machinery::field::{self, ErrorList, Path};
use machinery::object::Object;
use machinery::status::StatusError;

/// Refuses privileged containers in pods and in the templates of the core group.
pub struct PrivilegedPods;

#[async_trait]
impl Plugin for PrivilegedPods {
    fn name(&self) -> &'static str {
        "AllowPrivileged"
    }

    fn handles(&self, operation: Operation) -> bool {
        matches!(operation, Operation::Create | Operation::Update)
    }

    async fn validate(&self, attributes: &Attributes) -> Result<(), StatusError> {
        let Some(object) = attributes.object.as_deref() else { return Ok(()) };
        if attributes.resource.group.as_ref() != "" || !attributes.subresource.is_empty() {
            return Ok(());
        }
        let errors = pod_spec_of(object).map(|(spec, path)| errors(spec, &path)).unwrap_or_default();
        if errors.is_empty() {
            return Ok(());
        }
        let kind = GroupKind::new("", attributes.kind.kind.clone());
        Err(StatusError::invalid(&kind, &object.meta().name, &errors))
    }
}

fn pod_spec_of(object: &dyn Object) -> Option<(&PodSpec, Path)> {
    let any = object.as_any();
    if let Some(pod) = any.downcast_ref::<Pod>() {
        return Some((&pod.spec, Path::new("spec")));
    }
    if let Some(template) = any.downcast_ref::<PodTemplate>() {
        return Some((&template.template.spec, Path::new("template").child("spec")));
    }
    let controller = any.downcast_ref::<ReplicationController>()?;
    let template = controller.spec.template.as_ref()?;
    Some((&template.spec, Path::new("spec").child("template").child("spec")))
}

fn errors(spec: &PodSpec, path: &Path) -> ErrorList {
    let lists: [(&str, &[Container]); 2] =
        [("initContainers", &spec.init_containers), ("containers", &spec.containers)];
    let mut errors = ErrorList::new();
    for (field, containers) in lists {
        for (index, container) in containers.iter().enumerate() {
            let privileged = container.security_context.as_ref().and_then(|context| context.privileged);
            if privileged == Some(true) {
                let at = path.child(field).index(index).child("securityContext").child("privileged");
                errors.push(field::Error::forbidden(&at, "disallowed by cluster policy"));
            }
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use machinery::Message;
    use serde_json::json;

    use super::*;

    #[test]
    fn privileged_containers_are_named() {
        let pod = Pod::from_value(&json!({"spec": {"containers": [
            {"name": "a"}, {"name": "b", "securityContext": {"privileged": true}},
        ]}}))
        .unwrap();
        let (spec, path) = pod_spec_of(&pod).unwrap();
        let texts: Vec<String> = errors(spec, &path).iter().map(ToString::to_string).collect();
        let expected =
            "spec.containers[1].securityContext.privileged: Forbidden: disallowed by cluster policy";
        assert_eq!(texts, [expected]);
    }
}
