//! One round of a living pod: status, preconditions, plan, actions.

use std::sync::Arc;
use std::time::Duration;

use api_types::core::v1::Pod;
use jiff::Timestamp;
use kubelet_core::actions::{self, Action, Inputs, Plan};
use kubelet_core::backoff::{elapsed, later};
use kubelet_core::images::go_duration;
use kubelet_core::observed::ObservedPod;
use kubelet_core::pod::{self, ContainerKind};
use kubelet_core::pod_lifecycle::Eviction;
use kubelet_core::ports::ContainerState;
use kubelet_core::qos;
use kubelet_core::status::WaitingReason;
use kubelet_core::termination::KillReason;

use super::images::ImageUser;
use super::start::Start;
use super::stop::{self, Kill};
use super::worker::{NETWORK_RETRY, RETRY, Synced, Worker};
use crate::events::Kind;
use crate::volumes::{self, Mounted, MountedVolumes};

/// The key of all volumes of a pod together in their back-off.
const VOLUMES: &str = "volumes";

/// What running a plan came to.
#[derive(Debug, Default)]
struct Progress {
    /// Something was done: look again at once.
    acted: bool,
    /// Something failed: try again then.
    retry_at: Option<Timestamp>,
}

impl Progress {
    fn retry(&mut self, at: Timestamp) {
        self.retry_at = Some(self.retry_at.map_or(at, |earlier| earlier.min(at)));
    }
}

/// What starting containers needs, made once per round.
struct Ready {
    sandbox_id: String,
    pod_ips: Vec<String>,
    volumes: MountedVolumes,
    runtime_handler: String,
}

impl Worker {
    /// One round.
    pub(super) async fn sync(&mut self, pod: &Arc<Pod>) -> Synced {
        let observed = self.cache.get(self.uid());
        let (pod, resize_wait) = self.with_allocated_resources(pod);
        let status = self.publish(&pod, &observed, false);
        if pod::is_terminal_phase(&status.phase) {
            return Synced::Finished;
        }
        let now = self.context.now();
        let mut wake = resize_wait;
        match deadline(&pod, &status, now) {
            Deadline::Passed => {
                let message = "Pod was active on the node longer than the specified deadline";
                self.context.recorder.pod(&pod, Kind::Normal, "DeadlineExceeded", message);
                return Synced::Expired(Eviction {
                    reason: "DeadlineExceeded".to_owned(),
                    message: message.to_owned(),
                    disruption_reason: String::new(),
                });
            }
            Deadline::At(at) => wake = earliest(wake, Some(at)),
            Deadline::None => {}
        }
        if !pod.spec.host_network
            && let Some(reason) = self.context.network_not_ready()
        {
            let message = format!("network is not ready: {reason}");
            self.context.recorder.pod(&pod, Kind::Warning, "NetworkNotReady", message);
            return Synced::Wait(Some(later(now, NETWORK_RETRY)));
        }
        let plan = self.plan(&pod, &observed, now);
        let refresh_at = self.volumes_at.map(|at| later(at, self.context.config.sync_frequency.0));
        let refresh_due = refresh_at.is_none_or(|at| at <= now);
        if plan.actions.iter().all(is_wait) && !refresh_due {
            self.tell_waits(&pod, &plan);
            return Synced::Wait(earliest(earliest(wake, plan.wake_at), refresh_at));
        }
        let volumes = match self.prepare(&pod, &observed).await {
            Ok(volumes) => volumes,
            Err(retry) => return Synced::Wait(Some(later(self.context.now(), retry))),
        };
        self.volumes_at = Some(self.context.now());
        let progress = self.carry_out(&pod, &observed, &plan, volumes).await;
        if progress.acted || progress.retry_at.is_some() {
            // The next round reads a list that shows what was done.
            if self.cache.refresh(self.uid()).await.is_err() {
                return Synced::Wait(Some(later(self.context.now(), RETRY)));
            }
            let observed = self.cache.get(self.uid());
            self.publish(&pod, &observed, false);
        }
        if progress.acted && progress.retry_at.is_none() {
            return Synced::Wait(Some(self.context.now()));
        }
        let refresh_at = Some(later(self.context.now(), self.context.config.sync_frequency.0));
        Synced::Wait(earliest(earliest(wake, plan.wake_at), earliest(progress.retry_at, refresh_at)))
    }

    fn plan(&self, pod: &Pod, observed: &ObservedPod, now: Timestamp) -> Plan {
        let verdicts = self.probes.as_ref().map(crate::probing::Probes::verdicts).unwrap_or_default();
        let inputs =
            Inputs { pod, observed, verdicts: &verdicts, back_off: &self.back_off, actuated: &self.actuated };
        actions::plan(inputs, now)
    }

