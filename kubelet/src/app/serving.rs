//! Puts the kubelet's servers together: the HTTPS one, and `/healthz` on its own port.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use client::Client;
use component_base::Shutdown;
use component_base::health::Endpoint;
use component_base::metrics::Metrics;
use component_base::server::SideServer;
use component_base::tls::server::{ClientAuthorities, ClientCertificates, ServerOptions, server_config};
use jiff::Timestamp;
use tokio::task::JoinSet;

use super::Parts;
use crate::certificates::serving_identity;
use crate::measuring::Measuring;
use crate::observer::Observer;
use crate::observing;
use crate::options::Options;
use crate::server::access::{
    Access, AccessReviews, AlwaysAllow, Anonymous, Authenticator, Authorizer, ClientCertificate, TokenWebhook,
};
use crate::server::{self, Server};

/// Time before a server that could not start tries again.
const RETRY: std::time::Duration = std::time::Duration::from_secs(5);

/// Starts the HTTPS server. It waits for its certificate; pods do not wait for it.
pub(super) fn start(
    tasks: &mut JoinSet<()>,
    options: &Options,
    parts: &Parts,
    client: Option<&Client>,
    shutdown: &Shutdown,
) {
    let context = parts.context.clone();
    let view = Arc::new(Observer {
        context: context.clone(),
        cache: parts.cache.clone(),
        manager: parts.manager.clone(),
        statuses: parts.statuses.clone(),
        api_pods: parts.api_pods.clone(),
    });
    let statistics = Measuring::new(context.clone(), parts.cache.clone(), parts.manager.clone());
    let (health, metrics) = (parts.health.clone(), parts.metrics.clone());
    let probe_metrics = parts.probe_metrics.clone();
    let (options, client, shutdown) = (options.clone(), client.cloned(), shutdown.clone());
    let statistics = Arc::new(statistics);
    tasks.spawn(async move {
        loop {
            let made = server::Parts {
                view: view.clone(),
                runtime: context.ports.runtime.clone(),
                statistics: statistics.clone(),
                access: match access(&context, client.as_ref(), &shutdown) {
                    Ok(access) => access,
                    Err(error) => {
                        tracing::error!(
                            error = format!("{error:#}"),
                            "the server has no way to know its clients"
                        );
                        return;
                    }
                },
                health: health.clone(),
                metrics: metrics.clone(),
                probe_metrics: probe_metrics.clone(),
                log_directory: PathBuf::from("/var/log"),
                debugging: context.config.enable_debugging_handlers,
                system_logs: context.config.enable_system_log_handler,
            };
            match serve(&options, &context, made, &shutdown).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::error!(error = format!("{error:#}"), "the kubelet's server does not run")
                }
            }
            if !shutdown.sleep(RETRY).await {
                return;
            }
        }
    });
}

async fn serve(
    options: &Options,
    context: &crate::context::Context,
    parts: server::Parts,
    shutdown: &Shutdown,
) -> anyhow::Result<()> {
    let config = &context.config;
    let host_ips = context.host_ips.load_full();
    let identity = serving_identity(options, config, &context.node_name, &host_ips, shutdown).await?;
    let Some(identity) = identity else { return Ok(()) };
    identity.keep_fresh(shutdown);
    let mut tls = ServerOptions::new(identity);
    tls.cipher_suites.clone_from(&config.tls_cipher_suites);
    tls.only_tls13 = config.tls_min_version == "VersionTLS13";
    if !config.authentication.x509.client_ca_file.is_empty() {
        tls = tls.with_clients(ClientCertificates::Request);
    }
    let address = SocketAddr::new(
        config.address.parse().context("address")?,
        u16::try_from(config.port).context("port")?,
    );
    let listener = Server::listen(address).await.with_context(|| format!("failed to listen at {address}"))?;
    tracing::info!(%address, "kubelet server listens");
    Server::new(parts).serve(listener, server_config(&tls)?, shutdown.clone()).await;
    Ok(())
}

/// Who may ask the server, and what.
fn access(
    context: &crate::context::Context,
    client: Option<&Client>,
    shutdown: &Shutdown,
) -> anyhow::Result<Access> {
    let config = &context.config;
    let mut authenticators: Vec<Arc<dyn Authenticator>> = Vec::new();
    let authority = &config.authentication.x509.client_ca_file;
    if !authority.is_empty() {
        let authorities = ClientAuthorities::from_file(Path::new(authority))?;
        authorities.keep_fresh(shutdown);
        authenticators.push(Arc::new(ClientCertificate::new(authorities)));
    }
    if let Some(client) = client.filter(|_| config.authentication.webhook.enabled) {
        authenticators
            .push(Arc::new(TokenWebhook::new(client.clone(), config.authentication.webhook.cache_ttl.0)));
    }
    if config.authentication.anonymous.enabled {
        authenticators.push(Arc::new(Anonymous));
    }
    let authorizer: Arc<dyn Authorizer> = match (config.authorization.mode.as_str(), client) {
        ("AlwaysAllow", _) => Arc::new(AlwaysAllow),
        (_, Some(client)) => {
            let times = &config.authorization.webhook;
            Arc::new(AccessReviews::new(
                client.clone(),
                times.cache_authorized_ttl.0,
                times.cache_unauthorized_ttl.0,
            ))
        }
        (mode, None) => anyhow::bail!(
            "authorization.mode {mode:?} needs an API server; without --kubeconfig set it to \"AlwaysAllow\" or \
             enableServer to false"
        ),
    };
    Ok(Access::new(authenticators, authorizer, context.node_name.clone()))
}

/// Starts `/healthz` on its own port.
pub(super) async fn start_health(
    tasks: &mut JoinSet<()>,
    parts: &Parts,
    shutdown: &Shutdown,
) -> anyhow::Result<()> {
    let cache = parts.cache.clone();
    parts.health.add("syncloop", &[Endpoint::Healthz], move || observing::healthy(&cache, Timestamp::now()));
    let config = &parts.context.config;
    if config.healthz_port == 0 {
        return Ok(());
    }
    let address = SocketAddr::new(
        config.healthz_bind_address.parse().context("healthzBindAddress")?,
        u16::try_from(config.healthz_port).context("healthzPort")?,
    );
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("failed to listen at {address} for /healthz"))?;
    let server = SideServer::new(parts.health.clone(), Metrics::new());
    tasks.spawn(server.serve(listener, None, shutdown.clone()));
    Ok(())
}
