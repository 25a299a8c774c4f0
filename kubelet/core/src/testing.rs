//! Short ways to write pods and what is observed of them, for the tables of cases in this crate.

use api_types::core::v1::Pod;
use jiff::Timestamp;
use machinery::Message;

use crate::observed::{CONTAINER_HASH, ObservedPod, RESTART_COUNT};
use crate::pod::{container_hash, find_container};
use crate::ports::{ContainerState, ContainerStatus, SandboxState, SandboxStatus, SandboxSummary};

/// The time all cases happen at.
pub fn now() -> Timestamp {
    Timestamp::from_second(1_000_000).expect("in range")
}

/// That many seconds before [`now`].
pub fn ago(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 - seconds).expect("in range")
}

/// A pod from the JSON of its spec; name `pod`, namespace `work`, uid `uid`.
pub fn pod(spec: &str) -> Pod {
    let text = format!(
        r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"pod","namespace":"work","uid":"uid"}},"spec":{spec}}}"#
    );
    let mut pod = Pod::from_json(text.as_bytes()).expect("a pod");
    if pod.spec.restart_policy.is_empty() {
        pod.spec.restart_policy = "Always".into();
    }
    pod
}

/// What is observed, as words, newest first: `sandbox` or `old-sandbox` (not ready), and containers such as
/// `web=running`, `web=created`, `web=unknown`, `web=exited:1` (exit code) or `web=exited:1@30` (ended 30 s ago).
pub fn observed(pod: &Pod, words: &str) -> ObservedPod {
    let mut sandboxes = Vec::new();
    let mut containers = Vec::new();
    let words: Vec<&str> = words.split_whitespace().collect();
    let count = words.len();
    for (place, word) in words.into_iter().enumerate() {
        let age = i64::try_from(place).expect("small") + 100;
        if word == "sandbox" || word == "old-sandbox" {
            let attempt = u32::try_from(sandboxes.len()).expect("small");
            sandboxes.push(SandboxStatus {
                summary: SandboxSummary {
                    id: format!("sandbox-{attempt}"),
                    attempt,
                    state: if word == "sandbox" { SandboxState::Ready } else { SandboxState::NotReady },
                    created_at: ago(age),
                    ..SandboxSummary::default()
                },
                ips: vec!["10.0.0.7".into()],
                host_network: pod.spec.host_network,
            });
            continue;
        }
        let (name, rest) = word.split_once('=').expect("name=state");
        let (state, ended) = rest.split_once('@').unwrap_or((rest, "60"));
        let (state, code) = state.split_once(':').unwrap_or((state, "0"));
        let state = match state {
            "running" => ContainerState::Running,
            "created" => ContainerState::Created,
            "exited" => ContainerState::Exited,
            _ => ContainerState::Unknown,
        };
        let hash =
            find_container(pod, name).map(|(_, _, container)| container_hash(&container)).unwrap_or_default();
        let exited = state == ContainerState::Exited;
        containers.push(ContainerStatus {
            id: format!("{name}-{}", count - place),
            sandbox_id: "sandbox-0".into(),
            name: name.into(),
            state,
            created_at: ago(age),
            started_at: (state != ContainerState::Created).then(|| ago(age)),
            finished_at: exited.then(|| ago(ended.parse().expect("seconds"))),
            exit_code: code.parse().expect("an exit code"),
            reason: if !exited {
                String::new()
            } else if code == "0" {
                "Completed".into()
            } else {
                "Error".into()
            },
            image: "img".into(),
            image_ref: "img@sha256:0".into(),
            annotations: [
                (CONTAINER_HASH.to_owned(), format!("{hash:x}")),
                (RESTART_COUNT.to_owned(), "0".to_owned()),
            ]
            .into(),
            ..ContainerStatus::default()
        });
    }
    ObservedPod::new("uid".into(), "work".into(), "pod".into(), sandboxes, containers)
}
