//! The program that starts and keeps the kubelet: systemd, OpenRC, or this project's own supervisor.

use std::{
    path::Path,
    process::{Command, Stdio},
};

/// How one init system is asked; `{}` stands for the service's name.
#[derive(Debug, PartialEq, Eq)]
pub struct InitSystem {
    pub name: &'static str,
    /// A path that exists while the init system is the one in charge.
    sign: &'static str,
    start: &'static [&'static str],
    stop: &'static [&'static str],
    restart: &'static [&'static str],
    is_active: &'static [&'static str],
    exists: &'static [&'static str],
    is_enabled: Option<&'static [&'static str]>,
    enable: &'static str,
}

const KNOWN: [InitSystem; 3] = [
    InitSystem {
        name: "systemd",
        sign: "/run/systemd/system",
        start: &["systemctl", "start", "{}"],
        stop: &["systemctl", "stop", "{}"],
        restart: &["systemctl", "restart", "{}"],
        is_active: &["systemctl", "is-active", "--quiet", "{}"],
        exists: &["systemctl", "cat", "{}"],
        is_enabled: Some(&["systemctl", "is-enabled", "--quiet", "{}"]),
        enable: "systemctl enable {}.service",
    },
    InitSystem {
        name: "kube-supervisor",
        sign: "/run/kube-supervisor/control.sock",
        start: &["kube-supervisor", "start", "{}"],
        stop: &["kube-supervisor", "stop", "{}"],
        restart: &["kube-supervisor", "restart", "{}"],
        is_active: &["kube-supervisor", "is-active", "{}"],
        exists: &["kube-supervisor", "exists", "{}"],
        is_enabled: None,
        enable: "",
    },
    InitSystem {
        name: "openrc",
        sign: "/run/openrc/softlevel",
        start: &["rc-service", "{}", "start"],
        stop: &["rc-service", "{}", "stop"],
        restart: &["rc-service", "{}", "restart"],
        is_active: &["rc-service", "{}", "status"],
        exists: &["rc-service", "--exists", "{}"],
        is_enabled: None,
        enable: "rc-update add {} default",
    },
];

#[derive(Debug, thiserror::Error)]
pub enum InitSystemError {
    #[error("no supported init system detected: expected systemd, OpenRC or kube-supervisor")]
    None,
    #[error("failed to run {command:?}")]
    Run { command: String, source: std::io::Error },
    #[error("{command:?} failed: {output}")]
    Failed { command: String, output: String },
}

/// The init system in charge of this host.
pub fn detect() -> Result<&'static InitSystem, InitSystemError> {
    KNOWN.iter().find(|known| Path::new(known.sign).exists()).ok_or(InitSystemError::None)
}

impl InitSystem {
    /// Starts a service, after having it read changed units.
    pub fn start(&self, service: &str) -> Result<(), InitSystemError> {
        self.reload()?;
        run(self.start, service)
    }

    pub fn stop(&self, service: &str) -> Result<(), InitSystemError> {
        run(self.stop, service)
    }

    pub fn restart(&self, service: &str) -> Result<(), InitSystemError> {
        self.reload()?;
        run(self.restart, service)
    }

    pub fn is_active(&self, service: &str) -> bool {
        run(self.is_active, service).is_ok()
    }

    pub fn exists(&self, service: &str) -> bool {
        run(self.exists, service).is_ok()
    }

    /// Whether the service starts with the host; always true where there is no such choice.
    pub fn is_enabled(&self, service: &str) -> bool {
        self.is_enabled.is_none_or(|command| run(command, service).is_ok())
    }

    /// The command a user enables the service with.
    pub fn enable_command(&self, service: &str) -> String {
        self.enable.replace("{}", service)
    }

    fn reload(&self) -> Result<(), InitSystemError> {
        if self.name == "systemd" { run(&["systemctl", "daemon-reload"], "") } else { Ok(()) }
    }
}

fn run(words: &[&str], service: &str) -> Result<(), InitSystemError> {
    let words: Vec<String> = words.iter().map(|word| word.replace("{}", service)).collect();
    let command = words.join(" ");
    let Some((program, arguments)) = words.split_first() else { return Ok(()) };
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|source| InitSystemError::Run { command: command.clone(), source })?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let output = if text.is_empty() { output.status.to_string() } else { text };
    Err(InitSystemError::Failed { command, output })
}

/// Stops the kubelet if there is an init system to ask; what fails is only told, as the kubelet may not be
/// a service at all.
pub fn try_stop_kubelet() {
    tell(
        "stop",
        detect().and_then(|init| if init.is_active("kubelet") { init.stop("kubelet") } else { Ok(()) }),
    );
}

/// (Re)starts the kubelet if there is an init system to ask.
pub fn try_start_kubelet() {
    tell("start", detect().and_then(|init| init.restart("kubelet")));
}

fn tell(action: &str, outcome: Result<(), InitSystemError>) {
    if let Err(error) = outcome {
        println!("[kubelet-start] WARNING: unable to {action} the kubelet service: {error}");
        println!("[kubelet-start] Please {action} the kubelet manually.");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_command_is_told_with_its_words() {
        let error = run(&["sh", "-c", "echo no {} here >&2; exit 3"], "kubelet").expect_err("it fails");
        let InitSystemError::Failed { output, .. } = error else { panic!("{error}") };
        assert_eq!(output, "no kubelet here");
        assert!(matches!(run(&["/no/such/program"], ""), Err(InitSystemError::Run { .. })));
        assert!(run(&["true"], "x").is_ok());
    }
}
