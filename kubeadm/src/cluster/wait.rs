//! Waiting for the kubelet and for the components of the control plane to be healthy.

use std::{
    future::Future,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use api_types::core::v1::Pod;
use client::{Client, Config, config::Source};
use component_base::tls::CertificateFacts;
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
    /// The file of its serving certificate; without one it makes itself a certificate that nobody can verify.
    pub certificate: Option<PathBuf>,
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
            let certificate = flag("tls-cert-file").map(PathBuf::from);
            HealthCheck { component: name, address: join_host_port(&host, port), path, certificate }
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
    let Some(client) = client else { return listens(check, limit).await };
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

/// Nothing that a component says with a certificate nobody can verify is believed: that it listens must do.
async fn listens(check: &HealthCheck, limit: Duration) -> Result<(), String> {
    println!(
        "[control-plane-check] {} has no certificate (--tls-cert-file) of the cluster to verify it by: only that it listens is checked",
        check.component
    );
    until(limit, || async {
        let connected = timeout(PROBE_LIMIT, TcpStream::connect(&check.address)).await;
        let connected = connected.map_err(|_| format!("no connection within {PROBE_LIMIT:?}"))?;
        connected.map(drop).map_err(|error| error.to_string())
    })
    .await
    .map_err(|last| format!("{} check failed at {}: {last}", check.component, check.address))
}

/// A client that verifies the component by the cluster's authority; none when that authority did not sign its
/// certificate. The API server is asked with the administrator's certificate, the others without credentials.
fn probe_client(check: &HealthCheck, kubeconfig: &Path) -> Result<Option<Client>, ClusterError> {
    let mut config = Config::from_kubeconfig_file(kubeconfig).map_err(|source| ClusterError::Kubeconfig {
        path: kubeconfig.to_owned(),
        source: Box::new(source),
    })?;
    let mut asked =
        Config::new(&format!("https://{}", check.address)).map_err(|source| failed(check, source))?;
    if check.component == constants::API_SERVER {
        config.server = asked.server;
        return build(config, check).map(Some);
    }
    let authorities = config.authorities.map(|source| source.read()).transpose();
    let authorities = authorities.map_err(|source| failed(check, source))?.unwrap_or_default();
    if !check.certificate.as_ref().is_some_and(|path| is_signed(path, &authorities)) {
        return Ok(None);
    }
    asked.authorities = Some(Source::Inline(authorities));
    build(asked, check).map(Some)
}

fn is_signed(certificate: &Path, authorities: &[u8]) -> bool {
    let authorities = CertificateFacts::all_from_pem(authorities).unwrap_or_default();
    CertificateFacts::from_file(certificate)
        .is_ok_and(|leaf| authorities.iter().any(|authority| leaf.verify_signed_by(authority).is_ok()))
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
        let checks = health_checks(&pods, "192.0.2.1");
        let certificate = |check: &HealthCheck| check.certificate.clone();
        let expected = Path::new("/etc/kubernetes/pki/kube-scheduler.crt").to_owned();
        assert_eq!(checks.last().and_then(certificate), Some(expected));
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

    #[tokio::test]
    async fn a_component_is_believed_only_with_a_certificate_of_the_cluster() {
        use crate::{cluster::testing::serve, render::kubeconfig};
        use component_base::tls::{ExtendedUsage, KeyAlgorithm, Profile, authority::Authority};
        component_base::tls::install_provider();
        let now = jiff::Timestamp::now();
        let (from, to) =
            (now - jiff::SignedDuration::from_hours(1), now + jiff::SignedDuration::from_hours(1));
        let authority = |name| {
            Authority::create(&Profile::authority(name, from, to), KeyAlgorithm::EcdsaP256).expect("made")
        };
        let (cluster, other) = (authority("cluster"), authority("other"));
        let issue = |authority: &Authority| {
            let profile = Profile::leaf("kube-scheduler", &[ExtendedUsage::ServerAuth], from, to)
                .with_ip_addresses(["127.0.0.1".parse().expect("an address")]);
            let (certificate, key) = authority.issue(&profile, KeyAlgorithm::EcdsaP256).expect("issued");
            (certificate, key.to_pem())
        };
        let folder = tempfile::tempdir().expect("a folder");
        let (admin_conf, file) = (folder.path().join("admin.conf"), folder.path().join("scheduler.crt"));
        let text = kubeconfig::render(
            "https://127.0.0.1:1",
            "kubernetes",
            "admin",
            &cluster.certificate_pem(),
            &kubeconfig::Credential::Token("secret".to_owned()),
        );
        std::fs::write(&admin_conf, text).expect("written");
        let (own, foreign) = (issue(&cluster), issue(&other));
        std::fs::write(&file, &own.0).expect("written");
        let check = |address: &str| HealthCheck {
            component: constants::SCHEDULER,
            address: address.to_owned(),
            path: "/livez",
            certificate: Some(file.clone()),
        };
        let limit = Duration::from_secs(10);
        one(&check(&serve(&own.0, &own.1, "ok".to_owned()).await), &admin_conf, limit)
            .await
            .expect("healthy");
        // Another program at the port, with another certificate than the one in the file.
        let impostor = check(&serve(&foreign.0, &foreign.1, "ok".to_owned()).await);
        let refused = one(&impostor, &admin_conf, Duration::ZERO).await.expect_err("not believed");
        assert!(refused.contains("UnknownIssuer") || refused.contains("certificate"), "{refused}");
        // A user's certificate of another authority: that it listens is all that can be said.
        std::fs::write(&file, &foreign.0).expect("written");
        one(&impostor, &admin_conf, limit).await.expect("it listens");
    }
}
