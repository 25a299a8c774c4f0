//! containerd and the kubelet as services: of systemd where it is in charge, of kube-supervisor otherwise.

use std::{
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use super::{
    PROGRAMS_DIR, SUPERVISOR_DIR, containers,
    install::{self, write_file},
    packages::cni_plugins_dir,
    record::Record,
    uses_systemd,
};
use crate::process::{command, output_of, show, succeeds};

const SUPERVISOR_SOCKET: &str = "/run/kube-supervisor/control.sock";
const SUPERVISOR_LOGS: &str = "/var/log/kube-supervisor";
const START_LIMIT: Duration = Duration::from_secs(20);

/// Installs the units and starts what must run before `kubeadm init`.
pub fn start(root: &Path, record: &mut Record) -> Result<()> {
    if uses_systemd() { start_with_systemd(root, record) } else { start_with_supervisor(root, record) }
}

fn start_with_systemd(root: &Path, record: &mut Record) -> Result<()> {
    let units = Path::new("/etc/systemd/system");
    install::kubelet_units(root, units, record)?;
    show(&mut command("systemctl", ["daemon-reload"]))?;
    if containers::answers() {
        println!("    using the containerd that runs");
    } else {
        record.note(|record| record.started_containerd = true)?;
        show(&mut command("systemctl", ["enable", "--now", "containerd"]))?;
        containers::wait()?;
    }
    show(&mut command("systemctl", ["enable", "--quiet", "kubelet"]))
}

fn start_with_supervisor(root: &Path, record: &mut Record) -> Result<()> {
    let folder = Path::new(SUPERVISOR_DIR);
    let units = folder.join("units");
    record.note(|record| {
        record.folders.insert(folder.to_owned());
        record.folders.insert(SUPERVISOR_LOGS.into());
        record.folders.insert("/run/kube-supervisor".into());
    })?;
    install::kubelet_units(root, &units, record)?;
    // One that was started by an earlier `up` is ours to start again.
    let own_containerd = record.started_containerd || !containers::answers();
    if own_containerd {
        record.note(|record| record.started_containerd = true)?;
        let source = root.join("deploy/systemd/without-systemd");
        let unit = std::fs::read_to_string(source.join("containerd.service"))?;
        write_file(&units.join("containerd.service"), unit.as_bytes(), 0o644, record)?;
        let template = std::fs::read_to_string(source.join("containerd.toml"))?;
        write_file(&folder.join("containerd.toml"), containerd_config(&template)?.as_bytes(), 0o644, record)?;
    } else {
        println!("    using the containerd that runs");
    }
    if !supervisor_answers() {
        start_supervisor(&units, own_containerd, record)?;
    }
    if own_containerd && !containers::answers() {
        output_of(&mut supervisor(["start", "containerd"]))?;
    }
    containers::wait()
}

fn start_supervisor(units: &Path, own_containerd: bool, record: &mut Record) -> Result<()> {
    record.note(|record| record.started_supervisor = true)?;
    // The kubelet runs where a cluster is; before that kubeadm starts it.
    let kubelet = Path::new("/var/lib/kubelet/config.yaml").exists();
    let start: Vec<&str> = [own_containerd.then_some("containerd"), kubelet.then_some("kubelet")]
        .into_iter()
        .flatten()
        .collect();
    let mut command = Command::new(Path::new(PROGRAMS_DIR).join("kube-supervisor"));
    command.arg("run").arg("--units").arg(units).arg("--logs").arg(SUPERVISOR_LOGS);
    if !start.is_empty() {
        command.arg("--start").arg(start.join(","));
    }
    // In a group and without the terminal of its own, so that it outlives this program and its shell.
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .current_dir("/");
    let mut child = command.spawn().context("failed to start kube-supervisor")?;
    let deadline = Instant::now() + START_LIMIT;
    while !supervisor_answers() {
        if let Some(status) = child.try_wait()? {
            anyhow::bail!("kube-supervisor ended at once: {status}");
        }
        anyhow::ensure!(Instant::now() < deadline, "kube-supervisor does not answer after {START_LIMIT:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn supervisor<const N: usize>(words: [&str; N]) -> Command {
    let program = Path::new(PROGRAMS_DIR).join("kube-supervisor");
    command(&program.to_string_lossy(), words)
}

fn supervisor_answers() -> bool {
    Path::new(SUPERVISOR_SOCKET).exists() && succeeds(&mut supervisor(["list"]))
}

/// Fills in what differs from host to host.
fn containerd_config(template: &str) -> Result<String> {
    let plugins = cni_plugins_dir().context("the CNI plugins are not installed")?;
    let restrict = !may_lower_oom_score();
    Ok(template
        .replace("${SANDBOX_IMAGE}", containers::SANDBOX_IMAGE)
        .replace("${CNI_BIN_DIR}", plugins)
        .replace("${RESTRICT_OOM_SCORE}", &restrict.to_string()))
}

/// Whether this host lets root lower OOM scores, which takes CAP_SYS_RESOURCE.
fn may_lower_oom_score() -> bool {
    const CAP_SYS_RESOURCE: u32 = 24;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let bits = effective.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(0);
    bits & (1 << CAP_SYS_RESOURCE) != 0
}

/// Restarts the kubelet after its program changed, if it runs.
pub fn restart_kubelet() -> Result<()> {
    if uses_systemd() {
        show(&mut command("systemctl", ["try-restart", "kubelet"]))
    } else if succeeds(&mut supervisor(["is-active", "kubelet"])) {
        output_of(&mut supervisor(["restart", "kubelet"])).map(drop)
    } else {
        Ok(())
    }
}

/// Starts the kubelet of a cluster that exists.
pub fn start_kubelet() -> Result<()> {
    if uses_systemd() {
        show(&mut command("systemctl", ["start", "kubelet"]))
    } else {
        output_of(&mut supervisor(["start", "kubelet"])).map(drop)
    }
}

/// Stops what `up` started.
pub fn stop(record: &Record) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut tell = |outcome: Result<()>| {
        if let Err(error) = outcome {
            complaints.push(format!("{error:#}"));
        }
    };
    if uses_systemd() {
        succeeds(&mut command("systemctl", ["disable", "--now", "--quiet", "kubelet"]));
        if record.started_containerd {
            tell(show(&mut command("systemctl", ["disable", "--now", "--quiet", "containerd"])));
        }
        return complaints;
    }
    if supervisor_answers() {
        succeeds(&mut supervisor(["stop", "kubelet"]));
        if record.started_containerd {
            succeeds(&mut supervisor(["stop", "containerd"]));
        }
        tell(end_supervisor());
    }
    complaints
}

fn end_supervisor() -> Result<()> {
    let program = Path::new(PROGRAMS_DIR).join("kube-supervisor");
    for process in processes_of(&program) {
        output_of(&mut command("kill", ["-TERM", &process.to_string()]))?;
    }
    let deadline = Instant::now() + START_LIMIT;
    while supervisor_answers() {
        anyhow::ensure!(Instant::now() < deadline, "kube-supervisor does not end");
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Processes of this machine that run a program. Those of containers and machines inside of it, which the kernel
/// lists as well and whose programs may have the same paths, are not among them.
pub fn processes_of(program: &Path) -> Vec<u32> {
    let namespace = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/pid")).ok();
    let own = namespace("self");
    let entries = std::fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|process| {
            std::fs::read_link(format!("/proc/{process}/exe")).is_ok_and(|path| {
                // The kernel marks programs whose file was replaced.
                path == program || path.to_string_lossy() == format!("{} (deleted)", program.display())
            })
        })
        .filter(|process| namespace(&process.to_string()) == own)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::find_program;

    #[test]
    fn processes_of_machines_inside_this_one_are_left_alone() {
        let folder = std::env::temp_dir().join(format!("xtask-processes-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let program = folder.join("sleep");
        std::fs::copy(find_program("sleep").unwrap(), &program).unwrap();
        let mut here = Command::new(&program).arg("60").spawn().unwrap();
        // Where namespaces are not allowed, this ends at once and proves nothing.
        let mut inside = Command::new("unshare")
            .args(["--user", "--map-root-user", "--pid", "--fork", "--kill-child"])
            .arg(&program)
            .arg("60")
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let runs = |process: u32| {
            std::fs::read_link(format!("/proc/{process}/exe")).is_ok_and(|path| path == program)
        };
        let child = format!("/proc/{0}/task/{0}/children", inside.id());
        let deadline = Instant::now() + Duration::from_secs(10);
        let settled = |inside: &mut std::process::Child| {
            let children = std::fs::read_to_string(&child).unwrap_or_default();
            let started = children.split_whitespace().filter_map(|word| word.parse().ok()).any(runs);
            runs(here.id()) && (started || inside.try_wait().unwrap().is_some())
        };
        while !settled(&mut inside) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        let found = processes_of(&program);
        here.kill().and_then(|()| here.wait()).unwrap();
        inside.kill().and_then(|()| inside.wait()).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(found, [here.id()]);
    }
}
