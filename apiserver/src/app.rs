//! The only place where the parts of the server are made and joined.

mod admission;
mod authentication;
mod authorization;
mod encryption;
mod hooks;
mod runtime_config;
mod serving;
mod storage;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context as _, bail};
use apiserver_storage::Storage;
use component_base::Shutdown;
use component_base::health::{Endpoint as Check, Health};
use component_base::metrics::Metrics;
use component_base::tls::client::ServerAuthorities;
use component_base::tls::server::identity_from_files;
use tokio::task::JoinHandle;

use crate::chain::audit::Audit;
use crate::chain::audit::log_file::{LogFile, Rotation};
use crate::chain::audit::policy::Policy;
use crate::chain::authentication::Authentication;
use crate::chain::flow_control::FlowControl;
use crate::chain::flow_control::dispatcher::Dispatcher;
use crate::chain::flow_control::in_flight::InFlightLimits;
use crate::chain::metrics::RequestMetrics;
use crate::chain::serve::Http2Limits;
use crate::chain::{Chain, serve};
use crate::connect::Connector;
use crate::connect::dial::Dialer;
use crate::connect::location::Locator;
use crate::discovery::Discovery;
use crate::discovery::catalog::Catalog;
use crate::discovery::openid::{KEYS_PATH, OpenId};
use crate::endpoints::{Api, BuiltinOptions, Resources, Shared};
use crate::openapi::{OpenApi, descriptions};
use crate::options::{GenericOptions, Options};
use crate::router::Router;
use crate::system::escalation_hooks::EscalationHooks;
use crate::system::flow_control_objects;
use crate::system::server_side::OwnMeans;
use crate::system::token_objects::TokenObjects;
use crate::system::token_requests::TokenRequests;
use crate::system::typed::Typed;
use crate::system::virtual_resources::VirtualResources;

/// Running requests may take this long after the listener has closed.
const GRACE: Duration = Duration::from_secs(60);

/// Where objects are kept.
pub enum Backend {
    /// In etcd, as the options say.
    Etcd,
    /// In a storage that the caller has, for tests.
    Given(Arc<dyn Storage>),
}

/// A server that runs.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// Ends after the shutdown, when the last request is answered.
    pub finished: JoinHandle<()>,
}

