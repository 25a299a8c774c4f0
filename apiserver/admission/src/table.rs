//! All admission plugins of Kubernetes, in the order in which they are asked, and which of them run.
//!
//! Source: `AllOrderedPlugins` and `DefaultOffAdmissionPlugins` of `pkg/kubeapiserver/options/plugins.go`.

use std::sync::Arc;

use apiserver_auth::authz::Authorizer;
use component_base::metrics::Metrics;
use serde_json::Value;

use crate::always_pull_images::AlwaysPullImages;
use crate::certificates::{CertificateApproval, CertificateSigning, CertificateSubjectRestriction};
use crate::claim_resize::PersistentVolumeClaimResize;
use crate::configuration::ConfigurationError;
use crate::default_class::{DefaultIngressClass, DefaultStorageClass};
use crate::default_toleration_seconds::DefaultTolerationSeconds;
use crate::deny_service_external_ips::DenyServiceExternalIPs;
use crate::limit_ranger::LimitRanger;
use crate::lookup::Lookup;
use crate::metrics::AdmissionMetrics;
use crate::namespace_lifecycle::NamespaceLifecycle;
use crate::node_restriction::NodeRestriction;
use crate::plugin::Plugin;
use crate::pod_resize::{NodeDeclaredFeatureValidator, PodResizeValidator};
use crate::pod_security::{self, PodSecurity};
use crate::pod_topology_labels::PodTopologyLabels;
use crate::priority::Priority;
use crate::resource_quota::{self, QuotaStatus, ResourceQuotas};
use crate::runtime_class::RuntimeClass;
use crate::service_account::ServiceAccount;
use crate::storage_protection::StorageObjectInUseProtection;
use crate::taint_nodes_by_condition::TaintNodesByCondition;
use crate::webhooks::{Caller, Kinds, MutatingAdmissionWebhook, Programs, Tools, ValidatingAdmissionWebhook};

/// What plugins are made of.
pub struct Means {
    /// Objects of the cluster.
    pub lookup: Lookup,
    /// Who may do what.
    pub authorizer: Arc<dyn Authorizer>,
    /// How long pods stay on nodes that fail.
    pub default_tolerations: DefaultTolerationSeconds,
    /// Where quotas are charged.
    pub quota_status: Arc<dyn QuotaStatus>,
    /// Where plugins count.
    pub metrics: Metrics,
    /// Where admission as a whole is measured.
    pub admission_metrics: AdmissionMetrics,
    /// Objects in the versions webhooks want to see.
    pub kinds: Arc<dyn Kinds>,
    /// The way to webhooks.
    pub webhook_caller: Arc<dyn Caller>,
}

impl Means {
    fn webhooks(&self) -> Tools {
        Tools {
            lookup: self.lookup.clone(),
            kinds: Arc::clone(&self.kinds),
            caller: Arc::clone(&self.webhook_caller),
            metrics: self.admission_metrics.clone(),
            programs: Programs::default(),
        }
    }
}

/// Makes a plugin with its part of `--admission-control-config-file`, if that has one.
pub type MakeConfigured = fn(&Means, Option<Value>) -> Result<Arc<dyn Plugin>, ConfigurationError>;

/// How a plugin is made.
pub enum Make {
    /// Nothing about it can be configured.
    Plain(fn(&Means) -> Arc<dyn Plugin>),
    /// With its part of `--admission-control-config-file`, if that has one.
    Configured(MakeConfigured),
}

/// One plugin of Kubernetes.
pub struct Row {
    /// Upstream's name, as in `--enable-admission-plugins`.
    pub name: &'static str,
    /// Whether it runs without being asked for.
    pub on_by_default: bool,
    /// Makes it; `None` for plugins that this program does not have.
    pub make: Option<Make>,
}

/// A plugin that runs unless it is disabled.
const fn on(name: &'static str, make: fn(&Means) -> Arc<dyn Plugin>) -> Row {
    Row { name, on_by_default: true, make: Some(Make::Plain(make)) }
}

/// A plugin that runs unless it is disabled, with a configuration of its own.
const fn configured(name: &'static str, make: MakeConfigured) -> Row {
    Row { name, on_by_default: true, make: Some(Make::Configured(make)) }
}

/// A plugin that must be asked for.
const fn off(name: &'static str, make: fn(&Means) -> Arc<dyn Plugin>) -> Row {
    Row { name, on_by_default: false, make: Some(Make::Plain(make)) }
}

/// A plugin that upstream runs by default and this program does not have.
const fn absent_on(name: &'static str) -> Row {
    Row { name, on_by_default: true, make: None }
}

