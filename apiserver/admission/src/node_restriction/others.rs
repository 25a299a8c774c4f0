//! The objects that exist once per node, and what a kubelet may ask certificates for.

use api_types::certificates::v1::CertificateSigningRequest;
use api_types::resource::v1::ResourceSlice;

use super::{object_of, old_object_of};
use crate::attributes::{Attributes, Operation};
use crate::signing_request;

/// Where the leases of nodes are.
const LEASES: &str = "kube-node-lease";
/// The signers whose certificates name a node.
const SIGNERS: [&str; 2] = ["kubernetes.io/kubelet-serving", "kubernetes.io/kube-apiserver-client-kubelet"];

/// Name of the object; that of a create is not in the path.
fn name_of(attributes: &Attributes) -> &str {
    match (&attributes.object, attributes.operation) {
        (Some(object), Operation::Create) => &object.meta().name,
        _ => &attributes.name,
    }
}

/// A kubelet renews only the lease of its node.
pub fn judge_lease(node: &str, attributes: &Attributes) -> Result<(), String> {
    if attributes.namespace != LEASES {
        return Err(format!("can only access leases in the {LEASES:?} system namespace"));
    }
    if name_of(attributes) != node {
        return Err("can only access node lease with the same name as the requesting node".to_owned());
    }
    Ok(())
}

/// A kubelet lists only the drivers of its node.
pub fn judge_csi_node(node: &str, attributes: &Attributes) -> Result<(), String> {
    if name_of(attributes) != node {
        return Err("can only access CSINode with the same name as the requesting node".to_owned());
    }
    Ok(())
}

/// A kubelet makes and deletes only slices of its node; the authorizer has looked at other requests.
pub fn judge_resource_slice(node: &str, attributes: &Attributes) -> Result<(), String> {
    let (slice, verb): (&ResourceSlice, &str) = match attributes.operation {
        Operation::Create => (object_of(attributes)?, "create"),
        Operation::Delete => (old_object_of(attributes)?, "delete"),
        Operation::Update | Operation::Connect => return Ok(()),
    };
    if slice.spec.node_name.as_deref() != Some(node) {
        return Err(format!("can only {verb} ResourceSlice with the same NodeName as the requesting node"));
    }
    Ok(())
}

/// A kubelet asks only for certificates in the name of its node; the signer looks at the rest.
pub fn judge_signing_request(node: &str, attributes: &Attributes) -> Result<(), String> {
    if attributes.operation != Operation::Create {
        return Ok(());
    }
    let request: &CertificateSigningRequest = object_of(attributes)?;
    if !SIGNERS.contains(&request.spec.signer_name.as_str()) {
        return Ok(());
    }
    let subject = signing_request::subject(&request.spec.request);
    let subject = subject.map_err(|error| format!("unable to parse csr: {error}"))?;
    if subject.common_name != format!("system:node:{node}") {
        return Err(format!("can only create a node CSR with CN=system:node:{node}"));
    }
    Ok(())
}
