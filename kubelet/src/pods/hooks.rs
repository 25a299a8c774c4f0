//! Lifecycle handlers of containers: exec, httpGet, sleep.

use std::time::Duration;

use api_types::core::v1::{Container, LifecycleHandler, Pod};
use kubelet_core::ports::{HttpProbe, ProbeAnswer};
use kubelet_core::probes::port_number;

use crate::context::Context;

/// How long an httpGet handler may take to answer.
const HTTP_TIMEOUT: Duration = Duration::from_secs(30);

/// Runs a handler to its end; the error is for the log and the waiting message, never for an event: it may hold secrets.
pub(super) async fn run(
    context: &Context,
    pod: &Pod,
    container: &Container,
    container_id: &str,
    pod_ip: &str,
    handler: &LifecycleHandler,
) -> Result<(), String> {
    if let Some(exec) = &handler.exec {
        let output = context
            .ports
            .runtime
            .exec(container_id, &exec.command, Duration::ZERO)
            .await
            .map_err(|error| format!("Exec lifecycle hook ({:?}) failed: {error}", exec.command))?;
        if output.exit_code != 0 {
            let text = String::from_utf8_lossy(if output.stderr.is_empty() {
                &output.stdout
            } else {
                &output.stderr
            });
            return Err(format!(
                "Exec lifecycle hook ({:?}) for Container {:?} in Pod {:?} failed - error: command '{}' exited with {}: \
                 , message: {text:?}",
                exec.command,
                container.name,
                kubelet_core::pod::describe(pod),
                exec.command.join(" "),
                output.exit_code
            ));
        }
        return Ok(());
    }
    if let Some(http) = &handler.http_get {
        let port = port_number(&http.port, container).map_err(|error| error.to_string())?;
        let question = HttpProbe {
            scheme: if http.scheme.is_empty() { "http".to_owned() } else { http.scheme.to_lowercase() },
            host: if http.host.is_empty() { pod_ip.to_owned() } else { http.host.clone() },
            port,
            path: if http.path.starts_with('/') { http.path.clone() } else { format!("/{}", http.path) },
            headers: http
                .http_headers
                .iter()
                .map(|header| (header.name.clone(), header.value.clone()))
                .collect(),
        };
        return match context.ports.prober.http_get(&question, HTTP_TIMEOUT).await {
            ProbeAnswer::Success(_) | ProbeAnswer::Warning(_) => Ok(()),
            ProbeAnswer::Failure(text) | ProbeAnswer::Unknown(text) => {
                Err(format!("HTTP lifecycle hook ({}) failed: {text}", http.path))
            }
        };
    }
    if let Some(sleep) = &handler.sleep {
        tokio::time::sleep(Duration::from_secs(u64::try_from(sleep.seconds).unwrap_or(0))).await;
        return Ok(());
    }
    Err(format!("invalid handler: {handler:?}"))
}
