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
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context as _, bail};
use apiserver_auth::authz::Authorizer;
use apiserver_storage::Storage;
use component_base::Shutdown;
use component_base::health::{Endpoint as Check, Health};
use component_base::metrics::Metrics;
use component_base::tls::client::ServerAuthorities;
use component_base::tls::server::{Identity, identity_from_files};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use self::authentication::Identities;
use self::runtime_config::RuntimeConfig;
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
use crate::connect::dial::{Dialer, KubeletTrust};
use crate::connect::location::Locator;
use crate::custom::MakeStorage;
use crate::discovery::Discovery;
use crate::discovery::catalog::Catalog;
use crate::discovery::openid::{KEYS_PATH, OpenId};
use crate::endpoints::{Api, BuiltinOptions, ObjectCounts, Resources, Shared, WatchMetrics};
use crate::openapi::{OpenApi, descriptions};
use crate::options::{GenericOptions, Options};
use crate::router::Router;
use crate::store::StorageMetrics;
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

/// What every later stage stands on.
struct Base {
    options: Options,
    runtime_config: RuntimeConfig,
    metrics: Metrics,
    request_metrics: Arc<RequestMetrics>,
    health: Health,
    advertise_address: IpAddr,
    storage: Arc<dyn Storage>,
    /// Ends the loops, after the last request is answered.
    loops: Shutdown,
    /// Ends the taking in of requests.
    shutdown: Shutdown,
}

/// The stores and who may do what with them.
struct State {
    resources: Arc<Resources>,
    typed: Typed,
    authorizer: Arc<dyn Authorizer>,
    identities: Identities,
    /// Makes the storage of custom resources.
    custom_storage: MakeStorage,
}

/// Starts a server; returns when it listens.
pub async fn start(options: Options, backend: Backend, shutdown: Shutdown) -> anyhow::Result<Running> {
    let base = base(options, backend, shutdown).await?;
    let state = state(&base)?;
    let api = api(&base, &state)?;
    let listener = serving::listen(&base.options.serving).await?;
    let address = listener.local_addr()?;
    let public = public_address(&base.options, base.advertise_address, address.port());
    let served = apiserver_registry::all().iter().filter(|entry| base.runtime_config.serves(entry));
    let builtin = Catalog::of_entries(served);
    let discovery = Arc::new(Discovery::new(builtin.clone(), public.clone()));
    let chain = chain(&base, &state, api, discovery.clone(), public)?;
    let tls = serving::tls(&base.options.serving, base.advertise_address, &base.loops)?;
    let facts = hooks::Facts {
        advertise_address: base.advertise_address,
        port: address.port(),
        authentication: state.identities.facts.clone(),
    };
    let published =
        hooks::start(&base.options, &state.typed, &base.storage, facts, &base.health, &base.loops);
    let means = crate::custom::Means {
        resources: state.resources,
        discovery,
        builtin,
        typed: state.typed,
        storage: state.custom_storage,
        root: base.options.etcd.etcd_prefix.trim_end_matches('/').to_owned(),
        describe: descriptions::of_message_field,
    };
    crate::custom::start(means, &base.loops);
    let finished = tokio::spawn(serve_until_shutdown(base, listener, tls, chain, published));
    tracing::info!(%address, "serving securely");
    Ok(Running { address, finished })
}

async fn base(options: Options, backend: Backend, shutdown: Shutdown) -> anyhow::Result<Base> {
    let broken = options.broken_rules(matches!(backend, Backend::Given(_)));
    if !broken.is_empty() {
        bail!("{}", broken.join("; "));
    }
    check_feature_gates(&options)?;
    let runtime_config = RuntimeConfig::parse(&options.generic.runtime_config)
        .map_err(|reason| anyhow::anyhow!("--runtime-config: {reason}"))?;
    let metrics = Metrics::for_component();
    let health = Health::new();
    health.add_shutdown(&shutdown);
    let loops = Shutdown::new();
    let storage = storage::open(&options.etcd, backend, &loops).await?;
    storage::watch_health(&storage, &health, &loops);
    Ok(Base {
        advertise_address: serving::advertise_address(&options.serving)?,
        request_metrics: Arc::new(RequestMetrics::new(&metrics)),
        options,
        runtime_config,
        metrics,
        health,
        storage,
        loops,
        shutdown,
    })
}

