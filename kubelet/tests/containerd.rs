//! The whole kubelet on a real containerd: a static pod without an API server, over a restart, to its removal.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Parser;
use client::config::Source;
use client::{Client, Config};
use component_base::Shutdown;
use kubelet::options::Options;
use kubelet_adapters::cri::CriRuntime;
use kubelet_adapters::testing::containerd::{BUSYBOX_IMAGE, TestContainerd, available};
use kubelet_core::ports::{ContainerState, ContainerSummary, Runtime};
use tokio::task::JoinHandle;

/// Longest time a condition may take.
const PATIENCE: Duration = Duration::from_secs(60);

struct Node {
    containerd: TestContainerd,
    runtime: CriRuntime,
    directory: PathBuf,
    port: u16,
}

impl Node {
    async fn start(index: u8) -> Node {
        let containerd = TestContainerd::start(index).await.expect("containerd starts");
        let runtime =
            CriRuntime::new(&containerd.endpoint(), None, Duration::from_secs(60)).expect("an endpoint");
        let directory = containerd.directory().join("node");
        std::fs::create_dir_all(directory.join("manifests")).expect("a directory");
        let port = std::net::TcpListener::bind(("127.0.0.1", 0)).and_then(|free| free.local_addr());
        let port = port.expect("a free port").port();
        let config = format!(
            "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n\
             staticPodPath: {root}/manifests\npodLogsDir: {root}/logs\ncontainerRuntimeEndpoint: {endpoint}\n\
             cgroupRoot: {parent}\nfailCgroupV1: false\nfailSwapOn: false\nhealthzPort: 0\n\
             address: 127.0.0.1\nport: {port}\nauthorization: {{mode: AlwaysAllow}}\n\
             authentication: {{anonymous: {{enabled: true}}, webhook: {{enabled: false}}}}\n\
             evictionHard: {{memory.available: 1Mi}}\nimageGCHighThresholdPercent: 100\n",
            root = directory.display(),
            endpoint = containerd.endpoint(),
            parent = containerd.cgroup_parent(),
        );
        std::fs::write(directory.join("config.yaml"), config).expect("written");
        Node { containerd, runtime, directory, port }
    }

    /// Starts the kubelet; ending the returned task is as sudden as a kill.
    fn kubelet(&self) -> JoinHandle<anyhow::Result<()>> {
        let path = |name: &str| self.directory.join(name).display().to_string();
        let options = Options::try_parse_from([
            "kubelet".to_owned(),
            format!("--config={}", path("config.yaml")),
            format!("--root-dir={}", path("root")),
            format!("--cert-dir={}", path("pki")),
            "--hostname-override=node".to_owned(),
            "--node-ip=127.0.0.1".to_owned(),
        ])
        .expect("flags");
        tokio::spawn(kubelet::run(options, Shutdown::new()))
    }

    async fn containers(&self) -> Vec<ContainerSummary> {
        self.runtime.list_containers().await.expect("a list")
    }

