//! Kubeconfig files: who they are for, what they hold, and whether an existing one still fits.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::yaml;
use crate::{config::Configuration, constants};

/// One of kubeadm's kubeconfig files.
#[derive(Debug)]
pub struct Spec {
    /// Name of the sub-phase of `kubeconfig` that makes it.
    pub phase: &'static str,
    pub file_name: &'static str,
    pub description: &'static str,
    /// The user it stands for.
    pub user: fn(&Configuration) -> String,
    pub organization: Option<&'static str>,
    /// Whether it talks to this node's API server even when the cluster has a shared endpoint.
    pub local_endpoint: bool,
}

/// All of them, in the order of the sub-phases.
pub const ALL: [Spec; 5] = [
    Spec {
        phase: "admin",
        file_name: constants::ADMIN_KUBECONFIG,
        description: "Generate a kubeconfig file for the admin to use and for kubeadm itself",
        user: |_| "kubernetes-admin".to_owned(),
        organization: Some(constants::CLUSTER_ADMINS),
        local_endpoint: false,
    },
    Spec {
        phase: "super-admin",
        file_name: constants::SUPER_ADMIN_KUBECONFIG,
        description: "Generate a kubeconfig file for the super-admin",
        user: |_| "kubernetes-super-admin".to_owned(),
        organization: Some(constants::MASTERS_GROUP),
        local_endpoint: false,
    },
    Spec {
        phase: "kubelet",
        file_name: constants::KUBELET_KUBECONFIG,
        description: "Generate a kubeconfig file for the kubelet to use *only* for cluster bootstrapping purposes",
        user: |configuration| {
            format!("{}{}", constants::NODE_USER_PREFIX, configuration.init.node_registration.name)
        },
        organization: Some(constants::NODES_GROUP),
        local_endpoint: false,
    },
    Spec {
        phase: "controller-manager",
        file_name: constants::CONTROLLER_MANAGER_KUBECONFIG,
        description: "Generate a kubeconfig file for the controller manager to use",
        user: |_| "system:kube-controller-manager".to_owned(),
        organization: None,
        local_endpoint: true,
    },
    Spec {
        phase: "scheduler",
        file_name: constants::SCHEDULER_KUBECONFIG,
        description: "Generate a kubeconfig file for the scheduler to use",
        user: |_| "system:kube-scheduler".to_owned(),
        organization: None,
        local_endpoint: true,
    },
];

/// How the user of a kubeconfig file proves who it is.
#[derive(Clone, Debug)]
pub enum Credential {
    /// Certificate and key in PEM, kept in the file.
    Embedded {
        certificate: String,
        key: String,
    },
    Token(String),
    /// A file that holds both and is renewed by the kubelet.
    CombinedFile(String),
    None,
}

/// The text of a kubeconfig file with one cluster, one user and one context.
pub fn render(
    server: &str,
    cluster_name: &str,
    user: &str,
    authority_pem: &str,
    credential: &Credential,
) -> String {
    let user_fields = match credential {
        Credential::Embedded { certificate, key } => json!({
            "client-certificate-data": STANDARD.encode(certificate),
            "client-key-data": STANDARD.encode(key),
        }),
        Credential::Token(token) => json!({"token": token}),
        Credential::CombinedFile(path) => json!({"client-certificate": path, "client-key": path}),
        Credential::None => json!({}),
    };
    let context = format!("{user}@{cluster_name}");
    yaml::document(&json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster_name, "cluster": cluster_fields(server, authority_pem)}],
        "contexts": [{"name": context, "context": {"cluster": cluster_name, "user": user}}],
        "current-context": context,
        "users": [{"name": user, "user": user_fields}],
    }))
}

/// The kubeconfig of the ConfigMap `cluster-info`: where the cluster is and whom to trust, nothing else.
pub fn cluster_info(server: &str, authority_pem: &str) -> String {
    yaml::document(&json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "", "cluster": cluster_fields(server, authority_pem)}],
        "contexts": null,
        "current-context": "",
        "users": null,
    }))
}

fn cluster_fields(server: &str, authority_pem: &str) -> Value {
    json!({"server": server, "certificate-authority-data": STANDARD.encode(authority_pem)})
}

/// Why an existing kubeconfig file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KubeconfigError {
    #[error("invalid kubeconfig: {message}")]
    Yaml { message: String },
    #[error("invalid kubeconfig: {missing}")]
    Incomplete { missing: &'static str },
    #[error("invalid kubeconfig: failed to read the file {path:?} it points to")]
    Pointer { path: String, source: std::io::Error },
    #[error("the kubeconfig exists but does not contain a trusted CA in its current context's cluster")]
    ForeignAuthority,
}

/// What the current context of a kubeconfig file points to.
#[derive(Clone, Debug, PartialEq)]
pub struct Current {
    pub server: String,
    pub cluster_name: String,
    pub user_name: String,
    /// Certificates of the authorities to trust, in PEM.
    pub authority_pem: String,
    /// The client certificate kept in the file, in PEM.
    pub client_certificate_pem: Option<String>,
}

