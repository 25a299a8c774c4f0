//! The kubelet is killed and started again, and the machine too: what runs goes on, and users see no flapping.

use std::sync::Arc;
use std::time::Duration;

use api_types::core::v1::{Pod, PodStatus};
use kubelet::pods::PodEvent;
use kubelet_core::pod::{CONFIG_HASH, CONFIG_MIRROR, CONFIG_SOURCE, is_terminal_phase};

use crate::pods::{ready, restarts};
use crate::world::api::Api;
use crate::world::{World, pod};

/// Every probe there is, none of which answers at once.
const PROBED: &str = r#"{"initContainers":[{"name":"side","image":"img:1","restartPolicy":"Always",
        "startupProbe":{"periodSeconds":5,"httpGet":{"path":"/side","port":80}}}],
    "containers":[{"name":"web","image":"img:1",
        "startupProbe":{"periodSeconds":5,"failureThreshold":3,"httpGet":{"path":"/start","port":80}},
        "livenessProbe":{"periodSeconds":5,"httpGet":{"path":"/live","port":80}},
        "readinessProbe":{"periodSeconds":5,"failureThreshold":3,"httpGet":{"path":"/ready","port":80}}}]}"#;

async fn until_taken(api: &Api, name: &str, what: &str, met: impl Fn(&PodStatus) -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(600);
    while !met(&api.status(name)) {
        assert!(tokio::time::Instant::now() < deadline, "{what} never came: {:?}", api.status(name));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A pod that runs and is ready, also for the API.
async fn running(name: &str, spec: &str) -> (World, Arc<Api>) {
    let world = World::new(name).await;
    let api = Api::with(&[pod(name, spec)]);
    world.connect(&api);
    world.list(&api.pods());
    until_taken(&api, name, "readiness", ready).await;
    // Until nothing changes any more.
    tokio::time::sleep(Duration::from_secs(60)).await;
    (world, api)
}

#[tokio::test(start_paused = true)]
async fn the_api_hears_nothing_of_a_restart() {
    let (world, api) = running("restart-quiet", PROBED).await;
    let before = api.taken().len();
    world.runtime.clear_log();
    let world = world.restarted().await;
    world.connect(&api);
    world.list(&api.pods());
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(api.taken().get(before..), Some(&[][..]));
    assert_eq!(world.runtime.log(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_ready_container_that_fails_once_after_a_restart_stays_ready() {
    let (world, api) = running("restart-once", PROBED).await;
    let before = api.taken().len();
    world.runtime.let_probe_fail("http /ready", true);
    world.runtime.let_probe_fail("http /start", true);
    let world = world.restarted().await;
    world.connect(&api);
    world.list(&api.pods());
    tokio::time::sleep(Duration::from_secs(7)).await;
    // Two of three failures; and a startup probe that has passed is over for good.
    assert_eq!(api.taken().get(before..), Some(&[][..]));
    until_taken(&api, "restart-once", "unreadiness", |status| !ready(status)).await;
    assert_eq!(world.runtime.running().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_unready_container_stays_unready_until_its_probe_passes() {
    let (world, api) = running("restart-unready", PROBED).await;
    world.runtime.let_probe_fail("http /ready", true);
    until_taken(&api, "restart-unready", "unreadiness", |status| !ready(status)).await;
    let before = api.taken().len();
    let world = world.restarted().await;
    world.connect(&api);
    world.list(&api.pods());
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(api.taken().get(before..), Some(&[][..]));
    world.runtime.let_probe_fail("http /ready", false);
    until_taken(&api, "restart-unready", "readiness", ready).await;
}

/// A static pod as its manifest gives it, and its mirror.
fn static_pod(name: &str) -> (Pod, Pod) {
    let mut own = pod(name, PROBED);
    own.metadata.annotations =
        [(CONFIG_SOURCE.to_owned(), "file".to_owned()), (CONFIG_HASH.to_owned(), name.to_owned())].into();
    let mut mirror = own.clone();
    mirror.metadata.uid = "mirror".to_owned();
    mirror.metadata.annotations.insert(CONFIG_MIRROR.to_owned(), name.to_owned());
    (own, mirror)
}

#[tokio::test(start_paused = true)]
async fn static_pods_go_on_under_their_mirrors() {
    let world = World::new("restart-static").await;
    let (own, mirror) = static_pod("restart-static");
    let api = Api::with(&[mirror]);
    let start = |world: &World| {
        world.connect(&api);
        world.events.send(PodEvent::Static(vec![Arc::new(own.clone())])).expect("a kubelet");
    };
    start(&world);
    world.list(&api.pods());
    until_taken(&api, "restart-static", "readiness", ready).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let before = api.taken().len();
    world.runtime.clear_log();

    let world = world.restarted().await;
    start(&world);
    // The API answers a little later than the manifests: it may be one of them.
    tokio::time::sleep(Duration::from_millis(50)).await;
    world.list(&api.pods());
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(world.runtime.log(), Vec::<String>::new());
    let flapped: Vec<_> =
        api.taken().split_off(before).into_iter().filter(|(_, status)| !ready(status)).collect();
    assert_eq!(flapped, []);
    assert_eq!(api.pods().first().map(|pod| pod.metadata.uid.clone()).as_deref(), Some("mirror"));
}

#[tokio::test(start_paused = true)]
async fn a_reboot_counts_as_one_restart_of_every_container() {
    let (world, api) = running("reboot-api", PROBED).await;
    let before = api.taken().len();
    let start = api.status("reboot-api").start_time;
    world.runtime.reboot();
    world.runtime.clear_log();
    let world = world.restarted().await;
    world.connect(&api);
    world.list(&api.pods());
    until_taken(&api, "reboot-api", "readiness", |status| ready(status) && restarts(status, "web") == 1)
        .await;
    assert_eq!(world.runtime.log(), ["run reboot-api", "start side", "start web"]);
    let status = api.status("reboot-api");
    assert_eq!((status.phase.as_str(), status.start_time), ("Running", start));
    let sandboxes = world.cache.get("reboot-api").sandboxes.iter().map(|known| known.summary.attempt).max();
    assert_eq!(sandboxes, Some(1));
    // It went through unreadiness, and never through an end.
    let after = api.taken().split_off(before);
    assert!(after.iter().any(|(_, status)| !ready(status)));
    assert!(after.iter().all(|(_, status)| !is_terminal_phase(&status.phase)), "{after:?}");
}

/// Whether a container waits, or waited at its end, for its back-off.
fn backs_off(status: &PodStatus) -> bool {
    status
        .container_statuses
        .iter()
        .any(|known| known.state.waiting.as_ref().is_some_and(|waiting| waiting.reason == "CrashLoopBackOff"))
}

#[tokio::test(start_paused = true)]
async fn after_a_reboot_pods_start_as_soon_as_services_have_been_read() {
    let spec = r#"{"containers":[{"name":"web","image":"img:1"}]}"#;
    let (world, api) = running("reboot-services", spec).await;
    let before = api.taken().len();
    world.runtime.reboot();
    let world = world.restarted().await;
    world.objects.set_services_read(false);
    world.connect(&api);
    world.list(&api.pods());
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(world.runtime.running(), Vec::<String>::new());
    world.objects.set_services_read(true);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.runtime.running(), ["web"]);
    assert_eq!(world.told().iter().filter(|line| line.starts_with("Failed ")).count(), 0);
    assert!(api.taken().split_off(before).iter().all(|(_, status)| !backs_off(status)));
}

#[tokio::test(start_paused = true)]
async fn a_configuration_that_cannot_be_made_is_no_crash() {
    let spec =
        r#"{"containers":[{"name":"web","image":"img:1","envFrom":[{"configMapRef":{"name":"settings"}}]}]}"#;
    let world = World::new("config-missing").await;
    world.objects.add_config_map("settings", "KEY", "value");
    let api = Api::with(&[pod("config-missing", spec)]);
    world.connect(&api);
    world.list(&api.pods());
    until_taken(&api, "config-missing", "readiness", ready).await;
    let before = api.taken().len();
    world.objects.remove_config_map("settings");
    world.told();
    world.runtime.end("web", 1);
    tokio::time::sleep(Duration::from_secs(65)).await;
    // Tried every ten seconds, though every status that is written comes back as a change of the pod.
    let failures = world.told().iter().filter(|line| line.starts_with("Failed ")).count();
    assert!((6..=7).contains(&failures), "{failures}");
    assert!(api.taken().split_off(before).iter().all(|(_, status)| !backs_off(status)));
    world.objects.add_config_map("settings", "KEY", "value");
    world.events.send(PodEvent::Wake(vec!["config-missing".to_owned()])).expect("a kubelet");
    until_taken(&api, "config-missing", "readiness", |status| ready(status) && restarts(status, "web") == 1)
        .await;
}
