//! `PodSecurity`: pods keep to the standard of their namespace, and their makers hear of it early.
//!
//! Source: `k8s.io/pod-security-admission`, `plugin/pkg/admission/security/podsecurity`.

mod baseline;
mod checks;
mod configuration;
mod existing;
#[cfg(test)]
mod golden;
mod levels;
mod metrics;
mod restricted;
mod subject;
mod templates;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use api_types::core::v1::{Namespace, Pod};
use async_trait::async_trait;
use component_base::metrics::Metrics;
use machinery::field::{self, ErrorList};
use machinery::quote::go_quote;
use machinery::status::StatusError;

use crate::attributes::{Attributes, Operation};
use crate::lookup::Lookup;
use crate::plugin::Plugin;

use checks::details;
use existing::is_exempt_class;
use levels::{Level, PREFIX, has};
use metrics::{Counters, Mode};

pub use checks::evaluate;
pub use configuration::Configuration;
pub use levels::{Policy, Standard, Version};
pub use subject::{Finding, Subject};

/// Subresources of pods that do not change what runs.
const HARMLESS: [&str; 8] =
    ["exec", "attach", "binding", "eviction", "log", "portforward", "proxy", "status"];
/// How long the pods of a namespace may hold up a change of its labels.
const PATIENCE: Duration = Duration::from_secs(1);

/// The plugin.
pub struct PodSecurity {
    lookup: Lookup,
    configuration: Configuration,
    counters: Counters,
}

impl PodSecurity {
    /// Finds namespaces and pods with `lookup`, and counts in `metrics`.
    pub fn new(lookup: Lookup, configuration: Configuration, metrics: &Metrics) -> PodSecurity {
        PodSecurity { lookup, configuration, counters: Counters::new(metrics) }
    }

