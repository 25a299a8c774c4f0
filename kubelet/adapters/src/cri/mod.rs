//! The container runtime, by CRI v1 over its unix socket.
//!
//! [`Client`] is cheap to clone and connects when first used; a lost connection is made again by the next call.
//! Every call has a deadline, so that a hanging runtime cannot hold a pod worker for ever.

mod asked;
#[cfg(test)]
mod containerd_tests;
mod containers;
mod endpoint;
mod error;
mod images;
mod observed;
mod port;
mod sandboxes;
mod stats;

use std::time::Duration;

use proto::cri::{
    self, image_service_client::ImageServiceClient, runtime_service_client::RuntimeServiceClient,
};
use tonic::Request;
use tonic::transport::Channel;

pub use containers::{ExecOutcome, StreamKind, command_timed_out};
pub use endpoint::socket_path;
pub(crate) use error::during;
pub use error::{Error, Kind};
pub use port::CriRuntime;
pub(crate) use port::from_status;

/// The largest message accepted from a runtime, in bytes; upstream's limit.
pub const MAX_MESSAGE_BYTES: usize = 16 << 20;

/// Time a call may take when the caller names none (`runtimeRequestTimeout`'s default).
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(120);

/// The API version asked for in `Version` calls.
const KUBELET_API_VERSION: &str = "0.1.0";

/// A connection to a container runtime and the images it keeps.
#[derive(Clone, Debug)]
pub struct Client {
    runtime: RuntimeServiceClient<Channel>,
    images: ImageServiceClient<Channel>,
    timeout: Duration,
}

impl Client {
    /// Prepares a connection to `endpoint` (`unix:///path` or `/path`); `image_endpoint` when images live elsewhere.
    /// `timeout` bounds every call that has no longer bound of its own.
    ///
    /// # Errors
    /// Only a malformed endpoint; an unreachable runtime shows in the first call.
    pub fn new(endpoint: &str, image_endpoint: Option<&str>, timeout: Duration) -> Result<Client, Error> {
        let channel = endpoint::channel(endpoint)?;
        let image_channel = match image_endpoint.filter(|other| !other.is_empty() && *other != endpoint) {
            Some(other) => endpoint::channel(other)?,
            None => channel.clone(),
        };
        Ok(Client {
            runtime: RuntimeServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES),
            images: ImageServiceClient::new(image_channel).max_decoding_message_size(MAX_MESSAGE_BYTES),
            timeout,
        })
    }

    /// Name, version and API version of the runtime.
    pub async fn version(&self) -> Result<cri::VersionResponse, Error> {
        let request = self.request(cri::VersionRequest { version: KUBELET_API_VERSION.to_owned() });
        Ok(self.runtime().version(request).await.map_err(during("Version"))?.into_inner())
    }

    /// Conditions (`RuntimeReady`, `NetworkReady`), handlers and features; with `verbose`, the runtime's own facts.
    pub async fn status(&self, verbose: bool) -> Result<cri::StatusResponse, Error> {
        let request = self.request(cri::StatusRequest { verbose });
        let answer = self.runtime().status(request).await.map_err(during("Status"))?.into_inner();
        if answer.status.is_none() {
            return Err(Error::Incomplete { call: "Status", field: "status" });
        }
        Ok(answer)
    }

    /// Tells the runtime the node's pod CIDR.
    pub async fn update_runtime_config(&self, pod_cidr: &str) -> Result<(), Error> {
        let network_config = Some(cri::NetworkConfig { pod_cidr: pod_cidr.to_owned() });
        let request = self.request(cri::UpdateRuntimeConfigRequest {
            runtime_config: Some(cri::RuntimeConfig { network_config }),
        });
        self.runtime().update_runtime_config(request).await.map_err(during("UpdateRuntimeConfig"))?;
        Ok(())
    }

    /// The cgroup driver the runtime was set up with; `None` when it is too old to say.
    pub async fn cgroup_driver(&self) -> Result<Option<cri::CgroupDriver>, Error> {
        let request = self.request(cri::RuntimeConfigRequest {});
        match self.runtime().runtime_config(request).await.map_err(during("RuntimeConfig")) {
            Ok(answer) => Ok(answer.into_inner().linux.map(|linux| linux.cgroup_driver())),
            Err(error) if error.is_unimplemented() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The stream of container events, where the runtime has one ([`Kind::Unimplemented`] otherwise).
    pub async fn container_events(&self) -> Result<tonic::Streaming<cri::ContainerEventResponse>, Error> {
        // No deadline: the stream lives as long as the connection.
        let request = Request::new(cri::GetEventsRequest {});
        let answer = self.runtime().get_container_events(request).await;
        Ok(answer.map_err(during("GetContainerEvents"))?.into_inner())
    }

    /// A handle for one call; clones share the connection.
    fn runtime(&self) -> RuntimeServiceClient<Channel> {
        self.runtime.clone()
    }

    fn image_service(&self) -> ImageServiceClient<Channel> {
        self.images.clone()
    }

    fn request<T>(&self, message: T) -> Request<T> {
        self.request_within(message, self.timeout)
    }

    fn request_within<T>(&self, message: T, timeout: Duration) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(timeout);
        request
    }
}
