//! Validation of probes and lifecycle hooks.

use crate::report::Report;
use api_types::core::v1::{
    ExecAction, GRPCAction, HTTPGetAction, Lifecycle, LifecycleHandler, Probe, SleepAction, TCPSocketAction,
};
use machinery::{
    IntOrString,
    field::{ErrorList, Path},
    names,
};

/// Which probe is meant; each has rules of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeKind {
    /// Restarts the container.
    Liveness,
    /// Keeps traffic away.
    Readiness,
    /// Holds the other two back.
    Startup,
}

struct Handler<'a> {
    exec: Option<&'a ExecAction>,
    http_get: Option<&'a HTTPGetAction>,
    tcp_socket: Option<&'a TCPSocketAction>,
    grpc: Option<&'a GRPCAction>,
    sleep: Option<&'a SleepAction>,
}

/// A port by number or by name.
pub fn validate_port(port: &IntOrString, path: &Path, errors: &mut ErrorList) {
    match port {
        IntOrString::Int(number) => {
            errors.invalid_each(path, *number, names::is_port_number(i64::from(*number)))
        }
        IntOrString::String(name) => errors.invalid_each(path, name, names::is_port_name(name)),
    }
}

fn validate_handler(handler: &Handler<'_>, grace: Option<i64>, path: &Path, errors: &mut ErrorList) {
    let given = [
        ("exec", handler.exec.is_some()),
        ("httpGet", handler.http_get.is_some()),
        ("tcpSocket", handler.tcp_socket.is_some()),
        ("grpc", handler.grpc.is_some()),
        ("sleep", handler.sleep.is_some()),
    ];
    let mut first = None;
    for (field, _) in given.into_iter().filter(|(_, given)| *given) {
        match first {
            Some(_) => errors.forbidden(&path.child(field), "may not specify more than 1 handler type"),
            None => {
                first = Some(field);
                validate_action(handler, field, grace, &path.child(field), errors);
            }
        }
    }
    if first.is_none() {
        errors.required(path, "must specify a handler type");
    }
}

fn validate_action(
    handler: &Handler<'_>,
    field: &str,
    grace: Option<i64>,
    path: &Path,
    errors: &mut ErrorList,
) {
    match (field, handler) {
        ("exec", Handler { exec: Some(exec), .. }) if exec.command.is_empty() => {
            errors.required(&path.child("command"), "");
        }
        ("httpGet", Handler { http_get: Some(get), .. }) => {
            if get.path.is_empty() {
                errors.required(&path.child("path"), "");
            }
            validate_port(&get.port, &path.child("port"), errors);
            if !matches!(get.scheme.as_str(), "HTTP" | "HTTPS") {
                errors.not_supported(&path.child("scheme"), &get.scheme, &["HTTP", "HTTPS"]);
            }
            for header in &get.http_headers {
                errors.invalid_each(
                    &path.child("httpHeaders"),
                    &header.name,
                    names::is_http_header_name(&header.name),
                );
            }
        }
        ("tcpSocket", Handler { tcp_socket: Some(socket), .. }) => {
            validate_port(&socket.port, &path.child("port"), errors)
        }
        ("grpc", Handler { grpc: Some(grpc), .. }) => {
            errors.invalid_each(&path.child("port"), grpc.port, names::is_port_number(i64::from(grpc.port)));
        }
        ("sleep", Handler { sleep: Some(sleep), .. }) => {
            if let Some(grace) = grace
                && !(0..=grace).contains(&sleep.seconds)
            {
                let message =
                    format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})");
                errors.invalid(path, sleep.seconds, message);
            }
        }
        _ => {}
    }
}

