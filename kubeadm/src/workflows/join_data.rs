//! What the phases of `join` share.

use std::path::{Path, PathBuf};

use clap::ArgMatches;

use super::flags::{check_mixed, list_value, switch_value, text_value};
use crate::{
    cluster::discovery::{Found, discover},
    config::{
        self, defaults,
        v1beta4::{BootstrapTokenDiscovery, FileDiscovery, JoinConfiguration, Timeouts},
        validation::ignored_checks,
    },
    host::files::Files,
};

/// The data of one run of `join` or of one of its phases.
pub struct JoinData {
    pub configuration: JoinConfiguration,
    pub files: Files,
    pub ignored_checks: Vec<String>,
    pub patches_dir: Option<PathBuf>,
    pub skip_phases: Vec<String>,
    found: Option<Found>,
}

impl JoinData {
    /// From the flags of a command line and the file they may name.
    pub fn from_flags(matches: &ArgMatches) -> anyhow::Result<Self> {
        check_mixed(matches)?;
        let mut written = match text_value(matches, "config") {
            Some(path) => config::read_file(Path::new(&path))?.join.ok_or_else(|| {
                config::ConfigError::Missing { path: PathBuf::from(&path), wanted: "JoinConfiguration" }
            })?,
            None => from_flags_alone(matches),
        };
        if let Some(name) = text_value(matches, "node-name") {
            written.node_registration.name = name;
        }
        anyhow::ensure!(
            written.control_plane.is_none(),
            "joining as one more control-plane node is not supported by this kubeadm: leave controlPlane out to join as a worker"
        );
        let configuration = config::complete_join(written)?;
        let dry_run = switch_value(matches, "dry-run") || configuration.dry_run;
        let patches = text_value(matches, "patches")
            .or_else(|| configuration.patches.as_ref().map(|patches| patches.directory.clone()));
        Ok(Self {
            files: if dry_run { Files::dry_run() } else { Files::on_disk() },
            ignored_checks: ignored_checks(
                &list_value(matches, "ignore-preflight-errors"),
                &configuration.node_registration.ignore_preflight_errors,
            )?,
            patches_dir: patches.filter(|folder| !folder.is_empty()).map(PathBuf::from),
            skip_phases: configuration.skip_phases.clone(),
            configuration,
            found: None,
        })
    }

    pub fn is_dry_run(&self) -> bool {
        self.files.is_dry_run()
    }

    pub fn timeouts(&self) -> Timeouts {
        let mut timeouts = self.configuration.timeouts.clone().unwrap_or_default();
        defaults::timeouts(&mut timeouts);
        timeouts
    }

    /// The cluster to join, looked for on first use.
    pub async fn cluster(&mut self) -> anyhow::Result<Found> {
        if let Some(found) = &self.found {
            return Ok(found.clone());
        }
        let limit = self.timeouts().discovery.unwrap_or_default().to_std();
        let found = discover(&self.configuration.discovery, limit).await?;
        self.found = Some(found.clone());
        Ok(found)
    }
}

fn from_flags_alone(matches: &ArgMatches) -> JoinConfiguration {
    let text = |name: &str| text_value(matches, name).unwrap_or_default();
    let mut join = JoinConfiguration::default();
    join.node_registration.cri_socket = text("cri-socket");
    let token = text_value(matches, "discovery-token").unwrap_or_else(|| text("token"));
    if let Some(file) = text_value(matches, "discovery-file") {
        join.discovery.file = Some(FileDiscovery { kube_config_path: file });
    } else {
        let endpoint = matches.try_get_one::<String>("endpoint").ok().flatten().cloned();
        join.discovery.bootstrap_token = Some(BootstrapTokenDiscovery {
            token,
            api_server_endpoint: endpoint.unwrap_or_default(),
            ca_cert_hashes: list_value(matches, "discovery-token-ca-cert-hash"),
            unsafe_skip_ca_verification: switch_value(matches, "discovery-token-unsafe-skip-ca-verification"),
        });
    }
    join.discovery.tls_bootstrap_token =
        text_value(matches, "tls-bootstrap-token").unwrap_or_else(|| text("token"));
    join
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflows::join;

    #[test]
    fn flags_become_a_document() {
        let line = [
            "join",
            "192.0.2.1:6443",
            "--token=abcdef.0123456789abcdef",
            "--discovery-token-ca-cert-hash=sha256:00",
        ];
        let configuration = from_flags_alone(&join::command().try_get_matches_from(line).expect("a line"));
        let discovery = configuration.discovery.bootstrap_token.expect("by token");
        assert_eq!(discovery.api_server_endpoint, "192.0.2.1:6443");
        assert_eq!(discovery.ca_cert_hashes, ["sha256:00"]);
        assert_eq!(configuration.discovery.tls_bootstrap_token, "abcdef.0123456789abcdef");
    }
}
