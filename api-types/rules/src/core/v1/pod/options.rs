//! What pod validation lets pass because an object that is already stored has it.
//!
//! Source: `GetValidationOptionsFromPodSpecAndMeta` in `pkg/api/pod/util.go`, with v1.36's default feature gates.

use super::scheduling_validation;
use crate::{core::v1::resource_names, meta};
use api_types::core::v1::{Affinity, Container, PodSpec};
use machinery::meta::v1::ObjectMeta;

/// The allowances for one validation.
#[derive(Clone, Copy, Debug, Default)]
pub struct PodRules {
    /// The object is a pod and not something with a pod spec inside.
    pub is_pod: bool,
    /// A pod deletion cost that is no number.
    pub bad_deletion_cost: bool,
    /// Values in affinity selectors that no label can have.
    pub bad_selector_values: bool,
    /// Values in required node affinity that no label can have.
    pub bad_required_affinity_values: bool,
    /// Ill-formed selectors of topology spread constraints.
    pub bad_spread_selectors: bool,
    /// Match label keys of spread constraints that repeat the selector.
    pub bad_spread_keys: bool,
    /// Huge pages that are no whole number of pages.
    pub indivisible_huge_pages: bool,
    /// Projected tokens outside of the volume.
    pub non_local_token_path: bool,
    /// Sysctls of namespaces the pod shares with the host.
    pub host_sysctls: bool,
    /// `RestartContainer` resize policies of init containers.
    pub restarting_init_resize: bool,
    /// Block devices in pods with user namespaces.
    pub devices_with_user_namespaces: bool,
    /// Tolerations with `Lt` and `Gt`.
    pub comparing_tolerations: bool,
    /// `MountOption` as SELinux change policy.
    pub any_selinux_change_policy: bool,
    /// Host network in pods with user namespaces.
    pub host_network_with_user_namespaces: bool,
}

impl PodRules {
    /// A new object with a pod spec inside.
    pub fn for_template() -> PodRules {
        PodRules::default()
    }

    /// A changed object with a pod spec inside.
    pub fn for_template_update(old: Option<&PodSpec>) -> PodRules {
        old.map(PodRules::after).unwrap_or_default()
    }

    /// A new pod.
    pub fn for_pod() -> PodRules {
        PodRules { is_pod: true, ..PodRules::default() }
    }

    /// A changed pod.
    pub fn for_pod_update(old: &PodSpec, old_meta: &ObjectMeta) -> PodRules {
        let cost = old_meta.annotations.get(super::validation::DELETION_COST);
        PodRules {
            is_pod: true,
            bad_deletion_cost: cost.is_some_and(|cost| !super::validation::is_deletion_cost(cost)),
            ..PodRules::after(old)
        }
    }

    fn after(old: &PodSpec) -> PodRules {
        let shared = |sysctl: &str| super::security::shares_host_namespace(old, sysctl).is_some();
        let context = old.security_context.as_deref();
        PodRules {
            is_pod: false,
            bad_deletion_cost: false,
            bad_selector_values: old.affinity.as_deref().is_some_and(has_bad_selector_values),
            bad_required_affinity_values: old.affinity.as_deref().is_some_and(has_bad_required_values),
            bad_spread_selectors: old.topology_spread_constraints.iter().any(|constraint| {
                let errors = constraint.label_selector.as_deref().map(|selector| {
                    meta::validate_label_selector(
                        selector,
                        false,
                        &machinery::field::Path::new("labelSelector"),
                    )
                });
                errors.is_some_and(|errors| !errors.is_empty())
            }),
            bad_spread_keys: old
                .topology_spread_constraints
                .iter()
                .any(scheduling_validation::has_bad_spread_keys),
            indivisible_huge_pages: old
                .containers
                .iter()
                .chain(&old.init_containers)
                .any(has_indivisible_pages),
            non_local_token_path: super::volumes::has_non_local_token_path(old),
            host_sysctls: context
                .is_some_and(|context| context.sysctls.iter().any(|sysctl| shared(&sysctl.name))),
            restarting_init_resize: old.init_containers.iter().any(|container| {
                !super::resources::is_sidecar(container)
                    && container
                        .resize_policy
                        .iter()
                        .any(|policy| policy.restart_policy == "RestartContainer")
            }),
            devices_with_user_namespaces: old.host_users == Some(false)
                && old
                    .containers
                    .iter()
                    .chain(&old.init_containers)
                    .any(|container| !container.volume_devices.is_empty()),
            comparing_tolerations: old
                .tolerations
                .iter()
                .any(|toleration| matches!(toleration.operator.as_str(), "Lt" | "Gt")),
            any_selinux_change_policy: context
                .is_some_and(|context| context.se_linux_change_policy.is_some()),
            host_network_with_user_namespaces: old.host_network && old.host_users == Some(false),
        }
    }
}

fn has_indivisible_pages(container: &Container) -> bool {
    let resources = &container.resources;
    resources.limits.iter().chain(&resources.requests).any(|(name, quantity)| {
        name.starts_with(crate::core::v1::resource_list::HUGE_PAGES_PREFIX)
            && !resource_names::is_whole_pages(name, quantity)
    })
}

fn has_bad_selector_values(affinity: &Affinity) -> bool {
    let pod = affinity.pod_affinity.as_deref();
    let anti = affinity.pod_anti_affinity.as_deref();
    let required = pod
        .map(|affinity| affinity.required_during_scheduling_ignored_during_execution.as_slice())
        .into_iter()
        .chain(anti.map(|affinity| affinity.required_during_scheduling_ignored_during_execution.as_slice()))
        .flatten();
    let preferred = pod
        .map(|affinity| affinity.preferred_during_scheduling_ignored_during_execution.as_slice())
        .into_iter()
        .chain(anti.map(|affinity| affinity.preferred_during_scheduling_ignored_during_execution.as_slice()))
        .flatten()
        .map(|weighted| &weighted.pod_affinity_term);
    required.chain(preferred).any(|term| {
        meta::has_bad_selector_value(term.label_selector.as_deref())
            || meta::has_bad_selector_value(term.namespace_selector.as_deref())
    })
}

fn has_bad_required_values(affinity: &Affinity) -> bool {
    let required = affinity
        .node_affinity
        .as_deref()
        .and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution.as_deref());
    required.is_some_and(|selector| {
        selector
            .node_selector_terms
            .iter()
            .flat_map(|term| &term.match_expressions)
            .flat_map(|requirement| &requirement.values)
            .any(|value| !machinery::names::is_label_value(value).is_empty())
    })
}
