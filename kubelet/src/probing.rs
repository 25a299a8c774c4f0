//! Asks containers their probes: one task per probe, verdicts on one board per pod.

use std::sync::Arc;
use std::time::Instant;

use api_types::core::v1::{Container, Pod, Probe};
use kubelet_core::actions::{Verdict, Verdicts};
use kubelet_core::pod::{self, ContainerKind};
use kubelet_core::ports::{ContainerStatus, ProbeAnswer, RuntimeErrorCode};
use kubelet_core::probes::{self, Next, ProbeKind, ProbeState, Question};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::context::Context;
use crate::events::Kind;
use crate::observing::PodCache;

/// Longest text of an answer shown to users, in bytes.
const MAX_TEXT: usize = 10 * 1024;

/// The values of the metric's label `result`.
const RESULTS: [&str; 3] = ["successful", "failed", "unknown"];

/// The probes of one pod. Dropping it stops them.
pub struct Probes {
    board: Arc<Board>,
    fatal: JoinSet<()>,
    readiness: JoinSet<()>,
}

/// Where verdicts are posted.
struct Board {
    verdicts: Mutex<Verdicts>,
    /// Wakes the pod's worker.
    wake: Arc<Notify>,
    /// Counts changes, so that probes that wait for another (startup) look again.
    changes: watch::Sender<u64>,
}

/// One probe of one container.
struct Task {
    context: Arc<Context>,
    cache: Arc<PodCache>,
    board: Arc<Board>,
    pod: Arc<Pod>,
    container: Container,
    place: ContainerKind,
    kind: ProbeKind,
    state: ProbeState,
    /// Told when the runtime shows something new.
    seen: watch::Receiver<u64>,
}

impl Probes {
    /// Starts every probe of a pod. What the last status says of a container that still runs is taken over.
    pub fn start(
        context: &Arc<Context>,
        cache: &Arc<PodCache>,
        pod: &Arc<Pod>,
        wake: &Arc<Notify>,
        seen: &watch::Receiver<u64>,
    ) -> Probes {
        let board = Arc::new(Board {
            verdicts: Mutex::default(),
            wake: wake.clone(),
            changes: watch::Sender::new(0),
        });
        let mut probes = Probes { board: board.clone(), fatal: JoinSet::new(), readiness: JoinSet::new() };
        for (place, _, container) in pod::containers(pod) {
            let sidecar = place == ContainerKind::Init && pod::is_sidecar(&container);
            if place != ContainerKind::Regular && !sidecar {
                continue;
            }
            for kind in ProbeKind::ALL {
                if kind.of(&container).is_none() {
                    continue;
                }
                let mut state = ProbeState::new(kind);
                if let Some((id, verdict)) = reported(pod, &container.name, kind) {
                    state.resume(&id, verdict);
                    board.post(kind, &id, Some(verdict));
                }
                let task = Task {
                    context: context.clone(),
                    cache: cache.clone(),
                    board: board.clone(),
                    pod: pod.clone(),
                    container: container.as_ref().clone(),
                    place,
                    kind,
                    state,
                    seen: seen.clone(),
                };
                let set =
                    if kind == ProbeKind::Readiness { &mut probes.readiness } else { &mut probes.fatal };
                set.spawn(task.run());
            }
        }
        probes
    }

    /// The verdicts now.
    pub fn verdicts(&self) -> Verdicts {
        self.board.verdicts.lock().clone()
    }

    /// Stops the probes that could get a container killed; a pod that is being stopped needs them no more.
    pub fn stop_fatal(&mut self) {
        self.fatal.abort_all();
    }
}

impl Board {
    fn post(&self, kind: ProbeKind, container_id: &str, verdict: Option<Verdict>) {
        let mut verdicts = self.verdicts.lock();
        let map = match kind {
            ProbeKind::Liveness => &mut verdicts.liveness,
            ProbeKind::Readiness => &mut verdicts.readiness,
            ProbeKind::Startup => &mut verdicts.startup,
        };
        let before = match verdict {
            Some(verdict) => map.insert(container_id.to_owned(), verdict),
            None => map.remove(container_id),
        };
        drop(verdicts);
        if before != verdict {
            self.changes.send_modify(|count| *count += 1);
            self.wake.notify_one();
        }
    }

    fn forget(&self, kind: ProbeKind, container_id: &str) {
        let mut verdicts = self.verdicts.lock();
        match kind {
            ProbeKind::Liveness => verdicts.liveness.remove(container_id),
            ProbeKind::Readiness => verdicts.readiness.remove(container_id),
            ProbeKind::Startup => verdicts.startup.remove(container_id),
        };
    }
}

/// What was last reported of a container that may still run: a restarted kubelet does not begin with "not ready".
fn reported(pod: &Pod, name: &str, kind: ProbeKind) -> Option<(String, Verdict)> {
    let status = pod::find_status(&pod.status, name)?;
    let (_, id) = status.container_id.split_once("://")?;
    status.state.running.as_ref()?;
    let holds = match kind {
        ProbeKind::Liveness => return None,
        ProbeKind::Readiness => status.ready,
        ProbeKind::Startup => status.started == Some(true),
    };
    holds.then(|| (id.to_owned(), Verdict::Success))
}

