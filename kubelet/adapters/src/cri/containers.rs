//! Containers: create, start, stop, look, run commands in them, and where to stream.

use std::collections::BTreeMap;
use std::time::Duration;

use proto::cri;

use super::sandboxes::done_when_gone;
use super::{Client, Error, Kind, during};

/// What a command left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecOutcome {
    /// Standard output, as far as the runtime kept it (16 MiB).
    pub stdout: Vec<u8>,
    /// Standard error, likewise.
    pub stderr: Vec<u8>,
    /// The command's exit code; 0 is success.
    pub exit_code: i32,
}

/// Which standard streams of a container a client wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamKind {
    /// The client sends input.
    pub stdin: bool,
    /// The client wants output.
    pub stdout: bool,
    /// The client wants errors; runtimes refuse this together with `tty`.
    pub stderr: bool,
    /// A terminal joins output and errors.
    pub tty: bool,
}

impl Client {
    /// Creates a container in a sandbox and answers its id.
    pub async fn create_container(
        &self,
        sandbox: &str,
        config: cri::ContainerConfig,
        sandbox_config: cri::PodSandboxConfig,
    ) -> Result<String, Error> {
        let request = self.request(cri::CreateContainerRequest {
            pod_sandbox_id: sandbox.to_owned(),
            config: Some(config),
            sandbox_config: Some(sandbox_config),
        });
        let answer = self.runtime().create_container(request).await.map_err(during("CreateContainer"))?;
        let id = answer.into_inner().container_id;
        if id.is_empty() {
            return Err(Error::Incomplete { call: "CreateContainer", field: "container_id" });
        }
        Ok(id)
    }

    /// Starts a created container.
    pub async fn start_container(&self, id: &str) -> Result<(), Error> {
        let request = self.request(cri::StartContainerRequest { container_id: id.to_owned() });
        self.runtime().start_container(request).await.map_err(during("StartContainer"))?;
        Ok(())
    }

    /// Sends the stop signal, and kills after `grace`. Gone or stopped already is a success.
    pub async fn stop_container(&self, id: &str, grace: Duration) -> Result<(), Error> {
        let timeout = i64::try_from(grace.as_secs()).unwrap_or(i64::MAX);
        let message = cri::StopContainerRequest { container_id: id.to_owned(), timeout };
        let request = self.request_within(message, self.timeout.saturating_add(grace));
        done_when_gone(self.runtime().stop_container(request).await.map_err(during("StopContainer")))
    }

    /// Removes a container, by force. Gone already is a success.
    pub async fn remove_container(&self, id: &str) -> Result<(), Error> {
        let request = self.request(cri::RemoveContainerRequest { container_id: id.to_owned() });
        done_when_gone(self.runtime().remove_container(request).await.map_err(during("RemoveContainer")))
    }

    /// All containers whose labels contain `labels`, in any state or in one.
    pub async fn list_containers(
        &self,
        labels: BTreeMap<String, String>,
        state: Option<cri::ContainerState>,
    ) -> Result<Vec<cri::Container>, Error> {
        let state = state.map(|state| cri::ContainerStateValue { state: state.into() });
        let filter = cri::ContainerFilter { state, label_selector: labels, ..Default::default() };
        let request = self.request(cri::ListContainersRequest { filter: Some(filter) });
        let answer = self.runtime().list_containers(request).await.map_err(during("ListContainers"))?;
        Ok(answer.into_inner().containers)
    }

    /// Status of one container; with `verbose`, also the runtime's own facts (`pid`, `runtimeSpec` …).
    pub async fn container_status(
        &self,
        id: &str,
        verbose: bool,
    ) -> Result<(cri::ContainerStatus, BTreeMap<String, String>), Error> {
        let request = self.request(cri::ContainerStatusRequest { container_id: id.to_owned(), verbose });
        let answer = self.runtime().container_status(request).await.map_err(during("ContainerStatus"))?;
        let answer = answer.into_inner();
        let status = answer.status.ok_or(Error::Incomplete { call: "ContainerStatus", field: "status" })?;
        Ok((status, answer.info))
    }

