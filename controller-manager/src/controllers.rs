//! THE table of controllers. What is not in it does not exist; `--controllers`, health and logs are
//! derived from it.

use crate::context::{Context, Task};
use crate::{lifecycle, nodes, policy, security, storage, workloads};

/// One controller.
pub struct Entry {
    /// Upstream's name.
    pub name: &'static str,
    /// Names of earlier releases.
    pub aliases: &'static [&'static str],
    /// Whether `*` covers it.
    pub on_by_default: bool,
    /// Service account in kube-system; the API server's bootstrap policy gives it
    /// `system:controller:<service account>`. Empty for the program's own rights.
    pub service_account: &'static str,
    /// Component its events name as source.
    pub event_source: &'static str,
    /// Subscribes to caches and returns the work; none when its configuration is missing.
    pub(crate) start: fn(&Context, &Entry) -> anyhow::Result<Option<Task>>,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Entry").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Every controller of this program, in the order they are started.
pub fn all() -> &'static [Entry] {
    ALL
}

const ALL: &[Entry] = &[
    Entry {
        name: "serviceaccount-controller",
        aliases: &["serviceaccount"],
        on_by_default: true,
        service_account: "service-account-controller",
        event_source: "service-account-controller",
        start: security::service_accounts::start,
    },
    Entry {
        name: "root-ca-certificate-publisher-controller",
        aliases: &["root-ca-cert-publisher"],
        on_by_default: true,
        service_account: "root-ca-cert-publisher",
        event_source: "root-ca-cert-publisher",
        start: security::root_ca_publisher::start,
    },
    Entry {
        name: "serviceaccount-token-controller",
        aliases: &["serviceaccount-token"],
        on_by_default: true,
        // The program itself: upstream starts this one before any service account has a token.
        service_account: "",
        event_source: "serviceaccount-token-controller",
        start: security::service_account_tokens::start,
    },
    Entry {
        name: "namespace-controller",
        aliases: &["namespace"],
        on_by_default: true,
        service_account: "namespace-controller",
        event_source: "namespace-controller",
        start: lifecycle::namespace::start,
    },
    Entry {
        name: "node-ipam-controller",
        aliases: &["nodeipam"],
        on_by_default: true,
        service_account: "node-controller",
        event_source: "cidrAllocator",
        start: nodes::ipam::start,
    },
    Entry {
        name: "node-lifecycle-controller",
        aliases: &["nodelifecycle"],
        on_by_default: true,
        service_account: "node-controller",
        event_source: "node-controller",
        start: nodes::lifecycle::start,
    },
    Entry {
        name: "taint-eviction-controller",
        aliases: &[],
        on_by_default: true,
        service_account: "node-controller",
        event_source: "taint-eviction-controller",
        start: nodes::taint_eviction::start,
    },
    Entry {
        name: "ttl-controller",
        aliases: &["ttl"],
        on_by_default: true,
        service_account: "ttl-controller",
        event_source: "ttl-controller",
        start: nodes::ttl::start,
    },
    Entry {
        name: "persistentvolumeclaim-protection-controller",
        aliases: &["pvc-protection"],
        on_by_default: true,
        service_account: "pvc-protection-controller",
        event_source: "pvc-protection-controller",
        start: storage::pvc_protection::start,
    },
    Entry {
        name: "persistentvolume-protection-controller",
        aliases: &["pv-protection"],
        on_by_default: true,
        service_account: "pv-protection-controller",
        event_source: "pv-protection-controller",
        start: storage::pv_protection::start,
    },
    Entry {
        name: "certificatesigningrequest-approving-controller",
        aliases: &["csrapproving"],
        on_by_default: true,
        service_account: "certificate-controller",
        event_source: "certificate-controller",
        start: security::signing_requests::approving::start,
    },
    Entry {
        name: "certificatesigningrequest-signing-controller",
        aliases: &["csrsigning"],
        on_by_default: true,
        service_account: "certificate-controller",
        event_source: "certificate-controller",
        start: security::signing_requests::signing::start,
    },
    Entry {
        name: "certificatesigningrequest-cleaner-controller",
        aliases: &["csrcleaner"],
        on_by_default: true,
        service_account: "certificate-controller",
        event_source: "certificate-controller",
        start: security::signing_requests::cleaner::start,
    },
    Entry {
        name: "bootstrap-signer-controller",
        aliases: &["bootstrapsigner"],
        on_by_default: false,
        service_account: "bootstrap-signer",
        event_source: "bootstrap-signer",
        start: security::bootstrap_signer::start,
    },
    Entry {
        name: "token-cleaner-controller",
        aliases: &["tokencleaner"],
        on_by_default: false,
        service_account: "token-cleaner",
        event_source: "token-cleaner",
        start: security::token_cleaner::start,
    },
    Entry {
        name: "clusterrole-aggregation-controller",
        aliases: &["clusterrole-aggregation"],
        on_by_default: true,
        service_account: "clusterrole-aggregation-controller",
        event_source: "clusterrole-aggregation-controller",
        start: security::clusterrole_aggregation::start,
    },
    Entry {
        name: "pod-garbage-collector-controller",
        aliases: &["podgc"],
        on_by_default: true,
        service_account: "pod-garbage-collector",
        event_source: "pod-garbage-collector",
        start: lifecycle::pod_gc::start,
    },
    Entry {
        name: "ttl-after-finished-controller",
        aliases: &["ttl-after-finished"],
        on_by_default: true,
        service_account: "ttl-after-finished-controller",
        event_source: "ttl-after-finished-controller",
        start: lifecycle::ttl_after_finished::start,
    },
    Entry {
        name: "resourcequota-controller",
        aliases: &["resourcequota"],
        on_by_default: true,
        service_account: "resourcequota-controller",
        event_source: "resourcequota-controller",
        start: policy::resourcequota::start,
    },
    Entry {
        name: "replicaset-controller",
        aliases: &["replicaset"],
        on_by_default: true,
        service_account: "replicaset-controller",
        event_source: "replicaset-controller",
        start: workloads::replicaset::start,
    },
    Entry {
        name: "replicationcontroller-controller",
        aliases: &["replicationcontroller"],
        on_by_default: true,
        service_account: "replication-controller",
        event_source: "replication-controller",
        start: workloads::replicaset::start_replication,
    },
    Entry {
        name: "endpointslice-controller",
        aliases: &["endpointslice"],
        on_by_default: true,
        service_account: "endpointslice-controller",
        event_source: "endpoint-slice-controller",
        start: crate::network::endpointslice::start,
    },
    Entry {
        name: "endpoints-controller",
        aliases: &["endpoint"],
        on_by_default: true,
        service_account: "endpoint-controller",
        event_source: "endpoint-controller",
        start: crate::network::endpoints::start,
    },
    Entry {
        name: "endpointslice-mirroring-controller",
        aliases: &["endpointslicemirroring"],
        on_by_default: true,
        service_account: "endpointslicemirroring-controller",
        event_source: "endpoint-slice-mirroring-controller",
        start: crate::network::endpointslicemirroring::start,
    },
    Entry {
        name: "service-cidr-controller",
        aliases: &[],
        on_by_default: true,
        service_account: "service-cidrs-controller",
        event_source: "service-cidr-controller",
        start: crate::network::servicecidrs::start,
    },
    Entry {
        name: "daemonset-controller",
        aliases: &["daemonset"],
        on_by_default: true,
        service_account: "daemon-set-controller",
        event_source: "daemonset-controller",
        start: workloads::daemonset::start,
    },
    Entry {
        name: "garbage-collector-controller",
        aliases: &["garbagecollector"],
        on_by_default: true,
        service_account: "generic-garbage-collector",
        event_source: "garbage-collector-controller",
        start: crate::lifecycle::garbage_collector::start,
    },
    Entry {
        name: "deployment-controller",
        aliases: &["deployment"],
        on_by_default: true,
        service_account: "deployment-controller",
        event_source: "deployment-controller",
        start: workloads::deployment::start,
    },
    Entry {
        name: "disruption-controller",
        aliases: &["disruption"],
        on_by_default: true,
        service_account: "disruption-controller",
        // As upstream calls it in events of this controller alone.
        event_source: "controllermanager",
        start: policy::disruption::start,
    },
    Entry {
        name: "statefulset-controller",
        aliases: &["statefulset"],
        on_by_default: true,
        service_account: "statefulset-controller",
        event_source: "statefulset-controller",
        start: workloads::statefulset::start,
    },
    Entry {
        name: "job-controller",
        aliases: &["job"],
        on_by_default: true,
        service_account: "job-controller",
        event_source: "job-controller",
        start: workloads::job::start,
    },
    Entry {
        name: "cronjob-controller",
        aliases: &["cronjob"],
        on_by_default: true,
        service_account: "cronjob-controller",
        event_source: "cronjob-controller",
        start: workloads::cronjob::start,
    },
];