/// Reads the current context; a file without users or contexts is taken by its first cluster.
pub fn read(text: &str) -> Result<Current, KubeconfigError> {
    let config: Value = machinery::codec::yaml::from_str(text)
        .map_err(|error| KubeconfigError::Yaml { message: error.to_string() })?;
    let named = |list: &str, name: &str, field: &str| -> Option<Value> {
        let items = config.get(list)?.as_array()?;
        items.iter().find(|item| item["name"] == name).map(|item| item[field].clone())
    };
    let context_name = config.get("current-context").and_then(Value::as_str).unwrap_or_default();
    let context = named("contexts", context_name, "context");
    let (cluster_name, user_name) = match &context {
        Some(context) => (text_of(context, "cluster"), text_of(context, "user")),
        None => {
            let first = config.get("clusters").and_then(|clusters| clusters.get(0));
            let first = first.ok_or(KubeconfigError::Incomplete { missing: "there is no cluster" })?;
            (text_of(first, "name"), String::new())
        }
    };
    let cluster = named("clusters", &cluster_name, "cluster")
        .ok_or(KubeconfigError::Incomplete { missing: "the current context's cluster is not in the list" })?;
    let user = named("users", &user_name, "user").unwrap_or(Value::Null);
    Ok(Current {
        server: text_of(&cluster, "server"),
        authority_pem: data_or_file(&cluster, "certificate-authority")?.unwrap_or_default(),
        client_certificate_pem: data_or_file(&user, "client-certificate")?,
        cluster_name,
        user_name,
    })
}

fn text_of(value: &Value, field: &str) -> String {
    value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn data_or_file(value: &Value, field: &str) -> Result<Option<String>, KubeconfigError> {
    let data = text_of(value, &format!("{field}-data"));
    if !data.is_empty() {
        let bytes = STANDARD
            .decode(data.trim())
            .map_err(|error| KubeconfigError::Yaml { message: format!("{field}-data: {error}") })?;
        return Ok(Some(String::from_utf8_lossy(&bytes).into_owned()));
    }
    let path = text_of(value, field);
    if path.is_empty() {
        return Ok(None);
    }
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text)),
        Err(source) => Err(KubeconfigError::Pointer { path, source }),
    }
}

/// Checks that an existing file trusts the cluster's authority; tells whether it also names the server.
pub fn fits(text: &str, server: &str, authority_der: &[u8]) -> Result<bool, KubeconfigError> {
    let current = read(text)?;
    let trusted = component_base::tls::CertificateFacts::all_from_pem(current.authority_pem.as_bytes())
        .unwrap_or_default();
    if trusted.first().is_none_or(|certificate| certificate.der != authority_der) {
        return Err(KubeconfigError::ForeignAuthority);
    }
    Ok(current.server == server)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authority(name: &str) -> (String, Vec<u8>) {
        use component_base::tls::{KeyAlgorithm, Profile, authority::Authority};
        let now: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        let made =
            Authority::create(&Profile::authority(name, now, now), KeyAlgorithm::EcdsaP256).expect("made");
        (made.certificate_pem(), made.certificate().der.clone())
    }

    #[test]
    fn a_rendered_file_reads_back() {
        let (pem, der) = authority("kubernetes");
        let credential =
            Credential::Embedded { certificate: "CERTIFICATE".to_owned(), key: "KEY".to_owned() };
        let text = render("https://192.0.2.1:6443", "kubernetes", "kubernetes-admin", &pem, &credential);
        let current = read(&text).expect("it reads");
        assert_eq!(current.server, "https://192.0.2.1:6443");
        assert_eq!(current.user_name, "kubernetes-admin");
        assert_eq!(current.client_certificate_pem.as_deref(), Some("CERTIFICATE"));
        assert!(text.contains("current-context: kubernetes-admin@kubernetes\n"));
        assert!(fits(&text, "https://192.0.2.1:6443", &der).expect("trusted"));
        assert!(!fits(&text, "https://192.0.2.2:6443", &der).expect("trusted, but elsewhere"));
        let (_, other) = authority("kubernetes");
        assert!(matches!(fits(&text, "", &other), Err(KubeconfigError::ForeignAuthority)));
    }

    #[test]
    fn cluster_info_has_no_user() {
        let (pem, _) = authority("kubernetes");
        let current = read(&cluster_info("https://api:6443", &pem)).expect("it reads");
        assert_eq!((current.server.as_str(), current.user_name.as_str()), ("https://api:6443", ""));
        assert_eq!(current.authority_pem, pem);
    }

    #[test]
    fn broken_files_are_told() {
        assert!(matches!(read(": ["), Err(KubeconfigError::Yaml { .. })));
        assert!(matches!(read("kind: Config\n"), Err(KubeconfigError::Incomplete { .. })));
    }
}
