//! `AlwaysPullImages`: nobody runs an image that somebody else has pulled without the right to pull it.
//!
//! Source: `plugin/pkg/admission/alwayspullimages`.

use api_types::core::v1::{Pod, PodSpec};
use async_trait::async_trait;
use machinery::field::{self, Path, aggregate};
use machinery::status::StatusError;
use rules::core::v1::pod::containers;

use crate::attributes::{Attributes, Operation};
use crate::plugin::Plugin;

const ALWAYS: &str = "Always";

/// The plugin.
pub struct AlwaysPullImages;

#[async_trait]
impl Plugin for AlwaysPullImages {
    fn name(&self) -> &'static str {
        "AlwaysPullImages"
    }

    fn handles(&self, operation: Operation) -> bool {
        matches!(operation, Operation::Create | Operation::Update)
    }

    async fn admit(&self, attributes: &mut Attributes) -> Result<(), StatusError> {
        if concerns(attributes)
            && let Some(pod) = attributes.object_as_mut::<Pod>()
        {
            pull_always(&mut pod.spec);
        }
        Ok(())
    }

    async fn validate(&self, attributes: &Attributes) -> Result<(), StatusError> {
        let Some(pod) = attributes.object_as::<Pod>().filter(|_| concerns(attributes)) else { return Ok(()) };
        let errors = errors(&pod.spec);
        if errors.is_empty() { Ok(()) } else { Err(attributes.forbidden(aggregate(&errors))) }
    }
}

/// New pods, and updates that bring new images.
fn concerns(attributes: &Attributes) -> bool {
    if !attributes.is_about("", "pods", "") {
        return false;
    }
    let pods: Option<(&Pod, &Pod)> = attributes.object_as().zip(attributes.old_object_as());
    pods.is_none_or(|(new, old)| {
        let (new, old) = (images(&new.spec), images(&old.spec));
        new.iter().any(|image| !old.contains(image))
    })
}

fn images(spec: &PodSpec) -> Vec<String> {
    let containers = containers::each(spec, &Path::new("spec"));
    containers.into_iter().map(|(container, _)| container.image.clone()).collect()
}

fn pull_always(spec: &mut PodSpec) {
    let usual = spec.init_containers.iter_mut().chain(&mut spec.containers);
    let ephemeral =
        spec.ephemeral_containers.iter_mut().map(|container| &mut container.ephemeral_container_common);
    let policies = usual
        .map(|container| &mut container.image_pull_policy)
        .chain(ephemeral.map(|container| &mut container.image_pull_policy));
    policies.for_each(|policy| ALWAYS.clone_into(policy));
    for image in spec.volumes.iter_mut().filter_map(|volume| volume.volume_source.image.as_mut()) {
        ALWAYS.clone_into(&mut image.pull_policy);
    }
}

fn errors(spec: &PodSpec) -> Vec<field::Error> {
    let path = Path::new("spec");
    let mut errors = Vec::new();
    for (container, at) in containers::each(spec, &path) {
        if container.image_pull_policy != ALWAYS {
            let policy = container.image_pull_policy.as_str();
            errors.push(field::Error::not_supported(&at.child("imagePullPolicy"), policy, [ALWAYS]));
        }
    }
    for (index, volume) in spec.volumes.iter().enumerate() {
        if let Some(image) = volume.volume_source.image.as_ref().filter(|image| image.pull_policy != ALWAYS) {
            let at = path.child("volumes").index(index).child("image").child("pullPolicy");
            errors.push(field::Error::not_supported(&at, image.pull_policy.as_str(), [ALWAYS]));
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{create, object, request};

    fn pod(image: &str, policy: &str) -> Pod {
        let container = |name: &str| json!({"name": name, "image": image, "imagePullPolicy": policy});
        let of = |name: &str| -> Value { json!([container(name)]) };
        object(json!({"metadata": {"name": "p", "namespace": "ns"}, "spec": {
            "initContainers": of("i"), "containers": of("c"), "ephemeralContainers": of("e"),
            "volumes": [{"name": "v", "image": {"reference": "r", "pullPolicy": policy}}],
        }}))
    }

    #[tokio::test]
    async fn new_images_are_always_pulled() {
        let mut attributes = create(pod("a", "IfNotPresent"));
        let refused = AlwaysPullImages.validate(&attributes).await.unwrap_err().to_string();
        let first = "pods \"p\" is forbidden: [spec.initContainers[0].imagePullPolicy: Unsupported value: \"IfNotPresent\": \
                     supported values: \"Always\", spec.containers[0]";
        assert!(refused.starts_with(first), "{refused}");
        assert!(refused.contains("spec.ephemeralContainers[0].imagePullPolicy"), "{refused}");
        assert!(refused.contains("spec.volumes[0].image.pullPolicy"), "{refused}");
        AlwaysPullImages.admit(&mut attributes).await.unwrap();
        assert_eq!(attributes.object_as::<Pod>(), Some(&pod("a", "Always")));
        assert_eq!(AlwaysPullImages.validate(&attributes).await, Ok(()));
    }

    #[tokio::test]
    async fn updates_without_new_images_are_left_alone() {
        let update =
            |image: &str| request(Operation::Update, Some(pod(image, "Never")), Some(pod("a", "Never")));
        assert_eq!(AlwaysPullImages.validate(&update("a")).await, Ok(()));
        assert!(AlwaysPullImages.validate(&update("b")).await.is_err());
    }
}
