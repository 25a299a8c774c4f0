//! Splits a configuration file into its documents and decodes each by its apiVersion and kind, strictly.

use machinery::codec::yaml;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Written, component::ComponentConfig, v1beta4};

/// Why a document was refused.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    #[error("invalid YAML in document {number}: {message}")]
    Yaml { number: usize, message: String },
    #[error(
        "invalid configuration: document {number} has no {field}; kind and apiVersion is mandatory information that must be specified"
    )]
    NoKind { number: usize, field: &'static str },
    #[error("invalid configuration: kind {kind:?} of {api_version:?} is specified twice in YAML file")]
    Twice { api_version: String, kind: String },
    #[error("your configuration file uses an old API spec: {api_version:?} (kind: {kind:?}); this kubeadm reads {current:?}", current = v1beta4::API_VERSION)]
    Old { api_version: String, kind: String },
    #[error("unknown configuration API {api_version:?} (kind: {kind:?}); expected one of {known}")]
    Unknown { api_version: String, kind: String, known: String },
    #[error(
        "error unmarshaling configuration {api_version}, Kind={kind}: strict decoding error: {path}{message}"
    )]
    Strict { api_version: String, kind: String, path: String, message: String },
}

type Decode = fn(&mut Written, Value) -> Result<(), Refusal>;

/// The part of a strict decoding error that does not name the document.
struct Refusal {
    path: String,
    message: String,
}

/// One row for each kind of document that may stand in a file.
const KINDS: [(&str, &str, Decode); 6] = [
    (v1beta4::API_VERSION, "InitConfiguration", |written, value| into(&mut written.init, value)),
    (v1beta4::API_VERSION, "ClusterConfiguration", |written, value| into(&mut written.cluster, value)),
    (v1beta4::API_VERSION, "JoinConfiguration", |written, value| into(&mut written.join, value)),
    (v1beta4::API_VERSION, "ResetConfiguration", |written, value| into(&mut written.reset, value)),
    ("kubelet.config.k8s.io/v1beta1", "KubeletConfiguration", |written, value| {
        component(&mut written.kubelet, value, super::component::KUBELET_FIELDS)
    }),
    ("kubeproxy.config.k8s.io/v1alpha1", "KubeProxyConfiguration", |written, value| {
        component(&mut written.kube_proxy, value, super::component::KUBE_PROXY_FIELDS)
    }),
];

/// Versions of our own group that older releases of kubeadm read.
const OLD_VERSIONS: [&str; 6] = ["v1alpha1", "v1alpha2", "v1alpha3", "v1beta1", "v1beta2", "v1beta3"];

/// Decodes all documents of a text.
pub fn decode(text: &str) -> Result<Written, DocumentError> {
    let mut written = Written::default();
    let mut seen: Vec<(String, String)> = Vec::new();
    for (index, document) in yaml::split_documents(text).into_iter().enumerate() {
        let number = index + 1;
        let invalid = |message: String| DocumentError::Yaml { number, message };
        let yaml::Decoded { value, duplicates } =
            yaml::decode(document).map_err(|error| invalid(error.to_string()))?;
        if let Some(duplicate) = duplicates.first() {
            return Err(invalid(duplicate.to_string()));
        }
        if value.is_null() {
            continue;
        }
        let text_of = |field: &'static str| {
            value
                .get(field)
                .and_then(Value::as_str)
                .map(str::to_owned)
                .ok_or(DocumentError::NoKind { number, field })
        };
        let (api_version, kind) = (text_of("apiVersion")?, text_of("kind")?);
        let pair = (api_version.clone(), kind.clone());
        if seen.contains(&pair) {
            return Err(DocumentError::Twice { api_version, kind });
        }
        seen.push(pair);
        let decode = find(&api_version, &kind)?;
        decode(&mut written, value).map_err(|Refusal { path, message }| DocumentError::Strict {
            api_version,
            kind,
            path,
            message,
        })?;
    }
    Ok(written)
}