/// Starts a server; returns when it listens.
pub async fn start(options: Options, backend: Backend, shutdown: Shutdown) -> anyhow::Result<Running> {
    let broken = options.broken_rules(matches!(backend, Backend::Given(_)));
    if !broken.is_empty() {
        bail!("{}", broken.join("; "));
    }
    check_feature_gates(&options)?;
    let runtime_config = runtime_config::RuntimeConfig::parse(&options.generic.runtime_config)
        .map_err(|reason| anyhow::anyhow!("--runtime-config: {reason}"))?;

    let metrics = Metrics::for_component();
    let request_metrics = Arc::new(RequestMetrics::new(&metrics));
    let health = Health::new();
    health.add_shutdown(&shutdown);

    // Work goes on until the last request is answered; only then its loops end.
    let loops = Shutdown::new();
    let advertise_address = serving::advertise_address(&options.serving)?;
    let storage = storage::open(&options.etcd, backend, &loops).await?;
    storage::watch_health(&storage, &health, &loops);

    let policy_index = Arc::default();
    let authorizer_cell = Arc::new(OnceLock::new());
    let escalation = Arc::new(EscalationHooks {
        index: Arc::clone(&policy_index),
        authorizer: Arc::clone(&authorizer_cell),
    });
    let mut write_hooks = hooks::WriteHooksOfRows::new(escalation, &options, &storage);
    let transformed = encryption::Encryption::load(&options.etcd, &loops)?;
    let resources = Resources::builtin(&BuiltinOptions {
        entries: apiserver_registry::all(),
        root: options.etcd.etcd_prefix.trim_end_matches('/'),
        storage: &|entry| transformed.around(&storage, entry),
        hooks: &|entry| write_hooks.of(entry),
        describe: descriptions::of_message_field,
    });
    runtime_config.apply(&resources);
    let typed = Typed::new(resources.clone());
    write_hooks.connect(&resources, &loops);

    let authorization = authorization::build(&options.generic, &typed, policy_index, &loops)?;
    let authorizer = authorization.authorizer.clone();
    // Set once, here: nothing else holds the cell yet.
    let _ = authorizer_cell.set(authorizer.clone());
    let getter = Arc::new(TokenObjects { typed: typed.clone() });
    let identities = authentication::build(&options.authentication, getter, &loops)?;

    let admission = admission::build(&options.generic, &typed, &authorizer)?;
    let virtual_resources = Arc::new(VirtualResources {
        authorizer: authorizer.clone(),
        tokens: identities.tokens.clone(),
        audiences: identities.audiences.clone(),
        token_requests: TokenRequests {
            typed: typed.clone(),
            issuer: identities.issuer.clone(),
            audiences: identities.audiences.clone(),
            max_expiration_seconds: seconds(options.authentication.service_account.max_token_expiration),
            extend_expiration: options.authentication.service_account.extend_token_expiration,
        },
    });
    let connector = Connector {
        locator: Locator {
            typed: typed.clone(),
            preferred_address_types: options.kubelet.kubelet_preferred_address_types.clone(),
        },
        dialer: dialer(&options, &loops)?,
        authorizer: authorizer.clone(),
        admission: admission.clone(),
    };
    let api = Arc::new(Api::new(
        resources.clone(),
        Shared {
            admission,
            authorizer: authorizer.clone(),
            shutdown: shutdown.clone(),
            min_request_timeout: Duration::from_secs(u64::from(options.generic.min_request_timeout)),
            server_side: Arc::new(OwnMeans { connector, virtual_resources }),
        },
    ));

    let listener = serving::listen(&options.serving).await?;
    let address = listener.local_addr()?;
    let public = public_address(&options, advertise_address, address.port());
    let catalog = Catalog::of_entries(apiserver_registry::all().iter().filter(|e| runtime_config.serves(e)));
    let discovery = Arc::new(Discovery::new(catalog, public.clone()));
    let openid = openid(&options, &identities, &public)?;
    let router = Router {
        api,
        openapi: Arc::new(OpenApi::new(discovery.clone())),
        discovery,
        openid,
        health: health.clone(),
        metrics: metrics.clone(),
    };
    let chain = Arc::new(Chain {
        authentication: Authentication {
            authenticator: identities.authenticator.clone(),
            front_proxy: identities.front_proxy.clone(),
            audiences: identities.audiences.clone(),
        },
        authorizer,
        flow_control: flow_control(&options.generic, &request_metrics, &metrics),
        audit: audit(&options, &metrics)?,
        metrics: request_metrics,
        request_timeout: options.generic.request_timeout,
        hsts: serving::hsts(&options.serving)?,
        endpoint: Arc::new(router),
    });
    if let FlowControl::Fair(dispatcher) = &chain.flow_control
        && flow_control_objects::serves_configuration(&typed)
    {
        flow_control_objects::feed(&typed, dispatcher.clone(), &loops);
    }
    let tls = serving::tls(&options.serving, advertise_address, &loops)?;

    let watched = resources.clone();
    health.add("informer-sync", &[Check::Readyz], move || {
        if watched.are_ready() { Ok(()) } else { Err("watch caches are not complete".to_owned()) }
    });
    for (name, synced) in authorization.synced {
        health.add_grouped(
            &format!("poststarthook/start-authorization-{name}"),
            Some("informer-sync"),
            &[Check::Readyz],
            move || {
                let done = synced.load(std::sync::atomic::Ordering::Acquire);
                if done { Ok(()) } else { Err(format!("{name} are not complete")) }
            },
        );
    }
    let published = hooks::start(
        &options,
        &typed,
        &storage,
        hooks::Facts { advertise_address, port: address.port(), authentication: identities.facts.clone() },
        &health,
        &loops,
    );

    let max_streams = match options.serving.http2_max_streams_per_connection {
        0 => Http2Limits::default(),
        streams => Http2Limits { max_streams_per_connection: streams },
    };
    let delay = options.generic.shutdown_delay_duration;
    let closing = Shutdown::new();
    let finished = tokio::spawn({
        let closing = closing.clone();
        async move {
            let serving = serve::serve(listener, tls, chain, max_streams, closing.clone(), GRACE);
            let ending = async {
                shutdown.wait().await;
                tracing::info!("shutting down");
                // Others learn first that they should go elsewhere.
                published.withdraw().await;
                tokio::time::sleep(delay).await;
                closing.trigger();
            };
            tokio::join!(serving, ending);
            loops.trigger();
        }
    });
    tracing::info!(%address, "serving securely");
    Ok(Running { address, finished })
}

