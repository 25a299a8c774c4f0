//! Makes sandboxes and containers: configuration, image, create, start, postStart hook.

use std::path::Path;
use std::time::Duration;

use api_types::core::v1::{Container, Pod};
use jiff::Timestamp;
use kubelet_core::actions;
use kubelet_core::backoff::elapsed;
use kubelet_core::container_config::{self, ContainerFacts};
use kubelet_core::dns;
use kubelet_core::environment::{self, Sources};
use kubelet_core::hosts_file;
use kubelet_core::observed::{ObservedPod, restart_count};
use kubelet_core::pod::{self as pods, ContainerKind};
use kubelet_core::ports::SandboxConfig;
use kubelet_core::sandbox_config::{self, SandboxFacts};
use kubelet_core::security::SecurityFacts;
use kubelet_core::status::WaitingReason;
use kubelet_core::termination::KillReason;

use super::images::{ImageUser, ReadyImage};
use super::mounts::{self, MountFacts};
use super::stop::{self, Kill};
use super::worker::Worker;
use crate::events::Kind;
use crate::volumes::MountedVolumes;

/// How long a container waits for the first list of services before users are told.
const FIRST_SERVICES: Duration = Duration::from_secs(10);

/// Why a container did not start.
#[derive(Debug)]
pub(super) struct StartFailure {
    pub waiting: WaitingReason,
    /// When to try again; `None` for the usual wait.
    pub retry_at: Option<Timestamp>,
}

fn failure(reason: &str, message: impl Into<String>) -> StartFailure {
    StartFailure {
        waiting: WaitingReason { reason: reason.to_owned(), message: message.into() },
        retry_at: None,
    }
}

/// Where and with what a container starts.
pub(super) struct Start<'a> {
    pub kind: ContainerKind,
    pub container: &'a Container,
    /// When its predecessor ended, which starts or doubles its back-off.
    pub ended: Option<Timestamp>,
    pub sandbox_id: &'a str,
    pub sandbox_config: &'a SandboxConfig,
    pub pod_ips: &'a [String],
    pub volumes: &'a MountedVolumes,
    pub runtime_handler: &'a str,
}

impl Worker {
    /// The configuration of the pod's sandbox.
    pub(super) async fn sandbox_config(&self, pod: &Pod, attempt: u32) -> Result<SandboxConfig, String> {
        let context = &self.context;
        let resolved = dns::pod_dns(pod, &context.dns);
        for (reason, message) in resolved.warnings {
            context.recorder.pod(pod, Kind::Warning, reason, message);
        }
        let cgroup_parent = self.cgroup_parent(pod);
        let facts = SandboxFacts {
            attempt,
            cluster_domain: &context.config.cluster_domain,
            dns: resolved.config,
            logs_root: &context.config.pod_logs_dir,
            cgroup_parent,
            policy: context.policy,
            volume_groups: &[],
        };
        sandbox_config::build(pod, &facts).map_err(|error| error.to_string())
    }

    /// Makes the pod's sandbox; returns its id and addresses.
    pub(super) async fn start_sandbox(
        &self,
        pod: &Pod,
        attempt: u32,
        runtime_handler: &str,
    ) -> Result<(String, Vec<String>), String> {
        let context = &self.context;
        let config = self.sandbox_config(pod, attempt).await?;
        make_directory(&config.log_directory).await?;
        let id = context
            .ports
            .runtime
            .run_sandbox(&config, runtime_handler)
            .await
            .map_err(|error| error.to_string())?;
        let status = context.ports.runtime.sandbox_status(&id).await.map_err(|error| {
            context.recorder.pod(
                pod,
                Kind::Warning,
                "FailedPodSandBoxStatus",
                format!("Unable to get pod sandbox status: {error}"),
            );
            error.to_string()
        })?;
        Ok((id, status.ips))
    }

    /// Makes and starts one container.
    pub(super) async fn start_container(
        &mut self,
        pod: &Pod,
        observed: &ObservedPod,
        start: Start<'_>,
    ) -> Result<(), StartFailure> {
        let context = self.context.clone();
        let place = (start.kind, start.container.name.as_str());
        let event =
            |kind, reason, message: String| context.recorder.container(pod, place, kind, reason, message);
        let failed = |message: &str| event(Kind::Warning, "Failed", format!("Error: {message}"));

        let begun = context.now();
        let image = self.image(pod, &start).await;
        self.latency.pulled(elapsed(begun, context.now()));
        let image = image.inspect_err(|failure| failed(&failure.waiting.reason))?;
        let restart_count =
            next_restart_count(&context.config.pod_logs_dir, pod, start.container, observed).await;
        let config = self.container_config(pod, observed, &start, &image, restart_count).await;
        let config = config.map_err(|message| {
            failed(&message);
            failure("CreateContainerConfigError", message)
        })?;
        // Only what the runtime is asked to run can crash: an image or a configuration that is not to be had has waits
        // of its own.
        if let Some(ended) = start.ended {
            self.back_off.advance(&actions::back_off_key(pod, start.container), ended, context.now());
        }
        let runtime = &context.ports.runtime;
        let created = runtime.create_container(start.sandbox_id, &config, start.sandbox_config).await;
        let id = created.map_err(|error| {
            failed(&error.message);
            failure("CreateContainerError", error.message)
        })?;
        event(Kind::Normal, "Created", "Container created".to_owned());
        runtime.start_container(&id).await.map_err(|error| {
            // Events with an id in them would never count as the same.
            failed(&error.message.replace(&id, &start.container.name));
            failure("RunContainerError", error.message)
        })?;
        event(Kind::Normal, "Started", "Container started".to_owned());
        let of_pod = pod.spec.resources.as_deref();
        self.record_actuated(&start.container.name, actions::amounts_of(of_pod, &start.container.resources));
        link_log(pod, &start.container.name, &id, &config.log_path, start.sandbox_config).await;
        self.post_start(pod, &start, &id).await
    }