    /// Changes a running container's limits.
    pub async fn update_container_resources(
        &self,
        id: &str,
        resources: cri::LinuxContainerResources,
    ) -> Result<(), Error> {
        let request = self.request(cri::UpdateContainerResourcesRequest {
            container_id: id.to_owned(),
            linux: Some(resources),
            annotations: BTreeMap::new(),
        });
        let answer = self.runtime().update_container_resources(request).await;
        answer.map_err(during("UpdateContainerResources"))?;
        Ok(())
    }

    /// Makes the runtime write to a new file after the old one was renamed.
    pub async fn reopen_container_log(&self, id: &str) -> Result<(), Error> {
        let request = self.request(cri::ReopenContainerLogRequest { container_id: id.to_owned() });
        self.runtime().reopen_container_log(request).await.map_err(during("ReopenContainerLog"))?;
        Ok(())
    }

    /// Runs a command to its end. A `timeout` of zero means none.
    ///
    /// # Errors
    /// [`Kind::TimedOut`] when the command did not end in time; a failing command is not an error but an exit code.
    pub async fn exec_sync(
        &self,
        id: &str,
        command: &[String],
        timeout: Duration,
    ) -> Result<ExecOutcome, Error> {
        let message = cri::ExecSyncRequest {
            container_id: id.to_owned(),
            cmd: command.to_vec(),
            // Whole seconds are all CRI can say; never round down to "no limit".
            timeout: i64::try_from(timeout.as_millis().div_ceil(1000)).unwrap_or(i64::MAX),
        };
        let request = if timeout.is_zero() {
            tonic::Request::new(message)
        } else {
            // The runtime's own limit should strike first: it kills the command.
            self.request_within(message, self.timeout.saturating_add(timeout))
        };
        let answer = self.runtime().exec_sync(request).await.map_err(during("ExecSync"))?.into_inner();
        Ok(ExecOutcome { stdout: answer.stdout, stderr: answer.stderr, exit_code: answer.exit_code })
    }

    /// The URL at which the runtime streams a command; good for one connection.
    pub async fn exec_url(&self, id: &str, command: &[String], streams: StreamKind) -> Result<String, Error> {
        let request = self.request(cri::ExecRequest {
            container_id: id.to_owned(),
            cmd: command.to_vec(),
            tty: streams.tty,
            stdin: streams.stdin,
            stdout: streams.stdout,
            stderr: streams.stderr,
        });
        let answer = self.runtime().exec(request).await.map_err(during("Exec"))?;
        non_empty_url("Exec", answer.into_inner().url)
    }

    /// The URL at which the runtime streams the container's main process.
    pub async fn attach_url(&self, id: &str, streams: StreamKind) -> Result<String, Error> {
        let request = self.request(cri::AttachRequest {
            container_id: id.to_owned(),
            stdin: streams.stdin,
            tty: streams.tty,
            stdout: streams.stdout,
            stderr: streams.stderr,
        });
        let answer = self.runtime().attach(request).await.map_err(during("Attach"))?;
        non_empty_url("Attach", answer.into_inner().url)
    }

    /// The URL at which the runtime forwards ports of a sandbox.
    pub async fn port_forward_url(&self, sandbox: &str, ports: &[i32]) -> Result<String, Error> {
        let request = self
            .request(cri::PortForwardRequest { pod_sandbox_id: sandbox.to_owned(), port: ports.to_vec() });
        let answer = self.runtime().port_forward(request).await.map_err(during("PortForward"))?;
        non_empty_url("PortForward", answer.into_inner().url)
    }
}

fn non_empty_url(call: &'static str, url: String) -> Result<String, Error> {
    if url.is_empty() { Err(Error::Incomplete { call, field: "url" }) } else { Ok(url) }
}

/// True when a command ran out of its own time rather than failing.
pub fn command_timed_out(error: &Error) -> bool {
    // containerd 1.6 answers a killed command with code Unknown and these words.
    error.kind() == Kind::TimedOut
        || error.message().contains("context deadline exceeded")
        || error.message().contains("command timed out")
}
