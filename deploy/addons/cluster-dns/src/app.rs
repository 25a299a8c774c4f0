//! Puts the server together and runs it.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result};
use client::{Client, Config};
use component_base::Shutdown;
use component_base::health::{Endpoint, Health};
use component_base::metrics::Metrics;
use component_base::server::{OpenGate, SideServer, reply};
use hickory_server::server::Server;
use runtime::Informer;
use tokio::net::{TcpListener, UdpSocket};

use crate::answer::Zone;
use crate::corefile::{self, Corefile, PodNames, Upstream};
use crate::forward::Forwarder;
use crate::handler::Handler;
use crate::options::Options;
use crate::view::{self, View};

/// Idle TCP connections are closed after this.
const TCP_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of responses that may wait on one TCP connection.
const TCP_BUFFER: usize = 64 * 1024;

/// How often a changed Corefile is looked for.
const RELOAD: Duration = Duration::from_secs(30);

/// Runs the server until `shutdown`, or until the Corefile has changed: the kubelet then starts it again.
pub async fn run(options: Options, shutdown: Shutdown) -> Result<()> {
    let text = read(&options.conf)?;
    let corefile = corefile::parse(&text)?;
    let config = if options.kubeconfig.is_empty() {
        Config::in_cluster().context("no kubeconfig is named, and this is not a pod")?
    } else {
        Config::from_kubeconfig_file(&options.kubeconfig)?
    };
    let client = Client::new(config.with_user_agent(component_base::version::user_agent("cluster-dns")))?;
    let metrics = Metrics::for_component();
    client.observe(runtime::client_metrics::ClientMetrics::register(&metrics));
    let health = Health::new();
    let ready = health.add_flag("names", &[Endpoint::Readyz], "names are not known yet");
    for address in [corefile.health, corefile.ready, corefile.metrics].into_iter().flatten() {
        let listener =
            TcpListener::bind(address).await.with_context(|| format!("failed to listen on {address}"))?;
        let known = ready.clone();
        // Open, as kubelet and Prometheus expect of a DNS server's pod; nothing secret is shown.
        let server = SideServer::new(health.clone(), metrics.clone())
            .with_gate(Arc::new(OpenGate))
            .with_page("/health", |_| reply(http::StatusCode::OK, "text/plain", "OK"))
            .with_page("/ready", move |_| match known.load(Ordering::Acquire) {
                true => reply(http::StatusCode::OK, "text/plain", "OK"),
                false => reply(http::StatusCode::SERVICE_UNAVAILABLE, "text/plain", "kubernetes"),
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
    let forwarder = Forwarder::new(servers(&corefile, &view)?, corefile.cache);
    let zone = Zone {
        domain: corefile.domain.clone(),
        ttl: corefile.ttl,
        pods: corefile.pods == PodNames::Insecure,
    };
    let handler = Handler::new(view, zone, forwarder, corefile.load_balance, &metrics);
    let mut server = Server::new(handler);
    let listen = SocketAddr::from(([0, 0, 0, 0], corefile.port));
    let listening = || format!("failed to listen on {listen}");
    server.register_socket(UdpSocket::bind(listen).await.with_context(listening)?);
    server.register_listener(
        TcpListener::bind(listen).await.with_context(listening)?,
        TCP_TIMEOUT,
        TCP_BUFFER,
    );
    ready.store(true, Ordering::Release);
    tracing::info!(%listen, "names are known, queries are answered");
    until_the_end(&options, &corefile, &text, &shutdown).await;
    // Resolvers still ask here until they hear that this server went.
    tokio::time::sleep(corefile.lame_duck).await;
    server.shutdown_gracefully().await.context("failed to stop the server")
}

async fn until_the_end(options: &Options, corefile: &Corefile, text: &str, shutdown: &Shutdown) {
    if !corefile.reload {
        return shutdown.wait().await;
    }
    while shutdown.sleep(RELOAD).await {
        match read(&options.conf) {
            Ok(new) if new == text => {}
            Ok(new) => match corefile::parse(&new) {
                Ok(_) => {
                    tracing::info!("the Corefile has changed, starting anew");
                    return;
                }
                Err(error) => {
                    tracing::error!(%error, "the changed Corefile cannot be followed, going on as before")
                }
            },
            Err(error) => tracing::error!(%error, "going on as before"),
        }
    }
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))
}

/// Where foreign names are asked, without this DNS service itself.
fn servers(corefile: &Corefile, view: &View) -> Result<Vec<SocketAddr>> {
    let own: Vec<IpAddr> = view
        .service("kube-system", "kube-dns")
        .iter()
        .flat_map(|service| service.spec.cluster_ips.iter().filter_map(|ip| ip.parse().ok()))
        .collect();
    match &corefile.upstream {
        None => Ok(Vec::new()),
        Some(Upstream::Servers(servers)) => Ok(servers.clone()),
        Some(Upstream::File(path)) => {
            Forwarder::servers_of(path, &own).with_context(|| format!("failed to read {}", path.display()))
        }
    }
}
