//! Everything a [`Client`](crate::Client) needs to know, resolved from a kubeconfig or a pod's files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::Error;
use crate::kubeconfig::{Cluster, ExecConfig, Kubeconfig, LoadingRules, User};

/// Folder the kubelet mounts a pod's service account into.
pub const SERVICE_ACCOUNT_FOLDER: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// PEM text, in memory or in a file that is followed when it changes.
#[derive(Clone, PartialEq, Eq)]
pub enum Source {
    /// The text itself.
    Inline(Vec<u8>),
    /// The file it is in.
    File(PathBuf),
}

impl std::fmt::Debug for Source {
    /// Inline text may be a private key.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::Inline(_) => formatter.write_str("Inline(..)"),
            Source::File(path) => formatter.debug_tuple("File").field(path).finish(),
        }
    }
}

impl Source {
    /// The text as it is now.
    pub fn read(&self) -> Result<Vec<u8>, Error> {
        match self {
            Source::Inline(text) => Ok(text.clone()),
            Source::File(path) => std::fs::read(path).map_err(|source| Error::File {
                action: "failed to read",
                path: path.clone(),
                source,
            }),
        }
    }
}

/// What goes into the `Authorization` header, or instead of it.
#[derive(Clone, Default, PartialEq)]
pub enum Credentials {
    /// Nothing but perhaps a client certificate.
    #[default]
    None,
    /// A bearer token.
    Token(String),
    /// A file with a bearer token, read again every minute.
    TokenFile(PathBuf),
    /// User name and password.
    Basic(String, String),
    /// A program that supplies a token or a certificate.
    Exec(Box<ExecConfig>),
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Credentials::None => formatter.write_str("None"),
            Credentials::Token(_) => formatter.write_str("Token(..)"),
            Credentials::TokenFile(path) => formatter.debug_tuple("TokenFile").field(path).finish(),
            Credentials::Basic(user, _) => formatter.debug_tuple("Basic").field(user).finish(),
            Credentials::Exec(exec) => formatter.debug_tuple("Exec").field(&exec.command).finish(),
        }
    }
}

/// Whom to act as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Impersonation {
    /// User name; empty for nobody.
    pub user: String,
    /// UID.
    pub uid: String,
    /// Groups.
    pub groups: Vec<String>,
    /// Extra attributes.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// How to reach and convince one API server.
#[derive(Clone, Debug)]
pub struct Config {
    /// `https://host:port`, possibly with a path in front of every request.
    pub server: http::Uri,
    /// Namespace of requests that name none.
    pub default_namespace: String,
    /// Authorities the server is verified by; the system's when none are given.
    pub authorities: Option<Source>,
    /// Name the server's certificate is checked for, when it is not the host.
    pub tls_server_name: Option<String>,
    /// The server is not to be verified; refused unless [`Config::allow_unverified_server`] was called.
    pub skip_verification: bool,
    unverified_server_allowed: bool,
    /// Client certificate and key.
    pub identity: Option<(Source, Source)>,
    /// Token, password or plugin.
    pub credentials: Credentials,
    /// Whom to act as.
    pub impersonation: Impersonation,
    /// `User-Agent`.
    pub user_agent: String,
    /// Requests per second and burst; none for no limit.
    pub rate_limit: Option<(f32, u32)>,
    /// Time for a request that is no watch or log; none for no limit.
    pub timeout: Option<Duration>,
    /// How often a connection is tried before a request fails, with a growing pause between; at least 1.
    pub connect_attempts: u32,
}

impl Config {
    /// For a server and nothing else.
    pub fn new(server: &str) -> Result<Config, Error> {
        Ok(Config {
            server: parse_server(server)?,
            default_namespace: "default".to_owned(),
            authorities: None,
            tls_server_name: None,
            skip_verification: false,
            unverified_server_allowed: false,
            identity: None,
            credentials: Credentials::None,
            impersonation: Impersonation::default(),
            user_agent: default_user_agent(),
            rate_limit: None,
            timeout: None,
            connect_attempts: 1,
        })
    }

    /// From a server, its authorities and a client certificate.
    pub fn from_parts(
        server: &str,
        authorities: Source,
        identity: Option<(Source, Source)>,
    ) -> Result<Config, Error> {
        Ok(Config { authorities: Some(authorities), identity, ..Config::new(server)? })
    }

    /// From the current context of a kubeconfig file.
    pub fn from_kubeconfig_file(path: impl AsRef<Path>) -> Result<Config, Error> {
        let rules = LoadingRules { explicit: Some(path.as_ref().to_owned()), precedence: Vec::new() };
        Config::from_kubeconfig(&rules.load()?, None)
    }