fn state(base: &Base) -> anyhow::Result<State> {
    let Base { options, storage, loops, .. } = base;
    let policy_index = Arc::default();
    // The stores need hooks that ask the authorizer, which in turn is fed from the stores.
    let late_authorizer = Arc::new(OnceLock::new());
    let escalation = Arc::new(EscalationHooks {
        index: Arc::clone(&policy_index),
        authorizer: Arc::clone(&late_authorizer),
    });
    let mut write_hooks = hooks::WriteHooksOfRows::new(escalation, options, storage);
    let encryption = encryption::Encryption::load(&options.etcd, loops)?;
    let event_ttl = options.generic.event_ttl;
    let measured = Arc::new(StorageMetrics::new(&base.metrics));
    let resources = Resources::builtin(&BuiltinOptions {
        entries: apiserver_registry::all(),
        root: options.etcd.etcd_prefix.trim_end_matches('/'),
        storage: &|entry| {
            let measured = measured.around(storage, entry.facts.group, entry.facts.plural);
            encryption.around(&measured, entry)
        },
        hooks: &|entry| write_hooks.of(entry),
        time_to_live: &|entry| (entry.facts.plural == "events").then_some(event_ttl),
        describe: descriptions::of_message_field,
    });
    base.runtime_config.apply(&resources);
    ObjectCounts::register(&base.metrics, resources.clone())?;
    write_hooks.connect(&resources, loops);
    let typed = Typed::new(resources.clone());

    let authorization = authorization::build(&options.generic, &typed, policy_index, loops)?;
    let authorizer = authorization.authorizer;
    // Set once, here: nothing else holds the cell yet.
    let _ = late_authorizer.set(authorizer.clone());
    let getter = Arc::new(TokenObjects { typed: typed.clone() });
    let identities = authentication::build(&options.authentication, getter, loops)?;

    let watched = resources.clone();
    base.health.add("informer-sync", &[Check::Readyz], move || {
        if watched.are_ready() { Ok(()) } else { Err("watch caches are not complete".to_owned()) }
    });
    for (name, synced) in authorization.synced {
        let check = format!("poststarthook/start-authorization-{name}");
        base.health.add_grouped(&check, Some("informer-sync"), &[Check::Readyz], move || {
            let done = synced.load(Ordering::Acquire);
            if done { Ok(()) } else { Err(format!("{name} are not complete")) }
        });
    }
    let storage = storage.clone();
    let custom_storage: MakeStorage = Box::new(move |group, plural| {
        encryption.around_named(&measured.around(&storage, group, plural), group, plural)
    });
    Ok(State { resources, typed, authorizer, identities, custom_storage })
}

fn api(base: &Base, state: &State) -> anyhow::Result<Arc<Api>> {
    let State { resources, typed, authorizer, identities, .. } = state;
    let options = &base.options;
    let identity = webhook_identity(options, &base.loops)?;
    let admission =
        admission::build(&options.generic, resources.clone(), identity, typed, authorizer, &base.metrics)?;
    let accounts = &options.authentication.service_account;
    let virtual_resources = Arc::new(VirtualResources {
        authorizer: authorizer.clone(),
        tokens: identities.tokens.clone(),
        audiences: identities.audiences.clone(),
        token_requests: TokenRequests {
            typed: typed.clone(),
            issuer: identities.issuer.clone(),
            audiences: identities.audiences.clone(),
            max_expiration_seconds: seconds(accounts.max_token_expiration),
            extend_expiration: accounts.extend_token_expiration,
        },
    });
    let connector = Connector {
        locator: Locator {
            typed: typed.clone(),
            preferred_address_types: options.kubelet.kubelet_preferred_address_types.clone(),
        },
        dialer: dialer(options, &base.loops)?,
        authorizer: authorizer.clone(),
        admission: admission.clone(),
    };
    let shared = Shared {
        admission,
        authorizer: authorizer.clone(),
        shutdown: base.shutdown.clone(),
        min_request_timeout: Duration::from_secs(u64::from(options.generic.min_request_timeout)),
        watch_metrics: WatchMetrics::new(&base.metrics),
        server_side: Arc::new(OwnMeans { connector, virtual_resources }),
    };
    Ok(Arc::new(Api::new(resources.clone(), shared)))
}

