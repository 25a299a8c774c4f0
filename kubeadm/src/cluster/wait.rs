//! Waiting for the kubelet and for the components of the control plane to be healthy.

use std::{
    future::Future,
    path::Path,
    time::{Duration, Instant},
};

use api_types::core::v1::Pod;
use client::{Client, Config};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};

use super::{ClusterError, access::client_from};
use crate::{constants, render::addresses::join_host_port};

const INTERVAL: Duration = Duration::from_millis(200);
const PROBE_LIMIT: Duration = Duration::from_secs(5);

/// Where a component says whether it is healthy.
#[derive(Clone, Debug, PartialEq)]
pub struct HealthCheck {
    pub component: &'static str,
    pub address: String,
    pub path: &'static str,
}

/// Flags that say where components listen, and their defaults.
const COMPONENTS: [(&str, &str, u16, &str); 3] = [
    (constants::API_SERVER, "advertise-address", constants::API_SERVER_PORT, "/livez"),
    (constants::CONTROLLER_MANAGER, "bind-address", constants::CONTROLLER_MANAGER_PORT, "/healthz"),
    (constants::SCHEDULER, "bind-address", constants::SCHEDULER_PORT, "/livez"),
];

/// The checks that follow from the manifests of the control plane.
pub fn health_checks(pods: &[Pod], advertise_address: &str) -> Vec<HealthCheck> {
    COMPONENTS
        .iter()
        .map(|(name, address_flag, default_port, path)| {
            let flag = |flag: &str| flag_of(pods, name, flag);
            let default = if *name == constants::API_SERVER { advertise_address } else { "127.0.0.1" };
            let host = flag(address_flag)
                .filter(|host| host != "0.0.0.0" && host != "::")
                .unwrap_or_else(|| default.to_owned());
            let port = flag("secure-port").unwrap_or_else(|| default_port.to_string());
            HealthCheck { component: name, address: join_host_port(&host, port), path }
        })
        .collect()
}

fn flag_of(pods: &[Pod], component: &str, flag: &str) -> Option<String> {
    let pod = pods.iter().find(|pod| pod.metadata.name == component)?;
    let prefix = format!("--{flag}=");
    let words = pod.spec.containers.iter().flat_map(|container| &container.command);
    words.rev().find_map(|word| word.strip_prefix(&prefix).map(str::to_owned))
}

/// Waits for the kubelet's health port; zero means it has none.
pub async fn kubelet(address: &str, port: u16, limit: Duration) -> Result<(), ClusterError> {
    if port == 0 {
        println!("[kubelet-check] Skipping the kubelet health check because the healthz port is set to 0");
        return Ok(());
    }
    let address = join_host_port(address, port);
    println!(
        "[kubelet-check] Waiting for a healthy kubelet at http://{address}/healthz. This can take up to {limit:?}"
    );
    let started = Instant::now();
    let outcome = until(limit, || async {
        plain_get(&address, "/healthz").await.map_err(|cause| {
            format!("The HTTP call equal to 'curl -sSL http://{address}/healthz' returned {cause}")
        })
    })
    .await;
    let word = if outcome.is_ok() { "healthy" } else { "not healthy" };
    println!("[kubelet-check] The kubelet is {word} after {:?}", started.elapsed());
    outcome.map_err(|last| ClusterError::Unhealthy { what: "the kubelet".to_owned(), limit, last })
}

/// Waits for all components at once; tells all that stay unhealthy.
pub async fn control_plane(
    checks: &[HealthCheck],
    kubeconfig: &Path,
    limit: Duration,
) -> Result<(), ClusterError> {
    println!(
        "[control-plane-check] Waiting for healthy control plane components. This can take up to {limit:?}"
    );
    for check in checks {
        println!(
            "[control-plane-check] Checking {} at https://{}{}",
            check.component, check.address, check.path
        );
    }
    let outcomes =
        futures_util::future::join_all(checks.iter().map(|check| one(check, kubeconfig, limit))).await;
    let failures: Vec<String> = outcomes.into_iter().filter_map(Result::err).collect();
    if failures.is_empty() {
        return Ok(());
    }
    Err(ClusterError::Unhealthy { what: "the control plane".to_owned(), limit, last: failures.join("; ") })
}