    async fn until(&self, what: &str, met: impl Fn(&[ContainerSummary]) -> bool) -> Vec<ContainerSummary> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let containers = self.containers().await;
            if met(&containers) {
                return containers;
            }
            assert!(Instant::now() < deadline, "{what} never came; the runtime has {containers:#?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// A page of the kubelet's server, whose certificate is verified.
    async fn page(&self, path: &str) -> String {
        let mut config = Config::new(&format!("https://127.0.0.1:{}", self.port)).expect("an address");
        config.authorities = Some(Source::File(self.directory.join("pki/kubelet.crt")));
        let deadline = Instant::now() + PATIENCE;
        loop {
            // The certificate is written, and the port opened, when the server starts.
            let answer = match Client::new(config.clone()) {
                Ok(client) => client.get_text(path).await,
                Err(error) => Err(error),
            };
            match answer {
                Ok(text) => return text,
                Err(error) => assert!(Instant::now() < deadline, "{path}: {error:?}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// A pod with a container, limits and a volume.
    fn write_manifest(&self) {
        let manifest = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: web, namespace: kube-system}}\nspec:\n  hostNetwork: true\n  \
             terminationGracePeriodSeconds: 2\n  containers:\n  - name: main\n    image: {BUSYBOX_IMAGE}\n    \
             imagePullPolicy: Never\n    command: [sleep, '1000']\n    \
             resources: {{requests: {{cpu: 10m}}, limits: {{memory: 32Mi}}}}\n    \
             volumeMounts: [{{name: data, mountPath: /data}}]\n  volumes: [{{name: data, emptyDir: {{medium: Memory}}}}]\n"
        );
        std::fs::write(self.manifest(), manifest).expect("written");
    }

    fn manifest(&self) -> PathBuf {
        self.directory.join("manifests/web.yaml")
    }
}

fn running(containers: &[ContainerSummary]) -> Vec<&ContainerSummary> {
    containers.iter().filter(|known| known.state == ContainerState::Running).collect()
}

fn empty(directory: &Path) -> bool {
    std::fs::read_dir(directory).map_or(true, |mut entries| entries.next().is_none())
}

/// What Prometheus, metrics-server and people read of a running container.
async fn pages(node: &Node) {
    let check = async |path: &str, parts: &[&str]| {
        let text = node.page(path).await;
        for part in parts {
            assert!(text.contains(part), "{part} is not in {path}:\n{text}");
        }
    };
    check("/healthz", &["ok"]).await;
    check("/pods", &[r#""name":"web-node""#, r#""phase":"Running""#]).await;
    check("/runningpods/", &[r#""name":"main""#]).await;
    check("/configz", &[r#""staticPodPath":"#]).await;
    check("/stats/summary", &[r#""nodeName":"node""#, r#""name":"web-node""#, r#""workingSetBytes":"#]).await;
    let of_container = r#"{container="main",namespace="kube-system",pod="web-node"}"#;
    check(
        "/metrics/resource",
        &[
            &format!("container_cpu_usage_seconds_total{of_container}"),
            &format!("container_memory_working_set_bytes{of_container}"),
            &format!("container_start_time_seconds{of_container}"),
            r#"pod_cpu_usage_seconds_total{namespace="kube-system",pod="web-node"}"#,
            "node_memory_working_set_bytes ",
            "resource_scrape_error 0",
        ],
    )
    .await;
    check(
        "/metrics",
        &[
            r#"kubelet_desired_pods{static="true"} 1"#,
            r#"kubelet_running_containers{container_state="running"} 1"#,
            r#"kubelet_runtime_operations_total{operation_type="create_container"} 1"#,
            "kubelet_pod_start_duration_seconds_count 1",
            "kubelet_pleg_relist_interval_seconds_count",
            "process_resident_memory_bytes",
            "kubernetes_build_info",
        ],
    )
    .await;
    let text = node.page("/metrics/cadvisor").await;
    let sample = |name: &str| {
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("{name}{{")) && line.contains(r#"container="main""#));
        let line = line.unwrap_or_else(|| panic!("{name} is not in\n{text}"));
        line.rsplit(' ').nth(1).and_then(|value| value.parse::<f64>().ok()).expect("a number")
    };
    assert_eq!(sample("container_spec_memory_limit_bytes"), f64::from(32 << 20));
    assert_eq!(sample("container_spec_cpu_shares"), 10.0);
    assert_eq!(sample("container_threads"), 1.0);
    for name in [
        "container_cpu_usage_seconds_total",
        "container_memory_working_set_bytes",
        "container_memory_cache",
        "container_oom_events_total",
        "container_start_time_seconds",
        "container_last_seen",
    ] {
        assert!(sample(name) >= 0.0, "{name}");
    }
    assert!(text.contains("machine_cpu_cores "), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_static_pod_survives_the_kubelet() {
    if !available() {
        eprintln!("skipped: containerd, busybox and root are needed");
        return;
    }
    let node = Node::start(150).await;
    node.write_manifest();
    let kubelet = node.kubelet();
    let first = node.until("a running container", |known| running(known).len() == 1).await;
    pages(&node).await;
    kubelet.abort();
    let _ = kubelet.await;

    let kubelet = node.kubelet();
    // Had the new kubelet not known the container for its own, there would be another beside it, or another sandbox.
    let id = running(&first).first().map(|known| known.id.clone()).expect("one");
    node.runtime.stop_container(&id, Duration::ZERO).await.expect("stopped");
    let restarted = |known: &[ContainerSummary]| running(known).iter().any(|known| known.attempt == 1);
    let after = node.until("a restart", restarted).await;
    assert_eq!(after.len(), 2, "{after:#?}");
    assert!(after.iter().any(|known| known.id == id), "{after:#?}");
    let sandboxes = node.runtime.list_sandboxes().await.expect("a list");
    assert_eq!(sandboxes.iter().map(|known| known.attempt).collect::<Vec<_>>(), [0]);

    std::fs::remove_file(node.manifest()).expect("removed");
    node.until("removal", <[ContainerSummary]>::is_empty).await;
    let deadline = Instant::now() + PATIENCE;
    while !empty(&node.directory.join("root/pods")) {
        assert!(Instant::now() < deadline, "the pod's directory stays");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    kubelet.abort();
    let _ = kubelet.await;
    drop(node.containerd);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reboot_brings_static_pods_back() {
    if !available() {
        eprintln!("skipped: containerd, busybox and root are needed");
        return;
    }
    let mut node = Node::start(151).await;
    node.write_manifest();
    let kubelet = node.kubelet();
    let first = node.until("a running container", |known| running(known).len() == 1).await;
    kubelet.abort();
    let _ = kubelet.await;
    node.containerd.reboot().await.expect("containerd starts again");

    let kubelet = node.kubelet();
    let again = node.until("a running container", |known| running(known).len() == 1).await;
    // The one before counts as a restart; its sandbox is replaced, and the pod is the same.
    assert_eq!(running(&again).iter().map(|known| known.attempt).collect::<Vec<_>>(), [1], "{again:#?}");
    let sandboxes = node.runtime.list_sandboxes().await.expect("a list");
    assert_eq!(sandboxes.iter().map(|known| known.attempt).max(), Some(1), "{sandboxes:#?}");
    let uid = |known: &[ContainerSummary]| {
        known
            .iter()
            .filter_map(|known| known.labels.get("io.kubernetes.pod.uid").cloned())
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(uid(&again), uid(&first));
    let deadline = Instant::now() + PATIENCE;
    loop {
        let pods = node.page("/pods").await;
        if pods.contains(r#""restartCount":1"#) && pods.contains(r#""exitCode":"#) {
            break;
        }
        assert!(Instant::now() < deadline, "no restart is told of:\n{pods}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    kubelet.abort();
    let _ = kubelet.await;
}
