//! Deletes images when their file system fills up, or when they have been unused for long.

use std::sync::Arc;
use std::time::Duration;

use component_base::Shutdown;
use hashbrown::HashSet;
use kubelet_core::images::garbage::{ImageGcPolicy, ImageRecords, bytes_over};
use kubelet_core::ports::ImageSummary;

use crate::context::Context;
use crate::events::Kind;
use crate::observing::PodCache;

const PERIOD: Duration = Duration::from_secs(300);

/// Collects until shutdown.
pub(super) async fn run(context: Arc<Context>, cache: Arc<PodCache>, shutdown: Shutdown) {
    let config = &context.config;
    let percent = |value: i32| u64::try_from(value).unwrap_or(100);
    let policy = ImageGcPolicy {
        high_percent: percent(config.image_gc_high_threshold_percent),
        low_percent: percent(config.image_gc_low_threshold_percent),
        minimum_age: config.image_minimum_gc_age.0,
        maximum_age: config.image_maximum_gc_age.0,
    };
    let mut records = ImageRecords::default();
    loop {
        if let Err(error) = collect(&context, &cache, &policy, &mut records).await {
            tracing::warn!(error, "image garbage collection failed");
            context.recorder.node(Kind::Warning, "ImageGCFailed", error);
        }
        if !shutdown.sleep(PERIOD).await {
            return;
        }
    }
}

async fn collect(
    context: &Context,
    cache: &PodCache,
    policy: &ImageGcPolicy,
    records: &mut ImageRecords,
) -> Result<(), String> {
    let images = context.ports.images.list().await.map_err(|error| error.to_string())?;
    let used = used_images(context, cache, &images);
    let now = context.now();
    records.observe(&images, &used, now);
    for id in records.expired(&images, &used, policy.maximum_age, now) {
        remove(context, &images, &id).await;
    }
    let systems = context.ports.images.filesystems().await.map_err(|error| error.to_string())?;
    let Some(system) = systems.iter().find(|system| !system.holds_containers).or(systems.first()) else {
        return Ok(());
    };
    let usage = context
        .ports
        .machine
        .filesystem(std::path::Path::new(&system.mountpoint))
        .await
        .map_err(|error| error.to_string())?;
    let Some(wanted) = bytes_over(policy, usage.capacity_bytes, usage.available_bytes) else { return Ok(()) };
    let (ids, freed) = records.to_free(&images, &used, wanted, policy.minimum_age, now);
    for id in &ids {
        remove(context, &images, id).await;
    }
    if freed < wanted {
        let used_percent =
            100 - usage.available_bytes.min(usage.capacity_bytes) * 100 / usage.capacity_bytes.max(1);
        let message = format!(
            "Insufficient free disk space on the node's image filesystem ({used_percent}% of {} bytes used). Failed to free \
             sufficient space by deleting unused images. Consider resizing the disk or deleting unused files.",
            usage.capacity_bytes
        );
        context.recorder.node(Kind::Warning, "FreeDiskSpaceFailed", message);
    }
    Ok(())
}

/// Deletes every image that no container uses.
pub(super) async fn remove_unused(context: &Context, cache: &PodCache) {
    let Ok(images) = context.ports.images.list().await else { return };
    let used = used_images(context, cache, &images);
    let mut records = ImageRecords::default();
    records.observe(&images, &used, context.now());
    let (ids, _) = records.to_free(&images, &used, u64::MAX, Duration::ZERO, context.now());
    for id in &ids {
        remove(context, &images, id).await;
    }
}

/// Ids and references of the images of all containers, dead ones included: they may be started again. The image of the
/// sandboxes counts too; runtimes of today say so themselves (pinned), older ones do not.
fn used_images(context: &Context, cache: &PodCache, images: &[ImageSummary]) -> HashSet<String> {
    let is_pause = |tag: &&String| tag.rsplit('/').next().is_some_and(|name| name.starts_with("pause:"));
    let sandboxes = images.iter().flat_map(|image| &image.repo_tags).filter(is_pause).cloned();
    let mut used: HashSet<String> = sandboxes.chain([context.sandbox_image.clone()]).collect();
    let pods = cache.all();
    let of_containers = pods
        .iter()
        .flat_map(|pod| pod.containers.iter())
        .flat_map(|container| [&container.image, &container.image_ref, &container.image_id])
        .filter(|name| !name.is_empty())
        .cloned();
    used.extend(of_containers);
    used
}

async fn remove(context: &Context, images: &[ImageSummary], id: &str) {
    let size = images.iter().find(|image| image.id == id).map_or(0, |image| image.size_bytes);
    match context.ports.images.remove(id).await {
        Ok(()) => tracing::info!(id, size, "removed an unused image"),
        Err(error) => tracing::warn!(%error, id, "failed to remove an unused image"),
    }
}
