//! Drop-in files: parts of the configuration, merged over the main file in the order of their names.

use std::path::{Path, PathBuf};

use component_base::config::{VersionedConfig, decode};
use serde_json::{Map, Value, json};

use super::{KubeletConfiguration, LoadError};

/// Reads the main file (or none) and every `*.conf` below the directory, and decodes the sum strictly.
pub(super) fn load(file: Option<&Path>, directory: &Path) -> Result<KubeletConfiguration, LoadError> {
    let mut merged = Map::new();
    let mut origins = Vec::new();
    for path in file.map(Path::to_owned).into_iter().chain(drop_ins(directory)?) {
        let refuse = |message: String| LoadError::DropIn { path: path.clone(), message };
        let text = std::fs::read_to_string(&path).map_err(|error| refuse(error.to_string()))?;
        // Each file is checked by itself first, so that a mistake is reported where it was made.
        decode::<KubeletConfiguration>(&path.display().to_string(), &text)?;
        let value: Value = serde_yaml::from_str(&text).map_err(|error| refuse(error.to_string()))?;
        let Value::Object(fields) = value else { return Err(refuse("not an object".to_owned())) };
        merge(&mut merged, fields);
        origins.push(path.display().to_string());
    }
    merged.insert("apiVersion".to_owned(), json!(KubeletConfiguration::API_VERSION));
    merged.insert("kind".to_owned(), json!(KubeletConfiguration::KIND));
    Ok(decode(&origins.join(" + "), &Value::Object(merged).to_string())?)
}

fn drop_ins(directory: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let failed = |source| LoadError::DropInDirectory { path: directory.to_owned(), source };
    let mut found = Vec::new();
    let mut pending = vec![directory.to_owned()];
    while let Some(next) = pending.pop() {
        for entry in std::fs::read_dir(&next).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "conf") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Objects merge field by field, everything else is replaced.
fn merge(base: &mut Map<String, Value>, over: Map<String, Value>) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Object(base)), Value::Object(over)) => merge(base, over),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_files_win_and_objects_merge() {
        let directory = std::env::temp_dir().join(format!("kubelet-drop-in-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory");
        let write = |name: &str, body: &str| {
            let head = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";
            std::fs::write(directory.join(name), format!("{head}{body}")).expect("written");
        };
        write("10-a.conf", "maxPods: 5\nevictionHard: {memory.available: 1Mi}\n");
        write("20-b.conf", "maxPods: 7\nevictionHard: {nodefs.available: 1%}\n");
        write("ignored.txt", "no: such\n");
        let config = load(None, &directory).expect("valid");
        assert_eq!(config.max_pods, 7);
        assert_eq!(config.eviction_hard.map(|map| map.len()), Some(2));
        write("30-c.conf", "maxPodz: 7\n");
        let refused = load(None, &directory).expect_err("unknown field").to_string();
        assert!(refused.contains("30-c.conf") && refused.contains("maxPodz"), "{refused}");
        std::fs::remove_dir_all(&directory).expect("removed");
    }
}
