//! `/healthz`, `/livez` and `/readyz` with named checks, in upstream's words.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, RwLock};

type Check = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// The three questions that can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `/healthz`: everything, kept for old probes.
    Healthz,
    /// `/livez`: should the process be restarted?
    Livez,
    /// `/readyz`: should it get requests?
    Readyz,
}

impl Endpoint {
    /// Every endpoint, in upstream's order.
    pub const ALL: [Endpoint; 3] = [Endpoint::Healthz, Endpoint::Livez, Endpoint::Readyz];

    /// `healthz`, `livez` or `readyz`.
    pub fn name(self) -> &'static str {
        match self {
            Endpoint::Healthz => "healthz",
            Endpoint::Livez => "livez",
            Endpoint::Readyz => "readyz",
        }
    }
}

struct Named {
    name: String,
    group: Option<String>,
    endpoints: Vec<Endpoint>,
    check: Check,
}

/// An answer: status, and a body in `text/plain`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status code: 200, 404 or 500.
    pub status: u16,
    /// Body.
    pub body: String,
}

/// The checks of one component; clones share them. `ping` is always there.
#[derive(Clone)]
pub struct Health {
    checks: Arc<RwLock<Vec<Named>>>,
}

impl std::fmt::Debug for Health {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.checks.read().iter().map(|check| check.name.clone()).collect();
        formatter.debug_struct("Health").field("checks", &names).finish()
    }
}

impl Default for Health {
    fn default() -> Self {
        Health::new()
    }
}

impl Health {
    /// With `ping` alone.
    pub fn new() -> Health {
        let health = Health { checks: Arc::default() };
        health.add("ping", &Endpoint::ALL, || Ok(()));
        health
    }

    /// Adds a check. It must not block: it reports what some task already knows.
    pub fn add(
        &self,
        name: &str,
        endpoints: &[Endpoint],
        check: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) {
        self.add_grouped(name, None, endpoints, check);
    }

    /// Adds a check that `?exclude=<group>` leaves out together with others of its group.
    pub fn add_grouped(
        &self,
        name: &str,
        group: Option<&str>,
        endpoints: &[Endpoint],
        check: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) {
        self.checks.write().push(Named {
            name: name.to_owned(),
            group: group.map(str::to_owned),
            endpoints: endpoints.to_vec(),
            check: Arc::new(check),
        });
    }

    /// Adds a check that fails with `waiting` until the returned flag is set.
    pub fn add_flag(&self, name: &str, endpoints: &[Endpoint], waiting: &'static str) -> Arc<AtomicBool> {
        let flag = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&flag);
        self.add(name, endpoints, move || {
            if seen.load(Ordering::Acquire) { Ok(()) } else { Err(waiting.to_owned()) }
        });
        flag
    }

    /// Adds the `shutdown` check, which fails `/readyz` once `shutdown` is triggered.
    pub fn add_shutdown(&self, shutdown: &crate::Shutdown) {
        let shutdown = shutdown.clone();
        self.add("shutdown", &[Endpoint::Readyz], move || {
            if shutdown.is_triggered() { Err("process is shutting down".to_owned()) } else { Ok(()) }
        });
    }

    /// Adds upstream's leader-election adaptor; see [`LeaseWatchdog`].
    pub fn add_leader_election(&self, watchdog: &LeaseWatchdog) {
        let watchdog = watchdog.clone();
        self.add("leaderElection", &[Endpoint::Healthz, Endpoint::Livez], move || {
            watchdog.check(std::time::Instant::now())
        });
    }

    /// Answers a request for `path` with a raw `query`; `None` when the path is not about health.
    pub fn answer(&self, path: &str, query: Option<&str>) -> Option<Answer> {
        let mut parts = path.strip_prefix('/')?.splitn(2, '/');
        let name = parts.next()?;
        let endpoint = Endpoint::ALL.into_iter().find(|endpoint| endpoint.name() == name)?;
        Some(match parts.next() {
            None | Some("") => self.all(endpoint, query.unwrap_or_default()),
            Some(check) => self.one(endpoint, check),
        })
    }

    fn one(&self, endpoint: Endpoint, name: &str) -> Answer {
        let check = self.selected(endpoint).into_iter().find(|(found, _, _)| found == name);
        match check.map(|(_, _, check)| check()) {
            None => Answer { status: 404, body: "404 page not found\n".to_owned() },
            Some(Ok(())) => Answer { status: 200, body: "ok".to_owned() },
            Some(Err(reason)) => Answer { status: 500, body: format!("internal server error: {reason}\n") },
        }
    }

    fn all(&self, endpoint: Endpoint, query: &str) -> Answer {
        let parameters: Vec<(&str, &str)> =
            query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
        let excluded: BTreeSet<&str> =
            parameters.iter().filter(|(name, _)| *name == "exclude").map(|(_, value)| *value).collect();
        let verbose = parameters.iter().any(|(name, _)| *name == "verbose");
        let mut unknown = excluded.clone();
        let mut body = String::new();
        let mut failed = Vec::new();
        for (name, group, check) in self.selected(endpoint) {
            if excluded.contains(name.as_str()) {
                unknown.remove(name.as_str());
                body.push_str(&format!("[+]{name} excluded: ok\n"));
                continue;
            }
            if let Some(group) = group.as_deref().filter(|group| excluded.contains(group)) {
                unknown.remove(group);
                body.push_str(&format!("[+]{name} excluded with {group}: ok\n"));
                continue;
            }
            match check() {
                Ok(()) => body.push_str(&format!("[+]{name} ok\n")),
                Err(reason) => {
                    body.push_str(&format!("[-]{name} failed: reason withheld\n"));
                    failed.push(format!("{name}: {reason}"));
                }
            }
        }
        if !unknown.is_empty() {
            let names: Vec<String> = unknown.iter().map(|name| format!("{name:?}")).collect();
            body.push_str(&format!(
                "warn: some health checks cannot be excluded: no matches for {}\n",
                names.join(",")
            ));
        }
        let endpoint = endpoint.name();
        if !failed.is_empty() {
            tracing::info!(endpoint, failed = failed.join("; "), "health check failed");
            return Answer { status: 500, body: format!("{body}{endpoint} check failed\n") };
        }
        let body = if verbose { format!("{body}{endpoint} check passed\n") } else { "ok".to_owned() };
        Answer { status: 200, body }
    }

    /// Checks are cloned out of the lock: one may take long or add another.
    fn selected(&self, endpoint: Endpoint) -> Vec<(String, Option<String>, Check)> {
        let checks = self.checks.read();
        checks
            .iter()
            .filter(|named| named.endpoints.contains(&endpoint))
            .map(|named| (named.name.clone(), named.group.clone(), Arc::clone(&named.check)))
            .collect()
    }
}

