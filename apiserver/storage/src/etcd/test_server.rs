//! A real etcd on loopback with its data in memory, for tests.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{EtcdOptions, EtcdStorage};

const BINARY: &str = "/usr/bin/etcd";

/// Stops the server and removes its data when dropped.
pub(crate) struct TestServer {
    process: Child,
    endpoint: String,
    _data: tempfile::TempDir,
}

impl TestServer {
    /// `None`, with a printed message, when no etcd is installed.
    pub(crate) async fn start() -> Option<TestServer> {
        if !Path::new(BINARY).exists() {
            println!("skipped: {BINARY} is not installed");
            return None;
        }
        let shared_memory = Path::new("/dev/shm");
        let data =
            if shared_memory.is_dir() { tempfile::tempdir_in(shared_memory) } else { tempfile::tempdir() };
        let data = data.expect("a directory for etcd's data");
        let [client, peer] = free_ports();
        let endpoint = format!("http://127.0.0.1:{client}");
        let peer = format!("http://127.0.0.1:{peer}");
        let process = Command::new(BINARY)
            .arg(format!("--data-dir={}", data.path().display()))
            .args(["--name=test", "--log-level=error"])
            .arg(format!("--listen-client-urls={endpoint}"))
            .arg(format!("--advertise-client-urls={endpoint}"))
            .arg(format!("--listen-peer-urls={peer}"))
            .arg(format!("--initial-advertise-peer-urls={peer}"))
            .arg(format!("--initial-cluster=test={peer}"))
            .env("ETCD_UNSUPPORTED_ARCH", std::env::consts::ARCH)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("etcd starts");
        let server = TestServer { process, endpoint, _data: data };
        server.storage().await;
        Some(server)
    }

    /// A new connection, once the server answers.
    pub(crate) async fn storage(&self) -> EtcdStorage {
        let options = EtcdOptions { endpoints: vec![self.endpoint.clone()], tls: None };
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        loop {
            match EtcdStorage::connect(&options).await {
                Ok(storage) => return storage,
                Err(error) if tokio::time::Instant::now() > deadline => {
                    panic!("etcd does not answer: {error}")
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_ports() -> [u16; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("a bound address").port())
}
