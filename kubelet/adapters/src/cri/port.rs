//! The kubelet's [`Runtime`](ports::Runtime) and [`Images`](ports::Images) ports on CRI.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use kubelet_core::ports::{self, RuntimeError, RuntimeErrorCode, StreamRequest};
use proto::cri;
use tokio::sync::OnceCell;

use super::{Client, Error, StreamKind, asked, command_timed_out, observed};
use crate::events;

/// A container runtime with its events: what the kubelet is given as runtime and image store.
#[derive(Debug)]
pub struct CriRuntime {
    client: Client,
    endpoint: String,
    /// Asked once: the driver does not change while the runtime runs, and old runtimes cannot say.
    cgroup_driver: OnceCell<Option<String>>,
}

impl CriRuntime {
    /// A runtime behind `endpoint`; see [`Client::new`].
    pub fn new(endpoint: &str, image_endpoint: Option<&str>, timeout: Duration) -> Result<CriRuntime, Error> {
        let client = Client::new(endpoint, image_endpoint, timeout)?;
        Ok(CriRuntime { client, endpoint: endpoint.to_owned(), cgroup_driver: OnceCell::new() })
    }

    /// The plain CRI client, for what the ports do not ask.
    pub fn client(&self) -> &Client {
        &self.client
    }

    async fn known_cgroup_driver(&self) -> Option<String> {
        let ask = || async {
            let driver = self.client.cgroup_driver().await?;
            Ok::<_, Error>(driver.map(|driver| driver.as_str_name().to_ascii_lowercase()))
        };
        // A failure is not remembered: the next status asks again.
        self.cgroup_driver.get_or_try_init(ask).await.ok().cloned().flatten()
    }
}

#[async_trait]
impl ports::Runtime for CriRuntime {
    async fn version(&self) -> Result<ports::RuntimeVersion, RuntimeError> {
        let answer = self.client.version().await?;
        Ok(ports::RuntimeVersion {
            name: answer.runtime_name,
            version: answer.runtime_version,
            api_version: answer.runtime_api_version,
        })
    }

    async fn status(&self) -> Result<ports::RuntimeStatus, RuntimeError> {
        let answer = self.client.status(false).await?;
        Ok(ports::RuntimeStatus {
            conditions: answer
                .status
                .unwrap_or_default()
                .conditions
                .into_iter()
                .map(|condition| ports::RuntimeCondition {
                    type_: condition.r#type,
                    status: condition.status,
                    reason: condition.reason,
                    message: condition.message,
                })
                .collect(),
            handlers: answer
                .runtime_handlers
                .into_iter()
                .map(|handler| {
                    let features = handler.features.unwrap_or_default();
                    ports::RuntimeHandler {
                        name: handler.name,
                        recursive_readonly_mounts: features.recursive_read_only_mounts,
                        user_namespaces: features.user_namespaces,
                    }
                })
                .collect(),
            supplemental_groups_policy: answer
                .features
                .is_some_and(|features| features.supplemental_groups_policy),
            cgroup_driver: self.known_cgroup_driver().await,
        })
    }

    async fn list_sandboxes(&self) -> Result<Vec<ports::SandboxSummary>, RuntimeError> {
        let all = self.client.list_pod_sandboxes(BTreeMap::new(), None).await?;
        Ok(all.into_iter().map(observed::sandbox_summary).collect())
    }

    async fn sandbox_status(&self, sandbox_id: &str) -> Result<ports::SandboxStatus, RuntimeError> {
        let answer = self.client.pod_sandbox_status(sandbox_id, false).await?;
        Ok(observed::sandbox_status(answer.status.unwrap_or_default()))
    }

    async fn run_sandbox(
        &self,
        config: &ports::SandboxConfig,
        runtime_handler: &str,
    ) -> Result<String, RuntimeError> {
        Ok(self.client.run_pod_sandbox(asked::sandbox(config), runtime_handler).await?)
    }

    async fn stop_sandbox(&self, sandbox_id: &str) -> Result<(), RuntimeError> {
        Ok(self.client.stop_pod_sandbox(sandbox_id).await?)
    }

    async fn remove_sandbox(&self, sandbox_id: &str) -> Result<(), RuntimeError> {
        Ok(self.client.remove_pod_sandbox(sandbox_id).await?)
    }

    async fn list_containers(&self) -> Result<Vec<ports::ContainerSummary>, RuntimeError> {
        let all = self.client.list_containers(BTreeMap::new(), None).await?;
        Ok(all.into_iter().map(observed::container_summary).collect())
    }