/// Fails liveness when a leader's lease ran out long ago but the process still believes in it.
#[derive(Clone, Debug, Default)]
pub struct LeaseWatchdog {
    expiry: Arc<Mutex<Option<std::time::Instant>>>,
}

impl LeaseWatchdog {
    /// Seconds a lease may be overdue, upstream's `LeaderHealthzAdaptorTimeout`.
    pub const TOLERANCE: std::time::Duration = std::time::Duration::from_secs(20);

    /// The lease is held until `expiry`; `None` when it is not held.
    pub fn set_expiry(&self, expiry: Option<std::time::Instant>) {
        *self.expiry.lock() = expiry;
    }

    /// The verdict at `now`.
    pub fn check(&self, now: std::time::Instant) -> Result<(), String> {
        match *self.expiry.lock() {
            Some(expiry) if now > expiry + LeaseWatchdog::TOLERANCE => {
                Err("failed election to renew leadership on lease".to_owned())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Health {
        let health = Health::new();
        health.add("etcd", &[Endpoint::Readyz, Endpoint::Healthz], || Err("refused".to_owned()));
        health.add_grouped("poststarthook/rbac", Some("poststarthook"), &Endpoint::ALL, || Ok(()));
        health
    }

    fn check(path: &str, query: &str, status: u16, body: &str) {
        let expected = Answer { status, body: body.to_owned() };
        assert_eq!(sample().answer(path, Some(query)), Some(expected), "{path}?{query}");
    }

    #[test]
    fn answers_are_upstreams() {
        check("/livez", "", 200, "ok");
        check("/livez", "verbose", 200, "[+]ping ok\n[+]poststarthook/rbac ok\nlivez check passed\n");
        check(
            "/readyz",
            "",
            500,
            "[+]ping ok\n[-]etcd failed: reason withheld\n[+]poststarthook/rbac ok\nreadyz check failed\n",
        );
        check("/readyz", "exclude=etcd", 200, "ok");
        check(
            "/readyz",
            "verbose&exclude=etcd&exclude=poststarthook&exclude=x",
            200,
            "[+]ping ok\n[+]etcd excluded: ok\n[+]poststarthook/rbac excluded with poststarthook: ok\nwarn: some health checks cannot be excluded: no matches for \"x\"\nreadyz check passed\n",
        );
        check("/readyz/etcd", "", 500, "internal server error: refused\n");
        check("/livez/poststarthook/rbac", "", 200, "ok");
        check("/livez/etcd", "", 404, "404 page not found\n");
        assert_eq!(sample().answer("/metrics", None), None);
    }

    #[test]
    fn an_overdue_lease_fails() {
        let watchdog = LeaseWatchdog::default();
        let now = std::time::Instant::now();
        assert!(watchdog.check(now).is_ok());
        watchdog.set_expiry(Some(now));
        assert!(watchdog.check(now + LeaseWatchdog::TOLERANCE).is_ok());
        assert!(watchdog.check(now + LeaseWatchdog::TOLERANCE * 2).is_err());
    }
}
