//! Which images go, and when.

use std::sync::Arc;
use std::time::Duration;

use kubelet::config::GoDuration;
use kubelet::housekeeping::ImageCollector;
use kubelet::node::pressure::PressureWatch;
use kubelet_core::eviction::parse_thresholds;
use tokio::sync::Notify;

use crate::pods::ready;
use crate::world::{World, pod};

/// Starts the collector's own loop.
fn collect(world: &World, images: &Arc<ImageCollector>) {
    let images = images.clone();
    tokio::spawn(images.run(world.context.clone(), world.cache.clone(), world.shutdown.clone()));
}

/// Starts the eviction loop, which acts below 10 percent of free disk.
fn watch_pressure(world: &World, images: &Arc<ImageCollector>) {
    let watch = PressureWatch {
        context: world.context.clone(),
        cache: world.cache.clone(),
        manager: world.manager.clone(),
        images: images.clone(),
        events: world.events.clone(),
        changed: Arc::new(Notify::new()),
    };
    let hard = [("nodefs.available".to_owned(), "10%".to_owned())].into();
    let none = [].into();
    let thresholds = parse_thresholds(&hard, &none, &[].into(), &none).expect("thresholds");
    tokio::spawn(watch.run(thresholds, world.shutdown.clone()));
}

/// A node with a pod, and with an image that no container uses.
async fn with_unused_image(name: &str) -> World {
    let world = World::new(name).await;
    world.runtime.add_image("unused:1");
    world.list(&[pod(name, r#"{"containers":[{"name":"web","image":"img:1"}]}"#)]);
    world.until(name, "readiness", ready).await;
    world
}

#[tokio::test(start_paused = true)]
async fn pressure_at_the_start_leaves_the_images_that_were_there() {
    let world = World::new("gc-pressure").await;
    world.machine.set_disk(1000, 50);
    let images = ImageCollector::new(&world.context.config);
    watch_pressure(&world, &images);
    collect(&world, &images);
    tokio::time::sleep(Duration::from_secs(115)).await;
    assert_eq!(world.runtime.images(), ["img:1"]);
    // imageMinimumGCAge is two minutes.
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(world.runtime.images(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_loses_old_unused_images_only() {
    let world = with_unused_image("gc-full").await;
    let images = ImageCollector::new(&world.context.config);
    collect(&world, &images);
    tokio::time::sleep(Duration::from_secs(400)).await;
    assert_eq!(world.runtime.images(), ["img:1", "unused:1"]);
    world.machine.set_disk(1000, 10);
    world.runtime.add_image("young:1");
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(world.runtime.images(), ["img:1", "young:1"]);
}

#[tokio::test(start_paused = true)]
async fn images_unused_for_long_go_whatever_the_disk_says() {
    let world = with_unused_image("gc-age").await;
    world.machine.set_disk(1000, 900);
    let mut config = world.context.config.clone();
    config.image_maximum_gc_age = GoDuration::seconds(3600);
    let images = ImageCollector::new(&config);
    collect(&world, &images);
    tokio::time::sleep(Duration::from_secs(3500)).await;
    assert_eq!(world.runtime.images(), ["img:1", "unused:1"]);
    tokio::time::sleep(Duration::from_secs(500)).await;
    assert_eq!(world.runtime.images(), ["img:1"]);
}
