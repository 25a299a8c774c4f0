//! From protobuf names to Rust names and places.

/// Where the code of a protobuf package goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The crate as other code names it: `machinery` or `api_types`.
    pub krate: &'static str,
    /// Module path inside the crate, such as `core::v1`.
    pub module: String,
    /// Struct code is made, not only the table.
    pub typed: bool,
}

/// Packages whose types are hand-written or not part of the API.
const LEFT_OUT: &[&str] = &[
    "k8s.io.apimachinery.pkg.runtime",
    "k8s.io.apimachinery.pkg.util.intstr",
    "k8s.io.apimachinery.pkg.api.resource",
    "k8s.io.apimachinery.pkg.apis.meta.v1beta1",
    "k8s.io.apimachinery.pkg.apis.testapigroup.v1",
    "k8s.io.metrics.pkg.apis.custom_metrics.v1beta1",
    "k8s.io.metrics.pkg.apis.custom_metrics.v1beta2",
    "k8s.io.metrics.pkg.apis.external_metrics.v1beta1",
    "k8s.io.metrics.pkg.apis.metrics.v1alpha1",
];

/// The place of a package, or `None` when nothing is generated for it.
pub fn place(package: &str) -> Option<Place> {
    if LEFT_OUT.contains(&package) {
        return None;
    }
    if package == "k8s.io.apimachinery.pkg.apis.meta.v1" {
        return Some(Place { krate: "machinery", module: "meta::v1".into(), typed: true });
    }
    let version = package.rsplit('.').next()?;
    let group = match package {
        _ if package.starts_with("k8s.io.kube_aggregator.") => "apiregistration",
        _ if package.starts_with("k8s.io.metrics.") => "metrics",
        _ => package.rsplit('.').nth(1)?,
    };
    let typed = !(version.contains("alpha") || version.contains("beta")) || group == "metrics";
    Some(Place { krate: "api_types", module: format!("{group}::{version}"), typed })
}

/// `k8s.io.api.core.v1.Pod` → (`k8s.io.api.core.v1`, `Pod`).
pub fn split(full_name: &str) -> (&str, &str) {
    full_name.rsplit_once('.').unwrap_or(("", full_name))
}

/// `podIPs` → `pod_ips`: a run of capitals is one word and keeps its plural `s`.
pub fn snake(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::with_capacity(name.len() + 4);
    for (at, &c) in chars.iter().enumerate() {
        if c.is_ascii_uppercase() && at > 0 {
            let after_small = !chars[at - 1].is_ascii_uppercase();
            let next_small = chars.get(at + 1).is_some_and(|n| n.is_ascii_lowercase());
            let plural =
                chars.get(at + 1) == Some(&'s') && chars.get(at + 2).is_none_or(|n| n.is_ascii_uppercase());
            if chars[at - 1] != '_' && (after_small || (next_small && !plural)) {
                out.push('_');
            }
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

/// A struct field's name.
pub fn field(json: &str, protobuf: &str) -> String {
    let plain = json.chars().all(|c| c.is_ascii_alphanumeric());
    let name = snake(if plain { json } else { protobuf });
    let keywords = ["type", "ref", "continue", "match", "enum", "use", "in", "as", "where", "static"];
    if keywords.contains(&name.as_str()) { format!("{name}_") } else { name }
}

/// A table's name: `PodSpec` → `POD_SPEC`.
pub fn table(message: &str) -> String {
    snake(message).to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_capitals_are_words() {
        for (name, expected) in [
            ("podIPs", "pod_ips"),
            ("clusterIP", "cluster_ip"),
            ("hostIPC", "host_ipc"),
            ("nonResourceURLs", "non_resource_urls"),
            ("setHostnameAsFQDN", "set_hostname_as_fqdn"),
            ("serverAddressByClientCIDRs", "server_address_by_client_cidrs"),
            ("loadBalancerSourceRanges", "load_balancer_source_ranges"),
            ("httpGet", "http_get"),
            ("JSONSchemaProps", "json_schema_props"),
            ("APIServiceSpec", "api_service_spec"),
        ] {
            assert_eq!(snake(name), expected);
        }
    }
}
