//! The pods that other objects will make.

use api_types::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use api_types::batch::v1::{CronJob, Job};
use api_types::core::v1::{PodTemplate, PodTemplateSpec, ReplicationController};
use machinery::object::Object;

use super::subject::Subject;

/// Group and name of the resources that make pods.
pub(super) const RESOURCES: [(&str, &str); 8] = [
    ("", "replicationcontrollers"),
    ("", "podtemplates"),
    ("apps", "replicasets"),
    ("apps", "deployments"),
    ("apps", "statefulsets"),
    ("apps", "daemonsets"),
    ("batch", "jobs"),
    ("batch", "cronjobs"),
];

/// The pod in the template of an object; `None` when there is no template.
pub(super) fn subject_of(object: &dyn Object) -> Option<Subject<'_>> {
    let template = template_of(object)?;
    Some(Subject { annotations: &template.metadata.annotations, spec: &template.spec })
}

fn template_of(object: &dyn Object) -> Option<&PodTemplateSpec> {
    let any = object.as_any();
    if let Some(object) = any.downcast_ref::<ReplicationController>() {
        return object.spec.template.as_deref();
    }
    let template = any.downcast_ref::<PodTemplate>().map(|object| &object.template);
    template
        .or_else(|| any.downcast_ref::<ReplicaSet>().map(|object| &object.spec.template))
        .or_else(|| any.downcast_ref::<Deployment>().map(|object| &object.spec.template))
        .or_else(|| any.downcast_ref::<StatefulSet>().map(|object| &object.spec.template))
        .or_else(|| any.downcast_ref::<DaemonSet>().map(|object| &object.spec.template))
        .or_else(|| any.downcast_ref::<Job>().map(|object| &object.spec.template))
        .or_else(|| any.downcast_ref::<CronJob>().map(|object| &object.spec.job_template.spec.template))
}
