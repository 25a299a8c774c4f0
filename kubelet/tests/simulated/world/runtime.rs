//! A container runtime in memory. Containers run until they are stopped or a test ends them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kubelet::clock::Clock;
use kubelet_core::ports::*;
use parking_lot::Mutex;
use tokio::sync::broadcast;

/// The runtime, its image store and the answers of probes.
pub struct SimulatedRuntime {
    /// The time of the simulated node.
    pub clock: Clock,
    state: Mutex<State>,
    events: broadcast::Sender<RuntimeEvent>,
}

#[derive(Default)]
struct State {
    clock: Clock,
    sandboxes: BTreeMap<String, SandboxStatus>,
    containers: BTreeMap<String, ContainerStatus>,
    /// Sizes by name; the name is the id too.
    images: BTreeMap<String, u64>,
    /// What was asked, in order.
    log: Vec<String>,
    next: u64,
    /// Names of containers whose start fails.
    failing: BTreeSet<String>,
    /// Names of containers that are made but do not start.
    refusing: BTreeSet<String>,
    /// Names of containers that end at once, with this code.
    ending: BTreeMap<String, i32>,
    /// Names of containers that ignore the stop signal until they are killed.
    stubborn: BTreeSet<String>,
    /// Probes that fail, by their question.
    failing_probes: BTreeSet<String>,
}

fn not_found(id: &str) -> RuntimeError {
    RuntimeError::new(RuntimeErrorCode::NotFound, format!("{id} not found"))
}

impl SimulatedRuntime {
    /// A runtime with the image `img:1`.
    pub fn new(clock: Clock) -> Arc<SimulatedRuntime> {
        let state = State { clock, images: [("img:1".to_owned(), 100)].into(), ..State::default() };
        Arc::new(SimulatedRuntime { clock, state: Mutex::new(state), events: broadcast::channel(1000).0 })
    }

    /// What was asked of it so far, in order: `run pod`, `start web`, `stop web 30`, `remove web`, …
    pub fn log(&self) -> Vec<String> {
        self.state.lock().log.clone()
    }

    /// Forgets what was asked so far.
    pub fn clear_log(&self) {
        self.state.lock().log.clear();
    }

    /// The names of running containers.
    pub fn running(&self) -> Vec<String> {
        let state = self.state.lock();
        let running = state.containers.values().filter(|known| known.state == ContainerState::Running);
        running.map(|known| known.name.clone()).collect()
    }

    /// How many sandboxes and containers there are, in any state.
    pub fn remains(&self) -> usize {
        let state = self.state.lock();
        state.sandboxes.len() + state.containers.len()
    }

    /// Ends the running container of that name.
    pub fn end(&self, name: &str, exit_code: i32) {
        let mut state = self.state.lock();
        let id = state
            .containers
            .values()
            .find(|known| known.name == name && known.state == ContainerState::Running)
            .map(|known| known.id.clone())
            .unwrap_or_else(|| panic!("{name} does not run"));
        end(&mut state, &id, exit_code);
        drop(state);
        self.tell(&id);
    }

    /// Makes every container of that name end at once from now on.
    pub fn let_end(&self, name: &str, exit_code: i32) {
        self.state.lock().ending.insert(name.to_owned(), exit_code);
    }

    /// Makes every start of a container of that name fail from now on, or no more.
    pub fn let_fail(&self, name: &str, fails: bool) {
        let mut state = self.state.lock();
        if fails {
            state.failing.insert(name.to_owned())
        } else {
            state.failing.remove(name)
        };
    }

    /// Makes containers of that name refuse to start once they are made.
    pub fn let_refuse(&self, name: &str) {
        self.state.lock().refusing.insert(name.to_owned());
    }

    /// Makes containers of that name ignore the stop signal.
    pub fn let_ignore_stop(&self, name: &str) {
        self.state.lock().stubborn.insert(name.to_owned());
    }

    /// Makes a probe fail, or succeed again. Its question is like `http /healthz` or `exec check`.
    pub fn let_probe_fail(&self, question: &str, fails: bool) {
        let mut state = self.state.lock();
        if fails {
            state.failing_probes.insert(question.to_owned())
        } else {
            state.failing_probes.remove(question)
        };
    }

    /// Adds an image of 100 bytes.
    pub fn add_image(&self, name: &str) {
        self.state.lock().images.insert(name.to_owned(), 100);
    }

    /// The images there are.
    pub fn images(&self) -> Vec<String> {
        self.state.lock().images.keys().cloned().collect()
    }

    /// Ends all sandboxes and containers, as a reboot of the machine does.
    pub fn reboot(&self) {
        let mut state = self.state.lock();
        for sandbox in state.sandboxes.values_mut() {
            sandbox.summary.state = SandboxState::NotReady;
        }
        let ids: Vec<String> = state.containers.keys().cloned().collect();
        for id in ids {
            end(&mut state, &id, 137);
        }
    }

    /// The answer to a probe's question.
    pub fn probe_answer(&self, question: &str) -> ProbeAnswer {
        if self.state.lock().failing_probes.contains(question) {
            ProbeAnswer::Failure("refused".to_owned())
        } else {
            ProbeAnswer::Success("ok".to_owned())
        }
    }

