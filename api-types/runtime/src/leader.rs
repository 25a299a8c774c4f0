//! Leader election by a Lease: of several copies of a component one works
//! (`client-go/tools/leaderelection`).

use std::future::Future;
use std::time::Duration;

use api_types::coordination::v1::{Lease, LeaseSpec};
use client::{Client, Error};
use component_base::Shutdown;
use component_base::flags::{parse_bool, parse_duration};
use component_base::health::LeaseWatchdog;
use component_base::metrics::Metrics;
use jiff::Timestamp;
use machinery::MicroTime;
use machinery::meta::v1::ObjectMeta;
use tokio::time::Instant;

use crate::events::Recorder;
use crate::plan::reference_to;

/// Upstream's `--leader-elect*` flags, to be flattened into a component's options.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Leader election flags")]
pub struct LeaderElectionOptions {
    /// Start a leader election client and gain leadership before executing the main loop
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = parse_bool)]
    pub leader_elect: bool,
    /// How long a leader may be silent before others try to take over
    #[arg(long, default_value = "15s", value_parser = parse_duration)]
    pub leader_elect_lease_duration: Duration,
    /// How long the leader tries to renew before it gives up; less than the lease duration
    #[arg(long, default_value = "10s", value_parser = parse_duration)]
    pub leader_elect_renew_deadline: Duration,
    /// Pause between tries
    #[arg(long, default_value = "2s", value_parser = parse_duration)]
    pub leader_elect_retry_period: Duration,
    /// The type of resource object that is used for locking: only "leases" is supported
    #[arg(long, default_value = "leases", value_parser = ["leases"])]
    pub leader_elect_resource_lock: String,
    /// Name of the Lease; the component's own name when empty
    #[arg(long, default_value = "")]
    pub leader_elect_resource_name: String,
    /// Namespace of the Lease
    #[arg(long, default_value = "kube-system")]
    pub leader_elect_resource_namespace: String,
}

impl Default for LeaderElectionOptions {
    fn default() -> Self {
        LeaderElectionOptions {
            leader_elect: true,
            leader_elect_lease_duration: Duration::from_secs(15),
            leader_elect_renew_deadline: Duration::from_secs(10),
            leader_elect_retry_period: Duration::from_secs(2),
            leader_elect_resource_lock: "leases".to_owned(),
            leader_elect_resource_name: String::new(),
            leader_elect_resource_namespace: "kube-system".to_owned(),
        }
    }
}

/// Why leading ended or could not begin.
#[derive(Debug, thiserror::Error)]
pub enum LeaderError {
    /// The timings contradict each other.
    #[error("leader election: {0}")]
    Options(String),
    /// The lease could not be renewed in time; someone else may lead now.
    #[error("leaderelection lost")]
    Lost,
}

/// Stretches the pause between tries to acquire, so that candidates do not march in step.
const JITTER: f64 = 1.2;

/// One candidate.
pub struct Elector {
    client: Client,
    options: LeaderElectionOptions,
    name: String,
    identity: String,
    recorder: Recorder,
    watchdog: LeaseWatchdog,
    leading: prometheus::IntGauge,
    observed: Option<Observed>,
}

impl std::fmt::Debug for Elector {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Elector")
            .field("name", &self.name)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// The lease as last seen, and when it was seen to change by this process' own clock: the clocks of
/// candidates need not agree.
#[derive(Clone, Debug)]
struct Observed {
    lease: Lease,
    at: Instant,
}

impl Elector {
    /// A candidate of a component; its identity is `<host>_<uuid>`.
    pub fn new(
        component: &str,
        hostname: &str,
        client: Client,
        options: LeaderElectionOptions,
        recorder: Recorder,
        metrics: &Metrics,
    ) -> Result<Elector, LeaderError> {
        let LeaderElectionOptions {
            leader_elect_lease_duration: lease,
            leader_elect_renew_deadline: renew,
            leader_elect_retry_period: retry,
            ..
        } = options;
        if lease <= renew {
            return Err(LeaderError::Options(format!(
                "leaseDuration {lease:?} must be greater than renewDeadline {renew:?}"
            )));
        }
        if renew <= retry.mul_f64(JITTER) {
            return Err(LeaderError::Options(format!(
                "renewDeadline {renew:?} must be greater than retryPeriod*JitterFactor {:?}",
                retry.mul_f64(JITTER)
            )));
        }
        if lease < Duration::from_secs(1) || retry.is_zero() {
            return Err(LeaderError::Options(
                "leaseDuration must be at least 1s and retryPeriod greater than zero".to_owned(),
            ));
        }
        let name = match options.leader_elect_resource_name.as_str() {
            "" => component.to_owned(),
            name => name.to_owned(),
        };
        let leading = metrics
            .int_gauge(
                "leader_election_master_status",
                "Gauge of if the reporting system is master of the relevant lease, 0 indicates backup, 1 indicates master. 'name' is the string used to identify the lease. Please make sure to group by name.",
                &["name"],
            )
            .with_label_values(&[&name]);
        leading.set(0);
        let identity = format!("{hostname}_{}", uuid::Uuid::new_v4());
        Ok(Elector {
            client,
            options,
            name,
            identity,
            recorder,
            watchdog: LeaseWatchdog::default(),
            leading,
            observed: None,
        })
    }

