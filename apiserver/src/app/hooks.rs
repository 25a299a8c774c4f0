//! What surrounds writes, and what is done after the start.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use apiserver_registry::allocation::{Addresses, Repair, ServiceAllocation, StoredPorts};
use apiserver_registry::{Entry, Objects, WriteHooks};
use apiserver_storage::Storage;
use component_base::Shutdown;
use component_base::health::Health;
use ipnet::IpNet;

use crate::endpoints::Resources;
use crate::options::Options;
use crate::store::{Store, StoreObjects, Stores};
use crate::system::authentication_config::{self, AuthenticationFacts};
use crate::system::escalation_hooks::EscalationHooks;
use crate::system::hooks::Hooks;
use crate::system::identity_lease::{self, IdentityLease};
use crate::system::kubernetes_service::{self, KubernetesService};
use crate::system::typed::{Silent, Typed};
use crate::system::{
    default_namespaces, default_service_cidr, flow_control_objects, priority_classes, rbac_bootstrap,
};

/// How often the default namespaces are looked after, as upstream does.
const NAMESPACES_PERIOD: Duration = Duration::from_secs(60);
/// How often the published authentication facts are compared.
const FACTS_PERIOD: Duration = Duration::from_secs(60);

/// The stores, which are made after the hooks that use them.
#[derive(Default)]
struct LateStores(OnceLock<Arc<Resources>>);

impl Stores for LateStores {
    fn store_of(&self, entry: &'static Entry) -> Option<Arc<Store>> {
        self.0.get()?.store_of(entry)
    }
}

/// Finds the hooks around the writes of a row.
pub struct WriteHooksOfRows {
    escalation: Arc<EscalationHooks>,
    services: Arc<ServiceAllocation>,
    repair: Option<Repair>,
    stores: Arc<LateStores>,
}

impl WriteHooksOfRows {
    /// The hooks of all rows. `storage` holds the shared ranges.
    pub fn new(
        escalation: Arc<EscalationHooks>,
        options: &Options,
        storage: &Arc<dyn Storage>,
    ) -> WriteHooksOfRows {
        let stores = Arc::new(LateStores::default());
        let objects: Arc<dyn Objects> = Arc::new(StoreObjects::new(stores.clone(), Arc::new(Silent)));
        let networks: Vec<IpNet> =
            options.generic.service_cluster_ip_range.iter().map(|range| range.0).collect();
        let root = options.etcd.etcd_prefix.trim_end_matches('/');
        let node_ports = options.generic.service_node_port_range.0.clone();
        let ports = Arc::new(StoredPorts::new(storage.clone(), root, node_ports));
        let addresses = || Addresses::new(objects.clone(), &networks);
        WriteHooksOfRows {
            escalation,
            services: Arc::new(ServiceAllocation::new(addresses(), ports.clone(), objects.clone())),
            repair: Some(Repair::new(addresses(), ports, objects.clone())),
            stores,
        }
    }

    /// The hooks of one row.
    pub fn of(&self, entry: &'static Entry) -> Option<Arc<dyn WriteHooks>> {
        match (entry.facts.group, entry.facts.plural) {
            ("rbac.authorization.k8s.io", _) => Some(self.escalation.clone()),
            ("", "services") => Some(self.services.clone()),
            _ => None,
        }
    }

    /// Gives the hooks the stores and starts the repair of allocations.
    pub fn connect(&mut self, resources: &Arc<Resources>, loops: &Shutdown) {
        // Set once, by the only caller.
        let _ = self.stores.0.set(resources.clone());
        let Some(repair) = self.repair.take() else { return };
        let (resources, loops) = (resources.clone(), loops.clone());
        tokio::spawn(async move {
            // What the caches do not show yet would look as if nobody held it.
            while !resources.are_ready() {
                if !loops.sleep(Duration::from_millis(100)).await {
                    return;
                }
            }
            loops.run_until(repair.run()).await;
        });
    }
}

/// How often the defaults of flow control are set right and dangling schemas are looked for.
const FLOW_CONTROL_PERIOD: Duration = Duration::from_secs(10);

/// What the loops must know of this server.
pub struct Facts {
    /// Address others reach it at.
    pub advertise_address: IpAddr,
    /// Its port.
    pub port: u16,
    /// What is published about authentication.
    pub authentication: AuthenticationFacts,
}

/// What must be taken back at the end.
pub struct Published {
    service: Option<KubernetesService>,
    typed: Typed,
    storage: Arc<dyn Storage>,
}