/// A probe.
pub fn validate_probe(
    probe: &Probe,
    kind: ProbeKind,
    grace: Option<i64>,
    path: &Path,
    errors: &mut ErrorList,
) {
    let handler = Handler {
        exec: probe.handler.exec.as_deref(),
        http_get: probe.handler.http_get.as_deref(),
        tcp_socket: probe.handler.tcp_socket.as_deref(),
        grpc: probe.handler.grpc.as_deref(),
        sleep: None,
    };
    validate_handler(&handler, grace, path, errors);
    for (field, value) in [
        ("initialDelaySeconds", probe.initial_delay_seconds),
        ("timeoutSeconds", probe.timeout_seconds),
        ("periodSeconds", probe.period_seconds),
        ("successThreshold", probe.success_threshold),
        ("failureThreshold", probe.failure_threshold),
    ] {
        errors.non_negative(&path.child(field), i64::from(value));
    }
    let own_grace = probe.termination_grace_period_seconds;
    if let Some(seconds) = own_grace.filter(|seconds| *seconds <= 0) {
        errors.invalid(&path.child("terminationGracePeriodSeconds"), seconds, "must be greater than 0");
    }
    match kind {
        ProbeKind::Readiness => {
            if own_grace.is_some() {
                errors.invalid(
                    &path.child("terminationGracePeriodSeconds"),
                    own_grace,
                    "must not be set for readinessProbes",
                );
            }
        }
        ProbeKind::Liveness | ProbeKind::Startup => {
            if probe.success_threshold != 1 {
                errors.invalid(&path.child("successThreshold"), probe.success_threshold, "must be 1");
            }
        }
    }
}

/// Hooks around the life of a container.
pub fn validate_lifecycle(
    lifecycle: &Lifecycle,
    grace: Option<i64>,
    os: Option<&str>,
    path: &Path,
    errors: &mut ErrorList,
) {
    let handlers: [(&'static str, &Option<Box<LifecycleHandler>>); 2] =
        [("postStart", &lifecycle.post_start), ("preStop", &lifecycle.pre_stop)];
    for (field, hook) in handlers {
        if let Some(hook) = hook {
            let handler = Handler {
                exec: hook.exec.as_deref(),
                http_get: hook.http_get.as_deref(),
                tcp_socket: hook.tcp_socket.as_deref(),
                grpc: None,
                sleep: hook.sleep.as_deref(),
            };
            validate_handler(&handler, grace, &path.child(field), errors);
        }
    }
    if let Some(signal) = &lifecycle.stop_signal {
        let path = path.child("stopSignal");
        match os {
            None => errors.forbidden(&path, "may not be set for containers with empty `spec.os.name`"),
            Some("windows") if !matches!(signal.as_str(), "SIGKILL" | "SIGTERM") => {
                errors.not_supported(&path, signal, &["SIGKILL", "SIGTERM"]);
            }
            Some("linux") if !is_linux_signal(signal) => {
                let all = linux_signals();
                errors.not_supported(&path, signal, &all.iter().map(String::as_str).collect::<Vec<_>>());
            }
            Some(_) => {}
        }
    }
}

const SIGNALS: &[&str] = &[
    "SIGABRT",
    "SIGALRM",
    "SIGBUS",
    "SIGCHLD",
    "SIGCLD",
    "SIGCONT",
    "SIGFPE",
    "SIGHUP",
    "SIGILL",
    "SIGINT",
    "SIGIO",
    "SIGIOT",
    "SIGKILL",
    "SIGPIPE",
    "SIGPOLL",
    "SIGPROF",
    "SIGPWR",
    "SIGQUIT",
    "SIGSEGV",
    "SIGSTKFLT",
    "SIGSTOP",
    "SIGSYS",
    "SIGTERM",
    "SIGTRAP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGUSR1",
    "SIGUSR2",
    "SIGVTALRM",
    "SIGWINCH",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGRTMIN",
    "SIGRTMAX",
];

fn linux_signals() -> Vec<String> {
    let low = (1..=15).map(|offset| format!("SIGRTMIN+{offset}"));
    let high = (1..=14).map(|offset| format!("SIGRTMAX-{offset}"));
    SIGNALS.iter().map(|signal| (*signal).to_owned()).chain(low).chain(high).collect()
}

fn is_linux_signal(signal: &str) -> bool {
    linux_signals().iter().any(|known| known == signal)
}