    /// For [`component_base::health::Health::add_leader_election`].
    pub fn watchdog(&self) -> LeaseWatchdog {
        self.watchdog.clone()
    }

    /// This candidate's name in the Lease.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Waits to become the leader, then runs `work` with a token that is triggered when leading ends.
    /// Returns when `shutdown` was asked for (the lease is released) or leading was lost; in both cases
    /// `work` has ended or was given the renew deadline to do so.
    pub async fn run<F, Work>(mut self, shutdown: Shutdown, work: F) -> Result<(), LeaderError>
    where
        F: FnOnce(Shutdown) -> Work,
        Work: Future<Output = ()> + Send + 'static,
    {
        tracing::info!(lock = self.lock(), identity = self.identity, "attempting to acquire leader lease");
        // Dropping a try between requests is harmless: the next candidate's wait covers a half-made lease.
        if shutdown.run_until(self.acquire()).await.is_none() {
            return Ok(());
        }
        let leading = shutdown.child();
        let mut working = tokio::spawn(work(leading.clone()));
        let lost = tokio::select! {
            // Renewing is dropped only when its result is of no interest any more.
            () = self.renew() => true,
            () = shutdown.wait() => false,
            ended = &mut working => {
                if let Err(error) = ended {
                    tracing::error!(%error, "leader's work died");
                }
                false
            }
        };
        self.leading.set(0);
        self.watchdog.set_expiry(None);
        leading.trigger();
        if !working.is_finished() {
            let grace = self.options.leader_elect_renew_deadline;
            if tokio::time::timeout(grace, &mut working).await.is_err() {
                working.abort();
            }
        }
        if lost {
            self.record("stopped leading");
            return Err(LeaderError::Lost);
        }
        self.release().await;
        Ok(())
    }

    fn lock(&self) -> String {
        format!("{}/{}", self.options.leader_elect_resource_namespace, self.name)
    }

    async fn acquire(&mut self) {
        loop {
            let deadline = self.options.leader_elect_renew_deadline;
            if let Ok(true) = tokio::time::timeout(deadline, self.try_acquire_or_renew()).await {
                tracing::info!(lock = self.lock(), "successfully acquired lease");
                self.leading.set(1);
                self.record("became leader");
                return;
            }
            let pause = self.options.leader_elect_retry_period.mul_f64(1.0 + JITTER * rand::random::<f64>());
            tokio::time::sleep(pause).await;
        }
    }

    /// Returns when the lease could not be renewed within the deadline.
    async fn renew(&mut self) {
        let (period, deadline) =
            (self.options.leader_elect_retry_period, self.options.leader_elect_renew_deadline);
        loop {
            let renewed = tokio::time::timeout(deadline, async {
                while !self.try_acquire_or_renew().await {
                    tokio::time::sleep(period).await;
                }
            });
            if renewed.await.is_err() {
                tracing::error!(lock = self.lock(), "failed to renew lease within the deadline");
                return;
            }
            tokio::time::sleep(period).await;
        }
    }

    async fn try_acquire_or_renew(&mut self) -> bool {
        let now = Timestamp::now();
        if let Some(observed) = self.observed.clone()
            && self.is_ours(&observed.lease)
            && !self.is_expired(&observed)
        {
            // The lease as last seen is most likely still the newest.
            match self.write(self.renewed(observed.lease, now)).await {
                Ok(()) => return true,
                Err(error) => tracing::debug!(%error, "lease changed meanwhile, reading it again"),
            }
        }
        let api = self.client.namespaced::<Lease>(&self.options.leader_elect_resource_namespace);
        let lease = match api.get(&self.name).await {
            Ok(lease) => lease,
            Err(error) if error.is_not_found() => return self.create(now).await,
            Err(error) => {
                tracing::error!(
                    error = component_base::run::error_chain(&error),
                    lock = self.lock(),
                    "error retrieving lease"
                );
                return false;
            }
        };
        let changed = self.observed.as_ref().is_none_or(|observed| observed.lease.spec != lease.spec);
        match &mut self.observed {
            Some(observed) if !changed => observed.lease = lease,
            _ => self.observed = Some(Observed { lease, at: Instant::now() }),
        }
        let Some(observed) = self.observed.clone() else { return false };
        let ours = self.is_ours(&observed.lease);
        let holder = observed.lease.spec.holder_identity.as_deref().unwrap_or_default();
        if !holder.is_empty() && !ours && !self.is_expired(&observed) {
            tracing::debug!(lock = self.lock(), holder, "lease is held and has not yet expired");
            return false;
        }
        let next = if ours { self.renewed(observed.lease, now) } else { self.taken(observed.lease, now) };
        match self.write(next).await {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(
                    error = component_base::run::error_chain(&error),
                    lock = self.lock(),
                    "failed to update lease"
                );
                false
            }
        }
    }

