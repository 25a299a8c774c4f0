//! Every golden object decodes to the same object from JSON and protobuf and encodes back to the same bytes.

use std::fs;
use std::path::Path;

use machinery::codec::{json, protobuf};
use machinery::schema::Message;

/// The table of `group.version.kind`, meta's kinds being found in every group.
fn table(stem: &str) -> Option<&'static Message> {
    let mut parts: Vec<&str> = stem.split('.').collect();
    let (kind, version) = (parts.pop()?, parts.pop()?);
    let group = parts.join(".");
    let group = if group == "core" { "" } else { &group };
    let meta = machinery::meta::v1::KINDS.iter().find(|(name, _)| *name == kind).map(|(_, schema)| *schema);
    api_types::facts::kind(group, version, kind).map(|facts| facts.schema).or(meta)
}

fn check(dir: &Path, stem: &str) -> Result<(), String> {
    let text = fs::read(dir.join(format!("{stem}.json"))).map_err(|e| e.to_string())?;
    let binary = fs::read(dir.join(format!("{stem}.pb"))).map_err(|e| e.to_string())?;
    let schema = table(stem).ok_or("no table for this kind")?;
    let envelope = protobuf::unwrap(&binary).map_err(|e| e.to_string())?;

    let decoded = json::decode(schema, &text, json::Strictness::Report).map_err(|e| e.to_string())?;
    if let Some(unknown) = decoded.unknown.first() {
        return Err(format!("the table lacks field {unknown}"));
    }
    if decoded.protobuf != envelope.raw {
        let at = decoded.protobuf.iter().zip(envelope.raw).position(|(a, b)| a != b);
        return Err(format!(
            "JSON became other protobuf bytes from byte {at:?} of {}: {:?}",
            envelope.raw.len(),
            String::from_utf8_lossy(
                &decoded.protobuf[at.unwrap_or(0).saturating_sub(60)..]
                    [..90.min(decoded.protobuf.len() - at.unwrap_or(0).saturating_sub(60))]
            )
        ));
    }
    if protobuf::wrap(&decoded.api_version, &decoded.kind, &decoded.protobuf) != binary {
        return Err("the envelope has other bytes".into());
    }
    // A WatchEvent alone carries no kind.
    let kind = Some((envelope.api_version, envelope.kind)).filter(|(_, kind)| !kind.is_empty());
    let written = json::try_encode(schema, envelope.raw, kind).map_err(|e| e.to_string())?;
    let pretty = json::pretty(&written).map_err(|e| e.to_string())?;
    if pretty.trim_ascii() != text.trim_ascii() {
        let (ours, theirs) = (String::from_utf8_lossy(&pretty), String::from_utf8_lossy(&text));
        let line = ours.lines().zip(theirs.lines()).enumerate().find(|(_, (a, b))| a != b);
        return Err(format!("protobuf became other JSON: {line:?}"));
    }
    Ok(())
}

#[test]
fn every_kind_keeps_its_bytes() {
    let Some(dir) = golden::directory() else {
        println!("skipped: no golden objects beside this checkout");
        return;
    };
    let mut stems: Vec<String> = fs::read_dir(&dir)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix(".json").map(str::to_owned))
        .collect();
    stems.sort();
    assert!(stems.len() > 180, "only {} golden objects in {}", stems.len(), dir.display());
    let failures: Vec<String> =
        stems.iter().filter_map(|stem| check(&dir, stem).err().map(|why| format!("{stem}: {why}"))).collect();
    assert!(
        failures.is_empty(),
        "{} of {} kinds differ:\n{}",
        failures.len(),
        stems.len(),
        failures.join("\n")
    );
}

/// Decodes to the struct and encodes it again.
fn through_struct<T: machinery::Message>(bytes: &[u8]) -> Result<Vec<u8>, machinery::DecodeError> {
    Ok(T::decode(bytes)?.encode_to_vec())
}

macro_rules! structs {
    ($($stem:literal => $($kind:ident)::+,)*) => {
        &[$(($stem, through_struct::<api_types::$($kind)::+>)),*]
    };
}

type ThroughStruct = fn(&[u8]) -> Result<Vec<u8>, machinery::DecodeError>;

