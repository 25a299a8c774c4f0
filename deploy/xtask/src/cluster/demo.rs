//! The demo: applying it, waiting for it, and asking it.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use super::{ADMIN_KUBECONFIG, PROGRAMS_DIR};
use crate::process::{command, output_of};

const NODE_PORT: u16 = 30379;
const INTERVAL: Duration = Duration::from_millis(300);
const ASK_LIMIT: Duration = Duration::from_secs(3);

/// Runs our kubectl as the administrator.
pub fn kubectl(words: &[&str]) -> Result<String> {
    let program = Path::new(PROGRAMS_DIR).join("kubectl");
    output_of(command(&program.to_string_lossy(), words).env("KUBECONFIG", ADMIN_KUBECONFIG))
}

/// Waits for a condition with a deadline; at its end tells what was seen last.
pub fn wait_for(what: &str, limit: Duration, mut check: impl FnMut() -> Result<()>) -> Result<()> {
    let deadline = Instant::now() + limit;
    let mut shown = Instant::now();
    loop {
        let Err(error) = check() else { return Ok(()) };
        if Instant::now() >= deadline {
            return Err(error.context(format!("{what} within {} s", limit.as_secs())));
        }
        if shown.elapsed() > Duration::from_secs(10) {
            println!("    waiting for {what}: {error:#}");
            shown = Instant::now();
        }
        std::thread::sleep(INTERVAL);
    }
}

/// The node is ready.
pub fn node_ready() -> Result<()> {
    let path = r#"-o=jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}"#;
    let states = kubectl(&["get", "nodes", path])?;
    let all = !states.trim().is_empty() && states.split_whitespace().all(|state| state == "True");
    if all { Ok(()) } else { anyhow::bail!("the node's condition Ready is {states:?}") }
}

/// All of the cluster's own pods are ready.
pub fn own_pods_ready() -> Result<()> {
    let path = r#"-o=jsonpath={range .items[*]}{.metadata.name}{"="}{.status.conditions[?(@.type=="Ready")].status}{" "}{end}"#;
    let text = kubectl(&["-n", "kube-system", "get", "pods", path])?;
    let waiting: Vec<&str> = text.split_whitespace().filter(|pod| !pod.ends_with("=True")).collect();
    anyhow::ensure!(!text.trim().is_empty(), "there are no pods yet");
    anyhow::ensure!(waiting.is_empty(), "not ready: {}", waiting.join(" "));
    Ok(())
}

/// A Deployment has all its pods available.
pub fn deployment_available(namespace: &str, name: &str) -> Result<()> {
    let path = "-o=jsonpath={.spec.replicas} {.status.availableReplicas} {.status.updatedReplicas}";
    let text = kubectl(&["-n", namespace, "get", "deployment", name, path])?;
    let numbers: Vec<&str> = text.split_whitespace().collect();
    match numbers.as_slice() {
        [wanted, available, updated] if wanted == available && wanted == updated => Ok(()),
        _ => {
            anyhow::bail!("deployment {namespace}/{name} has replicas {text:?} (wanted, available, updated)")
        }
    }
}

/// Applies the demo's manifest.
pub fn apply(root: &Path) -> Result<()> {
    let manifest = root.join("deploy/manifests/demo.yaml");
    let text = kubectl(&["apply", "-f", &manifest.to_string_lossy()])?;
    text.lines().for_each(|line| println!("    {line}"));
    Ok(())
}

/// The node's own address.
pub fn node_address() -> Result<String> {
    let path = r#"-o=jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}"#;
    Ok(kubectl(&["get", "nodes", path])?.trim().to_owned())
}

/// Asks redis on the node's port.
pub fn ping() -> Result<String> {
    let host = node_address()?;
    let address: SocketAddr =
        format!("{host}:{NODE_PORT}").parse().with_context(|| format!("the node's address is {host:?}"))?;
    let mut stream =
        TcpStream::connect_timeout(&address, ASK_LIMIT).context("no connection to the demo's port")?;
    stream.set_read_timeout(Some(ASK_LIMIT))?;
    stream.write_all(b"PING\r\n")?;
    let mut answer = [0_u8; 7];
    stream.read_exact(&mut answer).context("the demo does not answer")?;
    anyhow::ensure!(&answer == b"+PONG\r\n", "the demo answers {:?}", String::from_utf8_lossy(&answer));
    Ok(format!("redis://{address}"))
}

/// What helps to see why something does not come up.
pub fn diagnose() {
    for words in
        [&["get", "nodes", "-o", "wide"][..], &["get", "pods", "-A", "-o", "wide"], &["get", "events", "-A"]]
    {
        match kubectl(words) {
            Ok(text) => println!("--- kubectl {}\n{text}", words.join(" ")),
            Err(error) => println!("--- kubectl {}: {error:#}", words.join(" ")),
        }
    }
    for log in ["kubelet", "containerd"] {
        let path = format!("/var/log/kube-supervisor/{log}.log");
        if let Ok(text) = output_of(&mut command("tail", ["-n", "40", &path])) {
            println!("--- {path}\n{text}");
        }
    }
}
