//! Probes of one container: when the next one is due, and what a run of answers means.
//!
//! ```text
//!   new container ─▶ wait initialDelay ─▶ ask every period ─▶ threshold reached ─▶ verdict changes
//!                                              ▲                        │ liveness/startup failure
//!                                              └── next container ◀─────┴── hold: it is being killed
//! ```

use std::time::Duration;

use api_types::core::v1::{Container, ContainerPort, Pod, Probe};
use jiff::Timestamp;
use machinery::IntOrString;

use crate::actions::Verdict;
use crate::backoff::later;
use crate::expansion::expand;
use crate::ports::{ContainerState, ContainerStatus, GrpcProbe, HttpProbe, ProbeAnswer, TcpProbe};

/// What a probe is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProbeKind {
    Liveness,
    Readiness,
    Startup,
}

impl ProbeKind {
    /// All kinds.
    pub const ALL: [ProbeKind; 3] = [ProbeKind::Liveness, ProbeKind::Readiness, ProbeKind::Startup];

    /// The name events begin with.
    pub fn name(self) -> &'static str {
        match self {
            ProbeKind::Liveness => "Liveness",
            ProbeKind::Readiness => "Readiness",
            ProbeKind::Startup => "Startup",
        }
    }

    /// The probe of this kind in a container's spec.
    pub fn of(self, container: &Container) -> Option<&Probe> {
        match self {
            ProbeKind::Liveness => container.liveness_probe.as_deref(),
            ProbeKind::Readiness => container.readiness_probe.as_deref(),
            ProbeKind::Startup => container.startup_probe.as_deref(),
        }
    }

    /// What holds before the first answer. A container counts as alive, and as neither ready nor started.
    fn initial(self) -> Option<Verdict> {
        match self {
            ProbeKind::Liveness => Some(Verdict::Success),
            ProbeKind::Readiness => Some(Verdict::Failure),
            ProbeKind::Startup => None,
        }
    }
}

/// The state of one probe of one container.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeState {
    kind: ProbeKind,
    container_id: String,
    verdict: Option<Verdict>,
    last: Option<Verdict>,
    run: i32,
    /// Set after a fatal failure: the container is being killed, asking it again says nothing.
    held: bool,
    last_asked: Option<Timestamp>,
}

/// What to do with a probe now.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Ask now.
    Ask,
    /// Look again at this time.
    Wait(Timestamp),
    /// Nothing until the container changes.
    Idle,
}

impl ProbeState {
    /// A probe that has seen no container yet.
    pub fn new(kind: ProbeKind) -> ProbeState {
        ProbeState {
            kind,
            container_id: String::new(),
            verdict: None,
            last: None,
            run: 0,
            held: false,
            last_asked: None,
        }
    }

    /// Takes over what was reported of a container before this kubelet started, so that a restart of the kubelet does
    /// not make a ready container unready.
    pub fn resume(&mut self, container_id: &str, verdict: Verdict) {
        self.container_id = container_id.to_owned();
        self.verdict = Some(verdict);
    }

    /// The container and the verdict on it.
    pub fn verdict(&self) -> (&str, Option<Verdict>) {
        (&self.container_id, self.verdict)
    }

    /// Decides when to ask. `started` says whether the startup probe has passed (or there is none).
    pub fn next(
        &mut self,
        probe: &Probe,
        container: Option<&ContainerStatus>,
        started: bool,
        now: Timestamp,
    ) -> Next {
        let Some(container) = container.filter(|known| known.state != ContainerState::Created) else {
            return Next::Idle;
        };
        if self.container_id != container.id {
            *self = ProbeState {
                container_id: container.id.clone(),
                verdict: self.kind.initial(),
                ..ProbeState::new(self.kind)
            };
        }
        if container.state != ContainerState::Running {
            self.verdict = Some(Verdict::Failure);
            return Next::Idle;
        }
        if self.held || started == (self.kind == ProbeKind::Startup) {
            // Once started, the startup probe is over; before, the other two have not begun.
            return Next::Idle;
        }
        let seconds = |value: i32| Duration::from_secs(u64::try_from(value).unwrap_or(0));
        let begin = later(container.started_at.unwrap_or(now), seconds(probe.initial_delay_seconds));
        let due = match self.last_asked {
            Some(asked) => begin.max(later(asked, seconds(probe.period_seconds.max(1)))),
            None => begin,
        };
        if now < due { Next::Wait(due) } else { Next::Ask }
    }