    async fn judge_namespace(&self, attributes: &Attributes) -> Result<(), StatusError> {
        let namespace_of = |object: &'_ Option<Box<dyn machinery::object::Object>>| {
            object.as_deref().and_then(|object| object.downcast_ref::<Namespace>()).cloned()
        };
        let Some(namespace) = namespace_of(&attributes.object) else { return Ok(()) };
        let labels = &namespace.metadata.labels;
        let defaults = &self.configuration.defaults;
        let (policy, errors) = Policy::of_labels(labels, defaults);
        if attributes.operation == Operation::Create {
            refuse_labels(attributes, &errors)?;
            self.warn_of_exemption(attributes, &namespace, &policy);
            return Ok(());
        }
        let Some(old) = namespace_of(&attributes.old_object) else { return Ok(()) };
        let (old_policy, old_errors) = Policy::of_labels(&old.metadata.labels, defaults);
        if errors != old_errors {
            refuse_labels(attributes, &errors)?;
        }
        let (new, old) = (policy.enforce, old_policy.enforce);
        let relaxed = new.version == old.version && new.level <= old.level;
        if new == old || new.level == Level::Privileged || relaxed {
            return Ok(());
        }
        if self.is_exempt_namespace(&attributes.namespace) {
            self.warn_of_exemption(attributes, &namespace, &policy);
            return Ok(());
        }
        let name = &namespace.metadata.name;
        let begun = Instant::now();
        let Ok(pods) = self.lookup.list::<Pod>(name).await else {
            attributes.notes.warn("failed to list pods while checking new PodSecurity enforce level");
            return Ok(());
        };
        let classes = &self.configuration.runtime_classes;
        let is_over = || begun.elapsed() > PATIENCE;
        for warning in existing::warnings(name, new, &pods, classes, is_over) {
            attributes.notes.warn(&warning);
        }
        Ok(())
    }

    async fn judge_pod(&self, attributes: &Attributes) -> Result<(), StatusError> {
        if HARMLESS.contains(&attributes.subresource.as_str()) || self.is_exempt(attributes) {
            return Ok(());
        }
        let namespace = match self.namespace(attributes).await {
            Ok(namespace) => namespace,
            Err(cause) => {
                let text = format!("failed to lookup namespace {}", go_quote(&attributes.namespace));
                let error = StatusError::internal_error(text);
                self.counters.failed(attributes, true);
                annotate(attributes, "error", &format!("{error}: {cause}"));
                return Err(error);
            }
        };
        let (policy, errors) = Policy::of_labels(&namespace.metadata.labels, &self.configuration.defaults);
        if errors.is_empty() && policy.is_privileged() {
            annotate(attributes, "enforce-policy", &Standard::PRIVILEGED.to_string());
            self.counters.judged(attributes, policy.enforce, Mode::Enforce, true);
            return Ok(());
        }
        let Some(pod) = attributes.object.as_deref().and_then(|object| object.downcast_ref::<Pod>()) else {
            let error = StatusError::bad_request("failed to decode pod");
            self.counters.failed(attributes, true);
            annotate(attributes, "error", &error.to_string());
            return Err(error);
        };
        let old = attributes.old_object.as_deref().and_then(|object| object.downcast_ref::<Pod>());
        if attributes.operation == Operation::Update && old.is_some_and(|old| !runs_otherwise(pod, old)) {
            return Ok(());
        }
        let subject = Subject { annotations: &pod.metadata.annotations, spec: &pod.spec };
        self.judge(attributes, &policy, &errors, subject, true)
    }

    /// Makers of pods are not refused: their pods will be.
    async fn judge_template(&self, attributes: &Attributes) -> Result<(), StatusError> {
        if !attributes.subresource.is_empty() || self.is_exempt(attributes) {
            return Ok(());
        }
        let namespace = match self.namespace(attributes).await {
            Ok(namespace) => namespace,
            Err(cause) => {
                let name = go_quote(&attributes.namespace);
                self.counters.failed(attributes, true);
                annotate(attributes, "error", &format!("failed to lookup namespace {name}: {cause}"));
                return Ok(());
            }
        };
        let (policy, errors) = Policy::of_labels(&namespace.metadata.labels, &self.configuration.defaults);
        let silent = policy.warn.level == Level::Privileged && policy.audit.level == Level::Privileged;
        if errors.is_empty() && silent {
            return Ok(());
        }
        match attributes.object.as_deref().and_then(templates::subject_of) {
            Some(subject) => self.judge(attributes, &policy, &errors, subject, false),
            None => Ok(()),
        }
    }

    fn judge(
        &self,
        attributes: &Attributes,
        policy: &Policy,
        errors: &ErrorList,
        subject: Subject<'_>,
        enforce: bool,
    ) -> Result<(), StatusError> {
        let class = subject.spec.runtime_class_name.as_deref();
        if is_exempt_class(class, &self.configuration.runtime_classes) {
            annotate(attributes, "exempt", "runtimeClass");
            self.counters.exempted(attributes);
            return Ok(());
        }
        if !errors.is_empty() {
            self.counters.failed(attributes, false);
            annotate(attributes, "error", &format!("Failed to parse policy: {}", field::aggregate(errors)));
        }
        let mut refusal = None;
        if enforce {
            annotate(attributes, "enforce-policy", &policy.enforce.to_string());
            let violation = violation("violates", policy.enforce, subject);
            self.counters.judged(attributes, policy.enforce, Mode::Enforce, violation.is_none());
            refusal = violation.map(|violation| attributes.forbidden(violation));
        }
        if let Some(violation) = violation("would violate", policy.audit, subject) {
            annotate(attributes, "audit-violations", &violation);
            self.counters.judged(attributes, policy.audit, Mode::Audit, false);
        }
        if let Some(refusal) = refusal {
            return Err(refusal);
        }
        if let Some(violation) = violation("would violate", policy.warn, subject) {
            attributes.notes.warn(&violation);
            self.counters.judged(attributes, policy.warn, Mode::Warn, false);
        }
        Ok(())
    }

    async fn namespace(&self, attributes: &Attributes) -> Result<Namespace, StatusError> {
        let name = &attributes.namespace;
        let found = self.lookup.find::<Namespace>("", name).await?;
        found.ok_or_else(|| StatusError::not_found(&machinery::GroupResource::new("", "namespaces"), name))
    }

    fn is_exempt_namespace(&self, name: &str) -> bool {
        !name.is_empty() && self.configuration.namespaces.iter().any(|exempt| exempt == name)
    }

    /// Whether namespace or user is left alone; said to the audit log.
    fn is_exempt(&self, attributes: &Attributes) -> bool {
        let user = &attributes.user.username;
        let why = if self.is_exempt_namespace(&attributes.namespace) {
            "namespace"
        } else if !user.is_empty() && self.configuration.usernames.contains(user) {
            "user"
        } else {
            return false;
        };
        annotate(attributes, "exempt", why);
        self.counters.exempted(attributes);
        true
    }

    /// Labels that are not looked at are worth a word.
    fn warn_of_exemption(&self, attributes: &Attributes, namespace: &Namespace, policy: &Policy) {
        let exempt = self.is_exempt_namespace(&attributes.namespace);
        if !exempt || policy.is_privileged() || policy.is_equivalent(&self.configuration.defaults) {
            return;
        }
        let labels = &namespace.metadata.labels;
        let modes = [("enforce", policy.enforce), ("audit", policy.audit), ("warn", policy.warn)];
        let stated = modes.into_iter().filter(|(mode, standard)| {
            standard.level != Level::Privileged
                && (has(labels, mode) || has(labels, &format!("{mode}-version")))
        });
        let stated: Vec<String> = stated.map(|(mode, standard)| format!("{mode}={standard}")).collect();
        attributes.notes.warn(&format!(
            "namespace {} is exempt from Pod Security, and the policy ({}) will be ignored",
            go_quote(&namespace.metadata.name),
            stated.join(", ")
        ));
    }
}

