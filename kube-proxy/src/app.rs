//! Puts kube-proxy together and runs it.

use anyhow::{Context, Result};
use api_types::core::v1::Node;
use client::{Client, Config, ListParams};
use component_base::Shutdown;
use component_base::health::Health;
use component_base::metrics::Metrics;
use component_base::server::{OpenGate, SideServer};
use kube_proxy_apply::Table;
use kube_proxy_core::model::Family;
use kube_proxy_core::skeleton::Settings;
use runtime::Informer;

use crate::config::{self, ProxySettings};
use crate::health::{self, ProxyHealth, ServiceHealth};
use crate::options::Options;
use crate::proxier::{Caches, Proxier};
use crate::system;

/// Runs kube-proxy until `shutdown`.
pub async fn run(options: Options, shutdown: Shutdown) -> Result<()> {
    if options.cleanup {
        return kube_proxy_apply::remove_tables().await.context("failed to remove the rules");
    }
    let settings = config::settings(&options)?;
    system::prepare(&settings.conntrack, settings.oom_score_adj);
    let node = node_name(&settings)?;
    let config = if settings.kubeconfig.is_empty() {
        Config::in_cluster().context("no kubeconfig is named, and this is not a pod")?
    } else {
        Config::from_kubeconfig_file(&settings.kubeconfig)?
    };
    let user_agent = component_base::version::user_agent("kube-proxy");
    let client = Client::new(config.with_user_agent(user_agent))?;

    let metrics = Metrics::for_component();
    client.observe(runtime::client_metrics::ClientMetrics::register(&metrics));
    let proxy_health = ProxyHealth::default();
    if let Some(address) = settings.healthz {
        let serving = health::serve(proxy_health.clone(), address, shutdown.clone()).await;
        serving.with_context(|| format!("failed to listen on {address} for health checks"))?;
    }
    if let Some(address) = settings.metrics {
        let listener = tokio::net::TcpListener::bind(address).await;
        let listener = listener.with_context(|| format!("failed to listen on {address} for metrics"))?;
        // As upstream: plain and open, which is why the default address is loopback.
        let server = SideServer::new(Health::new(), metrics.clone())
            .with_gate(std::sync::Arc::new(OpenGate))
            .with_configz("kubeproxy.config.k8s.io", settings.shown.clone())
            .with_page("/proxyMode", |_| {
                component_base::server::reply(http::StatusCode::OK, "text/plain", "nftables")
            });
        tokio::spawn(server.serve(listener, None, shutdown.clone()));
    }

    let this_node = ListParams::default().fields(format!("metadata.name={node}"));
    let with_rules = ListParams::default()
        .labels("!service.kubernetes.io/headless,!service.kubernetes.io/service-proxy-name");
    let caches = Caches {
        services: Informer::new(client.all()).select(with_rules.clone()).start(&shutdown),
        slices: Informer::new(client.all()).select(with_rules).start(&shutdown),
        nodes: Informer::<Node>::new(client.all()).select(this_node).start(&shutdown),
    };
    let changes = caches.subscribe();
    let synced = async {
        caches.services.synced().await;
        caches.slices.synced().await;
        caches.nodes.synced().await;
    };
    if shutdown.run_until(synced).await.is_none() {
        return Ok(());
    }
    tracing::info!(node, "caches are filled, rules follow");
    let service_health = ServiceHealth::new(proxy_health.clone(), shutdown.clone());
    let proxier = Proxier::new(caches, node, tables(&settings), proxy_health, service_health, &metrics);
    proxier.run(changes, shutdown).await;
    Ok(())
}

/// Tables of the families that this kernel has.
fn tables(settings: &ProxySettings) -> Vec<(Family, Table)> {
    let has_ipv6 = std::path::Path::new("/proc/net/if_inet6").exists();
    let families = [Family::V4].into_iter().chain(has_ipv6.then_some(Family::V6));
    families
        .map(|family| {
            let pods = settings.cluster_cidrs.iter().find(|range| Family::of(&range.addr()) == family);
            let rules = Settings { cluster_cidr: pods.copied(), ..settings.rules.clone() };
            (family, Table::new(family, rules))
        })
        .collect()
}

fn node_name(settings: &ProxySettings) -> Result<String> {
    if !settings.node_name.is_empty() {
        return Ok(settings.node_name.to_lowercase());
    }
    let name =
        std::fs::read_to_string("/proc/sys/kernel/hostname").context("failed to read the host's name")?;
    Ok(name.trim().to_lowercase())
}
