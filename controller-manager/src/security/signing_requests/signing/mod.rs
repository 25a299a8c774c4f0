//! Signs approved requests with the cluster's authorities (`certificates/signer`).

mod gather;
mod plan;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use api_types::certificates::v1::CertificateSigningRequest;
use component_base::Shutdown;
use component_base::tls::{Authority, Reloaded, TlsError};
use runtime::controller::enqueue_self;

use crate::context::{Context, Task};
use crate::controllers::Entry;
use crate::options::SigningOptions;

use super::requests::{API_SERVER_CLIENT, KUBELET_CLIENT, KUBELET_SERVING, LEGACY_UNKNOWN};
use gather::Signers;

/// Subscribes to requests; off when no authority is given for any signer.
pub(crate) fn start(context: &Context, entry: &Entry) -> anyhow::Result<Option<Task>> {
    let options = &context.options.signing;
    let authorities = authorities(options, &context.shutdown)?;
    if authorities.is_empty() {
        return Ok(None);
    }
    let requests = context.informers.store::<CertificateSigningRequest>();
    let queue = context.queue("certificate_signing");
    enqueue_self(&requests, &queue);
    let controller = Signers {
        requests: requests.clone(),
        authorities,
        longest: options.cluster_signing_duration.try_into()?,
    };
    Ok(Some(context.task(context.driver(entry, controller, queue)?.waits_for(&requests))))
}

/// The authority of each signer: its own, else the one for all. Files that change are read again.
fn authorities(
    options: &SigningOptions,
    shutdown: &Shutdown,
) -> Result<BTreeMap<&'static str, Reloaded<Arc<Authority>>>, TlsError> {
    let own = [
        (
            KUBELET_SERVING,
            &options.cluster_signing_kubelet_serving_cert_file,
            &options.cluster_signing_kubelet_serving_key_file,
        ),
        (
            KUBELET_CLIENT,
            &options.cluster_signing_kubelet_client_cert_file,
            &options.cluster_signing_kubelet_client_key_file,
        ),
        (
            API_SERVER_CLIENT,
            &options.cluster_signing_kube_apiserver_client_cert_file,
            &options.cluster_signing_kube_apiserver_client_key_file,
        ),
        (
            LEGACY_UNKNOWN,
            &options.cluster_signing_legacy_unknown_cert_file,
            &options.cluster_signing_legacy_unknown_key_file,
        ),
    ];
    let given = |path: &Option<PathBuf>| path.clone().filter(|path| !path.as_os_str().is_empty());
    let common = given(&options.cluster_signing_cert_file).zip(given(&options.cluster_signing_key_file));
    let any_own = own.iter().any(|(_, certificate, _)| given(certificate).is_some());
    let mut authorities = BTreeMap::new();
    for (signer, certificate, key) in own {
        // As upstream: one signer with its own authority means that the others need theirs.
        let files = given(certificate).zip(given(key)).or_else(|| common.clone().filter(|_| !any_own));
        let Some((certificate, key)) = files else { continue };
        let authority = Reloaded::new(vec![certificate.clone(), key.clone()], move || {
            Authority::from_files(&certificate, &key).map(Arc::new)
        })?;
        authority.keep_fresh(shutdown);
        authorities.insert(signer, authority);
    }
    Ok(authorities)
}
