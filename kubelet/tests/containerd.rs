//! The whole kubelet on a real containerd: a static pod without an API server, over a restart, to its removal.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Parser;
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
}

impl Node {
    async fn start(index: u8) -> Node {
        let containerd = TestContainerd::start(index).await.expect("containerd starts");
        let runtime =
            CriRuntime::new(&containerd.endpoint(), None, Duration::from_secs(60)).expect("an endpoint");
        let directory = containerd.directory().join("node");
        std::fs::create_dir_all(directory.join("manifests")).expect("a directory");
        let config = format!(
            "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n\
             staticPodPath: {root}/manifests\npodLogsDir: {root}/logs\ncontainerRuntimeEndpoint: {endpoint}\n\
             cgroupRoot: {parent}\nfailCgroupV1: false\nfailSwapOn: false\nhealthzPort: 0\nenableServer: false\n\
             evictionHard: {{memory.available: 1Mi}}\nimageGCHighThresholdPercent: 100\n",
            root = directory.display(),
            endpoint = containerd.endpoint(),
            parent = containerd.cgroup_parent(),
        );
        std::fs::write(directory.join("config.yaml"), config).expect("written");
        Node { containerd, runtime, directory }
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_static_pod_survives_the_kubelet() {
    if !available() {
        eprintln!("skipped: containerd, busybox and root are needed");
        return;
    }
    let node = Node::start(150).await;
    let manifest = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: web, namespace: kube-system}}\nspec:\n  hostNetwork: true\n  \
         terminationGracePeriodSeconds: 2\n  containers:\n  - name: main\n    image: {BUSYBOX_IMAGE}\n    \
         imagePullPolicy: Never\n    command: [sleep, '1000']\n    \
         resources: {{requests: {{cpu: 10m}}, limits: {{memory: 32Mi}}}}\n    \
         volumeMounts: [{{name: data, mountPath: /data}}]\n  volumes: [{{name: data, emptyDir: {{medium: Memory}}}}]\n"
    );
    std::fs::write(node.manifest(), manifest).expect("written");
    let kubelet = node.kubelet();
    let first = node.until("a running container", |known| running(known).len() == 1).await;
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
