//! The container runtime by CRI: whether it is there, how it is set up, its images, and removing its pods.

use std::{path::PathBuf, time::Duration};

use proto::cri::{
    CgroupDriver, ImageSpec, ImageStatusRequest, ListPodSandboxRequest, PullImageRequest,
    RemovePodSandboxRequest, RuntimeConfigRequest, StatusRequest, StopPodSandboxRequest, VersionRequest,
    image_service_client::ImageServiceClient, runtime_service_client::RuntimeServiceClient,
};
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};

/// Calls that only ask.
const SHORT_CALL: Duration = Duration::from_secs(10);
/// Stopping a pod waits for its containers' grace periods.
const STOP_CALL: Duration = Duration::from_secs(120);
/// How often a stubborn pod is removed before giving up.
const REMOVE_ATTEMPTS: usize = 5;
const PULL_ATTEMPTS: usize = 5;

#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    #[error("the CRI socket {socket:?} is not a unix socket URL")]
    Socket { socket: String },
    #[error("could not connect to the container runtime at {socket:?}")]
    Connect { socket: String, source: tonic::transport::Error },
    #[error("container runtime call {call} failed: {message}")]
    Call { call: &'static str, message: String },
    #[error("container runtime is not running: {condition} is false: {reason} {message}")]
    NotReady { condition: String, reason: String, message: String },
    #[error("failed to remove pods:\n{}", failures.join("\n"))]
    Remove { failures: Vec<String> },
}

/// A connection to the runtime.
#[derive(Clone)]
pub struct ContainerRuntime {
    runtime: RuntimeServiceClient<Channel>,
    images: ImageServiceClient<Channel>,
}

/// The file of a `unix://` URL.
pub fn socket_file(socket: &str) -> Result<PathBuf, RuntimeError> {
    match socket.strip_prefix("unix://") {
        Some(path) if path.starts_with('/') => Ok(PathBuf::from(path)),
        _ => Err(RuntimeError::Socket { socket: socket.to_owned() }),
    }
}

/// Opens a gRPC channel over a unix socket.
pub async fn connect_channel(socket: &str) -> Result<Channel, RuntimeError> {
    let path = socket_file(socket)?;
    Endpoint::from_static("http://localhost")
        .connect_timeout(SHORT_CALL)
        .connect_with_connector(tower::service_fn(move |_| {
            let path = path.clone();
            async move { tokio::net::UnixStream::connect(path).await.map(hyper_util::rt::TokioIo::new) }
        }))
        .await
        .map_err(|source| RuntimeError::Connect { socket: socket.to_owned(), source })
}

impl ContainerRuntime {
    pub async fn connect(socket: &str) -> Result<Self, RuntimeError> {
        let channel = connect_channel(socket).await?;
        Ok(Self {
            runtime: RuntimeServiceClient::new(channel.clone()),
            images: ImageServiceClient::new(channel),
        })
    }

    /// Whether the runtime says it can run containers. Its network may still be missing: that comes with
    /// the pod network.
    pub async fn check_running(&self) -> Result<(), RuntimeError> {
        let request = request(StatusRequest { verbose: false }, SHORT_CALL);
        let answer = self.runtime.clone().status(request).await.map_err(during("Status"))?.into_inner();
        let conditions = answer.status.map(|status| status.conditions).unwrap_or_default();
        match conditions.into_iter().find(|condition| condition.r#type == "RuntimeReady" && !condition.status)
        {
            Some(condition) => Err(RuntimeError::NotReady {
                condition: condition.r#type,
                reason: condition.reason,
                message: condition.message,
            }),
            None => Ok(()),
        }
    }

    /// Name and version, such as `containerd 1.6.20`.
    pub async fn version(&self) -> Result<String, RuntimeError> {
        let request = request(VersionRequest { version: "0.1.0".to_owned() }, SHORT_CALL);
        let answer = self.runtime.clone().version(request).await.map_err(during("Version"))?.into_inner();
        Ok(format!("{} {}", answer.runtime_name, answer.runtime_version))
    }

    /// Who manages control groups, `systemd` or `cgroupfs`; none when the runtime does not tell.
    pub async fn cgroup_driver(&self) -> Result<Option<&'static str>, RuntimeError> {
        if let Some(driver) = self.configured_cgroup_driver().await? {
            return Ok(Some(driver));
        }
        // Runtimes without the RuntimeConfig call show their own configuration on request.
        let runc = &self.own_configuration().await?["containerd"]["runtimes"]["runc"]["options"];
        Ok(match runc["SystemdCgroup"].as_bool() {
            Some(true) => Some("systemd"),
            Some(false) => Some("cgroupfs"),
            None => None,
        })
    }

    /// Whether the runtime has the RuntimeConfig call, which later releases of the kubelet will insist on.
    pub async fn tells_cgroup_driver(&self) -> Result<bool, RuntimeError> {
        Ok(self.configured_cgroup_driver().await?.is_some())
    }

