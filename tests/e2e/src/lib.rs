//! What a user does with a running cluster, by kubectl: the means of the end-to-end tests.
//!
//! The cluster is that of `KUBECONFIG`; where that is not set the tests say so and pass. The judge is upstream's kubectl
//! (`UPSTREAM_KUBECTL`, else `/usr/bin/kubectl`), where there is none, ours; `UPSTREAM_KUBECTL` may name ours as well.

pub mod identities;
pub mod processes;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Between two looks at a condition.
const INTERVAL: Duration = Duration::from_millis(250);

/// What a command answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Exit code; −1 after a signal.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// A running cluster.
#[derive(Clone, Debug)]
pub struct Cluster {
    kubectl: PathBuf,
    kubeconfig: PathBuf,
}

impl Cluster {
    /// The cluster of `KUBECONFIG`, or `None` when that is not set.
    pub fn find() -> Option<Self> {
        let kubeconfig = PathBuf::from(std::env::var_os("KUBECONFIG")?);
        assert!(kubeconfig.is_file(), "KUBECONFIG names {}, which is not there", kubeconfig.display());
        let named = std::env::var_os("UPSTREAM_KUBECTL").map(PathBuf::from);
        let usual = ["/usr/bin/kubectl", "/usr/local/bin/kubectl"].map(PathBuf::from);
        let kubectl = named.into_iter().chain(usual).find(|path| path.is_file())?;
        Some(Self { kubectl, kubeconfig })
    }

    /// The same cluster, asked with another kubeconfig.
    pub fn with_kubeconfig(&self, path: &Path) -> Self {
        Self { kubeconfig: path.to_owned(), ..self.clone() }
    }

    /// The kubeconfig in use.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Runs kubectl with words separated by spaces.
    pub fn kubectl(&self, words: &str) -> Answer {
        self.kubectl_with(&words.split_whitespace().collect::<Vec<_>>(), "")
    }

    /// Runs kubectl with arguments and standard input.
    pub fn kubectl_with(&self, arguments: &[&str], input: &str) -> Answer {
        let mut child = Command::new(&self.kubectl)
            .args(arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubectl can be started");
        let mut stdin = child.stdin.take().expect("input is piped");
        stdin.write_all(input.as_bytes()).ok();
        drop(stdin);
        let output = child.wait_with_output().expect("kubectl ends");
        Answer {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs kubectl and wants it to succeed.
    pub fn ok(&self, words: &str) -> String {
        let answer = self.kubectl(words);
        assert_eq!(answer.code, 0, "kubectl {words}\n{}{}", answer.stdout, answer.stderr);
        answer.stdout
    }

    /// Applies a manifest and wants it to succeed.
    pub fn apply(&self, manifest: &str) -> String {
        let answer = self.kubectl_with(&["apply", "-f", "-"], manifest);
        assert_eq!(answer.code, 0, "kubectl apply\n{manifest}\n{}{}", answer.stdout, answer.stderr);
        answer.stdout
    }

    /// Objects as JSON; `null` when kubectl fails.
    pub fn json(&self, words: &str) -> Value {
        let answer = self.kubectl(&format!("get {words} -o json"));
        serde_json::from_str(&answer.stdout).unwrap_or(Value::Null)
    }

    /// Waits until `look` gives something; prints pods and events when it does not.
    pub fn wait<T>(&self, what: &str, seconds: u64, mut look: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        loop {
            if let Some(found) = look() {
                return found;
            }
            if Instant::now() > deadline {
                let pods = self.kubectl("get pods -A -o wide").stdout;
                let events = self.kubectl("get events -A --sort-by=.metadata.creationTimestamp").stdout;
                let recent: Vec<&str> = events.lines().rev().take(30).collect();
                panic!("not within {seconds} s: {what}\n{pods}\n{}", recent.join("\n"));
            }
            std::thread::sleep(INTERVAL);
        }
    }

    /// Waits until a Deployment has all its pods available and none of another template.
    pub fn rolled_out(&self, namespace: &str, name: &str, replicas: u64) {
        self.wait(&format!("deployment {name} has {replicas} pods"), 120, || {
            let status = self.json(&format!("-n {namespace} deployment {name}"));
            let number = |field: &str| status["status"][field].as_u64().unwrap_or(0);
            let observed = status["status"]["observedGeneration"] == status["metadata"]["generation"];
            let all = number("updatedReplicas") == replicas && number("availableReplicas") == replicas;
            (observed && all && number("replicas") == replicas).then_some(())
        });
    }

    /// Names of the pods with a label.
    pub fn pods(&self, namespace: &str, label: &str) -> Vec<String> {
        let pods = self.json(&format!("-n {namespace} pods -l {label}"));
        let items = pods["items"].as_array().cloned().unwrap_or_default();
        let alive = items.iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        alive.filter_map(|pod| Some(pod["metadata"]["name"].as_str()?.to_owned())).collect()
    }
}

/// Sends one line over TCP and reads the first answer; `None` when nobody answers.
pub fn ask(address: &str, line: &str) -> Option<String> {
    let address = address.parse().ok()?;
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    stream.write_all(line.as_bytes()).ok()?;
    let mut answer = [0; 256];
    let length = stream.read(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer[..length]).into_owned())
}