fn chain(
    base: &Base,
    state: &State,
    api: Arc<Api>,
    discovery: Arc<Discovery>,
    public: String,
) -> anyhow::Result<Arc<Chain>> {
    let (options, identities) = (&base.options, &state.identities);
    let router = Router {
        api,
        openapi: Arc::new(OpenApi::new(discovery.clone())),
        discovery,
        openid: openid(options, identities, &public)?,
        health: base.health.clone(),
        metrics: base.metrics.clone(),
    };
    let flow_control = flow_control(&options.generic, &base.request_metrics, &base.metrics);
    if let FlowControl::Fair(dispatcher) = &flow_control
        && flow_control_objects::serves_configuration(&state.typed)
    {
        flow_control_objects::feed(&state.typed, dispatcher.clone(), &base.loops);
    }
    Ok(Arc::new(Chain {
        authentication: Authentication {
            authenticator: identities.authenticator.clone(),
            front_proxy: identities.front_proxy.clone(),
            audiences: identities.audiences.clone(),
        },
        authorizer: state.authorizer.clone(),
        flow_control,
        audit: audit(options, &base.metrics)?,
        metrics: base.request_metrics.clone(),
        request_timeout: options.generic.request_timeout,
        hsts: serving::hsts(&options.serving)?,
        endpoint: Arc::new(router),
    }))
}

/// Serves until the shutdown, lets others know, and ends the loops behind the last request.
async fn serve_until_shutdown(
    base: Base,
    listener: TcpListener,
    tls: Arc<rustls::ServerConfig>,
    chain: Arc<Chain>,
    published: hooks::Published,
) {
    let limits = match base.options.serving.http2_max_streams_per_connection {
        0 => Http2Limits::default(),
        streams => Http2Limits { max_streams_per_connection: streams },
    };
    let closing = Shutdown::new();
    let serving = serve::serve(listener, tls, chain, limits, closing.clone(), GRACE);
    let ending = async {
        base.shutdown.wait().await;
        tracing::info!("shutting down");
        // Others learn first that they should go elsewhere.
        published.withdraw().await;
        tokio::time::sleep(base.options.generic.shutdown_delay_duration).await;
        closing.trigger();
    };
    tokio::join!(serving, ending);
    base.loops.trigger();
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
    let trust = match &kubelet.kubelet_certificate_authority {
        Some(file) => {
            let authorities =
                ServerAuthorities::from_file(file).context("--kubelet-certificate-authority")?;
            authorities.keep_fresh(loops);
            KubeletTrust::Authorities(authorities)
        }
        None if kubelet.kubelet_insecure_tls => KubeletTrust::Any,
        None => {
            tracing::warn!(
                "without --kubelet-certificate-authority kubelets cannot be verified: logs, exec, attach, port-forward and node proxies will be refused"
            );
            KubeletTrust::Nothing
        }
    };
    Ok(Dialer::new(identity, trust, kubelet.kubelet_timeout)?)
}

/// What the server shows to webhooks that ask for a certificate.
fn webhook_identity(options: &Options, loops: &Shutdown) -> anyhow::Result<Option<Identity>> {
    let kubelet = &options.kubelet;
    let (Some(certificate), Some(key)) = (&kubelet.proxy_client_cert_file, &kubelet.proxy_client_key_file)
    else {
        return Ok(None);
    };
    let identity = identity_from_files(certificate, key).context("--proxy-client-cert-file")?;
    identity.keep_fresh(loops);
    Ok(Some(identity))
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

fn openid(options: &Options, identities: &Identities, public: &str) -> anyhow::Result<Option<OpenId>> {
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
