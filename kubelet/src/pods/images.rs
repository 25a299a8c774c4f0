//! Makes sure an image is on this node before a container is made from it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use api_types::core::v1::{Pod, Secret};
use hashbrown::HashMap;
use jiff::Timestamp;
use kubelet_core::backoff::BackOff;
use kubelet_core::images::{self, PullDecision, reason};
use kubelet_core::pod::ContainerKind;
use kubelet_core::ports::{ImageCredentials, ImageSummary, SandboxConfig};
use kubelet_core::status::WaitingReason;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::context::Context;
use crate::credentials;
use crate::events::Kind;
use crate::rate::Bucket;

/// Pulls images, a bounded number at a time.
pub struct ImagePuller {
    context: Arc<Context>,
    /// `None`: as many at a time as there are pods.
    slots: Option<Semaphore>,
    state: Mutex<State>,
    /// `registryPullQPS` and `registryBurst`.
    rate: Mutex<Bucket>,
}

struct State {
    back_off: BackOff,
    /// The last failure of each key, for the message while it waits.
    failures: HashMap<String, String>,
}

/// An image a container can be made from.
#[derive(Clone, Debug)]
pub struct ReadyImage {
    pub reference: String,
    pub summary: Option<ImageSummary>,
}

/// Why a container has no image yet, and when to try again.
#[derive(Clone, Debug)]
pub struct ImageFailure {
    pub waiting: WaitingReason,
    pub retry_at: Option<Timestamp>,
}

/// Whose image it is.
#[derive(Clone, Copy)]
pub struct ImageUser<'a> {
    pub pod: &'a Pod,
    pub kind: ContainerKind,
    pub container: &'a str,
    pub image: &'a str,
    pub policy: &'a str,
    pub runtime_handler: &'a str,
}

impl ImagePuller {
    /// A puller that pulls as many at a time as the configuration says.
    pub fn new(context: Arc<Context>) -> Arc<ImagePuller> {
        let slots = context.config.parallel_image_pulls().map(Semaphore::new);
        let state = State { back_off: BackOff::image_pull(), failures: HashMap::new() };
        let rate = Bucket::new(context.config.registry_pull_qps, context.config.registry_burst);
        Arc::new(ImagePuller { context, slots, state: Mutex::new(state), rate: Mutex::new(rate) })
    }

    /// Returns the image, pulled when it must be.
    pub async fn ensure(
        &self,
        user: ImageUser<'_>,
        sandbox: &SandboxConfig,
    ) -> Result<ReadyImage, ImageFailure> {
        let event = |kind, reason, message: String| {
            self.context.recorder.container(user.pod, (user.kind, user.container), kind, reason, message);
        };
        let image = images::with_default_tag(user.image).map_err(|error| {
            let message = format!("Failed to apply default image tag {:?}: {error}", user.image);
            event(Kind::Warning, "InspectFailed", message.clone());
            failure(reason::INVALID_NAME, message)
        })?;
        let present = self.context.ports.images.status(&image).await.map_err(|error| {
            let message = format!("Failed to inspect image {image:?}: {error}");
            event(Kind::Warning, "InspectFailed", message.clone());
            failure(reason::INSPECT, message)
        })?;
        match images::decide(user.policy, user.image, present.is_some()) {
            PullDecision::UsePresent { message } => {
                event(Kind::Normal, "Pulled", message);
                Ok(ready(&image, present))
            }
            PullDecision::Refuse { message } => {
                event(Kind::Warning, "ErrImageNeverPull", message.clone());
                Err(failure(reason::NEVER_PULL, message))
            }
            PullDecision::Pull => self.pull(user, &image, sandbox).await,
        }
    }

