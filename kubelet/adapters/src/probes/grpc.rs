//! gRPC probes: the standard health service.

use std::time::Duration;

use hyper_util::rt::TokioIo;
use kubelet_core::ports::{GrpcProbe, ProbeAnswer};
use proto::grpc_health::HealthCheckRequest;
use proto::grpc_health::health_check_response::ServingStatus;
use proto::grpc_health::health_client::HealthClient;
use tonic::transport::Endpoint;
use tonic::{Code, Status};

use super::dial;

pub(super) async fn check(probe: &GrpcProbe, timeout: Duration) -> ProbeAnswer {
    let started = tokio::time::Instant::now();
    let address = dial::join(&probe.host, probe.port);
    let (host, port) = (probe.host.clone(), probe.port);
    let connector = tower::service_fn(move |_: http::Uri| {
        let host = host.clone();
        async move { dial::connect(&host, port).await.map(TokioIo::new).map_err(std::io::Error::other) }
    });
    let endpoint = match Endpoint::from_shared(format!("http://{address}"))
        .map(|it| it.user_agent(super::USER_AGENT))
    {
        Ok(Ok(endpoint)) => endpoint,
        Ok(Err(error)) | Err(error) => {
            return ProbeAnswer::Failure(format!("error: failed to connect service at {address:?}: {error}"));
        }
    };
    let channel = match tokio::time::timeout(timeout, endpoint.connect_with_connector(connector)).await {
        Ok(Ok(channel)) => channel,
        // The original keeps dialling until its time is over, and then blames the time.
        Ok(Err(_)) | Err(_) => {
            let within = go_duration(timeout);
            return ProbeAnswer::Failure(format!(
                "timeout: failed to connect service {address:?} within {within}: context deadline exceeded"
            ));
        }
    };
    let left = timeout.saturating_sub(started.elapsed());
    let request = HealthCheckRequest { service: probe.service.clone() };
    match tokio::time::timeout(left, HealthClient::new(channel).check(request)).await {
        Ok(Ok(answer)) => match answer.into_inner().status() {
            ServingStatus::Serving => ProbeAnswer::Success("service healthy".to_owned()),
            other => {
                ProbeAnswer::Failure(format!("service unhealthy (responded with {:?})", other.as_str_name()))
            }
        },
        Ok(Err(status)) => ProbeAnswer::Failure(refused(&status, timeout)),
        Err(_) => ProbeAnswer::Failure(refused(&Status::deadline_exceeded(""), timeout)),
    }
}

fn refused(status: &Status, timeout: Duration) -> String {
    let message = status.message();
    match status.code() {
        Code::Unimplemented => format!(
            "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): {message}"
        ),
        Code::DeadlineExceeded => {
            format!("timeout: health rpc did not complete within {}", go_duration(timeout))
        }
        code => format!("error: health rpc probe failed: rpc error: code = {code:?} desc = {message}"),
    }
}

/// A duration as Go prints whole seconds and less: `1s`, `1m30s`, `500ms`.
fn go_duration(duration: Duration) -> String {
    let (minutes, seconds) = (duration.as_secs() / 60, duration.as_secs() % 60);
    match (minutes, duration.subsec_millis()) {
        (0, 0) => format!("{seconds}s"),
        (0, millis) if seconds == 0 => format!("{millis}ms"),
        (0, _) => format!("{}s", duration.as_secs_f64()),
        (minutes, _) => format!("{minutes}m{seconds}s"),
    }
}
