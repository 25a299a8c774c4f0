//! Whether an ended container starts again: pod policy, container policy and the rules on exit codes.

use api_types::core::v1::{Container, ContainerRestartRule, Pod};

use crate::observed::ObservedPod;
use crate::pod;
use crate::ports::ContainerState;

/// The first rule that matches an exit code.
pub fn matching_rule(container: &Container, exit_code: i32) -> Option<&ContainerRestartRule> {
    container.restart_policy_rules.iter().find(|rule| {
        rule.exit_codes.as_ref().is_some_and(|codes| {
            let listed = codes.values.contains(&exit_code);
            match codes.operator.as_str() {
                "In" => listed,
                "NotIn" => !listed,
                _ => false,
            }
        })
    })
}

/// Whether a container that ended with this code starts again.
pub fn restarts_after_exit(container: &Container, pod_policy: &str, exit_code: i32) -> bool {
    let policy = match container.restart_policy.as_deref() {
        Some(policy) => {
            if let Some(rule) = matching_rule(container, exit_code)
                && matches!(rule.action.as_str(), "Restart" | "RestartAllContainers")
            {
                return true;
            }
            policy
        }
        None => pod_policy,
    };
    match policy {
        "Never" => false,
        "OnFailure" => exit_code != 0,
        // The default of the API is Always.
        _ => true,
    }
}

/// Whether the kubelet should start a container now, given what is observed of it (`ShouldContainerBeRestarted`).
pub fn should_start(container: &Container, pod: &Pod, observed: &ObservedPod) -> bool {
    if pod.metadata.deletion_timestamp.is_some() {
        return false;
    }
    match observed.container(&container.name) {
        None => true,
        Some(status) => match status.state {
            ContainerState::Running => false,
            ContainerState::Unknown | ContainerState::Created => true,
            ContainerState::Exited => {
                restarts_after_exit(container, &pod.spec.restart_policy, status.exit_code)
            }
        },
    }
}

/// Whether a container killed by the kubelet itself (probe failure) starts again. Rules on exit codes do not count.
pub fn restarts_after_kill(container: &Container, pod_policy: &str) -> bool {
    container.restart_policy.as_deref().unwrap_or(pod_policy) != "Never"
}

/// Whether a container can ever restart by itself (`IsContainerRestartable`).
pub fn is_restartable(container: &Container, pod_policy: &str) -> bool {
    match container.restart_policy.as_deref() {
        Some(policy) => {
            policy != "Never" || container.restart_policy_rules.iter().any(|rule| rule.action == "Restart")
        }
        None => pod_policy != "Never",
    }
}

/// Whether an ended container asks for all containers of its pod to start over: by what is observed, by the last status
/// reported, or because such a restart is under way (`ShouldAllContainersRestart`).
pub fn all_containers_restart(pod: &Pod, observed: &ObservedPod) -> bool {
    if pod::condition_status(&pod.status, "AllContainersRestarting") == Some("True") {
        return true;
    }
    pod.spec.init_containers.iter().chain(&pod.spec.containers).any(|container| {
        let from_runtime = observed
            .container(&container.name)
            .filter(|status| status.state == ContainerState::Exited)
            .map(|status| status.exit_code);
        // The runtime may already have removed the container whose end asked for the restart.
        let from_status = pod::find_status(&pod.status, &container.name)
            .and_then(|status| status.state.terminated.as_ref())
            .map(|terminated| terminated.exit_code);
        from_runtime.into_iter().chain(from_status).any(|exit_code| {
            matching_rule(container, exit_code).is_some_and(|rule| rule.action == "RestartAllContainers")
        })
    })
}

#[cfg(test)]
mod tests {
    use api_types::core::v1::ContainerRestartRuleOnExitCodes;

    use super::*;

    fn container(policy: Option<&str>, rules: &[(&str, &str, &[i32])]) -> Container {
        Container {
            restart_policy: policy.map(str::to_owned),
            restart_policy_rules: rules
                .iter()
                .map(|(action, operator, values)| ContainerRestartRule {
                    action: (*action).to_owned(),
                    exit_codes: Some(Box::new(ContainerRestartRuleOnExitCodes {
                        operator: (*operator).to_owned(),
                        values: values.to_vec(),
                    })),
                })
                .collect(),
            ..Container::default()
        }
    }

    #[test]
    fn policies_and_rules() {
        let check = |container: &Container, pod_policy: &str, exit_code: i32, expected: bool| {
            assert_eq!(
                restarts_after_exit(container, pod_policy, exit_code),
                expected,
                "{:?} {pod_policy} {exit_code}",
                container.restart_policy
            );
        };
        let plain = container(None, &[]);
        check(&plain, "Always", 0, true);
        check(&plain, "OnFailure", 0, false);
        check(&plain, "OnFailure", 1, true);
        check(&plain, "Never", 1, false);
        check(&plain, "", 0, true);
        let never = container(Some("Never"), &[("Restart", "In", &[42])]);
        check(&never, "Always", 42, true);
        check(&never, "Always", 1, false);
        let not_in = container(Some("Never"), &[("Restart", "NotIn", &[0, 1])]);
        check(&not_in, "Always", 1, false);
        check(&not_in, "Always", 2, true);
        // Rules count only beside a policy of the container.
        check(&container(None, &[("Restart", "In", &[42])]), "Never", 42, false);
    }
}
