//! The user's patches for what kubeadm writes: files named `target[suffix][+patchtype].extension`.

use std::path::{Path, PathBuf};

use api_types::core::v1::Pod;
use machinery::{
    Message as _, Resource as _,
    codec::yaml,
    patch::{json, merge, strategic},
};
use serde_json::Value;

/// What may be patched.
const TARGETS: [&str; 6] = [
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubeletconfiguration",
    "corednsdeployment",
];

/// How a patch is to be read.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Strategic,
    Merge,
    Json,
}

/// One patch file.
#[derive(Clone, Debug, PartialEq)]
struct Patch {
    file: PathBuf,
    target: &'static str,
    kind: Kind,
    contents: Value,
}

#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    #[error("could not read the patches in {path:?}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the patch file {path:?} is not valid: {message}")]
    Contents { path: PathBuf, message: String },
    #[error("unknown patch type {kind:?} from {path:?}: expected one of strategic, merge, json")]
    Kind { path: PathBuf, kind: String },
    #[error("could not apply the patch {path:?} to {target}: {message}")]
    Apply { path: PathBuf, target: &'static str, message: String },
}

/// All patches of a folder, in the order of their file names.
#[derive(Debug, Default, PartialEq)]
pub struct Patches {
    patches: Vec<Patch>,
}

impl Patches {
    /// Reads a folder; without one there are no patches.
    pub fn load(folder: Option<&Path>) -> Result<Self, PatchError> {
        let Some(folder) = folder else { return Ok(Self::default()) };
        let failed = |source| PatchError::Read { path: folder.to_owned(), source };
        let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
            .map_err(failed)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()
            .map_err(failed)?;
        files.sort();
        let mut patches = Vec::new();
        for file in files {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let Some((target, kind)) = parse_name(&file, &name)? else { continue };
            let text = std::fs::read_to_string(&file)
                .map_err(|source| PatchError::Read { path: file.clone(), source })?;
            for document in yaml::split_documents(&text) {
                let contents = yaml::from_str(document).map_err(|error| PatchError::Contents {
                    path: file.clone(),
                    message: error.to_string(),
                })?;
                patches.push(Patch { file: file.clone(), target, kind, contents });
            }
        }
        Ok(Self { patches })
    }

    /// A static pod after the patches for it.
    pub fn static_pod(&self, pod: Pod) -> Result<Pod, PatchError> {
        let target = pod.metadata.name.clone();
        let value = self.apply(&target, pod.to_object_value(), Some(Pod::SCHEMA))?;
        Pod::from_value(&value).map_err(|error| self.broken(&target, &error.to_string()))
    }

    /// A document after the patches for it. Documents without a schema take strategic patches as merge patches.
    pub fn apply(
        &self,
        target: &str,
        value: Value,
        schema: Option<&'static machinery::schema::Message>,
    ) -> Result<Value, PatchError> {
        self.patches.iter().filter(|patch| patch.target == target).try_fold(value, |value, patch| {
            let outcome = match (patch.kind, schema) {
                (Kind::Json, _) => json::apply(&value, &patch.contents).map_err(|error| error.to_string()),
                (Kind::Strategic, Some(schema)) => {
                    strategic::apply(value, patch.contents.clone(), schema).map_err(|error| error.to_string())
                }
                (Kind::Merge | Kind::Strategic, _) => {
                    merge::apply(value, patch.contents.clone()).map_err(|error| error.to_string())
                }
            };
            println!("[patches] Applied patch of type {:?} to target {target:?}", patch.kind);
            outcome.map_err(|message| PatchError::Apply {
                path: patch.file.clone(),
                target: patch.target,
                message,
            })
        })
    }

    fn broken(&self, target: &str, message: &str) -> PatchError {
        let last = self.patches.iter().rev().find(|patch| patch.target == target);
        PatchError::Contents {
            path: last.map(|patch| patch.file.clone()).unwrap_or_default(),
            message: message.to_owned(),
        }
    }
}

/// Target and kind from a file name; none for files that are no patches.
fn parse_name(path: &Path, name: &str) -> Result<Option<(&'static str, Kind)>, PatchError> {
    let Some(stem) = name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".json")) else {
        return Ok(None);
    };
    // The longest target first, as one name may begin with another.
    let mut targets: Vec<&'static str> = TARGETS.to_vec();
    targets.sort_by_key(|target| std::cmp::Reverse(target.len()));
    let Some(target) = targets.into_iter().find(|target| stem.starts_with(*target)) else {
        tracing::warn!("[patches] ignoring {path:?}: its name begins with no known target");
        return Ok(None);
    };
    let kind = match stem.rsplit_once('+').map(|(_, kind)| kind) {
        None | Some("strategic") => Kind::Strategic,
        Some("merge") => Kind::Merge,
        Some("json") => Kind::Json,
        Some(other) => return Err(PatchError::Kind { path: path.to_owned(), kind: other.to_owned() }),
    };
    Ok(Some((target, kind)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::control_plane::{COMPONENTS, HostView, tests::configuration};

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, contents) in files {
            std::fs::write(folder.path().join(name), contents).expect("written");
        }
        folder
    }

    #[test]
    fn each_kind_of_patch_reaches_its_pod() {
        let folder = folder(&[
            (
                "kube-scheduler0.yaml",
                "spec:\n  containers:\n  - name: kube-scheduler\n    env:\n    - name: A\n      value: b\n",
            ),
            ("kube-scheduler1+merge.json", r#"{"metadata": {"labels": {"extra": "1"}}}"#),
            ("kube-scheduler2+json.yaml", "- op: replace\n  path: /spec/hostNetwork\n  value: false\n"),
            ("etcd.yaml", "metadata:\n  labels:\n    other: pod\n"),
            ("README.md", "not a patch"),
        ]);
        let patches = Patches::load(Some(folder.path())).expect("loaded");
        let (_, scheduler) = COMPONENTS[2];
        let pod = patches.static_pod(scheduler(&configuration(), &HostView::default())).expect("patched");
        assert_eq!(pod.metadata.labels.get("extra").map(String::as_str), Some("1"));
        assert!(!pod.spec.host_network && !pod.metadata.labels.contains_key("other"));
        let container = &pod.spec.containers[0];
        assert_eq!(container.env[0].name, "A");
        assert!(!container.command.is_empty(), "a strategic patch keeps the rest of the container");
    }

    #[test]
    fn wrong_files_are_named() {
        for (name, contents) in [("etcd+other.yaml", "{}"), ("etcd.yaml", ": [")] {
            let folder = folder(&[(name, contents)]);
            let error = Patches::load(Some(folder.path())).expect_err(name).to_string();
            assert!(error.contains(name), "{error}");
        }
        assert!(Patches::load(Some(Path::new("/no/such/folder"))).is_err());
        assert_eq!(Patches::load(None).expect("none"), Patches::default());
    }
}
