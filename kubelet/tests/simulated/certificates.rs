//! The certificates the kubelet shows: from files that change, and from the cluster.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use api_types::certificates::v1::{
    CertificateSigningRequest, CertificateSigningRequestCondition, CertificateSigningRequestStatus,
};
use clap::Parser;
use client::fake::{Answer, FakeServer};
use component_base::tls::authority::Terms;
use component_base::tls::client::{ServerAuthorities, client_config};
use component_base::tls::server::{Identity, ServerOptions, server_config};
use component_base::tls::{
    Authority, CertificateFacts, ExtendedUsage, KeyAlgorithm, Profile, Reloaded, SigningRequest, Usage,
};
use http::Method;
use jiff::{SignedDuration, Timestamp};
use kubelet::certificates::{Rotation, Wanted, serving_identity, serving_store};
use kubelet::config::KubeletConfiguration;
use kubelet::options::Options;
use machinery::{Message, Time};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::world::World;

const PATIENCE: Duration = Duration::from_secs(30);
const REQUESTS: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";

fn authority() -> Authority {
    let (start, end) = lifetime(-1, 1000);
    Authority::create(&Profile::authority("cluster", start, end), KeyAlgorithm::EcdsaP256)
        .expect("an authority")
}

/// From and until so many hours from now.
fn lifetime(from: i64, until: i64) -> (Timestamp, Timestamp) {
    let now = Timestamp::now();
    (now + SignedDuration::from_hours(from), now + SignedDuration::from_hours(until))
}

/// Writes a pair for the node's address, living from and until so many hours from now; returns its paths.
fn write_pair(authority: &Authority, directory: &Path, from: i64, until: i64) -> (PathBuf, PathBuf) {
    let (start, end) = lifetime(from, until);
    let profile = Profile::leaf("system:node:node", &[ExtendedUsage::ServerAuth], start, end)
        .with_organizations(["system:nodes"])
        .with_dns_names(["node"])
        .with_ip_addresses([IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))]);
    let (certificate, key) = authority.issue(&profile, KeyAlgorithm::EcdsaP256).expect("issued");
    let paths = (directory.join("given.crt"), directory.join("given.key"));
    std::fs::create_dir_all(directory).expect("a directory");
    std::fs::write(&paths.0, certificate).expect("written");
    std::fs::write(&paths.1, key.to_pem()).expect("written");
    paths
}

fn options(directory: &Path) -> Options {
    Options::try_parse_from(["kubelet".to_owned(), format!("--cert-dir={}", directory.display())])
        .expect("flags")
}

/// The serial number of what a server with this identity shows to a client that trusts the authority and calls it by the
/// node's address.
async fn shown(identity: &Identity, authority: &Authority) -> Vec<u8> {
    let server = TlsAcceptor::from(server_config(&ServerOptions::new(identity.clone())).expect("a server"));
    let authorities =
        ServerAuthorities::from_pem(authority.certificate_pem().as_bytes()).expect("authorities");
    let client =
        TlsConnector::from(client_config(Reloaded::fixed(authorities), None, &[]).expect("a client"));
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let name = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)).into();
    let (client, server) = tokio::join!(client.connect(name, ours), server.accept(theirs));
    server.expect("a handshake");
    let client = client.expect("the client trusts the certificate");
    let chain = client.get_ref().1.peer_certificates().expect("a certificate");
    CertificateFacts::from_der(chain.first().expect("a leaf")).expect("a certificate").serial
}

fn serial(path: &Path) -> Vec<u8> {
    CertificateFacts::from_file(path).expect("a certificate").serial
}

