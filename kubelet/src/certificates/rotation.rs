//! Renews a certificate before it expires, at a random time in the last part of its life so that nodes do not all ask at
//! once.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use client::Client;
use component_base::Shutdown;
use component_base::tls::{CertificateFacts, ExtendedUsage, Profile};
use jiff::Timestamp;
use kubelet_core::backoff::elapsed;

use super::bootstrap::{SIGNER, client_profile};
use super::request;
use super::store::CertificateStore;
use crate::context::Context;
use client::outage::Outage;

/// The signer of kubelets' serving certificates.
const SERVING_SIGNER: &str = "kubernetes.io/kubelet-serving";
/// First and longest wait after a failure.
const FIRST_RETRY: Duration = Duration::from_secs(2);
const LONGEST_RETRY: Duration = Duration::from_secs(300);
/// How often the certificate is compared with what is wanted.
const LOOK: Duration = Duration::from_secs(60);

/// Which certificate is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Client,
    Serving,
}

impl Wanted {
    /// What the log calls its renewal.
    fn renewal(self) -> &'static str {
        match self {
            Wanted::Client => "renew the client certificate",
            Wanted::Serving => "renew the serving certificate",
        }
    }
}

/// Keeps one certificate good.
pub struct Rotation {
    pub wanted: Wanted,
    pub client: Client,
    pub store: CertificateStore,
    pub context: Arc<Context>,
}

impl Rotation {
    /// Renews until shutdown.
    pub async fn run(self, shutdown: Shutdown) {
        // Between 70 and 90 percent of the life, upstream's range.
        let part = 0.7 + 0.2 * rand::random::<f64>();
        let mut outage = Outage::new(self.wanted.renewal(), FIRST_RETRY, LONGEST_RETRY);
        loop {
            let profile = self.profile();
            let current = self.store.current();
            self.measure(current.as_ref());
            let good = current
                .as_ref()
                .is_some_and(|facts| Timestamp::now() < renewal_time(facts, part) && covers(facts, &profile));
            let pause = if good {
                LOOK
            } else if self.wanted == Wanted::Serving && profile.ip_addresses.is_empty() {
                // Nobody could verify a certificate without the address the node is called at.
                FIRST_RETRY
            } else {
                match self.renew(&profile, &shutdown).await {
                    Ok(()) => {
                        outage.over();
                        self.measure(self.store.current().as_ref());
                        LOOK
                    }
                    Err(_) if shutdown.is_triggered() => return,
                    Err(error) => {
                        self.context.metrics.certificates(self.wanted).failures.inc();
                        outage.failed(&error)
                    }
                }
            };
            if !shutdown.sleep(pause).await {
                return;
            }
        }
    }

    async fn renew(&self, profile: &Profile, shutdown: &Shutdown) -> Result<(), String> {
        let (signer, usage) = match self.wanted {
            Wanted::Client => (SIGNER, "client auth"),
            Wanted::Serving => (SERVING_SIGNER, "server auth"),
        };
        let issued = request::request(&self.client, signer, usage, profile, shutdown)
            .await
            .map_err(|error| component_base::run::error_chain(&error))?;
        self.store
            .update(&issued.certificate, &issued.key, Timestamp::now())
            .map_err(|error| component_base::run::error_chain(&error))?;
        tracing::info!(wanted = ?self.wanted, "certificate renewed");
        Ok(())
    }

    /// Shows how long the certificate still lives.
    fn measure(&self, current: Option<&CertificateFacts>) {
        let seconds = current.map_or(f64::INFINITY, |facts| {
            facts.not_after.duration_since(Timestamp::now()).as_secs_f64().trunc()
        });
        self.context.metrics.certificates(self.wanted).seconds_left.set(seconds);
    }

    fn profile(&self) -> Profile {
        let node = &self.context.node_name;
        match self.wanted {
            Wanted::Client => client_profile(node),
            Wanted::Serving => {
                let now = Timestamp::now();
                let ips: Vec<IpAddr> =
                    self.context.host_ips.load().iter().filter_map(|ip| ip.parse().ok()).collect();
                Profile::leaf(&format!("system:node:{node}"), &[ExtendedUsage::ServerAuth], now, now)
                    .with_organizations(["system:nodes"])
                    .with_dns_names([node.clone()])
                    .with_ip_addresses(ips)
            }
        }
    }
}

/// When a certificate is renewed.
fn renewal_time(facts: &CertificateFacts, part: f64) -> Timestamp {
    let life = elapsed(facts.not_before, facts.not_after);
    kubelet_core::backoff::later(facts.not_before, life.mul_f64(part))
}

/// Whether a certificate names every address that is wanted now.
fn covers(facts: &CertificateFacts, profile: &Profile) -> bool {
    profile.ip_addresses.iter().all(|ip| facts.ip_addresses.contains(ip))
        && profile.dns_names.iter().all(|name| facts.dns_names.contains(name))
}