    async fn container_status(&self, container_id: &str) -> Result<ports::ContainerStatus, RuntimeError> {
        // Verbose is needed for the sandbox's id, which the plain status lacks.
        let (status, info) = self.client.container_status(container_id, true).await?;
        Ok(observed::container_status(status, sandbox_of(&info)))
    }

    async fn create_container(
        &self,
        sandbox_id: &str,
        config: &ports::ContainerConfig,
        sandbox_config: &ports::SandboxConfig,
    ) -> Result<String, RuntimeError> {
        let (config, sandbox_config) = (asked::container(config), asked::sandbox(sandbox_config));
        Ok(self.client.create_container(sandbox_id, config, sandbox_config).await?)
    }

    async fn start_container(&self, container_id: &str) -> Result<(), RuntimeError> {
        Ok(self.client.start_container(container_id).await?)
    }

    async fn stop_container(&self, container_id: &str, grace: Duration) -> Result<(), RuntimeError> {
        Ok(self.client.stop_container(container_id, grace).await?)
    }

    async fn remove_container(&self, container_id: &str) -> Result<(), RuntimeError> {
        Ok(self.client.remove_container(container_id).await?)
    }

    async fn update_container_resources(
        &self,
        container_id: &str,
        resources: &ports::ContainerResources,
    ) -> Result<(), RuntimeError> {
        Ok(self.client.update_container_resources(container_id, asked::resources(resources)).await?)
    }