    /// Cgroup, directories and volumes: what must be there before any container. The error is how long to wait.
    async fn prepare(&mut self, pod: &Pod, observed: &ObservedPod) -> Result<MountedVolumes, Duration> {
        let context = self.context.clone();
        context.objects.register(pod);
        if context.config.cgroups_per_qos {
            let pids = Some(context.config.pod_pids_limit).filter(|limit| *limit > 0);
            let limits = qos::pod_cgroup_limits(pod, &context.policy, pids);
            if let Err(error) = context.ports.cgroups.ensure(&self.cgroup(pod), &limits).await {
                context.recorder.pod(
                    pod,
                    Kind::Warning,
                    "FailedCreatePodContainer",
                    format!("unable to ensure pod container exists: {error}"),
                );
                return Err(RETRY);
            }
        }
        for below in ["volumes", "plugins", "containers"] {
            let directory = context.pod_directory(self.uid()).join(below);
            if let Err(error) = tokio::fs::create_dir_all(&directory).await {
                context.recorder.pod(
                    pod,
                    Kind::Warning,
                    "Failed",
                    format!("error making pod data directories: {}: {error}", directory.display()),
                );
                return Err(RETRY);
            }
        }
        let facts = context.downward_facts(observed.ips(), pod.spec.host_network);
        match volumes::mount_all(&context, pod, &facts).await {
            Ok(volumes) => {
                self.volume_back_off.reset(VOLUMES);
                Ok(volumes)
            }
            Err((volume, error)) => {
                context.recorder.pod(
                    pod,
                    Kind::Warning,
                    "FailedMount",
                    format!("MountVolume.SetUp failed for volume {volume:?} : {error}"),
                );
                // Soon at first: an API server that has just come back refuses for a moment what it grants the next.
                let now = context.now();
                self.volume_back_off.advance(VOLUMES, now, now);
                Err(self.volume_back_off.wait(VOLUMES))
            }
        }
    }

    /// Carries the plan out, in order.
    async fn carry_out(
        &mut self,
        pod: &Pod,
        observed: &ObservedPod,
        plan: &Plan,
        volumes: MountedVolumes,
    ) -> Progress {
        let mut progress = Progress::default();
        let runtime_handler = match self.runtime_handler(pod).await {
            Ok(handler) => handler,
            Err(message) => {
                self.context.recorder.pod(pod, Kind::Warning, "FailedCreatePodSandBox", message);
                progress.retry(later(self.context.now(), RETRY));
                return progress;
            }
        };
        let mut ready = Ready {
            sandbox_id: observed.sandbox().map(|sandbox| sandbox.summary.id.clone()).unwrap_or_default(),
            pod_ips: observed.ips(),
            volumes,
            runtime_handler,
        };
        self.tell_waits(pod, plan);
        for action in &plan.actions {
            let go_on = self.act(pod, observed, action, &mut ready, &mut progress).await;
            if !go_on {
                break;
            }
        }
        progress
    }

