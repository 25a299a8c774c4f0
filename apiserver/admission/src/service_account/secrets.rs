//! Which secrets the pods of a service account may use: accounts can limit them to those that they list.

use api_types::core::v1::{EnvFromSource, EnvVar, Pod, ServiceAccount};
use apiserver_auth::authz::node::{Vertex, pod_references};

/// Accounts with this annotation limit their pods to the secrets they list.
const ENFORCE: &str = "kubernetes.io/enforce-mountable-secrets";

/// Whether the pods of an account may only use the secrets it lists.
pub fn are_limited(account: &ServiceAccount) -> bool {
    let value = account.metadata.annotations.get(ENFORCE).map(String::as_str);
    // Everything that Go's ParseBool takes for true.
    matches!(value, Some("1" | "t" | "T" | "true" | "TRUE" | "True"))
}

/// Whether a pod refers to any secret.
pub fn are_referenced(pod: &Pod) -> bool {
    pod_references::of(pod).iter().any(|(kind, _)| *kind == Vertex::Secret)
}

/// Objects to the first secret of the pod that its account does not list.
pub fn judge(account: &ServiceAccount, pod: &Pod) -> Result<(), String> {
    let spec = &pod.spec;
    let volumes = spec.volumes.iter().filter_map(|volume| volume.volume_source.secret.as_ref());
    for secret in volumes.map(|volume| &volume.secret_name) {
        if !lists(account, secret) {
            return Err(unlisted(&format!("volume with secret.secretName=\"{secret}\""), account));
        }
    }
    for container in &spec.init_containers {
        judge_environment(account, "init container", &container.name, &container.env, &container.env_from)?;
    }
    for container in &spec.containers {
        judge_environment(account, "container", &container.name, &container.env, &container.env_from)?;
    }
    for (index, secret) in spec.image_pull_secrets.iter().enumerate() {
        if !account.image_pull_secrets.iter().any(|listed| listed.name == secret.name) {
            return Err(format!(
                "imagePullSecrets[{index}].name=\"{}\" is not allowed because service account {} does not reference \
                 that imagePullSecret",
                secret.name, account.metadata.name
            ));
        }
    }
    Ok(())
}

/// The same for ephemeral containers.
pub fn judge_ephemeral(account: &ServiceAccount, pod: &Pod) -> Result<(), String> {
    let containers =
        pod.spec.ephemeral_containers.iter().map(|container| &container.ephemeral_container_common);
    for common in containers {
        judge_environment(account, "ephemeral container", &common.name, &common.env, &common.env_from)?;
    }
    Ok(())
}

fn judge_environment(
    account: &ServiceAccount,
    what: &str,
    name: &str,
    env: &[EnvVar],
    env_from: &[EnvFromSource],
) -> Result<(), String> {
    for variable in env {
        let Some(secret) = variable.value_from.as_ref().and_then(|source| source.secret_key_ref.as_ref())
        else {
            continue;
        };
        let secret = &secret.local_object_reference.name;
        if !lists(account, secret) {
            let variable = &variable.name;
            let place =
                format!("{what} {name} with envVar {variable} referencing secret.secretName=\"{secret}\"");
            return Err(unlisted(&place, account));
        }
    }
    for secret in env_from.iter().filter_map(|source| source.secret_ref.as_ref()) {
        let secret = &secret.local_object_reference.name;
        if !lists(account, secret) {
            let place = format!("{what} {name} with envFrom referencing secret.secretName=\"{secret}\"");
            return Err(unlisted(&place, account));
        }
    }
    Ok(())
}

fn lists(account: &ServiceAccount, secret: &str) -> bool {
    account.secrets.iter().any(|listed| listed.name == secret)
}

fn unlisted(place: &str, account: &ServiceAccount) -> String {
    let account = &account.metadata.name;
    format!("{place} is not allowed because service account {account} does not reference that secret")
}
