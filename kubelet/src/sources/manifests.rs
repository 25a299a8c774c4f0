//! Static pods: manifests in a directory (or one file), read again when something there changes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use api_types::core::v1::{Pod, Toleration};
use aws_lc_rs::digest;
use component_base::Shutdown;
use futures_util::StreamExt;
use inotify::{Inotify, WatchMask};
use kubelet_core::pod::{CONFIG_HASH, CONFIG_SEEN, CONFIG_SOURCE};
use machinery::Message;
use machinery::codec::json::{self, Strictness};
use tokio::sync::mpsc;

use crate::pods::PodEvent;

/// Time for a burst of changes to settle.
const SETTLE: Duration = Duration::from_millis(50);

/// Why a manifest is not a pod.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("failed to read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{}: {message}", path.display())]
    Decode { path: PathBuf, message: String },
    #[error("{}: expected kind Pod of version v1, found kind {kind:?} of version {version:?}", path.display())]
    Kind { path: PathBuf, kind: String, version: String },
    #[error("{}: {rule}", path.display())]
    Invalid { path: PathBuf, rule: String },
}

/// The directory of manifests.
pub struct Manifests {
    path: PathBuf,
    node_name: String,
    /// How often to read it anyway.
    period: Duration,
}

impl Manifests {
    /// Manifests in a directory or one file, for this node.
    pub fn new(path: PathBuf, node_name: String, period: Duration) -> Manifests {
        Manifests { path, node_name, period }
    }

    /// Sends all static pods whenever the directory changes, until shutdown.
    pub async fn run(self, pods: mpsc::UnboundedSender<PodEvent>, shutdown: Shutdown) {
        let mut last: Option<Vec<Arc<Pod>>> = None;
        let mut complaints: Vec<String> = Vec::new();
        loop {
            let mut changes = self.watch();
            let (found, errors) = self.read();
            let messages: Vec<String> =
                errors.iter().map(|error| component_base::run::error_chain(error)).collect();
            if messages != complaints {
                for message in &messages {
                    tracing::error!(message, "static pod manifest refused");
                }
                complaints = messages;
            }
            // The time of first sight differs with each reading: what counts is the hash.
            let same = last.as_ref().is_some_and(|last| {
                last.len() == found.len()
                    && last.iter().zip(&found).all(|(known, pod)| known.metadata.uid == pod.metadata.uid)
            });
            if !same {
                let found: Vec<Arc<Pod>> = found.into_iter().map(Arc::new).collect();
                last = Some(found.clone());
                if pods.send(PodEvent::Static(found)).is_err() {
                    return;
                }
            }
            // Cancel-safe: all arms only wait.
            tokio::select! {
                () = shutdown.wait() => return,
                () = changed(&mut changes) => {}
                () = tokio::time::sleep(self.period) => {}
            }
            if !shutdown.sleep(SETTLE).await {
                return;
            }
        }
    }

    /// A stream of changes; without one (the directory is missing) the period alone decides.
    fn watch(&self) -> Option<inotify::EventStream<[u8; 1024]>> {
        let mask = WatchMask::CREATE
            | WatchMask::CLOSE_WRITE
            | WatchMask::DELETE
            | WatchMask::MOVED_FROM
            | WatchMask::MOVED_TO
            | WatchMask::DELETE_SELF
            | WatchMask::ATTRIB;
        let watched = Inotify::init().and_then(|inotify| {
            inotify.watches().add(&self.path, mask)?;
            inotify.into_event_stream([0; 1024])
        });
        watched.inspect_err(|error| tracing::debug!(%error, path = %self.path.display(), "not watched")).ok()
    }

    /// Every pod the manifests describe, ordered by file, and what is wrong with the others.
    fn read(&self) -> (Vec<Pod>, Vec<ManifestError>) {
        let mut pods = Vec::new();
        let mut errors = Vec::new();
        for file in self.files(&mut errors) {
            match read_pod(&file, &self.node_name) {
                Ok(Some(pod)) => pods.push(pod),
                Ok(None) => {}
                Err(error) => errors.push(error),
            }
        }
        (pods, errors)
    }

    fn files(&self, errors: &mut Vec<ManifestError>) -> Vec<PathBuf> {
        if self.path.is_file() {
            return vec![self.path.clone()];
        }
        let entries = match std::fs::read_dir(&self.path) {
            Ok(entries) => entries,
            // A directory that is not there yet holds no pods.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
            Err(source) => {
                errors.push(ManifestError::Read { path: self.path.clone(), source });
                return Vec::new();
            }
        };
        let mut files: Vec<PathBuf> = entries
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| {
                let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
                !hidden && path.is_file()
            })
            .collect();
        files.sort();
        files
    }
}

async fn changed(stream: &mut Option<inotify::EventStream<[u8; 1024]>>) {
    match stream {
        Some(stream) => {
            stream.next().await;
        }
        None => std::future::pending().await,
    }
}

/// Reads one manifest; an empty file is no pod and no error (editors make them on the way).
fn read_pod(path: &Path, node_name: &str) -> Result<Option<Pod>, ManifestError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ManifestError::Read { path: path.to_owned(), source })?;
    if text.trim().is_empty() {
        return Ok(None);
    }
    decode_pod(path, &text, node_name).map(Some)
}

