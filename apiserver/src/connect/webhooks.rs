//! The way to webhooks: HTTPS to a URL or to a service, with connections kept for the next call.
//!
//! Source: `k8s.io/apiserver/pkg/util/webhook/client.go` and `pkg/util/proxy/proxy.go`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use api_types::admissionregistration::v1::WebhookClientConfig;
use api_types::core::v1::Service;
use apiserver_admission::webhooks::{CallError, Caller};
use async_trait::async_trait;
use bytes::Bytes;
use component_base::tls::client::{ServerAuthorities, client_config};
use component_base::tls::server::Identity;
use component_base::tls::{Reloaded, provider};
use hashbrown::HashMap;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_rustls::ConfigBuilderExt;
use hyper_util::rt::TokioIo;
use machinery::meta::v1::Status;
use machinery::status::{ServerResponse, StatusError};
use machinery::{GroupResource, Message, Resource};
use parking_lot::Mutex;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::dial::ShowIdentity;
use crate::system::typed::Typed;

/// Longer answers are no answers.
const LONGEST_ANSWER: usize = 3 * 1024 * 1024;
/// Of an error that is no status only this much is shown.
const ERROR_TEXT: usize = 2048;
/// Connections that nobody has used for this long are given up.
const IDLE: Duration = Duration::from_secs(90);
/// So many connections to one webhook wait for the next call.
const MOST_IDLE: usize = 25;
/// So many configurations are remembered.
const MOST_CLIENTS: usize = 1024;

/// Calls webhooks.
pub struct WebhookCaller {
    typed: Typed,
    identity: Option<Identity>,
    clients: Mutex<HashMap<Vec<u8>, Arc<Client>>>,
}

/// The connections to one webhook.
struct Client {
    place: Place,
    tls: TlsConnector,
    idle: Mutex<Vec<(SendRequest<Full<Bytes>>, Instant)>>,
}

/// Where a webhook is.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    /// For the certificate and the Host header.
    host: String,
    port: u16,
    /// The port stands in the URL.
    port_is_given: bool,
    path: String,
    /// Namespace and name of the service it is behind.
    service: Option<(String, String)>,
}

impl Place {
    fn of(config: &WebhookClientConfig) -> Result<Place, String> {
        if let Some(service) = &config.service {
            let port = service.port.unwrap_or(443);
            let port =
                u16::try_from(port).map_err(|_| format!("port {port} of the service is impossible"))?;
            let path = service.path.clone().unwrap_or_default();
            return Ok(Place {
                host: format!("{}.{}.svc", service.name, service.namespace),
                port,
                port_is_given: true,
                path: if path.starts_with('/') { path } else { format!("/{path}") },
                service: Some((service.namespace.clone(), service.name.clone())),
            });
        }
        let Some(url) = &config.url else {
            return Err("webhook configuration must have either service or URL".to_owned());
        };
        let url: http::Uri = url.parse().map_err(|error| format!("Unparsable URL: {error}"))?;
        if url.scheme_str() != Some("https") {
            return Err("Unparsable URL: 'https' is the only allowed URL scheme".to_owned());
        }
        let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
        Ok(Place {
            host: host.to_owned(),
            port: url.port_u16().unwrap_or(443),
            port_is_given: url.port().is_some(),
            path: url.path().to_owned(),
            service: None,
        })
    }

    /// As in URLs and the Host header.
    fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port_is_given { format!("{host}:{}", self.port) } else { host }
    }
}

impl WebhookCaller {
    /// Finds services in the stores; shows `identity` to webhooks that ask for a certificate.
    pub fn new(typed: Typed, identity: Option<Identity>) -> WebhookCaller {
        WebhookCaller { typed, identity, clients: Mutex::default() }
    }

    fn client(&self, config: &WebhookClientConfig) -> Result<Arc<Client>, String> {
        let key = config.encode_to_vec();
        if let Some(client) = self.clients.lock().get(&key) {
            return Ok(Arc::clone(client));
        }
        let client = Arc::new(Client {
            place: Place::of(config)?,
            tls: tls(&config.ca_bundle, self.identity.clone())?.into(),
            idle: Mutex::default(),
        });
        let mut clients = self.clients.lock();
        // Configurations come and go; nobody tells which are gone.
        if clients.len() >= MOST_CLIENTS {
            clients.clear();
        }
        clients.insert(key, Arc::clone(&client));
        Ok(client)
    }

