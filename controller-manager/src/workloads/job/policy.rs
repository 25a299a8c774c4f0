//! What a Job says about failures and success: `podFailurePolicy` and `successPolicy`.

use api_types::batch::v1::{Job, PodFailurePolicyOnExitCodesRequirement, SuccessPolicy};
use api_types::core::v1::{ContainerStatus, Pod};

use super::indexes::Indexes;

/// How a failed pod is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It counts towards the back-off limit.
    Counts,
    /// It does not count.
    Ignored,
    /// Its index has failed for good.
    FailsIndex,
    /// The Job has failed, with this message.
    FailsJob(String),
}

impl Verdict {
    /// Whether the failure counts towards the limits.
    pub(super) fn counts(&self) -> bool {
        *self != Verdict::Ignored
    }
}

/// Asks the rules in order; a pod no rule fits counts.
pub(super) fn verdict(job: &Job, pod: &Pod) -> Verdict {
    let rules = job.spec.pod_failure_policy.as_deref().map(|policy| policy.rules.as_slice());
    for (number, rule) in rules.unwrap_or_default().iter().enumerate() {
        let (namespace, name, action) = (&pod.metadata.namespace, &pod.metadata.name, &rule.action);
        let message = if let Some(codes) = &rule.on_exit_codes {
            let Some((container, code)) = matching_container(pod, codes) else { continue };
            format!(
                "Container {container} for pod {namespace}/{name} failed with exit code {code} matching {action} rule at index {number}"
            )
        } else {
            let fits = |type_: &str, status: &str| {
                rule.on_pod_conditions.iter().any(|wanted| wanted.type_ == type_ && wanted.status == status)
            };
            let mut conditions = pod.status.conditions.iter();
            let Some(condition) = conditions.find(|condition| fits(&condition.type_, &condition.status))
            else {
                continue;
            };
            let type_ = &condition.type_;
            format!("Pod {namespace}/{name} has condition {type_} matching {action} rule at index {number}")
        };
        match action.as_str() {
            "Ignore" => return Verdict::Ignored,
            "FailIndex" => return Verdict::FailsIndex,
            "Count" => return Verdict::Counts,
            "FailJob" => return Verdict::FailsJob(message),
            // Of a newer release: upstream goes on to the next rule.
            _ => {}
        }
    }
    Verdict::Counts
}

/// Name and exit code of the first container that ended badly and that the rule is about.
fn matching_container<'a>(
    pod: &'a Pod,
    rule: &PodFailurePolicyOnExitCodesRequirement,
) -> Option<(&'a str, i32)> {
    let fitting = |status: &'a ContainerStatus| {
        let code = status.state.terminated.as_deref()?.exit_code;
        let named = rule.container_name.as_ref().is_none_or(|name| *name == status.name);
        let listed = match rule.operator.as_str() {
            "In" => rule.values.contains(&code),
            "NotIn" => !rule.values.contains(&code),
            _ => false,
        };
        (named && code != 0 && listed).then_some((status.name.as_str(), code))
    };
    pod.status.container_statuses.iter().chain(&pod.status.init_container_statuses).find_map(fitting)
}

/// The message when the indexes that succeeded are enough.
pub(super) fn success(
    policy: Option<&SuccessPolicy>,
    completions: i32,
    succeeded: &Indexes,
) -> Option<String> {
    if succeeded.total() == 0 {
        return None;
    }
    let met = policy?.rules.iter().position(|rule| {
        let enough = |count: i32| rule.succeeded_count.is_some_and(|wanted| count >= wanted);
        let Some(text) = &rule.succeeded_indexes else { return enough(succeeded.total()) };
        let wanted = Indexes::parse(text, completions);
        let shared = wanted.shared_with(succeeded);
        wanted.total() > 0 && (shared == wanted.total() || enough(shared))
    });
    met.map(|number| format!("Matched rules at index {number}"))
}
