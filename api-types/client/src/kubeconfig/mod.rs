//! The kubeconfig file: clusters, users and contexts (`client-go/tools/clientcmd/api/v1`).

mod load;
mod write;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use load::{LoadingRules, default_path};

/// A whole kubeconfig. Entries keep their order; names are unique after loading.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Kubeconfig {
    /// `v1`
    #[serde(rename = "apiVersion")]
    pub api_version: String,
    /// Servers.
    #[serde(deserialize_with = "null_is_empty")]
    pub clusters: Vec<NamedCluster>,
    /// Which user talks to which cluster, in which namespace.
    #[serde(deserialize_with = "null_is_empty")]
    pub contexts: Vec<NamedContext>,
    /// Name of the context in force.
    pub current_context: String,
    /// Data of other programs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<serde_yaml::Value>,
    /// `Config`
    pub kind: String,
    /// Settings nobody reads any more; kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preferences: Option<serde_yaml::Value>,
    /// Credentials.
    #[serde(deserialize_with = "null_is_empty")]
    pub users: Vec<NamedUser>,
}

/// A cluster under its name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NamedCluster {
    /// The cluster.
    pub cluster: Cluster,
    /// Its name.
    pub name: String,
    /// File it was read from.
    #[serde(skip)]
    pub origin: Option<PathBuf>,
}

/// A user under its name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NamedUser {
    /// Its name.
    pub name: String,
    /// The user.
    pub user: User,
    /// File it was read from.
    #[serde(skip)]
    pub origin: Option<PathBuf>,
}

/// A context under its name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NamedContext {
    /// The context.
    pub context: Context,
    /// Its name.
    pub name: String,
    /// File it was read from.
    #[serde(skip)]
    pub origin: Option<PathBuf>,
}

/// Where a server is and how it is verified.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Cluster {
    /// File with authorities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_authority: Option<PathBuf>,
    /// Authorities in base64; preferred to the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_authority_data: Option<String>,
    /// Whether to ask for uncompressed answers.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub disable_compression: bool,
    /// Data of other programs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<serde_yaml::Value>,
    /// Whether not to verify the server.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub insecure_skip_tls_verify: bool,
    /// Proxy on the way to the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_url: Option<String>,
    /// `https://host:port`
    pub server: String,
    /// Name the server's certificate is checked for, when it is not the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_server_name: Option<String>,
}

/// How a user proves who it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct User {
    /// User to act as.
    #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
    pub impersonate: Option<String>,
    /// Groups to act as.
    #[serde(rename = "as-groups", skip_serializing_if = "Vec::is_empty")]
    pub impersonate_groups: Vec<String>,
    /// UID to act as.
    #[serde(rename = "as-uid", skip_serializing_if = "Option::is_none")]
    pub impersonate_uid: Option<String>,
    /// Extra attributes to act as.
    #[serde(rename = "as-user-extra", skip_serializing_if = "BTreeMap::is_empty")]
    pub impersonate_user_extra: BTreeMap<String, Vec<String>>,
    /// Removed upstream; refused when used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_provider: Option<serde_yaml::Value>,
    /// File with a certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<PathBuf>,
    /// Certificate in base64; preferred to the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate_data: Option<String>,
    /// File with the key of the certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_key: Option<PathBuf>,
    /// Key in base64; preferred to the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_key_data: Option<String>,
    /// Program that supplies credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec: Option<ExecConfig>,
    /// Data of other programs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<serde_yaml::Value>,
    /// Password for basic authentication.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Bearer token; preferred to the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// File with a bearer token, read again every minute.
    #[serde(rename = "tokenFile", skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// User name for basic authentication.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
}

/// Cluster, user and namespace together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Context {
    /// Name of the cluster.
    pub cluster: String,
    /// Data of other programs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<serde_yaml::Value>,
    /// Namespace of requests that name none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Name of the user.
    pub user: String,
}

/// A credential plugin (`client.authentication.k8s.io`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ExecConfig {
    /// Version the plugin speaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Arguments.
    #[serde(deserialize_with = "null_is_empty")]
    pub args: Vec<String>,
    /// Program.
    pub command: String,
    /// Variables added to the environment.
    #[serde(deserialize_with = "null_is_empty")]
    pub env: Vec<ExecEnvironment>,
    /// Shown when the program is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub install_hint: Option<String>,
    /// `Never`, `IfAvailable` or `Always`: whether the program may read standard input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interactive_mode: Option<String>,
    /// Whether the program is told about the cluster.
    pub provide_cluster_info: bool,
}

/// A variable for a credential plugin.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExecEnvironment {
    /// Name.
    pub name: String,
    /// Value.
    pub value: String,
}

/// Upstream writes empty lists as `null`.
fn null_is_empty<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::<Vec<T>>::deserialize(deserializer)?.unwrap_or_default())
}

impl Kubeconfig {
    /// An empty kubeconfig.
    pub fn new() -> Kubeconfig {
        Kubeconfig { api_version: "v1".to_owned(), kind: "Config".to_owned(), ..Kubeconfig::default() }
    }

    /// The cluster of that name.
    pub fn cluster(&self, name: &str) -> Option<&Cluster> {
        self.clusters.iter().find(|named| named.name == name).map(|named| &named.cluster)
    }

    /// The user of that name.
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|named| named.name == name).map(|named| &named.user)
    }

    /// The context of that name.
    pub fn context(&self, name: &str) -> Option<&Context> {
        self.contexts.iter().find(|named| named.name == name).map(|named| &named.context)
    }

    /// A kubeconfig with one cluster, one user and one context, current.
    pub fn single(cluster_name: &str, cluster: Cluster, user_name: &str, user: User) -> Kubeconfig {
        let context_name = format!("{user_name}@{cluster_name}");
        let context =
            Context { cluster: cluster_name.to_owned(), user: user_name.to_owned(), ..Context::default() };
        let mut config = Kubeconfig::new();
        config.clusters.push(NamedCluster { name: cluster_name.to_owned(), cluster, origin: None });
        config.users.push(NamedUser { name: user_name.to_owned(), user, origin: None });
        config.contexts.push(NamedContext { name: context_name.clone(), context, origin: None });
        config.current_context = context_name;
        config
    }
}