    /// Carries one action out; returns whether those after it still make sense.
    async fn act(
        &mut self,
        pod: &Pod,
        observed: &ObservedPod,
        action: &Action,
        ready: &mut Ready,
        progress: &mut Progress,
    ) -> bool {
        let context = self.context.clone();
        let pod_ip = ready.pod_ips.first().cloned().unwrap_or_default();
        let retry_at = later(context.now(), RETRY);
        match action {
            Action::KillPod { recreate } => {
                if *recreate && observed.sandbox().is_some() {
                    context.recorder.pod(
                        pod,
                        Kind::Normal,
                        "SandboxChanged",
                        "Pod sandbox changed, it will be killed and re-created.",
                    );
                }
                if let Err(error) = stop::kill_pod(&context, pod, observed, None).await {
                    tracing::warn!(%error, pod = %pod::full_name(pod), "failed to stop a pod");
                    progress.retry(retry_at);
                    return false;
                }
                progress.acted = true;
                true
            }
            Action::RemoveInitContainers => {
                for status in &observed.containers {
                    let is_init = pod.spec.init_containers.iter().any(|init| init.name == status.name);
                    if is_init && let Err(error) = context.ports.runtime.remove_container(&status.id).await {
                        tracing::warn!(%error, container = %status.name, "failed to remove an init container");
                    }
                }
                true
            }
            Action::KillContainer { id, name, message, reason } => {
                let kill = Kill { id, name, message, reason: *reason, grace: None };
                if let Err(error) = stop::kill_container(&context, pod, &pod_ip, kill).await {
                    tracing::warn!(%error, container = %name, "failed to kill a container");
                    progress.retry(retry_at);
                    return false;
                }
                progress.acted = true;
                true
            }
            Action::ResetContainer { id, name, running } => {
                if *running {
                    let reason = KillReason::RestartAllContainers;
                    let kill = Kill { id, name, message: "killing", reason, grace: Some(0) };
                    if let Err(error) = stop::kill_container(&context, pod, &pod_ip, kill).await {
                        tracing::warn!(%error, container = %name, "failed to kill a container");
                        progress.retry(retry_at);
                        return false;
                    }
                }
                if let Err(error) = context.ports.runtime.remove_container(id).await {
                    tracing::warn!(%error, container = %name, "failed to remove a container");
                    progress.retry(retry_at);
                    return false;
                }
                progress.acted = true;
                true
            }
            Action::CreateSandbox { attempt, .. } => {
                context.metrics.started_pods.with_label_values::<&str>(&[]).inc();
                match self.start_sandbox(pod, *attempt, &ready.runtime_handler).await {
                    Ok((id, ips)) => {
                        ready.sandbox_id = id;
                        ready.pod_ips = ips;
                        progress.acted = true;
                        true
                    }
                    Err(error) => {
                        context.metrics.started_pod_errors.with_label_values::<&str>(&[]).inc();
                        let message = format!("Failed to create pod sandbox: {error}");
                        context.recorder.pod(pod, Kind::Warning, "FailedCreatePodSandBox", message);
                        progress.retry(retry_at);
                        false
                    }
                }
            }
            Action::StartContainer { kind, index, name, ended } => {
                self.start(pod, observed, (*kind, *index, name), *ended, ready, progress).await
            }
            Action::WaitForBackOff { .. } => true,
            Action::ResizeContainer { id, name, kind, index, to } => {
                let Some(container) = pod::container_at(pod, *kind, *index) else { return true };
                let resources = qos::container_resources(pod, &container, &context.policy);
                match context.ports.runtime.update_container_resources(id, &resources).await {
                    Ok(()) => {
                        self.record_actuated(name, *to);
                        progress.acted = true;
                    }
                    Err(error) => {
                        self.resize_failed(pod, format!("resizing container {name:?}: {error}"));
                        progress.retry(retry_at);
                    }
                }
                true
            }
        }
    }

    async fn start(
        &mut self,
        pod: &Pod,
        observed: &ObservedPod,
        (kind, index, name): (ContainerKind, usize, &str),
        ended: Option<Timestamp>,
        ready: &mut Ready,
        progress: &mut Progress,
    ) -> bool {
        let Some(container) = pod::container_at(pod, kind, index) else { return true };
        let now = self.context.now();
        // One that was made and did not start has not ended, so that no back-off holds it: the runtime would be asked
        // for another as soon as it shows this one.
        let only_made = observed.container(name).is_some_and(|known| known.state == ContainerState::Created);
        if let Some(until) = self.refused.get(name).filter(|until| only_made && **until > now) {
            progress.retry(*until);
            return kind != ContainerKind::Init || pod::is_sidecar(&container);
        }
        self.context.metrics.started_containers.with_label_values(&[kind.metric_label()]).inc();
        let attempt = actions::sandbox_attempt(pod, observed);
        let sandbox_config = match self.sandbox_config(pod, attempt).await {
            Ok(config) => config,
            Err(message) => {
                let waiting = WaitingReason { reason: "CreateContainerConfigError".to_owned(), message };
                self.waiting.insert(name.to_owned(), waiting);
                progress.retry(later(now, RETRY));
                return false;
            }
        };
        let outcome = match self.pull_image_volumes(pod, &container, &sandbox_config, ready).await {
            Err(failure) => Err(failure),
            Ok(()) => {
                let start = Start {
                    kind,
                    container: &container,
                    ended,
                    sandbox_id: &ready.sandbox_id,
                    sandbox_config: &sandbox_config,
                    pod_ips: &ready.pod_ips,
                    volumes: &ready.volumes,
                    runtime_handler: &ready.runtime_handler,
                };
                self.start_container(pod, observed, start).await
            }
        };
        match outcome {
            Ok(()) => {
                self.waiting.remove(name);
                self.refused.remove(name);
                progress.acted = true;
                true
            }
            Err(failure) => {
                tracing::debug!(container = name, reason = %failure.waiting.reason, "container not started");
                let labels = [kind.metric_label(), failure.waiting.reason.as_str()];
                self.context.metrics.started_container_errors.with_label_values(&labels).inc();
                self.waiting.insert(name.to_owned(), failure.waiting);
                self.refused.insert(name.to_owned(), later(now, RETRY));
                // A failed pull is shown as such for a moment before it is shown as waiting.
                let retry = failure.retry_at.unwrap_or_else(|| later(now, RETRY));
                progress.retry(retry.max(later(now, Duration::from_secs(1))));
                // Nothing after an init container starts before it; sidecars and others do not hold each other up.
                kind != ContainerKind::Init || pod::is_sidecar(&container)
            }
        }
    }

