//! Puts the program together: client, health, server, leader election, controllers.

use std::sync::Arc;

use anyhow::Context as _;
use client::{Client, Config};
use component_base::Shutdown;
use component_base::health::{Endpoint, Health};
use component_base::metrics::Metrics;
use component_base::server::SideServer;
use runtime::client_metrics::ClientMetrics;
use runtime::events::Recorder;
use runtime::leader::Elector;
use runtime::serving::hostname;

use crate::clients::Clients;
use crate::context::Context;
use crate::controllers::{self, Selection};
use crate::options::Options;

const PROGRAM: &str = "kube-controller-manager";
/// Upstream's port.
const SECURE_PORT: u16 = 10257;

/// Runs until `shutdown`, or until leadership is lost.
pub async fn run(options: Options, shutdown: Shutdown) -> anyhow::Result<()> {
    options.validate()?;
    let selection = Selection::parse(&options.controllers)?;
    let metrics = Metrics::for_component();
    let health = Health::new();
    health.add_shutdown(&shutdown);
    let root = Client::new(client_config(&options)?).context("failed to make a client of the API server")?;
    let observer = ClientMetrics::register(&metrics);
    root.observe(observer.clone());
    let recorder = Recorder::start(root.clone(), PROGRAM, "", &shutdown);
    let elector = if options.leader_election.leader_elect {
        let elector = Elector::new(
            PROGRAM,
            &hostname(),
            root.clone(),
            options.leader_election.clone(),
            recorder,
            &metrics,
        )?;
        health.add_leader_election(&elector.watchdog());
        Some(elector)
    } else {
        None
    };
    let gate = options.delegation.gate(&root, &shutdown).await?;
    let server = SideServer::new(health.clone(), metrics.clone())
        .with_gate(gate)
        .with_always_allowed(options.delegation.authorization_always_allow_paths.clone());
    options.serving.start(PROGRAM, SECURE_PORT, server, &shutdown).await?;

    let options = Arc::new(options);
    let clients = Clients::new(root, options.use_service_account_credentials, observer)?;
    let lead = |leading: Shutdown| async move {
        let context = Context::new(options, clients, metrics, leading);
        if let Err(error) = control(&context, &selection, &health).await {
            tracing::error!(
                error = component_base::run::error_chain(error.as_ref()),
                "controllers not started"
            );
            return Err(error);
        }
        Ok(())
    };
    match elector {
        None => lead(shutdown).await,
        Some(elector) => {
            let (failure, failed) = tokio::sync::oneshot::channel();
            let work = |leading: Shutdown| async move {
                if let Err(error) = lead(leading).await {
                    // The receiver waits below until the elector has ended.
                    let _ = failure.send(error);
                }
            };
            elector.run(shutdown, work).await?;
            // A sender dropped without an error: everything ended in order.
            failed.await.map_or(Ok(()), Err)
        }
    }
}

fn client_config(options: &Options) -> anyhow::Result<Config> {
    let mut config = match &options.kubeconfig {
        Some(path) => Config::from_kubeconfig_file(path)?,
        None => Config::in_cluster().context("--kubeconfig is not given")?,
    };
    config.user_agent = component_base::version::user_agent(PROGRAM);
    if options.kube_api_qps > 0.0 {
        config.rate_limit = Some((options.kube_api_qps, options.kube_api_burst));
    }
    Ok(config)
}

/// Starts the selected controllers, fills their caches and works until leadership ends.
async fn control(context: &Context, selection: &Selection, health: &Health) -> anyhow::Result<()> {
    let mut running = Vec::new();
    for entry in controllers::all().iter().filter(|entry| selection.is_enabled(entry)) {
        let started =
            (entry.start)(context, entry).with_context(|| format!("failed to start {}", entry.name))?;
        match started {
            Some(task) => {
                tracing::info!(controller = entry.name, "starting");
                running.push((entry.name, task));
            }
            None => tracing::info!(controller = entry.name, "skipping, its configuration is missing"),
        }
    }
    context.informers.start(&context.shutdown);
    let informers = context.informers.clone();
    health.add("informer-sync", &[Endpoint::Readyz], move || match informers.not_synced() {
        waiting if waiting.is_empty() => Ok(()),
        waiting => Err(format!("{} informers not started yet: {waiting:?}", waiting.len())),
    });
    if context.shutdown.run_until(context.informers.synced()).await.is_none() {
        return Ok(());
    }
    let tasks: Vec<_> = running.into_iter().map(|(name, task)| (name, tokio::spawn(task))).collect();
    for (name, task) in tasks {
        if let Err(error) = task.await {
            tracing::error!(controller = name, %error, "controller died");
        }
    }
    Ok(())
}
