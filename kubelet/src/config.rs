//! The kubelet's configuration file: `KubeletConfiguration` of `kubelet.config.k8s.io/v1beta1`, with its drop-ins.

mod drop_in;
mod duration;
mod types;
mod validation;

use std::path::{Path, PathBuf};

use component_base::config::{ConfigError, VersionedConfig};

pub use self::duration::GoDuration;
pub use self::types::{
    AnonymousAuthentication, Authentication, Authorization, CrashLoopBackOff, KubeletConfiguration,
    LogFormatOptions, LogJsonOptions, LogTextOptions, Logging, MemorySwap, RegisterTaint,
    WebhookAuthentication, WebhookAuthorization, X509Authentication,
};
pub use self::validation::Refusal;

impl VersionedConfig for KubeletConfiguration {
    const API_VERSION: &'static str = "kubelet.config.k8s.io/v1beta1";
    const KIND: &'static str = "KubeletConfiguration";
}

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("failed to read drop-in configuration directory {}", path.display())]
    DropInDirectory {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{}: {message}", path.display())]
    DropIn { path: PathBuf, message: String },
    /// Every refused field, one per line.
    #[error("invalid configuration: {}", list(.0))]
    Refused(Vec<Refusal>),
}

fn list(refusals: &[Refusal]) -> String {
    let lines: Vec<String> = refusals.iter().map(Refusal::to_string).collect();
    if lines.len() == 1 { lines.concat() } else { format!("[{}]", lines.join(", ")) }
}

/// Reads the file and the drop-ins (`*.conf`, in the order of their names, later ones win), fills in defaults and
/// refuses what this kubelet cannot honour. Without a file the defaults hold.
pub fn load(
    file: Option<&Path>,
    drop_in_directory: Option<&Path>,
) -> Result<KubeletConfiguration, LoadError> {
    let mut config = match (file, drop_in_directory) {
        (None, None) => KubeletConfiguration::default(),
        (Some(file), None) => component_base::config::load(file)?,
        (file, Some(directory)) => drop_in::load(file, directory)?,
    };
    config.fill_zeroes();
    Ok(config)
}

/// Checks the configuration as a whole, after flags have been laid over it.
pub fn validate(config: &KubeletConfiguration) -> Result<(), LoadError> {
    let refusals = validation::check(config);
    if refusals.is_empty() { Ok(()) } else { Err(LoadError::Refused(refusals)) }
}
