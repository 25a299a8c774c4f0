//! Puts the agent together and runs it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use api_types::core::v1::Node;
use client::{Client, Config};
use component_base::Shutdown;
use component_base::run::error_chain;
use runtime::{Informer, Store};
use tokio::sync::Notify;

use crate::options::Options;
use crate::plan::Plan;
use crate::{apply, plan};

/// After a failure the plan is tried again; also as a safety net against hands that change routes.
const AGAIN: Duration = Duration::from_secs(30);

/// Runs the agent until `shutdown`. Routes, rules and configuration stay: pods go on without the agent.
pub async fn run(options: Options, shutdown: Shutdown) -> Result<()> {
    let config = if options.kubeconfig.is_empty() {
        Config::in_cluster().context("no kubeconfig is named, and this is not a pod")?
    } else {
        Config::from_kubeconfig_file(&options.kubeconfig)?
    };
    let client = Client::new(config.with_user_agent(component_base::version::user_agent("node-network")))?;
    apply::prepare_kernel()?;
    let (connection, handle, _) = rtnetlink::new_connection().context("failed to open netlink")?;
    tokio::spawn(connection);
    let changed = Arc::new(Notify::new());
    let informer = Informer::<Node>::new(client.all());
    let nodes = informer.store();
    let wake = changed.clone();
    nodes.subscribe(move |_| wake.notify_one());
    informer.start(&shutdown);
    if shutdown.run_until(nodes.synced()).await.is_none() {
        return Ok(());
    }
    let mut done: Option<Plan> = None;
    loop {
        match step(&handle, &nodes, &options, done.as_ref()).await {
            Ok(plan) => done = Some(plan),
            Err(error) => {
                done = None;
                tracing::error!(error = error_chain(error.as_ref()), "the network is not as it should be");
            }
        }
        // All branches are safe to drop: a notification that was not taken stays.
        tokio::select! {
            () = changed.notified() => {}
            () = tokio::time::sleep(AGAIN) => done = None,
            () = shutdown.wait() => return Ok(()),
        }
    }
}

async fn step(
    handle: &rtnetlink::Handle,
    nodes: &Store<Node>,
    options: &Options,
    done: Option<&Plan>,
) -> Result<Plan> {
    let local = apply::local_ranges(handle).await?;
    let mtu = if options.mtu == 0 { apply::default_mtu(handle).await? } else { options.mtu };
    let all = nodes.list();
    let all: Vec<&Node> = all.iter().map(|node| &**node).collect();
    let plan = plan::plan(&all, &options.node_name, &options.cluster_cidr, &local, mtu);
    if done != Some(&plan) {
        apply::apply(handle, &plan, &options.cni_config_dir).await?;
    }
    Ok(plan)
}