    /// Takes in an answer; returns the new verdict when it changed.
    pub fn answered(&mut self, probe: &Probe, answer: &ProbeAnswer, now: Timestamp) -> Option<Verdict> {
        self.last_asked = Some(now);
        let result = match answer {
            ProbeAnswer::Success(_) | ProbeAnswer::Warning(_) => Verdict::Success,
            ProbeAnswer::Failure(_) => Verdict::Failure,
            // A probe that could not be made says nothing about the container.
            ProbeAnswer::Unknown(_) => return None,
        };
        self.run = if self.last == Some(result) { self.run.saturating_add(1) } else { 1 };
        self.last = Some(result);
        let threshold = match result {
            Verdict::Failure => probe.failure_threshold,
            Verdict::Success => probe.success_threshold,
        };
        if self.run < threshold.max(1) {
            return None;
        }
        if result == Verdict::Failure && self.kind != ProbeKind::Readiness {
            self.held = true;
            self.run = 0;
        }
        let changed = self.verdict != Some(result);
        self.verdict = Some(result);
        changed.then_some(result)
    }
}

/// What a probe asks, with every reference resolved.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    Exec(Vec<String>),
    Http(HttpProbe),
    Tcp(TcpProbe),
    Grpc(GrpcProbe),
}

/// Why a probe cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    #[error("missing probe handler for {0}")]
    MissingHandler(String),
    #[error("couldn't find port: {0} in container {1}")]
    UnknownPort(String, String),
    #[error("invalid port number: {0}")]
    InvalidPort(i64),
}

/// The question of a probe, asked of a pod at this address.
pub fn question(
    pod: &Pod,
    container: &Container,
    probe: &Probe,
    pod_ip: &str,
) -> Result<Question, ProbeError> {
    let handler = &probe.handler;
    if let Some(exec) = &handler.exec {
        let lookup = |name: &str| {
            container
                .env
                .iter()
                .rev()
                .find(|variable| variable.name == name)
                .map(|variable| variable.value.clone())
        };
        return Ok(Question::Exec(exec.command.iter().map(|word| expand(word, lookup)).collect()));
    }
    let host_or_pod = |host: &str| if host.is_empty() { pod_ip.to_owned() } else { host.to_owned() };
    if let Some(http) = &handler.http_get {
        let scheme = if http.scheme.is_empty() { "http".to_owned() } else { http.scheme.to_lowercase() };
        let path = if http.path.starts_with('/') { http.path.clone() } else { format!("/{}", http.path) };
        return Ok(Question::Http(HttpProbe {
            scheme,
            host: host_or_pod(&http.host),
            port: port_number(&http.port, container)?,
            path,
            headers: http
                .http_headers
                .iter()
                .map(|header| (header.name.clone(), header.value.clone()))
                .collect(),
        }));
    }
    if let Some(tcp) = &handler.tcp_socket {
        return Ok(Question::Tcp(TcpProbe {
            host: host_or_pod(&tcp.host),
            port: port_number(&tcp.port, container)?,
        }));
    }
    if let Some(grpc) = &handler.grpc {
        return Ok(Question::Grpc(GrpcProbe {
            host: pod_ip.to_owned(),
            port: valid_port(i64::from(grpc.port))?,
            service: grpc.service.clone().unwrap_or_default(),
        }));
    }
    Err(ProbeError::MissingHandler(format!("{}:{}", crate::pod::describe(pod), container.name)))
}

/// The number of a port given by number or name.
pub fn port_number(port: &IntOrString, container: &Container) -> Result<u16, ProbeError> {
    let number = match port {
        IntOrString::Int(number) => i64::from(*number),
        IntOrString::String(name) => {
            let named = |port: &&ContainerPort| &port.name == name;
            match (container.ports.iter().find(named), name.parse::<i64>()) {
                (Some(port), _) => i64::from(port.container_port),
                (None, Ok(number)) => number,
                (None, Err(_)) => return Err(ProbeError::UnknownPort(name.clone(), container.name.clone())),
            }
        }
    };
    valid_port(number)
}

fn valid_port(number: i64) -> Result<u16, ProbeError> {
    u16::try_from(number).ok().filter(|port| *port > 0).ok_or(ProbeError::InvalidPort(number))
}

/// How long one answer may take.
pub fn timeout(probe: &Probe) -> Duration {
    Duration::from_secs(u64::try_from(probe.timeout_seconds.max(1)).unwrap_or(1))
}