/// A plugin that must be asked for, and that this program does not have.
const fn absent_off(name: &'static str) -> Row {
    Row { name, on_by_default: false, make: None }
}

/// All plugins in upstream's order.
static ALL: [Row; 41] = [
    absent_off("AlwaysAdmit"),
    absent_off("NamespaceAutoProvision"),
    on("NamespaceLifecycle", |means| Arc::new(NamespaceLifecycle::new(means.lookup.clone()))),
    absent_off("NamespaceExists"),
    absent_off("LimitPodHardAntiAffinityTopology"),
    on("LimitRanger", |means| Arc::new(LimitRanger::new(means.lookup.clone()))),
    on("ServiceAccount", |means| Arc::new(ServiceAccount::new(means.lookup.clone()))),
    off("NodeRestriction", |means| {
        Arc::new(NodeRestriction::new(means.lookup.clone(), Arc::clone(&means.authorizer)))
    }),
    on("TaintNodesByCondition", |_| Arc::new(TaintNodesByCondition)),
    off("AlwaysPullImages", |_| Arc::new(AlwaysPullImages)),
    absent_off("ImagePolicyWebhook"),
    configured("PodSecurity", |means, value| {
        let configuration = value.map(pod_security::Configuration::read).transpose()?.unwrap_or_default();
        Ok(Arc::new(PodSecurity::new(means.lookup.clone(), configuration, &means.metrics)))
    }),
    absent_off("PodNodeSelector"),
    on("Priority", |means| Arc::new(Priority::new(means.lookup.clone()))),
    on("DefaultTolerationSeconds", |means| Arc::new(means.default_tolerations)),
    absent_off("PodTolerationRestriction"),
    absent_off("EventRateLimit"),
    absent_off("ExtendedResourceToleration"),
    on("DefaultStorageClass", |means| Arc::new(DefaultStorageClass::new(means.lookup.clone()))),
    on("StorageObjectInUseProtection", |_| Arc::new(StorageObjectInUseProtection)),
    // Of a feature that is off.
    absent_on("PodGroupProtection"),
    absent_off("OwnerReferencesPermissionEnforcement"),
    on("PersistentVolumeClaimResize", |means| {
        Arc::new(PersistentVolumeClaimResize::new(means.lookup.clone()))
    }),
    on("RuntimeClass", |means| Arc::new(RuntimeClass::new(means.lookup.clone()))),
    on("CertificateApproval", |means| Arc::new(CertificateApproval(Arc::clone(&means.authorizer)))),
    on("CertificateSigning", |means| Arc::new(CertificateSigning(Arc::clone(&means.authorizer)))),
    // The kind it judges is of a feature that is off.
    absent_on("ClusterTrustBundleAttest"),
    on("CertificateSubjectRestriction", |_| Arc::new(CertificateSubjectRestriction)),
    on("DefaultIngressClass", |means| Arc::new(DefaultIngressClass::new(means.lookup.clone()))),
    off("DenyServiceExternalIPs", |_| Arc::new(DenyServiceExternalIPs)),
    on("PodTopologyLabels", |means| Arc::new(PodTopologyLabels::new(means.lookup.clone()))),
    // Of a feature that is off.
    absent_on("PodGroupWorkloadExists"),
    on("NodeDeclaredFeatureValidator", |means| {
        Arc::new(NodeDeclaredFeatureValidator::new(means.lookup.clone()))
    }),
    // Of a feature that is off.
    absent_on("JobValidation"),
    on("PodResizeValidator", |means| Arc::new(PodResizeValidator::new(means.lookup.clone()))),
    // Policies and webhooks see what all others have made of the object; policies are not there yet.
    absent_on("MutatingAdmissionPolicy"),
    configured("MutatingAdmissionWebhook", |means, value| {
        Ok(Arc::new(MutatingAdmissionWebhook::new(means.webhooks(), value)?))
    }),
    absent_on("ValidatingAdmissionPolicy"),
    configured("ValidatingAdmissionWebhook", |means, value| {
        Ok(Arc::new(ValidatingAdmissionWebhook::new(means.webhooks(), value)?))
    }),
    // Counts only what everybody else has let pass.
    configured("ResourceQuota", |means, value| {
        let configuration = value.map(resource_quota::Configuration::read).transpose()?.unwrap_or_default();
        let status = Arc::clone(&means.quota_status);
        Ok(Arc::new(ResourceQuotas::new(means.lookup.clone(), status, configuration)))
    }),
    absent_off("AlwaysDeny"),
];

/// All plugins in the order in which they are asked.
pub fn all() -> &'static [Row] {
    &ALL
}