/// Waits for the request with this number (from 0), and answers it with a certificate of so many hours.
async fn issue(
    server: &FakeServer,
    number: usize,
    authority: &Authority,
    hours: i64,
) -> CertificateSigningRequest {
    let deadline = Instant::now() + PATIENCE;
    let body = loop {
        let made = server.received().into_iter().filter(|known| known.method == Method::POST).nth(number);
        if let Some(made) = made {
            break made.body;
        }
        assert!(Instant::now() < deadline, "request {number} never came");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let envelope = machinery::codec::protobuf::unwrap(&body).expect("an object");
    let mut request = CertificateSigningRequest::decode(envelope.raw).expect("a request");
    let parsed = SigningRequest::from_pem(&request.spec.request).expect("a signing request");
    let (not_before, not_after) = lifetime(0, hours);
    let terms = Terms {
        usages: vec![Usage::DigitalSignature],
        extended_usages: vec![ExtendedUsage::ServerAuth],
        not_before,
        not_after,
    };
    let certificate = authority.sign_request(&parsed, &terms).expect("signed");
    request.status = CertificateSigningRequestStatus {
        certificate: certificate.into_bytes(),
        conditions: vec![CertificateSigningRequestCondition {
            type_: "Approved".to_owned(),
            status: "True".to_owned(),
            last_update_time: Time::from(Timestamp::now()),
            ..CertificateSigningRequestCondition::default()
        }],
    };
    server.on(Method::GET, &format!("{REQUESTS}/csr-{number}"), Answer::object(&request));
    request
}

/// A server that takes requests and names them `csr-0`, `csr-1`, …
async fn cluster() -> FakeServer {
    let server = FakeServer::start().await.expect("a server");
    for number in 0..3 {
        let mut named = CertificateSigningRequest::default();
        named.metadata.name = format!("csr-{number}");
        server.on(Method::POST, REQUESTS, Answer::object(&named));
    }
    server
}

async fn until(what: &str, met: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !met() {
        assert!(Instant::now() < deadline, "{what} never came");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_given_certificate_is_followed() {
    let directory = tempfile::tempdir().expect("a directory");
    let (authority, options) = (authority(), options(directory.path()));
    let (certificate, key) = write_pair(&authority, directory.path(), -1, 10);
    let config = KubeletConfiguration {
        tls_cert_file: certificate.display().to_string(),
        tls_private_key_file: key.display().to_string(),
        ..KubeletConfiguration::default()
    };
    let shutdown = component_base::Shutdown::new();
    let identity =
        serving_identity(&options, &config, "node", &[], &shutdown).await.expect("an identity").expect("one");
    assert_eq!(shown(&identity, &authority).await, serial(&certificate));
    write_pair(&authority, directory.path(), -1, 20);
    assert!(identity.refresh().expect("a sound pair"));
    assert_eq!(shown(&identity, &authority).await, serial(&certificate));
    // A key that does not fit leaves what served before.
    std::fs::write(
        &key,
        component_base::tls::PrivateKey::generate(KeyAlgorithm::EcdsaP256).expect("a key").to_pem(),
    )
    .expect("written");
    assert!(identity.refresh().is_err());
    assert_eq!(shown(&identity, &authority).await, serial(&certificate));
}

#[tokio::test]
async fn the_cluster_issues_and_renews_the_serving_certificate() {
    let world = World::new("serving-certificate").await;
    let directory = world.context.root.join("pki");
    let (authority, options, server) = (authority(), options(&directory), cluster().await);
    let config = KubeletConfiguration { server_tls_bootstrap: true, ..KubeletConfiguration::default() };
    let rotate = || {
        let store = serving_store(&options, &config);
        let client = server.client().expect("a client");
        let rotation = Rotation { wanted: Wanted::Serving, client, store, context: world.context.clone() };
        tokio::spawn(rotation.run(world.shutdown.clone()))
    };
    let first = rotate();
    let waiting = serving_identity(&options, &config, "node", &[], &world.shutdown);
    // This one lives for no hour: it is due for renewal as soon as it is there.
    let (identity, request) = tokio::join!(waiting, issue(&server, 0, &authority, 0));
    let identity = identity.expect("an identity").expect("one");
    let spec = &request.spec;
    assert_eq!(
        (spec.signer_name.as_str(), spec.usages.join(", ")),
        ("kubernetes.io/kubelet-serving", "digital signature, server auth".to_owned())
    );
    let parsed = SigningRequest::from_pem(&spec.request).expect("a request");
    assert_eq!(
        (parsed.common_name.as_str(), parsed.organizations),
        ("system:node:node", vec!["system:nodes".to_owned()])
    );
    assert_eq!((parsed.dns_names, parsed.ip_addresses.len()), (vec!["node".to_owned()], 1));
    let current = directory.join("kubelet-server-current.pem");
    let before = serial(&current);

    first.abort();
    rotate();
    issue(&server, 1, &authority, 100).await;
    until("the renewed certificate", || serial(&current) != before).await;
    assert!(identity.refresh().expect("a sound pair"));
    assert_eq!(shown(&identity, &authority).await, serial(&current));
    assert!(world.context.metrics.certificates(Wanted::Serving).seconds_left.get() > 99.0 * 3600.0);
}

#[tokio::test]
async fn a_given_certificate_serves_until_the_cluster_issues_one() {
    let world = World::new("given-certificate").await;
    let directory = world.context.root.join("pki");
    let (authority, options, server) = (authority(), options(&directory), cluster().await);
    // Most of its life is over.
    let (certificate, key) = write_pair(&authority, &directory, -99, 1);
    let config = KubeletConfiguration {
        server_tls_bootstrap: true,
        tls_cert_file: certificate.display().to_string(),
        tls_private_key_file: key.display().to_string(),
        ..KubeletConfiguration::default()
    };
    let identity = serving_identity(&options, &config, "node", &[], &world.shutdown)
        .await
        .expect("an identity")
        .expect("one");
    assert_eq!(shown(&identity, &authority).await, serial(&certificate));
    let rotation = Rotation {
        wanted: Wanted::Serving,
        client: server.client().expect("a client"),
        store: serving_store(&options, &config),
        context: world.context.clone(),
    };
    tokio::spawn(rotation.run(world.shutdown.clone()));
    issue(&server, 0, &authority, 100).await;
    let current = directory.join("kubelet-server-current.pem");
    until("the issued certificate", || current.exists()).await;
    assert!(identity.refresh().expect("a sound pair"));
    assert_eq!(shown(&identity, &authority).await, serial(&current));
    assert_ne!(serial(&certificate), serial(&current));
}