    async fn pull(
        &self,
        user: ImageUser<'_>,
        image: &str,
        sandbox: &SandboxConfig,
    ) -> Result<ReadyImage, ImageFailure> {
        let event = |kind, reason, message: String| {
            self.context.recorder.container(user.pod, (user.kind, user.container), kind, reason, message);
        };
        let key = format!("{}_{}", user.pod.metadata.uid, user.image);
        {
            let state = self.state.lock();
            if let Some(until) = state.back_off.waits_since_update(&key, self.context.now()) {
                let message = images::back_off_message(user.image, None);
                event(Kind::Normal, "BackOff", message);
                let message =
                    images::back_off_message(user.image, state.failures.get(&key).map(String::as_str));
                return Err(ImageFailure { retry_at: Some(until), ..failure(reason::BACK_OFF, message) });
            }
        }
        event(Kind::Normal, "Pulling", format!("Pulling image {:?}", user.image));
        let asked = Instant::now();
        let slot = match &self.slots {
            Some(slots) => slots.acquire().await.ok(),
            None => None,
        };
        let begun = Instant::now();
        let outcome = self.pull_with_credentials(user, image, sandbox).await;
        drop(slot);
        match outcome {
            Ok(reference) => {
                let summary = self.context.ports.images.status(&reference).await.ok().flatten();
                let size = summary.as_ref().map_or(0, |summary| summary.size_bytes);
                let millis = |since: Instant| {
                    Duration::from_millis(u64::try_from(since.elapsed().as_millis()).unwrap_or(0))
                };
                event(
                    Kind::Normal,
                    "Pulled",
                    images::pulled_message(user.image, millis(begun), millis(asked), size),
                );
                self.context.metrics.pulled(asked.elapsed().as_secs_f64(), size);
                let mut state = self.state.lock();
                state.failures.remove(&key);
                state.back_off.collect_garbage(self.context.now());
                Ok(ReadyImage { reference, summary })
            }
            Err(error) => {
                let now = self.context.now();
                let (reason, message) = images::pull_failure(user.image, &error);
                event(Kind::Warning, "Failed", format!("Failed to pull image {:?}: {error}", user.image));
                let mut state = self.state.lock();
                state.back_off.advance(&key, now, now);
                state.failures.insert(key, format!("{reason}: {message}"));
                // Shown as the error itself until the next look, which finds it waiting.
                Err(ImageFailure { retry_at: Some(now), ..failure(reason, message) })
            }
        }
    }

    /// Tries each credential that fits; without one, pulls as nobody.
    async fn pull_with_credentials(
        &self,
        user: ImageUser<'_>,
        image: &str,
        sandbox: &SandboxConfig,
    ) -> Result<String, kubelet_core::ports::RuntimeError> {
        let secrets = self.pull_secrets(user.pod).await;
        let mut found: Vec<Option<ImageCredentials>> =
            credentials::for_image(image, &secrets).into_iter().map(Some).collect();
        if found.is_empty() {
            found.push(None);
        }
        if !self.rate.lock().take(tokio::time::Instant::now()) {
            return Err(kubelet_core::ports::RuntimeError::new(
                kubelet_core::ports::RuntimeErrorCode::ResourceExhausted,
                "pull QPS exceeded",
            ));
        }
        let mut last = None;
        for credentials in found {
            let pull = self.context.ports.images.pull(
                image,
                credentials.as_ref(),
                Some(sandbox),
                user.runtime_handler,
            );
            match pull.await {
                Ok(reference) => return Ok(reference),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| {
            kubelet_core::ports::RuntimeError::new(
                kubelet_core::ports::RuntimeErrorCode::Internal,
                "no pull was attempted",
            )
        }))
    }

    /// The pod's pull secrets that exist; one that does not is told in an event and left out, as upstream does.
    async fn pull_secrets(&self, pod: &Pod) -> Vec<Arc<Secret>> {
        let mut secrets = Vec::new();
        let mut missing = Vec::new();
        for reference in pod.spec.image_pull_secrets.iter().filter(|reference| !reference.name.is_empty()) {
            match self.context.objects.secret(&pod.metadata.namespace, &reference.name).await {
                Ok(Some(secret)) => secrets.push(secret),
                Ok(None) | Err(_) => missing.push(reference.name.as_str()),
            }
        }
        if !missing.is_empty() {
            self.context.recorder.pod(
                pod,
                Kind::Warning,
                "FailedToRetrieveImagePullSecret",
                format!(
                    "Unable to retrieve some image pull secrets ({}); attempting to pull the image may not succeed.",
                    missing.join(", ")
                ),
            );
        }
        secrets
    }

    /// Forgets what it knows of a pod.
    pub fn forget(&self, uid: &str) {
        let prefix = format!("{uid}_");
        let mut state = self.state.lock();
        state.back_off.forget_prefix(&prefix);
        state.failures.retain(|key, _| !key.starts_with(&prefix));
    }
}

fn ready(image: &str, present: Option<ImageSummary>) -> ReadyImage {
    ReadyImage {
        reference: present.as_ref().map_or_else(|| image.to_owned(), |summary| summary.id.clone()),
        summary: present,
    }
}

fn failure(reason: &str, message: String) -> ImageFailure {
    ImageFailure { waiting: WaitingReason { reason: reason.to_owned(), message }, retry_at: None }
}