    fn tell(&self, id: &str) {
        let event =
            RuntimeEvent { kind: RuntimeEventKind::Stopped, container_id: id.to_owned(), pod_uid: None };
        let _ = self.events.send(event);
    }
}

fn image(name: &str, size_bytes: u64) -> ImageSummary {
    ImageSummary { id: name.to_owned(), size_bytes, ..ImageSummary::default() }
}

fn end(state: &mut State, id: &str, exit_code: i32) {
    let now = state.clock.now();
    if let Some(known) = state.containers.get_mut(id)
        && known.state == ContainerState::Running
    {
        known.state = ContainerState::Exited;
        known.exit_code = exit_code;
        known.finished_at = Some(now);
        known.reason = if exit_code == 0 { "Completed" } else { "Error" }.to_owned();
    }
}

#[async_trait]
impl Runtime for SimulatedRuntime {
    async fn version(&self) -> Result<RuntimeVersion, RuntimeError> {
        Ok(RuntimeVersion { name: "simulated".to_owned(), ..RuntimeVersion::default() })
    }

    async fn status(&self) -> Result<RuntimeStatus, RuntimeError> {
        Ok(RuntimeStatus::default())
    }

    async fn list_sandboxes(&self) -> Result<Vec<SandboxSummary>, RuntimeError> {
        Ok(self.state.lock().sandboxes.values().map(|known| known.summary.clone()).collect())
    }

    async fn sandbox_status(&self, id: &str) -> Result<SandboxStatus, RuntimeError> {
        self.state.lock().sandboxes.get(id).cloned().ok_or_else(|| not_found(id))
    }

    async fn run_sandbox(&self, config: &SandboxConfig, _handler: &str) -> Result<String, RuntimeError> {
        let mut state = self.state.lock();
        state.next += 1;
        let id = format!("sandbox-{:04}", state.next);
        state.log.push(format!("run {}", config.name));
        let host_network = config.security.namespaces.network == NamespaceMode::Node;
        let summary = SandboxSummary {
            id: id.clone(),
            name: config.name.clone(),
            namespace: config.namespace.clone(),
            uid: config.uid.clone(),
            attempt: config.attempt,
            state: SandboxState::Ready,
            created_at: self.clock.now(),
            labels: config.labels.clone(),
            annotations: config.annotations.clone(),
            runtime_handler: String::new(),
        };
        let ips = if host_network { Vec::new() } else { vec![format!("10.0.0.{}", state.next)] };
        state.sandboxes.insert(id.clone(), SandboxStatus { summary, ips, host_network });
        Ok(id)
    }

    async fn stop_sandbox(&self, id: &str) -> Result<(), RuntimeError> {
        let mut state = self.state.lock();
        let Some(known) = state.sandboxes.get_mut(id) else { return Ok(()) };
        known.summary.state = SandboxState::NotReady;
        let ids: Vec<String> = state
            .containers
            .values()
            .filter(|known| known.sandbox_id == id)
            .map(|known| known.id.clone())
            .collect();
        ids.iter().for_each(|id| end(&mut state, id, 137));
        drop(state);
        self.tell(id);
        Ok(())
    }

    async fn remove_sandbox(&self, id: &str) -> Result<(), RuntimeError> {
        self.state.lock().sandboxes.remove(id);
        self.tell(id);
        Ok(())
    }

    async fn list_containers(&self) -> Result<Vec<ContainerSummary>, RuntimeError> {
        let state = self.state.lock();
        let summary = |known: &ContainerStatus| ContainerSummary {
            id: known.id.clone(),
            sandbox_id: known.sandbox_id.clone(),
            name: known.name.clone(),
            attempt: known.attempt,
            image: known.image.clone(),
            image_ref: known.image_ref.clone(),
            state: known.state,
            created_at: known.created_at,
            labels: known.labels.clone(),
            annotations: known.annotations.clone(),
        };
        Ok(state.containers.values().map(summary).collect())
    }

    async fn container_status(&self, id: &str) -> Result<ContainerStatus, RuntimeError> {
        self.state.lock().containers.get(id).cloned().ok_or_else(|| not_found(id))
    }

    async fn create_container(
        &self,
        sandbox_id: &str,
        config: &ContainerConfig,
        _sandbox_config: &SandboxConfig,
    ) -> Result<String, RuntimeError> {
        let mut state = self.state.lock();
        if state.failing.contains(&config.name) {
            return Err(RuntimeError::new(RuntimeErrorCode::Unknown, "no such command"));
        }
        state.next += 1;
        let id = format!("container-{:04}", state.next);
        let status = ContainerStatus {
            id: id.clone(),
            sandbox_id: sandbox_id.to_owned(),
            name: config.name.clone(),
            attempt: config.attempt,
            state: ContainerState::Created,
            created_at: self.clock.now(),
            image: config.user_specified_image.clone(),
            labels: config.labels.clone(),
            annotations: config.annotations.clone(),
            mounts: config.mounts.clone(),
            ..ContainerStatus::default()
        };
        state.containers.insert(id.clone(), status);
        Ok(id)
    }

