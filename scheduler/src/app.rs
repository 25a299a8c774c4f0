//! Puts the scheduler together and runs it.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use client::{Client, Config};
use component_base::Shutdown;
use component_base::health::{Endpoint, Health};
use component_base::metrics::Metrics;
use component_base::server::SideServer;
use runtime::Informers;
use runtime::events::{Recorder, SeriesRecorder};
use runtime::leader::Elector;
use tokio::sync::mpsc;

use crate::config;
use crate::feed;
use crate::options::Options;
use crate::owner::Owner;
use crate::writes::Writer;

/// Upstream's port for health and metrics.
const SECURE_PORT: u16 = 10259;

/// Runs the scheduler until `shutdown`; with leader election, until it is not the leader any more.
pub async fn run(options: Options, shutdown: Shutdown) -> Result<()> {
    let settings = config::load(&options.config, &options.leader_election)?;
    let kubeconfig = if options.kubeconfig.is_empty() { &settings.kubeconfig } else { &options.kubeconfig };
    let config = if kubeconfig.is_empty() {
        Config::in_cluster().context("no kubeconfig is named, and this is not a pod")?
    } else {
        Config::from_kubeconfig_file(kubeconfig)?
    };
    let client = Client::new(config.with_user_agent(component_base::version::user_agent("kube-scheduler")))?;
    let metrics = Metrics::for_component();
    client.observe(runtime::client_metrics::ClientMetrics::register(&metrics));
    let health = Health::new();
    health.add_shutdown(&shutdown);
    let synced = health.add_flag("informer-sync", &[Endpoint::Readyz], "caches are not filled yet");
    let host = runtime::serving::hostname();
    let elector = if settings.leader_election.leader_elect {
        let recorder = Recorder::start(client.clone(), "default-scheduler", &host, &shutdown);
        let options = settings.leader_election.clone();
        let elector = Elector::new("kube-scheduler", &host, client.clone(), options, recorder, &metrics)?;
        health.add_leader_election(&elector.watchdog());
        Some(elector)
    } else {
        None
    };
    let server = SideServer::new(health, metrics.clone())
        .with_always_allowed(options.delegation.authorization_always_allow_paths.clone())
        .with_gate(options.delegation.gate(&client, &shutdown).await?)
        .with_configz("kubescheduler.config.k8s.io", settings.shown.clone());
    options.serving.start("kube-scheduler", SECURE_PORT, server, &shutdown).await?;

    let (sender, receiver) = mpsc::unbounded_channel();
    let mut recorders = BTreeMap::new();
    for profile in &settings.profiles {
        let name = &profile.scheduler_name;
        recorders.insert(name.clone(), SeriesRecorder::start(client.clone(), name, &host, &shutdown));
    }
    let writer = Writer::new(client.clone(), recorders, sender.clone());
    let owner = Owner::new(settings.profiles, writer, &metrics);
    let leading = shutdown.child();
    // Separate from `shutdown`: triggered when this process may place pods.
    let may_place = Shutdown::new();
    let owned = tokio::spawn(owner.run(receiver, may_place.clone(), leading.clone()));
    let informers = Informers::new(client);
    if !feed::start(&informers, &sender, &shutdown).await {
        return Ok(());
    }
    synced.store(true, std::sync::atomic::Ordering::Release);
    match elector {
        None => {
            may_place.trigger();
            shutdown.wait().await;
        }
        Some(elector) => {
            let result = elector
                .run(shutdown.clone(), |lost| async move {
                    may_place.trigger();
                    lost.wait().await;
                })
                .await;
            leading.trigger();
            owned.await.context("the scheduling task died")?;
            return result.map_err(Into::into);
        }
    }
    owned.await.context("the scheduling task died")
}
