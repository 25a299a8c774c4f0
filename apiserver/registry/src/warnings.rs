//! Warnings that several resources share.

use api_types::discovery::v1::EndpointSlice;
use machinery::{field::Path, names};

/// Names that pods are called after should be labels.
pub fn for_pod_names(name: &str) -> Vec<String> {
    let messages = names::is_dns1123_label(name);
    if messages.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: [{}]",
        messages.join(" ")
    )]
}

/// Odd spellings of addresses in a slice.
pub fn for_slice_addresses(slice: &EndpointSlice) -> Vec<String> {
    if slice.address_type == "FQDN" {
        return Vec::new();
    }
    let mut warnings = Vec::new();
    for (index, endpoint) in slice.endpoints.iter().enumerate() {
        for (at, address) in endpoint.addresses.iter().enumerate() {
            let path = Path::new("endpoints").index(index).child("addresses").index(at);
            warnings.extend(rules::addresses::ip_warnings(&path, address));
        }
    }
    warnings
}