    /// Image volumes a container mounts are images to pull, and references to pass on.
    async fn pull_image_volumes(
        &mut self,
        pod: &Pod,
        container: &api_types::core::v1::Container,
        sandbox_config: &kubelet_core::ports::SandboxConfig,
        ready: &mut Ready,
    ) -> Result<(), super::start::StartFailure> {
        for volume in &pod.spec.volumes {
            let Some(source) = &volume.volume_source.image else { continue };
            let mounted = container.volume_mounts.iter().any(|mount| mount.name == volume.name);
            if !mounted || ready.volumes.contains_key(&volume.name) {
                continue;
            }
            let user = ImageUser {
                pod,
                kind: ContainerKind::Regular,
                container: &container.name,
                image: &source.reference,
                policy: &source.pull_policy,
                runtime_handler: &ready.runtime_handler,
            };
            let begun = self.context.now();
            let image = self.images.ensure(user, sandbox_config).await;
            self.latency.pulled(elapsed(begun, self.context.now()));
            let image = image.map_err(|failure| super::start::StartFailure {
                waiting: failure.waiting,
                retry_at: failure.retry_at,
            })?;
            let place = Mounted {
                path: Default::default(),
                readonly: true,
                image: image.reference,
                plugin: volumes::IMAGE_PLUGIN,
            };
            ready.volumes.insert(volume.name.clone(), place);
        }
        Ok(())
    }

    /// The runtime handler of the pod's class; the error is a message for its user.
    async fn runtime_handler(&self, pod: &Pod) -> Result<String, String> {
        let class = match pod.spec.runtime_class_name.as_deref() {
            None | Some("") => return Ok(String::new()),
            Some(class) => class,
        };
        match self.context.objects.runtime_handler(class).await {
            Ok(Some(handler)) => Ok(handler),
            Ok(None) => Err(format!(
                "Failed to create pod sandbox: failed to get sandbox runtime: runtimeclass.node.k8s.io {class:?} not found"
            )),
            Err(error) => Err(format!("Failed to create pod sandbox: {error}")),
        }
    }

    /// Notes who waits for its back-off, and tells each wait once.
    fn tell_waits(&mut self, pod: &Pod, plan: &Plan) {
        let mut changed = false;
        for action in &plan.actions {
            let Action::WaitForBackOff { kind, name, wait, until, .. } = action else { continue };
            let message = format!(
                "back-off {} restarting failed container={name} pod={}",
                go_duration(*wait),
                pod::describe(pod)
            );
            let waiting = WaitingReason { reason: "CrashLoopBackOff".to_owned(), message };
            changed |= self.waiting.insert(name.clone(), waiting.clone()).as_ref() != Some(&waiting);
            if self.told.insert(name.clone(), *until) != Some(*until) {
                self.context.recorder.container(
                    pod,
                    (*kind, name),
                    Kind::Warning,
                    "BackOff",
                    format!("Back-off restarting failed container {name} in pod {}", pod::describe(pod)),
                );
            }
        }
        if changed {
            let observed = self.cache.get(self.uid());
            self.publish(pod, &observed, false);
        }
    }
}

fn is_wait(action: &Action) -> bool {
    matches!(action, Action::WaitForBackOff { .. })
}

fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// `activeDeadlineSeconds`, counted from the pod's start.
enum Deadline {
    None,
    At(Timestamp),
    Passed,
}

fn deadline(pod: &Pod, status: &api_types::core::v1::PodStatus, now: Timestamp) -> Deadline {
    let Some(seconds) = pod.spec.active_deadline_seconds.and_then(|seconds| u64::try_from(seconds).ok())
    else {
        return Deadline::None;
    };
    let Some(start) = status.start_time.and_then(|time| time.to_timestamp()) else { return Deadline::None };
    let allowed = Duration::from_secs(seconds);
    if elapsed(start, now) >= allowed { Deadline::Passed } else { Deadline::At(later(start, allowed)) }
}
