//! Starts servers and makes identities for them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use apiserver::Options;
use bytes::Bytes;
use client::config::{Credentials, Source};
use client::{Client, Config};
use component_base::Shutdown;
use component_base::tls::{Authority, ExtendedUsage, KeyAlgorithm, Profile};
use http::{Method, Request};
use http_body_util::BodyExt;
use serde_json::Value;

/// Everything a test waits for must happen within this time.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running server and the authority its clients are signed by.
pub struct TestServer {
    /// Where it listens.
    pub address: SocketAddr,
    /// Holds its files.
    pub folder: tempfile::TempDir,
    ca: Authority,
    shutdown: Shutdown,
    finished: Option<tokio::task::JoinHandle<()>>,
}

/// An answer: status code and JSON body (`Null` when it is no JSON).
#[derive(Debug)]
pub struct Answer {
    /// Status code.
    pub code: u16,
    /// Headers.
    pub headers: http::HeaderMap,
    /// The body as text.
    pub text: String,
    /// The body as JSON.
    pub json: Value,
}

impl Answer {
    /// The message of a Status.
    pub fn message(&self) -> &str {
        self.json["message"].as_str().unwrap_or(&self.text)
    }
}

/// An authority that is valid now.
pub fn authority(name: &str) -> Authority {
    let now = jiff::Timestamp::now();
    let (from, to) = (now - jiff::SignedDuration::from_hours(1), now + jiff::SignedDuration::from_hours(24));
    Authority::create(&Profile::authority(name, from, to), KeyAlgorithm::EcdsaP256).unwrap()
}

fn write(folder: &Path, name: &str, content: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    path
}

/// A certificate and its key as PEM.
pub fn issue(
    authority: &Authority,
    name: &str,
    groups: &[&str],
    usage: ExtendedUsage,
    hours: std::ops::Range<i64>,
) -> (String, String) {
    let now = jiff::Timestamp::now();
    let at = |hours: i64| now + jiff::SignedDuration::from_hours(hours);
    let profile = Profile::leaf(name, &[usage], at(hours.start), at(hours.end))
        .with_organizations(groups.iter().copied())
        .with_dns_names(["localhost"])
        .with_ip_addresses(["127.0.0.1".parse().unwrap()]);
    let (certificate, key) = authority.issue(&profile, KeyAlgorithm::EcdsaP256).unwrap();
    (certificate, key.to_pem())
}

impl TestServer {
    /// Starts a server with RBAC and all authenticators; `change` may change its options.
    pub async fn start(change: impl FnOnce(&mut Options, &Path)) -> TestServer {
        component_base::tls::install_provider();
        let folder = tempfile::tempdir().unwrap();
        let ca = authority("test-ca");
        let path = folder.path();
        let (certificate, key) = issue(&ca, "kube-apiserver", &[], ExtendedUsage::ServerAuth, -1..12);
        let signing = component_base::tls::PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
        let mut options = Options::with_defaults();
        options.serving.bind_address = "127.0.0.1".parse().unwrap();
        options.serving.advertise_address = Some("192.0.2.10".parse().unwrap());
        options.serving.secure_port = 0;
        options.serving.tls_cert_file = Some(write(path, "apiserver.crt", &certificate));
        options.serving.tls_private_key_file = Some(write(path, "apiserver.key", &key));
        options.authentication.client_ca_file = Some(write(path, "ca.crt", &ca.certificate_pem()));
        options.authentication.enable_bootstrap_token_auth = true;
        let accounts = &mut options.authentication.service_account;
        accounts.issuers = vec!["https://issuer.test".into()];
        accounts.signing_key_file = Some(write(path, "sa.key", &signing.to_pem()));
        accounts.key_files = vec![write(path, "sa.pub", &signing.public_pem())];
        options.generic.authorization_mode = vec!["Node".into(), "RBAC".into()];
        options.generic.allow_privileged = true;
        change(&mut options, path);
        let shutdown = Shutdown::new();
        let running = apiserver::run_in_memory(options, shutdown.clone()).await.unwrap();
        let server =
            TestServer { address: running.address, folder, ca, shutdown, finished: Some(running.finished) };
        let admin = server.admin();
        server.eventually("the server is ready", async || admin.get("/readyz").await.code == 200).await;
        server
    }

    /// The default server.
    pub async fn new() -> TestServer {
        TestServer::start(|_, _| {}).await
    }

    /// The authority of clients.
    pub fn authority(&self) -> &Authority {
        &self.ca
    }

    /// A client with this certificate and key.
    pub fn with_certificate(&self, (certificate, key): (String, String)) -> Asker {
        self.asker(|config| {
            config.identity =
                Some((Source::Inline(certificate.into_bytes()), Source::Inline(key.into_bytes())));
        })
    }

    /// A client of that name and groups.
    pub fn user(&self, name: &str, groups: &[&str]) -> Asker {
        self.with_certificate(issue(&self.ca, name, groups, ExtendedUsage::ClientAuth, -1..12))
    }

    /// A client that may do everything.
    pub fn admin(&self) -> Asker {
        self.user("admin", &["system:masters"])
    }

    /// Makes the service account that pods of the namespace run as; no controller does it here.
    pub async fn make_default_account(&self, namespace: &str) {
        let accounts = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
        let account = serde_json::json!({"metadata": {"name": "default"}});
        let written = self.admin().post(&accounts, account).await;
        assert_eq!(written.code, 201, "{}", written.text);
    }

    /// A client with a bearer token.
    pub fn bearer(&self, token: &str) -> Asker {
        let token = token.to_string();
        self.asker(|config| config.credentials = Credentials::Token(token))
    }

    /// A client without credentials.
    pub fn anonymous(&self) -> Asker {
        self.asker(|_| {})
    }

    fn asker(&self, change: impl FnOnce(&mut Config)) -> Asker {
        let authorities = Source::Inline(self.ca.certificate_pem().into_bytes());
        let mut config = Config::from_parts(&format!("https://{}", self.address), authorities, None).unwrap();
        change(&mut config);
        Asker { client: Client::new(config).unwrap() }
    }

    /// Waits until `condition` holds.
    pub async fn eventually(&self, what: &str, mut condition: impl AsyncFnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition().await {
            assert!(Instant::now() < deadline, "{what} did not happen within {PATIENCE:?}");
            tokio::task::yield_now().await;
        }
    }

    /// Ends the server and waits for it.
    pub async fn stop(mut self) {
        self.shutdown.trigger();
        if let Some(finished) = self.finished.take() {
            tokio::time::timeout(PATIENCE, finished).await.expect("the server ends").unwrap();
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.shutdown.trigger();
    }
}

/// Sends requests as one identity.
#[derive(Clone)]
pub struct Asker {
    client: Client,
}

impl Asker {
    /// Sends a request with headers.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Value) -> Answer {
        let mut request = Request::builder().method(method.parse::<Method>().unwrap()).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let bytes = if body.is_null() {
            Bytes::new()
        } else {
            if !headers.iter().any(|(name, _)| *name == "content-type") {
                request = request.header("content-type", "application/json");
            }
            Bytes::from(body.to_string())
        };
        let response = self.client.send(request.body(bytes).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = String::from_utf8_lossy(&body.collect().await.unwrap().to_bytes()).into_owned();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { code: parts.status.as_u16(), headers: parts.headers, text, json }
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], Value::Null).await
    }

    /// POST of JSON.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, &[], body).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], Value::Null).await
    }
}