#[test]
fn every_struct_keeps_its_bytes() {
    let Some(dir) = golden::directory() else {
        println!("skipped: no golden objects beside this checkout");
        return;
    };
    let structs: &[(&str, ThroughStruct)] = structs! {
        "core.v1.Binding" => core::v1::Binding,
        "core.v1.ComponentStatus" => core::v1::ComponentStatus,
        "core.v1.ConfigMap" => core::v1::ConfigMap,
        "core.v1.Endpoints" => core::v1::Endpoints,
        "core.v1.Event" => core::v1::Event,
        "core.v1.LimitRange" => core::v1::LimitRange,
        "core.v1.Namespace" => core::v1::Namespace,
        "core.v1.Node" => core::v1::Node,
        "core.v1.PersistentVolumeClaim" => core::v1::PersistentVolumeClaim,
        "core.v1.PersistentVolume" => core::v1::PersistentVolume,
        "core.v1.Pod" => core::v1::Pod,
        "core.v1.PodTemplate" => core::v1::PodTemplate,
        "core.v1.ReplicationController" => core::v1::ReplicationController,
        "core.v1.ResourceQuota" => core::v1::ResourceQuota,
        "core.v1.Secret" => core::v1::Secret,
        "core.v1.ServiceAccount" => core::v1::ServiceAccount,
        "core.v1.Service" => core::v1::Service,
        "admissionregistration.k8s.io.v1.MutatingAdmissionPolicy" => admissionregistration::v1::MutatingAdmissionPolicy,
        "admissionregistration.k8s.io.v1.MutatingAdmissionPolicyBinding" => admissionregistration::v1::MutatingAdmissionPolicyBinding,
        "admissionregistration.k8s.io.v1.MutatingWebhookConfiguration" => admissionregistration::v1::MutatingWebhookConfiguration,
        "admissionregistration.k8s.io.v1.ValidatingAdmissionPolicy" => admissionregistration::v1::ValidatingAdmissionPolicy,
        "admissionregistration.k8s.io.v1.ValidatingAdmissionPolicyBinding" => admissionregistration::v1::ValidatingAdmissionPolicyBinding,
        "admissionregistration.k8s.io.v1.ValidatingWebhookConfiguration" => admissionregistration::v1::ValidatingWebhookConfiguration,
        "apps.v1.ControllerRevision" => apps::v1::ControllerRevision,
        "apps.v1.DaemonSet" => apps::v1::DaemonSet,
        "apps.v1.Deployment" => apps::v1::Deployment,
        "apps.v1.ReplicaSet" => apps::v1::ReplicaSet,
        "apps.v1.StatefulSet" => apps::v1::StatefulSet,
        "authentication.k8s.io.v1.SelfSubjectReview" => authentication::v1::SelfSubjectReview,
        "authentication.k8s.io.v1.TokenReview" => authentication::v1::TokenReview,
        "authorization.k8s.io.v1.LocalSubjectAccessReview" => authorization::v1::LocalSubjectAccessReview,
        "authorization.k8s.io.v1.SelfSubjectAccessReview" => authorization::v1::SelfSubjectAccessReview,
        "authorization.k8s.io.v1.SelfSubjectRulesReview" => authorization::v1::SelfSubjectRulesReview,
        "authorization.k8s.io.v1.SubjectAccessReview" => authorization::v1::SubjectAccessReview,
        "autoscaling.v1.HorizontalPodAutoscaler" => autoscaling::v1::HorizontalPodAutoscaler,
        "autoscaling.v2.HorizontalPodAutoscaler" => autoscaling::v2::HorizontalPodAutoscaler,
        "batch.v1.CronJob" => batch::v1::CronJob,
        "batch.v1.Job" => batch::v1::Job,
        "certificates.k8s.io.v1.CertificateSigningRequest" => certificates::v1::CertificateSigningRequest,
        "coordination.k8s.io.v1.Lease" => coordination::v1::Lease,
        "discovery.k8s.io.v1.EndpointSlice" => discovery::v1::EndpointSlice,
        "events.k8s.io.v1.Event" => events::v1::Event,
        "flowcontrol.apiserver.k8s.io.v1.FlowSchema" => flowcontrol::v1::FlowSchema,
        "flowcontrol.apiserver.k8s.io.v1.PriorityLevelConfiguration" => flowcontrol::v1::PriorityLevelConfiguration,
        "networking.k8s.io.v1.IngressClass" => networking::v1::IngressClass,
        "networking.k8s.io.v1.Ingress" => networking::v1::Ingress,
        "networking.k8s.io.v1.IPAddress" => networking::v1::IPAddress,
        "networking.k8s.io.v1.NetworkPolicy" => networking::v1::NetworkPolicy,
        "networking.k8s.io.v1.ServiceCIDR" => networking::v1::ServiceCIDR,
        "node.k8s.io.v1.RuntimeClass" => node::v1::RuntimeClass,
        "policy.v1.PodDisruptionBudget" => policy::v1::PodDisruptionBudget,
        "rbac.authorization.k8s.io.v1.ClusterRoleBinding" => rbac::v1::ClusterRoleBinding,
        "rbac.authorization.k8s.io.v1.ClusterRole" => rbac::v1::ClusterRole,
        "rbac.authorization.k8s.io.v1.RoleBinding" => rbac::v1::RoleBinding,
        "rbac.authorization.k8s.io.v1.Role" => rbac::v1::Role,
        "resource.k8s.io.v1.DeviceClass" => resource::v1::DeviceClass,
        "resource.k8s.io.v1.ResourceClaim" => resource::v1::ResourceClaim,
        "resource.k8s.io.v1.ResourceClaimTemplate" => resource::v1::ResourceClaimTemplate,
        "resource.k8s.io.v1.ResourceSlice" => resource::v1::ResourceSlice,
        "scheduling.k8s.io.v1.PriorityClass" => scheduling::v1::PriorityClass,
        "storage.k8s.io.v1.CSIDriver" => storage::v1::CSIDriver,
        "storage.k8s.io.v1.CSINode" => storage::v1::CSINode,
        "storage.k8s.io.v1.CSIStorageCapacity" => storage::v1::CSIStorageCapacity,
        "storage.k8s.io.v1.StorageClass" => storage::v1::StorageClass,
        "storage.k8s.io.v1.VolumeAttachment" => storage::v1::VolumeAttachment,
        "storage.k8s.io.v1.VolumeAttributesClass" => storage::v1::VolumeAttributesClass,
    };
    for (stem, through) in structs {
        let binary = fs::read(dir.join(format!("{stem}.pb"))).unwrap();
        let raw = protobuf::unwrap(&binary).unwrap().raw;
        assert_eq!(through(raw).as_deref(), Ok(raw), "{stem}");
    }
}