    /// From a context of a loaded kubeconfig, the current one when `context` is none.
    pub fn from_kubeconfig(kubeconfig: &Kubeconfig, context: Option<&str>) -> Result<Config, Error> {
        let name = context.unwrap_or(&kubeconfig.current_context);
        if name.is_empty() {
            return Err(Error::Config("no context was chosen and current-context is not set".to_owned()));
        }
        let context = kubeconfig
            .context(name)
            .ok_or_else(|| Error::Config(format!("context was not found for specified context: {name}")))?;
        let cluster = kubeconfig.cluster(&context.cluster).ok_or_else(|| {
            Error::Config(format!("cluster {:?} of context {name:?} does not exist", context.cluster))
        })?;
        let nobody = User::default();
        let user = match kubeconfig.user(&context.user) {
            Some(user) => user,
            None if context.user.is_empty() => &nobody,
            None => {
                return Err(Error::Config(format!(
                    "auth info {:?} of context {name:?} does not exist",
                    context.user
                )));
            }
        };
        let mut config = Config::from_cluster_and_user(cluster, user)
            .map_err(|message| Error::Config(format!("context {name:?}: {message}")))?;
        if let Some(namespace) = context.namespace.as_ref().filter(|namespace| !namespace.is_empty()) {
            config.default_namespace.clone_from(namespace);
        }
        Ok(config)
    }

    /// From a cluster and a user, wherever they come from.
    pub fn from_cluster_and_user(cluster: &Cluster, user: &User) -> Result<Config, String> {
        if cluster.server.is_empty() {
            return Err("cluster has no server defined".to_owned());
        }
        if let Some(proxy) = cluster.proxy_url.as_ref().filter(|proxy| !proxy.is_empty()) {
            return Err(format!(
                "proxy-url {proxy:?} is not supported: connect directly or through a local tunnel"
            ));
        }
        if user.auth_provider.is_some() {
            return Err("auth-provider was removed from Kubernetes: use an exec credential plugin".to_owned());
        }
        let mut config = Config::new(&cluster.server).map_err(|error| error.to_string())?;
        config.authorities = source(
            "certificate-authority",
            cluster.certificate_authority_data.as_ref(),
            cluster.certificate_authority.as_ref(),
        )?;
        if config.authorities.is_some() && cluster.insecure_skip_tls_verify {
            return Err(
                "certificate-authority and insecure-skip-tls-verify are mutually exclusive".to_owned()
            );
        }
        config.skip_verification = cluster.insecure_skip_tls_verify;
        config.tls_server_name = cluster.tls_server_name.clone().filter(|name| !name.is_empty());
        let certificate = source(
            "client-certificate",
            user.client_certificate_data.as_ref(),
            user.client_certificate.as_ref(),
        )?;
        let key = source("client-key", user.client_key_data.as_ref(), user.client_key.as_ref())?;
        config.identity = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) => return Err("client-certificate is given without client-key".to_owned()),
            (None, Some(_)) => return Err("client-key is given without client-certificate".to_owned()),
        };
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        config.credentials = match (given(&user.token), &user.token_file, given(&user.username), &user.exec) {
            (Some(token), _, _, _) => Credentials::Token(token),
            (None, Some(path), _, _) if !path.as_os_str().is_empty() => Credentials::TokenFile(path.clone()),
            (None, _, Some(name), _) => Credentials::Basic(name, user.password.clone().unwrap_or_default()),
            (None, _, None, Some(exec)) => Credentials::Exec(Box::new(exec.clone())),
            _ => Credentials::None,
        };
        config.impersonation = Impersonation {
            user: user.impersonate.clone().unwrap_or_default(),
            uid: user.impersonate_uid.clone().unwrap_or_default(),
            groups: user.impersonate_groups.clone(),
            extra: user.impersonate_user_extra.clone(),
        };
        Ok(config)
    }

    /// From the service account the kubelet gave this pod.
    pub fn in_cluster() -> Result<Config, Error> {
        let folder = Path::new(SERVICE_ACCOUNT_FOLDER);
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let (Some(host), Some(port)) =
            (variable("KUBERNETES_SERVICE_HOST"), variable("KUBERNETES_SERVICE_PORT"))
        else {
            return Err(Error::Config(
                "unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be defined".to_owned(),
            ));
        };
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        let mut config = Config::new(&format!("https://{host}:{port}"))?;
        config.authorities = Some(Source::File(folder.join("ca.crt")));
        config.credentials = Credentials::TokenFile(folder.join("token"));
        if let Ok(namespace) = std::fs::read_to_string(folder.join("namespace")) {
            config.default_namespace = namespace.trim().to_owned();
        }
        Ok(config)
    }

    /// Lets [`Config::skip_verification`] take effect: only for users who ask for it on their command line.
    pub fn allow_unverified_server(mut self) -> Config {
        self.unverified_server_allowed = true;
        self
    }

    pub(crate) fn verifies_server(&self) -> Result<bool, Error> {
        match (self.skip_verification, self.unverified_server_allowed) {
            (false, _) => Ok(true),
            (true, true) => Ok(false),
            (true, false) => Err(Error::Config(format!(
                "insecure-skip-tls-verify is set for {}: this program verifies its server; set certificate-authority instead",
                self.server
            ))),
        }
    }

    /// Sets the `User-Agent`.
    pub fn with_user_agent(mut self, user_agent: impl Into<String>) -> Config {
        self.user_agent = user_agent.into();
        self
    }
}

