//! `ServiceAccount`: every pod runs as a service account that exists, and gets its token.
//!
//! Source: `plugin/pkg/admission/serviceaccount`.

mod secrets;
#[cfg(test)]
mod tests;
mod token_volume;

use std::time::Duration;

use api_types::core::v1::{Pod, ServiceAccount as Account};
use apiserver_auth::authz::node::pod_references::MIRROR_POD_ANNOTATION;
use async_trait::async_trait;
use machinery::GroupResource;
use machinery::status::StatusError;

use crate::attributes::{Attributes, Operation};
use crate::lookup::Lookup;
use crate::plugin::Plugin;

/// The account of pods that name none.
const DEFAULT_ACCOUNT: &str = "default";
/// How often the default account, which a controller makes, is looked for.
const ATTEMPTS: u32 = 10;

/// The plugin.
pub struct ServiceAccount {
    lookup: Lookup,
}

impl ServiceAccount {
    /// Looks accounts up by `lookup`.
    pub fn new(lookup: Lookup) -> ServiceAccount {
        ServiceAccount { lookup }
    }

    async fn account(&self, namespace: &str, name: &str) -> Result<Account, StatusError> {
        if let Some(account) = self.lookup.cached(namespace, name).await? {
            return Ok(account);
        }
        let attempts = if name == DEFAULT_ACCOUNT { ATTEMPTS } else { 1 };
        // Pods that wait for the same account should not all ask at the same time.
        let pause = Duration::from_millis(100 + u64::from(rand::random::<u32>() % 100));
        for attempt in 0..attempts {
            if attempt > 0 {
                tokio::time::sleep(pause).await;
            }
            if let Some(account) = self.lookup.live(namespace, name).await? {
                return Ok(account);
            }
        }
        Err(StatusError::not_found(&GroupResource::new("", "serviceaccount"), name))
    }

    /// The account of a pod, or the refusal of the pod.
    async fn account_of(&self, attributes: &Attributes, name: &str) -> Result<Account, StatusError> {
        let namespace = &attributes.namespace;
        self.account(namespace, name).await.map_err(|error| {
            let error = format!("error looking up service account {namespace}/{name}: {error}");
            attributes.forbidden(error)
        })
    }

    async fn judge(&self, attributes: &Attributes) -> Result<(), StatusError> {
        let Some(pod) = pod_of(attributes) else { return Ok(()) };
        let refused = |reason: String| attributes.forbidden(reason);
        match Concern::of(attributes) {
            Concern::None => Ok(()),
            Concern::NewPod if is_mirror(pod) => judge_mirror(pod).map_err(refused),
            Concern::NewPod => {
                let account = self.account_of(attributes, name_of_account(attributes, pod)?).await?;
                if !secrets::are_limited(&account) {
                    return Ok(());
                }
                secrets::judge(&account, pod).map_err(refused)
            }
            Concern::EphemeralContainers => {
                let account = self.account_of(attributes, name_of_account(attributes, pod)?).await?;
                if !secrets::are_limited(&account) {
                    return Ok(());
                }
                // Upstream answers with a bare error, hence 500; it means a refusal.
                secrets::judge_ephemeral(&account, pod).map_err(refused)
            }
        }
    }
}

#[async_trait]
impl Plugin for ServiceAccount {
    fn name(&self) -> &'static str {
        "ServiceAccount"
    }

    fn handles(&self, operation: Operation) -> bool {
        matches!(operation, Operation::Create | Operation::Update)
    }

    async fn admit(&self, attributes: &mut Attributes) -> Result<(), StatusError> {
        if Concern::of(attributes) != Concern::NewPod {
            return Ok(());
        }
        // A kubelet compares its mirror pods with what it made, and deletes what differs.
        let Some(pod) = pod_of(attributes).filter(|pod| !is_mirror(pod)) else {
            return self.judge(attributes).await;
        };
        let name = match (pod.spec.service_account_name.as_str(), pod.spec.service_account.as_str()) {
            ("", "") => DEFAULT_ACCOUNT,
            ("", old) => old,
            (name, _) => name,
        };
        let name = name.to_owned();
        let account = self.account_of(attributes, &name).await?;
        if let Some(pod) = attributes.object.as_deref_mut().and_then(|object| object.downcast_mut::<Pod>()) {
            complete(pod, &account, &name, rand::random::<u32>);
        }
        self.judge(attributes).await
    }

    async fn validate(&self, attributes: &Attributes) -> Result<(), StatusError> {
        self.judge(attributes).await
    }
}

/// Which part of a request concerns service accounts.
#[derive(Debug, PartialEq)]
enum Concern {
    None,
    NewPod,
    EphemeralContainers,
}

impl Concern {
    fn of(attributes: &Attributes) -> Concern {
        let resource = &attributes.resource;
        if !resource.group.is_empty() || resource.resource != "pods" {
            return Concern::None;
        }
        match (attributes.operation, attributes.subresource.as_str()) {
            (Operation::Create, "") => Concern::NewPod,
            (Operation::Update, "ephemeralcontainers") => Concern::EphemeralContainers,
            _ => Concern::None,
        }
    }
}

fn pod_of(attributes: &Attributes) -> Option<&Pod> {
    attributes.object.as_deref()?.downcast_ref::<Pod>()
}

fn is_mirror(pod: &Pod) -> bool {
    pod.metadata.annotations.contains_key(MIRROR_POD_ANNOTATION)
}

fn name_of_account<'a>(attributes: &Attributes, pod: &'a Pod) -> Result<&'a str, StatusError> {
    if pod.spec.service_account_name.is_empty() {
        return Err(attributes.forbidden(format!(
            "no service account specified for pod {}/{}",
            attributes.namespace, pod.metadata.name
        )));
    }
    Ok(&pod.spec.service_account_name)
}

/// A kubelet may not hand out what it could not read otherwise.
fn judge_mirror(pod: &Pod) -> Result<(), String> {
    if !pod.spec.service_account_name.is_empty() || !pod.spec.service_account.is_empty() {
        return Err("a mirror pod may not reference service accounts".to_owned());
    }
    if secrets::are_referenced(pod) {
        return Err("a mirror pod may not reference secrets".to_owned());
    }
    let volumes = pod.spec.volumes.iter().filter_map(|volume| volume.volume_source.projected.as_ref());
    if volumes.flat_map(|projected| &projected.sources).any(|source| source.service_account_token.is_some()) {
        return Err("a mirror pod may not use ServiceAccountToken volume projections".to_owned());
    }
    Ok(())
}

/// Gives a pod its account, the token of the account, and the account's secrets for images.
fn complete(pod: &mut Pod, account: &Account, name: &str, random: impl FnMut() -> u32) {
    name.clone_into(&mut pod.spec.service_account_name);
    let automount = pod.spec.automount_service_account_token.or(account.automount_service_account_token);
    if automount.unwrap_or(true) {
        token_volume::mount(pod, random);
    }
    if pod.spec.image_pull_secrets.is_empty() {
        pod.spec.image_pull_secrets.clone_from(&account.image_pull_secrets);
    }
}