/// Controllers of upstream that this program does not have: they can be switched off, not on.
const ABSENT: &[(&str, &[&str])] = &[
    ("horizontal-pod-autoscaler-controller", &["horizontalpodautoscaling"]),
    ("podcertificaterequest-cleaner-controller", &[]),
    ("device-taint-eviction-controller", &[]),
    ("persistentvolume-binder-controller", &["persistentvolume-binder"]),
    ("persistentvolume-attach-detach-controller", &["attachdetach"]),
    ("persistentvolume-expander-controller", &["persistentvolume-expander"]),
    ("podgroup-protection-controller", &[]),
    ("kube-apiserver-serving-clustertrustbundle-publisher-controller", &[]),
    ("ephemeral-volume-controller", &["ephemeral-volume"]),
    ("storageversion-garbage-collector-controller", &["storage-version-gc"]),
    ("resourceclaim-controller", &["resource-claim-controller"]),
    ("resourcepoolstatusrequest-controller", &[]),
    ("legacy-serviceaccount-token-cleaner-controller", &["legacy-service-account-token-cleaner"]),
    ("validatingadmissionpolicy-status-controller", &[]),
    ("volumeattributesclass-protection-controller", &[]),
    ("storage-version-migrator-controller", &["svm"]),
    ("selinux-warning-controller", &[]),
    ("service-lb-controller", &["service"]),
    ("node-route-controller", &["route"]),
    ("cloud-node-lifecycle-controller", &["cloud-node-lifecycle"]),
];