    async fn configured_cgroup_driver(&self) -> Result<Option<&'static str>, RuntimeError> {
        let request = request(RuntimeConfigRequest {}, SHORT_CALL);
        let answer = match self.runtime.clone().runtime_config(request).await {
            Ok(answer) => answer.into_inner(),
            Err(status) if status.code() == Code::Unimplemented => return Ok(None),
            Err(status) => return Err(during("RuntimeConfig")(status)),
        };
        Ok(answer.linux.map(|linux| match linux.cgroup_driver() {
            CgroupDriver::Systemd => "systemd",
            CgroupDriver::Cgroupfs => "cgroupfs",
        }))
    }

    /// The image the runtime keeps a pod's namespaces open with; none when it does not tell.
    pub async fn sandbox_image(&self) -> Result<Option<String>, RuntimeError> {
        Ok(self.own_configuration().await?["sandboxImage"].as_str().map(str::to_owned))
    }

    async fn own_configuration(&self) -> Result<serde_json::Value, RuntimeError> {
        let request = request(StatusRequest { verbose: true }, SHORT_CALL);
        let answer = self.runtime.clone().status(request).await.map_err(during("Status"))?.into_inner();
        let text = answer.info.get("config").map_or("null", String::as_str);
        Ok(serde_json::from_str(text).unwrap_or_default())
    }

    pub async fn image_exists(&self, image: &str) -> Result<bool, RuntimeError> {
        let request = request(ImageStatusRequest { image: Some(spec(image)), verbose: false }, SHORT_CALL);
        let answer = self.images.clone().image_status(request).await.map_err(during("ImageStatus"))?;
        Ok(answer.into_inner().image.is_some())
    }

    /// Fetches an image from its registry, trying a few times.
    pub async fn pull(&self, image: &str) -> Result<(), RuntimeError> {
        let mut last = None;
        for _ in 0..PULL_ATTEMPTS {
            let request = tonic::Request::new(PullImageRequest {
                image: Some(spec(image)),
                ..PullImageRequest::default()
            });
            match self.images.clone().pull_image(request).await {
                Ok(_) => return Ok(()),
                Err(status) => last = Some(during("PullImage")(status)),
            }
        }
        last.map_or(Ok(()), Err)
    }

    /// The ids of all pods the kubelet made, running or not.
    pub async fn list_pods(&self) -> Result<Vec<String>, RuntimeError> {
        let request = request(ListPodSandboxRequest { filter: None }, SHORT_CALL);
        let answer =
            self.runtime.clone().list_pod_sandbox(request).await.map_err(during("ListPodSandbox"))?;
        Ok(answer.into_inner().items.into_iter().map(|pod| pod.id).collect())
    }

    /// Stops and removes pods with all their containers; tries each a few times and tells all that stay.
    pub async fn remove_pods(&self, ids: &[String]) -> Result<(), RuntimeError> {
        let mut failures = Vec::new();
        for id in ids {
            let mut last = None;
            for _ in 0..REMOVE_ATTEMPTS {
                last = self.remove_pod(id).await.err();
                if last.is_none() {
                    break;
                }
            }
            failures.extend(last.map(|error| format!("pod {id}: {error}")));
        }
        if failures.is_empty() { Ok(()) } else { Err(RuntimeError::Remove { failures }) }
    }

    async fn remove_pod(&self, id: &str) -> Result<(), RuntimeError> {
        let mut runtime = self.runtime.clone();
        let stop = request(StopPodSandboxRequest { pod_sandbox_id: id.to_owned() }, STOP_CALL);
        if let Err(status) = runtime.stop_pod_sandbox(stop).await {
            // Removing also works on what can no longer be stopped in order.
            tracing::debug!(pod = id, "stopping failed: {status}");
        }
        let remove = request(RemovePodSandboxRequest { pod_sandbox_id: id.to_owned() }, STOP_CALL);
        runtime.remove_pod_sandbox(remove).await.map_err(during("RemovePodSandbox"))?;
        Ok(())
    }
}

fn spec(image: &str) -> ImageSpec {
    ImageSpec { image: image.to_owned(), ..ImageSpec::default() }
}

fn request<T>(message: T, limit: Duration) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.set_timeout(limit);
    request
}

fn during(call: &'static str) -> impl Fn(Status) -> RuntimeError {
    move |status| RuntimeError::Call { call, message: format!("{}: {}", status.code(), status.message()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unix_sockets_are_sockets() {
        assert_eq!(socket_file("unix:///run/c.sock").expect("a socket"), PathBuf::from("/run/c.sock"));
        for socket in ["tcp://x", "unix://relative", "/run/c.sock"] {
            assert!(socket_file(socket).is_err(), "{socket}");
        }
    }

    #[tokio::test]
    async fn an_absent_runtime_is_told_with_its_socket() {
        let error = ContainerRuntime::connect("unix:///no/such.sock").await.err().expect("nobody answers");
        assert!(error.to_string().contains("unix:///no/such.sock"), "{error}");
    }
}
