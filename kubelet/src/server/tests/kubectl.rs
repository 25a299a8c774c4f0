//! Upstream's kubectl through a byte-copying API server to the node and its containerd.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;

use super::{PATIENCE, TestNode, cluster};

/// The judge; `None` where it is not installed.
fn kubectl() -> Option<PathBuf> {
    let named = std::env::var_os("UPSTREAM_KUBECTL").map(PathBuf::from);
    named.or_else(|| Some(PathBuf::from("/usr/bin/kubectl"))).filter(|path| path.exists())
}

struct Judge {
    program: PathBuf,
    server: SocketAddr,
    directory: PathBuf,
}

impl Judge {
    fn words(&self, arguments: &[&str]) -> Vec<String> {
        let server = format!("--server=http://{}", self.server);
        let cache = format!("--cache-dir={}", self.directory.join("cache").display());
        let fixed = ["--kubeconfig=/dev/null".to_owned(), server, cache];
        fixed.into_iter().chain(arguments.iter().map(|word| (*word).to_owned())).collect()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(self.words(arguments)).kill_on_drop(true).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Exit code and both outputs.
    async fn run(&self, arguments: &[&str], input: &[u8]) -> (i32, String, String) {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().expect("kubectl starts");
        let mut stdin = child.stdin.take().expect("piped");
        let input = input.to_vec();
        tokio::spawn(async move { stdin.write_all(&input).await });
        let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("kubectl ends");
        let output = output.expect("output");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kubectl_reaches_containers() {
    let Some(program) = kubectl() else {
        eprintln!("skipped: needs upstream's kubectl");
        return;
    };
    let Some(node) = TestNode::start(22).await else { return };
    let node = Arc::new(node);
    node.run_pod("echo started; while read line; do echo got $line; done").await;
    let judge =
        Judge { program, server: cluster::serve(&node).await, directory: node.directory().to_owned() };
    exec(&judge).await;
    terminal(&judge).await;
    copies(&judge, node.directory()).await;
    follows_and_attaches(&judge).await;
    forwards(&judge, &node).await;
}

async fn exec(judge: &Judge) {
    let (code, out, err) = judge.run(&["exec", "web", "--", "sh", "-c", "echo out; echo err >&2"], b"").await;
    assert_eq!((code, out.as_str(), err.as_str()), (0, "out\n", "err\n"));
    let (code, _, err) = judge.run(&["exec", "web", "--", "sh", "-c", "exit 42"], b"").await;
    assert_eq!((code, err.as_str()), (42, "command terminated with exit code 42\n"));
    let input = "x".repeat(1 << 20);
    let (code, out, err) = judge.run(&["exec", "-i", "web", "--", "cat"], input.as_bytes()).await;
    assert_eq!((code, out.len(), err.as_str()), (0, input.len(), ""));
    let (code, out, err) = judge.run(&["exec", "web", "--", "/none"], b"").await;
    assert!(code != 0 && out.is_empty() && err.contains("/none"), "{code} {out} {err}");
}

/// `-it` wants a terminal, which `script` lends.
async fn terminal(judge: &Judge) {
    let words =
        judge.words(&["exec", "-it", "web", "--", "sh", "-c", "'test -t 0 && test -t 1 && echo both'"]);
    let line = format!("{} {}", judge.program.display(), words.join(" "));
    let mut command = Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).stdin(Stdio::null()).kill_on_drop(true);
    let output =
        tokio::time::timeout(PATIENCE, command.output()).await.expect("kubectl ends").expect("script");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("both\r\n"), "{said}");
}

async fn copies(judge: &Judge, directory: &Path) {
    let (there, back) = (directory.join("there"), directory.join("back"));
    let content: Vec<u8> = (0..500_000_u32).map(|number| number as u8).collect();
    std::fs::write(&there, &content).expect("written");
    let (there, back_text) = (there.display().to_string(), back.display().to_string());
    let (code, _, err) = judge.run(&["cp", &there, "web:/tmp/copied"], b"").await;
    assert_eq!((code, err.as_str()), (0, ""));
    let (code, _, err) = judge.run(&["cp", "web:/tmp/copied", &back_text], b"").await;
    assert_eq!(code, 0, "{err}");
    assert_eq!(std::fs::read(back).expect("copied"), content);
}

async fn follows_and_attaches(judge: &Judge) {
    let (code, out, err) = judge.run(&["logs", "web", "--tail=1"], b"").await;
    assert_eq!((code, out.as_str(), err.as_str()), (0, "started\n", ""));
    let mut following = judge.command(&["logs", "-f", "web"]).spawn().expect("kubectl starts");
    let mut lines = BufReader::new(following.stdout.take().expect("piped")).lines();
    let mut next = async || {
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("a line in time");
        line.expect("read").expect("another line")
    };
    assert_eq!(next().await, "started");
    let mut attached =
        judge.command(&["attach", "-i", "web"]).stdin(Stdio::piped()).spawn().expect("kubectl starts");
    let mut stdin = attached.stdin.take().expect("piped");
    stdin.write_all(b"one\n").await.expect("written");
    assert_eq!(next().await, "got one");
    let mut said = BufReader::new(attached.stdout.take().expect("piped")).lines();
    let line = tokio::time::timeout(PATIENCE, said.next_line()).await.expect("in time").expect("read");
    assert_eq!(line.as_deref(), Some("got one"));
}

async fn forwards(judge: &Judge, node: &TestNode) {
    let serve =
        ["/bin/sh", "-c", "mkdir -p /tmp/www; echo page >/tmp/www/index.html; httpd -p 8080 -h /tmp/www"];
    node.runtime()
        .exec(&node.container_id(), &serve.map(str::to_owned), PATIENCE)
        .await
        .expect("httpd starts");
    let mut forward = judge.command(&["port-forward", "pod/web", ":8080"]).spawn().expect("kubectl starts");
    let mut lines = BufReader::new(forward.stdout.take().expect("piped")).lines();
    let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("in time").expect("read");
    let line = line.expect("kubectl says where it listens");
    let port: u16 = line
        .split(" -> ")
        .next()
        .and_then(|left| left.rsplit(':').next())
        .and_then(|port| port.parse().ok())
        .unwrap_or_else(|| panic!("{line}"));
    for _ in 0..3 {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("connects");
        stream.write_all(b"GET /index.html HTTP/1.0\r\n\r\n").await.expect("asked");
        let mut answer = String::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await;
        read.expect("an answer").expect("read");
        assert!(answer.ends_with("page\n"), "{answer}");
    }
}