impl Published {
    /// Takes this server's address out of the service `kubernetes`.
    pub async fn withdraw(&self) {
        let Some(service) = &self.service else { return };
        if let Err(error) = service.withdraw(&self.typed, &self.storage).await {
            tracing::warn!(%error, "taking back the address of this server failed");
        }
    }
}

/// Starts hooks and loops.
pub fn start(
    options: &Options,
    typed: &Typed,
    storage: &Arc<dyn Storage>,
    facts: Facts,
    health: &Health,
    loops: &Shutdown,
) -> Published {
    let hooks = Hooks::new(health.clone(), loops.clone());
    let t = typed.clone();
    hooks.every("start-system-namespaces-controller", NAMESPACES_PERIOD, move || {
        let typed = t.clone();
        async move { default_namespaces::ensure(&typed).await }
    });
    if options.generic.authorization_mode.iter().any(|mode| mode == "RBAC")
        && rbac_bootstrap::serves_policy(typed)
    {
        let t = typed.clone();
        hooks.once("rbac/bootstrap-roles", move || {
            let typed = t.clone();
            async move { rbac_bootstrap::ensure(&typed).await }
        });
    }
    if typed.serves::<api_types::scheduling::v1::PriorityClass>() {
        let t = typed.clone();
        hooks.once("scheduling/bootstrap-system-priority-classes", move || {
            let typed = t.clone();
            async move { priority_classes::ensure(&typed).await }
        });
    }
    if flow_control_objects::serves_configuration(typed) {
        let t = typed.clone();
        hooks.every("priority-and-fairness-config-producer", FLOW_CONTROL_PERIOD, move || {
            let typed = t.clone();
            async move { flow_control_objects::ensure(&typed).await }
        });
    }
    if typed.serves::<api_types::networking::v1::ServiceCIDR>() {
        let t = typed.clone();
        let networks: Vec<String> =
            options.generic.service_cluster_ip_range.iter().map(ToString::to_string).collect();
        hooks.once("start-kubernetes-service-cidr-controller", move || {
            let (typed, networks) = (t.clone(), networks.clone());
            async move { default_service_cidr::ensure(&typed, &networks).await }
        });
    }
    let t = typed.clone();
    hooks.every("start-cluster-authentication-info-controller", FACTS_PERIOD, move || {
        let (typed, facts) = (t.clone(), facts.authentication.clone());
        async move { authentication_config::publish(&typed, &facts).await }
    });
    let t = typed.clone();
    hooks.once("start-legacy-token-tracking-controller", move || {
        let typed = t.clone();
        async move { authentication_config::start_token_tracking(&typed).await }
    });
    if typed.serves::<api_types::coordination::v1::Lease>() {
        start_identity_lease(&hooks, typed);
    }
    let service = (options.generic.endpoint_reconciler_type == "lease")
        .then(|| options.generic.service_cluster_ip_range.first())
        .flatten()
        .map(|range| KubernetesService {
            cluster_ip: range.first_address(),
            advertise_address: facts.advertise_address,
            port: facts.port,
            node_port: options.generic.kubernetes_service_node_port,
            storage_prefix: options.etcd.etcd_prefix.trim_end_matches('/').to_string(),
        });
    if let Some(service) = service.clone() {
        let (t, s) = (typed.clone(), storage.clone());
        hooks.every("bootstrap-controller", kubernetes_service::PERIOD, move || {
            let (typed, storage, service) = (t.clone(), s.clone(), service.clone());
            async move { service.reconcile(&typed, &storage).await }
        });
    }
    Published { service, typed: typed.clone(), storage: storage.clone() }
}

fn start_identity_lease(hooks: &Hooks, typed: &Typed) {
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let instance = uuid::Uuid::new_v4().to_string();
    let lease = IdentityLease::new(hostname.trim(), &instance);
    let t = typed.clone();
    hooks.every("start-kube-apiserver-identity-lease-controller", identity_lease::RENEW_PERIOD, move || {
        let (typed, lease) = (t.clone(), lease.clone());
        async move { lease.renew(&typed).await }
    });
    let t = typed.clone();
    hooks.every(
        "start-kube-apiserver-identity-lease-garbage-collector",
        identity_lease::COLLECT_PERIOD,
        move || {
            let typed = t.clone();
            async move { identity_lease::collect(&typed).await }
        },
    );
}
