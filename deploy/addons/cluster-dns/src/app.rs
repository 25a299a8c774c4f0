//! Puts the server together and runs it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use client::{Client, Config};
use component_base::Shutdown;
use component_base::health::{Endpoint, Health};
use component_base::metrics::Metrics;
use component_base::server::{OpenGate, SideServer};
use hickory_server::server::Server;
use runtime::Informer;
use tokio::net::{TcpListener, UdpSocket};

use crate::answer::Zone;
use crate::forward::Forwarder;
use crate::handler::Handler;
use crate::options::Options;
use crate::view::{self, View};

/// Idle TCP connections are closed after this.
const TCP_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of responses that may wait on one TCP connection.
const TCP_BUFFER: usize = 64 * 1024;

/// Runs the server until `shutdown`.
pub async fn run(options: Options, shutdown: Shutdown) -> Result<()> {
    let config = if options.kubeconfig.is_empty() {
        Config::in_cluster().context("no kubeconfig is named, and this is not a pod")?
    } else {
        Config::from_kubeconfig_file(&options.kubeconfig)?
    };
    let client = Client::new(config.with_user_agent(component_base::version::user_agent("cluster-dns")))?;
    let metrics = Metrics::for_component();
    let health = Health::new();
    let ready = health.add_flag("names", &[Endpoint::Readyz], "names are not known yet");
    for address in [options.health_listen, options.ready_listen, options.metrics_listen] {
        let listener =
            TcpListener::bind(address).await.with_context(|| format!("failed to listen on {address}"))?;
        // Open, as kubelet and Prometheus expect of a DNS server's pod; nothing secret is shown.
        let server = SideServer::new(health.clone(), metrics.clone())
            .with_gate(Arc::new(OpenGate))
            .with_page("/health", |_| {
                component_base::server::reply(http::StatusCode::OK, "text/plain", "OK")
            });
        tokio::spawn(server.serve(listener, None, shutdown.clone()));
    }
    let view = View {
        namespaces: Informer::new(client.all()).start(&shutdown),
        services: Informer::new(client.all())
            .with_index(view::BY_ADDRESS, view::cluster_ips)
            .start(&shutdown),
        slices: Informer::new(client.all())
            .with_index(view::BY_SERVICE, view::service_of)
            .with_index(view::BY_ADDRESS, view::endpoint_addresses)
            .start(&shutdown),
    };
    let synced = async {
        view.namespaces.synced().await;
        view.services.synced().await;
        view.slices.synced().await;
    };
    if shutdown.run_until(synced).await.is_none() {
        return Ok(());
    }
    let own: Vec<IpAddr> = view
        .service("kube-system", "kube-dns")
        .iter()
        .flat_map(|service| service.spec.cluster_ips.iter().filter_map(|ip| ip.parse().ok()))
        .collect();
    let forwarder = Forwarder::from_resolv_conf(&options.resolv_conf, &own)
        .with_context(|| format!("failed to read {}", options.resolv_conf.display()))?;
    let domain = options.cluster_domain.trim_end_matches('.').to_lowercase();
    let handler = Handler::new(view, Zone { domain, ttl: options.ttl }, forwarder, &metrics);
    let mut server = Server::new(handler);
    let listen = options.listen;
    let listening = || format!("failed to listen on {listen}");
    server.register_socket(UdpSocket::bind(listen).await.with_context(listening)?);
    server.register_listener(
        TcpListener::bind(listen).await.with_context(listening)?,
        TCP_TIMEOUT,
        TCP_BUFFER,
    );
    ready.store(true, std::sync::atomic::Ordering::Release);
    tracing::info!(%listen, "names are known, queries are answered");
    shutdown.wait().await;
    server.shutdown_gracefully().await.context("failed to stop the server")
}