/// Turns a manifest into a static pod: strict decoding, defaults, and the identity the kubelet gives it.
pub fn decode_pod(path: &Path, text: &str, node_name: &str) -> Result<Pod, ManifestError> {
    let refuse = |message: String| ManifestError::Decode { path: path.to_owned(), message };
    let invalid = |rule: &str| ManifestError::Invalid { path: path.to_owned(), rule: rule.to_owned() };
    let document = machinery::codec::yaml::decode(text).map_err(|error| refuse(error.to_string()))?;
    if let Some(duplicate) = document.duplicates.first() {
        return Err(refuse(format!("strict decoding error: duplicate field {duplicate:?}")));
    }
    let value = document.value;
    let field =
        |name: &str| value.get(name).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    if field("kind") != "Pod" || field("apiVersion") != "v1" {
        return Err(ManifestError::Kind {
            path: path.to_owned(),
            kind: field("kind"),
            version: field("apiVersion"),
        });
    }
    let bytes = value.to_string();
    let decoded = json::decode(Pod::SCHEMA, bytes.as_bytes(), Strictness::Report)
        .map_err(|error| refuse(error.to_string()))?;
    if let Some(unknown) = decoded.unknown.first() {
        return Err(refuse(format!("strict decoding error: unknown field {unknown:?}")));
    }
    let mut pod = Pod::decode(&decoded.protobuf).map_err(|error| refuse(error.to_string()))?;
    rules::core::v1::pod::defaults::set(&mut pod);
    if pod.metadata.name.is_empty() {
        return Err(invalid("metadata.name: required value"));
    }
    if pod.spec.containers.is_empty() {
        return Err(invalid("spec.containers: required value"));
    }
    if pod.spec.containers.iter().any(|container| container.name.is_empty() || container.image.is_empty()) {
        return Err(invalid("spec.containers: every container needs a name and an image"));
    }
    if !pod.spec.ephemeral_containers.is_empty() {
        return Err(invalid("spec.ephemeralContainers: forbidden in a static pod"));
    }
    identify(&mut pod, path, node_name);
    Ok(pod)
}

/// Name, uid, namespace, node and annotations of a static pod. The uid is a hash of the manifest, so that a restart of
/// the kubelet finds its containers and a changed manifest makes another pod.
fn identify(pod: &mut Pod, path: &Path, node_name: &str) {
    let uid = if pod.metadata.uid.is_empty() {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(&pod.encode_to_vec());
        hash.update(node_name.as_bytes());
        hash.update(path.as_os_str().as_encoded_bytes());
        let bytes = hash.finish();
        bytes.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>()
    } else {
        pod.metadata.uid.clone()
    };
    pod.metadata.uid.clone_from(&uid);
    pod.metadata.name = format!("{}-{}", pod.metadata.name, node_name.to_lowercase());
    if pod.metadata.namespace.is_empty() {
        pod.metadata.namespace = "default".to_owned();
    }
    pod.metadata.generation = 1;
    pod.spec.node_name = node_name.to_owned();
    let annotations = &mut pod.metadata.annotations;
    annotations.insert(CONFIG_HASH.to_owned(), uid);
    annotations.insert(CONFIG_SOURCE.to_owned(), "file".to_owned());
    annotations.insert(CONFIG_SEEN.to_owned(), jiff::Timestamp::now().to_string());
    // A static pod stays whatever taints say: nobody could bring it back.
    let all =
        Toleration { operator: "Exists".to_owned(), effect: "NoExecute".to_owned(), ..Toleration::default() };
    if !pod.spec.tolerations.contains(&all) {
        pod.spec.tolerations.push(all);
    }
    pod.status.phase = "Pending".to_owned();
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  namespace: kube-system\nspec:\n  \
                            containers:\n  - name: main\n    image: img\n";

    fn decode(text: &str) -> Result<Pod, String> {
        decode_pod(Path::new("/m/web.yaml"), text, "Node-1").map_err(|error| error.to_string())
    }

    #[test]
    fn a_static_pod_has_a_stable_identity() {
        let pod = decode(MANIFEST).expect("a pod");
        assert_eq!((pod.metadata.name.as_str(), pod.spec.node_name.as_str()), ("web-node-1", "Node-1"));
        assert_eq!(pod.metadata.annotations.get(CONFIG_HASH), Some(&pod.metadata.uid));
        assert_eq!(pod.metadata.uid.len(), 32);
        assert_eq!(decode(MANIFEST).expect("a pod").metadata.uid, pod.metadata.uid);
        let changed = MANIFEST.replace("image: img", "image: other");
        assert_ne!(decode(&changed).expect("a pod").metadata.uid, pod.metadata.uid);
        assert_eq!(pod.spec.restart_policy, "Always");
    }

    #[test]
    fn refusals_name_the_file_and_the_fault() {
        let check = |text: &str, expected: &str| {
            let found = decode(text).expect_err("refused");
            assert!(found.contains("/m/web.yaml") && found.contains(expected), "{found}");
        };
        check("kind: Service\napiVersion: v1", "expected kind Pod");
        check(&MANIFEST.replace("image: img", "imagee: img"), "imagee");
        check("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: []}", "spec.containers");
        check("kind: [", "");
    }
}
