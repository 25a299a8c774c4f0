//! Collects the descriptions of kinds and fields from a library that carries them, sorted, one a line.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use k8s_openapi::api;
use schemars::SchemaGenerator;
use serde_json::Value;

/// Adds the schemas of kinds, and of all they refer to.
macro_rules! kinds {
    ($generator:ident: $($group:ident::$version:ident::{$($kind:ident),* $(,)?}),* $(,)?) => {
        $($( $generator.subschema_for::<api::$group::$version::$kind>(); )*)*
    };
}

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let mut generator = SchemaGenerator::default();
    kinds!(generator:
        admissionregistration::v1::{
            MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding, MutatingWebhookConfiguration,
            ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, ValidatingWebhookConfiguration,
        },
        apps::v1::{ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet},
        authentication::v1::{SelfSubjectReview, TokenRequest, TokenReview},
        authorization::v1::{
            LocalSubjectAccessReview, SelfSubjectAccessReview, SelfSubjectRulesReview, SubjectAccessReview,
        },
        autoscaling::v1::{HorizontalPodAutoscaler, Scale},
        autoscaling::v2::{HorizontalPodAutoscaler},
        batch::v1::{CronJob, Job},
        certificates::v1::{CertificateSigningRequest},
        coordination::v1::{Lease},
        core::v1::{
            Binding, ConfigMap, Endpoints, Event, LimitRange, Namespace, Node, PersistentVolume,
            PersistentVolumeClaim, Pod, PodTemplate, ReplicationController, ResourceQuota, Secret, Service,
            ServiceAccount,
        },
        discovery::v1::{EndpointSlice},
        events::v1::{Event},
        flowcontrol::v1::{FlowSchema, PriorityLevelConfiguration},
        networking::v1::{IPAddress, Ingress, IngressClass, NetworkPolicy, ServiceCIDR},
        node::v1::{RuntimeClass},
        policy::v1::{Eviction, PodDisruptionBudget},
        rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
        resource::v1::{DeviceClass, ResourceClaim, ResourceClaimTemplate, ResourceSlice},
        scheduling::v1::{PriorityClass},
        storage::v1::{
            CSIDriver, CSINode, CSIStorageCapacity, StorageClass, VolumeAttachment, VolumeAttributesClass,
        },
    );
    generator.subschema_for::<
        k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    >();
    generator.subschema_for::<k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService>();
    generator.subschema_for::<k8s_openapi::apimachinery::pkg::apis::meta::v1::Status>();
    generator.subschema_for::<k8s_openapi::apimachinery::pkg::apis::meta::v1::DeleteOptions>();
    generator.subschema_for::<k8s_openapi::apimachinery::pkg::apis::meta::v1::ListMeta>();

    let mut lines = BTreeMap::new();
    for (name, schema) in generator.definitions() {
        collect(name, schema, &mut lines);
    }
    let mut text = String::new();
    for (key, description) in lines {
        // Tabs and line feeds separate; inside descriptions they are escaped.
        let escaped = description.replace('\\', "\\\\").replace('\n', "\\n").replace('\t', "\\t");
        writeln!(text, "{key}\t{escaped}").expect("writing to a string");
    }
    let folder = std::env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    std::fs::write(std::path::Path::new(&folder).join("descriptions.txt"), text)
        .expect("writing descriptions");
}

/// Key of a field is `<schema>/<field>`, of the schema itself `<schema>/`.
fn collect(name: &str, schema: &Value, lines: &mut BTreeMap<String, String>) {
    let description = |value: &Value| value.get("description").and_then(Value::as_str).map(str::to_string);
    if let Some(text) = description(schema) {
        lines.insert(format!("{name}/"), text);
    }
    for (field, value) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        if let Some(text) = description(value) {
            lines.insert(format!("{name}/{field}"), text);
        }
    }
}