fn default_user_agent() -> String {
    let program = std::env::args_os().next().map(PathBuf::from);
    let name = program.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    format!(
        "{}/v1.36.0 ({}) kubernetes/{}",
        name.unwrap_or_default(),
        std::env::consts::OS,
        env!("CARGO_PKG_VERSION")
    )
}

fn parse_server(server: &str) -> Result<http::Uri, Error> {
    // Upstream takes "host:port" as well and means http.
    let text = if server.contains("://") { server.to_owned() } else { format!("http://{server}") };
    let uri: http::Uri = text
        .trim_end_matches('/')
        .parse()
        .map_err(|error| Error::Config(format!("server {server:?} is not a URL: {error}")))?;
    match uri.scheme_str() {
        Some("http" | "https") if uri.host().is_some_and(|host| !host.is_empty()) => Ok(uri),
        _ => Err(Error::Config(format!("server {server:?} must be http://host:port or https://host:port"))),
    }
}

fn source(field: &str, data: Option<&String>, path: Option<&PathBuf>) -> Result<Option<Source>, String> {
    match (data.filter(|data| !data.is_empty()), path.filter(|path| !path.as_os_str().is_empty())) {
        (Some(data), _) => {
            let compact: String = data.chars().filter(|c| !c.is_ascii_whitespace()).collect();
            let decoded =
                STANDARD.decode(compact).map_err(|error| format!("{field}-data is not base64: {error}"))?;
            Ok(Some(Source::Inline(decoded)))
        }
        (None, Some(path)) => Ok(Some(Source::File(path.clone()))),
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(yaml: &str, expected: Result<&str, &str>) {
        let outcome = Kubeconfig::from_yaml(yaml)
            .map_err(Error::Config)
            .and_then(|kubeconfig| Config::from_kubeconfig(&kubeconfig, None));
        match (outcome, expected) {
            (Ok(config), Ok(summary)) => {
                let found = format!(
                    "{} {:?} {:?} {}",
                    config.server, config.credentials, config.identity, config.default_namespace
                );
                assert_eq!(found, summary);
            }
            (Err(error), Err(message)) => {
                assert_eq!(error.to_string(), format!("invalid configuration: {message}"))
            }
            (outcome, _) => panic!("{yaml}: {outcome:?}"),
        }
    }

    fn yaml(cluster: &str, user: &str) -> String {
        format!(
            "current-context: c\ncontexts: [{{name: c, context: {{cluster: k, user: u, namespace: work}}}}]\nclusters: [{{name: k, cluster: {cluster}}}]\nusers: [{{name: u, user: {user}}}]\n"
        )
    }

    #[test]
    fn kubeconfigs_are_resolved() {
        check(
            &yaml("{server: 'https://h:1/'}", "{token: t, username: x}"),
            Ok("https://h:1/ Token(..) None work"),
        );
        check(&yaml("{server: 'h:1'}", "{tokenFile: /t}"), Ok("http://h:1/ TokenFile(\"/t\") None work"));
        check(
            &yaml("{server: 'https://h'}", "{username: x, password: y}"),
            Ok("https://h/ Basic(\"x\") None work"),
        );
        check(
            &yaml("{server: 'https://h'}", "{client-certificate: /c, client-key-data: QUJD}"),
            Ok("https://h/ None Some((File(\"/c\"), Inline(..))) work"),
        );
        check("{}", Err("no context was chosen and current-context is not set"));
        check("current-context: x", Err("context was not found for specified context: x"));
        check(&yaml("{}", "{}"), Err("context \"c\": cluster has no server defined"));
        check(
            &yaml("{server: 'https://h', proxy-url: 'http://p'}", "{}"),
            Err(
                "context \"c\": proxy-url \"http://p\" is not supported: connect directly or through a local tunnel",
            ),
        );
        check(
            &yaml("{server: 'https://h'}", "{client-certificate: /c}"),
            Err("context \"c\": client-certificate is given without client-key"),
        );
        check(
            &yaml("{server: 'ftp://h'}", "{}"),
            Err(
                "context \"c\": invalid configuration: server \"ftp://h\" must be http://host:port or https://host:port",
            ),
        );
    }

    #[test]
    fn skipping_verification_needs_leave() {
        let mut config = Config::new("https://h").expect("valid");
        assert!(config.verifies_server().expect("verified"));
        config.skip_verification = true;
        assert!(config.verifies_server().is_err());
        assert!(!config.allow_unverified_server().verifies_server().expect("allowed"));
    }
}
