//! What the phases of `init` share: the configuration, the files, and the way to the cluster.

use std::path::{Path, PathBuf};

use clap::ArgMatches;
use jiff::Timestamp;

use super::flags::{check_mixed, is_given, list_value, switch_value, text_value};
use crate::{
    cluster::access::ClusterAccess,
    config::{
        self, Configuration, Written,
        duration::GoDuration,
        v1beta4::{Arg, BootstrapToken, ClusterConfiguration, InitConfiguration},
        validation::ignored_checks,
    },
    constants,
    host::files::Files,
    pki::store::uses_external_authority,
    preflight::facts,
};

/// The data of one run of `init` or of one of its phases.
pub struct InitData {
    pub configuration: Configuration,
    pub files: Files,
    /// The moment the run began; certificates and tokens count from it.
    pub now: Timestamp,
    /// Names of preflight checks whose errors only warn, in lower case.
    pub ignored_checks: Vec<String>,
    pub kubeconfig_dir: PathBuf,
    /// The kubeconfig to talk to the cluster with.
    pub kubeconfig_path: PathBuf,
    pub patches_dir: Option<PathBuf>,
    pub upload_certificates: bool,
    pub skip_certificate_key_print: bool,
    pub skip_token_print: bool,
    pub print_manifest: bool,
    /// The cluster's authority has no key on this host.
    pub external_authority: bool,
    /// Phases that the configuration file wants skipped.
    pub skip_phases: Vec<String>,
    cluster: Option<ClusterAccess>,
}

/// Two settings that exclude each other.
#[derive(Debug, thiserror::Error)]
pub enum InitDataError {
    #[error("can't use upload-certs with an external CA or an external front-proxy CA")]
    UploadWithoutKey,
    #[error("invalid value {value:?} for --{flag}: {rule}")]
    Flag { flag: &'static str, value: String, rule: String },
}

impl InitData {
    /// From the flags of a command line and the file they may name.
    pub async fn from_flags(matches: &ArgMatches) -> anyhow::Result<Self> {
        check_mixed(matches)?;
        let written = match text_value(matches, "config") {
            Some(path) => {
                let mut written = config::read_file(Path::new(&path))?;
                if let Some(name) = text_value(matches, "node-name") {
                    written.init.get_or_insert_default().node_registration.name = name;
                }
                written
            }
            None => from_flags_alone(matches)?,
        };
        // Commands without the flag do not touch the runtime, which then need not exist.
        let detect_runtime = matches.try_contains_id("cri-socket").is_ok();
        let mut configuration = config::complete_init(written, detect_runtime)?;
        if detect_runtime {
            follow_runtime(&mut configuration).await;
        }
        let dry_run = switch_value(matches, "dry-run") || configuration.init.dry_run;
        let files = if dry_run { Files::dry_run() } else { Files::on_disk() };
        let ignored = ignored_checks(
            &list_value(matches, "ignore-preflight-errors"),
            &configuration.init.node_registration.ignore_preflight_errors,
        )?;
        let external_authority = uses_external_authority(&files, &configuration);
        let upload_certificates = switch_value(matches, "upload-certs");
        if upload_certificates && external_authority {
            return Err(InitDataError::UploadWithoutKey.into());
        }
        let patches = text_value(matches, "patches")
            .or_else(|| configuration.init.patches.as_ref().map(|patches| patches.directory.clone()));
        Ok(Self {
            skip_phases: configuration.init.skip_phases.clone(),
            configuration,
            files,
            now: Timestamp::now(),
            ignored_checks: ignored,
            kubeconfig_dir: text_value(matches, "kubeconfig-dir")
                .map_or_else(|| PathBuf::from(constants::KUBERNETES_DIR), PathBuf::from),
            kubeconfig_path: text_value(matches, "kubeconfig")
                .map_or_else(|| constants::kubeconfig_path(constants::ADMIN_KUBECONFIG), PathBuf::from),
            patches_dir: patches.filter(|folder| !folder.is_empty()).map(PathBuf::from),
            upload_certificates,
            skip_certificate_key_print: switch_value(matches, "skip-certificate-key-print"),
            skip_token_print: switch_value(matches, "skip-token-print"),
            print_manifest: switch_value(matches, "print-manifest"),
            external_authority,
            cluster: None,
        })
    }

    pub fn is_dry_run(&self) -> bool {
        self.files.is_dry_run()
    }