/// What `--controllers` asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    all: bool,
    on: Vec<String>,
    off: Vec<String>,
}

/// Why `--controllers` was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// Nobody knows the name.
    #[error("{name:?} is not in the list of known controllers: {}", ALL.iter().map(|entry| entry.name).collect::<Vec<_>>().join(", "))]
    Unknown {
        /// Name given.
        name: String,
    },
    /// Upstream's, but not ours.
    #[error("controller {name:?} is not part of this program and can only be switched off (\"-{name}\")")]
    Absent {
        /// Name given.
        name: String,
    },
}

impl Selection {
    /// Reads the elements of `--controllers`.
    pub fn parse(elements: &[String]) -> Result<Selection, SelectionError> {
        let mut selection = Selection::default();
        for element in elements.iter().map(|element| element.trim()).filter(|element| !element.is_empty()) {
            if element == "*" {
                selection.all = true;
                continue;
            }
            let (name, wanted) = element.strip_prefix('-').map_or((element, true), |name| (name, false));
            match (canonical(name), wanted) {
                (Some(known), true) => selection.on.push(known.to_owned()),
                (Some(known), false) => selection.off.push(known.to_owned()),
                (None, false) if is_absent(name) => {}
                (None, true) if is_absent(name) => {
                    return Err(SelectionError::Absent { name: name.to_owned() });
                }
                (None, _) => return Err(SelectionError::Unknown { name: name.to_owned() }),
            }
        }
        Ok(selection)
    }

    /// Whether a controller shall run: named ones first, `*` covers those on by default.
    pub fn is_enabled(&self, entry: &Entry) -> bool {
        let named = |list: &[String]| list.iter().any(|name| name == entry.name);
        named(&self.on) || !named(&self.off) && self.all && entry.on_by_default
    }
}

fn canonical(name: &str) -> Option<&'static str> {
    ALL.iter().find(|entry| entry.name == name || entry.aliases.contains(&name)).map(|entry| entry.name)
}

fn is_absent(name: &str) -> bool {
    ABSENT.iter().any(|(known, aliases)| *known == name || aliases.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(flag: &str, expected: Result<bool, &str>) {
        let elements: Vec<String> = flag.split(',').map(str::to_owned).collect();
        let replicaset =
            ALL.iter().find(|entry| entry.name == "replicaset-controller").expect("in the table");
        let outcome = Selection::parse(&elements).map(|selection| selection.is_enabled(replicaset));
        match (outcome, expected) {
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{flag}: {error}"),
            (outcome, expected) => assert_eq!(outcome.ok(), expected.ok(), "{flag}"),
        }
    }

    #[test]
    fn controllers_are_selected_by_name() {
        check("*", Ok(true));
        check("", Ok(false));
        check("replicaset", Ok(true));
        check("*,-replicaset", Ok(false));
        check("*,-replicaset-controller,-svm", Ok(false));
        check("*,nonsense", Err("\"nonsense\" is not in the list of known controllers"));
        check("*,svm", Err("can only be switched off (\"-svm\")"));
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<&str> =
            ALL.iter().flat_map(|entry| entry.aliases.iter().copied().chain([entry.name])).collect();
        names.extend(ABSENT.iter().flat_map(|(name, aliases)| aliases.iter().copied().chain([*name])));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
