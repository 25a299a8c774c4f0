//! The identity the kubelet's server shows: from files, from the cluster, or made by itself.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use component_base::Shutdown;
use component_base::tls::TlsError;
use component_base::tls::server::{Identity, identity_from_files, self_made_identity};
use jiff::Timestamp;

use super::store::CertificateStore;
use crate::config::KubeletConfiguration;
use crate::options::Options;

/// How often to look whether the cluster has issued the certificate.
const POLL: Duration = Duration::from_millis(500);

/// The store of certificates that the cluster issues for serving. Those of `tlsCertFile` serve until the first is issued.
pub fn serving_store(options: &Options, config: &KubeletConfiguration) -> CertificateStore {
    let store = CertificateStore::new(&options.cert_dir, "kubelet-server");
    if config.tls_cert_file.is_empty() {
        return store;
    }
    store.with_initial(Path::new(&config.tls_cert_file), Path::new(&config.tls_private_key_file))
}

/// The identity. With `serverTLSBootstrap` it waits for the first certificate; `None` on shutdown.
pub async fn serving_identity(
    options: &Options,
    config: &KubeletConfiguration,
    node_name: &str,
    addresses: &[String],
    shutdown: &Shutdown,
) -> Result<Option<Identity>, TlsError> {
    if config.server_tls_bootstrap {
        let store = serving_store(options, config);
        while store.current().is_none() {
            if !shutdown.sleep(POLL).await {
                return Ok(None);
            }
        }
        return store.identity().map(Some);
    }
    if !config.tls_cert_file.is_empty() {
        let (certificate, key) = (Path::new(&config.tls_cert_file), Path::new(&config.tls_private_key_file));
        return identity_from_files(certificate, key).map(Some);
    }
    let ips: Vec<IpAddr> = addresses.iter().filter_map(|ip| ip.parse().ok()).collect();
    let names = [node_name.to_owned()];
    self_made_identity(&options.cert_dir, "kubelet", &names, &ips, Timestamp::now()).map(Some)
}
