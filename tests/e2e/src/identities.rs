//! Client certificates that an API server must not trust, made from what `kubeadm init` leaves on the node.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use tempfile::TempDir;

/// Where the authorities of the cluster are.
const PKI: &str = "/etc/kubernetes/pki";

/// A client certificate for the group of administrators, signed by an authority of the cluster.
pub struct Identity {
    folder: TempDir,
}

impl Identity {
    /// By the authority `ca` below the cluster's folder (`ca`, `etcd/ca`), for a year of these dates. `None` where
    /// there is no such authority on this machine.
    pub fn signed_by(ca: &str, from: i32, until: i32) -> Option<Self> {
        let certificate = fs::read_to_string(Path::new(PKI).join(format!("{ca}.crt"))).ok()?;
        let key = fs::read_to_string(Path::new(PKI).join(format!("{ca}.key"))).ok()?;
        let key = KeyPair::from_pem(&key).expect("the authority's key is read");
        let issuer = Issuer::from_ca_cert_pem(&certificate, key).expect("the authority is read");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "kubernetes-admin");
        params.distinguished_name.push(DnType::OrganizationName, "system:masters");
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let own_key = KeyPair::generate().expect("a key is made");
        let certificate = params.signed_by(&own_key, &issuer).expect("the certificate is signed");
        let folder = tempfile::tempdir().expect("a folder is made");
        fs::write(folder.path().join("client.crt"), certificate.pem()).expect("written");
        fs::write(folder.path().join("client.key"), own_key.serialize_pem()).expect("written");
        Some(Self { folder })
    }

    /// A kubeconfig that uses the certificate on the server of another one.
    pub fn kubeconfig(&self, server: &str) -> PathBuf {
        let path = self.folder.path().join("kubeconfig");
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{{name: a, context: {{cluster: a, user: a}}}}]\n\
             clusters: [{{name: a, cluster: {{server: \"{server}\", certificate-authority: {PKI}/ca.crt}}}}]\n\
             users: [{{name: a, user: {{client-certificate: client.crt, client-key: client.key}}}}]\n"
        );
        fs::write(&path, text).expect("written");
        path
    }
}
