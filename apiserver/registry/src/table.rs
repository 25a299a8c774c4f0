//! The list of rows. What is not here does not exist.

use crate::{
    admissionregistration, apiextensions, apps, authentication, authorization, autoscaling, batch,
    certificates, coordination, core, discovery, entry::Entry, flowcontrol, networking, node, policy, rbac,
    scheduling, storage,
};
use std::sync::LazyLock;

static TABLE: LazyLock<Vec<Entry>> = LazyLock::new(rows);

/// Every row, in the order of discovery.
pub fn all() -> &'static [Entry] {
    &TABLE
}

/// The row of a group, version and plural name.
pub fn find(group: &str, version: &str, plural: &str) -> Option<&'static Entry> {
    all().iter().find(|entry| {
        entry.facts.group == group && entry.facts.version == version && entry.facts.plural == plural
    })
}

/// The row of a group and plural name whose version is the stored one.
pub fn find_resource(group: &str, plural: &str) -> Option<&'static Entry> {
    all().iter().find(|entry| {
        entry.facts.group == group && entry.facts.plural == plural && entry.conversion.is_none()
    })
}

fn rows() -> Vec<Entry> {
    let mut rows = vec![
        core::bindings::entry(),
        core::configmaps::entry(),
        core::endpoints::entry(),
        core::events::entry(),
        core::limitranges::entry(),
        core::namespaces::entry(),
        core::nodes::entry(),
        core::persistentvolumeclaims::entry(),
        core::persistentvolumes::entry(),
        core::pods::entry(),
        core::podtemplates::entry(),
        core::replicationcontrollers::entry(),
        core::resourcequotas::entry(),
        core::secrets::entry(),
        core::serviceaccounts::entry(),
        core::services::entry(),
        core::events::newer_entry(),
        admissionregistration::mutatingwebhookconfigurations::entry(),
        admissionregistration::validatingwebhookconfigurations::entry(),
        apiextensions::customresourcedefinitions::entry(),
        apps::controllerrevisions::entry(),
        apps::daemonsets::entry(),
        apps::deployments::entry(),
        apps::replicasets::entry(),
        apps::statefulsets::entry(),
        autoscaling::horizontalpodautoscalers::entry(),
        autoscaling::horizontalpodautoscalers::older_entry(),
        batch::cronjobs::entry(),
        batch::jobs::entry(),
        certificates::certificatesigningrequests::entry(),
        coordination::leases::entry(),
        discovery::endpointslices::entry(),
        flowcontrol::flowschemas::entry(),
        flowcontrol::prioritylevelconfigurations::entry(),
        networking::ingressclasses::entry(),
        networking::ingresses::entry(),
        networking::ipaddresses::entry(),
        networking::networkpolicies::entry(),
        networking::servicecidrs::entry(),
        node::runtimeclasses::entry(),
        policy::poddisruptionbudgets::entry(),
        rbac::clusterrolebindings::entry(),
        rbac::clusterroles::entry(),
        rbac::rolebindings::entry(),
        rbac::roles::entry(),
        scheduling::priorityclasses::entry(),
        storage::csidrivers::entry(),
        storage::csinodes::entry(),
        storage::csistoragecapacities::entry(),
        storage::storageclasses::entry(),
        storage::volumeattachments::entry(),
        storage::volumeattributesclasses::entry(),
    ];
    rows.extend(authentication::entries());
    rows.extend(authorization::entries());
    rows
}
