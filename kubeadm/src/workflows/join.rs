//! `kubeadm join`: makes this host a worker of a cluster that exists.

use clap::{Arg, ArgMatches, Command};

use super::{
    flags::{self, list_value},
    join_data::JoinData,
    phase,
};
use crate::phases::join;

const FLAGS: &[&str] = &[
    "config",
    "cri-socket",
    "discovery-file",
    "discovery-token",
    "discovery-token-ca-cert-hash",
    "discovery-token-unsafe-skip-ca-verification",
    "dry-run",
    "ignore-preflight-errors",
    "node-name",
    "patches",
    "skip-phases",
    "tls-bootstrap-token",
    "token",
];

pub fn command() -> Command {
    let command = Command::new("join")
        .about("Run this on any machine you wish to join an existing cluster")
        .arg(
            Arg::new("endpoint")
                .value_name("api-server-endpoint")
                .help("Where the API server answers, as host:port"),
        )
        .args_conflicts_with_subcommands(false)
        .subcommand(phase::command("join", &join::all()));
    flags::add(command, FLAGS)
}

pub async fn run(matches: &ArgMatches) -> anyhow::Result<()> {
    let phases = join::all();
    if let Some(("phase", inner)) = matches.subcommand() {
        let (selected, flags) = phase::selected(&phases, inner);
        let mut data = JoinData::from_flags(flags)?;
        return phase::run_all(selected, &[], &mut data).await;
    }
    let mut data = JoinData::from_flags(matches)?;
    let mut wanted = list_value(matches, "skip-phases");
    if wanted.is_empty() {
        wanted.clone_from(&data.skip_phases);
    }
    let skipped = phase::check_skipped(&phases, &wanted)?;
    phase::run_all(&phases, &skipped, &mut data).await?;
    if data.is_dry_run() {
        println!("[dryrun] Finished dry-running successfully. Above are the resources that would be created");
        return Ok(());
    }
    print!("{LAST_WORDS}");
    Ok(())
}

const LAST_WORDS: &str = "
This node has joined the cluster:
* Certificate signing request was sent to apiserver and a response was received.
* The Kubelet was informed of the new secure connection details.

Run 'kubectl get nodes' on the control-plane to see this node join the cluster.

";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_well_formed() {
        command().debug_assert();
        assert_eq!(phase::names(&join::all()), ["preflight", "kubelet-start", "kubelet-wait-bootstrap"]);
    }
}
