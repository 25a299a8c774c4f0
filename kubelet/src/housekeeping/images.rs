//! Deletes images when their file system fills up, or when they have been unused for long.
//!
//! One owner of what is known of images: whoever wants space asks it, and nobody goes around the least age, which keeps
//! images that were just brought here until a container had the chance to use them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use component_base::Shutdown;
use hashbrown::HashSet;
use kubelet_core::images::garbage::{
    ImageGcPolicy, ImageRecords, bytes_over, insufficient_space, used_percent,
};
use kubelet_core::ports::ImageSummary;
use parking_lot::Mutex;

use crate::config::KubeletConfiguration;
use crate::context::Context;
use crate::events::Kind;
use crate::observing::PodCache;

const PERIOD: Duration = Duration::from_secs(300);

/// The values of the metric's label `reason`.
const AGE: &str = "age";
const SPACE: &str = "space";

/// What is known of images, and when they may go.
pub struct ImageCollector {
    policy: ImageGcPolicy,
    records: Mutex<ImageRecords>,
}

/// The images at one moment.
struct Look {
    images: Vec<ImageSummary>,
    used: HashSet<String>,
    now: jiff::Timestamp,
}

impl ImageCollector {
    /// A collector that has seen no image yet.
    pub fn new(config: &KubeletConfiguration) -> Arc<ImageCollector> {
        let percent = |value: i32| u64::try_from(value).unwrap_or(100);
        let policy = ImageGcPolicy {
            high_percent: percent(config.image_gc_high_threshold_percent),
            low_percent: percent(config.image_gc_low_threshold_percent),
            minimum_age: config.image_minimum_gc_age.0,
            maximum_age: config.image_maximum_gc_age.0,
        };
        Arc::new(ImageCollector { policy, records: Mutex::default() })
    }

    /// Collects until shutdown.
    pub async fn run(
        self: Arc<ImageCollector>,
        context: Arc<Context>,
        cache: Arc<PodCache>,
        shutdown: Shutdown,
    ) {
        let mut failed_before = false;
        loop {
            let outcome = self.collect(&context, &cache).await;
            if let Err(error) = &outcome {
                tracing::warn!(error, "image garbage collection failed");
                // Once may be a runtime that has not measured its disk yet.
                if failed_before {
                    context.recorder.node(Kind::Warning, "ImageGCFailed", error.clone());
                }
            }
            failed_before = outcome.is_err();
            if !shutdown.sleep(PERIOD).await {
                return;
            }
        }
    }

    /// Lists the images and notes which are used.
    async fn look(&self, context: &Context, cache: &PodCache) -> Result<Look, String> {
        let images = context.ports.images.list().await.map_err(|error| error.to_string())?;
        let used = used_images(context, cache, &images);
        let now = context.now();
        self.records.lock().observe(&images, &used, now);
        Ok(Look { images, used, now })
    }

    async fn collect(&self, context: &Context, cache: &PodCache) -> Result<(), String> {
        let look = self.look(context, cache).await?;
        let policy = &self.policy;
        let expired = self.records.lock().expired(&look.images, &look.used, policy.maximum_age, look.now);
        for id in &expired {
            remove(context, &look.images, id, AGE).await;
        }
        if policy.high_percent >= 100 {
            return Ok(());
        }
        let systems = context.ports.images.filesystems().await.map_err(|error| error.to_string())?;
        let Some(system) = systems.iter().find(|system| !system.holds_containers).or(systems.first()) else {
            return Ok(());
        };
        let usage = context
            .ports
            .machine
            .filesystem(Path::new(&system.mountpoint))
            .await
            .map_err(|error| error.to_string())?;
        if usage.capacity_bytes == 0 {
            let message = "invalid capacity 0 on image filesystem";
            context.recorder.node(Kind::Warning, "InvalidDiskCapacity", message);
            return Err(message.to_owned());
        }
        let Some(wanted) = bytes_over(policy, usage.capacity_bytes, usage.available_bytes) else {
            return Ok(());
        };
        let freed = self.free(context, &look, wanted).await;
        if freed < wanted {
            let percent = used_percent(usage.capacity_bytes, usage.available_bytes);
            let message = insufficient_space(percent, usage.capacity_bytes, freed);
            context.recorder.node(Kind::Warning, "FreeDiskSpaceFailed", message.clone());
            return Err(message);
        }
        Ok(())
    }

    /// Deletes every image that no container uses and that is old enough.
    pub(super) async fn remove_unused(&self, context: &Context, cache: &PodCache) {
        match self.look(context, cache).await {
            Ok(look) => {
                self.free(context, &look, u64::MAX).await;
            }
            Err(error) => tracing::warn!(error, "failed to list images"),
        }
    }

    /// Deletes images until this much is free; returns how much was freed.
    async fn free(&self, context: &Context, look: &Look, bytes: u64) -> u64 {
        let (ids, _) =
            self.records.lock().to_free(&look.images, &look.used, bytes, self.policy.minimum_age, look.now);
        let mut freed = 0;
        for id in &ids {
            freed += remove(context, &look.images, id, SPACE).await;
        }
        freed
    }
}

/// Ids and references of the images of all containers, dead ones included: they may be started again. The image of the
/// sandboxes counts too; runtimes of today say so themselves (pinned), older ones do not.
fn used_images(context: &Context, cache: &PodCache, images: &[ImageSummary]) -> HashSet<String> {
    let is_pause = |tag: &&String| tag.rsplit('/').next().is_some_and(|name| name.starts_with("pause:"));
    let sandboxes = images.iter().flat_map(|image| &image.repo_tags).filter(is_pause).cloned();
    let mut used: HashSet<String> = sandboxes.chain([context.sandbox_image.clone()]).collect();
    let pods = cache.all();
    let containers = pods.iter().flat_map(|pod| pod.containers.iter());
    for container in containers {
        let of_container = [&container.image, &container.image_ref, &container.image_id];
        let mounted = container.mounts.iter().map(|mount| &mount.image);
        used.extend(of_container.into_iter().chain(mounted).filter(|name| !name.is_empty()).cloned());
    }
    used
}

/// Deletes an image; returns the bytes that frees.
async fn remove(context: &Context, images: &[ImageSummary], id: &str, reason: &str) -> u64 {
    let size = images.iter().find(|image| image.id == id).map_or(0, |image| image.size_bytes);
    match context.ports.images.remove(id).await {
        Ok(()) => {
            tracing::info!(id, size, reason, "removed an unused image");
            context.metrics.collected_images.with_label_values(&[reason]).inc();
            size
        }
        Err(error) => {
            tracing::warn!(%error, id, "failed to remove an unused image");
            0
        }
    }
}