    async fn exec(
        &self,
        container_id: &str,
        command: &[String],
        timeout: Duration,
    ) -> Result<ports::ExecOutput, RuntimeError> {
        match self.client.exec_sync(container_id, command, timeout).await {
            Ok(ran) => {
                Ok(ports::ExecOutput { stdout: ran.stdout, stderr: ran.stderr, exit_code: ran.exit_code })
            }
            Err(error) if command_timed_out(&error) => {
                Err(RuntimeError::new(RuntimeErrorCode::DeadlineExceeded, error.message()))
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn reopen_container_log(&self, container_id: &str) -> Result<(), RuntimeError> {
        Ok(self.client.reopen_container_log(container_id).await?)
    }

    async fn stream_url(&self, request: &StreamRequest) -> Result<String, RuntimeError> {
        let url = match request {
            StreamRequest::Exec { container_id, command, tty, stdin, stdout, stderr } => {
                let streams = StreamKind { stdin: *stdin, stdout: *stdout, stderr: *stderr, tty: *tty };
                self.client.exec_url(container_id, command, streams).await?
            }
            StreamRequest::Attach { container_id, tty, stdin, stdout, stderr } => {
                let streams = StreamKind { stdin: *stdin, stdout: *stdout, stderr: *stderr, tty: *tty };
                self.client.attach_url(container_id, streams).await?
            }
            StreamRequest::PortForward { sandbox_id, ports } => {
                self.client.port_forward_url(sandbox_id, ports).await?
            }
        };
        Ok(url)
    }

    async fn container_usage(&self) -> Result<Vec<ports::ContainerUsage>, RuntimeError> {
        let all = self.client.list_container_stats().await?;
        Ok(all.into_iter().map(observed::container_usage).collect())
    }

    async fn pod_usage(&self) -> Result<Option<Vec<ports::PodUsage>>, RuntimeError> {
        match self.client.list_pod_sandbox_stats().await {
            Ok(all) => Ok(Some(all.into_iter().map(observed::pod_usage).collect())),
            Err(error) if error.is_unimplemented() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn update_pod_cidr(&self, pod_cidr: &str) -> Result<(), RuntimeError> {
        Ok(self.client.update_runtime_config(pod_cidr).await?)
    }

    async fn events(&self) -> Result<Box<dyn ports::RuntimeEvents>, RuntimeError> {
        match self.client.container_events().await {
            Ok(stream) => Ok(Box::new(events::CriEvents::new(stream))),
            Err(error) if error.is_unimplemented() => {
                let path = super::socket_path(&self.endpoint)?;
                Ok(Box::new(events::ContainerdEvents::subscribe(&path, self.client.clone()).await?))
            }
            Err(error) => Err(error.into()),
        }
    }
}

#[async_trait]
impl ports::Images for CriRuntime {
    async fn list(&self) -> Result<Vec<ports::ImageSummary>, RuntimeError> {
        Ok(self.client.list_images(None).await?.into_iter().map(observed::image).collect())
    }

    async fn status(&self, image: &str) -> Result<Option<ports::ImageSummary>, RuntimeError> {
        Ok(self.client.image_status(super::images::spec(image)).await?.map(observed::image))
    }

    async fn pull(
        &self,
        image: &str,
        credentials: Option<&ports::ImageCredentials>,
        sandbox_config: Option<&ports::SandboxConfig>,
        runtime_handler: &str,
    ) -> Result<String, RuntimeError> {
        let spec = cri::ImageSpec {
            image: image.to_owned(),
            runtime_handler: runtime_handler.to_owned(),
            ..Default::default()
        };
        let auth = credentials.map(asked::auth);
        Ok(self.client.pull_image(spec, auth, sandbox_config.map(asked::sandbox)).await?)
    }

    async fn remove(&self, image_id: &str) -> Result<(), RuntimeError> {
        Ok(self.client.remove_image(image_id).await?)
    }

    async fn filesystems(&self) -> Result<Vec<ports::ImageFilesystem>, RuntimeError> {
        let answer = self.client.image_fs_info().await?;
        let convert = |holds_containers| {
            move |from: cri::FilesystemUsage| ports::ImageFilesystem {
                mountpoint: from.fs_id.map(|id| id.mountpoint).unwrap_or_default(),
                used_bytes: from.used_bytes.map(|number| number.value).unwrap_or_default(),
                inodes_used: from.inodes_used.map(|number| number.value).unwrap_or_default(),
                holds_containers,
            }
        };
        let images = answer.image_filesystems.into_iter().map(convert(false));
        Ok(images.chain(answer.container_filesystems.into_iter().map(convert(true))).collect())
    }
}

/// The sandbox's id in a runtime's verbose facts; empty when they are written otherwise.
fn sandbox_of(info: &BTreeMap<String, String>) -> String {
    let parsed = info.get("info").and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
    let id = parsed.as_ref().and_then(|info| info.get("sandboxID")).and_then(serde_json::Value::as_str);
    id.unwrap_or_default().to_owned()
}

impl From<Error> for RuntimeError {
    fn from(error: Error) -> RuntimeError {
        match error {
            Error::Call { status, .. } => from_status(&status),
            other => RuntimeError::new(RuntimeErrorCode::Internal, other.to_string()),
        }
    }
}

/// A gRPC status as the kubelet's error.
pub(crate) fn from_status(status: &tonic::Status) -> RuntimeError {
    use tonic::Code;
    let code = match status.code() {
        Code::Cancelled if status.message().contains("Timeout expired") => RuntimeErrorCode::DeadlineExceeded,
        Code::Cancelled => RuntimeErrorCode::Canceled,
        Code::InvalidArgument => RuntimeErrorCode::InvalidArgument,
        Code::DeadlineExceeded => RuntimeErrorCode::DeadlineExceeded,
        Code::NotFound => RuntimeErrorCode::NotFound,
        Code::AlreadyExists => RuntimeErrorCode::AlreadyExists,
        Code::PermissionDenied => RuntimeErrorCode::PermissionDenied,
        Code::ResourceExhausted => RuntimeErrorCode::ResourceExhausted,
        Code::FailedPrecondition => RuntimeErrorCode::FailedPrecondition,
        Code::Aborted => RuntimeErrorCode::Aborted,
        Code::OutOfRange => RuntimeErrorCode::OutOfRange,
        Code::Unimplemented => RuntimeErrorCode::Unimplemented,
        Code::Internal => RuntimeErrorCode::Internal,
        Code::Unavailable => RuntimeErrorCode::Unavailable,
        Code::DataLoss => RuntimeErrorCode::DataLoss,
        Code::Unauthenticated => RuntimeErrorCode::Unauthenticated,
        Code::Ok | Code::Unknown => RuntimeErrorCode::Unknown,
    };
    RuntimeError::new(code, status.message())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sandbox_id_comes_from_the_verbose_facts() {
        let check = |text: &str, expected: &str| {
            let info = BTreeMap::from([("info".to_owned(), text.to_owned())]);
            assert_eq!(sandbox_of(&info), expected, "{text}");
        };
        check(r#"{"sandboxID":"abc","pid":1}"#, "abc");
        check("not json", "");
        check("{}", "");
    }

    #[test]
    fn the_transports_own_deadline_is_a_deadline() {
        let error = from_status(&tonic::Status::cancelled("Timeout expired"));
        assert_eq!(error.code, RuntimeErrorCode::DeadlineExceeded);
    }
}