fn find(api_version: &str, kind: &str) -> Result<Decode, DocumentError> {
    if let Some((_, _, decode)) = KINDS.iter().find(|(v, k, _)| *v == api_version && *k == kind) {
        return Ok(*decode);
    }
    let (api_version, kind) = (api_version.to_owned(), kind.to_owned());
    let old = api_version.strip_prefix("kubeadm.k8s.io/").is_some_and(|v| OLD_VERSIONS.contains(&v));
    if old {
        return Err(DocumentError::Old { api_version, kind });
    }
    let known: Vec<String> = KINDS.iter().map(|(version, kind, _)| format!("{version} {kind}")).collect();
    Err(DocumentError::Unknown { api_version, kind, known: known.join(", ") })
}

fn into<T: DeserializeOwned>(place: &mut Option<T>, mut value: Value) -> Result<(), Refusal> {
    if let Some(fields) = value.as_object_mut() {
        fields.shift_remove("apiVersion");
        fields.shift_remove("kind");
    }
    let decoded = serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { String::new() } else { format!("{path}: ") };
        Refusal { path, message: error.into_inner().to_string() }
    })?;
    *place = Some(decoded);
    Ok(())
}

fn component(place: &mut Option<ComponentConfig>, value: Value, known: &[&str]) -> Result<(), Refusal> {
    let Value::Object(mut fields) = value else {
        return Err(Refusal { path: String::new(), message: "expected a map of fields".to_owned() });
    };
    if let Some(unknown) = fields.keys().find(|field| !known.contains(&field.as_str())) {
        return Err(Refusal { path: String::new(), message: format!("unknown field {unknown:?}") });
    }
    fields.shift_remove("apiVersion");
    fields.shift_remove("kind");
    *place = Some(ComponentConfig::written(fields));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLUSTER: &str = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n";

    #[test]
    fn decodes_every_kind_of_document() {
        let text = format!(
            "{CLUSTER}networking:\n  podSubnet: 10.244.0.0/16\n---\n\
             apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\nlocalAPIEndpoint:\n  bindPort: 7443\n---\n\
             apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nmaxPods: 50\n"
        );
        let written = decode(&text).expect("the documents are valid");
        assert_eq!(written.cluster.expect("given").networking.pod_subnet, "10.244.0.0/16");
        assert_eq!(written.init.expect("given").local_api_endpoint.bind_port, 7443);
        assert_eq!(written.kubelet.expect("given").fields["maxPods"], 50);
        assert!(written.kube_proxy.is_none());
    }

    #[track_caller]
    fn refuses(text: &str, expected: &str) {
        let error = decode(text).expect_err("the document should be refused").to_string();
        assert!(error.contains(expected), "{error:?} does not contain {expected:?}");
    }

    #[test]
    fn names_what_is_wrong() {
        refuses(&format!("{CLUSTER}podSubnet: x\n"), "unknown field `podSubnet`");
        refuses(&format!("{CLUSTER}networking:\n  podSubnets: x\n"), "networking.podSubnets: unknown field");
        refuses(&format!("{CLUSTER}clusterName: a\nclusterName: b\n"), "already set in map");
        refuses(&format!("{CLUSTER}---\n{CLUSTER}"), "specified twice");
        refuses("kind: ClusterConfiguration\n", "apiVersion");
        refuses("apiVersion: kubeadm.k8s.io/v1beta2\nkind: ClusterConfiguration\n", "old API spec");
        refuses("apiVersion: kubeadm.k8s.io/v9\nkind: Other\n", "expected one of kubeadm.k8s.io/v1beta4");
        refuses(
            "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nmaxPod: 5\n",
            "unknown field \"maxPod\"",
        );
        refuses(&format!("{CLUSTER}certificateValidityPeriod: 5 years\n"), "certificateValidityPeriod");
    }
}