    async fn post_start(&self, pod: &Pod, start: &Start<'_>, id: &str) -> Result<(), StartFailure> {
        let lifecycle = start.container.lifecycle.as_ref();
        let Some(handler) = lifecycle.and_then(|lifecycle| lifecycle.post_start.as_deref()) else {
            return Ok(());
        };
        let context = &self.context;
        let pod_ip = start.pod_ips.first().map(String::as_str).unwrap_or_default();
        let Err(message) = super::hooks::run(context, pod, start.container, id, pod_ip, handler).await else {
            return Ok(());
        };
        tracing::warn!(pod = %pod.metadata.name, container = %start.container.name, message, "postStart hook failed");
        let place = (start.kind, start.container.name.as_str());
        // The error may hold secrets: not in the event.
        context.recorder.container(pod, place, Kind::Warning, "FailedPostStartHook", "PostStartHook failed");
        let kill = Kill {
            id,
            name: &start.container.name,
            message: "FailedPostStartHook",
            reason: KillReason::FailedPostStart,
            grace: None,
        };
        if let Err(error) = stop::kill_container(context, pod, pod_ip, kill).await {
            tracing::warn!(%error, container = %start.container.name, "failed to kill container");
        }
        Err(failure("PostStartHookError", message))
    }

    async fn image(&self, pod: &Pod, start: &Start<'_>) -> Result<ReadyImage, StartFailure> {
        let user = ImageUser {
            pod,
            kind: start.kind,
            container: &start.container.name,
            image: &start.container.image,
            policy: &start.container.image_pull_policy,
            runtime_handler: start.runtime_handler,
        };
        self.images
            .ensure(user, start.sandbox_config)
            .await
            .map_err(|failure| StartFailure { waiting: failure.waiting, retry_at: failure.retry_at })
    }

    /// The configuration of a container; the error is its waiting message.
    async fn container_config(
        &self,
        pod: &Pod,
        observed: &ObservedPod,
        start: &Start<'_>,
        image: &ReadyImage,
        restart_count: i32,
    ) -> Result<kubelet_core::ports::ContainerConfig, String> {
        let context = &self.context;
        let container = start.container;
        let downward = context.downward_facts(start.pod_ips.to_vec(), pod.spec.host_network);
        let sources = self.environment_sources(pod, container, start.volumes).await?;
        // Right after the start of the kubelet they are about to be read: that is waited for, and no failure. A static
        // pod must come up before the API server it may be part of.
        let services = if pods::is_static(pod) {
            context.objects.services(Duration::ZERO).await.unwrap_or_default()
        } else {
            context.objects.services(FIRST_SERVICES).await.map_err(|error| error.to_string())?
        };
        let environment = environment::build(pod, container, &sources, &downward, &services)
            .map_err(|error| error.to_string())?;
        let (host_name, host_domain) =
            hosts_file::host_name(pod, &context.config.cluster_domain).map_err(|error| error.to_string())?;
        let mount_facts = MountFacts {
            volumes: start.volumes,
            environment: &environment,
            pod_ips: start.pod_ips,
            host_name: &host_name,
            host_domain: &host_domain,
            recursive_readonly: context.recursive_readonly(start.runtime_handler),
            restart_count,
        };
        let mounts =
            mounts::all(context, pod, container, &mount_facts).await.map_err(|error| error.to_string())?;
        make_directory(&format!("{}/{}", start.sandbox_config.log_directory, container.name)).await?;
        let target = target_id(pod, container, observed)?;
        let summary = image.summary.as_ref();
        let facts = ContainerFacts {
            restart_count,
            image_ref: &image.reference,
            runtime_handler: start.runtime_handler,
            environment,
            mounts,
            devices: Vec::new(),
            cdi_devices: Vec::new(),
            annotations: Default::default(),
            security: SecurityFacts {
                image_uid: summary.and_then(|image| image.uid),
                image_username: summary.map(|image| image.username.as_str()).unwrap_or_default(),
                seccomp_root: &context.seccomp_directory(),
                seccomp_default: context.config.seccomp_default,
                volume_groups: &[],
                target_id: target.as_deref(),
            },
            policy: context.policy,
        };
        container_config::build(pod, container, facts).map_err(|error| error.to_string())
    }