    fn is_ours(&self, lease: &Lease) -> bool {
        lease.spec.holder_identity.as_deref() == Some(self.identity.as_str())
    }

    fn is_expired(&self, observed: &Observed) -> bool {
        let seconds =
            observed.lease.spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        observed.at.elapsed() > Duration::from_secs(seconds.unwrap_or_default())
    }

    async fn create(&mut self, now: Timestamp) -> bool {
        let metadata = ObjectMeta {
            name: self.name.clone(),
            namespace: self.options.leader_elect_resource_namespace.clone(),
            ..ObjectMeta::default()
        };
        let lease = Lease { metadata, spec: self.spec(now, now, 0) };
        let api = self.client.namespaced::<Lease>(&self.options.leader_elect_resource_namespace);
        match api.create(&lease).await {
            Ok(lease) => {
                self.saw_own(lease);
                true
            }
            Err(error) => {
                tracing::error!(
                    error = component_base::run::error_chain(&error),
                    lock = self.lock(),
                    "error initially creating lease"
                );
                false
            }
        }
    }

    async fn write(&mut self, lease: Lease) -> Result<(), Error> {
        let api = self.client.namespaced::<Lease>(&self.options.leader_elect_resource_namespace);
        let written = api.replace(&lease).await?;
        self.saw_own(written);
        Ok(())
    }

    fn saw_own(&mut self, lease: Lease) {
        let expiry = std::time::Instant::now() + self.options.leader_elect_lease_duration;
        self.watchdog.set_expiry(Some(expiry));
        self.observed = Some(Observed { lease, at: Instant::now() });
    }

    fn spec(&self, acquired: Timestamp, renewed: Timestamp, transitions: i32) -> LeaseSpec {
        let seconds = i32::try_from(self.options.leader_elect_lease_duration.as_secs()).unwrap_or(i32::MAX);
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(seconds),
            acquire_time: Some(MicroTime::from(acquired)),
            renew_time: Some(MicroTime::from(renewed)),
            lease_transitions: Some(transitions),
            ..LeaseSpec::default()
        }
    }

    fn renewed(&self, mut lease: Lease, now: Timestamp) -> Lease {
        let acquired = lease.spec.acquire_time.as_ref().and_then(MicroTime::to_timestamp).unwrap_or(now);
        let transitions = lease.spec.lease_transitions.unwrap_or_default();
        lease.spec = LeaseSpec {
            strategy: lease.spec.strategy.take(),
            preferred_holder: lease.spec.preferred_holder.take(),
            ..self.spec(acquired, now, transitions)
        };
        lease
    }

    fn taken(&self, mut lease: Lease, now: Timestamp) -> Lease {
        let transitions = lease.spec.lease_transitions.unwrap_or_default().saturating_add(1);
        lease.spec = self.spec(now, now, transitions);
        lease
    }

    /// Gives the lease up, so that the next candidate need not wait for its end.
    async fn release(&mut self) {
        let Some(observed) = self.observed.clone().filter(|observed| self.is_ours(&observed.lease)) else {
            return;
        };
        let now = Timestamp::now();
        let mut lease = observed.lease;
        lease.spec = LeaseSpec {
            holder_identity: Some(String::new()),
            lease_duration_seconds: Some(1),
            ..self.spec(now, now, lease.spec.lease_transitions.unwrap_or_default())
        };
        let api = self.client.namespaced::<Lease>(&self.options.leader_elect_resource_namespace);
        let released =
            tokio::time::timeout(self.options.leader_elect_renew_deadline, api.replace(&lease)).await;
        match released {
            Ok(Ok(_)) => tracing::info!(lock = self.lock(), "released lease"),
            Ok(Err(error)) => {
                tracing::warn!(
                    error = component_base::run::error_chain(&error),
                    lock = self.lock(),
                    "failed to release lease"
                );
            }
            Err(_) => tracing::warn!(lock = self.lock(), "failed to release lease in time"),
        }
        self.record("stopped leading");
    }

    fn record(&self, what: &str) {
        if let Some(observed) = &self.observed {
            let message = format!("{} {what}", self.identity);
            self.recorder.event(reference_to(&observed.lease), "Normal", "LeaderElection", &message);
        }
    }
}
