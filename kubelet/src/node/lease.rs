//! Renews this node's Lease: the sign of life the control plane waits for.

use std::sync::Arc;
use std::time::Duration;

use api_types::coordination::v1::{Lease, LeaseSpec};
use api_types::core::v1::Node;
use client::Client;
use component_base::Shutdown;
use jiff::Timestamp;
use machinery::meta::v1::OwnerReference;
use machinery::{MicroTime, Resource};

use crate::context::Context;
use client::outage::Outage;

/// Where node leases live.
const NAMESPACE: &str = "kube-node-lease";
/// Tries of one renewal before it is put off to the next period.
const ATTEMPTS: usize = 5;
/// First and longest wait while the lease cannot be created.
const FIRST_RETRY: Duration = Duration::from_millis(200);
const LONGEST_RETRY: Duration = Duration::from_secs(7);

/// Renews the lease every quarter of its duration until shutdown.
pub async fn renew(client: Client, context: Arc<Context>, shutdown: Shutdown) {
    let seconds = context.config.node_lease_duration_seconds;
    let period = Duration::from_secs(u64::try_from(seconds).unwrap_or(40)) / 4;
    let mut current: Option<Lease> = None;
    let mut outage = Outage::new("renew the node's lease", FIRST_RETRY, LONGEST_RETRY);
    loop {
        match round(&client, &context, seconds, current.take()).await {
            Ok(lease) => {
                current = Some(lease);
                outage.over();
                if !shutdown.sleep(period).await {
                    return;
                }
            }
            Err(error) => {
                let wait = outage.failed(&component_base::run::error_chain(&error));
                if !shutdown.sleep(wait).await {
                    return;
                }
            }
        }
    }
}

/// One renewal: of the lease as last seen, else of the lease the API has, else of a new one.
async fn round(
    client: &Client,
    context: &Context,
    seconds: i32,
    current: Option<Lease>,
) -> Result<Lease, client::Error> {
    let leases = client.namespaced::<Lease>(NAMESPACE);
    let mut base = current;
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let known = match base.take() {
            Some(lease) => Some(lease),
            None => match leases.get(&context.node_name).await {
                Ok(lease) => Some(lease),
                Err(error) if error.is_not_found() => None,
                Err(error) => return Err(error),
            },
        };
        let outcome = match known {
            Some(lease) => leases.replace(&renewed(context, seconds, lease)).await,
            None => leases.create(&renewed(context, seconds, Lease::default())).await,
        };
        match outcome {
            Ok(lease) => return Ok(lease),
            // Somebody was faster, or it was deleted: look again.
            Err(error) if error.is_conflict() || error.is_not_found() || error.is_already_exists() => {
                last = Some(error);
            }
            Err(error) => return Err(error),
        }
    }
    Err(last.unwrap_or_else(|| client::Error::Request("lease renewal was not attempted".to_owned())))
}

fn renewed(context: &Context, seconds: i32, mut lease: Lease) -> Lease {
    lease.metadata.name.clone_from(&context.node_name);
    lease.metadata.namespace = NAMESPACE.to_owned();
    let node = context.node.load();
    if lease.metadata.owner_references.is_empty() && !node.metadata.uid.is_empty() {
        // The lease goes with its node.
        lease.metadata.owner_references.push(OwnerReference {
            api_version: "v1".to_owned(),
            kind: Node::KIND.to_owned(),
            name: node.metadata.name.clone(),
            uid: node.metadata.uid.clone(),
            ..OwnerReference::default()
        });
    }
    lease.spec = LeaseSpec {
        holder_identity: Some(context.node_name.clone()),
        lease_duration_seconds: Some(seconds),
        renew_time: Some(MicroTime::from(Timestamp::now())),
        ..lease.spec
    };
    lease
}
