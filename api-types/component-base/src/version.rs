//! Which Kubernetes this is: `--version`, `/version` and the `User-Agent` of every client.

use serde::{Deserialize, Serialize};

/// The Kubernetes release whose behaviour this project follows.
pub const KUBERNETES_VERSION: &str = "v1.36.0";
/// Major part of [`KUBERNETES_VERSION`].
pub const MAJOR: &str = "1";
/// Minor part of [`KUBERNETES_VERSION`].
pub const MINOR: &str = "36";
/// Version of this package, the build metadata of [`git_version`].
pub const PACKAGE_VERSION: &str = env!("CARGO_PKG_VERSION");

/// `v1.36.0+<package version>`, a semantic version whose build metadata is ours.
pub fn git_version() -> String {
    format!("{KUBERNETES_VERSION}+{PACKAGE_VERSION}")
}

/// What `--version` prints: `Kubernetes v1.36.0+<package version>`.
pub fn version_line() -> String {
    format!("Kubernetes {}", git_version())
}

/// `<program>/v1.36.0 (linux/amd64) kubernetes/<package version>`, the shape client-go sends.
pub fn user_agent(program: &str) -> String {
    format!("{program}/{KUBERNETES_VERSION} ({}) kubernetes/{PACKAGE_VERSION}", platform())
}

/// `linux/amd64` in Go's names.
pub fn platform() -> String {
    format!("{}/{}", std::env::consts::OS, go_architecture(std::env::consts::ARCH))
}

/// Go's name (GOARCH) of a Rust target architecture; node labels and status use it.
pub fn go_architecture(rust_name: &str) -> &str {
    match rust_name {
        "x86_64" => "amd64",
        "x86" => "386",
        "aarch64" => "arm64",
        "powerpc64" => "ppc64le",
        "loongarch64" => "loong64",
        other => other,
    }
}

/// The body of `/version` (apimachinery `version.Info`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Info {
    /// "1"
    pub major: String,
    /// "36"
    pub minor: String,
    /// Major version of the release this binary can emulate.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub emulation_major: String,
    /// Minor version of the release this binary can emulate.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub emulation_minor: String,
    /// Major version of the oldest release whose nodes are supported.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub min_compatibility_major: String,
    /// Minor version of the oldest release whose nodes are supported.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub min_compatibility_minor: String,
    /// `v1.36.0+<package version>`
    pub git_version: String,
    /// Commit the binary was built from, empty when the build did not know.
    pub git_commit: String,
    /// "clean", "dirty" or empty.
    pub git_tree_state: String,
    /// RFC 3339 time of the build, the Unix epoch when builds are reproducible.
    pub build_date: String,
    /// Compiler that built the binary.
    pub go_version: String,
    /// Upstream's name of the compiler kind.
    pub compiler: String,
    /// `linux/amd64`
    pub platform: String,
}

impl Default for Info {
    fn default() -> Self {
        Info {
            major: MAJOR.to_owned(),
            minor: MINOR.to_owned(),
            emulation_major: MAJOR.to_owned(),
            emulation_minor: MINOR.to_owned(),
            min_compatibility_major: MAJOR.to_owned(),
            min_compatibility_minor: "35".to_owned(),
            git_version: git_version(),
            git_commit: option_env!("KUBERNETES_GIT_COMMIT").unwrap_or_default().to_owned(),
            git_tree_state: option_env!("KUBERNETES_GIT_TREE_STATE").unwrap_or_default().to_owned(),
            build_date: option_env!("KUBERNETES_BUILD_DATE").unwrap_or("1970-01-01T00:00:00Z").to_owned(),
            go_version: "rust".to_owned(),
            compiler: "rustc".to_owned(),
            platform: platform(),
        }
    }
}

impl Info {
    /// The facts about this binary.
    pub fn current() -> Info {
        Info::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_upstreams_with_our_build_metadata() {
        assert_eq!(version_line(), format!("Kubernetes v1.36.0+{PACKAGE_VERSION}"));
        assert!(user_agent("kubelet").starts_with("kubelet/v1.36.0 ("));
    }

    #[test]
    fn info_has_upstreams_field_names() {
        let value = serde_json::to_value(Info::current()).expect("serializable");
        assert_eq!(value["major"], "1");
        assert_eq!(value["minor"], "36");
        assert_eq!(value["gitVersion"], git_version());
        assert!(value.get("goVersion").is_some() && value.get("platform").is_some());
    }
}