    /// Fetches what the container's environment refers to.
    async fn environment_sources(
        &self,
        pod: &Pod,
        container: &Container,
        volumes: &MountedVolumes,
    ) -> Result<Sources, String> {
        let namespace = &pod.metadata.namespace;
        let objects = &self.context.objects;
        let mut sources = Sources::default();
        let (config_maps, secrets) = environment::references(container);
        for name in config_maps {
            if let Some(map) = objects.config_map(namespace, name).await.map_err(|error| error.to_string())? {
                sources.config_maps.insert(name.to_owned(), map);
            }
        }
        for name in secrets {
            if let Some(secret) = objects.secret(namespace, name).await.map_err(|error| error.to_string())? {
                sources.secrets.insert(name.to_owned(), secret);
            }
        }
        for variable in &container.env {
            let Some(reference) = variable.value_from.as_ref().and_then(|from| from.file_key_ref.as_ref())
            else {
                continue;
            };
            let Some(volume) = volumes.get(&reference.volume_name) else { continue };
            let text = read_inside(&volume.path, &reference.path).await?;
            sources.files.insert((reference.volume_name.clone(), reference.path.clone()), text);
        }
        Ok(sources)
    }
}

/// Reads a file of a volume; `None` when there is none. A link out of the volume is not followed.
async fn read_inside(volume: &Path, relative: &str) -> Result<Option<String>, String> {
    let root = tokio::fs::canonicalize(volume).await.map_err(|error| error.to_string())?;
    let path = match tokio::fs::canonicalize(root.join(relative)).await {
        Ok(path) => path,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("failed to open environment variable file {relative:?}: {error}")),
    };
    if !path.starts_with(&root) {
        return Err(format!(
            "failed to open environment variable file {relative:?}: it leads out of its volume"
        ));
    }
    let text = tokio::fs::read_to_string(&path).await;
    text.map(Some).map_err(|error| format!("failed to open environment variable file {relative:?}: {error}"))
}

/// For an ephemeral container with `targetContainerName`: the id of that container, which must run.
fn target_id(pod: &Pod, container: &Container, observed: &ObservedPod) -> Result<Option<String>, String> {
    let of = |ephemeral: &&api_types::core::v1::EphemeralContainer| {
        ephemeral.ephemeral_container_common.name == container.name
            && !ephemeral.target_container_name.is_empty()
    };
    let Some(ephemeral) = pod.spec.ephemeral_containers.iter().find(of) else { return Ok(None) };
    let name = &ephemeral.target_container_name;
    match observed.container(name) {
        Some(status) if status.state == kubelet_core::ports::ContainerState::Running => {
            Ok(Some(status.id.clone()))
        }
        _ => Err(format!("unable to find target container {name}")),
    }
}

/// One more than the container before; when the runtime forgot it, one more than its newest log.
async fn next_restart_count(
    logs_root: &str,
    pod: &Pod,
    container: &Container,
    observed: &ObservedPod,
) -> i32 {
    if let Some(status) = observed.container(&container.name) {
        return restart_count(status).saturating_add(1);
    }
    let meta = &pod.metadata;
    let directory = sandbox_config::logs_directory(logs_root, &meta.namespace, &meta.name, &meta.uid);
    let Ok(mut entries) = tokio::fs::read_dir(format!("{directory}/{}", container.name)).await else {
        return 0;
    };
    let mut next = 0;
    while let Ok(Some(entry)) = entries.next_entry().await {
        let name = entry.file_name().to_string_lossy().into_owned();
        let count = name.split_once(".log").and_then(|(count, _)| count.parse::<i32>().ok());
        next = next.max(count.map_or(0, |count| count.saturating_add(1)));
    }
    next
}

async fn make_directory(path: &str) -> Result<(), String> {
    tokio::fs::create_dir_all(path)
        .await
        .map_err(|error| format!("failed to create directory {path}: {error}"))
}

/// The link that log collectors look for, `/var/log/containers/<pod>_<namespace>_<container>-<id>.log`.
async fn link_log(pod: &Pod, container: &str, id: &str, log_path: &str, sandbox: &SandboxConfig) {
    let meta = &pod.metadata;
    let link = super::worker::legacy_log_link(&meta.name, &meta.namespace, container, id);
    let target = format!("{}/{log_path}", sandbox.log_directory);
    if tokio::fs::metadata(&target).await.is_err() {
        return;
    }
    if let Some(parent) = link.parent() {
        let _ = tokio::fs::create_dir_all(parent).await;
    }
    if let Err(error) = tokio::fs::symlink(&target, &link).await
        && error.kind() != std::io::ErrorKind::AlreadyExists
    {
        tracing::warn!(%error, link = %link.display(), "failed to link the log");
    }
}