#[async_trait]
impl Plugin for PodSecurity {
    fn name(&self) -> &'static str {
        "PodSecurity"
    }

    fn handles(&self, operation: Operation) -> bool {
        matches!(operation, Operation::Create | Operation::Update)
    }

    async fn validate(&self, attributes: &Attributes) -> Result<(), StatusError> {
        match (attributes.resource.group.as_ref(), attributes.resource.resource.as_ref()) {
            ("", "namespaces") if attributes.subresource.is_empty() => self.judge_namespace(attributes).await,
            ("", "pods") => self.judge_pod(attributes).await,
            (group, resource) if templates::RESOURCES.contains(&(group, resource)) => {
                self.judge_template(attributes).await
            }
            _ => Ok(()),
        }
    }
}

fn annotate(attributes: &Attributes, key: &str, value: &str) {
    attributes.notes.annotate(&format!("{PREFIX}{key}"), value);
}

/// `violates PodSecurity "baseline:latest": …`, if it does.
fn violation(verb: &str, standard: Standard, subject: Subject<'_>) -> Option<String> {
    let findings = evaluate(standard, subject);
    let name = go_quote(&standard.to_string());
    (!findings.is_empty()).then(|| format!("{verb} PodSecurity {name}: {}", details(&findings)))
}

fn refuse_labels(attributes: &Attributes, errors: &ErrorList) -> Result<(), StatusError> {
    if errors.is_empty() {
        return Ok(());
    }
    let kind = machinery::GroupKind::new(attributes.kind.group.clone(), attributes.kind.kind.clone());
    Err(StatusError::invalid(&kind, attributes.name_to_show(), errors))
}

/// Whether an update brings another container or another image.
fn runs_otherwise(pod: &Pod, old: &Pod) -> bool {
    let (new, old) = (&pod.spec, &old.spec);
    let lasting = [(&new.containers, &old.containers), (&new.init_containers, &old.init_containers)];
    let changed = lasting.iter().any(|(new, old)| {
        new.len() != old.len() || new.iter().zip(old.iter()).any(|(new, old)| new.image != old.image)
    });
    changed
        || new.ephemeral_containers.iter().any(|container| {
            let container = &container.ephemeral_container_common;
            let before = old.ephemeral_containers.iter().map(|old| &old.ephemeral_container_common);
            let mut before = before.filter(|old| old.name == container.name);
            before.next().is_none_or(|old| old.image != container.image)
        })
}
