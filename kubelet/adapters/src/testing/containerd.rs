//! A containerd of one's own: private directories and socket, private CNI network, gone when dropped.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::image::{TestImage, write_archive};
use crate::cri::Client;
use crate::images::import_archive;

/// Name of the pause image the private containerd uses.
pub const PAUSE_IMAGE: &str = "localhost/test/pause:1";

/// Name of the busybox image every private containerd has.
pub const BUSYBOX_IMAGE: &str = "localhost/test/busybox:1";

const START_WITHIN: Duration = Duration::from_secs(30);

/// A running containerd with a pause and a busybox image.
#[derive(Debug)]
pub struct TestContainerd {
    process: Child,
    /// Everything it has, removed on drop.
    directory: PathBuf,
    bridge: String,
}

/// Whether this machine can run one: root, with containerd, runc and busybox installed.
pub fn available() -> bool {
    let installed = |names: &[&str]| names.iter().any(|name| Path::new(name).exists());
    nix::unistd::geteuid().is_root()
        && installed(&["/usr/bin/containerd", "/usr/local/bin/containerd"])
        && installed(&["/bin/busybox"])
}

impl TestContainerd {
    /// Starts one, waits until CRI answers and imports the images. `index` (1–200) keeps networks of parallel tests apart.
    ///
    /// # Errors
    /// What kept it from starting, with the end of its log.
    pub async fn start(index: u8) -> io::Result<TestContainerd> {
        let directory = std::env::temp_dir().join(format!("ctrd-test-{}-{index}", std::process::id()));
        for part in ["root", "state", "cni"] {
            fs::create_dir_all(directory.join(part))?;
        }
        let bridge = format!("ctrdtest{index}");
        fs::write(directory.join("cni/10-test.conflist"), conflist(&bridge, index, &directory))?;
        fs::write(directory.join("config.toml"), configuration(&directory, free_port()?))?;
        let process = spawn(&directory)?;
        let running = TestContainerd { process, directory, bridge };
        running.wait_until_ready().await.map_err(|why| running.explain(why))?;
        let archive = running.directory.join("images.tar");
        write_archive(&archive, &[TestImage::pause(PAUSE_IMAGE)?, TestImage::busybox(BUSYBOX_IMAGE)?])?;
        import_archive(&running.socket(), &archive)
            .await
            .map_err(|error| running.explain(format!("{error:?}")))?;
        Ok(running)
    }

    /// Does to it what a reboot of the machine does: every container ends, and what is kept in memory is lost; what is
    /// on disk stays.
    ///
    /// # Errors
    /// What kept it from starting again, with the end of its log.
    pub async fn reboot(&mut self) -> io::Result<()> {
        self.end_shims();
        kill(Pid::from_raw(self.process.id().cast_signed()), Signal::SIGKILL)?;
        self.process.wait()?;
        self.end_shims();
        unmount_below(&self.directory);
        for part in ["state", "addresses"] {
            match fs::remove_dir_all(self.directory.join(part)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::create_dir_all(self.directory.join("state"))?;
        match fs::remove_file(self.socket()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.process = spawn(&self.directory)?;
        self.wait_until_ready().await.map_err(|why| self.explain(why))
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.directory.join("containerd.sock")
    }

    /// Its socket as the kubelet's configuration writes it.
    pub fn endpoint(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// A cgroup for its sandboxes, removed with everything else.
    pub fn cgroup_parent(&self) -> String {
        format!("/{}", self.bridge)
    }

    /// A directory for the test's own files, removed with everything else.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    async fn wait_until_ready(&self) -> Result<(), String> {
        let client =
            Client::new(&self.endpoint(), None, Duration::from_secs(2)).map_err(|error| error.to_string())?;
        let deadline = Instant::now() + START_WITHIN;
        loop {
            let last = match client.status(false).await {
                Ok(answer) => {
                    let status = answer.status.unwrap_or_default();
                    if !status.conditions.is_empty()
                        && status.conditions.iter().all(|condition| condition.status)
                    {
                        return Ok(());
                    }
                    format!("not ready: {:?}", status.conditions)
                }
                Err(error) => error.to_string(),
            };
            if Instant::now() > deadline {
                return Err(last);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn explain(&self, why: String) -> io::Error {
        let log = fs::read_to_string(self.directory.join("log")).unwrap_or_default();
        let end: Vec<&str> = log.lines().rev().take(15).collect();
        io::Error::other(format!("{why}; containerd's last words, newest first: {end:#?}"))
    }

    /// Ends whatever still runs in containers: shims outlive containerd.
    fn end_shims(&self) {
        let address = self.socket().display().to_string();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
                continue;
            };
            let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command).into_owned();
            if command.contains("containerd-shim") && command.contains(&address) {
                end_tree(pid);
            }
        }
    }
}

impl Drop for TestContainerd {
    fn drop(&mut self) {
        self.end_shims();
        // Failures below only leave things behind; a test's result must not depend on them.
        let _ = kill(Pid::from_raw(self.process.id().cast_signed()), Signal::SIGKILL);
        let _ = self.process.wait();
        self.end_shims();
        unmount_below(&self.directory);
        for controller in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
            remove_cgroup(&controller.path().join(&self.bridge));
        }
        remove_cgroup(&Path::new("/sys/fs/cgroup").join(&self.bridge));
        let _ = fs::remove_dir_all(&self.directory);
        let _ = Command::new("ip").args(["link", "delete", &self.bridge]).stderr(Stdio::null()).status();
    }
}

fn spawn(directory: &Path) -> io::Result<Child> {
    let log = fs::OpenOptions::new().create(true).append(true).open(directory.join("log"))?;
    Command::new("containerd")
        .arg("--config")
        .arg(directory.join("config.toml"))
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
}

/// Kills a process and all its descendants, children last so that none is missed.
fn end_tree(pid: i32) {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    for child in children.split_whitespace().filter_map(|child| child.parse().ok()) {
        end_tree(child);
    }
}

fn remove_cgroup(directory: &Path) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    for below in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        remove_cgroup(&below.path());
    }
    let _ = fs::remove_dir(directory);
}

fn unmount_below(directory: &Path) {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = table.lines().filter_map(|line| line.split_whitespace().nth(4));
    let mut points: Vec<&str> = points.filter(|point| Path::new(point).starts_with(directory)).collect();
    points.reverse();
    for point in points {
        let _ = nix::mount::umount2(point, nix::mount::MntFlags::MNT_DETACH);
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn conflist(bridge: &str, index: u8, directory: &Path) -> String {
    serde_json::json!({
        "cniVersion": "0.4.0",
        "name": bridge,
        "plugins": [
            {
                "type": "bridge", "bridge": bridge, "isGateway": true, "ipMasq": false, "hairpinMode": true,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": format!("10.199.{index}.0/24")}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                    "dataDir": directory.join("addresses"),
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": true}},
            {"type": "loopback"},
        ],
    })
    .to_string()
}

fn configuration(directory: &Path, stream_port: u16) -> String {
    let at = |part: &str| directory.join(part).display().to_string();
    format!(
        r#"version = 2
root = "{root}"
state = "{state}"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  restrict_oom_score_adj = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "{stream_port}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{cni}"
"#,
        root = at("root"),
        state = at("state"),
        socket = at("containerd.sock"),
        cni = at("cni"),
    )
}
