//! The kubelet's ports against a real containerd.

use std::collections::BTreeMap;
use std::time::Duration;

use kubelet_core::ports::{
    self, ContainerState, Images, Runtime, RuntimeErrorCode, RuntimeEventKind, RuntimeEvents, SandboxState,
    StreamRequest,
};

use super::CriRuntime;
use crate::testing::containerd::{BUSYBOX_IMAGE, TestContainerd, available};

const PATIENCE: Duration = Duration::from_secs(30);

fn sandbox_config(containerd: &TestContainerd, name: &str) -> ports::SandboxConfig {
    ports::SandboxConfig {
        name: name.to_owned(),
        uid: format!("uid-{name}"),
        namespace: "default".to_owned(),
        hostname: name.to_owned(),
        // containerd measures only sandboxes that have one.
        cgroup_parent: containerd.cgroup_parent(),
        log_directory: containerd.directory().join("logs").join(name).display().to_string(),
        labels: BTreeMap::from([("io.kubernetes.pod.name".to_owned(), name.to_owned())]),
        ..Default::default()
    }
}

fn container_config(command: &[&str]) -> ports::ContainerConfig {
    ports::ContainerConfig {
        name: "main".to_owned(),
        image: BUSYBOX_IMAGE.to_owned(),
        command: command.iter().map(|part| (*part).to_owned()).collect(),
        env: vec![("GREETING".to_owned(), "hello".to_owned())],
        log_path: "main/0.log".to_owned(),
        ..Default::default()
    }
}

async fn wait_for(
    events: &mut Box<dyn RuntimeEvents>,
    id: &str,
    kind: RuntimeEventKind,
) -> Result<(), tokio::time::error::Elapsed> {
    tokio::time::timeout(PATIENCE, async {
        while let Some(event) = events.next().await {
            if event.container_id == id && event.kind == kind {
                return;
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_from_start_to_removal() {
    if !available() {
        eprintln!("skipped: needs root, containerd and busybox");
        return;
    }
    let containerd = TestContainerd::start(11).await.expect("containerd starts");
    let runtime =
        CriRuntime::new(&containerd.endpoint(), None, Duration::from_secs(60)).expect("sound endpoint");
    assert_eq!(runtime.version().await.expect("version").name, "containerd");
    let image = Images::status(&runtime, BUSYBOX_IMAGE).await.expect("image status").expect("imported");
    assert_eq!(image.repo_tags, [BUSYBOX_IMAGE]);
    assert_eq!(Images::status(&runtime, "localhost/none:1").await.expect("image status"), None);
    let mut events = runtime.events().await.expect("events");

    let config = sandbox_config(&containerd, "one");
    std::fs::create_dir_all(format!("{}/main", config.log_directory)).expect("log directory");
    let sandbox = runtime.run_sandbox(&config, "").await.expect("sandbox runs");
    let status = runtime.sandbox_status(&sandbox).await.expect("sandbox status");
    assert_eq!((status.summary.state, status.ips.len()), (SandboxState::Ready, 1));

    let script = container_config(&["/bin/sh", "-c", "echo $GREETING; sleep 1000"]);
    let container = runtime.create_container(&sandbox, &script, &config).await.expect("container is created");
    runtime.start_container(&container).await.expect("container starts");
    wait_for(&mut events, &container, RuntimeEventKind::Started).await.expect("start event");
    let status = Runtime::container_status(&runtime, &container).await.expect("container status");
    assert_eq!((status.state, status.sandbox_id.as_str()), (ContainerState::Running, sandbox.as_str()));

    let run = |command: &str, seconds| {
        let command = ["/bin/sh", "-c", command].map(str::to_owned);
        let (runtime, container) = (&runtime, &container);
        async move { runtime.exec(container, &command, Duration::from_secs(seconds)).await }
    };
    let ran = run("echo out; echo err >&2; exit 3", 10).await.expect("command runs");
    assert_eq!(
        (ran.stdout.as_slice(), ran.stderr.as_slice(), ran.exit_code),
        (&b"out\n"[..], &b"err\n"[..], 3)
    );
    let slow = run("sleep 60", 1).await.expect_err("command takes too long");
    assert_eq!(slow.code, RuntimeErrorCode::DeadlineExceeded);

    let request = StreamRequest::Exec {
        container_id: container.clone(),
        command: vec!["/bin/sh".to_owned()],
        tty: false,
        stdin: true,
        stdout: true,
        stderr: true,
    };
    assert!(runtime.stream_url(&request).await.expect("stream url").starts_with("http://127.0.0.1:"));
    let usage = runtime.container_usage().await.expect("usage");
    assert!(
        usage.iter().any(|usage| usage.container_id == container && usage.memory_working_set_bytes > Some(0))
    );
    let pods = runtime.pod_usage().await.expect("pod usage").expect("containerd tells");
    assert!(pods.iter().any(|usage| usage.sandbox_id == sandbox));

    runtime.stop_container(&container, Duration::ZERO).await.expect("container stops");
    wait_for(&mut events, &container, RuntimeEventKind::Stopped).await.expect("stop event");
    let status = Runtime::container_status(&runtime, &container).await.expect("container status");
    assert_eq!((status.state, status.exit_code), (ContainerState::Exited, 137));
    let log = std::fs::read_to_string(&status.log_path).expect("log file");
    assert!(log.contains(" stdout F hello\n"), "{log}");

    runtime.remove_container(&container).await.expect("container is removed");
    runtime.remove_container(&container).await.expect("removing twice is fine");
    let gone = Runtime::container_status(&runtime, &container).await.expect_err("container is gone");
    assert!(gone.is_not_found(), "{gone}");
    runtime.stop_sandbox(&sandbox).await.expect("sandbox stops");
    runtime.remove_sandbox(&sandbox).await.expect("sandbox is removed");
    runtime.remove_sandbox(&sandbox).await.expect("removing twice is fine");
    assert_eq!(runtime.list_sandboxes().await.expect("list"), []);
}

#[tokio::test]
async fn an_unreachable_runtime_is_unavailable() {
    let runtime =
        CriRuntime::new("unix:///nonexistent/x.sock", None, Duration::from_secs(1)).expect("sound endpoint");
    let error = runtime.version().await.expect_err("nothing listens");
    assert_eq!(error.code, RuntimeErrorCode::Unavailable, "{error}");
}
