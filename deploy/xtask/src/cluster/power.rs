//! A cut of the power, for tests: every process of the cluster ends at once, and what a machine forgets when it is
//! switched off is forgotten. What is on disk stays.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::{PROGRAMS_DIR, down, record::Record, services, uses_systemd};
use crate::process::{command, find_program, output_of, succeeds};

/// What is in memory on an ordinary machine.
const FORGOTTEN: [&str; 2] = ["/run/containerd", "/run/kube-supervisor"];

/// Ends everything that `up` started, without a word of warning to anything.
pub fn cut() -> Result<()> {
    let record = Record::load()?;
    anyhow::ensure!(
        record.started_containerd,
        "containerd of this machine is not the cluster's own: its pods cannot be ended as by a cut of the power"
    );
    if uses_systemd() {
        for unit in ["kubelet", "containerd"] {
            succeeds(&mut command("systemctl", ["kill", "--signal=KILL", unit]));
            output_of(&mut command("systemctl", ["stop", unit]))?;
        }
    } else {
        // The supervisor first: it would start the others again.
        for program in ["kube-supervisor", "kubelet"] {
            kill(&services::processes_of(&Path::new(PROGRAMS_DIR).join(program)));
        }
        let containerd = find_program("containerd").context("containerd is not installed")?;
        let ours: Vec<u32> = services::processes_of(&containerd)
            .into_iter()
            .filter(|process| {
                let line = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
                String::from_utf8_lossy(&line).contains(super::SUPERVISOR_DIR)
            })
            .collect();
        kill(&ours);
    }
    down::end_shims();
    if let Some(complaint) = down::unmount(&record).into_iter().next() {
        anyhow::bail!("{complaint}");
    }
    down::remove_network();
    down::remove_cgroups();
    for folder in FORGOTTEN.map(PathBuf::from) {
        if folder.exists() {
            std::fs::remove_dir_all(&folder)
                .with_context(|| format!("{} cannot be removed", folder.display()))?;
        }
    }
    Ok(())
}

fn kill(processes: &[u32]) {
    for process in processes {
        succeeds(&mut command("kill", ["-KILL", &process.to_string()]));
    }
}