impl Drop for Task {
    /// The series of a pod go with it.
    fn drop(&mut self) {
        for result in RESULTS {
            // One that never occurred is not there to be removed.
            let _ = self.context.metrics.probes.remove_label_values(&self.labels(result));
        }
        let meta = &self.pod.metadata;
        let labels = [self.kind.name(), &self.container.name, &meta.name, &meta.namespace];
        let _ = self.context.metrics.probe_seconds.remove_label_values(&labels);
    }
}

impl Task {
    fn labels<'a>(&'a self, result: &'a str) -> [&'a str; 6] {
        let meta = &self.pod.metadata;
        [self.kind.name(), result, &self.container.name, &meta.name, &meta.namespace, &meta.uid]
    }

    async fn run(mut self) {
        let Some(probe) = self.kind.of(&self.container).cloned() else { return };
        let mut changes = self.board.changes.subscribe();
        loop {
            self.seen.borrow_and_update();
            changes.borrow_and_update();
            let observed = self.cache.get(&self.pod.metadata.uid);
            let container = observed.container(&self.container.name).cloned();
            let before = self.state.verdict().0.to_owned();
            let started = self.is_started(container.as_ref());
            let next = self.state.next(&probe, container.as_ref(), started, self.context.now());
            let (id, verdict) = self.state.verdict();
            if id != before && !before.is_empty() {
                self.board.forget(self.kind, &before);
            }
            if !id.is_empty() {
                // Before a startup probe has answered, it has no verdict at all.
                self.board.post(self.kind, id, verdict);
            }
            match (next, container) {
                // A pod whose sandbox is being replaced has no address to ask at.
                (Next::Ask, Some(container)) if observed.ready_sandbox().is_some() => {
                    let pod_ip = self.pod_ip(&observed.ips());
                    self.ask(&probe, &container, &pod_ip).await;
                }
                (Next::Wait(until), _) => {
                    // Cancel-safe: all arms only wait.
                    tokio::select! {
                        () = self.context.clock.sleep_until(until) => {}
                        changed = self.seen.changed() => if changed.is_err() { return },
                        _ = changes.changed() => {}
                    }
                }
                (Next::Ask | Next::Idle, _) => {
                    tokio::select! {
                        changed = self.seen.changed() => if changed.is_err() { return },
                        _ = changes.changed() => {}
                    }
                }
            }
        }
    }

    /// Whether the startup probe of the container passed, or there is none.
    fn is_started(&self, container: Option<&ContainerStatus>) -> bool {
        let Some(container) = container else { return false };
        self.container.startup_probe.is_none()
            || self.board.verdicts.lock().startup.get(&container.id) == Some(&Verdict::Success)
    }

    fn pod_ip(&self, ips: &[String]) -> String {
        match ips.first() {
            Some(ip) => ip.clone(),
            None if self.pod.spec.host_network => {
                self.context.host_ips.load().first().cloned().unwrap_or_else(|| "127.0.0.1".to_owned())
            }
            None => String::new(),
        }
    }

    async fn ask(&mut self, probe: &Probe, container: &ContainerStatus, pod_ip: &str) {
        let begun = Instant::now();
        let answer = self.answer(probe, container, pod_ip).await;
        let meta = &self.pod.metadata;
        let labels = [self.kind.name(), &self.container.name, &meta.name, &meta.namespace];
        self.context.metrics.probe_seconds.with_label_values(&labels).observe(begun.elapsed().as_secs_f64());
        if let Some((reason, message)) = probes::event(self.kind, &answer) {
            let place = (self.place, self.container.name.as_str());
            self.context.recorder.container(&self.pod, place, Kind::Warning, reason, message);
        }
        let [successful, failed, unknown] = RESULTS;
        let result = match answer {
            ProbeAnswer::Success(_) | ProbeAnswer::Warning(_) => successful,
            ProbeAnswer::Failure(_) => failed,
            ProbeAnswer::Unknown(_) => unknown,
        };
        self.context.metrics.probes.with_label_values(&self.labels(result)).inc();
        self.state.answered(probe, &answer, self.context.now());
        let (id, verdict) = self.state.verdict();
        self.board.post(self.kind, id, verdict);
    }

    async fn answer(&self, probe: &Probe, container: &ContainerStatus, pod_ip: &str) -> ProbeAnswer {
        let timeout = probes::timeout(probe);
        let prober = &self.context.ports.prober;
        let question = match probes::question(&self.pod, &self.container, probe, pod_ip) {
            Ok(question) => question,
            Err(error) => return ProbeAnswer::Unknown(error.to_string()),
        };
        match question {
            Question::Exec(command) => {
                match self.context.ports.runtime.exec(&container.id, &command, timeout).await {
                    Ok(output) => {
                        let mut text = [output.stdout, output.stderr].concat();
                        text.truncate(MAX_TEXT);
                        let text = String::from_utf8_lossy(&text).into_owned();
                        if output.exit_code == 0 {
                            ProbeAnswer::Success(text)
                        } else {
                            ProbeAnswer::Failure(text)
                        }
                    }
                    Err(error) if error.code == RuntimeErrorCode::DeadlineExceeded => {
                        ProbeAnswer::Failure(format!(
                            "command timed out: {:?} timed out after {}",
                            command.join(" "),
                            kubelet_core::images::go_duration(timeout)
                        ))
                    }
                    Err(error) => ProbeAnswer::Unknown(error.to_string()),
                }
            }
            Question::Http(question) => prober.http_get(&question, timeout).await,
            Question::Tcp(question) => prober.tcp_connect(&question, timeout).await,
            Question::Grpc(question) => prober.grpc_check(&question, timeout).await,
        }
    }
}
