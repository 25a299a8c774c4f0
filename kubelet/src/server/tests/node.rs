//! A node for tests: containerd, the server with certificates, one pod, clients known and unknown.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use api_types::core::v1::{Container, Pod};
use async_trait::async_trait;
use client::Client;
use client::config::{Config, Source};
use component_base::Shutdown;
use component_base::health::Health;
use component_base::metrics::Metrics;
use component_base::tls::server::{
    ClientAuthorities, ClientCertificates, ServerOptions, certified_key, server_config,
};
use component_base::tls::{Authority, ExtendedUsage, KeyAlgorithm, Profile, Reloaded};
use http::{Method, Request};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use jiff::{SignedDuration, Timestamp};
use kubelet_adapters::cri::CriRuntime;
use kubelet_adapters::testing::containerd::{BUSYBOX_IMAGE, TestContainerd, available};
use kubelet_core::ports::{ContainerConfig, Runtime, SandboxConfig};
use parking_lot::Mutex;
use rustls::pki_types::ServerName;

use crate::server::access::{Access, AlwaysAllow, ClientCertificate};
use crate::server::statistics::Statistics;
use crate::server::{Parts, Server};
use crate::view::{ContainerLookup, KubeletView, ViewError};

/// The node; everything ends with it.
pub struct TestNode {
    /// A client with a certificate of the cluster.
    pub client: Client,
    /// A client without one.
    pub stranger: Stranger,
    /// Where the server listens.
    pub address: SocketAddr,
    /// TLS as the API server speaks it.
    pub tls: tokio_rustls::TlsConnector,
    view: Arc<TestView>,
    runtime: Arc<CriRuntime>,
    shutdown: Shutdown,
    containerd: TestContainerd,
}

impl Drop for TestNode {
    fn drop(&mut self) {
        self.shutdown.trigger();
    }
}

impl TestNode {
    /// `None` where containerd cannot run.
    pub async fn start(index: u8) -> Option<TestNode> {
        if !available() {
            eprintln!("skipped: needs root, containerd and busybox");
            return None;
        }
        let containerd = TestContainerd::start(index).await.expect("containerd starts");
        let runtime =
            CriRuntime::new(&containerd.endpoint(), None, Duration::from_secs(60)).expect("endpoint");
        let runtime = Arc::new(runtime);
        let certificates = Certificates::make();
        let view = Arc::new(TestView { directory: containerd.directory().to_owned(), pod: Mutex::default() });
        let authorities = ClientAuthorities::from_pem(certificates.authority.as_bytes()).expect("authority");
        let authenticator = ClientCertificate::new(Reloaded::fixed(authorities));
        let server = Server::new(Parts {
            view: view.clone(),
            runtime: runtime.clone(),
            statistics: Arc::new(NoStatistics),
            access: Access::new(vec![Arc::new(authenticator)], Arc::new(AlwaysAllow), "n1".to_owned()),
            health: Health::new(),
            metrics: Metrics::new(),
            probe_metrics: Metrics::new(),
            log_directory: containerd.directory().join("logs"),
            debugging: true,
            system_logs: true,
        });
        let (certificate, key) = &certificates.server;
        let identity =
            Reloaded::fixed(certified_key(certificate.as_bytes(), key.as_bytes()).expect("identity"));
        let options = ServerOptions::new(identity).with_clients(ClientCertificates::Request);
        let listener = Server::listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.expect("listens");
        let address = listener.local_addr().expect("address");
        let shutdown = Shutdown::new();
        tokio::spawn(server.serve(listener, server_config(&options).expect("tls"), shutdown.clone()));
        let connect = |identity: Option<(Source, Source)>| {
            let authority = Source::Inline(certificates.authority.clone().into_bytes());
            let url = format!("https://{address}");
            Config::from_parts(&url, authority, identity).expect("config")
        };
        let (certificate, key) = &certificates.client;
        let identity = (Source::Inline(certificate.clone().into()), Source::Inline(key.clone().into()));
        Some(TestNode {
            client: Client::new(connect(Some(identity))).expect("client"),
            stranger: Stranger(Client::new(connect(None)).expect("client")),
            address,
            tls: certificates.connector(),
            view,
            runtime,
            shutdown,
            containerd,
        })
    }

