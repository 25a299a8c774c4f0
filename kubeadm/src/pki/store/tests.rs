//! Making, keeping and refusing certificates in a folder.

use super::*;
use crate::config::{component::ComponentConfig, defaults, v1beta4};

fn configuration(folder: &Path) -> Configuration {
    let mut configuration = Configuration {
        init: v1beta4::InitConfiguration::default(),
        cluster: v1beta4::ClusterConfiguration {
            certificates_dir: folder.to_string_lossy().into_owned(),
            encryption_algorithm: "ECDSA-P256".to_owned(),
            ..Default::default()
        },
        kubelet: ComponentConfig::default(),
        kube_proxy: ComponentConfig::default(),
    };
    defaults::init(&mut configuration.init);
    defaults::cluster(&mut configuration.cluster);
    configuration.init.node_registration.name = "node-1".to_owned();
    configuration.init.local_api_endpoint.advertise_address = "192.0.2.1".to_owned();
    configuration
}

fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().expect("a time")
}

fn ensure_all(files: &mut Files, configuration: &Configuration) -> Vec<Outcome> {
    specs::ALL.iter().map(|spec| ensure(files, configuration, spec, now()).expect(spec.name)).collect()
}

#[test]
fn everything_is_made_once_and_then_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let configuration = configuration(folder.path());
    let mut files = Files::on_disk();
    let first = ensure_all(&mut files, &configuration);
    assert!(first.iter().all(|outcome| matches!(outcome, Outcome::Made { .. })));
    let before: Vec<_> = specs::ALL
        .iter()
        .map(|spec| std::fs::read(certificate_file(folder.path(), spec.base_name)).expect("made"))
        .collect();
    assert!(ensure_all(&mut files, &configuration).iter().all(|outcome| *outcome == Outcome::Kept));
    for (spec, before) in specs::ALL.iter().zip(before) {
        assert_eq!(std::fs::read(certificate_file(folder.path(), spec.base_name)).expect("kept"), before);
    }
}

#[test]
fn the_first_kubelet_serves_with_a_certificate_of_the_cluster() {
    let folder = tempfile::tempdir().expect("a folder");
    let configuration = configuration(folder.path());
    let mut files = Files::dry_run();
    ensure(&mut files, &configuration, &specs::ALL[0], now()).expect("an authority");
    let address = "192.0.2.1".parse().expect("an address");
    let made = kubelet_serving_identity(&files, &configuration, &[address], now()).expect("made");
    let facts = CertificateFacts::first_from_pem(made.certificate.as_bytes()).expect("a certificate");
    let authority = CertificateFacts::first_from_pem(made.authority.as_bytes()).expect("an authority");
    facts.verify_signed_by(&authority).expect("signed by the cluster");
    assert_eq!(facts.common_name, "system:node:node-1");
    assert_eq!(facts.organizations, ["system:nodes"]);
    assert_eq!(facts.dns_names, ["node-1"]);
    assert_eq!(facts.ip_addresses, [address]);
    assert_eq!(facts.extended_usages, [Usage::ServerAuth]);
}

#[test]
fn the_api_server_answers_to_its_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut configuration = configuration(folder.path());
    configuration.cluster.control_plane_endpoint = "api.example.org:6443".to_owned();
    configuration.cluster.api_server.cert_sans = vec!["203.0.113.9".to_owned()];
    let mut files = Files::dry_run();
    let outcomes = ensure_all(&mut files, &configuration);
    let Outcome::Made { alternative_names } = &outcomes[1] else { panic!("not made") };
    assert_eq!(
        alternative_names.join(" "),
        "api.example.org kubernetes kubernetes.default kubernetes.default.svc \
         kubernetes.default.svc.cluster.local node-1 10.96.0.1 192.0.2.1 203.0.113.9"
    );
    assert_eq!(std::fs::read_dir(folder.path()).expect("listed").count(), 0, "a dry run wrote files");
}

#[test]
fn an_authority_without_key_serves_existing_certificates_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let configuration = configuration(folder.path());
    let mut files = Files::on_disk();
    ensure_all(&mut files, &configuration);
    std::fs::remove_file(key_file(folder.path(), "ca")).expect("removed");
    assert!(uses_external_authority(&files, &configuration));
    let spec = |name| specs::find(name).expect("in the table");
    assert_eq!(ensure(&mut files, &configuration, spec("ca"), now()).expect("kept"), Outcome::KeptWithoutKey);
    assert_eq!(ensure(&mut files, &configuration, spec("apiserver"), now()).expect("kept"), Outcome::Kept);
    std::fs::remove_file(certificate_file(folder.path(), "apiserver")).expect("removed");
    let error = ensure(&mut files, &configuration, spec("apiserver"), now()).expect_err("cannot be made");
    assert!(matches!(error, PkiError::ExternalAuthority { .. }), "{error}");
}

#[test]
fn what_does_not_fit_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut configuration = configuration(folder.path());
    let mut files = Files::on_disk();
    ensure_all(&mut files, &configuration);
    let apiserver = specs::find("apiserver").expect("in the table");
    configuration.init.local_api_endpoint.advertise_address = "192.0.2.99".to_owned();
    let error =
        ensure(&mut files, &configuration, apiserver, now()).expect_err("another address").to_string();
    assert!(error.contains("not for [192.0.2.99]"), "{error}");

    let other = tempfile::tempdir().expect("a folder");
    let mut foreign = configuration.clone();
    foreign.cluster.certificates_dir = other.path().to_string_lossy().into_owned();
    ensure_all(&mut files, &foreign);
    std::fs::copy(certificate_file(other.path(), "ca"), certificate_file(folder.path(), "ca"))
        .expect("copied");
    let error = ensure(&mut files, &configuration, &specs::ALL[0], now()).expect_err("a foreign certificate");
    assert!(matches!(error, PkiError::ForeignKey { .. }), "{error}");
    std::fs::copy(key_file(other.path(), "ca"), key_file(folder.path(), "ca")).expect("copied");
    let error = ensure(&mut files, &configuration, apiserver, now()).expect_err("a foreign authority");
    assert!(matches!(error, PkiError::ForeignAuthority { .. }), "{error}");
}

#[test]
fn the_service_account_key_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let configuration = configuration(folder.path());
    let mut files = Files::on_disk();
    ensure_service_account_key(&mut files, &configuration).expect("made");
    let before = std::fs::read(folder.path().join("sa.pub")).expect("made");
    std::fs::remove_file(folder.path().join("sa.pub")).expect("removed");
    assert_eq!(ensure_service_account_key(&mut files, &configuration).expect("kept"), Outcome::Kept);
    assert_eq!(std::fs::read(folder.path().join("sa.pub")).expect("made again"), before);
}

#[test]
fn the_table_is_in_order() {
    for (index, spec) in specs::ALL.iter().enumerate() {
        if let Some(authority) = spec.authority {
            let place = specs::ALL.iter().position(|other| other.name == authority);
            assert!(place.is_some_and(|place| place < index), "{} stands before {authority}", spec.name);
        }
    }
}