fn flow_control(options: &GenericOptions, counters: &RequestMetrics, metrics: &Metrics) -> FlowControl {
    let (reading, mutating) = (options.max_requests_inflight, options.max_mutating_requests_inflight);
    let in_flight = counters.in_flight.clone();
    // No limit cannot be shared out.
    if options.enable_priority_and_fairness && reading + mutating > 0 {
        return FlowControl::Fair(Arc::new(Dispatcher::new(reading + mutating, in_flight, metrics)));
    }
    FlowControl::InFlight(InFlightLimits::new(reading, mutating, in_flight))
}

fn check_feature_gates(options: &Options) -> anyhow::Result<()> {
    let text = options.generic.feature_gates.join(",");
    component_base::features::FeatureGates::parse(&text, &[]).context("--feature-gates")?;
    Ok(())
}

fn dialer(options: &Options, loops: &Shutdown) -> anyhow::Result<Dialer> {
    let kubelet = &options.kubelet;
    let identity = match (&kubelet.kubelet_client_certificate, &kubelet.kubelet_client_key) {
        (Some(certificate), Some(key)) => {
            let identity = identity_from_files(certificate, key).context("--kubelet-client-certificate")?;
            identity.keep_fresh(loops);
            Some(identity)
        }
        _ => None,
    };
    let authorities = match &kubelet.kubelet_certificate_authority {
        Some(file) => {
            let authorities =
                ServerAuthorities::from_file(file).context("--kubelet-certificate-authority")?;
            authorities.keep_fresh(loops);
            Some(authorities)
        }
        None => None,
    };
    if let (Some(certificate), Some(key)) = (&kubelet.proxy_client_cert_file, &kubelet.proxy_client_key_file)
    {
        // What proves our identity to extension servers must be usable before the first of them is called.
        identity_from_files(certificate, key).context("--proxy-client-cert-file")?;
    }
    Ok(Dialer::new(identity, authorities)?)
}

fn audit(options: &Options, metrics: &Metrics) -> anyhow::Result<Option<Arc<Audit>>> {
    let (Some(policy), Some(path)) = (&options.audit.audit_policy_file, &options.audit.audit_log_path) else {
        return Ok(None);
    };
    let policy = Policy::load(policy)?;
    let rotation = Rotation {
        max_size_megabytes: options.audit.audit_log_maxsize,
        max_backups: options.audit.audit_log_maxbackup,
        max_age_days: options.audit.audit_log_maxage,
    };
    let log = LogFile::open(path, rotation).with_context(|| format!("--audit-log-path {path:?}"))?;
    let strict = options.audit.audit_log_mode == "blocking-strict";
    Ok(Some(Arc::new(Audit::new(policy, log, strict, metrics))))
}

fn openid(
    options: &Options,
    identities: &authentication::Identities,
    public: &str,
) -> anyhow::Result<Option<OpenId>> {
    let accounts = &options.authentication.service_account;
    let Some(issuer) = accounts.issuers.first() else { return Ok(None) };
    let keys_uri = match accounts.jwks_uri.as_str() {
        "" => format!("https://{public}{KEYS_PATH}"),
        uri => uri.to_string(),
    };
    Ok(OpenId::new(issuer, &keys_uri, &identities.keys)?)
}

/// `host:port` under which clients reach the server.
fn public_address(options: &Options, advertise_address: IpAddr, port: u16) -> String {
    match options.serving.external_hostname.as_str() {
        "" => SocketAddr::new(advertise_address, port).to_string(),
        host => format!("{host}:{port}"),
    }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