async fn one(check: &HealthCheck, kubeconfig: &Path, limit: Duration) -> Result<(), String> {
    let started = Instant::now();
    let client = probe_client(check, kubeconfig).map_err(|error| component_base::run::error_chain(&error))?;
    let outcome = until(limit, || async {
        timeout(PROBE_LIMIT, client.get_text(check.path))
            .await
            .map_err(|_| format!("no answer within {PROBE_LIMIT:?}"))?
            .map(drop)
            .map_err(|error| component_base::run::error_chain(&error))
    })
    .await;
    let word = if outcome.is_ok() { "healthy" } else { "not healthy" };
    println!("[control-plane-check] {} is {word} after {:?}", check.component, started.elapsed());
    outcome.map_err(|last| {
        format!("{} check failed at https://{}{}: {last}", check.component, check.address, check.path)
    })
}

/// The API server is asked with the administrator's certificate and verified by the cluster's authority.
/// The other components make themselves certificates that nobody signed; as the kubelet's probes do, these
/// two questions go without credentials to addresses of this host and read nothing but a status code.
fn probe_client(check: &HealthCheck, kubeconfig: &Path) -> Result<Client, ClusterError> {
    if check.component == constants::API_SERVER {
        let mut config = Config::from_kubeconfig_file(kubeconfig).map_err(|source| {
            ClusterError::Kubeconfig { path: kubeconfig.to_owned(), source: Box::new(source) }
        })?;
        let server = Config::new(&format!("https://{}", check.address)).map(|config| config.server);
        config.server = server.unwrap_or(config.server);
        return build(config, check);
    }
    let config = Config::new(&format!("https://{}", check.address));
    let mut config = config.map_err(|source| failed(check, source))?;
    config.skip_verification = true;
    build(config.allow_unverified_server(), check)
}

fn build(config: Config, check: &HealthCheck) -> Result<Client, ClusterError> {
    Client::new(config).map_err(|source| failed(check, source))
}

fn failed(check: &HealthCheck, source: client::Error) -> ClusterError {
    ClusterError::Call {
        action: "check the health of",
        kind: "component",
        name: check.component.to_owned(),
        source: Box::new(source),
    }
}

/// Whether the API answers through a kubeconfig.
pub async fn api_server(kubeconfig: &Path, limit: Duration) -> Result<(), ClusterError> {
    let client = client_from(kubeconfig)?;
    until(limit, || async {
        client.get_text("/readyz").await.map(drop).map_err(|error| component_base::run::error_chain(&error))
    })
    .await
    .map_err(|last| ClusterError::Unhealthy { what: "the API server".to_owned(), limit, last })
}

/// Repeats a check until it succeeds; at the end of the time gives its last complaint.
async fn until<F: Future<Output = Result<(), String>>>(
    limit: Duration,
    mut check: impl FnMut() -> F,
) -> Result<(), String> {
    let deadline = Instant::now() + limit;
    loop {
        match check().await {
            Ok(()) => return Ok(()),
            Err(last) if Instant::now() >= deadline => return Err(last),
            Err(_) => sleep(INTERVAL).await,
        }
    }
}

/// GET without TLS; an answer other than 200 is a complaint.
async fn plain_get(address: &str, path: &str) -> Result<(), String> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(64 * 1024).read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = timeout(PROBE_LIMIT, exchange).await.map_err(|_| "error: no answer".to_owned())?;
    let answer = answer.map_err(|error| format!("error: {error}"))?;
    match answer.split_whitespace().nth(1) {
        Some("200") => Ok(()),
        Some(code) => Err(format!("status code: {code}")),
        None => Err("error: an empty answer".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::{
        arguments::arg,
        control_plane::{COMPONENTS as RENDERERS, HostView, tests::configuration},
    };

    #[test]
    fn checks_follow_the_manifests() {
        let mut configuration = configuration();
        configuration.cluster.scheduler.extra_args = vec![arg("secure-port", "20259")];
        configuration.cluster.controller_manager.extra_args = vec![arg("bind-address", "0.0.0.0")];
        let pods: Vec<Pod> =
            RENDERERS.iter().map(|(_, render)| render(&configuration, &HostView::default())).collect();
        let addresses: Vec<String> = health_checks(&pods, "192.0.2.1")
            .into_iter()
            .map(|check| format!("{}{}", check.address, check.path))
            .collect();
        assert_eq!(addresses, ["192.0.2.1:6443/livez", "127.0.0.1:10257/healthz", "127.0.0.1:20259/livez"]);
    }

    #[tokio::test]
    async fn a_status_other_than_200_is_a_complaint() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        tokio::spawn(async move {
            for code in ["503 Service Unavailable", "200 OK"] {
                let (mut stream, _) = listener.accept().await.expect("a client");
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).await.expect("a request");
                let answer = format!("HTTP/1.1 {code}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.expect("sent");
            }
        });
        assert_eq!(plain_get(&address, "/healthz").await, Err("status code: 503".to_owned()));
        assert_eq!(plain_get(&address, "/healthz").await, Ok(()));
    }
}