    /// The address to dial: that of the URL, or the cluster's address of the service.
    async fn address(&self, place: &Place) -> Result<(String, u16), String> {
        let Some((namespace, name)) = &place.service else {
            return Ok((place.host.clone(), place.port));
        };
        let found = self.typed.get::<Service>(namespace, name).await.map_err(|error| error.to_string())?;
        let service = found.ok_or_else(|| {
            StatusError::not_found(&GroupResource::new(Service::GROUP, Service::PLURAL), name).to_string()
        })?;
        let spec = &service.spec;
        match spec.type_.as_str() {
            "ClusterIP" if spec.cluster_ip == "None" => {
                Err("cannot route to service with ClusterIP \"None\"".to_owned())
            }
            "ClusterIP" | "LoadBalancer" | "NodePort" => {
                let known = spec.ports.iter().any(|port| port.port == i32::from(place.port));
                if !known {
                    return Err(format!("no service port {} found for service {name:?}", place.port));
                }
                Ok((spec.cluster_ip.clone(), place.port))
            }
            "ExternalName" => Ok((spec.external_name.clone(), place.port)),
            other => Err(format!("unsupported service type {other:?}")),
        }
    }

    async fn dial(&self, client: &Client) -> Result<SendRequest<Full<Bytes>>, String> {
        let (host, port) = self.address(&client.place).await?;
        let shown = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let stream = TcpStream::connect((host.as_str(), port))
            .await
            .map_err(|error| format!("dial tcp {shown}: connect: {}", plain(&error)))?;
        let _ = stream.set_nodelay(true);
        let name = ServerName::try_from(client.place.host.clone())
            .map_err(|_| format!("{:?} is neither a name nor an address", client.place.host))?;
        let stream = client.tls.connect(name, stream).await.map_err(|error| tls_error(&error))?;
        let (sender, connection) =
            handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to a webhook has ended");
            }
        });
        Ok(sender)
    }

    async fn exchange(&self, client: &Client, review: Bytes, query: &str) -> Result<Answered, String> {
        let mut request = Request::post(format!("{}?{query}", client.place.path))
            .header(HOST, client.place.authority())
            .header(USER_AGENT, "kube-apiserver-admission")
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json, */*")
            .body(Full::new(review))
            .map_err(|error| error.to_string())?;
        let (mut sender, response) = loop {
            let (mut sender, kept) = match client.take() {
                Some(sender) => (sender, true),
                None => (self.dial(client).await?, false),
            };
            match sender.try_send_request(request).await {
                Ok(response) => break (sender, response),
                // The webhook has closed a connection that was kept, before anything was sent.
                Err(mut error) => match error.take_message() {
                    Some(unsent) if kept => request = unsent,
                    _ => return Err(error.into_error().to_string()),
                },
            }
        };
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, LONGEST_ANSWER).collect().await;
        let body = body.map_err(|error| error.to_string())?.to_bytes();
        if sender.ready().await.is_ok() {
            client.keep(sender);
        }
        Ok(Answered { code: parts.status.as_u16(), headers: parts.headers, body })
    }
}

impl Client {
    /// A connection that can be used at once.
    fn take(&self) -> Option<SendRequest<Full<Bytes>>> {
        let mut idle = self.idle.lock();
        while let Some((sender, since)) = idle.pop() {
            if since.elapsed() < IDLE && sender.is_ready() {
                return Some(sender);
            }
        }
        None
    }

    fn keep(&self, sender: SendRequest<Full<Bytes>>) {
        let mut idle = self.idle.lock();
        idle.retain(|(sender, since)| since.elapsed() < IDLE && !sender.is_closed());
        if idle.len() < MOST_IDLE {
            idle.push((sender, Instant::now()));
        }
    }
}

struct Answered {
    code: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Answered {
    fn into_body(self) -> Result<Vec<u8>, CallError> {
        if (200..=206).contains(&self.code) {
            return Ok(self.body.into());
        }
        if let Some(status) = self.status() {
            return Err(CallError::Answered(status.into()));
        }
        let media_type = self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let shown = &self.body[..self.body.len().min(ERROR_TEXT)];
        let text = match media_type {
            Some(media_type) if !media_type.starts_with("text/") => "unknown".into(),
            _ => String::from_utf8_lossy(shown),
        };
        let response = ServerResponse {
            code: self.code,
            method: "POST",
            resource: &GroupResource::default(),
            name: "",
            message: text.trim(),
            retry_after_seconds: 0,
            unexpected: true,
        };
        Err(CallError::Answered(response.to_error()))
    }

    /// The body, if it is a failure in the API's own form.
    fn status(&self) -> Option<Status> {
        let value: serde_json::Value = serde_json::from_slice(&self.body).ok()?;
        let is = |name: &str, wanted: &str| value.get(name).and_then(|value| value.as_str()) == Some(wanted);
        if !is("kind", "Status") || !is("apiVersion", "v1") || is("status", "Success") {
            return None;
        }
        Status::from_value(&value).ok()
    }
}

/// The operating system's words without Rust's addition.
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    text[..end].to_lowercase()
}

fn tls_error(error: &std::io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(
            // An authority of the right name but with another key is as unknown as any.
            rustls::CertificateError::UnknownIssuer | rustls::CertificateError::BadSignature,
        )) => "tls: failed to verify certificate: x509: certificate signed by unknown authority".to_owned(),
        Some(rustls::Error::InvalidCertificate(_)) => {
            format!("tls: failed to verify certificate: x509: {error}")
        }
        _ => error.to_string(),
    }
}

/// A webhook is always verified: by its bundle, or by the authorities of the machine when it has none.
fn tls(bundle: &[u8], identity: Option<Identity>) -> Result<Arc<rustls::ClientConfig>, String> {
    let unusable = |error: &dyn std::fmt::Display| format!("unable to load root certificates: {error}");
    if !bundle.is_empty() {
        let authorities = ServerAuthorities::from_pem(bundle).map_err(|error| unusable(&error))?;
        return client_config(Reloaded::fixed(authorities), identity, &["http/1.1"])
            .map_err(|error| error.to_string());
    }
    let builder = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_native_roots()
        .map_err(|error| unusable(&error))?;
    let mut config = match identity {
        Some(identity) => builder.with_client_cert_resolver(Arc::new(ShowIdentity(identity))),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[async_trait]
impl Caller for WebhookCaller {
    async fn call(
        &self,
        config: &WebhookClientConfig,
        review: Vec<u8>,
        timeout: Duration,
    ) -> Result<Vec<u8>, CallError> {
        let client = self.client(config).map_err(CallError::Client)?;
        let query = format!("timeout={}s", timeout.as_secs());
        let Place { path, .. } = &client.place;
        let url = format!("https://{}{path}?{query}", client.place.authority());
        let failed = |error: &str| CallError::Unreachable(format!("Post {url:?}: {error}"));
        let exchange = self.exchange(&client, review.into(), &query);
        match tokio::time::timeout(timeout, exchange).await {
            Ok(Ok(answered)) => answered.into_body(),
            Ok(Err(error)) => Err(failed(&error)),
            Err(_) => Err(failed("context deadline exceeded")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(config: serde_json::Value, expected: Result<(&str, u16, &str), &str>) {
        let config = WebhookClientConfig::from_value(&config).unwrap();
        let place = Place::of(&config);
        let got = place.map(|place| (place.authority(), place.port, place.path));
        let expected = expected.map(|(host, port, path)| (host.to_owned(), port, path.to_owned()));
        assert_eq!(got, expected.map_err(str::to_owned));
    }

    #[test]
    fn webhooks_are_at_urls_and_behind_services() {
        check(json!({"url": "https://example.com/a/b"}), Ok(("example.com", 443, "/a/b")));
        check(json!({"url": "https://[::1]:8443"}), Ok(("[::1]:8443", 8443, "/")));
        let service = json!({"service": {"namespace": "n", "name": "s"}});
        check(service, Ok(("s.n.svc:443", 443, "/")));
        let service = json!({"service": {"namespace": "n", "name": "s", "port": 8443, "path": "/x"}});
        check(service, Ok(("s.n.svc:8443", 8443, "/x")));
        check(json!({}), Err("webhook configuration must have either service or URL"));
        check(json!({"url": "http://x"}), Err("Unparsable URL: 'https' is the only allowed URL scheme"));
    }

    #[test]
    fn a_bundle_that_is_none_is_told() {
        let error = tls(b"nothing", None).unwrap_err();
        assert!(error.starts_with("unable to load root certificates: "), "{error}");
    }
}
