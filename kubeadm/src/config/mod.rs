//! The configuration of one run: documents and flags in, a complete and checked [`Configuration`] out.
//!
//! ```text
//! file or flags -> documents (strict) -> defaults -> what the host tells -> validation -> Configuration
//! ```

pub mod component;
pub mod defaults;
pub mod documents;
pub mod duration;
pub mod host_facts;
pub mod tokens;
pub mod v1beta4;
pub mod validation;
pub mod version;

use std::path::{Path, PathBuf};

use component::ComponentConfig;
use v1beta4::{ClusterConfiguration, InitConfiguration, JoinConfiguration, ResetConfiguration};

/// Everything the phases of `init` need to know, complete and valid.
#[derive(Clone, Debug, PartialEq)]
pub struct Configuration {
    pub init: InitConfiguration,
    pub cluster: ClusterConfiguration,
    pub kubelet: ComponentConfig,
    pub kube_proxy: ComponentConfig,
}

impl Configuration {
    /// A path inside the folder of the certificates.
    pub fn certificate_path(&self, name: &str) -> PathBuf {
        Path::new(&self.cluster.certificates_dir).join(name)
    }

    /// The wait limits, which [`defaults`] has filled in.
    pub fn timeouts(&self) -> v1beta4::Timeouts {
        let mut timeouts = self.init.timeouts.clone().unwrap_or_default();
        defaults::timeouts(&mut timeouts);
        timeouts
    }

    /// How long to keep trying an API call.
    pub fn api_call_timeout(&self) -> std::time::Duration {
        self.timeouts().kubernetes_api_call.unwrap_or_default().to_std()
    }
}

/// Why there is no usable configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("unable to read config from {path:?}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Document(#[from] documents::DocumentError),
    #[error(
        "no {wanted} document in {path:?}: expected at least one document with apiVersion {version:?} and that kind",
        version = v1beta4::API_VERSION
    )]
    Missing { path: PathBuf, wanted: &'static str },
    #[error(transparent)]
    Host(#[from] host_facts::HostFactError),
    #[error(transparent)]
    Token(#[from] tokens::TokenError),
    #[error(transparent)]
    Version(#[from] version::VersionError),
    #[error(transparent)]
    Invalid(#[from] validation::Invalid),
}

/// What the documents of one file say, before any default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Written {
    pub init: Option<InitConfiguration>,
    pub cluster: Option<ClusterConfiguration>,
    pub join: Option<JoinConfiguration>,
    pub reset: Option<ResetConfiguration>,
    pub kubelet: Option<ComponentConfig>,
    pub kube_proxy: Option<ComponentConfig>,
}

/// Reads the documents of a file.
pub fn read_file(path: &Path) -> Result<Written, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    Ok(documents::decode(&text)?)
}

/// Completes and checks what was written for `init`; `detect_runtime` is off for commands that do not touch
/// the container runtime, which then need not exist.
pub fn complete_init(written: Written, detect_runtime: bool) -> Result<Configuration, ConfigError> {
    let mut init = written.init.unwrap_or_default();
    let mut cluster = written.cluster.unwrap_or_default();
    defaults::init(&mut init);
    defaults::cluster(&mut cluster);
    for token in &mut init.bootstrap_tokens {
        if token.token.is_empty() {
            token.token = tokens::Token::generate().to_string();
        }
    }
    host_facts::node_registration(&mut init.node_registration, true, detect_runtime)?;
    host_facts::api_endpoint(&mut init.local_api_endpoint)?;
    version::normalize(&mut cluster)?;
    defaults::control_plane_endpoint(&mut cluster, init.local_api_endpoint.bind_port);
    crate::render::encryption::default_flag(&mut cluster);
    for name in &mut cluster.api_server.cert_sans {
        name.make_ascii_lowercase();
    }
    let kubelet = component::kubelet(written.kubelet, &cluster, host_facts::habits());
    let kube_proxy =
        component::kube_proxy(written.kube_proxy, &cluster, &init.local_api_endpoint.advertise_address);
    let configuration = Configuration { init, cluster, kubelet, kube_proxy };
    validation::init(&configuration)?;
    Ok(configuration)
}

/// Completes and checks what was written for `join`.
pub fn complete_join(mut join: JoinConfiguration) -> Result<JoinConfiguration, ConfigError> {
    defaults::join(&mut join);
    let control_plane = join.control_plane.is_some();
    host_facts::node_registration(&mut join.node_registration, control_plane, true)?;
    if let Some(control_plane) = &mut join.control_plane {
        host_facts::api_endpoint(&mut control_plane.local_api_endpoint)?;
    }
    validation::join(&join)?;
    Ok(join)
}

/// Completes what was written for `reset`.
pub fn complete_reset(mut reset: ResetConfiguration) -> ResetConfiguration {
    defaults::reset(&mut reset);
    reset
}