    /// The way to the cluster, opened on first use.
    pub async fn cluster(&mut self) -> anyhow::Result<ClusterAccess> {
        if let Some(cluster) = &self.cluster {
            return Ok(cluster.clone());
        }
        let limit = self.configuration.api_call_timeout();
        let admin = constants::kubeconfig_path(constants::ADMIN_KUBECONFIG);
        let cluster = if self.is_dry_run() {
            ClusterAccess::dry_run()
        } else if self.kubeconfig_path == admin {
            ClusterAccess::as_admin(limit).await?
        } else {
            ClusterAccess::from_file(&self.kubeconfig_path, limit)?
        };
        self.cluster = Some(cluster.clone());
        Ok(cluster)
    }
}

/// Gives the kubelet the cgroup driver of the runtime it will talk to, unless the user chose one.
pub async fn follow_runtime(configuration: &mut Configuration) {
    if configuration.kubelet.user_set("cgroupDriver") {
        return;
    }
    if let Some(driver) = facts::cgroup_driver(&configuration.init.node_registration.cri_socket).await {
        configuration.kubelet.fields.insert("cgroupDriver".to_owned(), driver.into());
    }
}

fn from_flags_alone(matches: &ArgMatches) -> Result<Written, InitDataError> {
    let text = |name: &str| text_value(matches, name).unwrap_or_default();
    let mut init = InitConfiguration::default();
    init.local_api_endpoint.advertise_address = text("apiserver-advertise-address");
    if let Some(port) = text_value(matches, "apiserver-bind-port") {
        init.local_api_endpoint.bind_port = number("apiserver-bind-port", &port)?;
    }
    init.node_registration.name = text("node-name");
    init.node_registration.cri_socket = text("cri-socket");
    init.certificate_key = text("certificate-key");
    init.bootstrap_tokens.extend(first_token(matches)?);

    let mut cluster = ClusterConfiguration::default();
    cluster.networking.service_subnet = text("service-cidr");
    cluster.networking.pod_subnet = text("pod-network-cidr");
    cluster.networking.dns_domain = text("service-dns-domain");
    cluster.control_plane_endpoint = text("control-plane-endpoint");
    cluster.kubernetes_version = text("kubernetes-version");
    cluster.certificates_dir = text("cert-dir");
    cluster.image_repository = text("image-repository");
    cluster.api_server.cert_sans = list_value(matches, "apiserver-cert-extra-sans");
    cluster.api_server.extra_args = arguments(matches, "apiserver-extra-args")?;
    cluster.controller_manager.extra_args = arguments(matches, "controller-manager-extra-args")?;
    cluster.scheduler.extra_args = arguments(matches, "scheduler-extra-args")?;
    for gate in text("feature-gates").split(',').filter(|gate| !gate.is_empty()) {
        let (name, value) = gate.split_once('=').ok_or_else(|| InitDataError::Flag {
            flag: "feature-gates",
            value: gate.to_owned(),
            rule: "missing bool value for feature-gate key".to_owned(),
        })?;
        let value = value.parse::<bool>().map_err(|error| InitDataError::Flag {
            flag: "feature-gates",
            value: gate.to_owned(),
            rule: error.to_string(),
        })?;
        cluster.feature_gates.insert(name.to_owned(), value);
    }
    Ok(Written { init: Some(init), cluster: Some(cluster), ..Written::default() })
}

/// The token that `--token` and `--token-ttl` describe.
fn first_token(matches: &ArgMatches) -> Result<Option<BootstrapToken>, InitDataError> {
    if !is_given(matches, "token") && !is_given(matches, "token-ttl") {
        return Ok(None);
    }
    let mut token = BootstrapToken {
        token: text_value(matches, "token").unwrap_or_default(),
        description: "The default bootstrap token generated by 'kubeadm init'.".to_owned(),
        ..BootstrapToken::default()
    };
    if let Some(ttl) = text_value(matches, "token-ttl") {
        token.ttl = Some(duration("token-ttl", &ttl)?);
    }
    Ok(Some(token))
}

/// Reads a length of time from a flag.
pub fn duration(flag: &'static str, value: &str) -> Result<GoDuration, InitDataError> {
    value.parse().map_err(|error: config::duration::InvalidDuration| InitDataError::Flag {
        flag,
        value: value.to_owned(),
        rule: error.to_string(),
    })
}

fn number(flag: &'static str, value: &str) -> Result<i32, InitDataError> {
    value.parse().map_err(|_| InitDataError::Flag {
        flag,
        value: value.to_owned(),
        rule: "port number is not valid".to_owned(),
    })
}

fn arguments(matches: &ArgMatches, flag: &'static str) -> Result<Vec<Arg>, InitDataError> {
    list_value(matches, flag)
        .into_iter()
        .map(|given| match given.trim_start_matches("--").split_once('=') {
            Some((name, value)) => Ok(Arg { name: name.to_owned(), value: value.to_owned() }),
            None => Err(InitDataError::Flag {
                flag,
                value: given,
                rule: "expected <flagname>=<value>".to_owned(),
            }),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflows::init;

    fn written(line: &[&str]) -> Result<Written, InitDataError> {
        let matches =
            init::command().try_get_matches_from(std::iter::once(&"init").chain(line)).expect("a line");
        from_flags_alone(&matches)
    }

    #[test]
    fn flags_become_documents() {
        let written = written(&[
            "--pod-network-cidr=10.244.0.0/16",
            "--apiserver-bind-port=7443",
            "--token=abcdef.0123456789abcdef",
            "--token-ttl=0",
            "--apiserver-cert-extra-sans=a.example,b.example",
            "--feature-gates=PublicKeysECDSA=true",
        ])
        .expect("valid");
        let (init, cluster) = (written.init.expect("given"), written.cluster.expect("given"));
        assert_eq!(cluster.networking.pod_subnet, "10.244.0.0/16");
        assert_eq!(init.local_api_endpoint.bind_port, 7443);
        assert_eq!(init.bootstrap_tokens[0].ttl, Some(GoDuration::default()));
        assert_eq!(cluster.api_server.cert_sans, ["a.example", "b.example"]);
        assert_eq!(cluster.feature_gates.get("PublicKeysECDSA"), Some(&true));
    }

    #[test]
    fn bad_values_name_their_flag() {
        for (line, part) in [
            ("--apiserver-bind-port=x", "--apiserver-bind-port"),
            ("--token-ttl=soon", "--token-ttl"),
            ("--feature-gates=X", "missing bool value"),
        ] {
            let error = written(&[line]).expect_err(line).to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
