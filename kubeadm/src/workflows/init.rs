//! `kubeadm init`: makes this host the first control-plane node of a new cluster.

use clap::{ArgMatches, Command};

use super::{
    flags::{self, list_value},
    init_data::InitData,
    phase::{self, Phase},
};
use crate::{config::host_facts, phases};

const FLAGS: &[&str] = &[
    "apiserver-advertise-address",
    "apiserver-bind-port",
    "apiserver-cert-extra-sans",
    "cert-dir",
    "certificate-key",
    "config",
    "control-plane-endpoint",
    "cri-socket",
    "dry-run",
    "feature-gates",
    "ignore-preflight-errors",
    "image-repository",
    "kubernetes-version",
    "node-name",
    "patches",
    "pod-network-cidr",
    "service-cidr",
    "service-dns-domain",
    "skip-certificate-key-print",
    "skip-phases",
    "skip-token-print",
    "token",
    "token-ttl",
    "upload-certs",
];
/// Phases whose absence the configuration must know of.
const DNS_PHASE: &str = "addon/coredns";
const PROXY_PHASE: &str = "addon/kube-proxy";

/// The command with all its flags and phases.
pub fn command() -> Command {
    let phases = phases::all();
    let long = format!(
        "Run this command in order to set up the Kubernetes control plane\n\nThe \"init\" command executes the following phases:\n{}",
        phase::names(&phases).iter().map(|name| format!("  {name}\n")).collect::<String>()
    );
    let command = Command::new("init")
        .about("Run this command in order to set up the Kubernetes control plane")
        .long_about(long)
        .subcommand(phase::command("init", &phases));
    flags::add(command, FLAGS)
}

/// Runs the workflow, or the phases named after `phase`.
pub async fn run(matches: &ArgMatches) -> anyhow::Result<()> {
    let phases = phases::all();
    if let Some(("phase", inner)) = matches.subcommand() {
        let (selected, flags) = phase::selected(&phases, inner);
        let mut data = InitData::from_flags(flags).await?;
        return phase::run_all(selected, &[], &mut data).await;
    }
    let mut data = InitData::from_flags(matches).await?;
    let mut wanted = list_value(matches, "skip-phases");
    if wanted.is_empty() {
        wanted.clone_from(&data.skip_phases);
    }
    let mut skipped = phase::check_skipped(&phases, &wanted)?;
    agree_on_addons(&mut data, &mut skipped);
    println!("[init] Using Kubernetes version: {}", data.configuration.cluster.kubernetes_version);
    if !host_facts::uses_systemd() && crate::host::init_system::detect().is_err() {
        tracing::warn!("no supported init system detected: start and stop the kubelet yourself");
    }
    run_phases(&phases, &skipped, &mut data).await
}

async fn run_phases(
    phases: &[Phase<InitData>],
    skipped: &[String],
    data: &mut InitData,
) -> anyhow::Result<()> {
    phase::run_all(phases, skipped, data).await?;
    if data.is_dry_run() {
        println!("[dryrun] Finished dry-running successfully. Above are the resources that would be created");
    }
    Ok(())
}

/// A disabled add-on is skipped, and a skipped one counts as disabled, so that its image is not wanted either.
fn agree_on_addons(data: &mut InitData, skipped: &mut Vec<String>) {
    let cluster = &mut data.configuration.cluster;
    let none = skipped.iter().any(|name| name == "addon");
    for (disabled, name) in
        [(&mut cluster.dns.disabled, DNS_PHASE), (&mut cluster.proxy.disabled, PROXY_PHASE)]
    {
        if none || skipped.iter().any(|skipped| skipped == name) {
            *disabled = true;
        } else if *disabled {
            skipped.push(name.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstreams_phases_are_all_there() {
        let names = phase::names(&phases::all());
        for expected in [
            "preflight",
            "certs",
            "certs/ca",
            "certs/apiserver",
            "certs/apiserver-kubelet-client",
            "certs/front-proxy-ca",
            "certs/front-proxy-client",
            "certs/etcd-ca",
            "certs/etcd-server",
            "certs/etcd-peer",
            "certs/etcd-healthcheck-client",
            "certs/apiserver-etcd-client",
            "certs/sa",
            "kubeconfig/admin",
            "kubeconfig/super-admin",
            "kubeconfig/kubelet",
            "kubeconfig/controller-manager",
            "kubeconfig/scheduler",
            "etcd/local",
            "control-plane/apiserver",
            "control-plane/controller-manager",
            "control-plane/scheduler",
            "kubelet-start",
            "wait-control-plane",
            "upload-config/kubeadm",
            "upload-config/kubelet",
            "upload-certs",
            "mark-control-plane",
            "bootstrap-token",
            "kubelet-finalize/enable-client-cert-rotation",
            "addon/coredns",
            "addon/kube-proxy",
            "show-join-command",
        ] {
            assert!(names.iter().any(|name| name == expected), "{expected} is missing");
        }
    }

    #[test]
    fn the_command_is_well_formed() {
        command().debug_assert();
    }
}