    /// Runs the pod `default/web` with one container `main`, and waits for its first words.
    pub async fn run_pod(&self, script: &str) {
        let logs = self.containerd.directory().join("logs/web");
        std::fs::create_dir_all(logs.join("main")).expect("log directory");
        let sandbox_config = SandboxConfig {
            name: "web".to_owned(),
            namespace: "default".to_owned(),
            uid: "u1".to_owned(),
            hostname: "web".to_owned(),
            log_directory: logs.display().to_string(),
            cgroup_parent: self.containerd.cgroup_parent(),
            ..Default::default()
        };
        let sandbox = self.runtime.run_sandbox(&sandbox_config, "").await.expect("sandbox runs");
        let config = ContainerConfig {
            name: "main".to_owned(),
            image: BUSYBOX_IMAGE.to_owned(),
            command: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
            log_path: "main/0.log".to_owned(),
            stdin: true,
            ..Default::default()
        };
        let container =
            self.runtime.create_container(&sandbox, &config, &sandbox_config).await.expect("created");
        self.runtime.start_container(&container).await.expect("started");
        *self.view.pod.lock() = Some((sandbox, container));
        let said = async {
            while !std::fs::read_to_string(logs.join("main/0.log")).is_ok_and(|log| log.ends_with('\n')) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), said).await.expect("the container says something");
    }

    /// The runtime.
    pub fn runtime(&self) -> &dyn Runtime {
        &*self.runtime
    }

    /// The container of the pod.
    pub fn container_id(&self) -> String {
        self.view.pod.lock().clone().expect("a pod runs").1
    }

    /// Files of the test.
    pub fn directory(&self) -> &std::path::Path {
        self.containerd.directory()
    }

    /// Status and body of a page.
    pub async fn get(&self, path: &str) -> (u16, String) {
        ask(&self.client, Method::GET, path).await
    }

    /// Status and body of a page that wants POST.
    pub async fn post(&self, path: &str) -> (u16, String) {
        ask(&self.client, Method::POST, path).await
    }

    /// The connection after a switch of protocols.
    pub async fn upgrade(
        &self,
        path: &str,
        to: &str,
        headers: &[(&str, &str)],
    ) -> TokioIo<hyper::upgrade::Upgraded> {
        let stream = tokio::net::TcpStream::connect(self.address).await.expect("connects");
        let name = ServerName::try_from("127.0.0.1").expect("name");
        let stream = self.tls.connect(name, stream).await.expect("handshake");
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("http");
        tokio::spawn(connection.with_upgrades());
        let mut request =
            Request::post(path).header("Host", "node").header("Connection", "Upgrade").header("Upgrade", to);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::<bytes::Bytes>::default()).expect("request");
        let response = sender.send_request(request).await.expect("answer");
        assert_eq!(response.status().as_u16(), 101);
        TokioIo::new(hyper::upgrade::on(response).await.expect("switched"))
    }
}

/// A client nobody knows.
pub struct Stranger(Client);

impl Stranger {
    /// Status and body of a page.
    pub async fn get(&self, path: &str) -> (u16, String) {
        ask(&self.0, Method::GET, path).await
    }
}