    async fn start_container(&self, id: &str) -> Result<(), RuntimeError> {
        let mut state = self.state.lock();
        let known = state.containers.get(id).ok_or_else(|| not_found(id))?;
        let name = known.name.clone();
        if state.refusing.contains(&name) {
            return Err(RuntimeError::new(RuntimeErrorCode::Unknown, format!("task {id}: no such file")));
        }
        let known = state.containers.get_mut(id).ok_or_else(|| not_found(id))?;
        known.state = ContainerState::Running;
        known.started_at = Some(self.clock.now());
        state.log.push(format!("start {name}"));
        if let Some(code) = state.ending.get(&name).copied() {
            end(&mut state, id, code);
        }
        drop(state);
        self.tell(id);
        Ok(())
    }

    async fn stop_container(&self, id: &str, grace: Duration) -> Result<(), RuntimeError> {
        let stubborn = {
            let mut state = self.state.lock();
            let Some(known) = state.containers.get(id) else { return Ok(()) };
            let name = known.name.clone();
            state.log.push(format!("stop {name} {}", grace.as_secs()));
            state.stubborn.contains(&name)
        };
        if stubborn {
            tokio::time::sleep(grace).await;
        }
        end(&mut self.state.lock(), id, if stubborn { 137 } else { 0 });
        self.tell(id);
        Ok(())
    }

    async fn remove_container(&self, id: &str) -> Result<(), RuntimeError> {
        self.state.lock().containers.remove(id);
        self.tell(id);
        Ok(())
    }

    async fn update_container_resources(
        &self,
        id: &str,
        to: &ContainerResources,
    ) -> Result<(), RuntimeError> {
        let mut state = self.state.lock();
        let name = state.containers.get(id).map(|known| known.name.clone()).ok_or_else(|| not_found(id))?;
        state.log.push(format!("resize {name} {}", to.cpu_quota.unwrap_or(0)));
        Ok(())
    }

    async fn exec(
        &self,
        id: &str,
        command: &[String],
        _timeout: Duration,
    ) -> Result<ExecOutput, RuntimeError> {
        let mut state = self.state.lock();
        let known = state.containers.get(id).ok_or_else(|| not_found(id))?;
        let (name, question) = (known.name.clone(), format!("exec {}", command.join(" ")));
        state.log.push(format!("{question} in {name}"));
        let exit_code = i32::from(state.failing_probes.contains(&question));
        Ok(ExecOutput { exit_code, ..ExecOutput::default() })
    }

    async fn reopen_container_log(&self, _id: &str) -> Result<(), RuntimeError> {
        Ok(())
    }

    async fn stream_url(&self, _request: &StreamRequest) -> Result<String, RuntimeError> {
        Err(RuntimeError::new(RuntimeErrorCode::Unimplemented, "no streams"))
    }

    async fn container_usage(&self) -> Result<Vec<ContainerUsage>, RuntimeError> {
        Ok(Vec::new())
    }

    async fn pod_usage(&self) -> Result<Option<Vec<PodUsage>>, RuntimeError> {
        Ok(None)
    }

    async fn update_pod_cidr(&self, _pod_cidr: &str) -> Result<(), RuntimeError> {
        Ok(())
    }

    async fn events(&self) -> Result<Box<dyn RuntimeEvents>, RuntimeError> {
        Ok(Box::new(Subscription { events: self.events.subscribe() }))
    }
}

struct Subscription {
    events: broadcast::Receiver<RuntimeEvent>,
}

#[async_trait]
impl RuntimeEvents for Subscription {
    async fn next(&mut self) -> Option<RuntimeEvent> {
        self.events.recv().await.ok()
    }
}

#[async_trait]
impl Images for SimulatedRuntime {
    async fn list(&self) -> Result<Vec<ImageSummary>, RuntimeError> {
        Ok(self.state.lock().images.iter().map(|(name, size)| image(name, *size)).collect())
    }

    async fn status(&self, name: &str) -> Result<Option<ImageSummary>, RuntimeError> {
        Ok(self.state.lock().images.get_key_value(name).map(|(name, size)| image(name, *size)))
    }

    async fn pull(
        &self,
        image: &str,
        _credentials: Option<&ImageCredentials>,
        _sandbox_config: Option<&SandboxConfig>,
        _runtime_handler: &str,
    ) -> Result<String, RuntimeError> {
        let mut state = self.state.lock();
        state.log.push(format!("pull {image}"));
        if image.starts_with("missing") {
            return Err(RuntimeError::new(RuntimeErrorCode::NotFound, "no such image"));
        }
        state.images.insert(image.to_owned(), 100);
        Ok(image.to_owned())
    }

    async fn remove(&self, image_id: &str) -> Result<(), RuntimeError> {
        self.state.lock().images.remove(image_id);
        Ok(())
    }

    async fn filesystems(&self) -> Result<Vec<ImageFilesystem>, RuntimeError> {
        Ok(vec![ImageFilesystem { mountpoint: "/".to_owned(), ..ImageFilesystem::default() }])
    }
}
