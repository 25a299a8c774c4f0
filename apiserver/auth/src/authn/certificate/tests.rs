//! Certificates made on the spot, judged by the authenticator.

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair,
};

use super::*;

struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

fn authority(name: &str) -> Authority {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).unwrap().pem();
    Authority { pem, issuer: Issuer::new(params, key) }
}

fn bundle(authority: &Authority) -> ClientAuthorities {
    ClientAuthorities::from_pem(authority.pem.as_bytes()).unwrap()
}

struct Leaf {
    purposes: Vec<ExtendedKeyUsagePurpose>,
    subject: Vec<(DnType, &'static str)>,
    years: std::ops::Range<i32>,
}

impl Default for Leaf {
    fn default() -> Self {
        Leaf {
            purposes: vec![ExtendedKeyUsagePurpose::ClientAuth],
            subject: vec![(DnType::CommonName, "jane"), (DnType::OrganizationName, "dev")],
            years: 2020..2040,
        }
    }
}

fn sign(authority: &Authority, leaf: Leaf) -> CertificateDer<'static> {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    for (kind, value) in leaf.subject {
        params.distinguished_name.push(kind, value);
    }
    params.extended_key_usages = leaf.purposes;
    params.custom_extensions = Vec::<CustomExtension>::new();
    params.not_before = rcgen::date_time_ymd(leaf.years.start, 1, 1);
    params.not_after = rcgen::date_time_ymd(leaf.years.end, 1, 1);
    params.signed_by(&key, &authority.issuer).unwrap().der().clone()
}

async fn ask(
    trusted: &Authority,
    chain: &[CertificateDer<'static>],
    now: &str,
) -> Result<Option<UserInfo>, String> {
    let authenticator =
        ClientCertificate { authorities: Arc::new(Authorities::new(Reloaded::fixed(bundle(trusted)))) };
    let headers = http::HeaderMap::new();
    let credentials =
        Credentials { peer_certificates: chain, headers: &headers, path: "/", now: now.parse().unwrap() };
    let outcome = authenticator.authenticate(&credentials).await;
    outcome.map(|o| o.map(|a| a.user)).map_err(|e| e.to_string())
}

const NOW: &str = "2030-06-01T00:00:00Z";

#[tokio::test]
async fn subject_becomes_user_and_groups() {
    let ca = authority("ca");
    let user = ask(&ca, &[sign(&ca, Leaf::default())], NOW).await.unwrap().unwrap();
    assert_eq!((user.username.as_str(), user.groups.as_slice()), ("jane", &["dev".to_string()][..]));
    let id = &user.extra[CREDENTIAL_ID_KEY][0];
    assert!(id.starts_with("X509SHA256=") && id.len() == 11 + 64, "{id}");
}

#[tokio::test]
async fn no_certificate_or_no_common_name_is_no_opinion() {
    let ca = authority("ca");
    assert_eq!(ask(&ca, &[], NOW).await, Ok(None));
    let nameless = Leaf { subject: vec![(DnType::OrganizationName, "dev")], ..Leaf::default() };
    assert_eq!(ask(&ca, &[sign(&ca, nameless)], NOW).await, Ok(None));
}

#[tokio::test]
async fn foreign_expired_and_server_certificates_are_refused() {
    let (ca, other) = (authority("ca"), authority("other"));
    let foreign = ask(&ca, &[sign(&other, Leaf::default())], NOW).await.unwrap_err();
    assert!(foreign.contains("UnknownIssuer"), "{foreign}");
    let expired = ask(&ca, &[sign(&ca, Leaf::default())], "2041-01-02T00:00:00Z").await.unwrap_err();
    assert!(expired.to_lowercase().contains("expired"), "{expired}");
    let early = ask(&ca, &[sign(&ca, Leaf::default())], "2019-01-02T00:00:00Z").await.unwrap_err();
    assert!(early.to_lowercase().contains("not valid yet"), "{early}");
    let server = Leaf { purposes: vec![ExtendedKeyUsagePurpose::ServerAuth], ..Leaf::default() };
    assert!(ask(&ca, &[sign(&ca, server)], NOW).await.is_err());
}

#[test]
fn a_remembered_leaf_is_judged_again_after_its_end_and_after_a_change_of_authorities() {
    let (ca, other) = (authority("ca"), authority("other"));
    let chain = [sign(&ca, Leaf { years: 2020..2030, ..Leaf::default() })];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.crt");
    std::fs::write(&file, &ca.pem).unwrap();
    let reloaded = ClientAuthorities::from_file(&file).unwrap();
    let authorities = Authorities::new(reloaded.clone());
    assert!(authorities.verify(&chain, "2029-12-31T23:59:55Z".parse().unwrap()).is_ok());
    assert!(authorities.verify(&chain, "2030-01-01T00:00:02Z".parse().unwrap()).is_err());
    std::fs::write(&file, format!("{}\n\n", other.pem)).unwrap();
    assert!(reloaded.refresh().unwrap());
    assert!(authorities.verify(&chain, "2029-12-31T23:59:55Z".parse().unwrap()).is_err());
}