/// The event an answer deserves: whether it is a warning of the container, and its message.
pub fn event(kind: ProbeKind, answer: &ProbeAnswer) -> Option<(&'static str, String)> {
    let name = kind.name();
    match answer {
        ProbeAnswer::Success(_) => None,
        ProbeAnswer::Warning(text) => Some(("ProbeWarning", format!("{name} probe warning: {text}"))),
        ProbeAnswer::Failure(text) => Some(("Unhealthy", format!("{name} probe failed: {text}"))),
        ProbeAnswer::Unknown(text) => {
            Some(("Unhealthy", format!("{name} probe errored and resulted in unknown state: {text}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use api_types::core::v1::{HTTPGetAction, TCPSocketAction};

    use super::*;
    use crate::testing::{ago, now, observed, pod};

    fn probe(initial_delay: i32, period: i32, failure: i32, success: i32) -> Probe {
        Probe {
            initial_delay_seconds: initial_delay,
            period_seconds: period,
            failure_threshold: failure,
            success_threshold: success,
            ..Probe::default()
        }
    }

    fn running() -> ContainerStatus {
        let pod = pod(r#"{"containers":[{"name":"a"}]}"#);
        let mut status = observed(&pod, "a=running").containers.first().expect("a").clone();
        status.started_at = Some(ago(5));
        status
    }

    fn feed(kind: ProbeKind, probe: &Probe, answers: &str) -> String {
        let mut state = ProbeState::new(kind);
        let container = running();
        state.next(probe, Some(&container), kind != ProbeKind::Startup, now());
        let mut changes = String::new();
        for answer in answers.chars() {
            let answer = match answer {
                's' => ProbeAnswer::Success(String::new()),
                'f' => ProbeAnswer::Failure(String::new()),
                _ => ProbeAnswer::Unknown(String::new()),
            };
            changes.push(match state.answered(probe, &answer, now()) {
                None => '.',
                Some(Verdict::Success) => 'S',
                Some(Verdict::Failure) => 'F',
            });
        }
        changes
    }

    #[test]
    fn thresholds() {
        assert_eq!(feed(ProbeKind::Liveness, &probe(0, 1, 3, 1), "ffsfff"), ".....F");
        assert_eq!(feed(ProbeKind::Readiness, &probe(0, 1, 2, 2), "sssfff"), ".S..F.");
        assert_eq!(feed(ProbeKind::Startup, &probe(0, 1, 3, 1), "ffs"), "..S");
        assert_eq!(feed(ProbeKind::Liveness, &probe(0, 1, 2, 1), "fuf"), "..F");
    }

    #[test]
    fn when_to_ask() {
        let check = |kind, probe: &Probe, started, expected| {
            assert_eq!(ProbeState::new(kind).next(probe, Some(&running()), started, now()), expected);
        };
        check(ProbeKind::Liveness, &probe(0, 10, 3, 1), true, Next::Ask);
        check(ProbeKind::Liveness, &probe(15, 10, 3, 1), true, Next::Wait(ago(-10)));
        check(ProbeKind::Liveness, &probe(0, 10, 3, 1), false, Next::Idle);
        check(ProbeKind::Startup, &probe(0, 10, 3, 1), false, Next::Ask);
        check(ProbeKind::Startup, &probe(0, 10, 3, 1), true, Next::Idle);
        let mut asked = ProbeState::new(ProbeKind::Readiness);
        let every = probe(0, 10, 3, 1);
        assert_eq!(asked.next(&every, Some(&running()), true, now()), Next::Ask);
        asked.answered(&every, &ProbeAnswer::Failure(String::new()), ago(3));
        assert_eq!(asked.next(&every, Some(&running()), true, now()), Next::Wait(ago(-7)));
    }

    #[test]
    fn a_killed_container_is_not_asked_again_but_its_successor_is() {
        let probe = probe(0, 1, 1, 1);
        let mut state = ProbeState::new(ProbeKind::Liveness);
        state.next(&probe, Some(&running()), true, now());
        state.answered(&probe, &ProbeAnswer::Failure(String::new()), now());
        assert_eq!(state.next(&probe, Some(&running()), true, now()), Next::Idle);
        let successor = ContainerStatus { id: "next".into(), ..running() };
        assert_eq!(state.next(&probe, Some(&successor), true, now()), Next::Ask);
        assert_eq!(state.verdict(), ("next", Some(Verdict::Success)));
    }

    #[test]
    fn questions_resolve_ports_and_hosts() {
        let pod = pod(r#"{"containers":[{"name":"a","ports":[{"name":"web","containerPort":8080}]}]}"#);
        let container = pod.spec.containers.first().expect("a");
        let http = |port: IntOrString| {
            let mut probe = Probe::default();
            probe.handler.http_get =
                Some(Box::new(HTTPGetAction { path: "healthz".into(), port, ..HTTPGetAction::default() }));
            question(&pod, container, &probe, "10.0.0.7").map_err(|error| error.to_string())
        };
        let expected = HttpProbe {
            scheme: "http".into(),
            host: "10.0.0.7".into(),
            port: 8080,
            path: "/healthz".into(),
            headers: Vec::new(),
        };
        assert_eq!(http(IntOrString::String("web".into())), Ok(Question::Http(expected.clone())));
        assert_eq!(http(IntOrString::Int(8080)), Ok(Question::Http(expected)));
        assert_eq!(
            http(IntOrString::String("no".into())),
            Err("couldn't find port: no in container a".to_owned())
        );
        let mut probe = Probe::default();
        probe.handler.tcp_socket =
            Some(Box::new(TCPSocketAction { host: "h".into(), port: IntOrString::Int(70_000) }));
        assert_eq!(question(&pod, container, &probe, ""), Err(ProbeError::InvalidPort(70_000)));
    }
}