async fn ask(client: &Client, method: Method, path: &str) -> (u16, String) {
    use http_body_util::BodyExt as _;
    let request = Request::builder().method(method).uri(path).body(bytes::Bytes::new()).expect("request");
    let response = client.send(request).await.expect("answer");
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.expect("body").to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

struct Certificates {
    authority: String,
    server: (String, String),
    client: (String, String),
}

impl Certificates {
    fn make() -> Certificates {
        let now = Timestamp::now();
        let (start, end) = (now - SignedDuration::from_hours(1), now + SignedDuration::from_hours(1));
        let authority =
            Authority::create(&Profile::authority("test-ca", start, end), KeyAlgorithm::EcdsaP256);
        let authority = authority.expect("authority");
        let issue = |profile: &Profile| {
            let (certificate, key) = authority.issue(profile, KeyAlgorithm::EcdsaP256).expect("issued");
            (certificate, key.to_pem())
        };
        let server = Profile::leaf("system:node:n1", &[ExtendedUsage::ServerAuth], start, end)
            .with_ip_addresses([IpAddr::from(Ipv4Addr::LOCALHOST)]);
        let client = Profile::leaf("kube-apiserver-kubelet-client", &[ExtendedUsage::ClientAuth], start, end)
            .with_organizations(["system:masters"]);
        Certificates {
            server: issue(&server),
            client: issue(&client),
            authority: authority.certificate_pem(),
        }
    }

    fn connector(&self) -> tokio_rustls::TlsConnector {
        use component_base::tls::client::{ServerAuthorities, client_config};
        let authorities = ServerAuthorities::from_pem(self.authority.as_bytes()).expect("authority");
        let (certificate, key) = &self.client;
        let identity =
            Reloaded::fixed(certified_key(certificate.as_bytes(), key.as_bytes()).expect("identity"));
        let config = client_config(Reloaded::fixed(authorities), Some(identity), &["http/1.1"]).expect("tls");
        tokio_rustls::TlsConnector::from(config)
    }
}

struct TestView {
    directory: PathBuf,
    /// Sandbox and container, once they run.
    pod: Mutex<Option<(String, String)>>,
}

impl TestView {
    fn known(&self, namespace: &str, pod: &str) -> Result<(String, String), ViewError> {
        let missing = || ViewError::PodNotFound { namespace: namespace.to_owned(), pod: pod.to_owned() };
        self.pod.lock().clone().filter(|_| (namespace, pod) == ("default", "web")).ok_or_else(missing)
    }
}

impl KubeletView for TestView {
    fn node_name(&self) -> String {
        "n1".to_owned()
    }

    fn pods(&self) -> Vec<Arc<Pod>> {
        let mut pod = Pod::default();
        pod.metadata.name = "web".to_owned();
        pod.metadata.namespace = "default".to_owned();
        pod.spec.containers.push(Container { name: "main".to_owned(), ..Default::default() });
        vec![Arc::new(pod)]
    }

    fn container(
        &self,
        namespace: &str,
        pod: &str,
        _: Option<&str>,
        container: &str,
    ) -> Result<ContainerLookup, ViewError> {
        let (_, container_id) = self.known(namespace, pod)?;
        if container != "main" {
            let (pod, container) = (pod.to_owned(), container.to_owned());
            return Err(ViewError::ContainerNotFound { pod, container });
        }
        Ok(ContainerLookup {
            container_id,
            running: true,
            log_path: self.directory.join("logs/web/main/0.log"),
            previous_log_path: None,
            tty: false,
            stdin: true,
            waiting_reason: None,
        })
    }

    fn sandbox_id(&self, namespace: &str, pod: &str, _: Option<&str>) -> Result<String, ViewError> {
        Ok(self.known(namespace, pod)?.0)
    }

    fn configuration(&self) -> String {
        r#"{"podCIDR":"10.0.0.0/24"}"#.to_owned()
    }

    fn sync_loop_healthy(&self) -> Result<(), String> {
        Ok(())
    }

    fn root_directory(&self) -> PathBuf {
        self.directory.clone()
    }

    fn pod_logs_directory(&self) -> PathBuf {
        self.directory.join("logs")
    }
}

struct NoStatistics;

#[async_trait]
impl Statistics for NoStatistics {
    async fn summary(&self, _: bool) -> Result<String, String> {
        Err("not measured".to_owned())
    }

    async fn cadvisor(&self) -> String {
        String::new()
    }

    async fn claims(&self) -> String {
        "kubelet_volume_stats_inodes 1\n".to_owned()
    }

    async fn resource(&self) -> String {
        String::new()
    }
}
